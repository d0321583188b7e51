"""Figures of images: single images, pairs, rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from latentmap.plots.sheet import draw_sheet, sheet_figure
from latentmap.plots.style import SOFT, as_unit_floats, check_lengths, drawable, new_figure
from latentmap.plots.text import literal, short_text


def first_image(image: ArrayLike, label: object = None) -> Figure:
    """Draw one image with a colour bar of its values.

    Parameters
    ----------
    image : array (h, w), (h, w, 1) or (h, w, 3)
        uint8, or floats in [0, 1].
    label : object, optional
        Label, which the title shows.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        If the image has another shape.
    """
    pixels = drawable(np.asarray(image)[None])[0]
    top = 255 if pixels.dtype == np.uint8 else 1.0
    figure, axes = new_figure(4.6, 4.0)
    shown = axes.imshow(pixels, cmap="gray", vmin=0, vmax=top)
    axes.tick_params(colors=SOFT, labelsize=8)
    if pixels.ndim == 2:
        figure.colorbar(shown, ax=axes, label="value of the pixel")
    height, width = pixels.shape[:2]
    named = "" if label is None or label == "" else f", label {short_text(label)}"
    axes.set_title(f"{height}×{width} pixels{named}", **literal(fontsize=11))
    return figure


def reconstructions(originals: ArrayLike, reconstructed: ArrayLike, *, pairs_per_row: int = 1) -> Figure:
    """Draw images beside their reconstructions.

    Parameters
    ----------
    originals, reconstructed : array (n, h, w) or (n, h, w, c)
        Each uint8, or floats in [0, 1].
    pairs_per_row : int, default=1
        Number of pairs in a row.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        If the numbers of images differ, or they have another shape.
    """
    left, right = _drawable_pair(originals, reconstructed)
    n, (height, width) = len(left), left.shape[1:3]
    n_columns = 2 * min(pairs_per_row, n)
    n_rows = -(-2 * n // n_columns)
    figure, axes = sheet_figure(1.7 * n_columns, 1.7 * n_rows * height / width + 0.5)
    pairs = np.stack([left, right], axis=1).reshape(2 * n, *left.shape[1:])
    draw_sheet(axes, pairs, n_columns, above=["original", "reconstruction"] * (n_columns // 2))
    return figure


def residuals(originals: ArrayLike, reconstructed: ArrayLike, names: Sequence[str] | None = None) -> Figure:
    """Draw images, their reconstructions and the differences of both, with one column for each image.

    The third row is red where the image is brighter than its reconstruction and blue where it is darker, by the mean
    over the channels. Saturated colour is the largest absolute difference in the figure.

    Parameters
    ----------
    originals, reconstructed : array (n, h, w) or (n, h, w, c)
        Each uint8, or floats in [0, 1].
    names : sequence of str, optional
        Names of the columns.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        If the numbers of images differ, or they have another shape.
    """
    left, right = _drawable_pair(originals, reconstructed)
    n, (height, width) = len(left), left.shape[1:3]
    difference = (as_unit_floats(left) - as_unit_floats(right)).reshape(n, height, width, -1).mean(3)
    largest = float(np.abs(difference).max()) or 1.0
    pictures = [_colored(as_unit_floats(pixels)) for pixels in (left, right)]
    red_and_blue = colormaps["RdBu_r"](difference / (2 * largest) + 0.5)[..., : pictures[0].shape[-1]]
    rows = np.concatenate([*pictures, red_and_blue])
    figure, axes = sheet_figure(1.15 * n + 1.3, 3.3 * height / width + 0.5)
    above = [short_text(name) for name in names or ()]
    draw_sheet(axes, rows, n, beside=("image", "reconstruction", "residual"), above=above)
    return figure


def strips(images: ArrayLike, names: Sequence[str] | None = None) -> Figure:
    """Draw rows of images, such as interpolations, traversals or samples.

    Parameters
    ----------
    images : array (rows, columns, h, w) or (rows, columns, h, w, c)
        uint8, or floats in [0, 1].
    names : sequence of str, optional
        Names of the rows.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        If the images have another shape.
    """
    pixels = np.asarray(images)
    n_rows, n_columns, height, width = pixels.shape[:4]
    drawn = drawable(pixels.reshape(-1, *pixels.shape[2:]))
    beside = [short_text(name) for name in names or ()]
    margin = 0.6 + 0.08 * max(map(len, beside), default=0)
    figure, axes = sheet_figure(0.9 * n_columns + margin, 0.9 * n_rows * height / width + 0.2)
    draw_sheet(axes, drawn, n_columns, beside=beside)
    return figure


def row(images: ArrayLike, names: Sequence[str]) -> Figure:
    """Draw images in one row, each with its name above it.

    Parameters
    ----------
    images : array (n, h, w) or (n, h, w, c)
        uint8, or floats in [0, 1].
    names : sequence of str
        Name of each image; it may have several lines.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        If the images have another shape.
    """
    pixels = drawable(images)
    figure, axes = sheet_figure(1.1 * len(pixels) + 0.2, 1.1 * pixels.shape[1] / pixels.shape[2] + 0.6)
    above = ["\n".join(short_text(line) for line in name.splitlines()) for name in names]
    draw_sheet(axes, pixels, len(pixels), above=above)
    return figure


def _drawable_pair(originals: ArrayLike, reconstructed: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Convert images and their reconstructions to pixels of the same type."""
    left, right = drawable(originals), drawable(reconstructed)
    check_lengths("originals", left, "reconstructed", right)
    return (left, right) if left.dtype == right.dtype else (as_unit_floats(left), as_unit_floats(right))


def _colored(pixels: NDArray[Any]) -> NDArray[Any]:
    """Convert greyscale images to colour images; colour images stay unchanged."""
    return pixels if pixels.ndim == 4 else np.repeat(pixels[..., None], 3, axis=-1)
