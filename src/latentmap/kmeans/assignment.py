"""Which centre is closest to each point, for the centres of several starts in one pass over the data.

Two things make it fast. Centres of all starts are stacked, so that one matrix product measures a block of points
against all of them. And each point remembers by how much its centre is closer than the next one (Hamerly 2010, with
both of his bounds in one number): while the centres have moved by less than that, its label stands without a look.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.parallel import Array, Workers, bounds, compiled

SHARE = 10**10  # multiplications in one call of the kernel
WHOLE = 0.5  # share of points without slack from which one product of the whole block is the quicker way
BLOCK = 1024  # points whose bounds are looked at together
TILE = 256  # points whose products with the centres are held in the cache
FEW = 96  # points picked one by one that are multiplied together: BLAS is quicker with small matrices of this size


class Assignment:
    """Labels of several starts on the same data, with the sums over the clusters that they give.

    The sums follow the labels: a point that changes its cluster is taken from one sum and put to the other. Where few
    points move, that costs next to nothing, and labels that stand still give the same centres to the last bit.

    Parameters
    ----------
    X : array (n, d), float32 or float64, C order
        Best with mean zero: distances come from products, and lose what the mean has in common.
    weights : array (n,) of the same type
    n_starts, n_clusters : int
    workers : Workers

    Attributes
    ----------
    labels : array (n_starts, n), int32; k before the first update
    sums : array (n_starts, k, d), float64
    weights : array (n_starts, k), float64
    counts : array (n_starts, k), int64; members of positive weight
    """

    def __init__(
        self, X: NDArray[Any], weights: NDArray[Any], *, n_starts: int, n_clusters: int, workers: Workers
    ) -> None:
        n, d = X.shape
        self._X, self.point_weights, self._workers = X, weights, workers
        self._norms = np.einsum("ij,ij->i", X, X)
        self._slack = np.full((n_starts, n), -1, X.dtype)  # how much closer the own centre is than any other
        self._centers = np.zeros((n_starts, n_clusters, d))
        self.labels = np.full((n_starts, n), n_clusters, np.int32)
        # one row more than there are clusters: it stands for none, where all points come from
        self._sums = np.zeros((n_starts, n_clusters + 1, d))
        self._weights = np.zeros((n_starts, n_clusters + 1))
        self._counts = np.zeros((n_starts, n_clusters + 1), np.int64)
        self.sums, self.weights, self.counts = self._sums[:, :-1], self._weights[:, :-1], self._counts[:, :-1]

    def update(self, centers: NDArray[Any], starts: list[int]) -> NDArray[np.int64]:
        """Move each point to its closest centre; of centres equally close to the first of them.

        Parameters
        ----------
        centers : array (n_active, k, d), of the type of the data
        starts : the starts that they belong to

        Returns
        -------
        array (n_active,), int64
            Points that changed their label.
        """
        n_active, k, d = centers.shape
        flat = np.ascontiguousarray(centers).reshape(-1, d)
        halves = (np.einsum("ij,ij->i", flat, flat, dtype=np.float64) / 2).astype(flat.dtype)
        chosen = np.array(starts)
        drift = self._drift(centers, chosen)
        # short shares, so that an interrupt is heard soon
        shares = self._workers.n_threads * (1 + len(self._X) * flat.size // (self._workers.n_threads * SHARE))
        edges = bounds(len(self._X), shares)
        sums = np.zeros((shares, n_active, k + 1, d))
        weights = np.zeros((shares, n_active, k + 1))
        counts = np.zeros((shares, n_active, k + 1), np.int64)
        changed = np.zeros((shares, n_active), np.int64)

        def share(s: int) -> None:
            data = (self._X, self._norms, self.point_weights)
            state = (self.labels, self._slack)
            found = (sums[s], weights[s], counts[s], changed[s])
            _update(data, flat, halves, drift, chosen, state, found, edges[s], edges[s + 1])

        self._workers.run(share, shares)
        self._sums[chosen] += sums.sum(0)
        self._weights[chosen] += weights.sum(0)
        self._counts[chosen] += counts.sum(0)
        total: NDArray[np.int64] = changed.sum(0)
        return total

    def _drift(self, centers: NDArray[Any], starts: NDArray[Any]) -> NDArray[Any]:
        """By how much each cluster's slack may have shrunk since the last update: (n_active, k + 1), at the end 0."""
        n_active, k, _ = centers.shape
        drift = np.zeros((n_active, k + 1), centers.dtype)
        if k > 1:
            moved = np.sqrt(((centers.astype(np.float64) - self._centers[starts]) ** 2).sum(2))
            second, first = np.partition(moved, k - 2, axis=1)[:, k - 2 :].T
            others = np.where(moved == first[:, None], second[:, None], first[:, None])
            drift[:, :k] = (moved + others) * (1 + 4 * np.finfo(centers.dtype).eps)
        self._centers[starts] = centers
        return drift


def assign(X: NDArray[Any], centers: NDArray[Any], workers: Workers) -> NDArray[np.int32]:
    """Label of the closest centre: (n,) int32. ``X`` (n, d) and ``centers`` (k, d) are of one type."""
    assignment = Assignment(X, np.ones(len(X), X.dtype), n_starts=1, n_clusters=len(centers), workers=workers)
    assignment.update(centers[None], [0])
    labels: NDArray[np.int32] = assignment.labels[0]
    return labels


