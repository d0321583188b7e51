"""Nearest neighbours of the points of a run, which the map, the groups and the search for duplicates share."""

import numpy as np
from numpy.typing import NDArray

from latentmap.autoencoder.tangents import N_DEFORMATIONS
from latentmap.core.memory import release_memory
from latentmap.groups.graph import default_neighbors
from latentmap.groups.stability import neighbors_to_search
from latentmap.neighbors import NeighborGraph, nearest_neighbors
from latentmap.neighbors.invariant import N_EUCLIDEAN_CANDIDATES
from latentmap.run.options import RunOptions
from latentmap.tsne import TSNE

# Beyond 512 MiB of tangents (300,000 images with 64 dimensions) groups are found by plain Euclidean neighbours.
MAX_TANGENT_VALUES = 2**27


def may_use_tangents(points: NDArray[np.float32]) -> bool:
    """Whether the tangents of latent vectors (n, d) are small enough to be held in memory."""
    return points.size * N_DEFORMATIONS <= MAX_TANGENT_VALUES


class SharedNeighbors:
    """Neighbours of points by Euclidean distance, searched once.

    The number that is searched does not depend on options, since a search for more neighbours may keep others among
    those that are equally far.

    Parameters
    ----------
    device : str, default="cpu"
        Torch device of the search; see :func:`latentmap.nearest_neighbors`.
    """

    def __init__(self, device: str = "cpu") -> None:
        self._device = device
        self._graph: NeighborGraph | None = None

    def for_groups(self, points: NDArray[np.float32]) -> NeighborGraph:
        """The neighbours by which groups, duplicates and outliers are found.

        Parameters
        ----------
        points : array (n, d), float32
            The latent vectors or features of the run, the same at each call.

        Returns
        -------
        NeighborGraph
        """
        if self._graph is None:
            self._search(points)
        assert self._graph is not None
        return self._graph

    def for_map(self, points: NDArray[np.float32], n_neighbors: int) -> NeighborGraph:
        """The neighbours from which the map is made, which are not kept: only those for groups are.

        Parameters
        ----------
        points : array (n, d), float32
            The latent vectors or features of the run, the same at each call.
        n_neighbors : int
            Number of neighbours that the map needs.

        Returns
        -------
        NeighborGraph
        """
        graph = self._search(points)
        return graph if graph.n_neighbors >= n_neighbors else self._search_for(points, n_neighbors)

    def _search_for(self, points: NDArray[np.float32], n_neighbors: int) -> NeighborGraph:
        return nearest_neighbors(points, n_neighbors, device=self._device)

    def forget(self) -> None:
        """Free the neighbours."""
        self._graph = None

    def _search(self, points: NDArray[np.float32]) -> NeighborGraph:
        n = len(points)
        n_grouped = neighbors_to_search(default_neighbors(n), n)
        n_kept = min(n - 1, max(n_grouped, N_EUCLIDEAN_CANDIDATES if may_use_tangents(points) else 0))
        n_mapped = TSNE(perplexity=RunOptions().perplexity_for(n)).n_neighbors_for(n)
        graph = self._search_for(points, max(n_kept, n_mapped))
        release_memory()  # what the search held
        indices, distances = (np.ascontiguousarray(part[:, :n_kept]) for part in (graph.indices, graph.distances))
        self._graph = NeighborGraph(indices, distances, graph.order)
        return graph
