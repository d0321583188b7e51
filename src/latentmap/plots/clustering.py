"""Figures of clusterings: iterations of K-means, members of each group, tree of groups."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from latentmap.core.errors import InputError
from latentmap.core.group_colors import group_colors
from latentmap.plots.sheet import draw_sheet, sheet_figure
from latentmap.plots.style import INK, check_lengths, drawable, new_figure, open_frame, to_classes
from latentmap.plots.text import MAX_TITLE_LENGTH, literal, short_text

if TYPE_CHECKING:
    from latentmap.groups.tree import Dendrogram


class Step(Protocol):
    """One iteration of K-means; see :class:`latentmap.kmeans.KMeansStep`."""

    @property
    def centers(self) -> NDArray[Any]: ...
    @property
    def labels(self) -> NDArray[Any]: ...
    @property
    def inertia(self) -> float: ...


def kmeans_steps(X: ArrayLike, history: Sequence[Step]) -> Figure:
    """Draw the iterations of K-means, one in each panel, with arrows from the previous to the new centres.

    Parameters
    ----------
    X : array (n, 2)
        Points in the plane.
    history : sequence of KMeansStep
        ``history_`` of a :class:`latentmap.KMeans` fitted with ``record_history=True``.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        If X is not (n, 2), or the history is of another number of points.
    """
    points = np.asarray(X)
    if points.ndim != 2 or points.shape[1] != 2:
        raise InputError(f"X of shape {points.shape}: pass points in the plane, (n, 2)")
    check_lengths("X", points, "labels", history[0].labels)
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
    """Draw a row for each group, with its number, its size and some of its members.

    Parameters
    ----------
    images : array (n, h, w) or (n, h, w, c)
        uint8, or floats in [0, 1].
    groups : array-like (n,)
        Number or name of the group of each image. Images whose group is -1 or missing are not shown.
    n_columns : int, default=10
        Maximum number of members shown of each group.
    scores : array (n,), optional
        Members are sorted by ascending score; by default they keep their order.
    max_rows : int, default=40
        Maximum number of groups; the largest are shown if there are more.
    show_sizes : bool, default=True
        Whether to write the size of a group beside its number.
    title : str, optional
        Title of the figure; by default the number of groups.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        If no image is in a group, or there is not one group for each image.
    """
    pixels = drawable(images)
    names, members = to_classes(groups)
    check_lengths("images", pixels, "groups", members)
    order = np.arange(len(members)) if scores is None else np.argsort(np.asarray(scores), kind="stable")
    sizes = np.bincount(members[members >= 0], minlength=len(names))
    sizes[[name == -1 for name in names.tolist()]] = 0
    counted_names = int((sizes > 0).sum())
    if not counted_names:
        raise InputError("no image is in a group: pass at least one group other than -1")
    kept = np.sort(np.argsort(-sizes, kind="stable")[: min(max_rows, counted_names)])
    height, width = pixels.shape[1:3]
    members_shown = [order[members[order] == group][:n_columns] for group in kept]
    places = np.concatenate([row * n_columns + np.arange(len(some)) for row, some in enumerate(members_shown)])
    cell = 0.62  # inches
    figure, axes = sheet_figure(cell * n_columns + 1.3, cell * len(kept) * height / width + 0.3)
    shown = pixels[np.concatenate(members_shown)]
    beside = [short_text(names[group]) + f"  ({sizes[group]:,})" * show_sizes for group in kept]
    draw_sheet(axes, shown, n_columns, places=places, beside=beside)
    counted = f"{counted_names} group{'s' if counted_names > 1 else ''}" + (
        "" if len(kept) == counted_names else f", the {len(kept)} largest"
    )
    axes.set_title(counted if title is None else short_text(title, MAX_TITLE_LENGTH), **literal(fontsize=11))
    return figure


def group_tree(tree: "Dendrogram", n_groups: int, images: ArrayLike | None, blocks: ArrayLike) -> Figure:
    """Draw the upper part of a tree of groups, with a picture of each group at its leaf.

    Parameters
    ----------
    tree : Dendrogram
        See :attr:`latentmap.GraphClustering.tree_`.
    n_groups : int
        Number of leaves, at least 2: the tree is drawn down to the cut into so many groups.
    images : array (m, h, w) or (m, h, w, c), m at least n_groups, optional
        One image of each group, in the order of the groups. If several groups are in one leaf, the first is shown.
        Without images the leaves have numbers only.
    blocks : array (m,), int
        Block that each of them is in.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        If the images have another shape.
    """
    pixels = None if images is None else drawable(images)
    shown_at: dict[int, int] = {}  # first group in each leaf, by the number of the leaf from left to right
    for group, leaf in enumerate(tree.cut(n_groups)[np.asarray(blocks)].tolist()):
        shown_at.setdefault(leaf, group)
    figure, axes = new_figure(1.6 + 0.62 * n_groups, 3.4)
    heights = -np.log10(np.maximum(tree.associations[tree.n_blocks - n_groups :], 1e-9))
    base = min(float(heights.min()), 0.0) - 0.3
    _draw_brackets(axes, tree, heights, base)
    span = float(heights.max()) - base
    axes.set_xlim(-0.7, n_groups - 0.3)
    axes.set_ylim(base - 0.02 * span, float(heights.max()) + 0.08 * span)
    axes.set_xticks([])
    for group in range(n_groups):
        inset = axes.inset_axes((group - 0.42, -0.27, 0.84, 0.25), transform=axes.get_xaxis_transform())
        inset.set_title(str(shown_at[group]), y=-0.4, fontsize=9)
        if pixels is not None:
            inset.imshow(pixels[shown_at[group]], cmap="gray", vmin=0, vmax=255 if pixels.dtype == np.uint8 else 1)
        inset.set_axis_off()
    ticks = np.arange(np.ceil(base), np.floor(float(heights.max())) + 1)
    axes.set_yticks(ticks, [f"{10.0**-tick:g}" for tick in ticks], fontsize=8)
    axes.set_ylabel("edges between, over chance", fontsize=9)
    open_frame(axes)
    return figure


def _draw_brackets(axes: Axes, tree: "Dendrogram", heights: NDArray[np.float64], base: float) -> None:
    """Draw the last merges of a tree as brackets at these heights; leaves stand at ``base``, at x = 0, 1, 2, …

    scipy.cluster.hierarchy.dendrogram is not used: it needs heights above 0, and walks down the whole tree.
    """
    n_blocks = tree.n_blocks
    first = 2 * n_blocks - 1 - len(heights)  # node of the first merge that is drawn
    x: dict[int, float] = {}
    stack = [2 * n_blocks - 2]
    while stack:
        node = stack.pop()
        if node >= first:
            left, right = tree.merges[node - n_blocks]
            stack += [int(right), int(left)]
        else:
            x[node] = float(len(x))
    y: dict[int, float] = {}
    for node, height in enumerate(heights.tolist(), first):
        left, right = (int(child) for child in tree.merges[node - n_blocks])
        corners = [y.get(left, base), height, height, y.get(right, base)]
        axes.plot([x[left], x[left], x[right], x[right]], corners, color="0.35", linewidth=1.2)
        x[node], y[node] = (x[left] + x[right]) / 2, height
