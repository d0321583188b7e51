"""Nearest neighbours: the graph that t-SNE is made from, and the search for new points."""

from latentmap.neighbors.search import NeighborGraph, NeighborSearch, nearest_neighbors

__all__ = ["NeighborGraph", "NeighborSearch", "nearest_neighbors"]
