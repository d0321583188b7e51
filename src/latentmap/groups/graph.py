"""The weighted graph that groups are found on: near neighbours are joined, the nearer the more firmly."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from latentmap.groups.pieces import connected_pieces
from latentmap.neighbors import NeighborGraph, NeighborSearch

# Of an edge to a neighbour however far, so that no neighbour is lost to rounding.
LEAST_WEIGHT = 1e-6


def default_neighbors(n: int) -> int:
    """Neighbours of each of n points: the natural logarithm of n, as connectivity asks for, from 4 to 12."""
    return min(max(1, n - 1), int(np.clip(round(np.log(n)), 4, 12)))


def affinity_graph(neighbors: NeighborGraph, n_neighbors: int) -> Any:
    """Weights exp(-(d/σ)²) of the nearest neighbours, made symmetric by addition: sparse CSR (n, n), float64.

    σ is each point's distance to the middle one of its neighbours, so that sparse regions hold as firmly as dense ones.
    """
    n = len(neighbors.indices)
    weights = edge_weights(neighbors.distances[:, :n_neighbors])
    begin = np.arange(0, weights.size + 1, weights.shape[1])
    edges = (weights.ravel(), neighbors.indices[:, :n_neighbors].ravel(), begin)
    directed = sparse.csr_matrix(edges, shape=(n, n))
    directed.sort_indices()
    return (directed + directed.T).tocsr()


def edge_weights(distances: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Weights of edges of these lengths (m, k), nearest first: (m, k) in (0, 1]."""
    # a distance beyond single precision is infinite, and infinite over infinite is no number
    lengths = np.minimum(distances.astype(np.float64), np.finfo(np.float32).max)
    middle = lengths[:, lengths.shape[1] // 2 : lengths.shape[1] // 2 + 1].copy()
    widths = np.where(middle > 0, middle, np.maximum(lengths, np.finfo(float).tiny))
    lengths /= widths
    np.square(lengths, out=lengths)
    np.exp(np.negative(lengths, out=lengths), out=lengths)
    lengths += LEAST_WEIGHT
    return lengths


def mean_over_neighbors(
    values: NDArray[np.float32], indices: NDArray[np.int32], distances: NDArray[np.floating[Any]]
) -> NDArray[np.float32]:
    """Values (n, c) of the neighbours (m, k), the nearer the more: (m, c)."""
    weights = edge_weights(distances)
    weights /= weights.sum(axis=1, keepdims=True)
    mean: NDArray[np.float32] = np.einsum("mk,mkc->mc", weights, values[indices]).astype(np.float32)
    return mean


def without_islands(graph: Any, X: NDArray[Any], least: int, n_jobs: int | None) -> Any:
    """The graph with every piece of fewer than ``least`` nodes tied to the nearest point of a larger one."""
    pieces = connected_pieces(graph)
    sizes = np.bincount(pieces)
    small = sizes[pieces] < least
    if len(sizes) == 1 or not small.any() or small.all():
        return graph
    inland, islands = np.flatnonzero(~small), np.flatnonzero(small)
    nearest, lengths = NeighborSearch(X[inland], "euclidean", None).query(X[islands], 1, n_jobs)
    order = np.lexsort((lengths[:, 0], pieces[islands]))
    _, firsts = np.unique(pieces[islands][order], return_index=True)
    ends = order[firsts]  # of each island the point nearest to the land
    edges = (np.full(len(ends), LEAST_WEIGHT), (islands[ends], inland[nearest[ends, 0]]))
    ties = sparse.csr_matrix(edges, shape=graph.shape)
    return (graph + ties + ties.T).tocsr()
