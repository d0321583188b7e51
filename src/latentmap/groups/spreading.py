"""Propagation over the neighbour graph: soft memberships in groups, and semi-supervised label spreading."""

from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from latentmap.core.errors import InputError
from latentmap.core.missing import as_classes, as_list, is_missing
from latentmap.groups.graph import affinity_graph, default_neighbors, mean_over_neighbors
from latentmap.neighbors import NeighborGraph, NeighborSearch, nearest_neighbors

N_WALK_STEPS = 20
RESTART_PROBABILITY = 0.2


def memberships(graph: Any, labels: NDArray[np.int32]) -> NDArray[np.float32]:
    """Compute the membership of each point in each group by a random walk with restart on the graph.

    Parameters
    ----------
    graph : sparse CSR matrix (n, n), symmetric
    labels : array (n,), int32
        Group of each point, from 0 to K - 1.

    Returns
    -------
    array (n, K), float32
        Memberships of each point, which sum to 1.
    """
    n, n_groups = len(labels), int(labels.max()) + 1
    walk = (sparse.diags(1 / np.asarray(graph.sum(axis=1)).ravel()) @ graph).tocsr().astype(np.float32)
    rows = np.arange(n)
    membership = np.zeros((n, n_groups), np.float32)
    membership[rows, labels] = 1
    for _ in range(N_WALK_STEPS):
        membership = walk @ membership
        membership *= 1 - RESTART_PROBABILITY
        membership[rows, labels] += RESTART_PROBABILITY
    membership /= membership.sum(axis=1, keepdims=True)
    return membership


