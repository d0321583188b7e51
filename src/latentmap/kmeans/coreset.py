"""A weighted sample of the data on which large data sets get their initial centres."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.parallel import Workers
from latentmap.kmeans.lloyd import lloyd
from latentmap.kmeans.seeding import kmeans_plus_plus

# Points of a coreset: this fraction of the data, at least so many for each cluster, and at least so many.
CORESET_FRACTION = 1 / 8
MIN_POINTS_PER_CLUSTER, MIN_POINTS = 20, 2000
MAX_CORESET_FRACTION = 1 / 3  # above it, a coreset saves too little


def coreset_size(n_samples: int, n_clusters: int) -> int | None:
    """Number of points of a coreset; None if the data are so few that their initial centres come from all of them.

    Parameters
    ----------
    n_samples, n_clusters : int

    Returns
    -------
    int or None

    Examples
    --------
    >>> coreset_size(60_000, 10), coreset_size(60_000, 1_000), coreset_size(5_000, 10)
    (7500, 20000, None)
    """
    size = max(int(CORESET_FRACTION * n_samples), MIN_POINTS_PER_CLUSTER * n_clusters, MIN_POINTS)
    return size if size <= MAX_CORESET_FRACTION * n_samples else None


def draw_coreset(
    X: NDArray[Any], weights: NDArray[Any], size: int, random: np.random.RandomState
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Draw a lightweight coreset: points whose weighted cost is close to that of all points, for any centres.

    Half of the probability is uniform and half is proportional to the squared distance to the mean, so that few points
    far from all others are not missed. The draw is systematic: a point that is drawn several times is taken once, with
    the sum of the weights.

    Parameters
    ----------
    X : array (n, d), float32 or float64
        Should have mean zero.
    weights : array (n,), of the type of X
    size : int
        Number of draws.
    random : RandomState

    Returns
    -------
    points : array (m, d), of the type of X
    weights : array (m,), of the type of X

    References
    ----------
    Bachem, Lucic and Krause (2018), Scalable k-means clustering via lightweight coresets.
    """
    masses = weights.astype(np.float64)
    costs = masses * np.einsum("ij,ij->i", X, X)
    probabilities = masses / masses.sum()
    if (total := costs.sum()) > 0:
        probabilities = (probabilities + costs / total) / 2
    edges = np.cumsum(probabilities)
    drawn = np.searchsorted(edges, (np.arange(size) + random.uniform()) / size * edges[-1], side="right")
    rows, counts = np.unique(np.minimum(drawn, len(X) - 1), return_counts=True)
    return X[rows], (masses[rows] * counts / (size * probabilities[rows])).astype(X.dtype)


def centers_from_coreset(
    X: NDArray[Any],
    weights: NDArray[Any],
    n_starts: int,
    n_clusters: int,
    size: int,
    random: np.random.RandomState,
    *,
    max_iter: int,
    tol: float,
    workers: Workers,
) -> NDArray[Any]:
    """Compute initial centres by K-means on a coreset: greedy k-means++, then Lloyd's algorithm.

    Parameters
    ----------
    X : array (n, d), float32 or float64, C order
        Should have mean zero.
    weights : array (n,), of the type of X
    n_starts, n_clusters : int
    size : int
        See :func:`coreset_size`.
    random : RandomState
    max_iter, tol
        See :func:`latentmap.kmeans.lloyd.lloyd`.
    workers : Workers

    Returns
    -------
    array (n_starts, n_clusters, d), of the type of X

    References
    ----------
    Bradley and Fayyad (1998), Refining initial points for k-means clustering.
    """
    points, masses = draw_coreset(X, weights, size, random)
    starts = kmeans_plus_plus(points, masses, n_starts, n_clusters, random, workers)
    results = lloyd(points, masses, starts, max_iter=max_iter, tol=tol, workers=workers)
    return np.stack([one.centers for one in results])
