"""Metrics of clusterings and maps. Those that scikit-learn provides are computed by scikit-learn."""

from collections.abc import Sized
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.cluster.hierarchy import linkage
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist, squareform
from scipy.special import logsumexp
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, silhouette_samples
from sklearn.metrics.cluster import contingency_matrix
from sklearn.utils import check_random_state

from latentmap.core.errors import InputError
from latentmap.core.missing import as_classes, as_list, missing_mask
from latentmap.core.scaling import PowerOfTwoScaler
from latentmap.neighbors.ranks import map_neighbor_ranks


def clustering_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Compute the fraction of samples in the right group, under the best one-to-one matching of groups and labels.

    Parameters
    ----------
    y_true, y_pred : array-like (n,), numbers or strings
        Labels and groups; their numbers may differ. Samples whose label or group is missing (None, NaN, ``pandas.NA``,
        masked, or an empty string) are left out. -1 is a label or group like any other.

    Returns
    -------
    float
        Accuracy in [0, 1].

    Raises
    ------
    InputError
        If no sample has a label and a group, or the lengths differ.

    References
    ----------
    Kuhn (1955), The Hungarian method for the assignment problem.

    Examples
    --------
    >>> clustering_accuracy([0, 0, 1, 1, 2], ["b", "b", "a", "a", "a"])
    0.8
    """
    counts = _contingency(y_true, y_pred)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    return float(counts[rows, columns].sum() / counts.sum())


def purity(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Compute the fraction of samples that have the most frequent label of their group.

    The purity increases with the number of groups, and is 1 for groups of single samples.

    Parameters
    ----------
    y_true, y_pred : array-like (n,), numbers or strings
        Labels and groups; see :func:`clustering_accuracy`.

    Returns
    -------
    float
        Purity in [0, 1].

    Raises
    ------
    InputError
        If no sample has a label and a group, or the lengths differ.

    Parameters
    ----------
    y_true, y_pred : array (n,)
        Labels and groups, as in :func:`clustering_accuracy`.

    Raises
    ------
    InputError
        If no sample has a label, or lengths differ.

    Examples
    --------
    >>> purity([0, 0, 1, 1, 2], [0, 0, 1, 1, 1])
    0.8
    """
    counts = _contingency(y_true, y_pred)
    return float(counts.max(axis=0).sum() / counts.sum())


