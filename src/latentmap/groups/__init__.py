"""Groups of points on their neighbour graph, and the spreading of a few labels over it."""

from latentmap.groups.estimator import GraphClustering
from latentmap.groups.spreading import LabelSpreading
from latentmap.groups.summary import GroupSummary

__all__ = ["GraphClustering", "GroupSummary", "LabelSpreading"]
