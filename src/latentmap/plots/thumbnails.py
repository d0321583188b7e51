"""Selection of pictures that can be drawn at their positions on a map without overlap."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentmap.core.errors import InputError

# Maximum side of a picture, as a fraction of the larger extent of the map.
MAX_PICTURE_FRACTION = 0.06
N_BISECTIONS = 12


def place_thumbnails(xy: ArrayLike, n_images: int = 200, size: float | None = None) -> tuple[NDArray[np.intp], float]:
    """Select points whose square pictures do not overlap.

    Points are selected greedily in their order, each if its square overlaps no square selected before.

    Parameters
    ----------
    xy : array (n, 2)
        Positions, without NaN.
    n_images : int, default=200
        Maximum number of pictures.
    size : float, optional
        Side of a picture, as a fraction of the larger extent of the map. By default the largest value up to 0.06 at
        which ``n_images`` pictures fit.

    Returns
    -------
    indices : ndarray (m,), int
        Selected points, m ≤ n_images.
    side : float
        Side of a picture in the unit of ``xy``.

    Raises
    ------
    InputError
        If xy is not (n, 2) with at least one point.

    Notes
    -----
    Each selected point discards the points whose squares would overlap its own. They are looked for among the points
    within one side to the left and the right, which the order by x gives.

    Examples
    --------
    >>> indices, side = place_thumbnails([[0, 0], [1, 0], [10, 10]], size=0.5)
    >>> indices.tolist(), side
    ([0, 2], 5.0)
    """
    xy = np.asarray(xy, dtype=np.float64)
    if xy.ndim != 2 or xy.shape[1] != 2 or not len(xy):
        raise InputError(f"xy of shape {xy.shape}: pass an array (n, 2) with at least one point")
    extent = float(np.ptp(xy, axis=0).max()) or 1.0
    order = np.argsort(xy[:, 0], kind="stable")
    if size is not None:
        return _place_squares(xy, order, size * extent, n_images), size * extent
    n_wanted = min(n_images, len(np.unique(xy, axis=0)))
    low, high = 0.0, MAX_PICTURE_FRACTION
    side = MAX_PICTURE_FRACTION * extent
    chosen = _place_squares(xy, order, side, n_images)
    if len(chosen) >= n_wanted:
        return chosen, side
    for _ in range(N_BISECTIONS):  # bisection of the side
        middle = (low + high) / 2
        trial = _place_squares(xy, order, middle * extent, n_images)
        if len(trial) >= n_wanted:
            low, chosen, side = middle, trial, middle * extent
        else:
            high = middle
    return chosen, side


def _place_squares(xy: NDArray[np.float64], order: NDArray[np.intp], side: float, n_images: int) -> NDArray[np.intp]:
    """Select points as :func:`place_thumbnails` does; ``order`` sorts them by x."""
    x, y = xy[order].T.copy()
    reach = 1.001 * side  # the comparison below decides, whatever rounding does here
    free = np.ones(len(xy), bool)
    chosen: list[int] = []
    point = 0
    while len(chosen) < n_images:
        point += int(free[point:].argmax())  # stops at the first one
        if not free[point]:
            break
        chosen.append(point)
        column, row = xy[point]
        near = slice(np.searchsorted(x, column - reach, "left"), np.searchsorted(x, column + reach, "right"))
        overlaps = (np.abs(x[near] - column) < side) & (np.abs(y[near] - row) < side)
        free[order[near][overlaps]] = False
    return np.array(chosen, dtype=np.intp)
