"""Typical points first, then typical and doubtful ones in turn."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from latentmap.subsets.doubt import doubtful_points
from latentmap.subsets.in_groups import GroupedPoints
from latentmap.subsets.typical import typical_points

# Points of each group that are picked before the first doubtful one: labels at borders mislead while others are few.
N_TYPICAL_FIRST = 5


def mixed_points(
    data: GroupedPoints,
    doubts: NDArray[np.float32],
    n: int,
    random: np.random.RandomState,
    n_jobs: int | None = None,
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.bool_]]:
    """Pick five typical points of each group, then typical and doubtful points in turn.

    Points that count as picked are among the five. Each kind has the guarantee of its function,
    :func:`typical_points` and :func:`doubtful_points`; typical picks count as picked for the doubtful ones.

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
        Rows of the picks, in order.
    gains : array (n,), float64
        Gain of each pick in its group, or in the pool of doubtful points of its group.
    is_typical : array (n,), bool
        Which picks are typical; the others are doubtful.

    Examples
    --------
    >>> points = np.arange(12, dtype=np.float32)[:, None]
    >>> data = GroupedPoints.all_of(points, np.zeros(12, np.int32))
    >>> mixed_points(data, points[:, 0] / 12, 8, np.random.RandomState(0))[2].tolist()
    [True, True, True, True, True, True, False, True]
    """
    sizes, taken = data.numbers()
    n_first = min(n, int(np.minimum(sizes[1:], np.maximum(0, N_TYPICAL_FIRST - taken[1:])).sum()))
    n_typical = n_first + (n - n_first + 1) // 2
    typical, typical_gains = typical_points(data, n_typical, random, n_jobs)
    rest = replace(data, rows=np.setdiff1d(data.rows, typical), chosen=np.concatenate([data.chosen, typical]))
    doubtful, doubtful_gains = doubtful_points(rest, doubts, n - n_typical, random, n_jobs)
    is_typical = np.ones(n, bool)
    is_typical[n_first + 1 :: 2] = False
    picks, gains = np.empty(n, np.intp), np.empty(n)
    picks[is_typical], picks[~is_typical] = typical, doubtful
    gains[is_typical], gains[~is_typical] = typical_gains, doubtful_gains
    return picks, gains, is_typical
