"""A binary tree over blocks of a graph, from the tightest merge to the loosest.

Two blocks are as close as their association: the weight of the edges between them, over what it would be if edges were
drawn at random. The association of a merged pair with a third block is the mean of the two, weighted by volume, so this
is average linkage and heights never turn back.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentmap.core.errors import InputError
from latentmap.core.parallel import Array, compiled


@dataclass(frozen=True)
class Dendrogram:
    """Merges of B blocks. Node t < B is a block, node B + s the s-th merge; the last one is the root.

    Attributes
    ----------
    merges : array (B - 1, 2), int64
        The two nodes that each merge joins.
    associations : array (B - 1,), float64
        Between the two, falling: 1 is chance.
    """

    merges: NDArray[np.int64]
    associations: NDArray[np.float64]

    @property
    def n_blocks(self) -> int:
        """B."""
        return len(self.merges) + 1

    def totals(self, of_blocks: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sums over the blocks below each node: (B, ...) → (2B - 1, ...)."""
        B = self.n_blocks
        sums = np.zeros((2 * B - 1, *of_blocks.shape[1:]))
        sums[:B] = of_blocks
        for s, (left, right) in enumerate(self.merges):
            sums[B + s] = sums[left] + sums[right]
        return sums

    def parents(self) -> NDArray[np.int64]:
        """The node above each; -1 above the root."""
        parents = np.full(2 * self.n_blocks - 1, -1)
        parents[self.merges.ravel()] = np.repeat(self.n_blocks + np.arange(len(self.merges)), 2)
        return parents

    def blocks_under(self, node: int) -> list[int]:
        """The blocks below a node, from left to right."""
        below, stack = [], [node]
        while stack:
            top = stack.pop()
            if top < self.n_blocks:
                below.append(top)
            else:
                left, right = self.merges[top - self.n_blocks]
                stack += [int(right), int(left)]
        return below

    def paths(self) -> list[str]:
        """The way from the root to each block: 0 for left, 1 for right. Blocks of one group begin alike."""
        paths = [""] * (2 * self.n_blocks - 1)
        for step in reversed(range(len(self.merges))):
            for side, node in enumerate(self.merges[step]):
                paths[node] = paths[self.n_blocks + step] + str(side)
        return paths[: self.n_blocks]

    def cut(self, n_groups: int) -> NDArray[np.int32]:
        """The group of each block when the last ``n_groups - 1`` merges are undone: (B,), from left to right."""
        groups = np.zeros(self.n_blocks, np.int32)
        first_undone = 2 * self.n_blocks - n_groups
        nodes, stack = [], [2 * self.n_blocks - 2]
        while stack:
            top = stack.pop()
            if top < first_undone:
                nodes.append(top)
            else:
                left, right = self.merges[top - self.n_blocks]
                stack += [int(right), int(left)]
        for group, node in enumerate(nodes):
            groups[self.blocks_under(node)] = group
        return groups


def check_cut(tree: Dendrogram, n_groups: int) -> None:
    """Raise InputError unless the tree can be cut into so many groups."""
    if not 1 <= n_groups <= tree.n_blocks:
        raise InputError(f"n_clusters={n_groups}: the tree can be cut into 1 to {tree.n_blocks} groups")


def average_linkage(between: NDArray[np.float64], volumes: NDArray[np.float64]) -> Dendrogram:
    """The tree over blocks.

    Parameters
    ----------
    between : array (B, B), float64
        Weight of the edges between blocks, symmetric; the diagonal is not read.
    volumes : array (B,), float64
        Weight of all edges of each block, those within counted twice.
    """
    n = len(volumes)
    merges, associations = np.empty((n - 1, 2), np.int64), np.empty(n - 1)
    weights = between.copy()
    np.fill_diagonal(weights, 0)
    _link(weights, volumes.copy(), merges, associations)
    return Dendrogram(merges, np.minimum.accumulate(associations))  # but for rounding they fall already


def absorb(
    labels: NDArray[np.int32], between: NDArray[np.float64], sizes: NDArray[np.int64], least: int
) -> NDArray[np.int32]:
    """Merge blocks of fewer than ``least`` points, the smallest first, each into the block it is closest to.

    Parameters
    ----------
    labels : array (B,), int32
        Blocks of one label only are merged with each other.
    between : array (B, B); sizes : array (B,)
    least : int

    Returns
    -------
    array (B,), int32
        The new block of each, from 0.
    """
    into = np.arange(len(sizes), dtype=np.int32)
    _absorb(labels, between.copy(), sizes.copy(), least, into)
    return np.unique(into, return_inverse=True)[1].astype(np.int32)


@compiled
def _absorb(labels: Array, weights: Array, sizes: Array, least: int, into: Array) -> None:
    n = len(sizes)
    alive = np.ones(n, np.bool_)
    volumes = weights.sum(axis=1)
    while True:
        small = -1
        for i in range(n):
            if alive[i] and sizes[i] < least and (small < 0 or sizes[i] < sizes[small]):
                small = i
        if small < 0:
            return
        best, most = -1, -1.0
        for j in range(n):
            if alive[j] and j != small and labels[j] == labels[small]:
                closeness = weights[small, j] / max(volumes[j], 1e-300)
                if closeness > most:
                    best, most = j, closeness
        if best < 0:  # alone under its label: it stays
            sizes[small] = least
            continue
        alive[small] = False
        sizes[best] += sizes[small]
        volumes[best] += volumes[small]
        for j in range(n):
            weights[best, j] += weights[small, j]
            weights[j, best] = weights[best, j]
        for j in range(n):
            if into[j] == small:
                into[j] = best


@compiled
def _link(weights: Array, volumes: Array, merges: Array, associations: Array) -> None:
    n = len(volumes)
    total = volumes.sum()
    alive = np.ones(n, np.bool_)
    node = np.arange(n)
    nearest = np.full(n, -1)
    for step in range(n - 1):
        top, p = -1.0, -1
        for i in range(n):
            if not alive[i]:
                continue
            if nearest[i] < 0:
                most = -1.0
                for j in range(n):
                    if alive[j] and j != i and weights[i, j] / volumes[j] > most:
                        most, nearest[i] = weights[i, j] / volumes[j], j
            association = weights[i, nearest[i]] * total / (volumes[i] * volumes[nearest[i]])
            if association > top:
                top, p = association, i
        q = nearest[p]
        merges[step, 0], merges[step, 1], associations[step] = node[p], node[q], top
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
