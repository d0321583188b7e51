"""Separation of the nodes of a dendrogram, by conductance.

The conductance of a set of nodes is the weight of the edges that leave it, divided by its volume. A set is separated if
its narrowest balanced cut has a greater conductance than its border to the rest. A part of a homogeneous cloud is not:
its border is as wide as any cut through it, in any dimension.

References
----------
Kannan, Vempala and Vetta (2004), On clusterings: good, bad and spectral.
Oveis Gharan and Trevisan (2014), Partitioning into expanders.
"""

import numpy as np
from numpy.typing import NDArray

from latentmap.groups.tree import Dendrogram

# Each side of a balanced cut holds at least this fraction of the points of the set.
MIN_CUT_FRACTION = 0.15
# Numbers of edges are uncertain by this many standard deviations (Poisson). A ratio above 1 must stay above 1 also if
# both numbers deviate against it.
N_STANDARD_DEVIATIONS = 1.5


def measure_separation(
    tree: Dendrogram, block_weights: NDArray[np.float64], sizes: NDArray[np.int64], edge_weight: float
) -> NDArray[np.float64]:
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
    array (2B - 1,), float64
        Conductance of the narrowest balanced cut through each node, divided by the conductance of its border. NaN for
        the root, which has no border.
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
    return ratios


def group_separations(
    tree: Dendrogram,
    block_weights: NDArray[np.float64],
    sizes: NDArray[np.int64],
    groups: NDArray[np.int32],
    edge_weight: float,
) -> NDArray[np.float64]:
    """Compute the separation of K groups that are nodes of a dendrogram.

    Parameters
    ----------
    tree, block_weights, sizes, edge_weight
        As in :func:`measure_separation`.
    groups : array (B,), int32
        Group of each block; cutting the tree into K groups gives them.

    Returns
    -------
    array (K,), float64
        NaN for a single group.
    """
    n_groups = int(groups.max()) + 1
    if n_groups == 1:
        return np.full(1, np.nan)
    ratios = measure_separation(tree, block_weights, sizes, edge_weight)
    first_undone = 2 * tree.n_blocks - n_groups
    tops = np.flatnonzero((np.arange(len(ratios)) < first_undone) & (tree.parents() >= first_undone))
    separations = np.empty(n_groups)
    for node in tops:
        separations[groups[tree.blocks_under(int(node))[0]]] = ratios[node]
    return separations


def _ratios(cuts: NDArray[np.float64], borders: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ratios of cuts to borders. A cut counts at least one edge and a border half an edge, as fewer look like none."""
    known = np.isfinite(cuts)
    median_cut = float(np.median(cuts[known])) if known.any() else 0.0  # for nodes without a balanced cut
    return np.maximum(np.where(known, cuts, median_cut), 1 / edges) / np.maximum(borders, 0.5 / edges)
