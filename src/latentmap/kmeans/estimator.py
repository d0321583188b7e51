"""K-means clustering as a scikit-learn estimator, with an optional record of its iterations."""

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
from latentmap.core.parallel import Workers, one_blas_thread
from latentmap.core.progress import Callback, Progress
from latentmap.core.scaling import PowerOfTwoScaler
from latentmap.kmeans.assignment import assign, squared_distances
from latentmap.kmeans.coreset import centers_from_coreset, coreset_size
from latentmap.kmeans.lloyd import LloydResult, lloyd
from latentmap.kmeans.seeding import kmeans_plus_plus, random_points

PREDICT_BLOCK_SIZE = 65_536  # rows that are scaled and assigned at a time


@dataclass(frozen=True)
class KMeansStep:
    """One iteration of K-means.

    Attributes
    ----------
    centers : array (n_clusters, n_features), float32 or float64
        Centres before they are updated.
    labels : array (n_samples,), int32
        Closest of these centres for each sample.
    inertia : float
        Weighted sum of squared distances of the samples to their closest centre.
    """

    centers: NDArray[np.floating[Any]]
    labels: NDArray[np.int32]
    inertia: float


class KMeans(cluster.KMeans):  # type: ignore[misc]
    """K-means clustering by Lloyd's algorithm, with all starts advanced together.

    A drop-in replacement for :class:`sklearn.cluster.KMeans`: it takes the same parameters, has the same attributes
    and gives the same kind of results. ``record_history`` and ``callback`` are added. All CPUs are used. Sparse data
    is clustered by scikit-learn's own code.

    Parameters
    ----------
    n_clusters : int, default=8
        Number of clusters.
    init : {"k-means++", "random"}, callable or array (n_clusters, n_features), default="k-means++"
        Method of initialization, or the initial centres. Initial centres of k-means++ are those of K-means on a
        coreset if there are at least 6,000 samples and 60 for each cluster.
    n_init : int or "auto", default="auto"
        Number of starts, of which the one with the lowest inertia is kept. "auto" is 10 for ``init="random"`` or a
        callable, and 1 otherwise.
    max_iter : int, default=300
        Maximum number of iterations of each start.
    tol : float, default=1e-4
        A start has converged when the sum of its squared centre shifts is at most ``tol`` times the mean variance of
        the features.
    verbose : int, default=0
        Print the inertia of each iteration if greater than 0.
    random_state : int, RandomState or None, default=None
        Seed or generator for the initial centres.
    copy_x : bool, default=True
        Accepted for compatibility with scikit-learn. X is never modified.
    algorithm : {"lloyd", "elkan"}, default="lloyd"
        Accepted for compatibility with scikit-learn. The result does not depend on it, and bounds from the triangle
        inequality are always used.
    record_history : bool, default=False
        Whether to keep all iterations of the best start in ``history_``. Each takes 4 bytes for each sample.
    callback : callable, optional
        Called with a :class:`latentmap.core.progress.Progress` when a start ends.

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples,), int32
        Cluster of each sample.
    cluster_centers_ : ndarray of shape (n_clusters, n_features), float32 or float64
        Centres, of the type of the data.
    inertia_ : float
        Weighted sum of squared distances of the samples to their closest centre.
    n_iter_ : int
        Number of iterations of the best start.
    history_ : list of KMeansStep
        Iterations of the best start, if ``record_history`` is True. The first step holds the initial centres, the last
        step the result.

    References
    ----------
    Lloyd (1982), Least squares quantization in PCM.
    Arthur and Vassilvitskii (2007), k-means++: the advantages of careful seeding.
    Hamerly (2010), Making k-means even faster.
    Bachem, Lucic and Krause (2018), Scalable k-means clustering via lightweight coresets.

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
        """Compute the cluster centres.

        Parameters
        ----------
        X : array or sparse matrix (n_samples, n_features), float32 or float64
            Other types are converted to float64.
        y : ignored
        sample_weight : array (n_samples,), optional
            Weight of each sample; 1 by default.

        Returns
        -------
        self

        Raises
        ------
        InputError
            For more clusters than samples.
        InputError
            If X contains NaN or infinity, ``n_clusters`` exceeds the number of samples, a parameter is out of range,
            or the initial centres have another shape than (n_clusters, n_features).
        """
        if sparse.issparse(X) and not self.record_history:
            super().fit(X, y, sample_weight)
            return self
        self._validate_params()
        data = validate_data(self, X, dtype=[np.float64, np.float32], order="C")
        weights = _check_sample_weight(sample_weight, data, dtype=data.dtype)
        self._n_init = self._check_n_init(data)
        scaler = PowerOfTwoScaler.fit(data)
        with Workers() as workers, one_blas_thread():
            best = self._run_starts(scaler, scaler.transform(data), weights, workers)
        if best.labels.max(initial=0) >= 0 and (distinct := len(np.unique(best.labels))) < self.n_clusters:
            warnings.warn(
                f"Number of distinct clusters ({distinct}) found smaller than n_clusters ({self.n_clusters}). "
                "Possibly due to duplicate points in X.",
                ConvergenceWarning,
                stacklevel=2,
            )
        self.cluster_centers_ = scaler.inverse_transform(best.centers)
        self.labels_, self.inertia_, self.n_iter_ = best.labels, scaler.unscale_squared(best.inertia), best.n_iter
        self._n_threads = 1  # read by scikit-learn's score
        self._n_features_out = self.n_clusters
        return self

    def partial_fit(
        self,
        X: ArrayLike,
        y: object = None,  # noqa: ARG002 - scikit-learn's signature
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Update the centres with one batch of a stream: each centre is the mean of all samples assigned to it so far.

        The first batch initializes the centres by ``init``.

        Parameters
        ----------
        X : array (n_samples, n_features), float32 or float64
            The first batch must have at least ``n_clusters`` samples.
        y : ignored
        sample_weight : array (n_samples,), optional
            Weight of each sample; 1 by default.

        Returns
        -------
        self
            ``labels_`` and ``inertia_`` are those of this batch, ``n_steps_`` is the number of batches so far, and
            ``counts_`` (n_clusters,), float64, is the total weight of the samples assigned to each centre so far.

        Raises
        ------
        InputError
            For the same reasons as :meth:`fit`, or if the number of features differs from that of the first batch.

        References
        ----------
        Sculley (2010), Web-scale k-means clustering.
        """
        self._validate_params()
        first = not hasattr(self, "counts_")
        data = validate_data(self, X, dtype=[np.float64, np.float32], order="C", reset=first)
        weights = _check_sample_weight(sample_weight, data, dtype=data.dtype)
        with Workers() as workers, one_blas_thread():
            if first:
                self._n_init = self._check_n_init(data)
                scaler = PowerOfTwoScaler.fit(data)
                self.cluster_centers_ = scaler.inverse_transform(
                    self._initial_centers(scaler, scaler.transform(data), weights, workers)[0]
                )
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
        """Predict the closest centre of each sample.

        Parameters
        ----------
        X : array or sparse matrix (n_samples, n_features), float32 or float64

        Returns
        -------
        ndarray of shape (n_samples,), int32

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        InputError
            If X contains NaN or infinity, or has another number of features.
        """
        check_is_fitted(self, "cluster_centers_")
        if sparse.issparse(X):
            found: NDArray[np.int32] = super().predict(X)
            return found
        data = self._check_test_data(X)
        scaler = PowerOfTwoScaler.fit(np.asarray(self.cluster_centers_))
        centers = scaler.transform(np.asarray(self.cluster_centers_))
        labels = np.empty(len(data), np.int32)
        with Workers() as workers, one_blas_thread():
            for first in range(0, len(data), PREDICT_BLOCK_SIZE):
                block = data[first : first + PREDICT_BLOCK_SIZE].astype(centers.dtype, copy=False)
                labels[first : first + PREDICT_BLOCK_SIZE] = assign(scaler.transform(block), centers, workers)
        return labels

    def _check_n_init(self, X: NDArray[Any]) -> int:
        """Return the number of starts.

        Raises
        ------
        InputError
            If there are fewer samples than clusters.
        """
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

    def _initial_centers(
        self, scaler: PowerOfTwoScaler, X: NDArray[Any], weights: NDArray[Any], workers: Workers
    ) -> NDArray[Any]:
        """Initial centres, scaled: (n_init, n_clusters, n_features)."""
        random = check_random_state(self.random_state)
        if isinstance(self.init, str):
            if self.init == "random":
                return random_points(X, weights, self._n_init, self.n_clusters, random)
            size = coreset_size(len(X), self.n_clusters)
            if size is None:
                return kmeans_plus_plus(X, weights, self._n_init, self.n_clusters, random, workers)
            return centers_from_coreset(
                X,
                weights,
                self._n_init,
                self.n_clusters,
                size,
                random,
                max_iter=self.max_iter,
                tol=self._scaled_tol(X),
                workers=workers,
            )
        given = [
            self.init(scaler.inverse_transform(X), self.n_clusters, random_state=random)
            if callable(self.init)
            else self.init
            for _ in range(self._n_init)
        ]
        checked = [check_array(centers, dtype=X.dtype, order="C") for centers in given]
        for centers in checked:
            self._validate_center_shape(X, centers)
        return np.stack([scaler.transform(centers) for centers in checked])

    def _scaled_tol(self, X: NDArray[Any]) -> float:
        """The tolerance relative to the mean variance of the features."""
        return float(self.tol * np.einsum("ij,ij->", X, X, dtype=np.float64) / X.size)

    def _run_starts(
        self, scaler: PowerOfTwoScaler, X: NDArray[Any], weights: NDArray[Any], workers: Workers
    ) -> LloydResult:
        """Run all starts and return the best result; its steps become ``history_``."""
        steps: dict[int, list[KMeansStep]] = {}

        def on_assignment(start: int, iteration: int, centers: NDArray[Any], labels: NDArray[np.int32]) -> None:
            inertia = scaler.unscale_squared(float((squared_distances(X, centers, labels, workers) * weights).sum()))
            if self.verbose:
                print(f"Iteration {iteration}, inertia {inertia}.")
            if self.record_history:
                step = KMeansStep(scaler.inverse_transform(centers), labels.copy(), inertia)
                steps.setdefault(start, []).append(step)

        starts = self._initial_centers(scaler, X, weights, workers)
        if self.verbose:
            print("Initialization complete")
        results = lloyd(
            X,
            weights,
            starts,
            max_iter=self.max_iter,
            tol=self._scaled_tol(X),
            workers=workers,
            on_assignment=on_assignment if self.verbose or self.record_history else None,
            on_end=self._on_end(scaler, len(starts)),
        )
        best = min(range(len(results)), key=lambda start: results[start].inertia)
        if self.record_history:
            self.history_ = steps[best]
        return results[best]

    def _on_end(self, scaler: PowerOfTwoScaler, n_starts: int) -> Callable[[LloydResult], None]:
        """Create the function that reports the end of each start."""
        results: list[LloydResult] = []

        def on_end(result: LloydResult) -> None:
            results.append(result)
            if self.verbose:
                print(result.stop_reason)
            if self.callback is not None:
                best_inertia = min(start.inertia for start in results)
                self.callback(Progress(len(results), n_starts, {"inertia": scaler.unscale_squared(best_inertia)}))

        return on_end