def squared_distances(
    X: NDArray[Any], centers: NDArray[Any], labels: NDArray[np.int32], workers: Workers
) -> NDArray[np.float64]:
    """Squared distance of each point to the centre of its label: (n,), from differences, so that nothing cancels."""
    found = np.empty(len(X))
    edges = bounds(len(X), workers.n_threads)
    workers.run(lambda s: _squared(X, centers, labels, found, edges[s], edges[s + 1]), workers.n_threads)
    return found


@compiled
def _update(
    data: tuple[Array, ...],
    centers: Array,
    halves: Array,
    drift: Array,
    starts: Array,
    state: tuple[Array, ...],
    found: tuple[Array, ...],
    begin: int,
    end: int,
) -> None:
    """Blocks in which most points have used up their slack are measured whole, others point by point."""
    X, labels, slack = data[0], state[0], state[1]
    n_starts, k = len(starts), drift.shape[1] - 1
    d = X.shape[1]
    pending = np.empty((n_starts, BLOCK), np.int64)
    n_pending = np.empty(n_starts, np.int64)
    products = np.empty(len(centers) * TILE, X.dtype)
    rows = np.empty((FEW, d), X.dtype)
    tile_size = TILE if len(centers) > FEW else FEW
    for a in range(begin, end, BLOCK):
        b = min(a + BLOCK, end)
        for s in range(n_starts):
            n_pending[s] = _use_slack(slack[starts[s]], labels[starts[s]], drift[s], a, b, pending[s])
        if n_pending.sum() > WHOLE * n_starts * (b - a):
            for tile in range(a, b, tile_size):
                m = min(tile + tile_size, b) - tile
                for p in range(m):
                    pending[0, p] = tile + p
                block = products[: len(centers) * m].reshape(len(centers), m)
                np.dot(centers, X[tile : tile + m].T, block)
                for s in range(n_starts):
                    own = slice(s * k, (s + 1) * k)
                    _settle(data, block[own], halves[own], s, starts[s], pending[0, :m], state, found)
        else:
            for s in range(n_starts):
                own = slice(s * k, (s + 1) * k)
                for first in range(0, n_pending[s], FEW):
                    points = pending[s, first : min(first + FEW, n_pending[s])]
                    m = len(points)
                    _copy(X, points, rows)
                    block = products[: k * m].reshape(k, m)
                    np.dot(centers[own], rows[:m].T, block)
                    _settle(data, block, halves[own], s, starts[s], points, state, found)


@compiled
def _copy(X: Array, points: Array, rows: Array) -> None:
    for p in range(len(points)):
        i = np.uint64(points[p])
        for j in range(X.shape[1]):
            rows[p, j] = X[i, j]


@compiled
def _use_slack(slack: Array, labels: Array, drift: Array, begin: int, end: int, pending: Array) -> int:
    """Take the drift from the slack; list the points that have none left, and return their number."""
    for i in range(begin, end):
        slack[i] -= drift[np.uint32(labels[i])]
    n = 0
    for i in range(begin, end):
        pending[n] = i
        n += slack[i] <= 0
    return n


@compiled
def _settle(
    data: tuple[Array, ...],
    products: Array,
    halves: Array,
    s: int,
    start: int,
    points: Array,
    state: tuple[Array, ...],
    found: tuple[Array, ...],
) -> None:
    """Give points their labels, and their slack anew. ``products`` (k, m) are those of the centres with the points."""
    X, norms, point_weights = data
    labels, slack = state
    sums, weights, counts, changed = found
    k, m = products.shape
    zero, two = X.dtype.type(0), X.dtype.type(2)
    best = np.empty(m, X.dtype)
    second = np.empty(m, X.dtype)
    norm = np.empty(m, X.dtype)
    label = np.empty(m, np.int32)
    # |x - c|² is least where x·c - |c|²/2 is greatest
    for p in range(m):
        best[p] = products[0, p] - halves[0]
        second[p] = -np.inf
        label[p] = 0
        norm[p] = norms[np.uint64(points[p])]
    largest = halves[0]
    for j in range(1, k):
        half = halves[j]
        largest = max(largest, half)
        for p in range(m):
            value = products[j, p] - half
            closer = value > best[p]
            loser = best[p] if closer else value
            second[p] = loser if loser > second[p] else second[p]
            best[p] = value if closer else best[p]
            label[p] = j if closer else label[p]
    rounding = X.dtype.type(16 * np.finfo(X.dtype).eps)
    for p in range(m):
        near = norm[p] - two * best[p]
        far = norm[p] - two * second[p]
        apart = np.sqrt(near if near > zero else zero) + np.sqrt(far if far > zero else zero)
        second[p] = (far - near - rounding * (norm[p] + two * largest)) / apart
    for p in range(m):
        i = points[p]
        slack[start, i] = second[p]
        old = labels[start, i]
        if label[p] != old:
            _move(X[i], point_weights[i], old, label[p], sums[s], weights[s], counts[s])
            labels[start, i] = label[p]
            changed[s] += 1


@compiled
def _move(x: Array, weight: float, source: int, target: int, sums: Array, weights: Array, counts: Array) -> None:
    """Take a point from one cluster and put it into another."""
    for i in range(len(x)):
        part = np.float64(weight) * np.float64(x[i])
        sums[target, i] += part
        sums[source, i] -= part
    weights[target] += weight
    weights[source] -= weight
    counts[target] += weight > 0
    counts[source] -= weight > 0


@compiled
def _squared(X: Array, centers: Array, labels: Array, found: Array, begin: int, end: int) -> None:
    for i in range(begin, end):
        total = 0.0
        for j in range(X.shape[1]):
            difference = np.float64(X[i, j]) - np.float64(centers[labels[i], j])
            total += difference * difference
        found[i] = total
