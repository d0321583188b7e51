"""Groups of points on their neighbour graph, and the spreading of a few labels over it."""

from latentmap.groups.estimator import GraphClustering
from latentmap.groups.resolution import Cut
from latentmap.groups.spreading import LabelSpreading
from latentmap.groups.summary import GroupSummary

__all__ = ["Cut", "GraphClustering", "GroupSummary", "LabelSpreading"]
