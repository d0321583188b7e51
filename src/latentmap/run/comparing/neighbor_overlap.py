"""The fraction of the nearest neighbours of each image that two runs have in common."""

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from latentmap.groups.graph import N_NEIGHBORS
from latentmap.metrics import map_report
from latentmap.run import layout
from latentmap.run.comparing.common_images import CommonImages
from latentmap.run.run import Run

# Of runs without a neighbour graph, neighbours are searched for all images up to this number, else for a sample.
MAX_SEARCHED, N_SAMPLED = 20_000, 2_000
# Images whose neighbours on the two maps are compared.
N_ON_MAPS = 1_000
ROWS_AT_ONCE = 2**15
NOT_IN_A, NOT_IN_B = -1, -2  # in the place of neighbours that are not common to both runs


def shared_neighbors(a: Run, b: Run, common: CommonImages) -> NDArray[np.float32]:
    """The fraction of the nearest neighbours of each common image that both runs have.

    Only common images count as neighbours: the 15 nearest, or as many as the graphs of both runs have of an image.
    Neighbours are those of the graphs of the runs. A run without one, such as of K-means, is searched by the vectors
    of its images: for all images up to 20,000, else for 2,000 drawn at random.

    Parameters
    ----------
    a, b : Run
    common : CommonImages

    Returns
    -------
    array (m,), float32
        In [0, 1]. NaN for images that were added later or are not in the sample, and without common neighbours.
    """
    found = np.full(len(common.ids_a), np.nan, np.float32)
    rows = np.flatnonzero((common.ids_a < a.state["source"]["n"]) & (common.ids_b < b.state["source"]["n"]))
    if len(rows) > MAX_SEARCHED and not (_has_graph(a) and _has_graph(b)):
        rows = np.sort(np.random.default_rng(0).choice(rows, N_SAMPLED, replace=False))
    near_a, near_b = _CommonNeighbors(a, common.ids_a, NOT_IN_A), _CommonNeighbors(b, common.ids_b, NOT_IN_B)
    for begin in range(0, len(rows), ROWS_AT_ONCE):
        part = rows[begin : begin + ROWS_AT_ONCE]
        found[part] = _overlap(near_a.of(part), near_b.of(part))
    return found


class _CommonNeighbors:
    """Neighbours of the common images of a run, as rows of the common images."""

    def __init__(self, run: Run, ids: NDArray[np.int64], elsewhere: int) -> None:
        self._ids, self._elsewhere = ids, elsewhere
        self._graph = run.neighbors().indices if _has_graph(run) else None
        self._points = np.empty((0, 0)) if _has_graph(run) else run.points()
        self._row_of = np.full(max(int(ids.max()) + 1, run.state["source"]["n"]), elsewhere, np.int64)
        self._row_of[ids] = np.arange(len(ids))

    def of(self, rows: NDArray[np.intp]) -> NDArray[np.int64]:
        """The neighbours (len(rows), k) of some common images; ``elsewhere`` for those that are not common."""
        ids = self._ids[rows]
        if self._graph is not None:
            near = self._graph[ids]
        else:
            k = min(N_NEIGHBORS + 1, len(self._points))
            search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(self._points)
            near = search.kneighbors(self._points[ids], return_distance=False)
        found = self._row_of[near]
        found[near == ids[:, None]] = self._elsewhere
        return found


def _has_graph(run: Run) -> bool:
    return (run.path / layout.NEIGHBORS).exists()


def _overlap(near_a: NDArray[np.int64], near_b: NDArray[np.int64]) -> NDArray[np.float32]:
    """The fraction of equal neighbours in each row, of as many as both have and at most ``N_NEIGHBORS``."""
    ranks = [np.cumsum(near >= 0, axis=1) for near in (near_a, near_b)]
    wanted = np.minimum(np.minimum(ranks[0][:, -1], ranks[1][:, -1]), N_NEIGHBORS)[:, None]
    first_a = np.where((near_a >= 0) & (ranks[0] <= wanted), near_a, NOT_IN_A)
    first_b = np.where((near_b >= 0) & (ranks[1] <= wanted), near_b, NOT_IN_B)
    equal = np.zeros(len(near_a), np.int64)
    for column in first_a.T:
        equal += (column[:, None] == first_b).any(axis=1)
    found = np.full(len(near_a), np.nan, np.float32)
    np.divide(equal, wanted[:, 0], out=found, where=wanted[:, 0] > 0)
    return found


def map_overlap(map_a: NDArray[np.float32], map_b: NDArray[np.float32]) -> float | None:
    """The mean fraction of the 15 nearest on one map that are among the 15 nearest on the other.

    Parameters
    ----------
    map_a, map_b : array (m, 2)
        Places of the common images on each map.

    Returns
    -------
    float or None
        Of all images up to 1,000, else of 1,000 drawn at random; None for fewer than three images.
    """
    k = min(N_NEIGHBORS, (len(map_a) - 1) // 2)
    if k < 1:
        return None
    return map_report(map_a, map_b, n_neighbors=k, sample_size=N_ON_MAPS)["neighborhood_preservation"]
