"""Selection of the nodes of a dendrogram that are groups, by conductance.

The conductance of a set of nodes is the weight of the edges that leave it, divided by its volume. A group is a set
whose narrowest balanced cut has a greater conductance than its border to the rest. A part of a homogeneous cloud fails
this test: its border is as wide as any cut through it, in any dimension.

References
----------
Kannan, Vempala and Vetta (2004), On clusterings: good, bad and spectral.
Oveis Gharan and Trevisan (2014), Partitioning into expanders.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentmap.groups.tree import Dendrogram

# Ratio of conductances from which a node is a group; clouds without structure, and parts of a digit, stay below.
MIN_SEPARATION = 2.0
# Ratio from which the rest beside a group is kept as a group; below, its blocks are assigned to other groups.
MIN_REST_SEPARATION = 0.75
# Each side of a balanced cut holds at least this fraction of the points of the set.
MIN_CUT_FRACTION = 0.15
# Numbers of edges are uncertain by this many standard deviations (Poisson). A group must have a ratio above 1 also if
# both numbers deviate against it.
N_STANDARD_DEVIATIONS = 1.5


@dataclass(frozen=True)
class Separation:
    """Separation of each of the 2B - 1 nodes of a dendrogram.

    Attributes
    ----------
    sizes : array (2B - 1,), int64
        Number of points below each node.
    ratios : array (2B - 1,), float64
        Conductance of the narrowest balanced cut through the node, divided by the conductance of its border. NaN for
        the root, which has no border.
    """

    sizes: NDArray[np.int64]
    ratios: NDArray[np.float64]


def measure_separation(
    tree: Dendrogram, block_weights: NDArray[np.float64], sizes: NDArray[np.int64], edge_weight: float
) -> Separation:
    """Compute the separation of every node of a dendrogram.

    Parameters
    ----------
    tree : Dendrogram
        Tree over B blocks.
    block_weights : array (B, B), float64
        Weights of the edges between blocks; on the diagonal those within, counted twice.
    sizes : array (B,), int64
        Number of points of each block.
    edge_weight : float
        Mean weight of an edge, which converts weights to numbers of edges.

    Returns
    -------
    Separation
    """
    node_weights = tree.totals(tree.totals(block_weights).T).T  # weights of the edges between any two nodes
    volumes = node_weights[:, -1]
    node_sizes = tree.totals(sizes.astype(float)).astype(np.int64)
    boundary = np.maximum(volumes - node_weights.diagonal(), 0) / edge_weight
    parents = tree.parents()
    narrowest_cuts, lowest_cuts = np.full((2, len(volumes)), np.inf)
    for child in range(len(volumes) - 1):
        ancestor = parents[child]
        while ancestor >= 0:
            rest = node_sizes[ancestor] - node_sizes[child]
            if min(rest, node_sizes[child]) >= MIN_CUT_FRACTION * node_sizes[ancestor]:
                crossing = max(node_weights[child, ancestor] - node_weights[child, child], 0) / edge_weight
                lighter = min(volumes[child], volumes[ancestor] - volumes[child]) / edge_weight
                narrowest_cuts[ancestor] = min(narrowest_cuts[ancestor], crossing / lighter)
                lowest_cuts[ancestor] = min(
                    lowest_cuts[ancestor], (crossing - N_STANDARD_DEVIATIONS * np.sqrt(crossing)) / lighter
                )
            ancestor = parents[ancestor]
    edges = volumes / edge_weight
    ratios = _ratios(narrowest_cuts, boundary / edges, edges)
    lowest_ratios = _ratios(lowest_cuts, (boundary + N_STANDARD_DEVIATIONS * np.sqrt(boundary)) / edges, edges)
    ratios[lowest_ratios < 1] = np.minimum(ratios, lowest_ratios)[lowest_ratios < 1]
    ratios[-1] = np.nan  # the root has no border
    return Separation(node_sizes, ratios)


def separated_groups(
    tree: Dendrogram, separation: Separation, min_size: int, ratio: float = MIN_SEPARATION
) -> list[int]:
    """Select the finest set of disjoint nodes that are groups.

    Parameters
    ----------
    tree : Dendrogram
    separation : Separation
        Separation of the nodes of the tree.
    min_size : int
        Minimum number of points of a group.
    ratio : float, default=2
        Minimum ratio of conductances of a group.

    Returns
    -------
    list of int
        Nodes of the tree. Fewer than two mean that all points form one group.
    """
    ratios, sizes, B = separation.ratios, separation.sizes, tree.n_blocks
    ratio_of = np.nan_to_num(ratios, nan=0.0)
    root = 2 * B - 2

    def is_group(node: int) -> bool:
        return node != root and sizes[node] >= min_size and ratio_of[node] >= ratio

    chosen: list[list[int]] = [[node] if is_group(node) else [] for node in range(B)]
    for step, (left, right) in enumerate(tree.merges):
        node = B + step
        parts = [chosen[left], chosen[right]]
        found = [*parts[0], *parts[1]]
        if len(found) < 2 and is_group(node) and (not found or ratio_of[node] >= ratio_of[found[0]] / 2):
            chosen.append([node])  # a group that has grown replaces its core
            continue
        if found:
            for side, own in zip((left, right), parts, strict=True):
                if not own and sizes[side] >= min_size and ratio_of[side] >= MIN_REST_SEPARATION:
                    found = [*found, int(side)]
        chosen.append(found)
    return chosen[root]


def _ratios(cuts: NDArray[np.float64], borders: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ratios of cuts to borders. A cut counts at least one edge and a border half an edge, as fewer look like none."""
    known = np.isfinite(cuts)
    median_cut = float(np.median(cuts[known])) if known.any() else 0.0  # for nodes without a balanced cut
    return np.maximum(np.where(known, cuts, median_cut), 1 / edges) / np.maximum(borders, 0.5 / edges)
