"""Dendrogram over blocks of a graph, by average linkage.

The association of two blocks is the weight of the edges between them, divided by its expected value in a random graph
with the same volumes. The association of a merged pair with a third block is the mean of both associations, weighted by
volume, so this is average linkage, and associations never increase from merge to merge.

SciPy's linkage weights the mean by numbers of points instead of volumes, and its cuts number the groups differently, so
both are implemented here.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from latentmap.core.errors import InputError
from latentmap.core.parallel import Array, compiled


@dataclass(frozen=True)
class Dendrogram:
    """Binary tree over B blocks. Nodes 0 to B - 1 are the blocks, node B + s is the s-th merge, and the last the root.

    Attributes
    ----------
    merges : array (B - 1, 2), int64
        The two nodes that each merge joins.
    associations : array (B - 1,), float64
        Association of the two nodes, descending; 1 is its expected value in a random graph.
    """

    merges: NDArray[np.int64]
    associations: NDArray[np.float64]

    @property
    def n_blocks(self) -> int:
        """Number of blocks, B."""
        return len(self.merges) + 1

    def totals(self, of_blocks: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum the values ``of_blocks`` (B, ...) over the blocks below each node: (2B - 1, ...)."""
        B = self.n_blocks
        sums = np.zeros((2 * B - 1, *of_blocks.shape[1:]))
        sums[:B] = of_blocks
        for s, (left, right) in enumerate(self.merges):
            sums[B + s] = sums[left] + sums[right]
        return sums

    def parents(self) -> NDArray[np.int64]:
        """Parent of each node, -1 for the root: (2B - 1,), int64."""
        parents = np.full(2 * self.n_blocks - 1, -1)
        parents[self.merges.ravel()] = np.repeat(self.n_blocks + np.arange(len(self.merges)), 2)
        return parents

    @cached_property
    def _spans(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """The blocks from left to right (B,), and where those of each node begin and end (2B - 1,)."""
        B = self.n_blocks
        sizes = self.totals(np.ones(B)).astype(np.int64)
        begins = np.zeros(2 * B - 1, np.int64)
        for step in reversed(range(B - 1)):
            left, right = self.merges[step]
            begins[left] = begins[B + step]
            begins[right] = begins[B + step] + sizes[left]
        return np.argsort(begins[:B]), begins, begins + sizes

    def blocks_under(self, node: int) -> NDArray[np.int64]:
        """Blocks below a node, from left to right."""
        blocks, begins, ends = self._spans
        return blocks[begins[node] : ends[node]]

    def paths(self) -> list[str]:
        """Path from the root to each block, "0" for left and "1" for right. Blocks below a node share a prefix."""
        paths = [""] * (2 * self.n_blocks - 1)
        for step in reversed(range(len(self.merges))):
            for side, node in enumerate(self.merges[step]):
                paths[node] = paths[self.n_blocks + step] + str(side)
        return paths[: self.n_blocks]

    def cut(self, n_groups: int) -> NDArray[np.int32]:
        """Cut the tree into groups by undoing the last merges.

        Parameters
        ----------
        n_groups : int
            Number of groups, from 1 to B.

        Returns
        -------
        array (B,), int32
            Group of each block, numbered from left to right.
        """
        blocks, begins, _ = self._spans
        first_undone = 2 * self.n_blocks - n_groups
        is_undone = self.parents() >= first_undone
        is_undone[-1] = True
        tops = np.flatnonzero(is_undone[:first_undone])
        is_first = np.zeros(self.n_blocks, np.int32)
        is_first[begins[tops]] = 1
        groups = np.empty(self.n_blocks, np.int32)
        groups[blocks] = np.cumsum(is_first) - 1
        return groups


def check_cut(tree: Dendrogram, n_groups: int) -> None:
    """Check that the tree can be cut into ``n_groups`` groups.

    Raises
    ------
    InputError
        If it has fewer blocks, or ``n_groups`` is less than 1.
    """
    if not 1 <= n_groups <= tree.n_blocks:
        raise InputError(f"n_clusters={n_groups}: the tree can be cut into 1 to {tree.n_blocks} groups")


def average_linkage(block_weights: NDArray[np.float64], volumes: NDArray[np.float64]) -> Dendrogram:
    """Build the tree over blocks by average linkage.

    Parameters
    ----------
    block_weights : array (B, B), float64
        Weights of the edges between blocks, symmetric; the diagonal is not read.
    volumes : array (B,), float64
        Total weight of the edges of each block, those within counted twice.

    Returns
    -------
    Dendrogram
    """
    n = len(volumes)
    merges, associations = np.empty((n - 1, 2), np.int64), np.empty(n - 1)
    weights = block_weights.copy()
    np.fill_diagonal(weights, 0)
    _average_linkage(weights, volumes.copy(), merges, associations)
    return Dendrogram(merges, np.minimum.accumulate(associations))  # they descend except for rounding


def merge_small_blocks(
    labels: NDArray[np.int32], block_weights: NDArray[np.float64], sizes: NDArray[np.int64], min_size: int
) -> NDArray[np.int32]:
    """Merge blocks of fewer than ``min_size`` points, the smallest first, each into the block it is closest to.

    Parameters
    ----------
    labels : array (B,), int32
        Only blocks with the same label are merged.
    block_weights : array (B, B), float64
        Weights of the edges between blocks, symmetric.
    sizes : array (B,), int64
        Number of points of each block.
    min_size : int

    Returns
    -------
    array (B,), int32
        New block of each block, numbered from 0.
    """
    merged_into = np.arange(len(sizes), dtype=np.int32)
    _merge_small(labels, block_weights.copy(), sizes.copy(), min_size, merged_into)
    return np.unique(merged_into, return_inverse=True)[1].astype(np.int32)


@compiled
def _merge_small(labels: Array, weights: Array, sizes: Array, min_size: int, merged_into: Array) -> None:
    n = len(sizes)
    alive = np.ones(n, np.bool_)
    volumes = weights.sum(axis=1)
    while True:
        small = -1
        for i in range(n):
            if alive[i] and sizes[i] < min_size and (small < 0 or sizes[i] < sizes[small]):
                small = i
        if small < 0:
            return
        best, max_closeness = -1, -1.0
        for j in range(n):
            if alive[j] and j != small and labels[j] == labels[small]:
                closeness = weights[small, j] / max(volumes[j], 1e-300)
                if closeness > max_closeness:
                    best, max_closeness = j, closeness
        if best < 0:  # the only block with its label is kept
            sizes[small] = min_size
            continue
        alive[small] = False
        sizes[best] += sizes[small]
        volumes[best] += volumes[small]
        for j in range(n):
            weights[best, j] += weights[small, j]
            weights[j, best] = weights[best, j]
        for j in range(n):
            if merged_into[j] == small:
                merged_into[j] = best


@compiled
def _average_linkage(weights: Array, volumes: Array, merges: Array, associations: Array) -> None:
    n = len(volumes)
    total = volumes.sum()
    alive = np.ones(n, np.bool_)
    node = np.arange(n)
    nearest = np.full(n, -1)
    for step in range(n - 1):
        max_association, p = -1.0, -1
        for i in range(n):
            if not alive[i]:
                continue
            if nearest[i] < 0:
                max_closeness = -1.0
                for j in range(n):
                    if alive[j] and j != i and weights[i, j] / volumes[j] > max_closeness:
                        max_closeness, nearest[i] = weights[i, j] / volumes[j], j
            association = weights[i, nearest[i]] * total / (volumes[i] * volumes[nearest[i]])
            if association > max_association:
                max_association, p = association, i
        q = nearest[p]
        merges[step, 0], merges[step, 1], associations[step] = node[p], node[q], max_association
        for j in range(n):
            weights[p, j] += weights[q, j]
        for j in range(n):
            weights[j, p] = weights[p, j]
        weights[p, p] = 0.0
        volumes[p] += volumes[q]
        alive[q] = False
        node[p] = n + step
        for i in range(n):
            if nearest[i] == p or nearest[i] == q:
                nearest[i] = -1
        nearest[p] = -1