def normalized_mutual_info(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Compute the mutual information of labels and groups, divided by the mean of their entropies.

    Parameters
    ----------
    y_true, y_pred : array-like (n,), numbers or strings
        Labels and groups; see :func:`clustering_accuracy`.

    Returns
    -------
    float
        In [0, 1]: 0 for independent, 1 for equal partitions.

    Raises
    ------
    InputError
        If no sample has a label and a group, or the lengths differ.
    """
    return float(normalized_mutual_info_score(*_encode_known(y_true, y_pred)))


def adjusted_rand(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Compute the adjusted Rand index: the fraction of pairs on which labels and groups agree, adjusted for chance.

    Parameters
    ----------
    y_true, y_pred : array-like (n,), numbers or strings
        Labels and groups; see :func:`clustering_accuracy`.

    Returns
    -------
    float
        At most 1, for equal partitions; the expected value is 0 for random ones.

    Raises
    ------
    InputError
        If no sample has a label and a group, or the lengths differ.

    References
    ----------
    Hubert and Arabie (1985), Comparing partitions.
    """
    return float(adjusted_rand_score(*_encode_known(y_true, y_pred)))


def clustering_report(y_true: ArrayLike, y_pred: ArrayLike) -> dict[str, float]:
    """Compute accuracy, normalized mutual information, adjusted Rand index and purity.

    Parameters
    ----------
    y_true, y_pred : array-like (n,), numbers or strings
        Labels and groups; see :func:`clustering_accuracy`.

    Returns
    -------
    dict
        ``accuracy``, ``nmi``, ``ari`` and ``purity``, over the samples that have a label and a group.

    Raises
    ------
    InputError
        If no sample has a label and a group, or the lengths differ.

    Parameters
    ----------
    y_true, y_pred : array (n,)
        Labels and groups, as in :func:`clustering_accuracy`.

    Raises
    ------
    InputError
        If no sample has a label, or lengths differ.

    Examples
    --------
    >>> clustering_report(["a", "", "b", None], [0, 0, 1, 1])["accuracy"]
    1.0
    """
    return {
        "accuracy": clustering_accuracy(y_true, y_pred),
        "nmi": normalized_mutual_info(y_true, y_pred),
        "ari": adjusted_rand(y_true, y_pred),
        "purity": purity(y_true, y_pred),
    }


def silhouette(X: ArrayLike, labels: ArrayLike, *, sample_size: int = 2000, random_state: Any = 0) -> float:
    """Compute the mean silhouette coefficient of a random sample.

    Parameters
    ----------
    X : array (n, d)
        Points.
    labels : array (n,)
        Group of each point.
    sample_size : int, default=2000
        Number of points in the sample. Time and memory grow with its square.
    random_state : int, RandomState or None, default=0
        Seed or generator for the sample.

    Returns
    -------
    float
        In [-1, 1]: near 1 for compact groups far apart, near 0 for overlapping ones. NaN if the sample has a single
        group, or as many groups as points.

    Raises
    ------
    InputError
        If the lengths differ.

    Raises
    ------
    InputError
        If X and labels differ in length.

    References
    ----------
    Rousseeuw (1987), Silhouettes: a graphical aid to the interpretation and validation of cluster analysis.
    """
    X, labels = np.asarray(X), np.asarray(labels)
    _check_same_length("X", X, "labels", labels)
    chosen = _sample_rows(len(X), sample_size, random_state)
    n_groups = len(np.unique(labels[chosen]))
    if not 2 <= n_groups < len(chosen):
        return float("nan")
    return float(silhouette_samples(_rescale(X[chosen]), labels[chosen]).mean())


def density_validity(X: ArrayLike, labels: ArrayLike, *, sample_size: int = 2000, random_state: Any = 0) -> float:
    """Compute the density-based clustering validation index (DBCV) of a random sample.

    Parameters
    ----------
    X : array (n, d)
        Points.
    labels : array (n,)
        Group of each point; -1 for points without a group, which lower the index.
    sample_size : int, default=2000
        Number of points in the sample. Time and memory grow with its square.
    random_state : int, RandomState or None, default=0
        Seed or generator for the sample.

    Returns
    -------
    float
        In [-1, 1]; greater if the groups are denser inside than between them. NaN if the sample has fewer than two
        groups of at least three points.

    Raises
    ------
    InputError
        If the lengths differ.

    Raises
    ------
    InputError
        If X and labels differ in length.

    References
    ----------
    Moulavi et al. (2014), Density-based clustering validation. Unlike there, leaves of the minimum spanning trees
    count as inner nodes.
    """
    X, labels = np.asarray(X), np.asarray(labels)
    _check_same_length("X", X, "labels", labels)
    chosen = _sample_rows(len(X), sample_size, random_state)
    X, labels = _rescale(X[chosen].astype(np.float64)), labels[chosen]
    group_labels = [
        name for name, size in zip(*np.unique(labels, return_counts=True), strict=True) if name != -1 and size > 2
    ]
    if len(group_labels) < 2:
        return float("nan")
    distances = cdist(X, X)  # from differences, so that copies have distance 0
    core_distances, sparseness = np.zeros(len(X)), []
    members = [np.flatnonzero(labels == name) for name in group_labels]
    for rows in members:
        within = distances[np.ix_(rows, rows)]
        logs = np.log(np.maximum(within, np.finfo(float).tiny)) * -X.shape[1]
        logs[np.arange(len(rows)), np.arange(len(rows))] = -np.inf
        core_distances[rows] = np.exp(-(logsumexp(logs, axis=1) - np.log(len(rows) - 1)) / X.shape[1])
        reachability = np.maximum(within, np.maximum.outer(core_distances[rows], core_distances[rows]))
        # the longest edge of the minimum spanning tree; 0 in a group of copies
        np.fill_diagonal(reachability, 0)
        sparseness.append(float(linkage(squareform(reachability, checks=False), "single")[-1, 2]))
    validity = 0.0
    for i, rows in enumerate(members):
        nearest = min(
            float(
                np.maximum(
                    distances[np.ix_(rows, others)], np.maximum.outer(core_distances[rows], core_distances[others])
                ).min()
            )
            for j, others in enumerate(members)
            if j != i
        )
        larger = max(nearest, sparseness[i])
        validity += len(rows) / len(X) * ((nearest - sparseness[i]) / larger if larger > 0 else 0.0)
    return validity


def trustworthiness(
    X: ArrayLike, embedding: ArrayLike, *, n_neighbors: int = 15, sample_size: int = 2000, random_state: Any = 0
) -> float:
    """Compute the trustworthiness of a map: to what extent neighbours on the map are neighbours in the data.

    A point that is among the ``n_neighbors`` nearest on the map but not in X is penalized by its rank in X beyond
    ``n_neighbors``. If the sample holds all points, the result equals :func:`sklearn.manifold.trustworthiness`.

    Parameters
    ----------
    X : array (n, d)
        Points.
    embedding : array (n, e)
        Their positions on the map.
    n_neighbors : int, default=15
        Number of neighbours, less than n / 2.
    sample_size : int, default=2000
        Number of points, drawn at random, whose neighbours are compared. All points can be their neighbours.
    random_state : int, RandomState or None, default=0
        Seed or generator for the sample.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    InputError
        If the lengths differ, or ``n_neighbors`` is out of range.

    Raises
    ------
    InputError
        If X and the embedding differ in length, or n_neighbors is not from 1 to less than n / 2.

    References
    ----------
    Venna and Kaski (2001), Neighborhood preservation in nonlinear projection methods.
    """
    options = {"n_neighbors": n_neighbors, "sample_size": sample_size, "random_state": random_state}
    return map_report(X, embedding, **options)["trustworthiness"]


def neighborhood_preservation(
    X: ArrayLike, embedding: ArrayLike, *, n_neighbors: int = 15, sample_size: int = 2000, random_state: Any = 0
) -> float:
    """Compute the mean fraction of the ``n_neighbors`` nearest points in X that are among the nearest on the map.

    Parameters
    ----------
    X : array (n, d)
        Points.
    embedding : array (n, e)
        Their positions on the map.
    n_neighbors : int, default=15
        Number of neighbours, less than n / 2.
    sample_size : int, default=2000
        Number of points, drawn at random, whose neighbours are compared. All points can be their neighbours.
    random_state : int, RandomState or None, default=0
        Seed or generator for the sample.

    Parameters
    ----------
    X, embedding, n_neighbors, sample_size, random_state
        See :func:`trustworthiness`.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    InputError
        If the lengths differ, or ``n_neighbors`` is out of range.
    """
    options = {"n_neighbors": n_neighbors, "sample_size": sample_size, "random_state": random_state}
    return map_report(X, embedding, **options)["neighborhood_preservation"]


def map_report(
    X: ArrayLike, embedding: ArrayLike, *, n_neighbors: int = 15, sample_size: int = 2000, random_state: Any = 0
) -> dict[str, float]:
    """Compute trustworthiness and neighbourhood preservation, with one pass over the distances.

    Parameters
    ----------
    X, embedding, n_neighbors, sample_size, random_state
        See :func:`trustworthiness`.

    Returns
    -------
    dict
        ``trustworthiness`` and ``neighborhood_preservation``.

    Raises
    ------
    InputError
        If the lengths differ, or ``n_neighbors`` is out of range.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(100, 2))
    >>> map_report(X, 3 * X)
    {'trustworthiness': 1.0, 'neighborhood_preservation': 1.0}
    """
    X, embedding = np.asarray(X), np.asarray(embedding)
    n, k = len(X), n_neighbors
    _check_same_length("X", X, "embedding", embedding)
    if not 1 <= k < n / 2:
        raise InputError(f"n_neighbors={k} with {n} points: ask for at least 1 and less than half")
    ranks = map_neighbor_ranks(X, embedding, _sample_rows(n, sample_size, random_state), k)
    penalty = float(np.maximum(ranks + 1 - k, 0).sum())
    return {
        "trustworthiness": 1.0 - penalty * 2.0 / float(ranks.size * (2.0 * n - 3.0 * k - 1.0)),
        "neighborhood_preservation": float((ranks < k).mean()),
    }


def _contingency(y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[np.int64]:
    """Number of samples with each label and group: (n_labels, n_groups)."""
    counts: NDArray[np.int64] = contingency_matrix(*_encode_known(y_true, y_pred))
    return counts


def _encode_known(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Labels and groups as integer codes, for the samples where neither is missing."""
    shapes = np.shape(y_true), np.shape(y_pred)
    if len(shapes[0]) != 1 or len(shapes[1]) != 1 or not shapes[0][0]:
        raise InputError(f"labels of shapes {shapes[0]} and {shapes[1]}: pass two arrays (n,) with n at least 1")
    labels, groups = as_list(y_true), as_list(y_pred)
    _check_same_length("y_true", labels, "y_pred", groups)
    known = np.flatnonzero(~missing_mask(y_true) & ~missing_mask(y_pred))
    if not len(known):
        raise InputError("no sample has a label: pass at least one that is neither empty nor missing")
    return as_classes([labels[i] for i in known])[1], as_classes([groups[i] for i in known])[1]


def _check_same_length(name: str, values: Sized, other_name: str, other: Sized) -> None:
    if len(values) != len(other):
        raise InputError(f"{len(values)} in {name}, but {len(other)} in {other_name}: pass one for each sample")


def _sample_rows(n: int, sample_size: int, random_state: Any) -> NDArray[np.intp]:
    if sample_size >= n:
        return np.arange(n)
    chosen: NDArray[np.intp] = check_random_state(random_state).choice(n, sample_size, replace=False)
    return np.sort(chosen)


def _rescale(X: NDArray[Any]) -> NDArray[Any]:
    """Centre and scale points so that squares do not overflow; ratios of distances do not change."""
    points = X if X.dtype.kind == "f" else X.astype(np.float64)
    return PowerOfTwoScaler.fit(points).transform(points)
