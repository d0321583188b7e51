"""Doubtful points: those that are least sure, and not all in the same place."""

import numpy as np
from numpy.typing import NDArray

from latentmap.subsets.balanced import balanced_order
from latentmap.subsets.in_groups import GroupedPoints

POOL_FACTOR = 4  # doubtful points of a group for each pick; more would be less doubtful, fewer less spread


def doubtful_points(
    data: GroupedPoints,
    doubts: NDArray[np.float32],
    n: int,
    random: np.random.RandomState,
    n_jobs: int | None = None,
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Pick doubtful points of all groups.

    Groups get equal numbers of picks as far as each has enough, by :func:`balanced_order`; points without a group are a
    group of their own. Within a group the four most doubtful points for each pick are the pool, and the picks are those
    of :func:`facility_location` in the pool, with its guarantee for the pool.

    Parameters
    ----------
    data : GroupedPoints
    doubts : array (m,), float32
        How doubtful each of the points is.
    n : int
        Number of picks, at most the number of points to pick from.
    random : RandomState
        Generator for the draws.
    n_jobs : int, optional
        Number of threads; all CPUs by default.

    Returns
    -------
    picks : array (n,), int
        Rows of the picks, in order: first those of different groups.
    gains : array (n,), float64
        Gain of each pick in the pool of its group; see :func:`facility_location`.

    Examples
    --------
    >>> points = np.arange(20, dtype=np.float32)[:, None]
    >>> data = GroupedPoints.all_of(points, np.repeat([0, 1], 10).astype(np.int32))
    >>> doubts = np.repeat([0, 0.5, 0], [6, 8, 6]).astype(np.float32)  # around the border between 9 and 10
    >>> picks, _ = doubtful_points(data, doubts, 2, np.random.RandomState(0))
    >>> data.groups[picks].tolist(), doubts[picks].tolist()
    ([0, 1], [0.5, 0.5])
    """
    sizes, taken = data.numbers()
    order = balanced_order(sizes, n, taken) - 1

    def most_doubtful(rows: NDArray[np.intp], n_picks: int) -> NDArray[np.intp]:
        return rows[np.argsort(-doubts[rows], kind="stable")][: POOL_FACTOR * n_picks]

    return data.pick(order, most_doubtful, random, n_jobs)
