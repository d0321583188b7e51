"""Coverage: points such that every point is close to one of them, by lazy greedy facility location."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from latentmap.core.parallel import Array, Workers, chunk_bounds, compiled

# Points that are drawn in each round to be covered, by the number of picks; twice as many may be picked. With the
# largest numbers, their distances take 200 MB.
WITNESSES_PER_PICK, MIN_WITNESSES, MAX_WITNESSES = 25, 2_000, 5_000
CANDIDATES_PER_WITNESS = 2
MAX_PICKS_PER_ROUND = 1_000  # a fifth of the witnesses: more picks would adapt to the draw
MAX_SCALED = 1e9  # points that are further out than this multiple of the others count as that far
ROWS_PER_CHUNK = 256
MAX_DOUBLE_VALUES = 2**22  # distances that are computed in float64
VALUES_AT_ONCE = 2**24  # distances to points that are chosen already


def facility_location(
    points: NDArray[np.float32],
    n: int,
    random: np.random.RandomState,
    *,
    rows: NDArray[np.intp] | None = None,
    chosen: NDArray[np.intp] | None = None,
    n_jobs: int | None = None,
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Pick points such that every point is close to a pick.

    The objective is how much nearer the points are to their nearest pick than without picks: the facility location
    function with Euclidean distances, which is monotone and submodular. It is maximised greedily: each pick is the one
    with the largest gain. The sum of the gains is then at least 1 − 1/e = 63 % of the largest that any ``n`` points
    have (Nemhauser, Wolsey and Fisher 1978).

    Up to 2,000 points this holds for all of them, and up to 5,000 for 200 picks or more. Of more points, picks are made
    in rounds of at most 1,000. Each round draws witnesses among all points, 25 for each pick, at least 2,000 and at
    most 5,000, and twice as many candidates among the points that are not picked yet, and starts from the picks of the
    rounds before. The guarantee then holds for the gains of each round, over its witnesses and against picks among its
    candidates.

    Parameters
    ----------
    points : array (m, d), float32
    n : int
        Number of picks, at most the number of points to pick from.
    random : RandomState
        Generator for the draws.
    rows : array of int, optional
        Points to pick from and to cover, each once; all by default.
    chosen : array of int, optional
        Points that count as picked before the first pick, none of them among ``rows``.
    n_jobs : int, optional
        Number of threads; all CPUs by default.

    Returns
    -------
    picks : array (n,), int
        Rows of the picks, in the order in which they are picked.
    gains : array (n,), float64
        Gain of each pick, as a fraction of the sum of distances before the first pick. Without ``chosen`` points, that
        is the sum of the largest distances.

    References
    ----------
    Nemhauser, Wolsey and Fisher (1978), An analysis of approximations for maximizing submodular set functions.
    Minoux (1978), Accelerated greedy algorithms for maximizing submodular set functions: lazy evaluation.

    Examples
    --------
    >>> points = np.array([[0.0], [1.0], [2.0], [3.0], [9.0], [9.5], [11.0]], np.float32)
    >>> facility_location(points, 2, np.random.RandomState(0))[0].tolist()
    [3, 5]
    """
    rows = np.arange(len(points)) if rows is None else rows
    nearest_to = np.empty(0, np.intp) if chosen is None else chosen
    picks, gains = np.empty(0, np.intp), np.empty(0)
    before = 0.0  # mean distance before the first pick
    n_witnesses = min(MAX_WITNESSES, max(MIN_WITNESSES, WITNESSES_PER_PICK * n))
    while len(picks) < n:
        candidates = _draw(np.setdiff1d(rows, picks), CANDIDATES_PER_WITNESS * n_witnesses, random)
        witnesses = _draw(rows, n_witnesses, random)
        scaled = Scaled(points, witnesses)
        to_cover = scaled.at(witnesses)
        distances = _distances(scaled.at(candidates), to_cover, n_jobs)
        covered = _nearest(scaled, np.concatenate([nearest_to, picks]), to_cover, n_jobs)
        if covered is None:
            covered = np.full(len(witnesses), distances.max(), np.float32)
        before = before or float(covered.mean(dtype=np.float64)) * scaled.scale
        n_round = n - len(picks) if len(witnesses) == len(rows) else min(n - len(picks), MAX_PICKS_PER_ROUND)
        found, gained = lazy_greedy(distances, covered, n_round, n_jobs)
        picks = np.concatenate([picks, candidates[found]])
        gains = np.concatenate([gains, gained * scaled.scale / (len(witnesses) * (before or 1.0))])
    return picks, gains


