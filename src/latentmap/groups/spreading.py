"""Spreading what is known of some points over the graph to all of them."""

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

N_STEPS = 20
STAY = 0.2  # weight of a point's own group in each step


def memberships(graph: Any, labels: NDArray[np.int32]) -> NDArray[np.float32]:
    """Share of each group (n, K) in the neighbourhood of each point: a walk that returns home now and then."""
    n, n_groups = len(labels), int(labels.max()) + 1
    walk = (sparse.diags(1 / np.asarray(graph.sum(axis=1)).ravel()) @ graph).tocsr().astype(np.float32)
    rows = np.arange(n)
    shares = np.zeros((n, n_groups), np.float32)
    shares[rows, labels] = 1
    for _ in range(N_STEPS):
        shares = walk @ shares
        shares *= 1 - STAY
        shares[rows, labels] += STAY
    shares /= shares.sum(axis=1, keepdims=True)
    return shares


class LabelSpreading(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A few labels, spread over the neighbour graph to all points: :class:`sklearn.semi_supervised.LabelSpreading`.

    Parameters
    ----------
    alpha : float, default=0.99
        Between 0 and 1: how much a point takes from its neighbours rather than from its own label in each step. With
        few labels among many points they have far to go.
    n_neighbors : int, optional
        Edges of each point; the logarithm of the number of points by default, from 4 to 12.
    max_iter : int, default=100
    tol : float, default=1e-3
        Iteration ends when no share changes by more than this, relative to the largest.
    n_jobs : int, optional
        Threads; all cores by default.

    Attributes
    ----------
    classes_ : array (n_classes,)
    label_distributions_ : array (n, n_classes), float32
        Share of each class at each point. All zero where no label leads.
    transduction_ : array (n,)
        The class of each point.
    confidence_ : array (n,), float32
        The largest of its shares; 0 where no label leads.
    n_iter_ : int
    n_features_in_ : int

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
    ) -> None:
        self.alpha = alpha
        self.n_neighbors = n_neighbors
        self.max_iter = max_iter
        self.tol = tol
        self.n_jobs = n_jobs

    def fit(self, X: ArrayLike, y: ArrayLike, *, neighbors: NeighborGraph | None = None, graph: Any = None) -> Self:
        """Spread the labels.

        Parameters
        ----------
        X : array (n, d)
        y : array (n,)
            The label of each point: numbers, words, or both. Where it is not known: the number -1, an empty text,
            None, NaN, ``pandas.NA``, or a masked value. The text "-1", among words, is a class like any other.
        neighbors : NeighborGraph, optional
            Neighbours of each point, when they are known already; see
            :func:`latentmap.neighbors.invariant_neighbors`.
        graph : sparse matrix (n, n), optional
            Symmetric weights of all edges, instead of neighbours.

        Returns
        -------
        self

        Raises
        ------
        InputError
            If no label is known, alpha is out of range, or lengths differ.
        ValueError
            For NaN or infinity: scikit-learn's own check.
        """
        data: NDArray[Any] = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        if not 0 < self.alpha < 1:
            raise InputError(f"alpha={self.alpha!r}: ask for one between 0 and 1, both excluded")
        known, self.classes_, codes = _known_labels(y, len(data))
        k = min(len(data) - 1, self.n_neighbors or default_neighbors(len(data)))
        if graph is None:
            neighbors = neighbors or nearest_neighbors(data, k, n_jobs=self.n_jobs)
            graph = affinity_graph(neighbors, min(k, neighbors.n_neighbors))
        start = np.zeros((len(data), len(self.classes_)), np.float32)
        start[np.flatnonzero(known), codes] = 1
        shares, self.n_iter_ = _spread(graph, start, self.alpha, self.max_iter, self.tol)
        sums = shares.sum(axis=1, keepdims=True)
        self.label_distributions_ = np.divide(shares, sums, out=np.zeros_like(shares), where=sums > 0)
        self.confidence_ = self.label_distributions_.max(axis=1)
        self.transduction_ = self.classes_[self.label_distributions_.argmax(axis=1)]
        self._search, self._k = NeighborSearch(data, "euclidean", None), k
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """Mean of the shares of the nearest fitted points, the nearer the more: (m, n_classes).

        Parameters
        ----------
        X : array (m, d)
            New points.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        indices, distances = self._search.query(X, self._k, self.n_jobs)
        return mean_over_neighbors(self.label_distributions_, indices, distances)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The likeliest class of new points: (m,).

        Parameters
        ----------
        X : array (m, d)
            New points.
        """
        shares = self.predict_proba(X)
        classes: NDArray[Any] = self.classes_[shares.argmax(axis=1)]
        return classes


def _spread(
    graph: Any, start: NDArray[np.float32], alpha: float, max_iter: int, tol: float
) -> tuple[NDArray[np.float32], int]:
    """Iterate F ← α S F + (1 - α) Y with S = D^-1/2 W D^-1/2; returns F and the number of iterations."""
    degrees = np.asarray(graph.sum(axis=1)).ravel()
    scale = sparse.diags(1 / np.sqrt(np.maximum(degrees, np.finfo(float).tiny)))
    smooth = (scale @ graph @ scale).tocsr().astype(np.float32)
    shares = start
    n_iter = 0
    while n_iter < max_iter:
        n_iter += 1
        before, shares = shares, alpha * (smooth @ shares) + (1 - alpha) * start
        if np.abs(shares - before).max() <= tol * shares.max():
            break
    return shares, n_iter


def _known_labels(y: ArrayLike, n: int) -> tuple[NDArray[np.bool_], NDArray[Any], NDArray[np.intp]]:
    """Which points have a label, the classes, and the class of each of those points."""
    values = as_list(y)
    if len(values) != n or any(isinstance(value, list | tuple | np.ndarray) for value in values):
        raise InputError(f"labels of shape {np.shape(y)} for {n} points: pass one for each, -1 where it is not known")
    known = np.array([not (is_missing(value) or _is_minus_one(value)) for value in values])
    if not known.any():
        raise InputError("no label is known: give at least one point a label other than -1")
    classes, codes = as_classes([value for value, given in zip(values, known, strict=True) if given])
    return known, classes, codes


def _is_minus_one(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and float(value) == -1
