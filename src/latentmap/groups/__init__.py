"""Groups of points on their neighbour graph, how many there are, and the spreading of a few labels over it."""

from latentmap.groups.estimator import GraphClustering, Group
from latentmap.groups.spreading import LabelSpreading

__all__ = ["GraphClustering", "Group", "LabelSpreading"]
