"""Assignment of points to their closest centres, for the centres of several starts in one pass over the data.

Three techniques make it fast. The centres of all starts are stacked, so that one matrix product gives the distances of
a block of points to all of them. Points keep bounds on their distances (Hamerly 2010, Making k-means even faster): an
upper bound on the distance to the own centre, and a lower bound on the distance to any other centre. While the lower
bound exceeds the upper bound, the label cannot change, and the point is skipped. Only the difference of the two
matters, so only this difference is stored, as the bound gap of the point. And where a few of many centres move much
further than the others, most points whose bound gap is used up need their distances to these few centres only.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.parallel import Array, Workers, chunk_bounds, compiled

MAX_MULTIPLICATIONS = 10**10  # in one call of the kernel, so that an interrupt is handled soon
# Fraction of points with a used-up bound gap above which one product of the whole block is faster.
MAX_PENDING_FRACTION = 0.5
N_POINTS_PER_BLOCK = 1024  # points whose bounds are checked together
TILE_SIZE = 256  # points whose products with all centres fit into the cache
GATHER_SIZE = 96  # pending points that are multiplied together; small matrices are faster in BLAS at this size
MIN_CLUSTERS_FOR_MOVERS = 100  # with fewer, a product with all centres costs no more than one with some
MOVER_FRACTIONS = (0.03, 0.1, 0.25, 0.5)  # of the centres that may be the movers of an iteration
N_SAMPLED_GAPS = 4096  # points by which the fraction of movers is chosen
# Cost of a point that is compared with movers only, in centres; the bounds that it keeps are also less tight.
MOVER_OVERHEAD = 32
MAX_MOVER_COST = 0.6  # of the cost without movers, above which there are none


class Assignment:
    """Labels of the points for several starts on the same data, and the sums over the clusters.

    The sums are updated incrementally: a point that changes its cluster is subtracted from one sum and added to the
    other. This costs little when few points move, and unchanged labels give the same centres to the last bit.

    Parameters
    ----------
    X : array (n, d), float32 or float64, C order
        Should have mean zero: distances are computed from inner products, which lose precision to a common offset.
    weights : array (n,), of the type of X
        Sample weights.
    n_starts, n_clusters : int
    workers : Workers

    Attributes
    ----------
    labels : array (n_starts, n), int32
        Closest centre of each point; k before the first update.
    sums : array (n_starts, k, d), float64
        Weighted sum of the points of each cluster.
    weights : array (n_starts, k), float64
        Total weight of each cluster.
    counts : array (n_starts, k), int64
        Number of points of positive weight in each cluster.
    """

    def __init__(
        self, X: NDArray[Any], weights: NDArray[Any], *, n_starts: int, n_clusters: int, workers: Workers
    ) -> None:
        n, d = X.shape
        self._X, self.point_weights, self._workers = X, weights, workers
        self._norms = np.einsum("ij,ij->i", X, X)
        self._bound_gaps = np.full((n_starts, n), -1, X.dtype)  # lower bound minus upper bound
        self._centers = np.zeros((n_starts, n_clusters, d))
        self.labels = np.full((n_starts, n), n_clusters, np.int32)
        # the last row stands for no cluster, where all points are before the first update
        self._sums = np.zeros((n_starts, n_clusters + 1, d))
        self._weights = np.zeros((n_starts, n_clusters + 1))
        self._counts = np.zeros((n_starts, n_clusters + 1), np.int64)
        self.sums, self.weights, self.counts = self._sums[:, :-1], self._weights[:, :-1], self._counts[:, :-1]

    def update(self, centers: NDArray[Any], starts: list[int]) -> NDArray[np.int64]:
        """Assign each point to its closest centre; ties go to the first of the closest.

        Parameters
        ----------
        centers : array (n_active, k, d), of the type of the data
            Current centres of some of the starts.
        starts : list of int
            Starts that the centres belong to.

        Returns
        -------
        array (n_active,), int64
            Number of points whose label changed.
        """
        n_active, k, d = centers.shape
        flat = np.ascontiguousarray(centers).reshape(-1, d)
        half_norms = (np.einsum("ij,ij->i", flat, flat, dtype=np.float64) / 2).astype(flat.dtype)
        chosen = np.array(starts)
        moved = np.sqrt(((centers.astype(np.float64) - self._centers[chosen]) ** 2).sum(2))
        self._centers[chosen] = centers
        center_shifts = _gap_decreases(moved, centers.dtype)
        movers = [self._choose_movers(*one) for one in zip(starts, moved, center_shifts, strict=True)]
        edges_of_movers = np.cumsum([0, *(len(one) for one, _ in movers)])
        ids = np.concatenate([one for one, _ in movers])
        rows = np.concatenate([s * k + one for s, (one, _) in enumerate(movers)])
        among = (flat[rows], half_norms[rows], ids, edges_of_movers, np.stack([shifts for _, shifts in movers]))
        n_threads = self._workers.n_threads
        n_chunks = n_threads * (1 + len(self._X) * flat.size // (n_threads * MAX_MULTIPLICATIONS))
        edges = chunk_bounds(len(self._X), n_chunks)
        sums = np.zeros((n_chunks, n_active, k + 1, d))
        weights = np.zeros((n_chunks, n_active, k + 1))
        counts = np.zeros((n_chunks, n_active, k + 1), np.int64)
        n_changed = np.zeros((n_chunks, n_active), np.int64)

        def assign_points(s: int) -> None:
            data = (self._X, self._norms, self.point_weights)
            state = (self.labels, self._bound_gaps)
            changes = (sums[s], weights[s], counts[s], n_changed[s])
            _assign_chunk(data, flat, half_norms, center_shifts, among, chosen, state, changes, edges[s], edges[s + 1])

        self._workers.run(assign_points, n_chunks)
        self._sums[chosen] += sums.sum(0)
        self._weights[chosen] += weights.sum(0)
        self._counts[chosen] += counts.sum(0)
        total: NDArray[np.int64] = n_changed.sum(0)
        return total

    def _choose_movers(
        self, start: int, moved: NDArray[np.float64], center_shifts: NDArray[Any]
    ) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Choose the centres that moved much further than the others.

        Parameters
        ----------
        start : int
        moved : array (k,)
            Distance that each centre moved.
        center_shifts : array (k + 1,)
            Decrease of the bound gap of the points of each cluster.

        Returns
        -------
        movers : array (n_movers,), int64
            Their numbers; empty if it does not pay to distinguish them.
        rest_shifts : array (k + 1,)
            Decrease of the bound gap of the points of each cluster with respect to all centres but the movers.
        """
        k = len(moved)
        best: tuple[NDArray[np.int64], NDArray[Any]] = np.empty(0, np.int64), center_shifts
        if k < MIN_CLUSTERS_FOR_MOVERS:
            return best
        step = max(1, len(self._X) // N_SAMPLED_GAPS)
        labels, gaps = self.labels[start, ::step], self._bound_gaps[start, ::step]
        is_pending = gaps <= center_shifts[labels]
        labels, gaps = labels[is_pending], gaps[is_pending]
        order = np.argsort(-moved, kind="stable")
        least = MAX_MOVER_COST * k * len(labels)
        for n_movers in sorted({max(1, int(fraction * k)) for fraction in MOVER_FRACTIONS}):
            movers = order[:n_movers]
            shifts = _rounded_up(np.append(moved + moved[order[n_movers]], 0), center_shifts.dtype)
            is_near = gaps <= shifts[labels]
            cost = k * int(is_near.sum()) + (n_movers + MOVER_OVERHEAD) * int((~is_near).sum())
            if cost < least:
                least, best = cost, (movers, shifts)
        return best


def _gap_decreases(moved: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Compute the maximum decrease of the bound gaps of each cluster since the last update: (n_active, k + 1).

    It is the shift of the own centre plus the largest shift of any other centre. The last column is 0, for points
    without a cluster.
    """
    n_active, k = moved.shape
    decreases = np.zeros((n_active, k + 1))
    if k > 1:
        second, first = np.partition(moved, k - 2, axis=1)[:, k - 2 :].T
        others = np.where(moved == first[:, None], second[:, None], first[:, None])
        decreases[:, :k] = moved + others
    return _rounded_up(decreases, dtype)


def _rounded_up(shifts: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
    rounded: NDArray[Any] = (shifts * (1 + 4 * np.finfo(dtype).eps)).astype(dtype)
    return rounded


def assign(X: NDArray[Any], centers: NDArray[Any], workers: Workers) -> NDArray[np.int32]:
    """Find the closest centre of each point.

    Parameters
    ----------
    X : array (n, d), float32 or float64, C order
    centers : array (k, d), of the type of X
    workers : Workers

    Returns
    -------
    array (n,), int32
    """
    assignment = Assignment(X, np.ones(len(X), X.dtype), n_starts=1, n_clusters=len(centers), workers=workers)
    assignment.update(centers[None], [0])
    labels: NDArray[np.int32] = assignment.labels[0]
    return labels


def squared_distances(
    X: NDArray[Any], centers: NDArray[Any], labels: NDArray[np.int32], workers: Workers
) -> NDArray[np.float64]:
    """Squared distance of each point to the centre of its label, from differences, which do not cancel.

    Parameters
    ----------
    X : array (n, d), float32 or float64
    centers : array (k, d)
    labels : array (n,), int32
    workers : Workers

    Returns
    -------
    array (n,), float64
    """
    distances = np.empty(len(X))
    edges = chunk_bounds(len(X), workers.n_threads)
    workers.run(lambda s: _squared_distances(X, centers, labels, distances, edges[s], edges[s + 1]), workers.n_threads)
    return distances


@compiled
def _assign_chunk(
    data: tuple[Array, ...],
    centers: Array,
    half_norms: Array,
    center_shifts: Array,
    among: tuple[Array, ...],
    starts: Array,
    state: tuple[Array, ...],
    changes: tuple[Array, ...],
    begin: int,
    end: int,
) -> None:
    """Assign the points ``begin`` to ``end``, whole blocks at once where most bound gaps are used up."""
    X, labels, bound_gaps = data[0], state[0], state[1]
    movers, mover_half_norms, mover_ids, mover_edges, rest_shifts = among
    n_starts, k = len(starts), center_shifts.shape[1] - 1
    d = X.shape[1]
    pending = np.empty((n_starts, N_POINTS_PER_BLOCK), np.int64)
    n_pending = np.empty(n_starts, np.int64)
    near_movers = np.empty((n_starts, N_POINTS_PER_BLOCK), np.int64)
    n_near_movers = np.zeros(n_starts, np.int64)
    own_products = np.empty(GATHER_SIZE, X.dtype)
    products = np.empty(len(centers) * TILE_SIZE, X.dtype)
    rows = np.empty((GATHER_SIZE, d), X.dtype)
    n_tile = TILE_SIZE if len(centers) > GATHER_SIZE else GATHER_SIZE
    for a in range(begin, end, N_POINTS_PER_BLOCK):
        b = min(a + N_POINTS_PER_BLOCK, end)
        for s in range(n_starts):
            own_gaps, own_labels = bound_gaps[starts[s]], labels[starts[s]]
            n_pending[s] = _update_bounds(own_gaps, own_labels, center_shifts[s], a, b, pending[s])
            if mover_edges[s] < mover_edges[s + 1]:
                n_pending[s], n_near_movers[s] = _split_pending(
                    own_gaps, own_labels, center_shifts[s], rest_shifts[s], pending[s], n_pending[s], near_movers[s]
                )
        if n_pending.sum() > MAX_PENDING_FRACTION * n_starts * (b - a):
            for tile in range(a, b, n_tile):
                m = min(tile + n_tile, b) - tile
                for p in range(m):
                    pending[0, p] = tile + p
                block = products[: len(centers) * m].reshape(len(centers), m)
                np.dot(centers, X[tile : tile + m].T, block)
                for s in range(n_starts):
                    own = slice(s * k, (s + 1) * k)
                    _reassign(data, block[own], half_norms[own], s, starts[s], pending[0, :m], state, changes)
        else:
            for s in range(n_starts):
                own = slice(s * k, (s + 1) * k)
                for first in range(0, n_pending[s], GATHER_SIZE):
                    points = pending[s, first : min(first + GATHER_SIZE, n_pending[s])]
                    m = len(points)
                    _gather_rows(X, points, rows)
                    block = products[: k * m].reshape(k, m)
                    np.dot(centers[own], rows[:m].T, block)
                    _reassign(data, block, half_norms[own], s, starts[s], points, state, changes)
                chosen = slice(mover_edges[s], mover_edges[s + 1])
                n_chosen = mover_edges[s + 1] - mover_edges[s]
                for first in range(0, n_near_movers[s], GATHER_SIZE):
                    points = near_movers[s, first : min(first + GATHER_SIZE, n_near_movers[s])]
                    m = len(points)
                    _gather_rows(X, points, rows)
                    block = products[: n_chosen * m].reshape(n_chosen, m)
                    np.dot(movers[chosen], rows[:m].T, block)
                    _own_products(rows, points, centers[own], labels[starts[s]], own_products)
                    known = (half_norms[own], own_products, mover_half_norms[chosen], mover_ids[chosen])
                    _reassign_to_movers(data, block, known, s, starts[s], points, state, changes)


@compiled
def _split_pending(
    bound_gaps: Array,
    labels: Array,
    center_shifts: Array,
    rest_shifts: Array,
    pending: Array,
    n_pending: int,
    near_movers: Array,
) -> tuple[int, int]:
    """Move the pending points that only a mover can come closer to into a list of their own; return both numbers.

    The bound gaps of these points become those with respect to all other centres.
    """
    n, n_near = 0, 0
    for p in range(n_pending):
        i = pending[p]
        label = np.uint32(labels[i])
        gap = bound_gaps[i] + (center_shifts[label] - rest_shifts[label])
        if gap > 0:
            bound_gaps[i] = gap
            near_movers[n_near] = i
            n_near += 1
        else:
            pending[n] = i
            n += 1
    return n, n_near


@compiled
def _own_products(rows: Array, points: Array, centers: Array, labels: Array, products: Array) -> None:
    """Inner products of some points with their own centres."""
    for p in range(len(points)):
        center = centers[np.uint32(labels[points[p]])]
        total = rows.dtype.type(0)
        for j in range(rows.shape[1]):
            total += rows[p, j] * center[j]
        products[p] = total


@compiled
def _gather_rows(X: Array, points: Array, rows: Array) -> None:
    for p in range(len(points)):
        i = np.uint64(points[p])
        for j in range(X.shape[1]):
            rows[p, j] = X[i, j]


@compiled
def _update_bounds(bound_gaps: Array, labels: Array, center_shifts: Array, begin: int, end: int, pending: Array) -> int:
    """Subtract the centre shifts from the bound gaps; list the points with none left, and return their number."""
    for i in range(begin, end):
        bound_gaps[i] -= center_shifts[np.uint32(labels[i])]
    n = 0
    for i in range(begin, end):
        pending[n] = i
        n += bound_gaps[i] <= 0
    return n


@compiled
def _reassign(
    data: tuple[Array, ...],
    products: Array,
    half_norms: Array,
    s: int,
    start: int,
    points: Array,
    state: tuple[Array, ...],
    changes: tuple[Array, ...],
) -> None:
    """Recompute labels and bound gaps of some points, from the products (k, m) of the centres with the points."""
    X, norms, point_weights = data
    labels, bound_gaps = state
    sums, weights, counts, n_changed = changes
    k, m = products.shape
    best = np.empty(m, X.dtype)
    second = np.empty(m, X.dtype)
    norm = np.empty(m, X.dtype)
    label = np.empty(m, np.int32)
    # |x - c|² = |x|² - 2 (x·c - |c|²/2), so the closest centre maximizes x·c - |c|²/2
    for p in range(m):
        best[p] = products[0, p] - half_norms[0]
        second[p] = -np.inf
        label[p] = 0
        norm[p] = norms[np.uint64(points[p])]
    max_half_norm = half_norms[0]
    for j in range(1, k):
        half_norm = half_norms[j]
        max_half_norm = max(max_half_norm, half_norm)
        for p in range(m):
            value = products[j, p] - half_norm
            closer = value > best[p]
            loser = best[p] if closer else value
            second[p] = loser if loser > second[p] else second[p]
            best[p] = value if closer else best[p]
            label[p] = j if closer else label[p]
    _compute_gaps(best, second, norm, max_half_norm)
    for p in range(m):
        i = points[p]
        bound_gaps[start, i] = second[p]
        old = labels[start, i]
        if label[p] != old:
            _move_point(X[i], point_weights[i], old, label[p], sums[s], weights[s], counts[s])
            labels[start, i] = label[p]
            n_changed[s] += 1


@compiled
def _reassign_to_movers(
    data: tuple[Array, ...],
    products: Array,
    known: tuple[Array, ...],
    s: int,
    start: int,
    points: Array,
    state: tuple[Array, ...],
    changes: tuple[Array, ...],
) -> None:
    """Recompute labels and bound gaps of points that keep their label or get that of a mover.

    ``products`` (n_movers, m) are those of the movers with the points.
    """
    X, norms, point_weights = data
    labels, bound_gaps = state
    sums, weights, counts, n_changed = changes
    half_norms, own_products, mover_half_norms, mover_ids = known
    m = len(points)
    best = np.empty(m, X.dtype)
    second = np.full(m, -np.inf, X.dtype)
    norm = np.empty(m, X.dtype)
    label = np.empty(m, np.int32)
    for p in range(m):
        i = np.uint64(points[p])
        label[p] = labels[start, i]
        best[p] = own_products[p] - half_norms[label[p]]
        norm[p] = norms[i]
    own = label.copy()
    max_half_norm = half_norms.max()
    for j in range(len(mover_ids)):
        half_norm, mover = mover_half_norms[j], mover_ids[j]
        for p in range(m):
            value = products[j, p] - half_norm
            value = value if own[p] != mover else -X.dtype.type(np.inf)
            closer = value > best[p]
            loser = best[p] if closer else value
            second[p] = loser if loser > second[p] else second[p]
            best[p] = value if closer else best[p]
            label[p] = mover if closer else label[p]
    _compute_gaps(best, second, norm, max_half_norm)
    for p in range(m):
        i = points[p]
        bound_gaps[start, i] = min(bound_gaps[start, i], second[p])
        if label[p] != own[p]:
            _move_point(X[i], point_weights[i], own[p], label[p], sums[s], weights[s], counts[s])
            labels[start, i] = label[p]
            n_changed[s] += 1


@compiled
def _compute_gaps(best: Array, second: Array, norms: Array, max_half_norm: float) -> None:
    """Replace ``second`` by the bound gaps of points, from ``x·c - |c|²/2`` of their two closest centres."""
    zero, two = best.dtype.type(0), best.dtype.type(2)
    # the bound gap is d₂ - d₁ = (d₂² - d₁²) / (d₁ + d₂), less what rounding may have added to the squares
    rounding = best.dtype.type(16 * np.finfo(best.dtype).eps)
    for p in range(len(best)):
        closest_squared = norms[p] - two * best[p]
        second_squared = norms[p] - two * second[p]
        sum_of_distances = np.sqrt(closest_squared if closest_squared > zero else zero) + np.sqrt(
            second_squared if second_squared > zero else zero
        )
        second[p] = (second_squared - closest_squared - rounding * (norms[p] + two * max_half_norm)) / sum_of_distances


@compiled
def _move_point(x: Array, weight: float, source: int, target: int, sums: Array, weights: Array, counts: Array) -> None:
    """Move a point from one cluster to another in the sums, weights and counts."""
    for i in range(len(x)):
        value = np.float64(weight) * np.float64(x[i])
        sums[target, i] += value
        sums[source, i] -= value
    weights[target] += weight
    weights[source] -= weight
    counts[target] += weight > 0
    counts[source] -= weight > 0


@compiled
def _squared_distances(X: Array, centers: Array, labels: Array, out: Array, begin: int, end: int) -> None:
    for i in range(begin, end):
        total = 0.0
        for j in range(X.shape[1]):
            difference = np.float64(X[i, j]) - np.float64(centers[labels[i], j])
            total += difference * difference
        out[i] = total
