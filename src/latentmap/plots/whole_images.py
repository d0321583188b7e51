"""Figure of whole images whose parts are coloured by group."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from latentmap.core.group_colors import group_colors
from latentmap.plots.text import literal, short_text

HEIGHT, MAX_WIDTH = 4.2, 6.0  # of a picture, in inches
MAX_LEGEND_GROUPS = 20


def overviews(pictures: Sequence[NDArray[Any]], names: Sequence[str], n_groups: int) -> Figure:
    """Draw pictures side by side, with a legend of the colours of groups.

    Parameters
    ----------
    pictures : sequence of array (h, w, 3), uint8
        Pictures of any sizes.
    names : sequence of str
        Name of each picture.
    n_groups : int
        Number of groups.

    Returns
    -------
    Figure
    """
    widths = [min(MAX_WIDTH, HEIGHT * picture.shape[1] / picture.shape[0]) for picture in pictures]
    figure = Figure(figsize=(sum(widths) + 1.2, HEIGHT + 0.4), layout="constrained")
    all_axes = figure.subplots(1, len(pictures), width_ratios=widths, squeeze=False)[0]
    for axes, picture, name in zip(all_axes, pictures, names, strict=True):
        axes.imshow(picture, interpolation="antialiased")
        axes.set_title(short_text(name), **literal(fontsize=9))
        axes.set_axis_off()
    colors = group_colors(n_groups)[:MAX_LEGEND_GROUPS]
    patches = [Patch(color=color, label=str(group)) for group, color in enumerate(colors)]
    if patches:
        title = "group" if len(colors) == n_groups else f"group, {len(colors)}\nof {n_groups:,}"
        figure.legend(handles=patches, title=title, loc="outside right center", frameon=False, fontsize=8)
    return figure
