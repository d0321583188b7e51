"""Zoom order: an order of the images in which every prefix is an even sample of the map.

Level ℓ divides the map into a grid of 2^ℓ × 2^ℓ cells and adds one image of each non-empty cell that no earlier level
has an image of. So the images of the levels up to ℓ are a prefix of the order. Within a level images are in Morton
order, so that images of one region are near each other in the order, and on the same sprite sheets.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

N_ZOOM_LEVELS = 12  # the finest grid has 2^11 cells a side
MORTON_BITS = 16  # of each coordinate
ORDER_SEED = 0  # of the choice of one image in a cell


def bounding_square(xy: NDArray[np.floating[Any]]) -> tuple[float, float, float]:
    """Left, bottom and side of the smallest square that has the map in its middle."""
    low, high = xy.min(axis=0), xy.max(axis=0)
    side = float((high - low).max()) or 1.0
    left, bottom = (low + high) / 2 - side / 2
    return float(left), float(bottom), side


def order_for_zoom(xy: NDArray[np.floating[Any]]) -> tuple[NDArray[np.intp], list[int]]:
    """Order points so that each level of detail is a prefix of the order.

    Parameters
    ----------
    xy : array (n, 2)
        Places without NaN.

    Returns
    -------
    order : array (n,)
        Rows of ``xy``.
    ends : list of int
        Length of the prefix of each level; the last is n.
    """
    left, bottom, side = bounding_square(xy)
    unit = np.clip((xy - [left, bottom]) / side, 0, np.nextafter(1, 0))
    left_over = np.random.default_rng(ORDER_SEED).permutation(len(xy))
    fine = (unit * 2**MORTON_BITS).astype(np.uint32)
    morton = _interleave_zeros(fine[:, 0]) | (_interleave_zeros(fine[:, 1]) << np.uint64(1))
    taken: list[NDArray[np.intp]] = []
    seen = np.empty(0, np.uint64)  # Morton codes, by level; a cell of any level is a prefix of such a code
    for level in range(N_ZOOM_LEVELS):
        shift = np.uint64(2 * (MORTON_BITS - level))
        cells = morton[left_over] >> shift
        _, first = np.unique(cells, return_index=True)
        first = first[~np.isin(cells[first], seen >> shift)]
        chosen = left_over[first]
        taken.append(chosen[np.argsort(morton[chosen], kind="stable")])
        seen = np.concatenate([seen, morton[chosen]])
        left_over = np.delete(left_over, first)
    taken.append(left_over[np.argsort(morton[left_over], kind="stable")])
    return np.concatenate(taken), np.cumsum([len(rows) for rows in taken]).tolist()


def _interleave_zeros(values: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Put a zero between the bits of each value."""
    bits = values.astype(np.uint64)
    for shift, mask in (
        (16, 0x0000FFFF0000FFFF),
        (8, 0x00FF00FF00FF00FF),
        (4, 0x0F0F0F0F0F0F0F0F),
        (2, 0x3333333333333333),
        (1, 0x5555555555555555),
    ):
        bits = (bits | (bits << np.uint64(shift))) & np.uint64(mask)
    return bits
