"""Measures of all pictures of a collection, in bounded memory."""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.audit.contrast import contrast
from latentmap.audit.exposure_levels import exposure_levels
from latentmap.audit.greyness import is_grey
from latentmap.audit.luminance import is_colored, luminance
from latentmap.audit.sharpness import sharpness
from latentmap.core.mapped_arrays import blocks

VALUES_AT_ONCE = 2**22  # pixel values of the pictures that are measured at once


def measure_quality(
    images: NDArray[Any], callback: Callable[[int], None] = lambda _: None
) -> dict[str, NDArray[np.float32]]:
    """Measure pictures, some at a time.

    Parameters
    ----------
    images : array (n, h, w) or (n, h, w, channels), uint8 or uint16
        May be mapped from a file.
    callback : callable, optional
        Takes the number of pictures that are measured.

    Returns
    -------
    dict of arrays (n,), float32
        ``sharpness`` (NaN where it is not defined), ``brightness``, ``shadows``, ``highlights`` and ``contrast``, in
        [0, 1]; of pictures in colour also ``grey``, 1 for those without colours.

    Examples
    --------
    >>> measured = measure_quality(np.zeros((2, 8, 8), np.uint8))
    >>> list(measured), measured["contrast"].tolist()
    (['sharpness', 'brightness', 'shadows', 'highlights', 'contrast'], [0.0, 0.0])
    """
    n, has_colors = len(images), is_colored(images)
    names = ["sharpness", "brightness", "shadows", "highlights", "contrast", *["grey"] * has_colors]
    found = {name: np.empty(n, np.float32) for name in names}
    done = 0
    for block in blocks(images, max(1, VALUES_AT_ONCE // max(1, prod(images.shape[1:])))):
        part = slice(done, done + len(block))
        levels = luminance(block)
        found["sharpness"][part] = sharpness(levels)
        for name, values in exposure_levels(levels)._asdict().items():
            found[name][part] = values
        found["contrast"][part] = contrast(levels)
        if has_colors:
            found["grey"][part] = is_grey(block)
        done += len(block)
        callback(done)
    return found
