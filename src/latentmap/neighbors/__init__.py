"""Nearest neighbours: the graph that t-SNE and the groups are made from, and the search for new points."""

from latentmap.neighbors.invariant import invariant_neighbors
from latentmap.neighbors.search import NeighborGraph, NeighborSearch, nearest_neighbors

__all__ = ["NeighborGraph", "NeighborSearch", "invariant_neighbors", "nearest_neighbors"]
