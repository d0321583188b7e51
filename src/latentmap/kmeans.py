"""K-means with scikit-learn's contract, and on request the story of how it got there."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import cluster
from sklearn.metrics import pairwise_distances_argmin_min
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, validate_data


@dataclass(frozen=True)
class KMeansStep:
    """One iteration: the centres before the M step, shape (k, d), and the labels (n,) and inertia that they give."""

    centers: NDArray[np.floating[Any]]
    labels: NDArray[np.int32]
    inertia: float


class KMeans(cluster.KMeans):  # type: ignore[misc]
    """K-means clustering: Lloyd's algorithm from k-means++ starts.

    Parameters are those of :class:`sklearn.cluster.KMeans`, and one more.

    Parameters
    ----------
    record_history : bool, default=False
        Keep every iteration of the best start in ``history_``: one label for each iteration and point. The algorithm
        is then plain Lloyd, whatever ``algorithm`` says.

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples,), int32
    cluster_centers_ : ndarray of shape (n_clusters, n_features)
    inertia_ : float
        Sum of squared distances of the samples to their closest centre.
    n_iter_ : int
    history_ : list of KMeansStep
        Only with ``record_history``. Step t holds the centres before the t-th M step and the labels they give, so the
        first step shows the initial centres and the last one the result.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 0.0], [0.0, 1.0], [9.0, 9.0], [9.0, 8.0]])
    >>> km = KMeans(n_clusters=2, random_state=0, record_history=True).fit(X)
    >>> km.inertia_
    1.0
    >>> km.history_[-1].centers.tolist() == km.cluster_centers_.tolist()
    True
    """

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: Any = "k-means++",
        n_init: Any = "auto",
        max_iter: int = 300,
        tol: float = 1e-4,
        verbose: int = 0,
        random_state: Any = None,
        copy_x: bool = True,
        algorithm: str = "lloyd",
        record_history: bool = False,
    ) -> None:
        super().__init__(
            n_clusters=n_clusters,
            init=init,
            n_init=n_init,
            max_iter=max_iter,
            tol=tol,
            verbose=verbose,
            random_state=random_state,
            copy_x=copy_x,
            algorithm=algorithm,
        )
        self.record_history = record_history

    def fit(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Find the centres.

        Parameters
        ----------
        X : array (n_samples, n_features)
        y : ignored
        sample_weight : array (n_samples,), optional

        Returns
        -------
        self
        """
        if not self.record_history:
            super().fit(X, y, sample_weight)
            return self
        self._validate_params()
        data = validate_data(self, X, dtype=[np.float64, np.float32], order="C")
        self._check_params_vs_input(data)
        weights = _check_sample_weight(sample_weight, data, dtype=data.dtype)
        random = check_random_state(self.random_state)
        ways = [
            _lloyd(data, weights, self._start(data, weights, random), self.max_iter, self._tol)
            for _ in range(self._n_init)
        ]
        self.history_: list[KMeansStep]
        self.history_, self.n_iter_ = min(ways, key=lambda way: way[0][-1].inertia)
        last = self.history_[-1]
        self.cluster_centers_, self.labels_, self.inertia_ = last.centers, last.labels, last.inertia
        self._n_threads = 1
        self._n_features_out = self.n_clusters
        return self

    def _start(self, X: NDArray[Any], weights: NDArray[Any], random: np.random.RandomState) -> NDArray[Any]:
        """Centres to begin with: (n_clusters, n_features)."""
        if callable(self.init):
            return np.array(self.init(X, self.n_clusters, random_state=random), dtype=X.dtype)
        if not isinstance(self.init, str):
            return np.array(self.init, dtype=X.dtype)
        if self.init == "random":
            chosen: NDArray[Any] = X[random.choice(len(X), self.n_clusters, replace=False, p=weights / weights.sum())]
            return chosen
        centers: NDArray[Any] = cluster.kmeans_plusplus(X, self.n_clusters, sample_weight=weights, random_state=random)[
            0
        ]
        return centers


def _lloyd(
    X: NDArray[Any], weights: NDArray[Any], centers: NDArray[Any], max_iter: int, tol: float
) -> tuple[list[KMeansStep], int]:
    """Lloyd's algorithm (1982) until no label changes, the centres rest, or ``max_iter``: its steps, and how many.

    As scikit-learn does, the iteration that finds nothing to change is counted, and the last E step is not.
    """
    steps = [_e_step(X, weights, centers)]
    for iteration in range(1, max_iter + 1):
        moved = _m_step(X, weights, steps[-1])
        shift = float(((moved - steps[-1].centers) ** 2).sum())
        steps.append(_e_step(X, weights, moved))
        if shift <= tol:
            return steps, iteration
        if iteration < max_iter and np.array_equal(steps[-1].labels, steps[-2].labels):
            return steps, iteration + 1
    return steps, max_iter


def _e_step(X: NDArray[Any], weights: NDArray[Any], centers: NDArray[Any]) -> KMeansStep:
    labels, distances = pairwise_distances_argmin_min(X, centers)
    return KMeansStep(centers, labels.astype(np.int32), float((weights * distances**2).sum()))


def _m_step(X: NDArray[Any], weights: NDArray[Any], step: KMeansStep) -> NDArray[Any]:
    """Weighted means; a cluster without members gets the point that is farthest from its centre."""
    k = len(step.centers)
    labels = step.labels.copy()
    sizes = np.bincount(labels, weights, k)
    empty = np.flatnonzero(sizes == 0)
    if len(empty):
        distances = ((X - step.centers[labels]) ** 2).sum(1)
        labels[np.argsort(-distances, kind="stable")[: len(empty)]] = empty
        sizes = np.bincount(labels, weights, k)
    sums = np.stack([np.bincount(labels, weights * column, k) for column in X.T], axis=1)
    moved = np.where(sizes[:, None] > 0, sums / np.maximum(sizes, np.finfo(float).tiny)[:, None], step.centers)
    return moved.astype(X.dtype)
