"""Figures of maps: dots, pictures, added images, and several perplexities."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox
from numpy.typing import ArrayLike, NDArray

from latentmap.core.errors import InputError
from latentmap.core.group_colors import group_colors
from latentmap.core.progress import counted
from latentmap.plots.style import INK, check_lengths, drawable, new_figure, to_classes
from latentmap.plots.text import MAX_TITLE_LENGTH, literal, short_text
from latentmap.plots.thumbnails import place_thumbnails

MAX_COLORBAR_CLASSES = 20  # with more classes there is no colour bar
MAX_NAMES = 100  # class names written on a map
# Colour of images without a label, and their name in a legend.
GREY = "#b4bac4"
NO_LABEL = "no label"
MIN_PICTURE_FRACTION = 0.03  # side of a picture, as a fraction of the larger extent of the map
# Random points among which those with a picture are selected.
MAX_CANDIDATES = 100_000


def scatter(
    xy: ArrayLike,
    labels: ArrayLike | None = None,
    title: str | None = None,
    *,
    missing: str = NO_LABEL,
    noun: str = "image",
) -> Figure:
    """Draw a map as dots, coloured by label, with the name of each label at its densest position.

    Parameters
    ----------
    xy : array (n, 2)
        Positions on the map.
    labels : array-like (n,), optional
        Numbers or strings. Dots with a missing label (None, NaN or an empty string) are grey.
    title : str, optional
        Text after the number of images.
    missing : str, default="no label"
        Name of the images without a label in the legend.
    noun : str, default="image"
        The word for what is on the map, for the title.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        If ``xy`` is not (n, 2), or there is not one label for each point.
    """
    points = np.asarray(xy)
    figure, axes = new_figure(8.2, 7.2)
    classes, codes = _draw_dots(axes, points, labels)
    n_missing = int((codes < 0).sum())
    if 1 < len(classes) <= MAX_COLORBAR_CLASSES:
        _add_colorbar(figure, axes, classes, missing if n_missing else None)
    elif n_missing:
        handle = Line2D([], [], linestyle="", marker="o", color=GREY, label=f"{missing} ({n_missing:,})")
        axes.legend(handles=[handle], loc="lower right", frameon=False, fontsize=9)
    if len(classes) > 1:
        _write_labels(axes, points, classes, codes)
    heading = counted(len(points), noun) + ("" if title is None else f", {title}")
    axes.set_title(short_text(heading, MAX_TITLE_LENGTH), **literal(fontsize=11))
    return figure


def _add_colorbar(figure: Figure, axes: Axes, classes: NDArray[Any], missing: str | None) -> None:
    """Add a colour bar with the name of each class, and of the images without a label."""
    names = [short_text(name) for name in classes.tolist()] + ([] if missing is None else [missing])
    palette = ListedColormap([*group_colors(len(classes)), to_rgb(GREY)][: len(names)])
    norm = BoundaryNorm(np.arange(len(names) + 1) - 0.5, len(names))
    bar = figure.colorbar(ScalarMappable(norm, palette), ax=axes, ticks=range(len(names)), shrink=0.85)
    bar.ax.set_yticklabels(names, **literal())
    bar.ax.tick_params(length=0)
    bar.outline.set_visible(False)


def perplexity_sweep(maps: Mapping[float, ArrayLike], labels: ArrayLike | None = None) -> Figure:
    """Draw maps of the same images with several perplexities, one in each panel.

    Parameters
    ----------
    maps : mapping of float to array (n, 2)
        Map for each perplexity.
    labels : array-like (n,), optional
        Numbers or strings; see :func:`scatter`.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        If there is no map, a map is not (n, 2), or there is not one label for each point.
    """
    if not maps:
        raise InputError("no maps: pass at least one perplexity with its map")
    n_columns = min(2, len(maps))
    n_rows = -(-len(maps) // n_columns)
    figure = Figure(figsize=(4.3 * n_columns, 4.3 * n_rows), layout="constrained")
    grid = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axes, (perplexity, xy) in zip(grid, maps.items(), strict=False):
        points = np.asarray(xy)
        classes, codes = _draw_dots(axes, points, labels)
        if len(classes) > 1:
            _write_labels(axes, points, classes, codes)
        axes.set_title(f"perplexity: {perplexity:g}", fontsize=11)
    for axes in grid[len(maps) :]:
        axes.remove()
    return figure


def image_map(
    xy: ArrayLike,
    images: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    n_images: int = 200,
    size_inches: float = 16.0,
) -> Figure:
    """Draw a map with pictures at their positions.

    Pictures that would overlap others are left out; their dots remain visible. Bright strokes on black, as in MNIST,
    are drawn in the colour of their label on a light background, other images with a frame of that colour.

    Parameters
    ----------
    xy : array (n, 2)
        Positions on the map.
    images : array (n, h, w) or (n, h, w, c)
        uint8, or floats in [0, 1].
    labels : array-like (n,), optional
        Numbers or strings. Pictures with a missing label (None, NaN or an empty string) are grey, or have a grey frame.
    n_images : int, default=200
        Number of pictures. They are as large as possible; there are fewer if they would be smaller than 3 % of the
        map.
    size_inches : float, default=16
        Side of the figure in inches.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        If ``xy`` is not (n, 2), or there is not one image and one label for each point.
    """
    points, pixels = np.asarray(xy), np.asarray(images)
    check_lengths("xy", points, "images", pixels)
    figure, axes = new_figure(size_inches, size_inches)
    classes, codes = _draw_dots(axes, points, labels, alpha=0.5)
    candidates = np.arange(len(points))
    if len(points) > MAX_CANDIDATES:
        candidates = np.random.default_rng(0).choice(len(points), MAX_CANDIDATES, replace=False)
    chosen, side = place_thumbnails(points[candidates], n_images)
    min_side = MIN_PICTURE_FRACTION * (float(np.ptp(points, axis=0).max()) or 1.0)
    if side < min_side:  # many pictures would be too small to see
        chosen, side = place_thumbnails(points[candidates], n_images, size=MIN_PICTURE_FRACTION)
    chosen = candidates[chosen]
    palette = np.vstack([group_colors(max(len(classes), 1)), to_rgb(GREY)])  # -1 is the last
    is_line_art = _is_line_art(pixels)
    width = size_inches / 16
    for index in chosen:
        x, y = points[index]
        color = palette[codes[index]]
        picture = drawable(pixels[index][None])[0]
        height, breadth = picture.shape[:2]
        half_x, half_y = (side / 2 * length / max(height, breadth) * 0.97 for length in (breadth, height))
        box = (x - half_x, x + half_x, y - half_y, y + half_y)
        shown = _tint_strokes(picture, color) if is_line_art else picture
        top = 255 if picture.dtype == np.uint8 else 1.0
        axes.imshow(shown, cmap="gray", vmin=0, vmax=top, extent=box, zorder=3, interpolation="antialiased")
        if not is_line_art:
            corners = np.array(box)[[0, 1, 1, 0, 0]], np.array(box)[[2, 2, 3, 3, 2]]
            axes.plot(*corners, color=color, linewidth=1.2 * width, zorder=4)
    _fit_view(axes, points, margin=side * 0.6)
    return figure


def added_map(xy: ArrayLike, places: ArrayLike, images: ArrayLike, *, n_images: int = 150) -> Figure:
    """Draw images that were added to a map as pictures, over the dots of the map.

    Parameters
    ----------
    xy : array (n, 2)
        Positions of the images of the map.
    places : array (m, 2)
        Positions of the added images.
    images : array (k, h, w) or (k, h, w, c)
        The first k ≤ m added images, uint8 or floats in [0, 1].
    n_images : int, default=150
        Maximum number of pictures.

    Returns
    -------
    Figure
    """
    points, new, pixels = np.asarray(xy), np.asarray(places), np.asarray(images)
    figure, axes = new_figure(10.0, 10.0)
    axes.scatter(points[:, 0], points[:, 1], s=_dot_size(len(points)), color="#c3c9d2", linewidths=0, rasterized=True)
    axes.scatter(new[:, 0], new[:, 1], s=_dot_size(len(new)) + 4, color=INK, linewidths=0, rasterized=True)
    chosen, side = place_thumbnails(new[: len(pixels)], n_images, size=0.03)
    for index in chosen:
        picture = drawable(pixels[index][None])[0]
        x, y = new[index]
        box = (x - side / 2, x + side / 2, y - side / 2, y + side / 2)
        axes.imshow(picture, cmap="gray", vmin=0, vmax=255 if picture.dtype == np.uint8 else 1.0, extent=box, zorder=3)
    _fit_view(axes, np.concatenate([points, new]), margin=side)
    return figure


def _dot_size(n: int) -> float:
    """Area of a dot in points², such that n dots cover a fixed fraction of the figure, within limits."""
    return float(np.clip(40_000 / max(n, 1), 0.8, 30))


def _draw_dots(
    axes: Axes, points: NDArray[Any], labels: ArrayLike | None, alpha: float = 0.75
) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Draw the dots; return the sorted classes, and the number of the class of each point, -1 if missing."""
    if points.ndim != 2 or points.shape[1] != 2:
        raise InputError(f"xy of shape {points.shape}: a map is (n, 2)")
    classes, codes = (np.zeros(1, int), np.zeros(len(points), np.intp)) if labels is None else to_classes(labels)
    check_lengths("xy", points, "labels", codes)
    area = _dot_size(len(points))
    # in random order, so that no class covers all others
    order = np.random.default_rng(0).permutation(len(points))
    colors = np.vstack([group_colors(max(len(classes), 1)), to_rgb(GREY)])[codes[order]]  # -1 is the last
    axes.scatter(points[order, 0], points[order, 1], s=area, c=colors, alpha=alpha, linewidths=0, rasterized=True)
    _fit_view(axes, points)
    return classes, codes


