"""Groups as sets of blocks: the blocks that are left are shared out, borders are settled, and the tree is rebuilt."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.groups.communities import Labels, contracted, refine
from latentmap.groups.tree import Dendrogram, average_linkage

Matrix = NDArray[np.float64]


def shared_out(groups: Labels, between: Matrix) -> Labels:
    """Give each block without a group (-1) to the group that most of its edges lead to, the surest first."""
    groups = groups.copy()
    volumes = np.maximum(between.sum(axis=1), np.finfo(float).tiny)
    to_group = between @ _one_hot(groups) / volumes[:, None]
    while (groups < 0).any():
        left = np.flatnonzero(groups < 0)
        block = left[to_group[left].max(axis=1).argmax()]
        groups[block] = to_group[block].argmax()
        to_group[:, groups[block]] += between[:, block] / volumes
    return groups


def settled(graph: Any, blocks: Labels, groups: Labels, random: np.random.RandomState) -> Labels:
    """The group of each point, after blocks and then points have moved where they have most edges: (n,), int32.

    The resolution is the smallest at which no two groups would be one.
    """
    if groups.max() == 0:
        return np.zeros(graph.shape[0], np.int32)
    small = contracted(graph, blocks)
    weights = small.toarray()
    between = summed(weights, groups)
    volumes = between.sum(axis=1)
    np.fill_diagonal(between, 0)
    resolution = float((between * volumes.sum() / np.outer(volumes, volumes)).max())
    return refine(graph, resolution, refine(small, resolution, groups, random)[blocks], random)


def summed(between: Matrix, groups: Labels) -> Matrix:
    """Weights between blocks, summed to weights between groups."""
    member = _one_hot(groups)
    total: Matrix = member.T @ between @ member
    return total


def grouped_tree(between: Matrix, groups: Labels) -> Dendrogram:
    """The tree over blocks in which each group is put together before groups are: see :func:`average_linkage`."""
    n_blocks, n_groups = len(groups), int(groups.max()) + 1
    steps: list[tuple[float, int, int]] = []  # association, the nodes by a block that each holds
    for group in range(n_groups):
        members = np.flatnonzero(groups == group)
        steps += _steps(average_linkage(between[np.ix_(members, members)], between[members].sum(axis=1)), members)
    steps.sort(key=lambda step: -step[0])  # stable, and falling within each group: children stay before parents
    among = summed(between, groups)
    firsts = np.array([np.flatnonzero(groups == group)[0] for group in range(n_groups)])
    steps += _steps(average_linkage(among, among.sum(axis=1)), firsts)
    node_of = np.arange(n_blocks)  # of each block the topmost node so far
    merges = np.empty((n_blocks - 1, 2), np.int64)
    for step, (_, left, right) in enumerate(steps):
        merges[step] = node_of[left], node_of[right]
        node_of[np.isin(node_of, merges[step])] = n_blocks + step
    return Dendrogram(merges, np.minimum.accumulate(np.array([step[0] for step in steps])))


def _steps(tree: Dendrogram, members: NDArray[Any]) -> list[tuple[float, int, int]]:
    """The merges of a tree, each by its association and by one block of either side."""
    some = [*(int(block) for block in members)]
    steps = []
    for association, (left, right) in zip(tree.associations, tree.merges, strict=True):
        steps.append((float(association), some[left], some[right]))
        some.append(some[left])
    return steps


def _one_hot(groups: Labels) -> Matrix:
    member = np.zeros((len(groups), int(groups.max()) + 1))
    known = groups >= 0
    member[np.flatnonzero(known), groups[known]] = 1
    return member
