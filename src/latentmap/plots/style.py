"""Colours, empty figures and checks for all figures."""

from typing import Any

import numpy as np
from matplotlib import color_sequences
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from latentmap.core.errors import InputError
from latentmap.core.missing import as_classes, as_list, missing_mask

INK = "#1c2330"
SOFT = "#5b6472"
BLUE, ORANGE = color_sequences["petroff10"][:2]


def to_classes(labels: ArrayLike) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Encode labels (n,) as sorted classes (c,) and the number of the class of each label (n,), -1 if missing."""
    missing = missing_mask(labels)
    if isinstance(labels, np.ndarray) and labels.dtype.kind in "iufU":
        classes, found = np.unique(labels[~missing], return_inverse=True)
    else:
        classes, found = as_classes([value for value, gone in zip(as_list(labels), missing, strict=True) if not gone])
    codes = np.full(len(missing), -1, np.intp)
    codes[~missing] = found
    return classes, codes


def drawable(images: ArrayLike) -> NDArray[Any]:
    """Convert images to pixels that matplotlib can draw.

    Parameters
    ----------
    images : array (n, h, w) or (n, h, w, c) with 1, 3 or 4 channels

    Returns
    -------
    array (n, h, w) or (n, h, w, c)
        uint8, or float64 clipped to [0, 1].

    Raises
    ------
    InputError
        If the images have another shape.
    """
    pixels = np.asarray(images)
    if pixels.ndim == 4 and pixels.shape[3] == 1:
        pixels = pixels[..., 0]
    if not (pixels.ndim == 3 or (pixels.ndim == 4 and pixels.shape[3] in (3, 4))):
        raise InputError(f"images of shape {pixels.shape}: pass (n, height, width), or with 1, 3 or 4 channels last")
    return pixels if pixels.dtype == np.uint8 else np.clip(pixels.astype(np.float64), 0, 1)


def as_unit_floats(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Convert pixels, uint8 or floats in [0, 1], to float32 in [0, 1]."""
    return pixels.astype(np.float32) / np.float32(255 if pixels.dtype == np.uint8 else 1)


def check_lengths(name: str, values: NDArray[Any], other_name: str, other: NDArray[Any]) -> None:
    """Check that two arrays have the same length; raise ValueError otherwise."""
    if len(values) != len(other):
        raise InputError(f"{len(values)} in {name}, but {len(other)} in {other_name}: pass one for each image")


def new_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """Create a figure of a size in inches with one axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def open_frame(axes: Axes) -> None:
    """Hide the upper and the right line of the frame of an axes."""
    axes.spines[["top", "right"]].set_visible(False)
