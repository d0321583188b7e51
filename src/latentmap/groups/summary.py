"""Summaries of groups: their typical points, their neighbours, and their place in the tree."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.groups.communities import Labels, contract_graph
from latentmap.groups.tree import Dendrogram


@dataclass(frozen=True)
class GroupSummary:
    """Summary of one group.

    Attributes
    ----------
    size : int
        Number of points.
    typical, boundary : array, int
        Rows of the points with the highest and with the lowest confidence.
    neighbors : list of (int, float)
        Other groups with the fraction of this group's edges that lead to each, the largest first.
    merge : tuple (int, int) or None
        The group that it would be merged with first, and the number of groups after this merge. None for a single
        group.
    split : tuple (int, int) or None
        Sizes of the two parts that it would be split into first. None if it is a single block.
    separation : float
        Conductance of its narrowest balanced cut, divided by the conductance of its border. Above 2 the group is
        clearly separated.
    """

    size: int
    typical: NDArray[np.intp]
    boundary: NDArray[np.intp]
    neighbors: list[tuple[int, float]]
    merge: tuple[int, int] | None
    split: tuple[int, int] | None
    separation: float


def summarize_groups(
    graph: Any,
    tree: Dendrogram,
    blocks: Labels,
    groups: Labels,
    confidence: NDArray[np.float32],
    separation: NDArray[np.float64],
    copies: NDArray[np.int64],
    n_examples: int,
) -> list[GroupSummary]:
    """Summarize each of K groups.

    Parameters
    ----------
    graph : sparse CSR matrix (n, n), symmetric
    tree : Dendrogram
        Tree over blocks; cutting it into K groups gives the groups.
    blocks, groups : array (n,), int32
        Block and group of each point.
    confidence : array (n,), float32
        Membership of each point in its own group.
    separation : array (K,), float64
        Separation of each group.
    copies : array (n,), int64
        Number of points that each node of the graph stands for.
    n_examples : int
        Maximum number of typical points and of boundary points.

    Returns
    -------
    list of GroupSummary
    """
    weights = contract_graph(graph, groups).toarray()
    fractions = weights / weights.sum(axis=1, keepdims=True)
    block_sizes = np.bincount(blocks, weights=copies, minlength=tree.n_blocks).astype(float)
    parents, node_sizes = tree.parents(), tree.totals(block_sizes)
    summaries = []
    for group, node in enumerate(_group_nodes(tree, parents, blocks, groups)):
        rows = np.flatnonzero(groups == group)
        by_confidence = rows[np.argsort(-confidence[rows], kind="stable")]
        order = np.argsort(-fractions[group], kind="stable")
        neighbors = [(int(j), float(fractions[group, j])) for j in order if j != group and fractions[group, j] > 0]
        merge = None
        if len(weights) > 1:
            beside = np.unique(groups[np.isin(blocks, tree.blocks_under(int(parents[node])))])
            beside = beside[beside != group]
            merge = (int(beside[fractions[group, beside].argmax()]), int(2 * tree.n_blocks - 1 - parents[node]))
        split = None
        if node >= tree.n_blocks:
            parts = node_sizes[tree.merges[node - tree.n_blocks]]
            split = (int(parts.max()), int(parts.min()))
        typical, boundary = by_confidence[:n_examples], by_confidence[::-1][:n_examples]
        size = int(copies[rows].sum())
        summaries.append(GroupSummary(size, typical, boundary, neighbors, merge, split, float(separation[group])))
    return summaries


def _group_nodes(tree: Dendrogram, parents: NDArray[np.int64], blocks: Labels, groups: Labels) -> list[int]:
    """Find the node of the tree that is each group."""
    n_groups = int(groups.max()) + 1
    first_undone = 2 * tree.n_blocks - n_groups
    group_of_block = np.zeros(tree.n_blocks, np.int32)
    group_of_block[blocks] = groups
    nodes = [0] * n_groups
    for block in range(tree.n_blocks):
        node = block
        while parents[node] >= 0 and parents[node] < first_undone:
            node = parents[node]
        nodes[group_of_block[block]] = int(node)
    return nodes
