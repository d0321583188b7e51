"""Brightness of pictures: the mean, the darkest and the brightest pixels."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

SHADOWS, HIGHLIGHTS = 0.01, 0.99  # quantiles of the pixels


class Exposure(NamedTuple):
    """Brightness of pictures, each an array (n,), float32, in [0, 1].

    Attributes
    ----------
    brightness : array
        Mean of all pixels.
    shadows : array
        Brightness below which 1 in 100 pixels are. It is high where nothing in a picture is dark.
    highlights : array
        Brightness below which 99 in 100 pixels are. It is low where nothing in a picture is bright.
    """

    brightness: NDArray[np.float32]
    shadows: NDArray[np.float32]
    highlights: NDArray[np.float32]


def exposure_levels(brightness: NDArray[np.floating[Any]]) -> Exposure:
    """Measure the brightness of pictures (n, h, w), in [0, 1].

    Examples
    --------
    >>> exposure_levels(np.linspace(0, 1, 101).reshape(1, 1, 101)).highlights.astype(float).round(2).tolist()
    [0.99]
    """
    flat = brightness.reshape(len(brightness), -1)
    last = flat.shape[1] - 1
    low, high = int(SHADOWS * last), int(np.ceil(HIGHLIGHTS * last))
    ordered = np.partition(flat, (low, high), axis=1)
    mean = flat.mean(axis=1, dtype=np.float64)
    return Exposure(*(np.asarray(values, np.float32) for values in (mean, ordered[:, low], ordered[:, high])))
