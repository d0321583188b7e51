"""Figures: each function takes arrays and returns a matplotlib Figure.

The functions do not use pyplot, so no window is opened and no figure stays in memory: call ``figure.savefig(path)``, or
let a notebook display the returned figure. Up to ten classes have colours that colour-blind readers can distinguish
(Petroff 2021, Accessible color sequences for data visualization); more classes are distinguished by their names on the
map.
"""

from latentmap.core.group_colors import group_colors
from latentmap.plots.clustering import cluster_sheet, group_tree, kmeans_steps
from latentmap.plots.images import first_image, reconstructions, residuals, row, strips
from latentmap.plots.maps import added_map, image_map, perplexity_sweep, scatter
from latentmap.plots.training import activations, loss_curve, t_against_normal
from latentmap.plots.whole_images import overviews

__all__ = [
    "activations",
    "added_map",
    "cluster_sheet",
    "first_image",
    "group_colors",
    "group_tree",
    "image_map",
    "kmeans_steps",
    "loss_curve",
    "overviews",
    "perplexity_sweep",
    "reconstructions",
    "residuals",
    "row",
    "scatter",
    "strips",
    "t_against_normal",
]
