"""Input similarities of t-SNE: conditional and joint affinities (van der Maaten and Hinton 2008, section 2)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from latentmap.core.parallel import Array, Workers, balanced_chunk_bounds, chunk_bounds, compiled

ENTROPY_TOLERANCE = 1e-5  # nats
MAX_NEWTON_STEPS = 100


def conditional_affinities(
    distances: NDArray[np.floating[Any]], perplexity: float, workers: Workers
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Compute Gaussian affinities of each point with its neighbours, with widths that give the perplexity.

    Parameters
    ----------
    distances : array (n, k), float32 or float64
        Distances of each point to its k nearest neighbours.
    perplexity : float
        Exponential of the entropy of each row, at most k.
    workers : Workers

    Returns
    -------
    affinities : array (n, k), float32
        Conditional affinities p_{j|i}; each row sums to 1.
    sigmas : array (n,), float64
        Standard deviations of the Gaussians; 0 where all neighbours are equally far away.
    """
    n, k = distances.shape
    affinities, sigmas = np.empty((n, k), np.float32), np.empty(n)
    n_chunks = 4 * workers.n_threads
    edges = chunk_bounds(n, n_chunks)

    def process(s: int) -> None:
        rows = slice(edges[s], edges[s + 1])
        _search_precisions(distances[rows], np.log(perplexity), affinities[rows], sigmas[rows])

    workers.run(process, n_chunks)
    return affinities, sigmas


def joint_affinities(
    indices: NDArray[np.int32], order: NDArray[np.intp], affinities: NDArray[np.float32], workers: Workers
) -> sparse.csr_array:
    """Symmetrize conditional affinities to joint affinities p_ij = (p_{j|i} + p_{i|j}) / 2n.

    Parameters
    ----------
    indices : array (n, k), int32
        Neighbours of each point.
    order : array (n,), int
        Order of the rows and columns of the result: entry (a, b) belongs to the points ``order[a]`` and ``order[b]``.
    affinities : array (n, k), float32
        Conditional affinities of each point with its neighbours.
    workers : Workers

    Returns
    -------
    sparse array (n, n), float32
        Upper triangle of the joint affinities P; its entries sum to 1/2.
    """
    n, k = affinities.shape
    position = np.empty(n, np.int32)
    position[order] = np.arange(n, dtype=np.int32)
    counts = np.zeros(n + 1, np.int64)
    _count_entries(indices, position, k, counts[1:])
    begin = np.cumsum(counts)
    columns, values = np.empty(n * k, np.int32), np.empty(n * k, np.float32)
    _fill_rows(indices, affinities, order, position, begin[:-1].copy(), (columns, values))
    n_merged = np.zeros(n + 1, np.int64)
    edges = balanced_chunk_bounds(begin, n_chunks := 4 * workers.n_threads)

    def process(s: int) -> None:
        _merge_duplicates(begin, columns, values, 1 / (2 * n), n_merged[1:], edges[s], edges[s + 1])

    workers.run(process, n_chunks)
    indptr = np.cumsum(n_merged)
    _compact_rows(begin, indptr, columns, values)
    n_edges = int(indptr[-1])
    index_type = np.int32 if n_edges <= np.iinfo(np.int32).max else np.int64
    return sparse.csr_array((values[:n_edges], columns[:n_edges], indptr.astype(index_type)), shape=(n, n))


@compiled
def _search_precisions(distances: Array, target_entropy: float, affinities: Array, sigmas: Array) -> None:
    """Find the precision 1/2σ² of each row whose entropy is the target, by Newton's method on its logarithm.

    The entropy decreases with the precision, so bounds are kept, and a step beyond them is replaced by bisection.
    """
    n, k = distances.shape
    squares = np.empty(k)
    for row in range(n):
        nearest = distances[row, 0]
        for j in range(k):
            nearest = min(nearest, distances[row, j])
        mean_square_gap = 0.0
        for j in range(k):
            squares[j] = np.float64(distances[row, j]) ** 2 - np.float64(nearest) ** 2
            mean_square_gap += squares[j] / k
        precision = 1.0 / mean_square_gap if mean_square_gap > 0 else 1.0
        low, high = 0.0, np.inf
        total = 1.0
        for _ in range(MAX_NEWTON_STEPS):
            total = mean = mean_square = 0.0
            for j in range(k):
                p = np.exp(np.float32(-precision * squares[j]))
                affinities[row, j] = p
                total += p
                mean += p * squares[j]
                mean_square += p * squares[j] * squares[j]
            mean /= total
            entropy = np.log(total) + precision * mean
            error = entropy - target_entropy
            if abs(error) < ENTROPY_TOLERANCE or mean_square_gap == 0:
                break
            if error > 0:
                low = precision
            else:
                high = precision
            # d entropy / d log(precision) = -precision² · variance
            slope = precision * precision * (mean_square / total - mean * mean)
            step = error / slope if slope > 0 else 1.0
            next_precision = precision * np.exp(min(max(step, -2.0), 2.0))
            if not low < next_precision < high:
                next_precision = 0.5 * (low + high) if high < np.inf else 2 * precision
            precision = next_precision
        for j in range(k):
            affinities[row, j] /= total
        sigmas[row] = np.sqrt(0.5 / precision) if mean_square_gap > 0 else 0.0


@compiled
def _count_entries(indices: Array, position: Array, k: int, counts: Array) -> None:
    """Count the entries of each row of the upper triangle; mutual neighbours are counted twice."""
    for i in range(len(indices)):
        for j in range(k):
            counts[min(position[i], position[indices[i, j]])] += 1


@compiled
def _fill_rows(
    indices: Array, affinities: Array, order: Array, position: Array, next_entry: Array, out: tuple[Array, Array]
) -> None:
    """Write each entry into its row; ``next_entry`` holds the position of the next entry of each row."""
    columns, values = out
    for a in range(len(order)):
        i = order[a]
        for j in range(affinities.shape[1]):
            b = position[indices[i, j]]
            row = min(a, b)
            columns[next_entry[row]] = max(a, b)
            values[next_entry[row]] = affinities[i, j]
            next_entry[row] += 1


@compiled
def _merge_duplicates(
    begin: Array, columns: Array, values: Array, scale: float, counts: Array, begin_row: int, end_row: int
) -> None:
    """Sort each row by column and sum entries of the same column; write the number of entries left to ``counts``."""
    factor = np.float32(scale)
    for row in range(begin_row, end_row):
        start, end = begin[row], begin[row + 1]
        by_column = np.argsort(columns[start:end], kind="mergesort")
        sorted_columns, sorted_values = columns[start:end][by_column], values[start:end][by_column]
        last = start - 1
        for i in range(end - start):
            if last >= start and columns[last] == sorted_columns[i]:
                values[last] += sorted_values[i] * factor
            else:
                last += 1
                columns[last] = sorted_columns[i]
                values[last] = sorted_values[i] * factor
        counts[row] = last + 1 - start


@compiled
def _compact_rows(begin: Array, indptr: Array, columns: Array, values: Array) -> None:
    """Move the rows together, over the gaps that merged entries left."""
    for row in range(len(indptr) - 1):
        for i in range(indptr[row + 1] - indptr[row]):
            columns[indptr[row] + i] = columns[begin[row] + i]
            values[indptr[row] + i] = values[begin[row] + i]
