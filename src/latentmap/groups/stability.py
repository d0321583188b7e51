"""Stability of cuts: how well they agree with those of random parts of the points."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from latentmap.core.parallel import Result, Workers
from latentmap.groups.block_tree import BlockTree
from latentmap.groups.graph import affinity_graph, connect_components
from latentmap.groups.resolution import RESOLUTIONS, CutPoints, Stabilities
from latentmap.neighbors import NeighborGraph

FRACTION = 0.8  # of the points in a part
MAX_SIDE_BY_SIDE = 200_000  # points of which several parts may be held at once
EXTRA_NEIGHBORS = 1.5  # times as many are searched, so that enough of them are in the part


def neighbors_to_search(n_neighbors: int, n: int) -> int:
    """Number of neighbours of n points among which nearly always ``n_neighbors`` are in a part of the points."""
    return min(n - 1, int(np.ceil(EXTRA_NEIGHBORS * n_neighbors)))


def random_part(n: int, fraction: float, random: np.random.RandomState) -> NDArray[np.intp]:
    """A random fraction of n rows, at least 2, ascending."""
    return np.sort(random.choice(n, max(2, round(fraction * n)), replace=False))


def min_size_in_part(min_size: int, fraction: float) -> int:
    """Minimum size of a group in a part of the points."""
    return max(1, round(fraction * min_size))


def find_stabilities(
    whole: BlockTree,
    neighbors: NeighborGraph,
    n_neighbors: int,
    X: NDArray[Any],
    n_resamples: int,
    random: np.random.RandomState,
    n_jobs: int | None,
) -> tuple[Stabilities, CutPoints, list[CutPoints]]:
    """Compare the cuts of a tree with those of trees over random parts of the points, at each resolution.

    Parameters
    ----------
    whole : BlockTree
        The tree of all n points.
    neighbors : NeighborGraph
        See :func:`graph_of_part`.
    n_neighbors : int
        Number of neighbours of each point.
    X : array (n, d)
        All points.
    n_resamples : int
        Number of parts.
    random : RandomState
        Generator for the parts, and for the order in which nodes are visited.
    n_jobs : int, optional
        Number of threads; all CPUs by default.

    Returns
    -------
    stabilities : Stabilities
    whole : CutPoints
        The cuts of all points.
    parts : list of CutPoints
        The cuts of the parts.
    """
    all_points = _cuts(whole, np.arange(len(X)))
    counts = np.array([groups.max() + 1 for groups in all_points.groups], np.int64)
    min_size = min_size_in_part(whole.min_size, FRACTION)

    def measure(random: np.random.RandomState) -> tuple[CutPoints, list[float]]:
        rows = random_part(len(X), FRACTION, random)
        graph = graph_of_part(neighbors, rows, n_neighbors, X, min_size, 1)
        part = _cuts(BlockTree.build(graph, min_size, random), rows)
        del graph  # as large as that of all points
        numbers = range(len(counts))
        return part, [
            adjusted_rand_score(all_points.labels(n)[rows], part.labels(n)) if counts[n] > 1 else 0.0 for n in numbers
        ]

    measured = for_parts(measure, n_resamples, len(X), random, n_jobs)
    means = np.mean([scores for _, scores in measured], axis=0)
    return Stabilities(counts, means), all_points, [part for part, _ in measured]


def for_parts(
    measure: Callable[[np.random.RandomState], Result],
    n_parts: int,
    n: int,
    random: np.random.RandomState,
    n_jobs: int | None,
) -> list[Result]:
    """Measure random parts of n points side by side, each with a generator of its own.

    Parameters
    ----------
    measure : callable
        Called with the generator of each part.
    n_parts : int
    n : int
        Number of points. Parts of more than 200,000 are measured one after the other, since each holds a graph.
    random : RandomState
        Generator for the seeds of the parts.
    n_jobs : int, optional
        Number of threads; all CPUs by default. Results do not depend on it.

    Returns
    -------
    list
        What ``measure`` returns, one value a part.
    """
    generators = [np.random.RandomState(seed) for seed in random.randint(2**31 - 1, size=n_parts)]
    with Workers(n_jobs if n <= MAX_SIDE_BY_SIDE else 1) as workers:
        return workers.map(lambda number: measure(generators[number]), n_parts)


def _cuts(tree: BlockTree, rows: NDArray[np.intp]) -> CutPoints:
    return CutPoints(rows, tree.blocks, [tree.cut_at(resolution) for resolution in RESOLUTIONS])


def graph_of_part(
    neighbors: NeighborGraph,
    rows: NDArray[np.intp],
    n_neighbors: int,
    X: NDArray[Any],
    min_size: int,
    n_jobs: int | None,
) -> Any:
    """Build the graph of some of the points, each joined to its nearest ones among them.

    Parameters
    ----------
    neighbors : NeighborGraph
        Neighbours of all n points, more than ``n_neighbors``; otherwise some points of the part have fewer.
    rows : array (m,), int
        The points of the part, ascending.
    n_neighbors : int
        Number of neighbours of each point.
    X : array (n, d)
        All points.
    min_size : int
        Smaller components are connected to others.
    n_jobs : int, optional
        Number of threads; all CPUs by default.

    Returns
    -------
    sparse CSR matrix (m, m)
    """
    part = neighbors_within(neighbors, rows, n_neighbors)
    return connect_components(affinity_graph(part, n_neighbors), X[rows], min_size, n_jobs)


def neighbors_within(neighbors: NeighborGraph, rows: NDArray[np.intp], n_neighbors: int) -> NeighborGraph:
    """Neighbours of some of the points among them.

    Parameters
    ----------
    neighbors : NeighborGraph
        Neighbours of all n points.
    rows : array (m,), int
        The points of the part, ascending.
    n_neighbors : int
        Maximum number of neighbours of each point.

    Returns
    -------
    NeighborGraph
        Rows of the part. A point that has too few neighbours in it is its own neighbour, at the distance of the last.
    """
    number = np.full(len(neighbors.indices), -1, np.int32)
    number[rows] = np.arange(len(rows), dtype=np.int32)
    indices, distances = number[neighbors.indices[rows]], neighbors.distances[rows]
    nearest = np.argsort(indices < 0, axis=1, kind="stable")[:, :n_neighbors]
    indices, distances = np.take_along_axis(indices, nearest, 1), np.take_along_axis(distances, nearest, 1)
    is_missing = indices < 0
    n_found = np.maximum((~is_missing).sum(axis=1), 1)
    last = np.take_along_axis(distances, n_found[:, None] - 1, 1)
    own = np.broadcast_to(np.arange(len(rows), dtype=np.int32)[:, None], indices.shape)
    return NeighborGraph(
        np.where(is_missing, own, indices), np.where(is_missing, last, distances), np.arange(len(rows))
    )
