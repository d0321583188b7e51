"""Graph clustering as a scikit-learn estimator."""

from dataclasses import replace
from functools import partial
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.metrics import adjusted_rand_score
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from latentmap.core.errors import InputError
from latentmap.core.parallel import Workers
from latentmap.core.progress import Callback, Progress
from latentmap.groups.block_tree import BlockTree, default_min_size, merge_blocks
from latentmap.groups.blocks import grouped_tree, refine_groups
from latentmap.groups.communities import Labels
from latentmap.groups.copies import first_copies
from latentmap.groups.graph import (
    MIN_NEIGHBORS,
    affinity_graph,
    connect_components,
    default_neighbors,
    mean_over_neighbors,
)
from latentmap.groups.null_model import intrinsic_dimension, null_stabilities
from latentmap.groups.resolution import (
    RESOLUTIONS,
    Cut,
    best_resolution,
    excess_stability,
    stability_within,
    supported_cuts,
)
from latentmap.groups.separation import group_separations
from latentmap.groups.spreading import memberships
from latentmap.groups.stability import (
    find_stabilities,
    for_parts,
    graph_of_part,
    min_size_in_part,
    neighbors_to_search,
    neighbors_within,
    random_part,
)
from latentmap.groups.summary import GroupSummary, summarize_groups
from latentmap.groups.tree import check_cut
from latentmap.neighbors import NeighborGraph, nearest_neighbors
from latentmap.neighbors.invariant import N_EUCLIDEAN_CANDIDATES, TangentPoints, check_tangents, invariant_neighbors
from latentmap.neighbors.search import NeighborSearch

N_RESAMPLES, N_FEW_RESAMPLES = 20, 5  # random parts of the points in which groups are searched again
MAX_RESAMPLED_OFTEN = 5_000  # points; stabilities of more are known well enough from few parts


