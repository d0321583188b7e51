"""Contact sheets: many images in rows and columns, drawn as one picture."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from latentmap.plots.style import INK
from latentmap.plots.text import literal


def sheet_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """Create a figure, of a size in inches, for one picture with a fixed aspect ratio."""
    figure = Figure(figsize=(width, height), layout="compressed")
    return figure, figure.add_subplot()


def draw_sheet(
    axes: Axes,
    pixels: NDArray[Any],
    n_columns: int,
    *,
    places: NDArray[np.intp] | None = None,
    beside: Sequence[str] = (),
    above: Sequence[str] = (),
) -> None:
    """Draw images row by row as one picture; separate axes for each image would take seconds.

    Parameters
    ----------
    axes : Axes
    pixels : array (n, h, w) or (n, h, w, c)
        Images, from :func:`latentmap.plots.style.drawable`.
    n_columns : int
        Number of images in a row.
    places : array (n,), int, optional
        Number of the cell of each image, ascending; by default consecutive.
    beside, above : sequence of str, optional
        Names of the rows and of the columns.
    """
    n, (height, width) = len(pixels), pixels.shape[1:3]
    cells = np.arange(n) if places is None else places
    gap = max(1, width // 14)
    cell_height, cell_width = height + gap, width + gap
    n_rows = int(cells[-1]) // n_columns + 1
    white = 255 if pixels.dtype == np.uint8 else 1.0
    sheet = np.full((n_rows * cell_height - gap, n_columns * cell_width - gap, *pixels.shape[3:]), white, pixels.dtype)
    for picture, cell in zip(pixels, cells, strict=True):
        top, left = cell // n_columns * cell_height, cell % n_columns * cell_width
        sheet[top : top + height, left : left + width] = picture
    interpolation = "nearest" if width < 64 else "antialiased"
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=white, interpolation=interpolation)
    middles = np.arange(n_rows) * cell_height + (height - 1) / 2, np.arange(n_columns) * cell_width + (width - 1) / 2
    axes.set_yticks(middles[0] if beside else [], beside, **literal(fontsize=9))
    axes.set_xticks(middles[1] if above else [], above, **literal(fontsize=8))
    axes.tick_params(length=0, labelcolor=INK, top=False, labeltop=True, bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)
