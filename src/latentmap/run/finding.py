"""Duplicates, near duplicates and outliers."""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.mapped_arrays import blocks
from latentmap.run.near_duplicates import near_duplicates

# Neighbours of each image whose distance says how alone it is.
N_NEAREST = 5
# Outliers lie more than so many robust standard deviations above the median, on a logarithmic scale.
FAR_OUT = 4.0
MAD_TO_DEVIATION = 1.4826


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
    low, high, lengths, differences = np.empty((4, 0))
    if images is not None:
        low, high, lengths, differences = _near_pairs(images, indices, distances, firsts)
    return {
        "id": np.concatenate([copies, high]).astype(np.int64),
        "duplicate_of": np.concatenate([firsts[copies], low]).astype(np.int64),
        "exact": np.repeat([True, False], [len(copies), len(low)]),
        "distance": np.concatenate([np.zeros(len(copies)), lengths]).astype(np.float32),
        "difference": np.concatenate([np.zeros(len(copies)), differences]).astype(np.float32),
    }


def _near_pairs(
    images: NDArray[Any], indices: NDArray[np.int32], distances: NDArray[np.floating[Any]], firsts: NDArray[np.int64]
) -> tuple[NDArray[Any], ...]:
    """Both ids, the smaller first, distance and difference of near duplicates that are no copies of others."""
    rows, columns, differences = near_duplicates(images, indices)
    others = indices[rows, columns].astype(np.int64)
    apart = (firsts[rows] == rows) & (firsts[others] == others) & (rows != others)
    rows, columns, others, differences = rows[apart], columns[apart], others[apart], differences[apart]
    low, high = np.minimum(rows, others), np.maximum(rows, others)
    _, once = np.unique(low * len(indices) + high, return_index=True)
    once = once[np.argsort(differences[once], kind="stable")]
    return low[once], high[once], distances[rows, columns][once], differences[once]


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
