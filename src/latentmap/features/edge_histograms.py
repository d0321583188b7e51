"""Shape: histograms of oriented gradients on grids over the image and over the object in it.

References
----------
Dalal and Triggs (2005), Histograms of oriented gradients for human detection.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.parallel import Array, compiled

N_FINE, N_COARSE = 8, 4  # cells per side
N_SIGNED, N_UNSIGNED = 16, 8  # directions of gradients, and of edges whose sign does not count
MAX_SHAPE_SIDE = 64  # larger images are shrunk first
MIN_NORM = 1e-3  # of the mean gradient of a cell, below which there is no edge
MAX_NORMALIZED = 0.4  # so that no single edge decides
MIN_CONTRAST = 0.15  # between the object and the colour of the border


def shape_histograms(images: NDArray[np.float32]) -> tuple[Array, Array, Array]:
    """Compute histograms of oriented gradients.

    Parameters
    ----------
    images : array (n, h, w, c), float32
        Values from 0 to 1.

    Returns
    -------
    fine : array (n, 1024), float32
        16 signed directions in 8×8 cells of the image.
    coarse : array (n, 128), float32
        8 directions without a sign in 4×4 cells of the image.
    of_object : array (n, 512), float32
        8 directions without a sign in 8×8 cells of the smallest square around the object.
    """
    n = len(images)
    fine = np.zeros((n, N_FINE, N_FINE, N_SIGNED), np.float32)
    coarse = np.zeros((n, N_COARSE, N_COARSE, N_UNSIGNED), np.float32)
    of_object = np.zeros((n, N_FINE, N_FINE, N_UNSIGNED), np.float32)
    _bin_gradients(images, object_squares(images), fine, coarse, of_object)
    for histograms in (fine, coarse, of_object):
        _normalize(histograms)
    return fine.reshape(n, -1), coarse.reshape(n, -1), of_object.reshape(n, -1)


def shape_size(height: int, width: int) -> tuple[int, int]:
    """Height and width that images are brought to before shapes are computed: theirs, or 64 for the longer side."""
    ratio = min(1.0, MAX_SHAPE_SIDE / max(height, width))
    return max(1, round(height * ratio)), max(1, round(width * ratio))


def object_squares(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Find the smallest square around the pixels that differ from the colour of the border.

    Parameters
    ----------
    images : array (n, h, w, c), float32

    Returns
    -------
    array (n, 3), float32
        Top, left and side in pixels; the whole image where nothing differs.
    """
    n, h, w, _ = images.shape
    border = np.concatenate([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], axis=1)
    background = np.median(border, axis=1)
    differs = np.abs(images - background[:, None, None]).max(axis=-1) > MIN_CONTRAST
    squares = np.empty((n, 3), np.float32)
    ends = []
    for axis, length in ((2, h), (1, w)):
        found = differs.any(axis=axis)
        first, last = found.argmax(axis=1), length - found[:, ::-1].argmax(axis=1)
        is_small = ~found.any(axis=1) | (last - first < 2)
        ends.append((np.where(is_small, 0, first), np.where(is_small, length, last)))
    (top, bottom), (left, right) = ends
    side = np.maximum(bottom - top, right - left)
    squares[:, 0] = (top + bottom - side) / 2
    squares[:, 1] = (left + right - side) / 2
    squares[:, 2] = side
    return squares


@compiled
def _bin_gradients(images: Array, squares: Array, fine: Array, coarse: Array, of_object: Array) -> None:
    n, h, w, c = images.shape
    for i in range(n):
        top, left, side = squares[i, 0], squares[i, 1], squares[i, 2]
        for y in range(h):
            above, below = max(y - 1, 0), min(y + 1, h - 1)
            for x in range(w):
                before, after = max(x - 1, 0), min(x + 1, w - 1)
                largest, gx, gy = np.float32(0), np.float32(0), np.float32(0)
                for k in range(c):
                    across = (images[i, y, after, k] - images[i, y, before, k]) * np.float32(0.5)
                    down = (images[i, below, x, k] - images[i, above, x, k]) * np.float32(0.5)
                    squared = across * across + down * down
                    if squared > largest:
                        largest, gx, gy = squared, across, down
                if largest == 0:
                    continue
                length = np.sqrt(largest)
                turn = np.arctan2(gy, gx) / np.float32(2 * np.pi)
                turn = turn + 1 if turn < 0 else turn
                row, column = (y + np.float32(0.5)) / h, (x + np.float32(0.5)) / w
                _add(fine[i], row, column, turn, length)
                _add(coarse[i], row, column, 2 * turn, length)
                row = (y + np.float32(0.5) - top) / side
                column = (x + np.float32(0.5) - left) / side
                _add(of_object[i], row, column, 2 * turn, length)
        fine[i] *= np.float32(fine.shape[1] * fine.shape[2]) / (h * w)
        coarse[i] *= np.float32(coarse.shape[1] * coarse.shape[2]) / (h * w)
        of_object[i] *= np.float32(of_object.shape[1] * of_object.shape[2]) / (side * side)


@compiled
def _add(cells: Array, row: Any, column: Any, turn: Any, length: Any) -> None:
    """Add a gradient to the two nearest directions of the four nearest cells."""
    n, m, n_directions = cells.shape
    u, v, t = row * n - np.float32(0.5), column * m - np.float32(0.5), turn * n_directions
    a, b, d = int(np.floor(u)), int(np.floor(v)), int(np.floor(t))
    fu, fv, ft = u - a, v - b, t - d
    first, second = d % n_directions, (d + 1) % n_directions
    for p in range(2):
        if not 0 <= a + p < n:
            continue
        weight_p = length * (fu if p else 1 - fu)
        for q in range(2):
            if 0 <= b + q < m:
                weight = weight_p * (fv if q else 1 - fv)
                cells[a + p, b + q, first] += weight * (1 - ft)
                cells[a + p, b + q, second] += weight * ft


@compiled
def _normalize(histograms: Array) -> None:
    """Divide each cell by the lengths of the four blocks of 2×2 cells around it, limit it, and take the mean."""
    n, rows, columns, n_directions = histograms.shape
    energy = np.empty((rows, columns), np.float32)
    normalized = np.empty((rows, columns, n_directions), np.float32)
    for i in range(n):
        for a in range(rows):
            for b in range(columns):
                total = np.float32(0)
                for d in range(n_directions):
                    total += histograms[i, a, b, d] * histograms[i, a, b, d]
                energy[a, b] = total
        normalized[:] = 0
        for a in range(rows):
            for b in range(columns):
                for p in range(-1, 2, 2):
                    for q in range(-1, 2, 2):
                        y, x = min(max(a + p, 0), rows - 1), min(max(b + q, 0), columns - 1)
                        block = energy[a, b] + energy[y, b] + energy[a, x] + energy[y, x]
                        scale = np.float32(1) / np.sqrt(block + np.float32(MIN_NORM * MIN_NORM))
                        for d in range(n_directions):
                            value = histograms[i, a, b, d] * scale
                            normalized[a, b, d] += min(value, np.float32(MAX_NORMALIZED)) * np.float32(0.25)
        histograms[i] = normalized
