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
        If ``xy`` is not an array (n, 2) with n ≥ 1.

    Raises
    ------
    InputError
        If xy is not (n, 2) with at least one point.

    Notes
    -----
    Squares of side s are stored in a grid of cells of side s, so that a new square is compared with those in nine cells
    only. The time is O(n) for each trial size.

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
    if size is not None:
        return _place_squares(xy, size * extent, n_images), size * extent
    n_wanted = min(n_images, len(np.unique(xy, axis=0)))
    low, high = 0.0, MAX_PICTURE_FRACTION
    chosen, side = _place_squares(xy, MAX_PICTURE_FRACTION * extent, n_images), MAX_PICTURE_FRACTION * extent
    if len(chosen) >= n_wanted:
        return chosen, side
    for _ in range(N_BISECTIONS):  # bisection of the side
        middle = (low + high) / 2
        trial = _place_squares(xy, middle * extent, n_images)
        if len(trial) >= n_wanted:
            low, chosen, side = middle, trial, middle * extent
        else:
            high = middle
    return chosen, side


def _place_squares(xy: NDArray[np.float64], side: float, n_images: int) -> NDArray[np.intp]:
    cells: dict[tuple[int, int], list[int]] = {}
    chosen: list[int] = []
    cell_numbers = np.floor((xy - xy.min(0)) / side).astype(np.int64).tolist()
    points = xy.tolist()
    for i, (column, row) in enumerate(cell_numbers):
        x, y = points[i]
        nearby = (j for c in (-1, 0, 1) for r in (-1, 0, 1) for j in cells.get((column + c, row + r), ()))
        if all(abs(x - points[j][0]) >= side or abs(y - points[j][1]) >= side for j in nearby):
            cells.setdefault((column, row), []).append(i)
            chosen.append(i)
            if len(chosen) == n_images:
                break
    return np.array(chosen, dtype=np.intp)
