"""Figures of maps: as dots, as pictures, with images that were added, and for several perplexities."""

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
from latentmap.plots.style import INK, check_lengths, drawable, group_colors, new_figure, to_classes
from latentmap.plots.text import LONGEST_TITLE, literal, short_text
from latentmap.plots.thumbnails import place_thumbnails

# Classes up to which a colour bar names them all.
MOST_ON_COLORBAR = 20
MOST_NAMES = 100  # on a map
# Dots and frames of images without a label, and what a legend calls them.
GREY = "#b4bac4"
NO_LABEL = "no label"
SMALLEST_PICTURE = 0.03  # side of a picture on a map, as a fraction of the larger extent of the map
# Points of a map among which those with a picture are chosen.
MOST_CANDIDATES = 100_000


def scatter(
    xy: ArrayLike, labels: ArrayLike | None = None, title: str | None = None, *, missing: str = NO_LABEL
) -> Figure:
    """A map as dots, coloured by label, with each label written where its dots are.

    Parameters
    ----------
    xy : array (n, 2)
    labels : array (n,), optional
        Numbers or words. Dots whose label is missing (None, NaN or an empty text) are grey.
    title : str, optional
    missing : str, default="no label"
        What the legend calls images without a label.

    Raises
    ------
    InputError
        If xy is not (n, 2), or lengths differ.
    """
    points = np.asarray(xy)
    figure, axes = new_figure(8.2, 7.2)
    classes, codes = _scatter(axes, points, labels)
    n_missing = int((codes < 0).sum())
    if 1 < len(classes) <= MOST_ON_COLORBAR:
        _name_on_colorbar(figure, axes, classes, missing if n_missing else None)
    elif n_missing:
        handle = Line2D([], [], linestyle="", marker="o", color=GREY, label=f"{missing} ({n_missing:,})")
        axes.legend(handles=[handle], loc="lower right", frameon=False, fontsize=9)
    if len(classes) > 1:
        _write_labels(axes, points, classes, codes)
    heading = f"{len(points):,} image{'s' * (len(points) != 1)}" + ("" if title is None else f", {title}")
    axes.set_title(short_text(heading, LONGEST_TITLE), **literal(fontsize=11))
    return figure


def _name_on_colorbar(figure: Figure, axes: Axes, classes: NDArray[Any], missing: str | None) -> None:
    """A bar beside a map with the colour and the name of each class, and of images without one."""
    names = [short_text(name) for name in classes.tolist()] + ([] if missing is None else [missing])
    palette = ListedColormap([*group_colors(len(classes)), to_rgb(GREY)][: len(names)])
    bounds = BoundaryNorm(np.arange(len(names) + 1) - 0.5, len(names))
    bar = figure.colorbar(ScalarMappable(bounds, palette), ax=axes, ticks=range(len(names)), shrink=0.85)
    bar.ax.set_yticklabels(names, **literal())
    bar.ax.tick_params(length=0)
    bar.outline.set_visible(False)


