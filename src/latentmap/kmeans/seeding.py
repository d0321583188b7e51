"""Where K-means begins: centres of all starts, drawn together so that each pass over the data serves them all."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.parallel import Array, Workers, bounds, compiled

BLOCK = 128  # points whose distances are summed together; a draw looks for the block first, then inside it


def random_points(
    X: NDArray[Any], weights: NDArray[Any], n_starts: int, n_clusters: int, random: np.random.RandomState
) -> NDArray[Any]:
    """Points drawn without replacement, by weight: (n_starts, n_clusters, d)."""
    shares = weights / weights.sum()
    drawn = [random.choice(len(X), n_clusters, replace=False, p=shares) for _ in range(n_starts)]
    return X[np.array(drawn)]


def plus_plus(
    X: NDArray[Any],
    weights: NDArray[Any],
    n_starts: int,
    n_clusters: int,
    random: np.random.RandomState,
    workers: Workers,
) -> NDArray[Any]:
    """Greedy k-means++ (Arthur and Vassilvitskii 2007): (n_starts, n_clusters, d).

    Each next centre is the best of ``2 + log(n_clusters)`` points drawn in proportion to their squared distance from
    the centres before it.
    """
    n, d = X.shape
    n_trials = 2 + int(np.log(n_clusters))
    centers = np.empty((n_starts, n_clusters, d), X.dtype)
    centers[:, 0] = X[random.choice(n, n_starts, p=weights / weights.sum())]
    search = _Search(X, weights, n_starts, workers)
    search.measure(centers[:, :1])
    search.take(np.zeros(n_starts, int))
    for step in range(1, n_clusters):
        trials = X[search.draw(random.uniform(size=(n_starts, n_trials)))]
        best = search.measure(trials).argmin(1)
        search.take(best)
        centers[:, step] = trials[np.arange(n_starts), best]
    return centers


class _Search:
    """Squared distances of all points to the closest centre so far, and to the points that may become the next."""

    def __init__(self, X: NDArray[Any], weights: NDArray[Any], n_starts: int, workers: Workers) -> None:
        n = len(X)
        self._X, self._weights, self._workers = X, weights, workers
        self._norms = np.einsum("ij,ij->i", X, X)
        self._closest = np.full((n_starts, n), np.inf, X.dtype)
        self._n_blocks = -(-n // BLOCK)
        self._edges = [min(edge * BLOCK, n) for edge in bounds(self._n_blocks, workers.n_threads)]
        self._candidates = np.empty((n_starts, 0, n), X.dtype)
        self._candidate_blocks = self._blocks = np.empty((n_starts, 0))

    def measure(self, trials: NDArray[Any]) -> NDArray[np.float64]:
        """The sum of distances that each of ``trials`` (n_starts, n_trials, d) would leave: (n_starts, n_trials)."""
        n_starts, n_trials, d = trials.shape
        flat = np.ascontiguousarray(trials).reshape(-1, d)
        norms = np.einsum("ij,ij->i", flat, flat)
        if self._candidates.shape[1] != n_trials:  # kept from step to step: new memory costs more than the sums
            self._candidates = np.empty((n_starts, n_trials, len(self._X)), self._X.dtype)
            self._candidate_blocks = np.empty((n_starts, n_trials, self._n_blocks))

        def share(s: int) -> None:
            data = (self._X, self._norms, self._weights)
            found = (self._candidates, self._candidate_blocks)
            _measure(data, flat, norms, self._closest, found, self._edges[s], self._edges[s + 1])

        self._workers.run(share, self._workers.n_threads)
        left: NDArray[np.float64] = self._candidate_blocks.sum(2)
        return left

    def take(self, best: NDArray[Any]) -> None:
        """Make one trial of each start its next centre."""
        starts = np.arange(len(best))
        for closest, candidates, trial in zip(self._closest, self._candidates, best, strict=True):
            closest[:] = candidates[trial]
        self._blocks = self._candidate_blocks[starts, best]

    def draw(self, uniform: NDArray[np.float64]) -> NDArray[np.int64]:
        """Points in proportion to weight times distance, from numbers in [0, 1): (n_starts, n_trials)."""
        drawn = np.empty(uniform.shape, np.int64)
        for start, numbers in enumerate(uniform):
            edges = np.cumsum(self._blocks[start])
            for trial, wanted in enumerate(numbers * edges[-1]):
                block = min(int(np.searchsorted(edges, wanted, side="right")), self._n_blocks - 1)
                inside = slice(block * BLOCK, (block + 1) * BLOCK)
                sums = np.cumsum(self._closest[start, inside].astype(np.float64) * self._weights[inside])
                rest = wanted - (edges[block - 1] if block else 0.0)
                place = min(int(np.searchsorted(sums, rest, side="right")), len(sums) - 1)
                drawn[start, trial] = block * BLOCK + place
        return drawn


@compiled
def _measure(
    data: tuple[Array, ...], trials: Array, norms: Array, closest: Array, found: tuple[Array, ...], begin: int, end: int
) -> None:
    X, point_norms, weights = data
    candidates, blocks = found
    n_starts, n_trials, _ = candidates.shape
    products = np.empty(len(trials) * BLOCK, X.dtype)
    for a in range(begin, end, BLOCK):
        b = min(a + BLOCK, end)
        product = products[: len(trials) * (b - a)].reshape(len(trials), b - a)
        np.dot(trials, X[a:b].T, product)
        for start in range(n_starts):
            before = closest[start, a:b]
            for trial in range(n_trials):
                row = start * n_trials + trial
                after = candidates[start, trial, a:b]
                total = _shorten(product[row], norms[row], point_norms[a:b], weights[a:b], before, after)
                blocks[start, trial, a // BLOCK] = total


@compiled
def _shorten(products: Array, norm: float, point_norms: Array, weights: Array, before: Array, after: Array) -> float:
    """Distances of a block of points with one centre more, and their weighted sum."""
    zero, two = before.dtype.type(0), before.dtype.type(2)
    total: float = zero
    for p in range(len(before)):
        distance = point_norms[p] + norm - two * products[p]
        distance = distance if distance > zero else zero
        distance = distance if distance < before[p] else before[p]
        after[p] = distance
        total += distance * weights[p]
    return total
