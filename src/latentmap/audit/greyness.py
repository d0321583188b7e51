"""Which pictures of a collection in colour are grey."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 2  # levels of 255 by which channels of a grey picture differ, as JPEG and resampling leave them


def is_grey(images: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether red, green and blue of each picture are equal, up to what JPEG and resampling leave.

    Parameters
    ----------
    images : array (n, h, w, 3), uint8

    Returns
    -------
    array (n,), bool

    Examples
    --------
    >>> is_grey(np.array([[[[9, 9, 9]]], [[[9, 9, 90]]]], np.uint8)).tolist()
    [True, False]
    """
    flat = images.reshape(len(images), -1, 3)
    spread = flat.max(axis=2) - flat.min(axis=2)
    return np.asarray(spread.max(axis=1) <= TOLERANCE)
