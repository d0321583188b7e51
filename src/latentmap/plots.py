"""Figures: each function takes arrays and returns a matplotlib Figure.

None of them touches pyplot, so nothing is shown and nothing stays open: call ``figure.savefig(path)``, or let a
notebook display what is returned. Up to ten classes have colours that colour-blind readers can tell apart (Petroff
2021, Accessible color sequences for data visualization); with more of them the labels on the map tell them apart.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from matplotlib import color_sequences, colormaps, patheffects
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from latentmap.drawn_text import literal, short_text
from latentmap.missing import as_classes, as_list, missing_mask
from latentmap.placement import place_thumbnails

if TYPE_CHECKING:
    from latentmap.groups.tree import Dendrogram

INK = "#1c2330"
SOFT = "#5b6472"
BLUE, ORANGE = color_sequences["petroff10"][:2]
# Classes up to which a colour bar names them all.
MOST_ON_COLORBAR = 20
MOST_NAMES = 100  # on a map
# Dots and frames of images without a label, and what a legend calls them.
GREY = "#b4bac4"
NO_LABEL = "no label"
LONGEST_TITLE = 60  # in characters
SMALLEST_PICTURE = 0.03  # side of a picture on a map, as a fraction of the larger extent of the map


class Step(Protocol):
    """One iteration of K-means: see :class:`latentmap.kmeans.KMeansStep`."""

    @property
    def centers(self) -> NDArray[Any]: ...
    @property
    def labels(self) -> NDArray[Any]: ...
    @property
    def inertia(self) -> float: ...


# Points of a map among which those with a picture are chosen.
MOST_CANDIDATES = 100_000


def group_colors(n: int) -> NDArray[np.float64]:
    """``n`` colours (n, 3) in [0, 1]: the ten that colour-blind readers can tell apart, or as many hues as asked."""
    if n <= 10:
        return np.array([to_rgb(color) for color in color_sequences["petroff10"][:n]])
    spread = colormaps["turbo"](np.linspace(0.03, 0.97, n))[:, :3]
    # neighbours in number get colours far apart
    step = next(step for step in range(round(n * 0.382) or 1, n + 1) if np.gcd(step, n) == 1)
    shuffled: NDArray[np.float64] = spread[np.arange(n) * step % n] * 0.92
    return shuffled


def first_image(image: ArrayLike, label: object = None) -> Figure:
    """One image with a colour bar of its values.

    Parameters
    ----------
    image : array (h, w), (h, w, 1) or (h, w, 3)
        uint8, or floats in [0, 1].
    label : optional
        Written above it.
    """
    pixels = _drawable(np.asarray(image)[None])[0]
    top = 255 if pixels.dtype == np.uint8 else 1.0
    figure, axes = _figure(4.6, 4.0)
    shown = axes.imshow(pixels, cmap="gray", vmin=0, vmax=top)
    axes.tick_params(colors=SOFT, labelsize=8)
    if pixels.ndim == 2:
        figure.colorbar(shown, ax=axes, label="value of the pixel")
    height, width = pixels.shape[:2]
    named = "" if label is None or label == "" else f", label {short_text(label)}"
    axes.set_title(f"{height}×{width} pixels{named}", **literal(fontsize=11))
    return figure


def loss_curve(history: Mapping[str, Sequence[float]], published: Sequence[float] | None = None) -> Figure:
    """Loss by epoch.

    Parameters
    ----------
    history : mapping
        ``loss``, and ``val_loss`` when there was a validation split: one value an epoch.
    published : sequence of float, optional
        Losses to compare with, from the first epoch on.
    """
    figure, axes = _figure(6.4, 3.6)
    if published is not None:
        axes.plot(_epochs(published), published, "D", color="#9aa3af", markersize=5, label="published")
    axes.plot(_epochs(history["loss"]), history["loss"], "o-", color=BLUE, markersize=4, label="training")
    if "val_loss" in history:
        axes.plot(
            _epochs(history["val_loss"]), history["val_loss"], "s--", color=ORANGE, markersize=4, label="validation"
        )
    values = [*history["loss"], *(published or ())]
    if max(values) > 4 * min(values) > 0:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:.3g}")
        axes.yaxis.set_minor_formatter("{x:.3g}")
        axes.tick_params(axis="y", which="minor", labelsize=7)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(history["loss"]) == 1:
        axes.set_xlim(0, 2)  # matplotlib would show a twentieth of an epoch
    axes.set(xlabel="epoch", ylabel="mean squared error")
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)
    _open_frame(axes)
    return figure


def reconstructions(originals: ArrayLike, reconstructed: ArrayLike, *, pairs_per_row: int = 1) -> Figure:
    """Images beside their reconstructions.

    Parameters
    ----------
    originals, reconstructed : array (n, h, w) or (n, h, w, c)
        Each uint8, or floats in [0, 1].
    pairs_per_row : int, default=1
    """
    left, right = _drawable_pair(originals, reconstructed)
    n, (height, width) = len(left), left.shape[1:3]
    n_columns = 2 * min(pairs_per_row, n)
    n_rows = -(-2 * n // n_columns)
    figure, axes = _sheet_figure(1.7 * n_columns, 1.7 * n_rows * height / width + 0.5)
    pairs = np.stack([left, right], axis=1).reshape(2 * n, *left.shape[1:])
    _draw_sheet(axes, pairs, n_columns, above=["original", "reconstruction"] * (n_columns // 2))
    return figure


def residuals(originals: ArrayLike, reconstructed: ArrayLike, names: Sequence[str] | None = None) -> Figure:
    """Images, their reconstructions, and what the two differ by: a column an image.

    The third row is red where the image is brighter than its reconstruction and blue where it is darker, of colour
    images by the mean over the channels; full colour is the largest difference in the figure.

    Parameters
    ----------
    originals, reconstructed : array (n, h, w) or (n, h, w, c)
        Each uint8, or floats in [0, 1].
    names : sequence of str, optional
        Written over the columns.
    """
    left, right = _drawable_pair(originals, reconstructed)
    n, (height, width) = len(left), left.shape[1:3]
    difference = (_unit(left) - _unit(right)).reshape(n, height, width, -1).mean(3)
    largest = float(np.abs(difference).max()) or 1.0
    pictures = [_colored(_unit(pixels)) for pixels in (left, right)]
    red_and_blue = colormaps["RdBu_r"](difference / (2 * largest) + 0.5)[..., : pictures[0].shape[-1]]
    rows = np.concatenate([*pictures, red_and_blue])
    figure, axes = _sheet_figure(1.15 * n + 1.3, 3.3 * height / width + 0.5)
    above = [short_text(name) for name in names or ()]
    _draw_sheet(axes, rows, n, beside=("image", "reconstruction", "residual"), above=above)
    return figure


def strips(images: ArrayLike, names: Sequence[str] | None = None) -> Figure:
    """Rows of images that lead from one to the other: interpolations, traversals, samples.

    Parameters
    ----------
    images : array (rows, columns, h, w) or (rows, columns, h, w, c)
        uint8, or floats in [0, 1].
    names : sequence of str, optional
        Written before the rows.
    """
    pixels = np.asarray(images)
    n_rows, n_columns, height, width = pixels.shape[:4]
    drawn = _drawable(pixels.reshape(-1, *pixels.shape[2:]))
    beside = [short_text(name) for name in names or ()]
    margin = 0.6 + 0.08 * max(map(len, beside), default=0)
    figure, axes = _sheet_figure(0.9 * n_columns + margin, 0.9 * n_rows * height / width + 0.2)
    _draw_sheet(axes, drawn, n_columns, beside=beside)
    return figure


def row(images: ArrayLike, names: Sequence[str]) -> Figure:
    """Images beside each other, each with its name above it.

    Parameters
    ----------
    images : array (n, h, w) or (n, h, w, c)
        uint8, or floats in [0, 1].
    names : sequence of str, one an image
    """
    pixels = _drawable(images)
    figure, axes = _sheet_figure(1.1 * len(pixels) + 0.2, 1.1 * pixels.shape[1] / pixels.shape[2] + 0.6)
    above = ["\n".join(short_text(line) for line in name.splitlines()) for name in names]
    _draw_sheet(axes, pixels, len(pixels), above=above)
    return figure


def activations() -> Figure:
    """ReLU against ELU, f(x) = x for x > 0 and eˣ − 1 otherwise, from −5 to 5 (Clevert et al. 2015)."""
    x = np.arange(-5, 5, 0.01)
    figure, axes = _figure(5.6, 3.8)
    axes.axvline(0, color="#c3c9d2", linewidth=1)
    axes.axhline(0, color="#c3c9d2", linewidth=1)
    axes.plot(x, np.maximum(x, 0), "--", color=ORANGE, linewidth=2, label="ReLU")
    axes.plot(x, np.where(x > 0, x, np.expm1(x)), color=BLUE, linewidth=2, label="ELU")
    axes.set(xlabel="x", ylabel="f(x)")
    axes.legend(frameon=False)
    _open_frame(axes)
    return figure


def kmeans_steps(X: ArrayLike, history: Sequence[Step]) -> Figure:
    """K-means step by step: a panel an iteration, with an arrow from each centre's last place to its new one.

    Parameters
    ----------
    X : array (n, 2)
    history : sequence of KMeansStep
        ``history_`` of a :class:`latentmap.KMeans` fitted with ``record_history=True``.
    """
    points = np.asarray(X)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"X of shape {points.shape}: the steps can be drawn for points in the plane, (n, 2)")
    _check_lengths("X", points, "labels", history[0].labels)
    n_columns = 2 if len(history) == 4 else min(3, len(history))
    n_rows = -(-len(history) // n_columns)
    figure = Figure(figsize=(3.3 * n_columns, 3.3 * n_rows), layout="constrained")
    grid = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True, sharey=True).ravel()
    palette = group_colors(len(history[0].centers))
    for number, (axes, step) in enumerate(zip(grid, history, strict=False)):
        axes.scatter(*points.T, s=14, c=palette[step.labels], linewidths=0, alpha=0.8)
        for color, center in zip(palette, step.centers, strict=True):
            axes.plot(*center, marker="D", markersize=9, color=color, markeredgecolor="black", zorder=4)
        if number:
            for start, end in zip(history[number - 1].centers, step.centers, strict=True):
                arrow = {"arrowstyle": "->", "color": INK, "linewidth": 1.3, "shrinkA": 0, "shrinkB": 6}
                axes.annotate("", xy=end, xytext=start, arrowprops=arrow, zorder=5)
        axes.set_title(f"step {number}   inertia {step.inertia:,.0f}", fontsize=10)
        axes.set(xticks=[], yticks=[])
    for axes in grid[len(history) :]:
        axes.remove()
    return figure


def cluster_sheet(
    images: ArrayLike,
    groups: ArrayLike,
    n_columns: int = 10,
    *,
    scores: ArrayLike | None = None,
    max_rows: int = 40,
    show_sizes: bool = True,
    title: str | None = None,
) -> Figure:
    """A row for each group, with its number, its size and some of its members.

    Parameters
    ----------
    images : array (n, h, w) or (n, h, w, c)
        uint8, or floats in [0, 1].
    groups : array (n,)
        Numbers or names. Images whose group is -1 or missing are in none and are not shown.
    n_columns : int, default=10
        Members shown.
    scores : array (n,), optional
        Members with the lowest come first; by default they come in their order.
    max_rows : int, default=40
        The largest groups are shown when there are more.
    show_sizes : bool, default=True
        Write the size of a group beside its number.
    title : str, optional
        By default how many groups there are.
    """
    pixels = _drawable(images)
    names, members = _classes(groups)
    _check_lengths("images", pixels, "groups", members)
    order = np.arange(len(members)) if scores is None else np.argsort(np.asarray(scores), kind="stable")
    sizes = np.bincount(members[members >= 0], minlength=len(names))
    sizes[[name == -1 for name in names.tolist()]] = 0
    counted_names = int((sizes > 0).sum())
    if not counted_names:
        raise ValueError("no image is in a group: pass at least one group other than -1")
    kept = np.sort(np.argsort(-sizes, kind="stable")[: min(max_rows, counted_names)])
    height, width = pixels.shape[1:3]
    members_shown = [order[members[order] == group][:n_columns] for group in kept]
    places = np.concatenate([row * n_columns + np.arange(len(some)) for row, some in enumerate(members_shown)])
    cell = 0.62  # inches
    figure, axes = _sheet_figure(cell * n_columns + 1.3, cell * len(kept) * height / width + 0.3)
    shown = pixels[np.concatenate(members_shown)]
    beside = [short_text(names[group]) + f"  ({sizes[group]:,})" * show_sizes for group in kept]
    _draw_sheet(axes, shown, n_columns, places=places, beside=beside)
    counted = f"{counted_names} group{'s' if counted_names > 1 else ''}" + (
        "" if len(kept) == counted_names else f", the {len(kept)} largest"
    )
    axes.set_title(counted if title is None else short_text(title, LONGEST_TITLE), **literal(fontsize=11))
    return figure


def group_tree(tree: "Dendrogram", n_groups: int, images: ArrayLike, blocks: ArrayLike) -> Figure:
    """The upper part of a tree of groups, with a picture of each group at its leaf.

    Parameters
    ----------
    tree : Dendrogram
        See :attr:`latentmap.GraphClustering.tree_`.
    n_groups : int
        Leaves, at least 2: the tree is drawn down to where it is cut into so many.
    images : array (m, h, w) or (m, h, w, c), m at least n_groups
        One of each group, in the order of the groups; of those in one leaf the first is shown.
    blocks : array (m,), int
        The block that each of them lies in.
    """
    pixels, n_blocks = _drawable(images), tree.n_blocks
    first = 2 * n_blocks - n_groups  # of the merges that are drawn
    place: dict[int, float] = {}
    shown_at: dict[int, int] = {}  # of each leaf, from left to right, the first group in it
    for group, leaf in enumerate(tree.cut(n_groups)[np.asarray(blocks)].tolist()):
        shown_at.setdefault(leaf, group)
    height: dict[int, float] = {}
    stack = [2 * n_blocks - 2]
    while stack:
        node = stack.pop()
        if node >= first:
            left, right = tree.merges[node - n_blocks]
            stack += [int(right), int(left)]
        else:
            place[node] = float(len(place))
    figure, axes = _figure(1.6 + 0.62 * n_groups, 3.4)
    shown = -np.log10(np.maximum(tree.associations[first - n_blocks :], 1e-9))
    base = min(float(shown.min()), 0.0) - 0.3
    for step, node in enumerate(range(first, 2 * n_blocks - 1)):
        left, right = (int(child) for child in tree.merges[node - n_blocks])
        x, top = (place[left], place[right]), float(shown[step])
        bottoms = [height.get(child, base) for child in (left, right)]
        axes.plot([x[0], x[0], x[1], x[1]], [bottoms[0], top, top, bottoms[1]], color="0.35", linewidth=1.2)
        place[node], height[node] = sum(x) / 2, top
    span = float(shown.max()) - base
    axes.set_xlim(-0.7, n_groups - 0.3)
    axes.set_ylim(base - 0.02 * span, float(shown.max()) + 0.08 * span)
    axes.set_xticks([])
    for group in range(n_groups):
        inset = axes.inset_axes((group - 0.42, -0.27, 0.84, 0.25), transform=axes.get_xaxis_transform())
        inset.set_title(str(shown_at[group]), y=-0.4, fontsize=9)
        inset.imshow(pixels[shown_at[group]], cmap="gray", vmin=0, vmax=255 if pixels.dtype == np.uint8 else 1)
        inset.set_axis_off()
    ticks = np.arange(np.ceil(base), np.floor(float(shown.max())) + 1)
    axes.set_yticks(ticks, [f"{10.0**-tick:g}" for tick in ticks], fontsize=8)
    axes.set_ylabel("edges between, over chance", fontsize=9)
    _open_frame(axes)
    return figure


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
    """
    points = np.asarray(xy)
    figure, axes = _figure(8.2, 7.2)
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


