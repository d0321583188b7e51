"""Which pictures can be drawn on a map at their own places without covering each other."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentmap.core.errors import InputError

# Largest side of a picture, as a share of the map's larger extent.
LARGEST = 0.06
HALVINGS = 12


def place_thumbnails(xy: ArrayLike, n_images: int = 200, size: float | None = None) -> tuple[NDArray[np.intp], float]:
    """Choose points whose square pictures do not overlap.

    Points are taken in their order, each when its square meets none taken before, until there are ``n_images``.

    Parameters
    ----------
    xy : array (n, 2)
        Places; no NaN.
    n_images : int, default=200
    size : float, optional
        Side of a picture as a share of the map's larger extent. By default the largest, up to 0.06, at which
        ``n_images`` find room.

    Returns
    -------
    indices : ndarray (m,), m ≤ n_images
    side : float
        Side of a picture in the units of ``xy``.

    Raises
    ------
    InputError
        If xy is not (n, 2) with at least one point.

    Notes
    -----
    Squares of side s are kept in a grid of cells of side s, so that a new one is compared with those of nine cells
    only: O(n) for each size tried.

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
        return _place(xy, size * extent, n_images), size * extent
    wanted = min(n_images, len(np.unique(xy, axis=0)))
    low, high = 0.0, LARGEST
    chosen, side = _place(xy, LARGEST * extent, n_images), LARGEST * extent
    if len(chosen) >= wanted:
        return chosen, side
    for _ in range(HALVINGS):  # bisection on the side
        middle = (low + high) / 2
        tried = _place(xy, middle * extent, n_images)
        if len(tried) >= wanted:
            low, chosen, side = middle, tried, middle * extent
        else:
            high = middle
    return chosen, side


def _place(xy: NDArray[np.float64], side: float, n_images: int) -> NDArray[np.intp]:
    cells: dict[tuple[int, int], list[int]] = {}
    chosen: list[int] = []
    places = np.floor((xy - xy.min(0)) / side).astype(np.int64).tolist()
    points = xy.tolist()
    for i, (column, row) in enumerate(places):
        x, y = points[i]
        near = (j for c in (-1, 0, 1) for r in (-1, 0, 1) for j in cells.get((column + c, row + r), ()))
        if all(abs(x - points[j][0]) >= side or abs(y - points[j][1]) >= side for j in near):
            cells.setdefault((column, row), []).append(i)
            chosen.append(i)
            if len(chosen) == n_images:
                break
    return np.array(chosen, dtype=np.intp)
