"""Figures: each function takes arrays and returns a matplotlib Figure.

None of them touches pyplot, so nothing is shown and nothing stays open: call ``figure.savefig(path)``, or let a
notebook display what is returned. Up to ten classes have colours that colour-blind readers can tell apart (Petroff
2021, Accessible color sequences for data visualization); with more of them the labels on the map tell them apart.
"""

from latentmap.plots.clustering import cluster_sheet, group_tree, kmeans_steps
from latentmap.plots.images import first_image, reconstructions, residuals, row, strips
from latentmap.plots.maps import added_map, image_map, perplexity_sweep, scatter
from latentmap.plots.style import group_colors
from latentmap.plots.training import activations, loss_curve, t_against_normal

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
    "perplexity_sweep",
    "reconstructions",
    "residuals",
    "row",
    "scatter",
    "strips",
    "t_against_normal",
]