def t_against_normal(df: float = 2.74) -> Figure:
    """Student's t density against the normal: the heavier tail lets moderate distances become large on the map.

    Parameters
    ----------
    df : float, default=2.74
        Degrees of freedom.
    """
    x = np.linspace(-5, 5, 401)
    figure, axes = _figure(5.6, 3.8)
    axes.plot(x, stats.t(df).pdf(x), color=ORANGE, linewidth=2, label=f"Student's t, {df:g} degrees of freedom")
    axes.plot(x, stats.norm().pdf(x), "--", color=BLUE, linewidth=2, label="normal")
    axes.set(xlabel="distance", ylabel="density")
    axes.set_ylim(0, 0.5)
    axes.legend(frameon=False, fontsize=9, loc="upper right")
    _open_frame(axes)
    return figure


def perplexity_sweep(maps: Mapping[float, ArrayLike], labels: ArrayLike | None = None) -> Figure:
    """The same images mapped with several perplexities, a panel each.

    Parameters
    ----------
    maps : mapping of float to array (n, 2)
        Perplexity → map.
    labels : array (n,), optional
    """
    if not maps:
        raise ValueError("no maps: pass at least one perplexity with its map")
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
    """
    points, pixels = np.asarray(xy), np.asarray(images)
    _check_lengths("xy", points, "images", pixels)
    figure, axes = _figure(size_inches, size_inches)
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
        picture = _drawable(pixels[index][None])[0]
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
    """
    points, new, pixels = np.asarray(xy), np.asarray(places), np.asarray(images)
    figure, axes = _figure(10.0, 10.0)
    axes.scatter(points[:, 0], points[:, 1], s=_dot_size(len(points)), color="#c3c9d2", linewidths=0, rasterized=True)
    axes.scatter(new[:, 0], new[:, 1], s=_dot_size(len(new)) + 4, color=INK, linewidths=0, rasterized=True)
    chosen, side = place_thumbnails(new[: len(pixels)], n_images, size=0.03)
    for index in chosen:
        picture = _drawable(pixels[index][None])[0]
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
        raise ValueError(f"xy of shape {points.shape}: a map is (n, 2)")
    classes, codes = (np.zeros(1, int), np.zeros(len(points), np.intp)) if labels is None else _classes(labels)
    _check_lengths("xy", points, "labels", codes)
    area = _dot_size(len(points))
    # in random order, so that no class lies above all others
    order = np.random.default_rng(0).permutation(len(points))
    colors = np.vstack([group_colors(max(len(classes), 1)), to_rgb(GREY)])[codes[order]]  # -1 is the last
    axes.scatter(points[order, 0], points[order, 1], s=area, c=colors, alpha=alpha, linewidths=0, rasterized=True)
    _fit_view(axes, points)
    return classes, codes


