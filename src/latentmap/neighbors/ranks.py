"""Ranks of the neighbours on a map: how many points are nearer in the space that was mapped."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.parallel import Array, Workers, chunk_bounds, compiled, one_blas_thread
from latentmap.core.scaling import PowerOfTwoScaler

# Distances (queries × points) in memory at once.
MAX_BLOCK_DISTANCES = 2**24
# Squared distances of at most this many rounding errors of the squared norm count as 0: the points are copies.
N_ROUNDING_ERRORS = 4
# Distances that are compared while they are in the first level of the cache.
N_COMPARED = 1024


def map_neighbor_ranks(
    X: NDArray[Any], embedding: NDArray[Any], queries: NDArray[np.intp], n_neighbors: int
) -> NDArray[np.int64]:
    """For each neighbour of a query on a map, count the points that are nearer to the query in X.

    Parameters
    ----------
    X : array (n, d)
        Points.
    embedding : array (n, e)
        Their positions on the map.
    queries : array (q,), int
        Rows of the points whose neighbours are compared.
    n_neighbors : int
        Number k of nearest neighbours on the map, less than n.

    Returns
    -------
    ndarray (q, k), int64
        Number of points in X that are strictly nearer, so that copies have the same rank. It is less than k if and only
        if the neighbour is among the k nearest in X.
    """
    near = np.zeros((len(queries), n_neighbors), np.int64)
    ranks = np.zeros_like(near)
    points = _scaled(X)
    norms = np.einsum("ij,ij->i", points, points)
    rounding = norms.dtype.type(N_ROUNDING_ERRORS * np.finfo(points.dtype).eps)
    axes = np.ascontiguousarray(_scaled(embedding).T)
    per_block = max(1, MAX_BLOCK_DISTANCES // len(X))
    with Workers() as workers, one_blas_thread():  # threads of BLAS would wait for each other, and for other work
        columns = chunk_bounds(len(X), 4 * workers.n_threads)
        for begin in range(0, len(queries), per_block):
            block = slice(begin, begin + per_block)
            left = points[queries[block]]
            products = np.empty((len(left), len(X)), points.dtype)
            rows = chunk_bounds(len(left), min(len(left), 4 * workers.n_threads))

            def multiply(k: int, left: Array = left, products: Array = products) -> None:
                part = slice(columns[k], columns[k + 1])
                np.matmul(left, points[part].T, out=products[:, part])

            def rank(k: int, block: slice = block, products: Array = products, rows: list[int] = rows) -> None:
                part = slice(rows[k], rows[k + 1])
                some, close = queries[block][part], near[block][part]
                _find_nearest(axes, some, close)
                _to_squared_distances(products[part], norms, some, rounding)
                _count_nearer(products[part], close, ranks[block][part])

            workers.run(multiply, len(columns) - 1)
            workers.run(rank, len(rows) - 1)
    return ranks


def _scaled(X: NDArray[Any]) -> NDArray[Any]:
    """Centre and scale points so that squares do not overflow; ratios of distances do not change."""
    points = np.require(X, np.float64 if X.dtype == np.float64 else np.float32, "C")
    return PowerOfTwoScaler.fit(points).transform(points)


@compiled
def _to_squared_distances(products: Array, norms: Array, queries: Array, rounding: Any) -> None:
    """Turn products with all points into squared distances in place: 0 to copies, infinite to the query itself."""
    for row in range(len(products)):
        squares, norm = products[row], norms[queries[row]]
        least = rounding * norm
        for i in range(len(squares)):
            square = norms[i] - (squares[i] + squares[i]) + norm
            # rounding leaves small distances between copies, which must not rank them
            squares[i] = square if square > least else 0 * square
        squares[queries[row]] = np.inf


@compiled
def _find_nearest(axes: Array, queries: Array, near: Array) -> None:
    """Write the points (d, n) nearest to each query, nearest first; from differences, which keep small distances."""
    n_neighbors = near.shape[1]
    squares = np.empty(axes.shape[1], axes.dtype)
    nearest = np.empty(n_neighbors, axes.dtype)
    for row in range(len(queries)):
        query = queries[row]
        squares[:] = 0
        for axis in range(len(axes)):
            place = axes[axis, query]
            for i in range(len(squares)):
                squares[i] += (axes[axis, i] - place) * (axes[axis, i] - place)
        squares[query] = np.inf
        nearest[:] = np.inf
        for i in range(len(squares)):
            if squares[i] < nearest[-1]:
                k = n_neighbors - 1
                while k > 0 and nearest[k - 1] > squares[i]:
                    nearest[k], near[row, k] = nearest[k - 1], near[row, k - 1]
                    k -= 1
                nearest[k], near[row, k] = squares[i], i


@compiled
def _count_nearer(squares: Array, near: Array, counts: Array) -> None:
    """Count the points of each row that are nearer than each of the given ones."""
    for row in range(len(squares)):
        for begin in range(0, squares.shape[1], N_COMPARED):
            part = squares[row, begin : begin + N_COMPARED]
            for k in range(near.shape[1]):
                bound = squares[row, near[row, k]]
                count = 0
                for i in range(len(part)):
                    count += part[i] < bound
                counts[row, k] += count
