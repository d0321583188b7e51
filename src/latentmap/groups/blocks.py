"""Groups as sets of blocks: assignment of leftover blocks, refinement of borders, and the tree that respects groups."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.parallel import Array, compiled
from latentmap.groups.communities import Labels, refine_communities
from latentmap.groups.tree import Dendrogram, average_linkage

Matrix = NDArray[np.float64]


def assign_leftovers(groups: Labels, block_weights: Matrix) -> Labels:
    """Assign each block without a group to the group with the largest part of its edges, the clearest block first.

    Parameters
    ----------
    groups : array (B,), int32
        Group of each block; -1 for none.
    block_weights : array (B, B), float64
        Weights of the edges between blocks.

    Returns
    -------
    array (B,), int32
        Group of each block, without -1.
    """
    groups = groups.copy()
    volumes = np.maximum(block_weights.sum(axis=1), np.finfo(float).tiny)
    _assign(groups, block_weights, volumes, block_weights @ _one_hot(groups) / volumes[:, None])
    return groups


@compiled
def _assign(groups: Array, weights: Array, volumes: Array, to_group: Array) -> None:
    """Assign blocks one by one; ``to_group`` (B, K) is the part of the edges of each block that leads to each group."""
    n_blocks, n_groups = to_group.shape
    best, most = np.zeros(n_blocks, np.int32), np.zeros(n_blocks)
    for i in range(n_blocks):
        for group in range(n_groups):
            if group == 0 or to_group[i, group] > most[i]:
                best[i], most[i] = group, to_group[i, group]
    while True:
        clearest = -1
        for i in range(n_blocks):
            if groups[i] < 0 and (clearest < 0 or most[i] > most[clearest]):
                clearest = i
        if clearest < 0:
            return
        group = best[clearest]
        groups[clearest] = group
        for i in range(n_blocks):
            to_group[i, group] += weights[i, clearest] / volumes[i]
            if to_group[i, group] > most[i]:
                best[i], most[i] = group, to_group[i, group]


def refine_groups(
    graph: Any, block_graph: Any, blocks: Labels, groups: Labels, random: np.random.RandomState
) -> Labels:
    """Move blocks and then points to the groups with most of their edges.

    The resolution is the smallest one at which no two groups would be merged.

    Parameters
    ----------
    graph : sparse CSR matrix (n, n), symmetric
        Graph of the points.
    block_graph : sparse CSR matrix (B, B), symmetric
        The graph contracted to the blocks; see :func:`latentmap.groups.communities.contract_graph`.
    blocks : array (n,), int32
        Block of each point.
    groups : array (B,), int32
        Group of each block.
    random : RandomState
        Generator for the order in which nodes are visited.

    Returns
    -------
    array (n,), int32
        Group of each point.
    """
    if groups.max() == 0:
        return np.zeros(graph.shape[0], np.int32)
    weights = group_weights(block_graph.toarray(), groups)
    volumes = weights.sum(axis=1)
    np.fill_diagonal(weights, 0)
    resolution = float((weights * volumes.sum() / np.outer(volumes, volumes)).max())
    refined = refine_communities(block_graph, resolution, groups, random)
    return refine_communities(graph, resolution, refined[blocks], random)


def group_weights(block_weights: Matrix, groups: Labels) -> Matrix:
    """Sum the weights between blocks (B, B) to weights between groups (K, K), for the groups (B,) of the blocks."""
    member = _one_hot(groups)
    total: Matrix = member.T @ block_weights @ member
    return total


def grouped_tree(block_weights: Matrix, groups: Labels) -> Dendrogram:
    """Build the tree over blocks in which the blocks of each group are merged before groups are.

    Parameters
    ----------
    block_weights : array (B, B), float64
        Weights of the edges between blocks.
    groups : array (B,), int32
        Group of each block.

    Returns
    -------
    Dendrogram
        See :func:`latentmap.groups.tree.average_linkage`.
    """
    n_blocks, n_groups = len(groups), int(groups.max()) + 1
    steps: list[tuple[float, int, int]] = []  # association, and a block of each of the two nodes
    for group in range(n_groups):
        members = np.flatnonzero(groups == group)
        within = average_linkage(block_weights[np.ix_(members, members)], block_weights[members].sum(axis=1))
        steps += _merge_steps(within, members)
    steps.sort(key=lambda step: -step[0])  # stable, and descending within each group: children stay before parents
    weights = group_weights(block_weights, groups)
    first_blocks = np.array([np.flatnonzero(groups == group)[0] for group in range(n_groups)])
    steps += _merge_steps(average_linkage(weights, weights.sum(axis=1)), first_blocks)
    top_node = np.arange(n_blocks)  # topmost node above each block so far
    merges = np.empty((n_blocks - 1, 2), np.int64)
    for step, (_, left, right) in enumerate(steps):
        merges[step] = top_node[left], top_node[right]
        top_node[np.isin(top_node, merges[step])] = n_blocks + step
    return Dendrogram(merges, np.minimum.accumulate(np.array([step[0] for step in steps])))


def _merge_steps(tree: Dendrogram, members: NDArray[Any]) -> list[tuple[float, int, int]]:
    """Merges of a tree over ``members``, each as its association and one block of either side."""
    block_in = [*(int(block) for block in members)]
    steps = []
    for association, (left, right) in zip(tree.associations, tree.merges, strict=True):
        steps.append((float(association), block_in[left], block_in[right]))
        block_in.append(block_in[left])
    return steps


def _one_hot(groups: Labels) -> Matrix:
    member = np.zeros((len(groups), int(groups.max()) + 1))
    known = groups >= 0
    member[np.flatnonzero(known), groups[known]] = 1
    return member
