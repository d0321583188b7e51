"""Initial centres for K-means. All starts are seeded in the same passes over the data."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.parallel import Array, Workers, chunk_bounds, compiled

SUM_BLOCK_SIZE = 128  # points whose distances are summed together; sampling finds the block first, then the point in it


def random_points(
    X: NDArray[Any], weights: NDArray[Any], n_starts: int, n_clusters: int, random: np.random.RandomState
) -> NDArray[Any]:
    """Draw initial centres from the points without replacement, with probabilities proportional to the weights.

    Parameters
    ----------
    X : array (n, d), float32 or float64
    weights : array (n,)
    n_starts, n_clusters : int
    random : RandomState

    Returns
    -------
    array (n_starts, n_clusters, d), of the type of X
    """
    probabilities = weights / weights.sum()
    drawn = [random.choice(len(X), n_clusters, replace=False, p=probabilities) for _ in range(n_starts)]
    return X[np.array(drawn)]


def kmeans_plus_plus(
    X: NDArray[Any],
    weights: NDArray[Any],
    n_starts: int,
    n_clusters: int,
    random: np.random.RandomState,
    workers: Workers,
) -> NDArray[Any]:
    """Choose initial centres by greedy k-means++.

    Each further centre is the one of ``2 + log(n_clusters)`` candidates that reduces the potential most: the sum of
    the squared distances of all points to their closest centre. Candidates are drawn with probabilities proportional
    to weight times squared distance to the closest centre so far.

    Parameters
    ----------
    X : array (n, d), float32 or float64, C order
        Should have mean zero.
    weights : array (n,), of the type of X
    n_starts, n_clusters : int
    random : RandomState
    workers : Workers

    Returns
    -------
    array (n_starts, n_clusters, d), of the type of X

    References
    ----------
    Arthur and Vassilvitskii (2007), k-means++: the advantages of careful seeding.
    """
    n, d = X.shape
    n_candidates = 2 + int(np.log(n_clusters))
    centers = np.empty((n_starts, n_clusters, d), X.dtype)
    centers[:, 0] = X[random.choice(n, n_starts, p=weights / weights.sum())]
    search = _CandidateSearch(X, weights, n_starts, workers)
    search.potentials(centers[:, :1])
    search.accept(np.zeros(n_starts, int))
    for step in range(1, n_clusters):
        candidates = X[search.sample(random.uniform(size=(n_starts, n_candidates)))]
        best = search.potentials(candidates).argmin(1)
        search.accept(best)
        centers[:, step] = candidates[np.arange(n_starts), best]
    return centers


class _CandidateSearch:
    """Squared distances of all points to the closest centre so far, also with each candidate for the next centre."""

    def __init__(self, X: NDArray[Any], weights: NDArray[Any], n_starts: int, workers: Workers) -> None:
        n = len(X)
        self._X, self._weights, self._workers = X, weights, workers
        self._norms = np.einsum("ij,ij->i", X, X)
        self._closest = np.full((n_starts, n), np.inf, X.dtype)
        self._n_blocks = -(-n // SUM_BLOCK_SIZE)
        self._edges = [min(edge * SUM_BLOCK_SIZE, n) for edge in chunk_bounds(self._n_blocks, workers.n_threads)]
        self._candidate_distances = np.empty((n_starts, 0, n), X.dtype)
        self._candidate_blocks = self._blocks = np.empty((n_starts, 0))

    def potentials(self, candidates: NDArray[Any]) -> NDArray[np.float64]:
        """Compute the potential with each of the candidates (n_starts, n_candidates, d): (n_starts, n_candidates)."""
        n_starts, n_candidates, d = candidates.shape
        flat = np.ascontiguousarray(candidates).reshape(-1, d)
        norms = np.einsum("ij,ij->i", flat, flat)
        # the arrays are reused between steps, since allocating them costs more than the sums
        if self._candidate_distances.shape[1] != n_candidates:
            self._candidate_distances = np.empty((n_starts, n_candidates, len(self._X)), self._X.dtype)
            self._candidate_blocks = np.empty((n_starts, n_candidates, self._n_blocks))

        def compute(s: int) -> None:
            data = (self._X, self._norms, self._weights)
            out = (self._candidate_distances, self._candidate_blocks)
            _potentials_chunk(data, flat, norms, self._closest, out, self._edges[s], self._edges[s + 1])

        self._workers.run(compute, self._workers.n_threads)
        potentials: NDArray[np.float64] = self._candidate_blocks.sum(2)
        return potentials

    def accept(self, best: NDArray[Any]) -> None:
        """Accept one candidate of each start as its next centre; ``best`` (n_starts,) are their numbers."""
        starts = np.arange(len(best))
        for closest, distances, candidate in zip(self._closest, self._candidate_distances, best, strict=True):
            closest[:] = distances[candidate]
        self._blocks = self._candidate_blocks[starts, best]

    def sample(self, uniform: NDArray[np.float64]) -> NDArray[np.int64]:
        """Sample points in proportion to weight times squared distance, by inverting the cumulative distribution.

        Parameters
        ----------
        uniform : array (n_starts, n_candidates)
            Uniform random numbers in [0, 1).

        Returns
        -------
        array (n_starts, n_candidates), int64
            Rows of the points.
        """
        drawn = np.empty(uniform.shape, np.int64)
        for start, numbers in enumerate(uniform):
            edges = np.cumsum(self._blocks[start])
            for candidate, wanted in enumerate(numbers * edges[-1]):
                block = min(int(np.searchsorted(edges, wanted, side="right")), self._n_blocks - 1)
                inside = slice(block * SUM_BLOCK_SIZE, (block + 1) * SUM_BLOCK_SIZE)
                sums = np.cumsum(self._closest[start, inside].astype(np.float64) * self._weights[inside])
                rest = wanted - (edges[block - 1] if block else 0.0)
                position = min(int(np.searchsorted(sums, rest, side="right")), len(sums) - 1)
                drawn[start, candidate] = block * SUM_BLOCK_SIZE + position
        return drawn


@compiled
def _potentials_chunk(
    data: tuple[Array, ...],
    candidates: Array,
    norms: Array,
    closest: Array,
    out: tuple[Array, ...],
    begin: int,
    end: int,
) -> None:
    X, point_norms, weights = data
    distances, blocks = out
    n_starts, n_candidates, _ = distances.shape
    products = np.empty(len(candidates) * SUM_BLOCK_SIZE, X.dtype)
    for a in range(begin, end, SUM_BLOCK_SIZE):
        b = min(a + SUM_BLOCK_SIZE, end)
        product = products[: len(candidates) * (b - a)].reshape(len(candidates), b - a)
        np.dot(candidates, X[a:b].T, product)
        for start in range(n_starts):
            before = closest[start, a:b]
            for candidate in range(n_candidates):
                row = start * n_candidates + candidate
                after = distances[start, candidate, a:b]
                total = _closest_distances(product[row], norms[row], point_norms[a:b], weights[a:b], before, after)
                blocks[start, candidate, a // SUM_BLOCK_SIZE] = total


@compiled
def _closest_distances(
    products: Array, norm: float, point_norms: Array, weights: Array, before: Array, after: Array
) -> float:
    """Write to ``after`` squared distances to the closest centre with one more centre; return their weighted sum."""
    zero, two = before.dtype.type(0), before.dtype.type(2)
    total: float = zero
    for p in range(len(before)):
        distance = point_norms[p] + norm - two * products[p]
        distance = distance if distance > zero else zero
        distance = distance if distance < before[p] else before[p]
        after[p] = distance
        total += distance * weights[p]
    return total
