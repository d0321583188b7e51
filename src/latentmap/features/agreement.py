"""Weights of blocks of features, from how well the neighbours by one of them agree with those by the others.

Blocks that see different properties of an image have no reason to name the same neighbours, unless these are alike in
what makes them a kind. A block that agrees with the others therefore sees it, and no label is needed to know.

References
----------
Parisi, Strino, Nadler and Kluger (2014), Ranking and combining multiple predictors without labeled data.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from latentmap.core.parallel import Workers

N_NEAREST = 10
POWER = 2.0  # of the agreement; 1 to 3 work alike on the benchmark's collections


def agreement_weights(
    blocks: Sequence[NDArray[np.float32]], prior: Sequence[float], workers: Workers
) -> NDArray[np.float64]:
    """Weights of blocks in the squared distance.

    Parameters
    ----------
    blocks : sequence of array (m, k), float32
        Features of the same m images, with a mean squared distance of 1.
    prior : sequence of float
        Weight of each block before the data are seen.
    workers : Workers
        Threads, each of which compares one block with the others.

    Returns
    -------
    array (len(blocks),), float64
        Weights that sum to 1; the prior alone decides where no block agrees with the others.
    """
    weights = np.array(prior, float)
    usable = [number for number, block in enumerate(blocks) if block.any()]
    n_nearest = min(N_NEAREST, (len(blocks[0]) - 1) // 2)
    if len(usable) > 1 and n_nearest:
        squares = {number: _squared_distances(blocks[number]) for number in usable}
        total = sum(weights[number] * squares[number] for number in usable)

        def agreement(i: int) -> float:
            own = squares[usable[i]]
            rest = total - weights[usable[i]] * own
            return float(_overlap(_nearest(own, n_nearest), _nearest(rest, n_nearest)) ** POWER)

        weights[usable] *= workers.map(agreement, len(usable))
    weights[[number for number in range(len(blocks)) if number not in usable]] = 0
    if not weights.any():
        weights = np.array(prior, float)
    normalized: NDArray[np.float64] = weights / weights.sum()
    return normalized


def _squared_distances(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.einsum("ij,ij->i", rows, rows)
    squares: NDArray[np.float32] = norms[:, None] + norms - 2 * rows @ rows.T
    return squares


def _nearest(squares: NDArray[np.floating], n_nearest: int) -> NDArray[np.bool_]:
    """Whether each image is among the nearest of each other (m, m)."""
    squares = squares.copy()
    np.fill_diagonal(squares, np.inf)
    found = np.zeros(squares.shape, bool)
    np.put_along_axis(found, np.argpartition(squares, n_nearest - 1, axis=1)[:, :n_nearest], True, axis=1)
    return found


def _overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float((one & other).sum() / one.sum())