def _fit_view(axes: Axes, points: NDArray[Any], margin: float | None = None) -> None:
    low, high = points.min(0), points.max(0)
    extent = float((high - low).max()) or 1.0
    space = extent * 0.03 if margin is None else margin
    middle = (low + high) / 2
    half = extent / 2 + space
    axes.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] - half, middle[1] + half), xticks=[], yticks=[])
    axes.set_aspect("equal")
    axes.spines[:].set_color("#d9dee6")


def _write_labels(axes: Axes, points: NDArray[Any], classes: NDArray[Any], codes: NDArray[np.intp]) -> None:
    """Write class names at their densest positions, large classes first, without overlap and inside the frame."""
    halo = [patheffects.withStroke(linewidth=3, foreground="white")]
    sizes = np.bincount(codes[codes >= 0], minlength=len(classes))
    frame = axes.get_window_extent()
    to_points = axes.transData.inverted()
    taken: list[Bbox] = []
    style = literal(ha="center", va="center", fontsize=11, fontweight="bold", color=INK, path_effects=halo)
    for code in np.argsort(-sizes, kind="stable")[:MAX_NAMES].tolist():
        x, y = _densest_position(points[codes == code])
        text = axes.text(x, y, short_text(classes[code]), **style)
        box = text.get_window_extent()
        inwards = max(frame.x0 - box.x0, 0.0) + min(frame.x1 - box.x1, 0.0)
        box = box.translated(inwards, 0)
        if any(box.overlaps(other) for other in taken):
            text.remove()
            continue
        taken.append(box)
        text.set_x(to_points.transform((box.x0 + box.width / 2, 0))[0])


