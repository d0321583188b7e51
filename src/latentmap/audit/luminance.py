"""Brightness of pixels, in which all measures of pictures are taken."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

LUMA_WEIGHTS = np.array([0.2126, 0.7152, 0.0722], np.float32)  # ITU-R BT.709


def luminance(images: NDArray[Any]) -> NDArray[np.float32]:
    """Brightness of each pixel, from 0 (black) to 1 (white).

    Parameters
    ----------
    images : array (n, h, w) or (n, h, w, channels), uint8 or uint16
        Three channels of 8 bits are red, green and blue. The brightness of other channels is their mean.

    Returns
    -------
    array (n, h, w), float32

    Examples
    --------
    >>> luminance(np.full((1, 1, 1, 3), 255, np.uint8)).round(3).tolist()
    [[[1.0]]]
    """
    scale = np.float32(1 / np.iinfo(images.dtype).max)
    if images.ndim == 3:
        found: NDArray[np.float32] = images * scale
        return found
    if is_colored(images):
        return np.asarray(images @ (LUMA_WEIGHTS * scale), np.float32)
    return np.asarray(images.mean(axis=3, dtype=np.float32) * scale, np.float32)


def is_colored(images: NDArray[Any]) -> bool:
    """Whether the channels of images (n, h, w, channels) are red, green and blue."""
    return images.ndim == 4 and images.shape[3] == 3 and images.dtype == np.uint8
