"""Groups on the neighbour graph, with scikit-learn's contract."""

from dataclasses import dataclass
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.metrics import adjusted_rand_score
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from latentmap.core.parallel import Workers
from latentmap.core.progress import Callback, Progress
from latentmap.groups.blocks import grouped_tree, settled, shared_out, summed
from latentmap.groups.communities import Labels, communities, contracted
from latentmap.groups.graph import affinity_graph, default_neighbors, mean_over_neighbors, without_islands
from latentmap.groups.pieces import induced
from latentmap.groups.selection import SEPARATED, measure, separated_groups
from latentmap.groups.spreading import memberships
from latentmap.groups.tree import Dendrogram, absorb, average_linkage, check_cut
from latentmap.neighbors import NeighborGraph, nearest_neighbors
from latentmap.neighbors.invariant import N_EUCLIDEAN_CANDIDATES, TangentPoints, check_tangents, invariant_neighbors
from latentmap.neighbors.search import NeighborSearch

# A group has at least this share of the points, and twice as many points as each has neighbours.
LEAST_SHARE = 1 / 500
BLOCKS_A_GROUP = 4  # blocks in the smallest group
MOST_BLOCKS = 3000
BLOCK_RESOLUTION = 0.1  # times points over points in a block: about as many blocks as wanted
# Ratios tried, one after the other, until there are enough groups for n_clusters.
LOWER_RATIOS = (SEPARATED, 1.5, 1.0, 0.75, 0.5, 0.25, 0.0)


@dataclass(frozen=True)
class Group:
    """One group, described.

    Attributes
    ----------
    size : int
    typical, boundary : array, int
        Rows of the points that are surest, and of the least sure.
    neighbors : list of (int, float)
        The other groups, nearest first, with the share of this group's edges that lead to each.
    merge : tuple (int, int) or None
        The nearest of the groups that it would be merged with first, and how many groups there would be then.
    split : tuple (int, ...) or None
        Sizes of the two parts that it would be split into first.
    separation : float
        Conductance of its narrowest cut over that of its border; above 2 it stands apart.
    """

    size: int
    typical: NDArray[np.intp]
    boundary: NDArray[np.intp]
    neighbors: list[tuple[int, float]]
    merge: tuple[int, int] | None
    split: tuple[int, int] | None
    separation: float


