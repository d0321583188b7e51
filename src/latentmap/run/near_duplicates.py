"""Near duplicates: neighbours whose pixels are almost equal."""

from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentmap.core.mapped_arrays import blocks, release

NEAR_DIFFERENCE = 0.02  # most squared difference of two images over their variance: a correlation of 0.99
N_SAMPLED = 64  # pixels of each image that rule most pairs out
SLACK = 1.001  # of bounds, for rounding
VALUES_AT_ONCE = 2**22  # pixels of the pairs that are compared at once


class _Sample(NamedTuple):
    """A summary of each image, by which most pairs are ruled out."""

    values: NDArray[Any]  # (n, at most 64), some of the pixels
    means: NDArray[np.float32]
    deviations: NDArray[np.float32]


def near_duplicates(
    images: NDArray[Any], indices: NDArray[np.integer[Any]]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Find neighbours whose mean squared difference is at most 0.02 of the mean of their variances.

    Parameters
    ----------
    images : array (n, h, w) or (n, h, w, channels), uint8 or uint16
    indices : array (n, k), int
        The neighbours of each image.

    Returns
    -------
    rows, columns : arrays (m,), intp
        Where in ``indices`` they are, by rows.
    differences : array (m,), float64
        Squared difference of each, as a fraction of the variance. Two images of one colour are 0 apart if the colour is
        the same, else infinitely far.
    """
    sample = _sampled(images)
    k, n_values = indices.shape[1], prod(images.shape[1:])
    found = []
    for part in _parts(len(indices), max(1, k) * sample.values.shape[1]):
        right = indices[part].ravel().astype(np.intp)
        left = part.start + np.arange(len(right)) // k
        kept = _candidates(sample, left, right, n_values)
        left, right = left[kept], right[kept]
        variance = (sample.deviations[left] ** 2 + sample.deviations[right] ** 2) / 2
        differences = _differences(images, left, right, variance)
        near = differences <= NEAR_DIFFERENCE
        found.append((left[near], kept[near] % k, differences[near]))
    rows, columns, all_differences = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return rows, columns, all_differences


def _candidates(sample: _Sample, left: NDArray[np.intp], right: NDArray[np.intp], n_values: int) -> NDArray[np.intp]:
    """The pairs that means, deviations and some of the pixels do not rule out; each gives a lower bound."""
    means, deviations = sample.means, sample.deviations
    most = NEAR_DIFFERENCE * (deviations[left] ** 2 + deviations[right] ** 2) / 2 * SLACK
    apart = (means[left] - means[right]) ** 2 + (deviations[left] - deviations[right]) ** 2
    kept = np.flatnonzero(apart <= most)
    squares = _mean_squares(sample.values[left[kept]], sample.values[right[kept]])
    found: NDArray[np.intp] = kept[squares <= most[kept] * n_values / sample.values.shape[1]]
    return found


def _sampled(images: NDArray[Any]) -> _Sample:
    """Summaries of all images, in one pass."""
    n_values = prod(images.shape[1:])
    which = np.unique(np.linspace(0, n_values - 1, N_SAMPLED).astype(np.intp))
    values = np.empty((len(images), len(which)), images.dtype)
    means, deviations = np.empty((2, len(images)), np.float32)
    begin = 0
    for part in blocks(images, max(1, VALUES_AT_ONCE // n_values)):
        flat = part.reshape(len(part), -1)
        rows = slice(begin, begin + len(part))
        values[rows] = flat[:, which]
        means[rows] = flat.mean(axis=1, dtype=np.float32)
        centred = flat - means[rows, None]
        deviations[rows] = np.sqrt(np.einsum("ij,ij->i", centred, centred) / np.float32(n_values))
        begin += len(part)
    return _Sample(values, means, deviations)


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