def _densest_position(points: NDArray[Any]) -> NDArray[np.float64]:
    """Median position in the fullest cell of an 8 × 8 grid, which suits classes that form several islands."""
    counts, x_edges, y_edges = np.histogram2d(points[:, 0], points[:, 1], bins=8)
    column, row = np.unravel_index(np.argmax(counts), counts.shape)
    in_cell = (
        (points[:, 0] >= x_edges[column])
        & (points[:, 0] <= x_edges[column + 1])
        & (points[:, 1] >= y_edges[row])
        & (points[:, 1] <= y_edges[row + 1])
    )
    middle: NDArray[np.float64] = np.median(points[in_cell], axis=0)
    return middle


def _is_line_art(images: NDArray[Any]) -> bool:
    """Whether images are greyscale with an almost black border, as handwritten digits are."""
    if images.ndim == 4 and images.shape[3] != 1:
        return False
    some = images[:: max(1, len(images) // 500)]
    edge = np.concatenate([some[:, 0].ravel(), some[:, -1].ravel(), some[:, :, 0].ravel(), some[:, :, -1].ravel()])
    return bool(np.mean(edge) < 0.03 * (255 if images.dtype == np.uint8 else 1.0))


def _tint_strokes(picture: NDArray[Any], color: NDArray[Any]) -> NDArray[np.float64]:
    """Convert a greyscale picture (h, w) to RGBA (h, w, 4): strokes in a colour on a translucent white background."""
    density = picture / (255 if picture.dtype == np.uint8 else 1.0)
    veil = 0.72
    alpha = veil + (1 - veil) * density
    shade = density[..., None] * (color * 0.72) + (1 - density[..., None])
    return np.concatenate([shade, alpha[..., None]], axis=2)