def _classes(labels: ArrayLike) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """The classes in their order, and the class of each label (n,), -1 where it is missing."""
    missing = missing_mask(labels)
    if isinstance(labels, np.ndarray) and labels.dtype.kind in "iufU":
        classes, found = np.unique(labels[~missing], return_inverse=True)
    else:
        classes, found = as_classes([value for value, gone in zip(as_list(labels), missing, strict=True) if not gone])
    codes = np.full(len(missing), -1, np.intp)
    codes[~missing] = found
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


def _drawable(images: ArrayLike) -> NDArray[Any]:
    """(n, h, w), (n, h, w, 3): uint8, or floats clipped to [0, 1]."""
    pixels = np.asarray(images)
    if pixels.ndim == 4 and pixels.shape[3] == 1:
        pixels = pixels[..., 0]
    if not (pixels.ndim == 3 or (pixels.ndim == 4 and pixels.shape[3] in (3, 4))):
        raise ValueError(f"images of shape {pixels.shape}: pass (n, height, width), or with 1, 3 or 4 channels behind")
    return pixels if pixels.dtype == np.uint8 else np.clip(pixels.astype(np.float64), 0, 1)


def _drawable_pair(originals: ArrayLike, reconstructed: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Images and their reconstructions as pixels of one kind."""
    left, right = _drawable(originals), _drawable(reconstructed)
    _check_lengths("originals", left, "reconstructed", right)
    return (left, right) if left.dtype == right.dtype else (_unit(left), _unit(right))


def _colored(pixels: NDArray[Any]) -> NDArray[Any]:
    """Grey or colour images as colour images."""
    return pixels if pixels.ndim == 4 else np.repeat(pixels[..., None], 3, axis=-1)


def _draw_sheet(
    axes: Axes,
    pixels: NDArray[Any],
    n_columns: int,
    *,
    places: NDArray[np.intp] | None = None,
    beside: Sequence[str] = (),
    above: Sequence[str] = (),
) -> None:
    """Draw images row by row as one picture, since an axes for each of them takes seconds.

    Parameters
    ----------
    axes : Axes
    pixels : array (n, h, w) or (n, h, w, c)
        As from ``_drawable``.
    n_columns : int
    places : array (n,), optional
        The cell of each image; by default one after the other.
    beside, above : sequence of str, optional
        Names of the rows and of the columns, drawn as they are.
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


def _unit(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """uint8, or floats in [0, 1] → float32 in [0, 1]."""
    return pixels.astype(np.float32) / np.float32(255 if pixels.dtype == np.uint8 else 1)


def _check_lengths(name: str, values: NDArray[Any], other_name: str, other: NDArray[Any]) -> None:
    if len(values) != len(other):
        raise ValueError(f"{len(values)} in {name}, but {len(other)} in {other_name}: pass one for each image")


def _epochs(values: Sequence[float]) -> NDArray[np.int64]:
    return np.arange(1, len(values) + 1)


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _sheet_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure for one picture that keeps its proportions, which the other layout does not account for."""
    figure = Figure(figsize=(width, height), layout="compressed")
    return figure, figure.add_subplot()


def _open_frame(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
