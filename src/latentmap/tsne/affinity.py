"""How much each point of the data wants each other one near it (van der Maaten and Hinton 2008, section 2)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from latentmap.core.parallel import Array, Workers, balanced_bounds, bounds, compiled

ENTROPY_TOLERANCE = 1e-5
MAX_STEPS = 100


def conditional_affinities(
    distances: NDArray[np.floating[Any]], perplexity: float, workers: Workers
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Gaussian affinities of each point with its neighbours, as wide as the perplexity asks.

    Parameters
    ----------
    distances : array (n, k)
    perplexity : float
        At most k; 2 to the power of each row's entropy.
    workers : Workers

    Returns
    -------
    affinities : array (n, k), float32; each row sums to 1
    sigmas : array (n,), float64; the Gaussians' widths, 0 where all neighbours are at the same distance
    """
    n, k = distances.shape
    affinities, sigmas = np.empty((n, k), np.float32), np.empty(n)
    n_shares = 4 * workers.n_threads
    edges = bounds(n, n_shares)

    def share(s: int) -> None:
        rows = slice(edges[s], edges[s + 1])
        _condition(distances[rows], np.log(perplexity), affinities[rows], sigmas[rows])

    workers.run(share, n_shares)
    return affinities, sigmas


def joint_affinities(
    indices: NDArray[np.int32], order: NDArray[np.intp], affinities: NDArray[np.float32], workers: Workers
) -> sparse.csr_array:
    """The affinities of points with their neighbours made symmetric: the upper triangle of P (n, n), float32.

    Its entries sum to 1/2. Rows and columns follow ``order``, so that entry (a, b) belongs to the points ``order[a]``
    and ``order[b]``.
    """
    n, k = affinities.shape
    place = np.empty(n, np.int32)
    place[order] = np.arange(n, dtype=np.int32)
    counts = np.zeros(n + 1, np.int64)
    _count(indices, place, k, counts[1:])
    begin = np.cumsum(counts)
    columns, values = np.empty(n * k, np.int32), np.empty(n * k, np.float32)
    _gather(indices, affinities, order, place, begin[:-1].copy(), (columns, values))
    merged = np.zeros(n + 1, np.int64)
    edges = balanced_bounds(begin, n_shares := 4 * workers.n_threads)

    def share(s: int) -> None:
        _merge(begin, columns, values, 1 / (2 * n), merged[1:], edges[s], edges[s + 1])

    workers.run(share, n_shares)
    indptr = np.cumsum(merged)
    _close_up(begin, indptr, columns, values)
    n_edges = int(indptr[-1])
    index_type = np.int32 if n_edges <= np.iinfo(np.int32).max else np.int64
    return sparse.csr_array((values[:n_edges], columns[:n_edges], indptr.astype(index_type)), shape=(n, n))


@compiled
def _condition(distances: Array, wanted: float, affinities: Array, sigmas: Array) -> None:
    """Newton's method on the logarithm of the precision, kept between bounds: entropy falls as precision grows."""
    n, k = distances.shape
    squares = np.empty(k)
    for row in range(n):
        nearest = distances[row, 0]
        for j in range(k):
            nearest = min(nearest, distances[row, j])
        spread = 0.0
        for j in range(k):
            squares[j] = np.float64(distances[row, j]) ** 2 - np.float64(nearest) ** 2
            spread += squares[j] / k
        precision = 1.0 / spread if spread > 0 else 1.0
        low, high = 0.0, np.inf
        total = 1.0
        for _ in range(MAX_STEPS):
            total = mean = mean_square = 0.0
            for j in range(k):
                p = np.exp(np.float32(-precision * squares[j]))
                affinities[row, j] = p
                total += p
                mean += p * squares[j]
                mean_square += p * squares[j] * squares[j]
            mean /= total
            entropy = np.log(total) + precision * mean
            error = entropy - wanted
            if abs(error) < ENTROPY_TOLERANCE or spread == 0:
                break
            if error > 0:
                low = precision
            else:
                high = precision
            # d entropy / d log(precision) = -precision² · variance
            slope = precision * precision * (mean_square / total - mean * mean)
            step = error / slope if slope > 0 else 1.0
            following = precision * np.exp(min(max(step, -2.0), 2.0))
            if not low < following < high:
                following = 0.5 * (low + high) if high < np.inf else 2 * precision
            precision = following
        for j in range(k):
            affinities[row, j] /= total
        sigmas[row] = np.sqrt(0.5 / precision) if spread > 0 else 0.0


@compiled
def _count(indices: Array, place: Array, k: int, counts: Array) -> None:
    """Entries of each row of the upper triangle, those found from both ends counted twice."""
    for i in range(len(indices)):
        for j in range(k):
            counts[min(place[i], place[indices[i, j]])] += 1


@compiled
def _gather(
    indices: Array, affinities: Array, order: Array, place: Array, following: Array, out: tuple[Array, Array]
) -> None:
    """Put each entry into its row; ``following`` says where the next one of each row goes."""
    columns, values = out
    for a in range(len(order)):
        i = order[a]
        for j in range(affinities.shape[1]):
            b = place[indices[i, j]]
            row = min(a, b)
            columns[following[row]] = max(a, b)
            values[following[row]] = affinities[i, j]
            following[row] += 1


@compiled
def _merge(begin: Array, columns: Array, values: Array, scale: float, merged: Array, first: int, last: int) -> None:
    """Sort each row by column, add up entries of one column, and say how many are left."""
    factor = np.float32(scale)
    for row in range(first, last):
        start, end = begin[row], begin[row + 1]
        by_column = np.argsort(columns[start:end], kind="mergesort")
        sorted_columns, sorted_values = columns[start:end][by_column], values[start:end][by_column]
        put = start - 1
        for i in range(end - start):
            if put >= start and columns[put] == sorted_columns[i]:
                values[put] += sorted_values[i] * factor
            else:
                put += 1
                columns[put] = sorted_columns[i]
                values[put] = sorted_values[i] * factor
        merged[row] = put + 1 - start


@compiled
def _close_up(begin: Array, indptr: Array, columns: Array, values: Array) -> None:
    """Move the rows together."""
    for row in range(len(indptr) - 1):
        for i in range(indptr[row + 1] - indptr[row]):
            columns[indptr[row] + i] = columns[begin[row] + i]
            values[indptr[row] + i] = values[begin[row] + i]
