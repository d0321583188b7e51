"""Blocks of a graph, and the dendrogram over them that is cut into groups."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.groups.blocks import assign_leftovers
from latentmap.groups.communities import Labels, communities, contract_graph
from latentmap.groups.tree import Dendrogram, average_linkage, merge_small_blocks

# Minimum size of a group, as a fraction of the points. A group also has at least as many points as neighbours.
MIN_GROUP_FRACTION = 1 / 500
MIN_GROUPS = 8  # that few points can have, whatever the number of their neighbours
MIN_BLOCKS_PER_GROUP = 4
MAX_BLOCKS = 3000  # about
BLOCK_RESOLUTION = 0.1  # resolution per block, at which communities have about the wanted size


def default_min_size(n: int, n_neighbors: int) -> int:
    """Default minimum size of a group of n points."""
    return max(2, min(n_neighbors, n // MIN_GROUPS), round(MIN_GROUP_FRACTION * n))


@dataclass(frozen=True)
class BlockTree:
    """Small communities of a graph, and a dendrogram over them by average linkage.

    Attributes
    ----------
    blocks : array (n,), int32
        Block of each node of the graph.
    graph : sparse CSR matrix (B, B)
        The graph contracted to the blocks.
    weights : array (B, B), float64
        The same as a dense array.
    sizes : array (B,), int64
        Number of nodes of each block.
    tree : Dendrogram
    min_size : int
        Minimum number of nodes of a group.
    """

    blocks: Labels
    graph: Any
    weights: NDArray[np.float64]
    sizes: NDArray[np.int64]
    tree: Dendrogram
    min_size: int

    @classmethod
    def build(cls, graph: Any, min_size: int, random: np.random.RandomState, min_blocks: int = 1) -> "BlockTree":
        """Find the blocks and build the tree.

        Parameters
        ----------
        graph : sparse CSR matrix (n, n), symmetric, positive weights
        min_size : int
            Minimum number of nodes of a group; blocks are smaller.
        random : RandomState
            Generator for the order in which nodes are visited.
        min_blocks : int, default=1
            Minimum number of blocks, at most n.
        """
        n = graph.shape[0]
        target_size = max(1, min_size // MIN_BLOCKS_PER_GROUP, n // MAX_BLOCKS)
        resolution = max(1.0, BLOCK_RESOLUTION * n / target_size)
        blocks = communities(graph, resolution, random)
        while blocks.max() + 1 < min(n, min_blocks):
            resolution *= 4
            blocks = communities(graph, resolution, random) if resolution < n**2 else np.arange(n, dtype=np.int32)
        blocks, block_graph = merge_blocks(graph, blocks, np.zeros(blocks.max() + 1, np.int32), target_size, min_blocks)
        weights = block_graph.toarray()
        tree = average_linkage(weights, weights.sum(axis=1))
        return cls(blocks, block_graph, weights, np.bincount(blocks), tree, min_size)

    def cut_at(self, resolution: float) -> Labels:
        """Undo all merges of nodes whose association is below a resolution.

        Nodes of fewer than ``min_size`` points are no groups: their blocks join the groups that they have most edges
        to.

        Parameters
        ----------
        resolution : float
            1 is the association that is expected in a random graph.

        Returns
        -------
        array (B,), int32
            Group of each block.
        """
        return self._groups_of_nodes(1 + int((self.tree.associations < resolution).sum()))

    def cut_into(self, n_groups: int) -> Labels:
        """Undo merges until there are ``n_groups`` groups, from 1 to B.

        Returns
        -------
        array (B,), int32
            Group of each block. Groups are smaller than ``min_size`` only where the tree has too few of that size.
        """
        counts = self._numbers_of_groups()
        if n_groups == 1 or n_groups not in counts:
            return self.tree.cut(n_groups)
        return self._groups_of_nodes(1 + int(np.argmax(counts == n_groups)))

    def _groups_of_nodes(self, n_nodes: int) -> Labels:
        nodes = self.tree.cut(n_nodes)
        is_group = np.bincount(nodes, weights=self.sizes) >= self.min_size
        if is_group.sum() < 2:
            return np.zeros(len(nodes), np.int32)
        numbers = np.where(is_group, np.cumsum(is_group) - 1, -1).astype(np.int32)
        return assign_leftovers(numbers[nodes], self.weights)

    def _numbers_of_groups(self) -> NDArray[np.int64]:
        """Number of nodes of at least ``min_size`` points, if the tree is cut into 1 to B nodes: (B,), int64."""
        is_group = (self.tree.totals(self.sizes.astype(float)) >= self.min_size).astype(np.int64)
        left, right = self.tree.merges.T
        gained = is_group[left] + is_group[right] - is_group[self.tree.n_blocks :]
        return np.concatenate([is_group[-1:], is_group[-1] + np.cumsum(gained[::-1])])


def merge_blocks(graph: Any, blocks: Labels, labels: Labels, min_size: int, min_blocks: int) -> tuple[Labels, Any]:
    """Merge small blocks of the same label unless fewer than ``min_blocks`` remain; return blocks and their graph."""
    block_graph = contract_graph(graph, blocks)
    merged = merge_small_blocks(labels, block_graph.toarray(), np.bincount(blocks), min_size)
    if min_blocks <= merged.max() + 1 < len(merged):
        return merged[blocks], contract_graph(block_graph, merged)
    return blocks, block_graph
