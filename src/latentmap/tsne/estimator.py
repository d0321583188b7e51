"""t-SNE with scikit-learn's contract, on kernels of our own."""

import time
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

from latentmap.core.errors import InputError, InputTypeError
from latentmap.core.frame import Frame
from latentmap.core.parallel import Workers
from latentmap.core.progress import Callback, Progress
from latentmap.neighbors import NeighborGraph, NeighborSearch
from latentmap.tsne.affinity import conditional_affinities, joint_affinities
from latentmap.tsne.optimizer import Descent, Look, Phase
from latentmap.tsne.transform import place

START = 1e-4  # standard deviation of a map's first axis at the beginning
EARLY_MOMENTUM = 0.5
MOMENTUM, FINAL_MOMENTUM = 0.8, 0.95
MANY = 250_000  # points from which on memory counts for more than the tails of the affinities
SETTLING = 0.3  # share of the later iterations that are done before the final momentum


@dataclass(frozen=True)
class MapProgress(Progress):
    """Progress of a map, with the map as it is: a copy, (n_samples, n_components)."""

    embedding: NDArray[np.float32] = field(kw_only=True, repr=False)


class TSNE(manifold.TSNE):  # type: ignore[misc]
    """t-distributed stochastic neighbour embedding (van der Maaten and Hinton 2008; Linderman et al. 2019).

    Parameters, attributes and results are those of :class:`sklearn.manifold.TSNE`, with these differences. All cores
    are used by default. 750 iterations lead further down than 1,000 of the usual ones, since the later ones have a
    longer step and a momentum of 0.95 (of 0.8 where a learning rate is given that is larger than "auto"). The tails
    are Student's with one degree of freedom in any number of dimensions. New points can be placed on a finished map.

    Parameters
    ----------
    n_components : int, default=2
        Dimensions of the map. The fast way is for 1 and 2; with 3 all pairs of points are summed.
    perplexity : float, default=30
        Neighbours that a point cares for, roughly. Must be less than the number of points.
    early_exaggeration : float, default=12
        Factor on the attraction for the first 250 iterations.
    learning_rate : float or "auto", default="auto"
        "auto" is n_samples / early_exaggeration / 4, and after the early exaggeration n_samples / exaggeration / 4
        (Belkina et al. 2019; the factor 4 is scikit-learn's convention). A number holds throughout.
    max_iter : int, default=750
        At least 250.
    n_iter_without_progress : int, default=300
    min_grad_norm : float, default=1e-7
    metric : str or callable, default="euclidean"
        See :func:`latentmap.nearest_neighbors`.
    metric_params : dict, optional
    init : {"pca", "random"} or array (n_samples, n_components), default="pca"
    verbose : int, default=0
    random_state : int, RandomState or None
    method : {"barnes_hut", "exact"}, default="barnes_hut"
        scikit-learn's names. By default the repulsion is interpolated on a grid where that is quicker; "exact" sums
        it over all pairs of points. Either way affinities are those of the 3 · perplexity + 1 nearest neighbours.
    angle : float, default=0.5
        Taken for compatibility; there is no tree.
    n_jobs : int, optional
        Threads; all cores by default.
    exaggeration : float, default=1
        Factor on the attraction after the early exaggeration; above 1 groups become tighter.
    callback : callable, optional
        Called every tenth iteration with a :class:`MapProgress`: ``done``, ``total``, the divergence when last looked
        at, and ``embedding``, from which an animation can be made.

    Attributes
    ----------
    embedding_ : ndarray of shape (n_samples, n_components), float32
    kl_divergence_ : float
        Of the finished map, without exaggeration.
    learning_rate_ : float
        Of the early iterations.
    n_iter_ : int
        Index of the last iteration.

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
    }

    def __init__(
        self,
        n_components: int = 2,
        *,
        perplexity: float = 30.0,
        early_exaggeration: float = 12.0,
        learning_rate: float | str = "auto",
        max_iter: int = 750,
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

    def fit(
        self,
        X: Any,
        y: object = None,  # noqa: ARG002 - scikit-learn's signature
        *,
        neighbors: NeighborGraph | None = None,
    ) -> Self:
        """Make the map, which is then in ``embedding_``.

        Parameters
        ----------
        X : array or sparse matrix (n_samples, n_features)
            With metric "precomputed" distances (n_samples, n_samples), or a sparse graph of them.
        y : ignored
        neighbors : NeighborGraph, optional
            Neighbours of X, from :func:`latentmap.nearest_neighbors`, so that maps at several perplexities take one
            search: 3 times the largest perplexity, and one more.

        Returns
        -------
        self

        Raises
        ------
        InputError
            For an initial map of another shape, a neighbour graph that does not fit, parameters that do not fit each
            other, or a learning rate with which the map grows without bound.
        InputTypeError
            For a sparse matrix of distances with method "exact".
        ValueError
            For NaN or infinity, or a parameter out of range, such as a perplexity that is not less than the number of
            points: scikit-learn's own checks.
        """
        self._validate_params()
        data = self._check_data(X)
        n = data.shape[0]
        self._search = NeighborSearch(data, self.metric, self.metric_params)
        graph = self._find_neighbors(n) if neighbors is None else self._check_neighbors(neighbors, n)
        start = self._start(data)
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
            descent = Descent(P, start[order], exact=self._is_exact, workers=workers)
            self._descend(descent, order)
            self.kl_divergence_ = descent.divergence()
        if self.verbose:
            print(f"[t-SNE] KL divergence after {descent.n_iter} iterations: {self.kl_divergence_:f}")
        self.n_iter_ = descent.n_iter - 1
        self.embedding_ = _scattered(descent.Y, order)
        return self

    def fit_transform(self, X: Any, y: object = None, *, neighbors: NeighborGraph | None = None) -> NDArray[np.float32]:
        """Make the map and return it: (n_samples, n_components), float32. Parameters and errors are those of fit.

        Parameters
        ----------
        X, y, neighbors
            See :meth:`fit`.
        """
        return self.fit(X, y, neighbors=neighbors).embedding_

    @classmethod
    def with_map(cls, X: Any, embedding: NDArray[np.float32], **params: Any) -> Self:
        """A map that was made before, ready to have new points placed on it.

        Parameters
        ----------
        X : array (n_samples, n_features)
            The points that the map was made of.
        embedding : array (n_samples, n_components)
            Their places.
        **params
            Those that the map was made with.
        """
        tsne = cls(n_components=embedding.shape[1], **params)
        data = tsne._check_data(X)
        tsne._search = NeighborSearch(data, tsne.metric, tsne.metric_params)
        tsne.embedding_ = np.ascontiguousarray(embedding, np.float32)
        return tsne

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Place new points on the finished map, which stays as it is.

        Each is placed by itself, where the pull of its neighbours and the push of the map balance; a point that was
        in the training data gets its place there.

        Parameters
        ----------
        X : array or sparse matrix (m, n_features)
            With metric "precomputed" distances to the points of the map, (m, n_samples).

        Returns
        -------
        ndarray of shape (m, n_components), float32
        """
        check_is_fitted(self, "embedding_")
        accept_sparse = "csr" if self.metric != "precomputed" else False
        data = validate_data(self, X, accept_sparse=accept_sparse, dtype=[np.float32, np.float64], reset=False)
        if sparse.issparse(data) and not sparse.issparse(self._search.X):
            data = data.toarray()
        indices, distances = self._search.query(data, self.n_neighbors_for(len(self.embedding_)), self.n_jobs)
        with Workers(self.n_jobs) as workers:
            affinities, _ = conditional_affinities(distances, self.perplexity, workers)
            placed = place(indices, affinities, self.embedding_, exact=self._is_exact, workers=workers)
        known = distances[:, 0] == 0
        placed[known] = self.embedding_[indices[known, 0]]
        return placed

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    @property
    def _is_exact(self) -> bool:
        return bool(self.method == "exact")

    def n_neighbors_for(self, n: int) -> int:
        """Neighbours that carry the perplexity: three times as many, and one more, as far as there are points.

        One and a half times as many above 250,000 points, which halves the memory; the map looks the same.

        Parameters
        ----------
        n : int
            Number of points.
        """
        return min(n - 1, int((3 if n <= MANY else 1.5) * self.perplexity + 1))

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
        begun = time.perf_counter()
        if self.verbose:
            print(f"[t-SNE] Computing {self.n_neighbors_for(n)} nearest neighbors...")
        graph = self._search.graph(self.n_neighbors_for(n), self.n_jobs)
        if self.verbose:
            print(f"[t-SNE] Computed neighbors for {n} samples in {time.perf_counter() - begun:.3f}s...")
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

    def _start(self, X: Any) -> NDArray[np.float32]:
        """The map to begin with, (n, n_components): small, or as it was given."""
        n = X.shape[0]
        if not isinstance(self.init, str):
            given = check_array(self.init, dtype=np.float32, ensure_min_samples=0)
            if given.shape != (n, self.n_components):
                raise InputError(f"init has shape {given.shape}: give one place for each point, {n, self.n_components}")
            return np.array(given)
        random = check_random_state(self.random_state)
        if self.init == "random":
            normal: NDArray[np.float32] = START * random.standard_normal((n, self.n_components)).astype(np.float32)
            return normal
        start = np.zeros((n, self.n_components), np.float32)
        n_axes = min(self.n_components, *X.shape)
        pca = PCA(n_axes, random_state=random, copy=sparse.issparse(X)).set_output(transform="default")
        with np.errstate(all="ignore"):  # data without any spread
            components = pca.fit_transform(X if sparse.issparse(X) else Frame.around(X).into(X))
        width = components[:, 0].std()
        if width > 0:
            start[:, : components.shape[1]] = components * (START / width)
        return start

    def _descend(self, descent: Descent, order: NDArray[np.intp]) -> None:
        """Early exaggeration, then two phases of growing momentum."""
        n, explored = len(order), self._EXPLORATION_MAX_ITER
        # steps that are stable under an attraction that many times as strong
        stable_early, stable = n / self.early_exaggeration / 4, n / self.exaggeration / 4
        early, late = (stable_early, stable) if self.learning_rate == "auto" else (self.learning_rate,) * 2
        final_momentum = FINAL_MOMENTUM if late <= stable else MOMENTUM
        self.learning_rate_ = early
        patience = self.n_iter_without_progress
        settled = explored + int(SETTLING * (self.max_iter - explored))
        values: dict[str, float] = {}
        self._run(descent, order, Phase(explored, self.early_exaggeration, early, EARLY_MOMENTUM, explored), values)
        if self.verbose and explored:
            found = descent.divergence()
            print(f"[t-SNE] KL divergence after {explored} iterations with early exaggeration: {found:f}")
        for end, momentum in ((settled, MOMENTUM), (self.max_iter, final_momentum)):
            if self._run(descent, order, Phase(end, self.exaggeration, late, momentum, patience), values):
                break

    def _run(self, descent: Descent, order: NDArray[np.intp], phase: Phase, values: dict[str, float]) -> str:
        """Go through one phase; why it ended early, or an empty string. ``values`` are for the callback."""

        def report(n_iter: int) -> None:
            if self.callback is not None:
                embedding = _scattered(descent.Y, order)
                self.callback(MapProgress(n_iter, self.max_iter, dict(values), embedding=embedding))

        def look(found: Look) -> None:
            values["divergence"] = found.divergence
            if self.verbose >= 2:
                print(
                    f"[t-SNE] Iteration {found.n_iter}: error = {found.divergence:.7f}, "
                    f"gradient norm = {found.gradient_norm:.7f} "
                    f"({self._N_ITER_CHECK} iterations in {found.seconds:.3f}s)"
                )

        why = descent.run(
            phase, min_grad_norm=self.min_grad_norm, check_every=self._N_ITER_CHECK, report=report, look=look
        )
        if why and self.verbose >= 2:
            print(f"[t-SNE] Iteration {descent.n_iter}: {why}")
        return why


def _scattered(Y: NDArray[np.float32], order: NDArray[np.intp]) -> NDArray[np.float32]:
    """The map's rows back where their points are in the data."""
    rows = np.empty_like(Y)
    rows[order] = Y
    return rows
