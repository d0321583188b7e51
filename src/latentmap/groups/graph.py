"""Weighted neighbour graph on which groups are found: closer neighbours have heavier edges."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from latentmap.groups.components import connected_components
from latentmap.neighbors import NeighborGraph, NeighborSearch

# With fewer neighbours, trees over a thousand points or less are less right; with more, small groups are lost.
N_NEIGHBORS, MIN_NEIGHBORS = 15, 4
# Minimum weight of an edge, so that the weight of a distant neighbour does not round to 0.
MIN_WEIGHT = 1e-6


def default_neighbors(n: int) -> int:
    """Default number of neighbours for n points: 15. For fewer than 60 points a quarter of them, and at least 4."""
    return max(1, min(n - 1, N_NEIGHBORS, max(MIN_NEIGHBORS, n // 4)))


def affinity_graph(neighbors: NeighborGraph, n_neighbors: int) -> Any:
    """Build the symmetric graph with weights exp(-(d/σᵢ)²) + exp(-(d/σⱼ)²).

    σᵢ is the distance of point i to the middle one of its neighbours, so that weights do not depend on the density.

    Parameters
    ----------
    neighbors : NeighborGraph
        At least ``n_neighbors`` neighbours of each point. A point that is its own neighbour has fewer.
    n_neighbors : int
        Number of neighbours that are used.

    Returns
    -------
    sparse CSR matrix (n, n), float64
    """
    n = len(neighbors.indices)
    weights, indices = edge_weights(neighbors.distances[:, :n_neighbors]), neighbors.indices[:, :n_neighbors]
    is_own = indices == np.arange(n, dtype=np.int32)[:, None]
    indptr = np.arange(0, weights.size + 1, weights.shape[1])
    directed = sparse.csr_matrix((np.where(is_own, 0, weights).ravel(), indices.ravel(), indptr), shape=(n, n))
    if is_own.any():
        directed.eliminate_zeros()
    directed.sort_indices()
    return (directed + directed.T).tocsr()


def edge_weights(distances: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Compute the weights exp(-(d/σ)²) of edges.

    Parameters
    ----------
    distances : array (m, k), float32 or float64
        Distances of each point to its neighbours, nearest first.

    Returns
    -------
    array (m, k), float64
        Weights, at least ``MIN_WEIGHT``.
    """
    # distances beyond single precision are infinite, and infinity divided by infinity is NaN
    lengths = np.minimum(distances.astype(np.float64), np.finfo(np.float32).max)
    middle = lengths[:, lengths.shape[1] // 2 : lengths.shape[1] // 2 + 1].copy()
    widths = np.where(middle > 0, middle, np.maximum(lengths, np.finfo(float).tiny))
    lengths /= widths
    np.square(lengths, out=lengths)
    np.exp(np.negative(lengths, out=lengths), out=lengths)
    lengths += MIN_WEIGHT
    return lengths


def mean_over_neighbors(
    values: NDArray[np.float32], indices: NDArray[np.int32], distances: NDArray[np.floating[Any]]
) -> NDArray[np.float32]:
    """Average values over neighbours, weighted by :func:`edge_weights`.

    Parameters
    ----------
    values : array (n, c), float32
    indices : array (m, k), int32
        Neighbours of each query, nearest first.
    distances : array (m, k), float32 or float64
        Distances to them.

    Returns
    -------
    array (m, c), float32
    """
    weights = edge_weights(distances)
    weights /= weights.sum(axis=1, keepdims=True)
    mean: NDArray[np.float32] = np.einsum("mk,mkc->mc", weights, values[indices]).astype(np.float32)
    return mean


def connect_components(graph: Any, X: NDArray[Any], min_size: int, n_jobs: int | None) -> Any:
    """Connect each component of fewer than ``min_size`` nodes to the nearest point of a larger component.

    Parameters
    ----------
    graph : sparse CSR matrix (n, n), symmetric
    X : array (n, d), float32 or float64
        Points of the nodes.
    min_size : int
    n_jobs : int, optional
        Number of threads; all CPUs by default.

    Returns
    -------
    sparse CSR matrix (n, n)
        The graph with an edge of weight ``MIN_WEIGHT`` for each small component, or the graph itself if there are none,
        or no larger ones.
    """
    components = connected_components(graph)
    sizes = np.bincount(components)
    small = sizes[components] < min_size
    if len(sizes) == 1 or not small.any() or small.all():
        return graph
    large_rows, small_rows = np.flatnonzero(~small), np.flatnonzero(small)
    nearest, distances = NeighborSearch(X[large_rows], "euclidean", None).query(X[small_rows], 1, n_jobs)
    order = np.lexsort((distances[:, 0], components[small_rows]))
    _, firsts = np.unique(components[small_rows][order], return_index=True)
    bridgeheads = order[firsts]  # the node of each small component that is closest to a larger one
    edges = (np.full(len(bridgeheads), MIN_WEIGHT), (small_rows[bridgeheads], large_rows[nearest[bridgeheads, 0]]))
    bridges = sparse.csr_matrix(edges, shape=graph.shape)
    return (graph + bridges + bridges.T).tocsr()
