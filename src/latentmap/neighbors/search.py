"""The k nearest neighbours of every point, by any metric; by Euclidean distance and by angle quickly."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.metrics import pairwise_distances_chunked
from sklearn.preprocessing import normalize
from sklearn.utils import check_array

from latentmap.core.errors import InputError
from latentmap.core.parallel import Workers, one_blas_thread
from latentmap.neighbors.index import NeighborIndex

FEW = 1_000  # up to here scikit-learn's distances are as quick, for every metric but the Euclidean


@dataclass(frozen=True)
class NeighborGraph:
    """The nearest neighbours of each of n points, itself not among them.

    Attributes
    ----------
    indices : array (n, k), int32; nearest first
    distances : array (n, k), float32, or float64 where X is that or single precision would not do; in the metric's unit
    order : array (n,), int
        The points in an order in which neighbours are near each other, for loops that follow the graph.
    """

    indices: NDArray[np.int32]
    distances: NDArray[np.floating[Any]]
    order: NDArray[np.intp]

    @property
    def n_neighbors(self) -> int:
        """Neighbours of each point."""
        return int(self.indices.shape[1])


def nearest_neighbors(
    X: ArrayLike,
    n_neighbors: int,
    *,
    metric: Any = "euclidean",
    metric_params: dict[str, Any] | None = None,
    n_jobs: int | None = None,
) -> NeighborGraph:
    """Find the nearest neighbours of every row of X among the other rows.

    Parameters
    ----------
    X : array or sparse matrix (n, d); with metric "precomputed" distances (n, n), or a sparse graph of them
    n_neighbors : int
        From 1 to n - 1.
    metric : str or callable, default="euclidean"
        "euclidean" and "cosine" have a fast search. Others are scikit-learn's, by blocks of all distances.
    metric_params : dict, optional
    n_jobs : int, optional
        Threads; all cores by default.

    Returns
    -------
    NeighborGraph

    Raises
    ------
    InputError
        For a number of neighbours out of range, or a metric that gives negative distances.
    ValueError
        For NaN or infinity: scikit-learn's own check.

    Examples
    --------
    >>> nearest_neighbors([[0.0], [1.0], [5.0]], 1).indices.tolist()
    [[1], [0], [1]]
    """
    data = check_array(X, accept_sparse="csr", dtype=[np.float32, np.float64])
    return NeighborSearch(data, metric, metric_params).graph(n_neighbors, n_jobs)


class NeighborSearch:
    """Points that neighbours are looked for among.

    Parameters
    ----------
    X : array or sparse matrix (n, d), float32 or float64; see :func:`nearest_neighbors`
    metric : str or callable
    metric_params : dict, optional
    """

    def __init__(self, X: Any, metric: Any, metric_params: dict[str, Any] | None) -> None:
        self.X, self._metric, self._metric_params = X, metric, dict(metric_params or {})
        self._fast = metric in ("euclidean", "cosine") and not metric_params and not sparse.issparse(X)
        self._index: NeighborIndex | None = None
        if metric == "mahalanobis" and not self._metric_params.keys() & {"V", "VI"}:
            raise InputError("Must provide either V or VI for Mahalanobis distance")
        if metric == "mahalanobis" and "V" in self._metric_params:
            self._metric_params = {"VI": np.linalg.inv(self._metric_params["V"])}

    def graph(self, k: int, n_jobs: int | None) -> NeighborGraph:
        """The k nearest neighbours of each point, itself excluded."""
        n = self.X.shape[0]
        if not 1 <= k < n:
            raise InputError(f"n_neighbors={k} for n_samples={n}: ask for 1 to {n - 1}")
        if self._fast and (self._metric == "euclidean" or n > FEW):
            with Workers(n_jobs) as workers, one_blas_thread():
                index = self._indexed(workers)
                indices, distances = index.graph(k, workers)
            return NeighborGraph(indices, self._in_unit(distances), index.order)
        if self._metric == "precomputed" and sparse.issparse(self.X):
            indices, distances = _nearest_stored(self.X, k)
        else:
            indices, distances = self._nearest(None, k, n_jobs)
        return NeighborGraph(indices.astype(np.int32), distances, np.arange(n))

    def query(self, X_new: Any, k: int, n_jobs: int | None) -> tuple[NDArray[np.int32], NDArray[np.floating[Any]]]:
        """The k points nearest to each row of X_new: their rows and their distances, (m, k) each, nearest first."""
        if self._fast:
            with Workers(n_jobs) as workers, one_blas_thread():
                queries = _unit_rows(X_new) if self._metric == "cosine" else X_new
                indices, distances = self._indexed(workers).query(queries, k, workers)
            return indices, self._in_unit(distances)
        indices, lengths = self._nearest(X_new, k, n_jobs)
        return indices.astype(np.int32), lengths

    def _indexed(self, workers: Workers) -> "NeighborIndex":
        if self._index is None:
            self._index = NeighborIndex(_unit_rows(self.X) if self._metric == "cosine" else self.X, workers)
        return self._index

    def _in_unit(self, distances: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        return distances**2 / 2 if self._metric == "cosine" else distances  # of vectors of length 1

    def _nearest(self, X_new: Any, k: int, n_jobs: int | None) -> tuple[NDArray[Any], NDArray[Any]]:
        """From all distances, some rows at a time; without X_new, of each point to the others."""

        def nearest(rows: NDArray[Any], first: int) -> tuple[NDArray[Any], NDArray[Any]]:
            _check_positive(rows)
            if X_new is None:
                rows = rows.copy()
                rows[np.arange(len(rows)), np.arange(first, first + len(rows))] = np.inf
            found = np.argpartition(rows, k - 1, axis=1)[:, :k]
            lengths = np.take_along_axis(rows, found, axis=1)
            by_length = np.lexsort((found, lengths), axis=1)
            return np.take_along_axis(found, by_length, axis=1), np.take_along_axis(lengths, by_length, axis=1)

        queries = self.X if X_new is None else X_new
        if self._metric == "precomputed":
            blocks = [nearest(queries[first : first + 1000], first) for first in range(0, len(queries), 1000)]
        else:
            jobs = 1 if self.X.shape[0] <= FEW else -1 if n_jobs is None else n_jobs  # few do not pay for threads
            params = {"metric": self._metric, "n_jobs": jobs, **self._metric_params}
            known = None if X_new is None else self.X
            blocks = list(pairwise_distances_chunked(queries, known, reduce_func=nearest, **params))
        indices, distances = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
        return indices, distances


def _nearest_stored(graph: Any, k: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """The k nearest neighbours in a sparse graph of distances, where a point may or may not be its own neighbour."""
    graph = graph.tocoo()
    others = graph.row != graph.col
    rows, columns, distances = graph.row[others], graph.col[others], graph.data[others]
    stored = np.bincount(rows, minlength=graph.shape[0])
    if stored.min() < k:
        raise InputError(
            f"{k + 1} neighbors per samples are required, but some samples have only {stored.min() + 1}, each itself "
            "among them: give a graph with more neighbours, or ask for a smaller perplexity"
        )
    _check_positive(distances)
    order = np.lexsort((columns, distances, rows))
    first = np.cumsum(stored) - stored
    taken = order[first[:, None] + np.arange(k)]
    return columns[taken], distances[taken]


def _check_positive(distances: NDArray[Any]) -> None:
    if (distances < 0).any():
        raise InputError("All distances should be positive, the metric given is not correct")


def _unit_rows(X: NDArray[Any]) -> NDArray[Any]:
    """Rows of length 1, or 0 as they were. Divided by their largest entry first, so that no square overflows."""
    largest = np.abs(X).max(axis=1, keepdims=True)
    unit: NDArray[Any] = normalize(X / np.where(largest > 0, largest, 1))
    return unit
