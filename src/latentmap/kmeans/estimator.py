"""K-means with scikit-learn's contract, and on request the story of how it got there."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn import cluster
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from latentmap.core.errors import InputError
from latentmap.core.frame import Frame
from latentmap.core.parallel import Workers, one_blas_thread
from latentmap.core.progress import Callback, Progress
from latentmap.kmeans.assignment import assign, squared_distances
from latentmap.kmeans.lloyd import Start, lloyd
from latentmap.kmeans.seeding import plus_plus, random_points

PREDICT_BLOCK = 65_536  # rows that are copied at a time


@dataclass(frozen=True)
class KMeansStep:
    """One iteration: the centres before the M step, shape (k, d), and the labels (n,) and inertia that they give."""

    centers: NDArray[np.floating[Any]]
    labels: NDArray[np.int32]
    inertia: float


class KMeans(cluster.KMeans):  # type: ignore[misc]
    """K-means clustering: Lloyd's algorithm from k-means++ starts, all starts advanced together.

    Parameters, attributes and results are those of :class:`sklearn.cluster.KMeans`, with what follows added. All cores
    are used. Sparse data is handed to scikit-learn's own code.

    Parameters
    ----------
    algorithm : {"lloyd", "elkan"}, default="lloyd"
        Taken for compatibility. Both name the same result, and bounds from the triangle inequality are used anyway.
    record_history : bool, default=False
        Keep every iteration of the best start in ``history_``: one label for each iteration and point.
    callback : callable, optional
        Called with a :class:`latentmap.core.progress.Progress` as each start ends.
    n_clusters, init, n_init, max_iter, tol, verbose, random_state, copy_x
        See :class:`sklearn.cluster.KMeans`.

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples,), int32
    cluster_centers_ : ndarray of shape (n_clusters, n_features), of the type of the data
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
        callback: Callback | None = None,
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
        self.callback = callback

    def fit(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Find the centres.

        Parameters
        ----------
        X : array or sparse matrix (n_samples, n_features)
        y : ignored
        sample_weight : array (n_samples,), optional

        Returns
        -------
        self

        Raises
        ------
        InputError
            For more clusters than samples.
        ValueError
            For NaN or infinity, a parameter out of range, or initial centres of another shape: scikit-learn's own
            checks.
        """
        if sparse.issparse(X) and not self.record_history:
            super().fit(X, y, sample_weight)
            return self
        self._validate_params()
        data = validate_data(self, X, dtype=[np.float64, np.float32], order="C")
        weights = _check_sample_weight(sample_weight, data, dtype=data.dtype)
        self._n_init = self._check_starts(data)
        frame = Frame.around(data)
        with Workers() as workers, one_blas_thread():
            best = self._advance(frame, frame.into(data), weights, workers)
        if best.labels.max(initial=0) >= 0 and (distinct := len(np.unique(best.labels))) < self.n_clusters:
            warnings.warn(
                f"Number of distinct clusters ({distinct}) found smaller than n_clusters ({self.n_clusters}). "
                "Possibly due to duplicate points in X.",
                ConvergenceWarning,
                stacklevel=2,
            )
        self.cluster_centers_ = frame.out_of(best.centers)
        self.labels_, self.inertia_, self.n_iter_ = best.labels, frame.area(best.inertia), best.n_iter
        self._n_threads = 1  # of scikit-learn's score
        self._n_features_out = self.n_clusters
        return self

    def partial_fit(
        self,
        X: ArrayLike,
        y: object = None,  # noqa: ARG002 - scikit-learn's signature
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Learn from one batch of a stream (Sculley 2010): each centre moves to the mean of all samples it was given.

        The first batch chooses the centres by ``init`` and must have ``n_clusters`` samples or more.

        Parameters
        ----------
        X : array (n_samples, n_features)
        y : ignored
        sample_weight : array (n_samples,), optional

        Returns
        -------
        self
            With ``labels_`` and ``inertia_`` of this batch, ``n_steps_`` batches seen, and ``counts_``
            (n_clusters,), the weight that each centre stands for.

        Raises
        ------
        InputError
            If the first batch has fewer samples than there are clusters.
        ValueError
            For NaN or infinity, or a parameter out of range: scikit-learn's own checks.
        """
        self._validate_params()
        first = not hasattr(self, "counts_")
        data = validate_data(self, X, dtype=[np.float64, np.float32], order="C", reset=first)
        weights = _check_sample_weight(sample_weight, data, dtype=data.dtype)
        with Workers() as workers, one_blas_thread():
            if first:
                self._n_init = self._check_starts(data)
                frame = Frame.around(data)
                self.cluster_centers_ = frame.out_of(self._starts(frame, frame.into(data), weights, workers)[0])
                self.counts_ = np.zeros(self.n_clusters)
                self.n_steps_ = 0
            labels = self.predict(data)
            for group in np.unique(labels):
                members = labels == group
                self.counts_[group] += weights[members].sum(dtype=np.float64)
                if self.counts_[group] > 0:
                    center = self.cluster_centers_[group].astype(np.float64)
                    step = weights[members].astype(np.float64) @ (data[members] - center) / self.counts_[group]
                    self.cluster_centers_[group] = center + step
            self.labels_ = labels
            self.inertia_ = float((squared_distances(data, self.cluster_centers_, labels, workers) * weights).sum())
        self.n_steps_ += 1
        self._n_threads = 1
        self._n_features_out = self.n_clusters
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.int32]:
        """The closest centre of each sample.

        Parameters
        ----------
        X : array or sparse matrix (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,), int32
        """
        check_is_fitted(self, "cluster_centers_")
        if sparse.issparse(X):
            found: NDArray[np.int32] = super().predict(X)
            return found
        data = self._check_test_data(X)
        frame = Frame.around(np.asarray(self.cluster_centers_))
        centers = frame.into(np.asarray(self.cluster_centers_))
        labels = np.empty(len(data), np.int32)
        with Workers() as workers, one_blas_thread():
            for first in range(0, len(data), PREDICT_BLOCK):
                block = data[first : first + PREDICT_BLOCK].astype(centers.dtype, copy=False)
                labels[first : first + PREDICT_BLOCK] = assign(frame.into(block), centers, workers)
        return labels

    def _check_starts(self, X: NDArray[Any]) -> int:
        """The number of starts. Raises where the parameters and the data do not fit."""
        if len(X) < self.n_clusters:
            raise InputError(f"n_samples={len(X)} should be >= n_clusters={self.n_clusters}.")
        if self.algorithm == "elkan" and self.n_clusters == 1:
            warnings.warn(
                "algorithm='elkan' doesn't make sense for a single cluster. Using 'lloyd' instead.",
                RuntimeWarning,
                stacklevel=3,
            )
        drawn = isinstance(self.init, str) or callable(self.init)
        if self.n_init == "auto":
            return 10 if drawn and not (isinstance(self.init, str) and self.init == "k-means++") else 1
        if not drawn and self.n_init != 1:
            warnings.warn(
                "Explicit initial center position passed: performing only one init in KMeans instead of "
                f"n_init={self.n_init}.",
                RuntimeWarning,
                stacklevel=3,
            )
            return 1
        return int(self.n_init)

    def _starts(self, frame: Frame, X: NDArray[Any], weights: NDArray[Any], workers: Workers) -> NDArray[Any]:
        """Centres to begin with, in the frame: (n_init, n_clusters, n_features)."""
        random = check_random_state(self.random_state)
        if isinstance(self.init, str):
            if self.init == "random":
                return random_points(X, weights, self._n_init, self.n_clusters, random)
            return plus_plus(X, weights, self._n_init, self.n_clusters, random, workers)
        given = [
            self.init(frame.out_of(X), self.n_clusters, random_state=random) if callable(self.init) else self.init
            for _ in range(self._n_init)
        ]
        checked = [check_array(centers, dtype=X.dtype, order="C") for centers in given]
        for centers in checked:
            self._validate_center_shape(X, centers)
        return np.stack([frame.into(centers) for centers in checked])

    def _advance(self, frame: Frame, X: NDArray[Any], weights: NDArray[Any], workers: Workers) -> Start:
        """Run all starts and return the best; its steps become ``history_``."""
        steps: dict[int, list[KMeansStep]] = {}

        def watch(start: int, iteration: int, centers: NDArray[Any], labels: NDArray[np.int32]) -> None:
            inertia = frame.area(float((squared_distances(X, centers, labels, workers) * weights).sum()))
            if self.verbose:
                print(f"Iteration {iteration}, inertia {inertia}.")
            if self.record_history:
                step = KMeansStep(frame.out_of(centers), labels.copy(), inertia)
                steps.setdefault(start, []).append(step)

        starts = self._starts(frame, X, weights, workers)
        if self.verbose:
            print("Initialization complete")
        results = lloyd(
            X,
            weights,
            starts,
            max_iter=self.max_iter,
            tol=self.tol * float(np.einsum("ij,ij->", X, X, dtype=np.float64)) / X.size,
            workers=workers,
            watch=watch if self.verbose or self.record_history else None,
            ended=self._ended(frame, len(starts)),
        )
        best = min(range(len(results)), key=lambda start: results[start].inertia)
        if self.record_history:
            self.history_ = steps[best]
        return results[best]

    def _ended(self, frame: Frame, n_starts: int) -> Callable[[Start], None]:
        results: list[Start] = []

        def ended(result: Start) -> None:
            results.append(result)
            if self.verbose:
                print(result.why)
            if self.callback is not None:
                least = min(start.inertia for start in results)
                self.callback(Progress(len(results), n_starts, {"inertia": frame.area(least)}))

        return ended
