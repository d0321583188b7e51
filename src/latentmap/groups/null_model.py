"""How stable the groups of a cloud without structure are.

Groups of few points or of flat data are found again to some degree even where nothing separates them: the graph of a
plane has narrow places by chance, and most edges of a part are those of the whole. Stabilities are therefore compared
with those of Gaussian and uniform clouds of the same intrinsic dimension, and flat data also with a thread.

References
----------
Levina and Bickel (2004), Maximum likelihood estimation of intrinsic dimension.
Tibshirani, Walther and Hastie (2001), Estimating the number of clusters in a data set via the gap statistic.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from latentmap.groups.block_tree import BlockTree, default_min_size
from latentmap.groups.graph import affinity_graph, connect_components
from latentmap.groups.resolution import Stabilities, splits_further
from latentmap.groups.stability import find_stabilities, neighbors_to_search
from latentmap.neighbors import nearest_neighbors

MAX_POINTS = 2_000  # of a cloud; more of them are less stable, so that the comparison stays on the safe side
MAX_DIMENSION = 20  # clouds of more dimensions have next to no stability
MAX_THREAD_DIMENSION = (
    2  # of data that may lie on threads, whose pieces are found again more often than those of a plane
)
THREAD_LENGTH = 30.0  # of a thread that is 1 wide
N_CLOUDS = 2  # of each kind, since the stability of a single one is a matter of chance
N_RESAMPLES = 4
MAX_STABILITY = 0.9  # of a cloud, so that perfect stability always counts


def intrinsic_dimension(distances: NDArray[np.floating]) -> int:
    """Estimate the dimension of the surface that points lie on, from 1 to 20.

    Parameters
    ----------
    distances : array (n, k), float
        Distances of each point to its k nearest others, nearest first.

    Returns
    -------
    int
        The inverse mean logarithm of the ratios of the last distance to the others. Points with copies do not count.
    """
    lengths = distances[distances[:, 0] > 0].astype(np.float64)
    if lengths.shape[1] < 2 or not len(lengths):
        return 1
    logarithm = float(np.log(lengths[:, -1:] / lengths[:, :-1]).mean())
    return MAX_DIMENSION if logarithm * MAX_DIMENSION <= 1 else max(1, round(1 / logarithm))


def null_stabilities(
    counts: NDArray[np.int64], n: int, n_neighbors: int, dimension: int, n_jobs: int | None = None
) -> NDArray[np.float64]:
    """Stability that numbers of groups have in clouds without structure.

    Parameters
    ----------
    counts : array (m,), int64
        Numbers of groups.
    n : int
        Number of points; clouds of at most 2,000 stand for more.
    n_neighbors : int
        Number of neighbours of each point in the graph.
    dimension : int
        Dimension of the clouds.
    n_jobs : int, optional
        Number of threads; all CPUs by default. Results do not depend on it.

    Returns
    -------
    array (m,), float64
        From 0 to 0.9: that of the most stable cloud, interpolated in the logarithm of the number, and never lower for
        more groups.
    """
    kinds = ["normal", "uniform", *(["thread"] if dimension <= MAX_THREAD_DIMENSION else [])]
    clouds = [
        _cloud_stabilities(min(n, MAX_POINTS), n_neighbors, dimension, kind, seed, n_jobs)
        for kind in kinds
        for seed in range(N_CLOUDS)
    ]
    most: NDArray[np.float64] = np.max([_interpolate(cloud, counts) for cloud in clouds], axis=0)
    return np.clip(most, 0, MAX_STABILITY)


def _interpolate(cloud: Stabilities, counts: NDArray[np.int64]) -> NDArray[np.float64]:
    is_cut = splits_further(cloud.counts) & (cloud.counts > 1)
    if not is_cut.any():
        return np.zeros(len(counts))
    order = np.argsort(cloud.counts[is_cut], kind="stable")
    known = np.maximum.accumulate(cloud.means[is_cut][order])
    found: NDArray[np.float64] = np.interp(np.log(counts), np.log(cloud.counts[is_cut][order]), known)
    return found


@cache
def _cloud_stabilities(
    n: int, n_neighbors: int, dimension: int, kind: str, seed: int, n_jobs: int | None
) -> Stabilities:
    random = np.random.RandomState(seed)
    X = _draw_cloud(kind, n, dimension, random)
    neighbors = nearest_neighbors(X, neighbors_to_search(n_neighbors, n), n_jobs=n_jobs)
    min_size = default_min_size(n, n_neighbors)
    graph = connect_components(affinity_graph(neighbors, n_neighbors), X, min_size, n_jobs)
    whole = BlockTree.build(graph, min_size, random)
    return find_stabilities(whole, neighbors, n_neighbors, X, N_RESAMPLES, random, n_jobs)[0]


def _draw_cloud(kind: str, n: int, dimension: int, random: np.random.RandomState) -> NDArray[np.float32]:
    if kind == "thread":
        points = random.uniform(size=(n, 2)) * [THREAD_LENGTH, 1.0]
    else:
        points = getattr(random, kind)(size=(n, dimension))
    return points.astype(np.float32)
