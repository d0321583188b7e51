"""Images at the sizes that features are computed at."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]


def resample(images: NDArray[Any], height: int, width: int) -> Pixels:
    """Bring images to another size: means of areas where they shrink, linear interpolation where they grow.

    Parameters
    ----------
    images : array (n, h, w, c), float32
    height, width : int

    Returns
    -------
    array (n, height, width, c), float32
    """
    _, h, w, _ = images.shape
    if h != height:
        images = np.einsum("yh,nhwc->nywc", resampling_weights(h, height), images, optimize=True)
    if w != width:
        images = np.einsum("xw,nhwc->nhxc", resampling_weights(w, width), images, optimize=True)
    return np.ascontiguousarray(images, np.float32)


@cache
def resampling_weights(old: int, new: int) -> Pixels:
    """Weights (new, old), float32, of the old pixels of a side in each new one."""
    edges = np.linspace(0, old, new + 1)
    if new < old:
        pixels = np.arange(old)
        overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
        weights = np.clip(overlap, 0, None) * (new / old)
    else:
        centers = np.clip((edges[1:] + edges[:-1]) / 2 - 0.5, 0, old - 1)
        weights = np.clip(1 - np.abs(centers[:, None] - np.arange(old)), 0, None)
    found: Pixels = weights.astype(np.float32)
    return found
