"""t-SNE as a scikit-learn estimator."""

import time
import warnings
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn import manifold
from sklearn.decomposition import PCA
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted, check_non_negative, validate_data

from latentmap.core.devices import accelerator, is_out_of_memory, release_cached
from latentmap.core.errors import InputError, InputTypeError
from latentmap.core.parallel import Workers
from latentmap.core.progress import Callback, Progress
from latentmap.core.scaling import PowerOfTwoScaler
from latentmap.neighbors import NeighborGraph, NeighborSearch
from latentmap.tsne.affinity import conditional_affinities, joint_affinities
from latentmap.tsne.optimizer import ConvergenceCheck, Descent, DescentLoop, DescentPhase
from latentmap.tsne.schedule import descent_phases
from latentmap.tsne.transform import place_points

INIT_STD = 1e-4  # standard deviation of the first axis of the initial map
MAX_FULL_POINTS = 250_000  # up to which 3 · perplexity neighbours are used; above, half as many save memory


@dataclass(frozen=True)
class MapProgress(Progress):
    """Progress of a t-SNE optimization, with a copy of the current map.

    Attributes
    ----------
    done, total : int
        Iterations done, and in total.
    values : dict
        ``divergence``: KL(P || Q) at the last convergence check; empty before the first.
    embedding : array (n_samples, n_components), float32
        Current map.
    """

    embedding: NDArray[np.float32] = field(kw_only=True, repr=False)


