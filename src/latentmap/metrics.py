"""How good groups and maps are. What scikit-learn has is taken from there."""

from collections.abc import Callable, Sized
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
from latentmap.core.frame import Frame
from latentmap.core.missing import as_classes, as_list, missing_mask

# Distances held at once by the sampled figures: queries × points.
BLOCK_DISTANCES = 2**23
# Squared distances of at most this many rounding errors of the squared length are those of copies.
ROUNDING = 4


def clustering_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Share of samples in the right group, when each group is matched with one label as well as can be.

    Parameters
    ----------
    y_true, y_pred : array (n,)
        Labels and groups: numbers or words, not necessarily equally many of them. Samples whose label is missing
        (None, NaN, ``pandas.NA``, masked or an empty text) are left out; -1 is a label or group like any other.

    Returns
    -------
    float in [0, 1]

    Raises
    ------
    InputError
        If no sample has a label, or lengths differ.

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
    counts = _counts(y_true, y_pred)
    return float(counts.max(axis=0).sum() / counts.sum())


def normalized_mutual_info(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Mutual information of labels and groups over the mean of their entropies: 0 unrelated, 1 the same.

    Parameters
    ----------
    y_true, y_pred : array (n,)
        Labels and groups, as in :func:`clustering_accuracy`.

    Raises
    ------
    InputError
        If no sample has a label, or lengths differ.
    """
    return float(normalized_mutual_info_score(*_codes(y_true, y_pred)))


def adjusted_rand(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Share of pairs on which labels and groups agree, adjusted for chance: 0 by chance, 1 the same.

    Parameters
    ----------
    y_true, y_pred : array (n,)
        Labels and groups, as in :func:`clustering_accuracy`.

    Raises
    ------
    InputError
        If no sample has a label, or lengths differ.
    """
    return float(adjusted_rand_score(*_codes(y_true, y_pred)))


def clustering_report(y_true: ArrayLike, y_pred: ArrayLike) -> dict[str, float]:
    """``accuracy``, ``nmi``, ``ari`` and ``purity`` of groups against labels, of the samples that have a label.

    Parameters and errors are those of :func:`clustering_accuracy`.

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

    Raises
    ------
    InputError
        If X and labels differ in length.

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
    return float(silhouette_samples(_in_safe_range(X[chosen]), labels[chosen]).mean())


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

    Raises
    ------
    InputError
        If X and labels differ in length.

    References
    ----------
    Moulavi et al. (2014), Density-based clustering validation. The ends of the minimum spanning trees count as inner.
    """
    X, labels = np.asarray(X), np.asarray(labels)
    _same_length("X", X, "labels", labels)
    chosen = _sample(len(X), sample_size, random_state)
    X, labels = _in_safe_range(X[chosen].astype(np.float64)), labels[chosen]
    names = [name for name, size in zip(*np.unique(labels, return_counts=True), strict=True) if name != -1 and size > 2]
    if len(names) < 2:
        return float("nan")
    distances = cdist(X, X)  # from differences: copies are exactly 0 apart
    cores, sparseness = np.zeros(len(X)), []
    members = [np.flatnonzero(labels == name) for name in names]
    for rows in members:
        own = distances[np.ix_(rows, rows)]
        logs = np.log(np.maximum(own, np.finfo(float).tiny)) * -X.shape[1]
        logs[np.arange(len(rows)), np.arange(len(rows))] = -np.inf
        cores[rows] = np.exp(-(logsumexp(logs, axis=1) - np.log(len(rows) - 1)) / X.shape[1])
        reach = np.maximum(own, np.maximum.outer(cores[rows], cores[rows]))
        # the longest edge of the minimum spanning tree, which may be 0 in a group of copies
        np.fill_diagonal(reach, 0)
        sparseness.append(float(linkage(squareform(reach, checks=False), "single")[-1, 2]))
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

    Raises
    ------
    InputError
        If X and the embedding differ in length, or n_neighbors is not from 1 to less than n / 2.

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

    Parameters
    ----------
    X, embedding, n_neighbors, sample_size, random_state
        See :func:`trustworthiness`.

    Returns
    -------
    float in [0, 1]

    Raises
    ------
    InputError
        If X and the embedding differ in length, or n_neighbors is not from 1 to less than n / 2.
    """
    X, embedding, chosen = _check_map(X, embedding, n_neighbors, sample_size, random_state)
    kept = 0
    spaces = _distances(X), _distances(embedding)
    for queries in _blocks(chosen, len(X)):
        high, low = (distances(queries) for distances in spaces)
        farthest = np.partition(high, n_neighbors - 1, axis=1)[:, n_neighbors - 1 : n_neighbors]
        near = np.argpartition(low, n_neighbors, axis=1)[:, :n_neighbors]
        # by distance, not by number: of points that are equally far, copies say, each is as good as the other
        kept += int((np.take_along_axis(high, near, axis=1) <= farthest).sum())
    return kept / (len(chosen) * n_neighbors)


def _counts(y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[np.int64]:
    """How many samples have each pair of label and group: (n_labels, n_groups)."""
    counts: NDArray[np.int64] = contingency_matrix(*_codes(y_true, y_pred))
    return counts


def _codes(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Labels and groups as whole numbers, of the samples of which neither is missing."""
    shapes = np.shape(y_true), np.shape(y_pred)
    if len(shapes[0]) != 1 or len(shapes[1]) != 1 or not shapes[0][0]:
        raise InputError(f"labels of shapes {shapes[0]} and {shapes[1]}: pass two arrays (n,) with n at least 1")
    labels, groups = as_list(y_true), as_list(y_pred)
    _same_length("y_true", labels, "y_pred", groups)
    known = np.flatnonzero(~missing_mask(y_true) & ~missing_mask(y_pred))
    if not len(known):
        raise InputError("no sample has a label: pass at least one that is neither empty nor missing")
    return as_classes([labels[i] for i in known])[1], as_classes([groups[i] for i in known])[1]


def _same_length(name: str, values: Sized, other_name: str, other: Sized) -> None:
    if len(values) != len(other):
        raise InputError(f"{len(values)} in {name}, but {len(other)} in {other_name}: pass one for each sample")


def _check_map(
    X: ArrayLike, embedding: ArrayLike, n_neighbors: int, sample_size: int, random_state: Any
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.intp]]:
    X, embedding = np.asarray(X), np.asarray(embedding)
    _same_length("X", X, "embedding", embedding)
    if not 1 <= n_neighbors < len(X) / 2:
        raise InputError(f"n_neighbors={n_neighbors} with {len(X)} points: ask for at least 1 and less than half")
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
    points = _in_safe_range(np.require(X, np.float64 if X.dtype == np.float64 else np.float32, "C"))
    norms = np.einsum("ij,ij->i", points, points)
    rounding = ROUNDING * np.finfo(points.dtype).eps

    def distances(queries: NDArray[np.intp]) -> NDArray[Any]:
        squares = points[queries] @ points.T
        squares *= -2
        squares += norms
        squares += norms[queries][:, None]
        # what products leave of the distance between copies is rounding, which must not rank them
        squares[squares <= rounding * norms[queries][:, None]] = 0
        squares[np.arange(len(queries)), queries] = np.inf
        return np.asarray(squares)

    return distances


def _in_safe_range(X: NDArray[Any]) -> NDArray[Any]:
    """Points about their mean, as floats, scaled so that no square overflows; ratios of distances stay."""
    points = X if X.dtype.kind == "f" else X.astype(np.float64)
    return Frame.around(points).into(points)
