"""How good groups and maps are. What scikit-learn has is taken from there."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.special import logsumexp
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, pairwise_distances, silhouette_samples
from sklearn.metrics.cluster import contingency_matrix
from sklearn.utils import check_random_state

# Distances held at once by the sampled figures: queries × points.
BLOCK_DISTANCES = 2**23


def clustering_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Share of samples in the right group, when each group is matched with one label as well as can be.

    Parameters
    ----------
    y_true, y_pred : array (n,)
        Labels and groups; integers or strings, and not equally many of them.

    Returns
    -------
    float in [0, 1]

    References
    ----------
    Kuhn (1955), The Hungarian method for the assignment problem.

    Examples
    --------
    >>> clustering_accuracy([0, 0, 1, 1, 2], ["b", "b", "a", "a", "a"])
    0.8
    """
    counts = _counts(y_true, y_pred)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    return float(counts[rows, columns].sum() / counts.sum())


def purity(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Share of samples that have the commonest label of their group. Many small groups raise it.

    Examples
    --------
    >>> purity([0, 0, 1, 1, 2], [0, 0, 1, 1, 1])
    0.8
    """
    counts = _counts(y_true, y_pred)
    return float(counts.max(axis=0).sum() / counts.sum())


def normalized_mutual_info(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Mutual information of labels and groups over the mean of their entropies: 0 unrelated, 1 the same."""
    _counts(y_true, y_pred)
    return float(normalized_mutual_info_score(y_true, y_pred))


def adjusted_rand(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Share of pairs on which labels and groups agree, adjusted for chance: 0 by chance, 1 the same."""
    _counts(y_true, y_pred)
    return float(adjusted_rand_score(y_true, y_pred))


def clustering_report(y_true: ArrayLike, y_pred: ArrayLike) -> dict[str, float]:
    """``accuracy``, ``nmi``, ``ari`` and ``purity`` of groups against labels."""
    return {
        "accuracy": clustering_accuracy(y_true, y_pred),
        "nmi": normalized_mutual_info(y_true, y_pred),
        "ari": adjusted_rand(y_true, y_pred),
        "purity": purity(y_true, y_pred),
    }


def silhouette(X: ArrayLike, labels: ArrayLike, *, sample_size: int = 2000, random_state: Any = 0) -> float:
    """Mean silhouette coefficient over a random sample: near 1 for tight groups far apart, 0 where they touch.

    Parameters
    ----------
    X : array (n, d)
    labels : array (n,)
    sample_size : int, default=2000
        Distances are taken within the sample, so this many squared.
    random_state : int, RandomState or None

    Returns
    -------
    float in [-1, 1]
        NaN when the sample has only one group, or as many groups as samples, for which nothing is defined.

    References
    ----------
    Rousseeuw (1987), Silhouettes: a graphical aid to the interpretation and validation of cluster analysis.
    """
    X, labels = np.asarray(X), np.asarray(labels)
    _same_length("X", X, "labels", labels)
    chosen = _sample(len(X), sample_size, random_state)
    n_groups = len(np.unique(labels[chosen]))
    if not 2 <= n_groups < len(chosen):
        return float("nan")
    return float(silhouette_samples(X[chosen], labels[chosen]).mean())


def density_validity(X: ArrayLike, labels: ArrayLike, *, sample_size: int = 2000, random_state: Any = 0) -> float:
    """Density-based validity (DBCV) over a random sample: 1 when groups are denser inside than between them.

    Parameters
    ----------
    X : array (n, d)
    labels : array (n,)
        -1 for points in no group; they count against it.
    sample_size : int, default=2000
    random_state : int, RandomState or None

    Returns
    -------
    float in [-1, 1]
        NaN when the sample has fewer than two groups of at least three points.

    References
    ----------
    Moulavi et al. (2014), Density-based clustering validation. The ends of the minimum spanning trees count as inner.
    """
    X, labels = np.asarray(X), np.asarray(labels)
    _same_length("X", X, "labels", labels)
    chosen = _sample(len(X), sample_size, random_state)
    X, labels = X[chosen].astype(np.float64), labels[chosen]
    names = [name for name, size in zip(*np.unique(labels, return_counts=True), strict=True) if name != -1 and size > 2]
    if len(names) < 2:
        return float("nan")
    distances = pairwise_distances(X)
    cores, sparseness = np.zeros(len(X)), []
    members = [np.flatnonzero(labels == name) for name in names]
    for rows in members:
        own = distances[np.ix_(rows, rows)]
        logs = np.log(np.maximum(own, np.finfo(float).tiny)) * -X.shape[1]
        logs[np.arange(len(rows)), np.arange(len(rows))] = -np.inf
        cores[rows] = np.exp(-(logsumexp(logs, axis=1) - np.log(len(rows) - 1)) / X.shape[1])
        reach = np.maximum(own, np.maximum.outer(cores[rows], cores[rows]))
        sparseness.append(float(minimum_spanning_tree(reach + np.finfo(float).tiny).data.max()))
    validity = 0.0
    for i, rows in enumerate(members):
        nearest = min(
            float(np.maximum(distances[np.ix_(rows, others)], np.maximum.outer(cores[rows], cores[others])).min())
            for j, others in enumerate(members)
            if j != i
        )
        larger = max(nearest, sparseness[i])
        validity += len(rows) / len(X) * ((nearest - sparseness[i]) / larger if larger > 0 else 0.0)
    return validity


def trustworthiness(
    X: ArrayLike, embedding: ArrayLike, *, n_neighbors: int = 15, sample_size: int = 2000, random_state: Any = 0
) -> float:
    """How far neighbours on the map are neighbours in truth; equals scikit-learn's where all points are asked.

    A point that is among the ``n_neighbors`` nearest on the map but not in ``X`` costs as many ranks as it is away.

    Parameters
    ----------
    X : array (n, d)
    embedding : array (n, e)
    n_neighbors : int, default=15
        Less than n / 2.
    sample_size : int, default=2000
        Points that are asked, at random; all points can be their neighbours.
    random_state : int, RandomState or None

    Returns
    -------
    float in [0, 1]

    References
    ----------
    Venna and Kaski (2001), Neighborhood preservation in nonlinear projection methods.
    """
    X, embedding, chosen = _check_map(X, embedding, n_neighbors, sample_size, random_state)
    n, k = len(X), n_neighbors
    penalty = 0.0
    in_truth, on_map = _distances(X), _distances(embedding)
    for queries in _blocks(chosen, n):
        high = in_truth(queries)
        near = np.argpartition(on_map(queries), k, axis=1)[:, :k]
        # rank of each: how many are nearer; counting is several times faster than sorting
        to_near = np.take_along_axis(high, near, axis=1)
        ranks = np.stack([(high < to_near[:, j : j + 1]).sum(1) for j in range(k)], axis=1)
        excess = ranks + 1 - k
        penalty += float(excess[excess > 0].sum())
    return 1.0 - penalty * 2.0 / (len(chosen) * k * (2.0 * n - 3.0 * k - 1.0))


def neighborhood_preservation(
    X: ArrayLike, embedding: ArrayLike, *, n_neighbors: int = 15, sample_size: int = 2000, random_state: Any = 0
) -> float:
    """Mean share of a point's ``n_neighbors`` nearest in ``X`` that are among as many nearest on the map.

    Parameters are those of :func:`trustworthiness`.

    Returns
    -------
    float in [0, 1]
    """
    X, embedding, chosen = _check_map(X, embedding, n_neighbors, sample_size, random_state)
    kept = 0
    spaces = _distances(X), _distances(embedding)
    for queries in _blocks(chosen, len(X)):
        high, low = (np.argpartition(distances(queries), n_neighbors, axis=1)[:, :n_neighbors] for distances in spaces)
        kept += sum(len(np.intersect1d(a, b, assume_unique=True)) for a, b in zip(high, low, strict=True))
    return kept / (len(chosen) * n_neighbors)


def _counts(y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[np.int64]:
    """How many samples have each pair of label and group: (n_labels, n_groups)."""
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    if y_true.ndim != 1 or y_pred.ndim != 1 or not len(y_true):
        raise ValueError(f"labels of shapes {y_true.shape} and {y_pred.shape}: pass two arrays (n,) with n at least 1")
    _same_length("y_true", y_true, "y_pred", y_pred)
    counts: NDArray[np.int64] = contingency_matrix(y_true, y_pred)
    return counts


def _same_length(name: str, values: NDArray[Any], other_name: str, other: NDArray[Any]) -> None:
    if len(values) != len(other):
        raise ValueError(f"{len(values)} in {name}, but {len(other)} in {other_name}: pass one for each sample")


def _check_map(
    X: ArrayLike, embedding: ArrayLike, n_neighbors: int, sample_size: int, random_state: Any
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.intp]]:
    X, embedding = np.asarray(X), np.asarray(embedding)
    _same_length("X", X, "embedding", embedding)
    if not 1 <= n_neighbors < len(X) / 2:
        raise ValueError(f"n_neighbors={n_neighbors} with {len(X)} points: ask for at least 1 and less than half")
    return X, embedding, _sample(len(X), sample_size, random_state)


def _sample(n: int, sample_size: int, random_state: Any) -> NDArray[np.intp]:
    if sample_size >= n:
        return np.arange(n)
    chosen: NDArray[np.intp] = check_random_state(random_state).choice(n, sample_size, replace=False)
    return np.sort(chosen)


def _blocks(chosen: NDArray[np.intp], n: int) -> list[NDArray[np.intp]]:
    per_block = max(1, BLOCK_DISTANCES // n)
    return [chosen[begin : begin + per_block] for begin in range(0, len(chosen), per_block)]


def _distances(X: NDArray[Any]) -> Callable[[NDArray[np.intp]], NDArray[Any]]:
    """From queries, rows of X, to their squared distances to all points: (len(queries), n), infinite to themselves."""
    points = np.require(X, np.float64 if X.dtype == np.float64 else np.float32, "C")
    points = points - points.mean(axis=0, dtype=np.float64).astype(points.dtype)  # products lose fewer digits
    norms = np.einsum("ij,ij->i", points, points)

    def distances(queries: NDArray[np.intp]) -> NDArray[Any]:
        squares = points[queries] @ points.T
        squares *= -2
        squares += norms
        squares += norms[queries][:, None]
        squares[np.arange(len(queries)), queries] = np.inf
        return np.asarray(squares)

    return distances
