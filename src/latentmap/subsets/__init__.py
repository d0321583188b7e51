"""Subsets of points under a budget: points that cover all others, that are typical of groups, or that are doubtful."""

from latentmap.subsets.balanced import balanced_order
from latentmap.subsets.doubt import doubtful_points
from latentmap.subsets.facility_location import facility_location
from latentmap.subsets.in_groups import GroupedPoints
from latentmap.subsets.mixed import mixed_points
from latentmap.subsets.typical import typical_points

__all__ = [
    "GroupedPoints",
    "balanced_order",
    "doubtful_points",
    "facility_location",
    "mixed_points",
    "typical_points",
]
