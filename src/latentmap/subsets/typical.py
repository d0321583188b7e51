"""Typical points: the middle of each group first, then what covers the group best."""

import numpy as np
from numpy.typing import NDArray

from latentmap.subsets.balanced import balanced_order
from latentmap.subsets.in_groups import GroupedPoints


def typical_points(
    data: GroupedPoints, n: int, random: np.random.RandomState, n_jobs: int | None = None
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Pick the points that represent each group.

    Groups get equal numbers of picks as far as each has enough, by :func:`balanced_order`. Within a group the picks are
    those of :func:`facility_location`, with its guarantee for each group on its own: the first is the point with the
    smallest mean distance to the others. Points without a group are picked when the groups have no more.

    Parameters
    ----------
    data : GroupedPoints
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
        Gain of each pick in its group; see :func:`facility_location`.

    Examples
    --------
    >>> points = np.array([[0.0], [1.0], [2.0], [7.0], [9.0], [9.5]], np.float32)
    >>> data = GroupedPoints.all_of(points, np.array([0, 0, 0, 1, 1, 1], np.int32))
    >>> typical_points(data, 2, np.random.RandomState(0))[0].tolist()
    [1, 4]
    """
    sizes, taken = data.numbers()
    of_groups = balanced_order(sizes[1:], min(n, int(sizes[1:].sum())), taken[1:])
    order = np.concatenate([of_groups, np.full(n - len(of_groups), -1)])
    return data.pick(order, lambda rows, _: rows, random, n_jobs)