class TSNE(manifold.TSNE):  # type: ignore[misc]
    """t-distributed stochastic neighbour embedding (t-SNE).

    A drop-in replacement for :class:`sklearn.manifold.TSNE`, with these differences: All CPUs are used by default. 300
    iterations reach a lower divergence than 1,000 of scikit-learn, since the exaggeration falls gradually, the learning
    rate rises as it falls, and the momentum then rises to 0.99 (to 0.8 for a learning rate larger than "auto"). The
    kernel of the map is Student's t with one degree of freedom in any number of dimensions. :meth:`transform` places
    new points on a finished map.

    Parameters
    ----------
    n_components : int, default=2
        Dimensions of the map. 1 and 2 are fast; with 3 or more the repulsive forces are summed over all pairs.
    perplexity : float, default=30
        Effective number of neighbours of each point. It must be less than the number of points.
    early_exaggeration : float, default=12
        Factor on the attractive forces in the first 40 iterations. It then falls to ``exaggeration`` in 80 iterations.
    learning_rate : float or "auto", default="auto"
        Step size. "auto" is n_samples / 4, divided by the exaggeration of each iteration (Belkina et al. 2019; the
        factor 4 is scikit-learn's convention). A number is used throughout.
    max_iter : int, default=300
        Number of iterations, at least 250.
    n_iter_without_progress : int, default=300
        Number of iterations without a lower divergence after which the optimization stops.
    min_grad_norm : float, default=1e-7
        Norm of the gradient at which the optimization stops.
    metric : str or callable, default="euclidean"
        Metric of the distances; see :func:`latentmap.nearest_neighbors`.
    metric_params : dict, optional
        Further arguments of the metric.
    init : {"pca", "random"} or array (n_samples, n_components), default="pca"
        Initial map: the first principal components, Gaussian noise, or given positions.
    verbose : int, default=0
        Print progress if greater than 0.
    random_state : int, RandomState or None, default=None
        Seed or generator for the initial map.
    method : {"barnes_hut", "exact"}, default="barnes_hut"
        Computation of the repulsive forces, by scikit-learn's names. "barnes_hut" interpolates them on a grid where
        this is faster; "exact" sums them over all pairs. Both use the affinities of 3 · perplexity + 1 neighbours.
    angle : float, default=0.5
        Accepted for compatibility with scikit-learn; not used.
    n_jobs : int, optional
        Number of threads; all CPUs by default.
    exaggeration : float, default=1
        Factor on the attractive forces after the early exaggeration. Values above 1 give denser groups.
    callback : callable, optional
        Called every tenth iteration with a :class:`MapProgress`, whose ``embedding`` can serve for an animation.
    device : str, default="auto"
        Torch device of :meth:`fit`: ``"cpu"``, ``"cuda"``, ``"cuda:N"`` or ``"mps"``. ``"auto"`` chooses CUDA if torch
        sees a GPU, and otherwise the CPU. On another device than the CPU the search for neighbours is exact, and sums
        are added in an order that changes: maps of the same seed differ by rounding, which grows during the descent.
        If the memory of the device does not suffice, the CPU does the work, with a warning.

    Attributes
    ----------
    embedding_ : ndarray of shape (n_samples, n_components), float32
        The map.
    kl_divergence_ : float
        KL(P || Q) of the map in nats, without exaggeration.
    learning_rate_ : float
        Learning rate during the early exaggeration.
    n_iter_ : int
        Index of the last iteration.

    References
    ----------
    van der Maaten and Hinton (2008), Visualizing data using t-SNE.
    Linderman et al. (2019), Fast interpolation-based t-SNE for improved visualization of single-cell RNA-seq data.
    Belkina et al. (2019), Automated optimized parameters for t-distributed stochastic neighbor embedding.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> tsne = TSNE(perplexity=20, random_state=0)
    >>> tsne.fit_transform(X).shape
    (150, 2)
    >>> tsne.transform(X[:5] + 0.01).shape
    (5, 2)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **manifold.TSNE._parameter_constraints,
        "exaggeration": [Interval(Real, 0, None, closed="neither")],
        "callback": [callable, None],
        "device": [str],
    }
    _EXPLORATION_MAX_ITER = 120  # scikit-learn's name for the iterations with early exaggeration

    def __init__(
        self,
        n_components: int = 2,
        *,
        perplexity: float = 30.0,
        early_exaggeration: float = 12.0,
        learning_rate: float | str = "auto",
        max_iter: int = 300,
        n_iter_without_progress: int = 300,
        min_grad_norm: float = 1e-7,
        metric: Any = "euclidean",
        metric_params: dict[str, Any] | None = None,
        init: Any = "pca",
        verbose: int = 0,
        random_state: Any = None,
        method: str = "barnes_hut",
        angle: float = 0.5,
        n_jobs: int | None = None,
        exaggeration: float = 1.0,
        callback: Callback | None = None,
        device: str = "auto",
    ) -> None:
        super().__init__(
            n_components=n_components,
            perplexity=perplexity,
            early_exaggeration=early_exaggeration,
            learning_rate=learning_rate,
            max_iter=max_iter,
            n_iter_without_progress=n_iter_without_progress,
            min_grad_norm=min_grad_norm,
            metric=metric,
            metric_params=metric_params,
            init=init,
            verbose=verbose,
            random_state=random_state,
            method=method,
            angle=angle,
            n_jobs=n_jobs,
        )
        self.exaggeration = exaggeration
        self.callback = callback
        self.device = device

    def fit(
        self,
        X: Any,
        y: object = None,  # noqa: ARG002 - scikit-learn's signature
        *,
        neighbors: NeighborGraph | None = None,
    ) -> Self:
        """Compute the map, which is stored in ``embedding_``.

        Parameters
        ----------
        X : array or sparse matrix (n_samples, n_features), float32 or float64
            Points. With ``metric="precomputed"``, distances (n_samples, n_samples), or a sparse matrix of distances to
            the nearest points.
        y : ignored
        neighbors : NeighborGraph, optional
            Neighbours of X, from :func:`latentmap.nearest_neighbors`, to map the same points with several perplexities
            after one search. It needs 3 · perplexity + 1 neighbours, for the largest perplexity.

        Returns
        -------
        self

        Raises
        ------
        InputError
            If X contains NaN or infinity, a parameter is out of range, the perplexity is not less than the number of
            points, the initial map has another shape, the neighbour graph does not fit, there is no such device, or
            the map grows without bound at the given learning rate.
        InputTypeError
            If ``method="exact"`` and X is a sparse matrix of distances.
        """
        self._validate_params()
        data = self._check_data(X)
        n = data.shape[0]
        device = accelerator(self.device)
        self._search = NeighborSearch(data, self.metric, self.metric_params, self.device)
        graph = self._find_neighbors(n) if neighbors is None else self._check_neighbors(neighbors, n)
        start = self._initial_map(data)
        with Workers(self.n_jobs) as workers:
            affinities, sigmas = conditional_affinities(
                graph.distances[:, : self.n_neighbors_for(n)], self.perplexity, workers
            )
            if self.verbose:
                print(f"[t-SNE] Computed conditional probabilities for {n} samples")
                print(f"[t-SNE] Mean sigma: {sigmas.mean():f}")
            indices, order = graph.indices, graph.order
            del graph, neighbors  # as large as what is made of them
            P = joint_affinities(indices, order, affinities, workers)
            del affinities, indices
            descent = self._descend(P, start[order], order, device, workers)
        if self.verbose:
            print(f"[t-SNE] KL divergence after {descent.n_iter} iterations: {self.kl_divergence_:f}")
        self.n_iter_ = descent.n_iter - 1
        self.embedding_ = _restore_order(descent.current_map(), order)
        return self

    def fit_transform(self, X: Any, y: object = None, *, neighbors: NeighborGraph | None = None) -> NDArray[np.float32]:
        """Compute the map and return it.

        Parameters
        ----------
        X : array or sparse matrix (n_samples, n_features), float32 or float64
            Points, or distances; see :meth:`fit`.
        y : ignored
        neighbors : NeighborGraph, optional
            Precomputed neighbours of X; see :meth:`fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_components), float32

        Raises
        ------
        InputError, InputTypeError
            For the same reasons as :meth:`fit`.
        """
        return self.fit(X, y, neighbors=neighbors).embedding_

    @classmethod
    def with_map(cls, X: Any, embedding: NDArray[np.float32], **params: Any) -> Self:
        """Create a fitted estimator from an existing map, on which :meth:`transform` can place new points.

        Parameters
        ----------
        X : array (n_samples, n_features), float32 or float64
            Points of the map.
        embedding : array (n_samples, n_components), float32
            Their positions on the map.
        **params
            Parameters of the estimator that computed the map.

        Returns
        -------
        TSNE

        Raises
        ------
        InputError
            If X contains NaN or infinity, or the perplexity is not less than the number of points.
        """
        tsne = cls(n_components=embedding.shape[1], **params)
        data = tsne._check_data(X)
        tsne._search = NeighborSearch(data, tsne.metric, tsne.metric_params)
        tsne.embedding_ = np.ascontiguousarray(embedding, np.float32)
        return tsne

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Place new points on the finished map, which does not change.

        Each point is placed independently of the others, where the attraction of its neighbours and the repulsion of
        the map balance. A point of the training data gets its position on the map.

        Parameters
        ----------
        X : array or sparse matrix (m, n_features), float32 or float64
            New points. With ``metric="precomputed"``, their distances (m, n_samples) to the points of the map.

        Returns
        -------
        ndarray of shape (m, n_components), float32

        Raises
        ------
        NotFittedError
            If there is no map yet.
        InputError
            If X contains NaN or infinity, or has another number of features.
        """
        check_is_fitted(self, "embedding_")
        accept_sparse = "csr" if self.metric != "precomputed" else False
        data = validate_data(self, X, accept_sparse=accept_sparse, dtype=[np.float32, np.float64], reset=False)
        if sparse.issparse(data) and not sparse.issparse(self._search.X):
            data = data.toarray()
        indices, distances = self._search.query(data, self.n_neighbors_for(len(self.embedding_)), self.n_jobs)
        with Workers(self.n_jobs) as workers:
            affinities, _ = conditional_affinities(distances, self.perplexity, workers)
            positions = place_points(indices, affinities, self.embedding_, exact=self._is_exact, workers=workers)
        known = distances[:, 0] == 0
        positions[known] = self.embedding_[indices[known, 0]]
        return positions

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    @property
    def _is_exact(self) -> bool:
        return bool(self.method == "exact")

    def n_neighbors_for(self, n: int) -> int:
        """Number of neighbours used for n points: 3 · perplexity + 1, at most n - 1.

        Above 250,000 points it is 1.5 · perplexity + 1, which halves the memory at no visible change of the map.

        Parameters
        ----------
        n : int
            Number of points.

        Returns
        -------
        int
        """
        return min(n - 1, int((3 if n <= MAX_FULL_POINTS else 1.5) * self.perplexity + 1))

    def _check_data(self, X: Any) -> Any:
        data = validate_data(self, X, accept_sparse="csr", dtype=[np.float32, np.float64], ensure_min_samples=2)
        self._check_params_vs_input(data)
        if self.metric == "precomputed":
            if isinstance(self.init, str) and self.init == "pca":
                raise InputError('The parameter init="pca" cannot be used with metric="precomputed".')
            if data.shape[0] != data.shape[1]:
                raise InputError(f"X should be a square distance matrix, got {data.shape[0]} × {data.shape[1]}")
            check_non_negative(data, "TSNE.fit(). With metric='precomputed', X should contain positive distances.")
            if self._is_exact and sparse.issparse(data):
                raise InputTypeError(
                    'TSNE with method="exact" does not accept sparse precomputed distance matrix. '
                    'Use method="barnes_hut" or provide the dense distance matrix.'
                )
        if not self._is_exact and self.n_components > 3:
            raise InputError(
                f"n_components={self.n_components}: 'n_components' should be inferior to 4 for the barnes_hut "
                'algorithm; use method="exact"'
            )
        return data

    def _find_neighbors(self, n: int) -> NeighborGraph:
        started = time.perf_counter()
        if self.verbose:
            print(f"[t-SNE] Computing {self.n_neighbors_for(n)} nearest neighbors...")
        graph = self._search.graph(self.n_neighbors_for(n), self.n_jobs)
        if self.verbose:
            print(f"[t-SNE] Computed neighbors for {n} samples in {time.perf_counter() - started:.3f}s...")
        return graph

    def _check_neighbors(self, graph: NeighborGraph, n: int) -> NeighborGraph:
        if len(graph.indices) != n:
            raise InputError(f"neighbors holds {len(graph.indices)} points, X has {n}: search the neighbours of X")
        if graph.n_neighbors < self.n_neighbors_for(n):
            raise InputError(
                f"neighbors holds {graph.n_neighbors} neighbours of each point, perplexity={self.perplexity:g} needs "
                f"{self.n_neighbors_for(n)}: search for as many"
            )
        return graph

    def _initial_map(self, X: Any) -> NDArray[np.float32]:
        """Initial map (n, n_components): scaled to a small standard deviation, or as given."""
        n = X.shape[0]
        if not isinstance(self.init, str):
            given = check_array(self.init, dtype=np.float32, ensure_min_samples=0)
            if given.shape != (n, self.n_components):
                raise InputError(
                    f"init has shape {given.shape}: pass one position for each point, {n, self.n_components}"
                )
            return np.array(given)
        random = check_random_state(self.random_state)
        if self.init == "random":
            normal: NDArray[np.float32] = INIT_STD * random.standard_normal((n, self.n_components)).astype(np.float32)
            return normal
        start = np.zeros((n, self.n_components), np.float32)
        n_axes = min(self.n_components, *X.shape)
        pca = PCA(n_axes, random_state=random, copy=sparse.issparse(X)).set_output(transform="default")
        with np.errstate(all="ignore"):  # data without any variance
            components = pca.fit_transform(X if sparse.issparse(X) else PowerOfTwoScaler.fit(X).transform(X))
        width = components[:, 0].std()
        if width > 0:
            start[:, : components.shape[1]] = components * (INIT_STD / width)
        return start

    def _descend(
        self,
        P: sparse.csr_array,
        start: NDArray[np.float32],
        order: NDArray[np.intp],
        device: Any,
        workers: Workers,
    ) -> DescentLoop:
        """Run the descent on the device, or on the CPU if there is none or its memory does not suffice."""
        if device is not None:
            from latentmap.tsne.device_descent import DeviceDescent

            try:
                return self._optimize(DeviceDescent(P, start, exact=self._is_exact, device=device), order)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            release_cached()
            warnings.warn(f"out of memory on {device}: the map is computed on the CPU", stacklevel=3)
        return self._optimize(Descent(P, start, exact=self._is_exact, workers=workers), order)

    def _optimize(self, descent: DescentLoop, order: NDArray[np.intp]) -> DescentLoop:
        """Run the phases of the descent; only the ones without early exaggeration can stop it."""
        phases = descent_phases(
            len(order),
            self._EXPLORATION_MAX_ITER,
            self.max_iter,
            early_exaggeration=self.early_exaggeration,
            exaggeration=self.exaggeration,
            learning_rate=self.learning_rate,
        )
        self.learning_rate_ = phases[0].learning_rate
        early = [phase for phase in phases if phase.exaggeration != self.exaggeration]
        values: dict[str, float] = {}
        for phase in early:
            self._run_phase(descent, order, phase, self.max_iter, values)
        if self.verbose and early:
            divergence = descent.divergence()
            print(f"[t-SNE] KL divergence after {descent.n_iter} iterations with early exaggeration: {divergence:f}")
        for phase in phases[len(early) :]:
            if self._run_phase(descent, order, phase, self.n_iter_without_progress, values):
                break
        self.kl_divergence_ = descent.divergence()
        return descent

    def _run_phase(
        self,
        descent: DescentLoop,
        order: NDArray[np.intp],
        phase: DescentPhase,
        patience: int,
        values: dict[str, float],
    ) -> str:
        """Run one phase; return the reason for an early stop, or an empty string. ``values`` are for the callback."""

        def on_iteration(n_iter: int) -> None:
            if self.callback is not None:
                embedding = _restore_order(descent.current_map(), order)
                self.callback(MapProgress(n_iter, self.max_iter, dict(values), embedding=embedding))

        def on_check(check: ConvergenceCheck) -> None:
            values["divergence"] = check.divergence
            if self.verbose >= 2:
                print(
                    f"[t-SNE] Iteration {check.n_iter}: error = {check.divergence:.7f}, "
                    f"gradient norm = {check.gradient_norm:.7f} "
                    f"({self._N_ITER_CHECK} iterations in {check.seconds:.3f}s)"
                )

        stop_reason = descent.run(
            phase,
            min_grad_norm=self.min_grad_norm,
            patience=patience,
            check_every=self._N_ITER_CHECK,
            on_iteration=on_iteration,
            on_check=on_check,
        )
        if stop_reason and self.verbose >= 2:
            print(f"[t-SNE] Iteration {descent.n_iter}: {stop_reason}")
        return stop_reason


def _restore_order(Y: NDArray[np.float32], order: NDArray[np.intp]) -> NDArray[np.float32]:
    """Put the rows of the map back into the order of the data."""
    rows = np.empty_like(Y)
    rows[order] = Y
    return rows