def lazy_greedy(
    distances: NDArray[np.float32],
    covered: NDArray[np.float32],
    n: int,
    n_jobs: int | None = None,
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Pick candidates greedily by how much nearer the witnesses are with them.

    A gain never grows by other picks, so that the last known one is an upper bound. Only the candidate with the largest
    bound is computed again, until it stays the largest: the picks are those of the plain greedy algorithm.

    Parameters
    ----------
    distances : array (c, w), float32
        Distance from each candidate to each witness.
    covered : array (w,), float32
        Distance from each witness to the nearest point that is picked before.
    n : int
        Number of picks, at most c.
    n_jobs : int, optional
        Number of threads; all CPUs by default.

    Returns
    -------
    picks : array (n,), int
        Candidates in the order in which they are picked; the first one of several with the same gain.
    gains : array (n,), float64
        Decrease of the sum of distances by each pick.
    """
    bounds = np.empty(len(distances))
    with Workers(n_jobs) as workers:
        _for_each_chunk(workers, len(distances), lambda low, high: _gains(distances, covered, low, high, bounds))
    picks, gains = np.empty(n, np.intp), np.empty(n)
    _pick_lazily(distances, covered.copy(), bounds, picks, gains)
    return picks, gains


def _draw(rows: NDArray[np.intp], n: int, random: np.random.RandomState) -> NDArray[np.intp]:
    """At most n of some rows, in ascending order."""
    if len(rows) <= n:
        return rows
    drawn: NDArray[np.intp] = np.sort(random.choice(rows, n, replace=False))
    return drawn


class Scaled:
    """Points around 0 with values of about 1, so that their squares neither overflow nor lose their digits.

    Parameters
    ----------
    points : array (m, d), float32
    rows : array of int
        Points whose mean becomes 0, and whose largest value becomes 1.

    Attributes
    ----------
    scale : float
        What a distance of 1 is in the points themselves.
    """

    def __init__(self, points: NDArray[np.float32], rows: NDArray[np.intp]) -> None:
        self._points = points
        self._middle = points[rows].mean(axis=0, dtype=np.float64)
        self.scale = float(np.abs(points[rows] - self._middle).max(initial=0)) or 1.0

    def at(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Scaled points (len(rows), d)."""
        scaled: NDArray[np.float64] = np.clip((self._points[rows] - self._middle) / self.scale, -MAX_SCALED, MAX_SCALED)
        return scaled.astype(np.float32, copy=False)


def _distances(rows: NDArray[np.float32], others: NDArray[np.float32], n_jobs: int | None) -> NDArray[np.float32]:
    """Euclidean distances (len(rows), len(others)): of few points with the digits that products in float32 lose."""
    kind = np.float64 if len(rows) * len(others) <= MAX_DOUBLE_VALUES else np.float32
    rows, others = rows.astype(kind, copy=False), others.astype(kind, copy=False)
    products = rows @ others.T
    squares, other_squares = (np.einsum("ij,ij->i", part, part) for part in (rows, others))
    with Workers(n_jobs) as workers:
        _for_each_chunk(
            workers, len(rows), lambda low, high: _lengths_of_products(products, squares, other_squares, low, high)
        )
    return products.astype(np.float32, copy=False)


def _nearest(
    scaled: Scaled, rows: NDArray[np.intp], witnesses: NDArray[np.float32], n_jobs: int | None
) -> NDArray[np.float32] | None:
    """Distance from each witness to the nearest of some points; None without points."""
    if not len(rows):
        return None
    step = max(1, VALUES_AT_ONCE // len(witnesses))
    parts = [rows[low : low + step] for low in range(0, len(rows), step)]
    nearest: NDArray[np.float32] = np.min(
        [_distances(scaled.at(part), witnesses, n_jobs).min(axis=0) for part in parts], axis=0
    )
    return nearest


def _for_each_chunk(workers: Workers, n_rows: int, kernel: Callable[[int, int], None]) -> None:
    bounds = chunk_bounds(n_rows, -(-n_rows // ROWS_PER_CHUNK))
    workers.run(lambda chunk: kernel(bounds[chunk], bounds[chunk + 1]), len(bounds) - 1)


@compiled
def _lengths_of_products(products: Array, squares: Array, other_squares: Array, low: int, high: int) -> None:
    """Replace the products of rows by their distances."""
    for i in range(low, high):
        for j in range(products.shape[1]):
            square = squares[i] + other_squares[j] - products[i, j] - products[i, j]
            products[i, j] = np.sqrt(max(square, 0.0))


@compiled
def _gain(distances: Array, covered: Array) -> float:
    gain = 0.0
    for j in range(len(covered)):
        gain += max(covered[j] - distances[j], np.float32(0))
    return gain


@compiled
def _gains(distances: Array, covered: Array, low: int, high: int, gains: Array) -> None:
    for i in range(low, high):
        gains[i] = _gain(distances[i], covered)


@compiled
def _pick_lazily(distances: Array, covered: Array, bounds: Array, picks: Array, gains: Array) -> None:
    """Fill picks and gains, where bounds are the gains of all candidates before the first pick."""
    n_picks_at = np.zeros(len(bounds), np.int64)  # number of picks when each bound was computed
    for pick in range(len(picks)):
        best = np.argmax(bounds)
        while n_picks_at[best] < pick:
            bounds[best] = _gain(distances[best], covered)
            n_picks_at[best] = pick
            best = np.argmax(bounds)
        picks[pick], gains[pick] = best, bounds[best]
        bounds[best] = -1.0
        n_picks_at[best] = len(picks)
        for j in range(len(covered)):
            covered[j] = min(covered[j], distances[best, j])
