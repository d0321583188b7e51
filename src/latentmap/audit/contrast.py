"""Contrast of pictures."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def contrast(brightness: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Twice the standard deviation of the brightness of each picture.

    Parameters
    ----------
    brightness : array (n, h, w), in [0, 1]

    Returns
    -------
    array (n,), float32
        0 for a picture of one colour, 1 where half of the pixels are black and half are white.

    Examples
    --------
    >>> contrast(np.array([[[0.0, 1.0]], [[0.5, 0.5]]])).tolist()
    [1.0, 0.0]
    """
    return np.asarray(2 * brightness.reshape(len(brightness), -1).std(axis=1, dtype=np.float64), np.float32)