class GraphClustering(ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """Groups of points that hang together on their neighbour graph, and how many there are.

    Near neighbours are joined by weighted edges. Communities of the graph give small blocks, average linkage a tree
    over them, and those nodes of the tree are groups that can be cut less easily than they can be cut off. A walk on
    the graph then says how surely each point belongs to each group.

    Parameters
    ----------
    n_clusters : int, optional
        Groups to make; found from the data by default.
    n_neighbors : int, optional
        Edges of each point; the logarithm of the number of points by default, from 4 to 12.
    min_cluster_size : int, optional
        Fewer points are no group. By default 1/500 of all and at least twice ``n_neighbors``.
    min_confidence : float, default=0
        Points that are less sure get the label -1.
    random_state : int, RandomState or None
        For the order in which nodes are visited.
    n_jobs : int, optional
        Threads; all cores by default. Results do not depend on them.
    callback : callable, optional
        Called with a :class:`latentmap.core.progress.Progress` after each step.

    Attributes
    ----------
    labels_ : array (n,), int32
        Groups numbered by falling size; -1 below ``min_confidence``.
    n_clusters_ : int
    probabilities_ : array (n, n_clusters_), float32
        Share of each group in each point's surroundings.
    confidence_ : array (n,), float32
        That of its own group.
    separation_ : array (n_clusters_,), float64
        See :class:`Group`.
    tree_ : Dendrogram
        Over blocks of each group; ``tree_.cut(n_clusters_)`` gives the groups.
    blocks_ : array (n,), int32
        The block of each point.
    neighbors_ : NeighborGraph
        The neighbours that the graph is made of.
    n_features_in_ : int

    References
    ----------
    The parts are in :mod:`latentmap.groups.communities`, ``tree`` and ``selection``.

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
        X : array (n, d)
        y : ignored
        tangents : array (n, t, d), optional
            Directions in which a point may move and stay the same, from :meth:`latentmap.Autoencoder.tangents`.
            Neighbours are then those of the tangent distance.
        neighbors : NeighborGraph, optional
            At least ``n_neighbors`` neighbours of each point, when they are known already.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For NaN or infinity, a parameter out of range, or tangents or neighbours of other points.
        """
        data: NDArray[Any] = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        n = len(data)
        self._check_parameters(n)
        random = check_random_state(self.random_state)
        k = min(n - 1, self.n_neighbors or default_neighbors(n))
        least = self.min_cluster_size or max(2 * k, round(LEAST_SHARE * n))
        if self.n_clusters is not None:
            least = max(1, min(least, n // (3 * self.n_clusters)))
        self._tangents = None if tangents is None else np.ascontiguousarray(tangents, np.float32)
        neighbors = self._neighbors(data, k, neighbors)
        self.neighbors_ = neighbors
        self._report(1)
        graph = without_islands(affinity_graph(neighbors, k), data, least, self.n_jobs)
        blocks, groups, separation = self._partition(graph, least, random)
        self._report(2)
        shares = memberships(graph, groups)
        likeliest = shares.argmax(axis=1).astype(np.int32)
        if len(np.unique(likeliest)) == shares.shape[1]:  # else some group is too small to be anyone's likeliest
            groups = likeliest
        by_size = np.argsort(-np.bincount(groups), kind="stable")
        groups = np.argsort(by_size)[groups].astype(np.int32)
        self.probabilities_, self.separation_ = shares[:, by_size], separation[by_size]
        self.confidence_ = self.probabilities_[np.arange(n), groups]
        self.n_clusters_ = len(by_size)
        self._report(3)
        self._build_tree(graph, blocks, groups, least)
        self.labels_ = np.where(self.confidence_ < self.min_confidence, -1, groups).astype(np.int32)
        self._data, self._k, self._least, self._graph, self._all_labels = data, k, least, graph, groups
        return self

    def predict(self, X: ArrayLike, *, tangents: ArrayLike | None = None) -> Labels:
        """Groups of new points, by the groups of their nearest neighbours; -1 below ``min_confidence``: (m,), int32."""
        shares = self.predict_proba(X, tangents=tangents)
        labels = shares.argmax(axis=1).astype(np.int32)
        return np.where(shares.max(axis=1) < self.min_confidence, np.int32(-1), labels)

    def predict_proba(self, X: ArrayLike, *, tangents: ArrayLike | None = None) -> NDArray[np.float32]:
        """Mean of the probabilities of the nearest neighbours of new points, the nearer the more: (m, n_clusters_)."""
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
            new = TangentPoints(np.ascontiguousarray(data, np.float32), tangents)
            with Workers(self.n_jobs) as workers:
                indices, squared = points.nearest(new, candidates, min(n, k), workers)
            distances = np.sqrt(squared)
        return mean_over_neighbors(self.probabilities_, indices, distances)

    def cut(self, n_clusters: int) -> Labels:
        """Labels (n,) with another number of groups: the nearest groups merged, or the loosest split.

        Raises
        ------
        ValueError
            If the tree has fewer blocks.
        """
        check_is_fitted(self)
        check_cut(self.tree_, n_clusters)
        labels: Labels = self.tree_.cut(n_clusters)[self.blocks_]
        return labels

    def describe(self, n_examples: int = 10) -> list[Group]:
        """Describe each group, the largest first, with up to ``n_examples`` rows of each kind."""
        check_is_fitted(self)
        n_groups = self.n_clusters_
        between = contracted(self._graph, self._all_labels).toarray()
        shares = between / between.sum(axis=1, keepdims=True)
        parents = self.tree_.parents()
        sizes = self.tree_.totals(np.bincount(self.blocks_, minlength=self.tree_.n_blocks).astype(float))
        described = []
        for group, node in enumerate(self._group_nodes()):
            rows = np.flatnonzero(self._all_labels == group)
            by_confidence = rows[np.argsort(-self.confidence_[rows], kind="stable")]
            nearest = [int(j) for j in np.argsort(-shares[group], kind="stable") if j != group and shares[group, j] > 0]
            merge = None
            if n_groups > 1:
                beside = np.unique(self._all_labels[np.isin(self.blocks_, self.tree_.blocks_under(int(parents[node])))])
                beside = beside[beside != group]
                near = int(beside[shares[group, beside].argmax()])
                merge = (near, int(2 * self.tree_.n_blocks - 1 - parents[node]))
            split = None
            if node >= self.tree_.n_blocks:
                parts = sizes[self.tree_.merges[node - self.tree_.n_blocks]]
                split = (int(parts.max()), int(parts.min()))
            described.append(
                Group(
                    len(rows),
                    by_confidence[:n_examples],
                    by_confidence[::-1][:n_examples],
                    [(j, float(shares[group, j])) for j in nearest],
                    merge,
                    split,
                    float(self.separation_[group]),
                )
            )
        return described

    def stability(self, n_resamples: int = 5, share: float = 0.8, random_state: int = 0) -> float:
        """Mean adjusted Rand index of the groups with those found on parts of the graph: 1 when they are the same.

        Parameters
        ----------
        n_resamples : int, default=5
        share : float, default=0.8
            Points that each part has, drawn at random.
        random_state : int
        """
        check_is_fitted(self)
        random, n = check_random_state(random_state), len(self._all_labels)
        agreement = []
        for _ in range(n_resamples):
            rows = np.sort(random.choice(n, max(2, round(share * n)), replace=False))
            part = without_islands(induced(self._graph, rows), self._data[rows], self._least, self.n_jobs)
            found = self._partition(part, max(1, round(share * self._least)), random)[1]
            agreement.append(adjusted_rand_score(self._all_labels[rows], found))
            del part  # as large as the graph
        return float(np.mean(agreement))

    def _neighbors(self, X: NDArray[Any], k: int, known: NeighborGraph | None) -> NeighborGraph:
        if known is not None:
            if len(known.indices) != len(X) or known.n_neighbors < k:
                raise ValueError(
                    f"neighbors has {known.n_neighbors} of {len(known.indices)} points: pass at least {k} of {len(X)}"
                )
            return known
        if self._tangents is not None:
            check_tangents(X, self._tangents)
            return invariant_neighbors(X, self._tangents, k, n_jobs=self.n_jobs)
        return nearest_neighbors(X, k, n_jobs=self.n_jobs)

    def _partition(
        self, graph: Any, least: int, random: np.random.RandomState
    ) -> tuple[Labels, Labels, NDArray[np.float64]]:
        """Blocks and groups of the points, and the separation of each group."""
        blocks, tree = self._blocks(graph, least, random)
        groups, separation = self._groups(graph, blocks, tree, least)
        return blocks, settled(graph, blocks, groups, random), separation

    def _blocks(self, graph: Any, least: int, random: np.random.RandomState) -> tuple[Labels, Dendrogram]:
        """Small communities of the graph and the tree over them."""
        n = graph.shape[0]
        wanted = max(1, least // BLOCKS_A_GROUP, n // MOST_BLOCKS)
        fewest = self.n_clusters or 1
        resolution = max(1.0, BLOCK_RESOLUTION * n / wanted)
        blocks = communities(graph, resolution, random)
        while blocks.max() + 1 < min(n, fewest):
            resolution *= 4
            blocks = communities(graph, resolution, random) if resolution < n**2 else np.arange(n, dtype=np.int32)
        between, sizes = contracted(graph, blocks).toarray(), np.bincount(blocks)
        merged = absorb(np.zeros(len(sizes), np.int32), between, sizes, wanted)
        if merged.max() + 1 >= fewest:
            blocks = merged[blocks]
            between = contracted(graph, blocks).toarray()
        return blocks, average_linkage(between, between.sum(axis=1))

    def _groups(self, graph: Any, blocks: Labels, tree: Dendrogram, least: int) -> tuple[Labels, NDArray[np.float64]]:
        """The group of each block, -1 for none yet, and the separation of each group."""
        between, sizes = contracted(graph, blocks).toarray(), np.bincount(blocks)
        unit = 2 * float(graph.data.mean()) if graph.nnz else 1.0
        separation = measure(tree, between, sizes, unit)
        wanted = self.n_clusters
        ratios = LOWER_RATIOS if wanted is not None else LOWER_RATIOS[:1]
        for ratio in ratios:
            nodes = separated_groups(tree, separation, least, ratio)
            if len(nodes) >= (wanted or 1):
                break
        if wanted == 1 or (wanted is None and len(nodes) < 2):
            return np.zeros(tree.n_blocks, np.int32), np.full(1, np.nan)
        if wanted is not None and len(nodes) < wanted:
            return tree.cut(wanted), np.full(wanted, np.nan)
        groups = np.full(tree.n_blocks, -1, np.int32)
        for group, node in enumerate(nodes):
            groups[tree.blocks_under(node)] = group
        groups = shared_out(groups, between)
        ratios_of = separation.ratios[nodes]
        if wanted is not None and len(nodes) > wanted:
            weights = summed(between, groups)
            fewer = average_linkage(weights, weights.sum(axis=1)).cut(wanted)
            ratios_of = np.array([np.nanmin(ratios_of[fewer == g]) for g in range(wanted)])
            groups = fewer[groups]
        return groups, ratios_of

    def _build_tree(self, graph: Any, blocks: Labels, groups: Labels, least: int) -> None:
        """The tree whose first cuts are merges of the groups and whose later ones split them."""
        parts = np.unique(np.stack([groups, blocks]), axis=1, return_inverse=True)
        labels, fine = parts[0][0].astype(np.int32), parts[1].ravel().astype(np.int32)
        between, sizes = contracted(graph, fine).toarray(), np.bincount(fine)
        merged = absorb(labels, between, sizes, max(1, least // 2))
        of_block = np.zeros(merged.max() + 1, np.int32)
        of_block[merged] = labels
        self.blocks_ = merged[fine]
        between = contracted(graph, self.blocks_).toarray()
        self.tree_ = grouped_tree(between, of_block)

    def _group_nodes(self) -> list[int]:
        """The node of the tree that is each group."""
        n_blocks, n_groups = self.tree_.n_blocks, self.n_clusters_
        first_undone = 2 * n_blocks - n_groups
        parents = self.tree_.parents()
        of_block = np.zeros(n_blocks, np.int32)
        of_block[self.blocks_] = self._all_labels
        nodes = [0] * n_groups
        for block in range(n_blocks):
            node = block
            while parents[node] >= 0 and parents[node] < first_undone:
                node = parents[node]
            nodes[of_block[block]] = int(node)
        return nodes

    def _report(self, done: int) -> None:
        if self.callback is not None:
            self.callback(Progress(done, 3))

    def _check_parameters(self, n: int) -> None:
        for name in ("n_clusters", "n_neighbors", "min_cluster_size"):
            value = getattr(self, name)
            if value is None:
                continue
            if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name}={value!r}: ask for a whole number of at least 1, or None to have it found")
            if value > n:
                raise ValueError(f"{name}={value} exceeds n_samples={n}: ask for at most {n}")
        if not isinstance(self.min_confidence, Real) or not 0 <= self.min_confidence <= 1:
            raise ValueError(f"min_confidence={self.min_confidence!r}: ask for one from 0 to 1")
