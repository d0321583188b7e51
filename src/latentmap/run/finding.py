"""Duplicates, near duplicates and outliers."""

import hashlib
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.mapped_arrays import blocks, release

# Neighbours of each image among which near duplicates are looked for, and whose distance says how alone it is.
N_NEAREST = 5
# Near duplicates: latent vectors nearer than this fraction of the usual distance to the nearest, and pixels whose
# squared difference is at most this fraction of their variance (a correlation of 0.99).
NEAR_DISTANCE, NEAR_DIFFERENCE = 0.7, 0.02
# Outliers lie more than so many robust standard deviations above the median, on a logarithmic scale.
FAR_OUT = 4.0
MAD_TO_DEVIATION = 1.4826
VALUES_AT_ONCE = 2**22  # pixels of the pairs that are compared at once


def exact_copies(images: NDArray[Any] | None, contents: NDArray[np.void] | None = None) -> NDArray[np.int64]:
    """For each image, the first image with equal pixels: (n,), the image itself if it is the first.

    Parameters
    ----------
    images : array (n, ...) uint8 or uint16, optional
        As they were brought to one size: pictures that differ may look the same there.
    contents : array (n,) of void, optional
        Digests of what the images were made from, which decide where they are known.
    """
    if contents is None:
        assert images is not None
        contents = np.concatenate(
            [
                np.frombuffer(b"".join(hashlib.blake2b(image.data, digest_size=16).digest() for image in part), "V16")
                for part in map(np.ascontiguousarray, blocks(images))
            ]
        )
    _, firsts, inverse = np.unique(contents, return_index=True, return_inverse=True)
    found: NDArray[np.int64] = firsts[inverse].astype(np.int64)
    return found


def duplicates(
    images: NDArray[Any] | None,
    indices: NDArray[np.int32],
    distances: NDArray[np.floating[Any]],
    contents: NDArray[np.void] | None = None,
) -> dict[str, NDArray[Any]]:
    """Pairs of exact or near duplicates.

    Parameters
    ----------
    images : array (n, h, w) or (n, h, w, channels), uint8 or uint16, optional
        Without them there are exact duplicates only, by ``contents``.
    indices, distances : array (n, k)
        Nearest neighbours of each latent vector.
    contents : array (n,) of void, optional
        See :func:`exact_copies`.

    Returns
    -------
    dict of arrays, one value a pair, exact ones first, then by difference
        ``id`` and ``duplicate_of`` (the smaller), ``exact``, ``distance`` of the latent vectors (0 where exact), and
        ``difference``: mean squared difference of the pixels over their variance.
    """
    n = len(indices)
    firsts = exact_copies(images, contents)
    copies = np.flatnonzero(firsts != np.arange(n))
    left = np.repeat(np.arange(n), indices.shape[1])
    right, lengths = indices.ravel().astype(np.int64), distances.ravel()
    # copies are near each other by themselves, and say nothing of what is usual
    usual = np.median(distances[:, -1])
    near = (lengths <= NEAR_DISTANCE * usual) & (firsts[left] != firsts[right])
    near &= (firsts[left] == left) & (firsts[right] == right)
    low, high, lengths = np.minimum(left, right)[near], np.maximum(left, right)[near], lengths[near]
    _, once = np.unique(low * n + high, return_index=True)
    low, high, lengths = low[once], high[once], lengths[once]
    if images is None:
        low, high, lengths = low[:0], high[:0], lengths[:0]
    differences = np.empty(0) if images is None else _differences(images, low, high)
    kept = np.flatnonzero(differences <= NEAR_DIFFERENCE)
    kept = kept[np.argsort(differences[kept], kind="stable")]
    return {
        "id": np.concatenate([copies, high[kept]]),
        "duplicate_of": np.concatenate([firsts[copies], low[kept]]),
        "exact": np.repeat([True, False], [len(copies), len(kept)]),
        "distance": np.concatenate([np.zeros(len(copies)), lengths[kept]]).astype(np.float32),
        "difference": np.concatenate([np.zeros(len(copies)), differences[kept]]).astype(np.float32),
    }


def _differences(images: NDArray[Any], left: NDArray[Any], right: NDArray[Any]) -> NDArray[np.float64]:
    """Mean squared difference over the mean variance of each pair; infinite between two plain colours."""
    found = np.empty(len(left))
    step = max(1, VALUES_AT_ONCE // prod(images.shape[1:]))
    for begin in range(0, len(left), step):
        part = slice(begin, begin + step)
        a, b = (images[rows[part]].reshape(len(rows[part]), -1).astype(np.float32) for rows in (left, right))
        variance = (a.var(axis=1) + b.var(axis=1)) / 2
        squares = ((a - b) ** 2).mean(axis=1)
        found[part] = np.divide(squares, variance, out=np.full(len(a), np.inf), where=variance > 0)
        found[part][squares == 0] = 0  # of one colour, and the same
        release(images)
    return found


def outliers(errors: NDArray[np.floating[Any]] | None, distances: NDArray[np.floating[Any]]) -> dict[str, NDArray[Any]]:
    """Outlier scores by the reconstruction error and by the distance to the neighbours.

    Parameters
    ----------
    errors : array (n,), optional
        Reconstruction errors. Without them the distances alone decide.
    distances : array (n, k)
        To the nearest neighbours of each latent vector.

    Returns
    -------
    dict of arrays (n,)
        ``isolation``: mean distance to the nearest; ``outlier``: the larger of the robust standard scores of the
        logarithms of error and isolation; ``is_outlier``: above 4.
    """
    isolation = distances.mean(axis=1).astype(np.float32)
    score = _robust_score(isolation).astype(np.float32)
    if errors is not None:
        score = np.maximum(_robust_score(errors), score).astype(np.float32)
    return {"isolation": isolation, "outlier": score, "is_outlier": score > FAR_OUT}


def _robust_score(values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Distance of the logarithm from its median, in median absolute deviations scaled to standard ones."""
    positive = values[values > 0]
    least = float(positive.min()) if len(positive) else 1.0
    logs = np.log(np.maximum(values.astype(np.float64), least))
    middle = np.median(logs)
    spread = MAD_TO_DEVIATION * np.median(np.abs(logs - middle))
    score: NDArray[np.float64] = (logs - middle) / (spread or 1.0)
    return score