class LabelSpreading(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Spread a few labels over the neighbour graph to all points.

    The algorithm is that of :class:`sklearn.semi_supervised.LabelSpreading`, on the sparse graph that
    :class:`latentmap.GraphClustering` uses.

    Parameters
    ----------
    alpha : float, default=0.99
        Weight of the neighbours against the own label of a point in each step, between 0 and 1. A value close to 1 lets
        few labels reach many points.
    n_neighbors : int, optional
        Number of neighbours of each point; 15 by default. For fewer than 60 points a quarter of them, and at least 4.
    max_iter : int, default=100
        Maximum number of iterations.
    tol : float, default=1e-3
        The iteration stops when no class probability changes by more than this, relative to the largest one.
    n_jobs : int, optional
        Number of threads; all CPUs by default.
    class_weight : {None, "balanced"}, default=None
        "balanced" divides the labels of each class by their number, so that a class with many labels does not take
        points from the others. None gives each label the same weight, as scikit-learn does.

    Attributes
    ----------
    classes_ : array (n_classes,)
        Distinct labels.
    label_distributions_ : array (n, n_classes), float32
        Probability of each class for each point; 0 for points that no label reaches.
    transduction_ : array (n,)
        Most probable class of each point.
    confidence_ : array (n,), float32
        Probability of this class; 0 for points that no label reaches.
    n_iter_ : int
        Number of iterations.
    n_features_in_ : int
        Number of features of X.

    References
    ----------
    Zhou et al. (2004), Learning with local and global consistency.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0], [0.1], [0.2], [0.3], [0.4], [9.0], [9.1], [9.2], [9.3], [9.4]])
    >>> y = [0, -1, -1, -1, -1, 1, -1, -1, -1, -1]
    >>> LabelSpreading().fit(X, y).transduction_.tolist()
    [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]
    """

    def __init__(
        self,
        *,
        alpha: float = 0.99,
        n_neighbors: int | None = None,
        max_iter: int = 100,
        tol: float = 1e-3,
        n_jobs: int | None = None,
        class_weight: str | None = None,
    ) -> None:
        self.alpha = alpha
        self.n_neighbors = n_neighbors
        self.max_iter = max_iter
        self.tol = tol
        self.n_jobs = n_jobs
        self.class_weight = class_weight

    def fit(self, X: ArrayLike, y: ArrayLike, *, neighbors: NeighborGraph | None = None, graph: Any = None) -> Self:
        """Spread the labels.

        Parameters
        ----------
        X : array (n, d), float32 or float64
            Points.
        y : array-like (n,)
            Label of each point: a number or a string. Unknown labels are the number -1, an empty string, None, NaN,
            ``pandas.NA``, or masked. The string "-1" is a class like any other.
        neighbors : NeighborGraph, optional
            Precomputed neighbours of each point, from :func:`latentmap.nearest_neighbors` or
            :func:`latentmap.invariant_neighbors`.
        graph : sparse matrix (n, n), optional
            Symmetric edge weights, used instead of neighbours.

        Returns
        -------
        self

        Raises
        ------
        InputError
            If X contains NaN or infinity, no label is known, alpha is out of range, class_weight is unknown, or the
            lengths differ.
        """
        data: NDArray[Any] = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        if not 0 < self.alpha < 1:
            raise InputError(f"alpha={self.alpha!r}: ask for one between 0 and 1, both excluded")
        if self.class_weight not in (None, "balanced"):
            raise InputError(f"class_weight={self.class_weight!r}: choose None or 'balanced'")
        known, self.classes_, codes = _known_labels(y, len(data))
        k = min(len(data) - 1, self.n_neighbors or default_neighbors(len(data)))
        if graph is None:
            neighbors = neighbors or nearest_neighbors(data, k, n_jobs=self.n_jobs)
            graph = affinity_graph(neighbors, min(k, neighbors.n_neighbors))
        start = np.zeros((len(data), len(self.classes_)), np.float32)
        start[np.flatnonzero(known), codes] = 1
        if self.class_weight == "balanced":
            start /= start.sum(axis=0)
        distributions, self.n_iter_ = _propagate_labels(graph, start, self.alpha, self.max_iter, self.tol)
        sums = distributions.sum(axis=1, keepdims=True)
        self.label_distributions_ = np.divide(distributions, sums, out=np.zeros_like(distributions), where=sums > 0)
        self.confidence_ = self.label_distributions_.max(axis=1)
        self.transduction_ = self.classes_[self.label_distributions_.argmax(axis=1)]
        self._search, self._k = NeighborSearch(data, "euclidean", None), k
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """Predict class probabilities of new points: the weighted mean of those of their nearest neighbours.

        Parameters
        ----------
        X : array (m, d), float32 or float64

        Returns
        -------
        array (m, n_classes), float32

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        InputError
            If X contains NaN or infinity, or has another number of features.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        indices, distances = self._search.query(X, self._k, self.n_jobs)
        return mean_over_neighbors(self.label_distributions_, indices, distances)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict the most probable class of new points.

        Parameters
        ----------
        X : array (m, d), float32 or float64

        Returns
        -------
        array (m,)
            Classes, of the type of the labels.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        InputError
            If X contains NaN or infinity, or has another number of features.
        """
        distributions = self.predict_proba(X)
        classes: NDArray[Any] = self.classes_[distributions.argmax(axis=1)]
        return classes


def _propagate_labels(
    graph: Any, start: NDArray[np.float32], alpha: float, max_iter: int, tol: float
) -> tuple[NDArray[np.float32], int]:
    """Iterate F ← α S F + (1 - α) Y with S = D^-1/2 W D^-1/2; return F and the number of iterations."""
    degrees = np.asarray(graph.sum(axis=1)).ravel()
    scale = sparse.diags(1 / np.sqrt(np.maximum(degrees, np.finfo(float).tiny)))
    smooth = (scale @ graph @ scale).tocsr().astype(np.float32)
    distributions = start
    n_iter = 0
    while n_iter < max_iter:
        n_iter += 1
        before, distributions = distributions, alpha * (smooth @ distributions) + (1 - alpha) * start
        if np.abs(distributions - before).max() <= tol * distributions.max():
            break
    return distributions, n_iter


def _known_labels(y: ArrayLike, n: int) -> tuple[NDArray[np.bool_], NDArray[Any], NDArray[np.intp]]:
    """Mask of the points with a label (n,), the classes, and the class number of each of these points."""
    values = as_list(y)
    if len(values) != n or any(isinstance(value, list | tuple | np.ndarray) for value in values):
        raise InputError(
            f"labels of shape {np.shape(y)} for {n} points: pass one for each point, -1 where it is unknown"
        )
    known = np.array([not (is_missing(value) or _is_minus_one(value)) for value in values])
    if not known.any():
        raise InputError("no label is known: give at least one point a label other than -1")
    classes, codes = as_classes([value for value, given in zip(values, known, strict=True) if given])
    return known, classes, codes


def _is_minus_one(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and float(value) == -1