class GraphClustering(ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """Clustering on the neighbour graph, which also finds the number of groups.

    Neighbours are joined by weighted edges. Communities of this graph form small blocks, and average linkage builds a
    dendrogram over the blocks. It is cut where random parts of the points give the same groups, more
    surely than in a cloud without structure. A random walk with restart on the graph gives the membership of each point
    in each group. Equal points count as one while groups are found, so that copies are not a group of their own.

    Parameters
    ----------
    n_clusters : int, optional
        Number of groups; found from the data by default.
    n_neighbors : int, optional
        Number of neighbours of each point; 15 by default. For fewer than 60 points a quarter of them, and at least 4.
    min_cluster_size : int, optional
        Minimum number of different points of a group. By default 1/500 of them, and at least ``n_neighbors``.
    min_confidence : float, default=0
        Points with a lower confidence get the label -1. From 0 to 1.
    random_state : int, RandomState or None, default=None
        Seed or generator for the order in which nodes are visited.
    n_jobs : int, optional
        Number of threads; all CPUs by default. Results do not depend on it.
    callback : callable, optional
        Called with a :class:`latentmap.core.progress.Progress` after each of three steps.

    Attributes
    ----------
    labels_ : array (n,), int32
        Group of each point, numbered by descending size; -1 below ``min_confidence``.
    n_clusters_ : int
        Number of groups.
    probabilities_ : array (n, n_clusters_), float32
        Membership of each point in each group; rows sum to 1.
    confidence_ : array (n,), float32
        Membership of each point in its own group.
    separation_ : array (n_clusters_,), float64
        Separation of each group; see :class:`latentmap.groups.GroupSummary`.
    cuts_ : list of Cut
        Numbers of groups that the data support, with their stability: the chosen one first, then others. Empty if
        ``n_clusters`` is given, or there is one group.
    tree_ : Dendrogram
        Tree over blocks; ``tree_.cut(n_clusters_)`` gives the groups.
    blocks_ : array (n,), int32
        Block of each point.
    neighbors_ : NeighborGraph
        Neighbours from which the graph was built.
    n_features_in_ : int
        Number of features of X.

    References
    ----------
    Blondel et al. (2008), Fast unfolding of communities in large networks.
    Ben-Hur, Elisseeff and Guyon (2002), A stability based method for discovering structure in clustered data.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(300, 5))
    >>> X[100:] += 20
    >>> model = GraphClustering(random_state=0).fit(X)
    >>> model.n_clusters_, np.bincount(model.labels_).tolist()
    (2, [200, 100])
    """

    def __init__(
        self,
        n_clusters: int | None = None,
        *,
        n_neighbors: int | None = None,
        min_cluster_size: int | None = None,
        min_confidence: float = 0.0,
        random_state: Any = None,
        n_jobs: int | None = None,
        callback: Callback | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.n_neighbors = n_neighbors
        self.min_cluster_size = min_cluster_size
        self.min_confidence = min_confidence
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.callback = callback

    def fit(
        self,
        X: ArrayLike,
        y: object = None,  # noqa: ARG002 - scikit-learn's signature
        *,
        tangents: ArrayLike | None = None,
        neighbors: NeighborGraph | None = None,
    ) -> Self:
        """Find the groups.

        Parameters
        ----------
        X : array (n, d), float32 or float64
            Points, at least 2.
        y : ignored
        tangents : array (n, t, d), float32, optional
            Directions along which a point may move without a change of content, from
            :meth:`latentmap.Autoencoder.tangents`. Neighbours are then found by tangent distance.
        neighbors : NeighborGraph, optional
            Precomputed neighbours of X, at least ``n_neighbors`` of each point. Half as many again make the stability
            of groups known better.

        Returns
        -------
        self

        Raises
        ------
        InputError
            If X or the tangents contain NaN or infinity, a parameter is out of range, or the tangents or neighbours
            do not fit X.
        """
        data: NDArray[Any] = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        self._check_parameters(len(data))
        random = check_random_state(self.random_state)
        neighbors = self._choose_points(data, tangents, neighbors)
        self._report(1)
        n, k = len(self._data), self._k
        min_size = self.min_cluster_size or default_min_size(n, k)
        if self.n_clusters is not None:
            min_size = max(1, min(min_size, n // (3 * self.n_clusters)))
        graph = connect_components(affinity_graph(neighbors, k), self._data, min_size, self.n_jobs)
        whole = BlockTree.build(graph, min_size, random, self.n_clusters or 1)
        self._resolution: float | None = None
        self.cuts_: list[Cut] = []
        if self.n_clusters is None:
            self._resolution = self._find_resolution(whole, neighbors, k, self._data, random)
        groups = self._group(graph, whole, random)
        blocks = whole.blocks
        del whole
        self._report(2)
        probabilities = memberships(graph, groups)
        most_probable = probabilities.argmax(axis=1).astype(np.int32)
        if len(np.unique(most_probable)) == probabilities.shape[1]:  # no group lost all of its points
            groups = most_probable
        by_size = np.argsort(-np.bincount(groups, weights=self._copies), kind="stable")
        groups = np.argsort(by_size)[groups].astype(np.int32)
        self._probabilities = probabilities[:, by_size]
        self._confidence = self._probabilities[np.arange(n), groups]
        self.n_clusters_ = len(by_size)
        self._report(3)
        self._build_tree(graph, blocks, groups, min_size)
        self._min_size, self._graph, self._groups, self._neighbors = min_size, graph, groups, neighbors
        self._give_to_copies()
        return self

    def predict(self, X: ArrayLike, *, tangents: ArrayLike | None = None) -> Labels:
        """Predict the group of new points.

        Parameters
        ----------
        X : array (m, d), float32 or float64
            New points.
        tangents : array (m, t, d), float32, optional
            Tangents of the new points; used if the estimator was fitted with tangents.

        Returns
        -------
        array (m,), int32
            Most probable group of each point; -1 below ``min_confidence``.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        InputError
            If X or the tangents contain NaN or infinity, or have another shape.
        """
        probabilities = self.predict_proba(X, tangents=tangents)
        labels = probabilities.argmax(axis=1).astype(np.int32)
        return np.where(probabilities.max(axis=1) < self.min_confidence, np.int32(-1), labels)

    def predict_proba(self, X: ArrayLike, *, tangents: ArrayLike | None = None) -> NDArray[np.float32]:
        """Predict memberships of new points: the weighted mean of those of their nearest neighbours.

        Parameters
        ----------
        X : array (m, d), float32 or float64
            New points.
        tangents : array (m, t, d), float32, optional
            Tangents of the new points; used if the estimator was fitted with tangents.

        Returns
        -------
        array (m, n_clusters_), float32

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        InputError
            If X or the tangents contain NaN or infinity, or have another shape.
        """
        check_is_fitted(self)
        data: NDArray[Any] = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        n, k = len(self._data), self._k
        if tangents is None or self._tangents is None:
            indices, distances = NeighborSearch(self._data, "euclidean", None).query(data, min(n, k), self.n_jobs)
        else:
            tangents = np.ascontiguousarray(tangents, np.float32)
            check_tangents(data, tangents)
            n_candidates = min(n, N_EUCLIDEAN_CANDIDATES)
            candidates, _ = NeighborSearch(self._data, "euclidean", None).query(data, n_candidates, self.n_jobs)
            points = TangentPoints(np.ascontiguousarray(self._data, np.float32), self._tangents)
            queries = TangentPoints(np.ascontiguousarray(data, np.float32), tangents)
            with Workers(self.n_jobs) as workers:
                indices, squared = points.nearest(queries, candidates, min(n, k), workers)
            distances = np.sqrt(squared)
        return mean_over_neighbors(self._probabilities, indices, distances)

    def cut(self, n_clusters: int) -> Labels:
        """Cut the tree into another number of groups, by merging the closest groups or splitting the loosest.

        Parameters
        ----------
        n_clusters : int
            Number of groups, from 1 to the number of blocks.

        Returns
        -------
        array (n,), int32
            Group of each point.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        InputError
            If ``n_clusters`` is out of range.
        """
        check_is_fitted(self)
        check_cut(self.tree_, n_clusters)
        labels: Labels = self.tree_.cut(n_clusters)[self.blocks_]
        return labels

    def describe(self, n_examples: int = 10) -> list[GroupSummary]:
        """Summarize each group, the largest first.

        Parameters
        ----------
        n_examples : int, default=10
            Maximum number of typical points and of boundary points in each summary.

        Returns
        -------
        list of GroupSummary

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        """
        check_is_fitted(self)
        summaries = summarize_groups(
            self._graph,
            self.tree_,
            self._blocks,
            self._groups,
            self._confidence,
            self.separation_,
            self._copies,
            n_examples,
        )
        return [replace(one, typical=self._rows[one.typical], boundary=self._rows[one.boundary]) for one in summaries]

    def stability(self, n_resamples: int = 5, fraction: float = 0.8, random_state: int = 0) -> float:
        """Compute the stability of the groups: their mean adjusted Rand index with groups of random parts.

        Parameters
        ----------
        n_resamples : int, default=5
            Number of parts.
        fraction : float, default=0.8
            Fraction of the points in each part. Groups are found in it at the same resolution, or as many.
        random_state : int, default=0
            Seed for the parts.

        Returns
        -------
        float
            At most 1, if the groups are always the same.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        """
        check_is_fitted(self)
        min_size = min_size_in_part(self._min_size, fraction)

        def measure(random: np.random.RandomState) -> float:
            rows = random_part(len(self._groups), fraction, random)
            graph = graph_of_part(self._neighbors, rows, self._k, self._data, min_size, 1)
            part = BlockTree.build(graph, min_size, random, self.n_clusters or 1)
            return float(adjusted_rand_score(self._groups[rows], self._group(graph, part, random)))

        random = check_random_state(random_state)
        return float(np.mean(for_parts(measure, n_resamples, len(self._groups), random, self.n_jobs)))

    def _choose_points(self, X: NDArray[Any], tangents: ArrayLike | None, known: NeighborGraph | None) -> NeighborGraph:
        """Keep one of each set of equal points, among which groups are found, and return their neighbours."""
        n, k = len(X), min(len(X) - 1, self.n_neighbors or default_neighbors(len(X)))
        self._tangents = None if tangents is None else np.ascontiguousarray(tangents, np.float32)
        neighbors = self._find_neighbors(X, self._tangents, k, known)
        self.neighbors_ = neighbors.nearest(k)
        rows, self._copy_of = np.unique(first_copies(neighbors), return_inverse=True)
        if len(rows) == n or len(rows) < max(2 * MIN_NEIGHBORS, self.n_clusters or 0):
            rows = self._copy_of = np.arange(n)
        else:
            X, k = X[rows], min(k, len(rows) - 1)
            self._tangents = None if self._tangents is None else self._tangents[rows]
            if known is None:
                neighbors = self._find_neighbors(X, self._tangents, k, None)
            else:
                neighbors = neighbors_within(neighbors, rows, neighbors.n_neighbors)
        self._data, self._k, self._rows, self._copies = X, k, rows, np.bincount(self._copy_of)
        return neighbors.nearest(min(neighbors.n_neighbors, neighbors_to_search(k, len(X))))

    def _give_to_copies(self) -> None:
        """Set what is known of each point from the one that stands for it."""
        self.probabilities_, self.confidence_ = self._probabilities[self._copy_of], self._confidence[self._copy_of]
        self.blocks_, groups = self._blocks[self._copy_of], self._groups[self._copy_of]
        self.labels_ = np.where(self.confidence_ < self.min_confidence, -1, groups).astype(np.int32)

    def _find_neighbors(
        self, X: NDArray[Any], tangents: NDArray[np.float32] | None, k: int, known: NeighborGraph | None
    ) -> NeighborGraph:
        if known is not None:
            if len(known.indices) != len(X) or known.n_neighbors < k:
                raise InputError(
                    f"neighbors has {known.n_neighbors} of {len(known.indices)} points: pass at least {k} of {len(X)}"
                )
            return known
        n_searched = neighbors_to_search(k, len(X))
        if tangents is not None:
            check_tangents(X, tangents)
            return invariant_neighbors(X, tangents, n_searched, n_jobs=self.n_jobs)
        return nearest_neighbors(X, n_searched, n_jobs=self.n_jobs)

    def _find_resolution(
        self, whole: BlockTree, neighbors: NeighborGraph, k: int, X: NDArray[Any], random: np.random.RandomState
    ) -> float | None:
        """The resolution at which the tree has groups; None if there is only one."""
        n_resamples = N_RESAMPLES if len(X) <= MAX_RESAMPLED_OFTEN else N_FEW_RESAMPLES
        found, cuts, parts = find_stabilities(whole, neighbors, k, X, n_resamples, random, self.n_jobs)
        dimension = intrinsic_dimension(neighbors.distances[:, :k])
        excess = excess_stability(found, null_stabilities(found.counts, len(X), k, dimension, self.n_jobs))
        best = best_resolution(found.counts, excess, len(X), partial(stability_within, cuts, parts))
        if best is None:
            return None
        self.cuts_ = supported_cuts(found, excess, best)
        return float(RESOLUTIONS[best])

    def _group(self, graph: Any, whole: BlockTree, random: np.random.RandomState) -> Labels:
        """Group of each point, by cutting the tree at the resolution or into the number of groups."""
        if self.n_clusters is not None:
            groups = whole.cut_into(self.n_clusters)
        elif self._resolution is not None:
            groups = whole.cut_at(self._resolution)
        else:
            groups = np.zeros(len(whole.sizes), np.int32)
        return refine_groups(graph, whole.graph, whole.blocks, groups, random)

    def _build_tree(self, graph: Any, blocks: Labels, groups: Labels, min_size: int) -> None:
        """Build the tree whose last merges join the groups, and whose earlier merges join blocks within groups.

        The separation of each group is measured on it.
        """
        pairs, inverse = np.unique(np.stack([groups, blocks]), axis=1, return_inverse=True)
        group_of_part = pairs[0].astype(np.int32)
        parts = inverse.ravel().astype(np.int32)
        self._blocks, block_graph = merge_blocks(graph, parts, group_of_part, max(1, min_size // 2), 1)
        group_of_block = np.zeros(block_graph.shape[0], np.int32)
        group_of_block[self._blocks] = groups
        weights, edge_weight = block_graph.toarray(), 2 * float(graph.data.mean()) if graph.nnz else 1.0
        self.tree_ = grouped_tree(weights, group_of_block)
        sizes = np.bincount(self._blocks)
        self.separation_ = group_separations(self.tree_, weights, sizes, group_of_block, edge_weight)

    def _report(self, done: int) -> None:
        if self.callback is not None:
            self.callback(Progress(done, 3))

    def _check_parameters(self, n: int) -> None:
        for name in ("n_clusters", "n_neighbors", "min_cluster_size"):
            value = getattr(self, name)
            if value is None:
                continue
            if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
                raise InputError(
                    f"{name}={value!r}: ask for a whole number of at least 1, or None to find it from the data"
                )
            if value > n:
                raise InputError(f"{name}={value} exceeds n_samples={n}: ask for at most {n}")
        if not isinstance(self.min_confidence, Real) or not 0 <= self.min_confidence <= 1:
            raise InputError(f"min_confidence={self.min_confidence!r}: ask for one from 0 to 1")
