"""Near duplicates: pairs of neighbours whose pixels are almost equal."""

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.mapped_arrays import blocks, release

NEAR_DIFFERENCE = 0.02  # most squared difference of two images over their variance: a correlation of 0.99
N_SAMPLED = 64  # pixels of each image that rule most pairs out
VALUES_AT_ONCE = 2**22  # pixels of the pairs that are compared at once


def near_duplicates(
    images: NDArray[Any], left: NDArray[np.int64], right: NDArray[np.int64]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Find the pairs of images whose mean squared difference is at most 0.02 of the mean of their variances.

    Parameters
    ----------
    images : array (n, h, w) or (n, h, w, channels), uint8 or uint16
    left, right : array (m,), int64
        Images of each pair.

    Returns
    -------
    pairs : array, intp
        Those of the m pairs that are near, ascending.
    differences : array, float64
        Squared difference of each, as a fraction of the variance. Two images of one colour are 0 apart if the colour is
        the same, else infinitely far.
    """
    values, variances = _sample(images)
    variance = (variances[left] + variances[right]) / 2
    # The squares of some pixels are never more than those of all.
    most = NEAR_DIFFERENCE * prod(images.shape[1:]) / values.shape[1] * variance
    kept = [np.empty(0, np.intp)]
    for part in _parts(len(left), values.shape[1]):
        squares = _mean_squares(values[left[part]], values[right[part]])
        kept.append(np.flatnonzero(squares <= most[part] * 1.001) + part.start)
    candidates = np.concatenate(kept)
    differences = _differences(images, left[candidates], right[candidates], variance[candidates])
    near = differences <= NEAR_DIFFERENCE
    return candidates[near], differences[near]


def _sample(images: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Some pixels of each image (n, at most 64), and the variance of all of them (n,)."""
    n_values = prod(images.shape[1:])
    which = np.unique(np.linspace(0, n_values - 1, N_SAMPLED).astype(np.intp))
    values = np.empty((len(images), len(which)), images.dtype)
    variances = np.empty(len(images), np.float32)
    begin = 0
    for part in blocks(images, max(1, VALUES_AT_ONCE // n_values)):
        flat = part.reshape(len(part), -1)
        rows = slice(begin, begin + len(part))
        values[rows] = flat[:, which]
        centred = flat - flat.mean(axis=1, keepdims=True, dtype=np.float32)
        variances[rows] = np.einsum("ij,ij->i", centred, centred) / np.float32(n_values)
        begin += len(part)
    return values, variances


def _differences(
    images: NDArray[Any], left: NDArray[Any], right: NDArray[Any], variance: NDArray[Any]
) -> NDArray[np.float64]:
    """Mean squared difference of each pair over its variance; infinite between two plain colours."""
    found = np.empty(len(left))
    for part in _parts(len(left), prod(images.shape[1:])):
        squares = _mean_squares(*(images[rows[part]].reshape(len(rows[part]), -1) for rows in (left, right)))
        plain = variance[part] == 0
        found[part] = squares / np.where(plain, 1, variance[part])
        found[part][plain & (squares > 0)] = np.inf
        release(images)
    return found


def _parts(n: int, n_values: int) -> list[slice]:
    step = max(1, VALUES_AT_ONCE // n_values)
    return [slice(begin, begin + step) for begin in range(0, n, step)]


def _mean_squares(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float32]:
    apart = a.astype(np.float32) - b
    squares: NDArray[np.float32] = np.einsum("ij,ij->i", apart, apart)
    return squares / np.float32(a.shape[1])