def perplexity_sweep(maps: Mapping[float, ArrayLike], labels: ArrayLike | None = None) -> Figure:
    """The same images mapped with several perplexities, a panel each.

    Parameters
    ----------
    maps : mapping of float to array (n, 2)
        Perplexity → map.
    labels : array (n,), optional

    Raises
    ------
    InputError
        If there are no maps, one is not (n, 2), or lengths differ.
    """
    if not maps:
        raise InputError("no maps: pass at least one perplexity with its map")
    n_columns = min(2, len(maps))
    n_rows = -(-len(maps) // n_columns)
    figure = Figure(figsize=(4.3 * n_columns, 4.3 * n_rows), layout="constrained")
    grid = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axes, (perplexity, xy) in zip(grid, maps.items(), strict=False):
        points = np.asarray(xy)
        classes, codes = _scatter(axes, points, labels)
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
    """The map with pictures at their places.

    Pictures that would cover each other are left out; their dots show through. Bright strokes on black, as MNIST's, are
    drawn in the colour of their label on a light ground, other images as they are in a frame of that colour.

    Parameters
    ----------
    xy : array (n, 2)
    images : array (n, h, w) or (n, h, w, c)
        uint8, or floats in [0, 1].
    labels : array (n,), optional
        Pictures whose label is missing (None, NaN or an empty text) are grey, or in a grey frame.
    n_images : int, default=200
        Pictures wanted; they are as large as fits, and fewer where they would be smaller than 3 % of the map.
    size_inches : float, default=16
        Side of the figure.

    Raises
    ------
    InputError
        If xy is not (n, 2), for images of another shape, or if lengths differ.
    """
    points, pixels = np.asarray(xy), np.asarray(images)
    check_lengths("xy", points, "images", pixels)
    figure, axes = new_figure(size_inches, size_inches)
    classes, codes = _scatter(axes, points, labels, alpha=0.5)
    candidates = np.arange(len(points))
    if len(points) > MOST_CANDIDATES:
        candidates = np.random.default_rng(0).choice(len(points), MOST_CANDIDATES, replace=False)
    chosen, side = place_thumbnails(points[candidates], n_images)
    least = SMALLEST_PICTURE * (float(np.ptp(points, axis=0).max()) or 1.0)
    if side < least:  # of few images all would find room, as specks
        chosen, side = place_thumbnails(points[candidates], n_images, size=SMALLEST_PICTURE)
    chosen = candidates[chosen]
    palette = np.vstack([group_colors(max(len(classes), 1)), to_rgb(GREY)])  # -1 is the last
    strokes = _are_strokes(pixels)
    width = size_inches / 16
    for index in chosen:
        x, y = points[index]
        color = palette[codes[index]]
        picture = drawable(pixels[index][None])[0]
        height, breadth = picture.shape[:2]
        half_x, half_y = (side / 2 * length / max(height, breadth) * 0.97 for length in (breadth, height))
        box = (x - half_x, x + half_x, y - half_y, y + half_y)
        shown = _as_strokes(picture, color) if strokes else picture
        top = 255 if picture.dtype == np.uint8 else 1.0
        axes.imshow(shown, cmap="gray", vmin=0, vmax=top, extent=box, zorder=3, interpolation="antialiased")
        if not strokes:
            corners = np.array(box)[[0, 1, 1, 0, 0]], np.array(box)[[2, 2, 3, 3, 2]]
            axes.plot(*corners, color=color, linewidth=1.2 * width, zorder=4)
    _fit_view(axes, points, margin=side * 0.6)
    return figure


def added_map(xy: ArrayLike, places: ArrayLike, images: ArrayLike, *, n_images: int = 150) -> Figure:
    """Images that were added to a map, as pictures at their places on the dots of those that it was made of.

    Parameters
    ----------
    xy : array (n, 2)
        The map.
    places : array (m, 2)
        Of the images that were added.
    images : array (k, h, w) or (k, h, w, c)
        The first k ≤ m of them.
    n_images : int, default=150
        Pictures wanted.

    Raises
    ------
    InputError
        For images or places of another shape.
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
    """Area of dots that together cover a fixed share of the page, within reason."""
    return float(np.clip(40_000 / max(n, 1), 0.8, 30))


def _scatter(
    axes: Axes, points: NDArray[Any], labels: ArrayLike | None, alpha: float = 0.75
) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Draw the dots; return the classes in their order, and the class of each point, -1 where it has none."""
    if points.ndim != 2 or points.shape[1] != 2:
        raise InputError(f"xy of shape {points.shape}: a map is (n, 2)")
    classes, codes = (np.zeros(1, int), np.zeros(len(points), np.intp)) if labels is None else to_classes(labels)
    check_lengths("xy", points, "labels", codes)
    area = _dot_size(len(points))
    # in random order, so that no class lies above all others
    order = np.random.default_rng(0).permutation(len(points))
    colors = np.vstack([group_colors(max(len(classes), 1)), to_rgb(GREY)])[codes[order]]  # -1 is the last
    axes.scatter(points[order, 0], points[order, 1], s=area, c=colors, alpha=alpha, linewidths=0, rasterized=True)
    _fit_view(axes, points)
    return classes, codes


def _fit_view(axes: Axes, points: NDArray[Any], margin: float | None = None) -> None:
    low, high = points.min(0), points.max(0)
    extent = float((high - low).max()) or 1.0
    room = extent * 0.03 if margin is None else margin
    middle = (low + high) / 2
    half = extent / 2 + room
    axes.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] - half, middle[1] + half), xticks=[], yticks=[])
    axes.set_aspect("equal")
    axes.spines[:].set_color("#d9dee6")


def _write_labels(axes: Axes, points: NDArray[Any], classes: NDArray[Any], codes: NDArray[np.intp]) -> None:
    """Write names where their dots are: those of many dots first, and no name over another or beyond the frame."""
    halo = [patheffects.withStroke(linewidth=3, foreground="white")]
    sizes = np.bincount(codes[codes >= 0], minlength=len(classes))
    frame = axes.get_window_extent()
    to_points = axes.transData.inverted()
    taken: list[Bbox] = []
    style = literal(ha="center", va="center", fontsize=11, fontweight="bold", color=INK, path_effects=halo)
    for code in np.argsort(-sizes, kind="stable")[:MOST_NAMES].tolist():
        x, y = _densest(points[codes == code])
        text = axes.text(x, y, short_text(classes[code]), **style)
        box = text.get_window_extent()
        inwards = max(frame.x0 - box.x0, 0.0) + min(frame.x1 - box.x1, 0.0)
        box = box.translated(inwards, 0)
        if any(box.overlaps(other) for other in taken):
            text.remove()
            continue
        taken.append(box)
        text.set_x(to_points.transform((box.x0 + box.width / 2, 0))[0])


def _densest(points: NDArray[Any]) -> NDArray[np.float64]:
    """Middle of the fullest of 64 cells: where a label names most of its dots, even when they form several islands."""
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


def _are_strokes(images: NDArray[Any]) -> bool:
    """Whether images are grey with a border that is black almost everywhere."""
    if images.ndim == 4 and images.shape[3] != 1:
        return False
    some = images[:: max(1, len(images) // 500)]
    edge = np.concatenate([some[:, 0].ravel(), some[:, -1].ravel(), some[:, :, 0].ravel(), some[:, :, -1].ravel()])
    return bool(np.mean(edge) < 0.03 * (255 if images.dtype == np.uint8 else 1.0))


def _as_strokes(picture: NDArray[Any], color: NDArray[Any]) -> NDArray[np.float64]:
    """Grey (h, w) → RGBA (h, w, 4): the colour, darkened, as dense as the strokes, on a thin white veil."""
    density = picture / (255 if picture.dtype == np.uint8 else 1.0)
    veil = 0.72
    alpha = veil + (1 - veil) * density
    shade = density[..., None] * (color * 0.72) + (1 - density[..., None])
    return np.concatenate([shade, alpha[..., None]], axis=2)
