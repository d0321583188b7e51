"""The order in which a page takes images: any beginning of it is an even sample of the map.

Level ℓ lays a grid of 2^ℓ × 2^ℓ cells over the map and has one image of each cell that is not empty, and those of the
levels above it are kept: so level ℓ is a beginning of the order. Within a level images are in Morton order, so that
those of one region are near each other in the order, and so in the picture pages that follow it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

N_LEVELS = 12  # the finest grid has 2^11 cells a side
MORTON_BITS = 16


def bounding_square(xy: NDArray[np.floating[Any]]) -> tuple[float, float, float]:
    """Left, bottom and side of the smallest square in the middle of which the map lies."""
    low, high = xy.min(axis=0), xy.max(axis=0)
    side = float((high - low).max()) or 1.0
    left, bottom = (low + high) / 2 - side / 2
    return float(left), float(bottom), side


def order_for_zoom(xy: NDArray[np.floating[Any]], random_state: int = 0) -> tuple[NDArray[np.intp], list[int]]:
    """Order points so that each level of detail is a beginning of the order.

    Parameters
    ----------
    xy : array (n, 2)
        Places; no NaN.

    Returns
    -------
    order : array (n,)
        Rows of ``xy``.
    ends : list of int
        How many of the order make up each level; the last is n.
    """
    left, bottom, side = bounding_square(xy)
    unit = np.clip((xy - [left, bottom]) / side, 0, np.nextafter(1, 0))
    left_over = np.random.default_rng(random_state).permutation(len(xy))
    fine = (unit * 2**MORTON_BITS).astype(np.uint32)
    morton = _spread(fine[:, 0]) | (_spread(fine[:, 1]) << np.uint64(1))
    taken: list[NDArray[np.intp]] = []
    seen = np.empty(0, np.uint64)  # Morton codes, sorted by level: a cell of any level is a beginning of one
    for level in range(N_LEVELS):
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


def _spread(values: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Put a zero between the bits of each value."""
    spread = values.astype(np.uint64)
    for shift, mask in (
        (16, 0x0000FFFF0000FFFF),
        (8, 0x00FF00FF00FF00FF),
        (4, 0x0F0F0F0F0F0F0F0F),
        (2, 0x3333333333333333),
        (1, 0x5555555555555555),
    ):
        spread = (spread | (spread << np.uint64(shift))) & np.uint64(mask)
    return spread
