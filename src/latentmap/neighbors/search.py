"""Search for the k nearest neighbours by any metric; the Euclidean and the cosine metric have a fast index."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.metrics import pairwise_distances_chunked
from sklearn.preprocessing import normalize
from sklearn.utils import check_array

from latentmap.core.devices import accelerator, is_out_of_memory, release_cached
from latentmap.core.errors import InputError
from latentmap.core.parallel import Workers, one_blas_thread
from latentmap.neighbors.index import NeighborIndex

MAX_SINGLE_THREAD_POINTS = 1_000  # up to this size more threads, or an index for the cosine metric, do not pay


@dataclass(frozen=True)
class NeighborGraph:
    """The k nearest neighbours of each of n points, the point itself excluded.

    Attributes
    ----------
    indices : array (n, k), int32
        Rows of the neighbours, nearest first.
    distances : array (n, k), float32 or float64
        Distances to the neighbours by the metric of the search. They are float64 if the points are, or if single
        precision cannot hold them.
    order : array (n,), int
        Order of the points in which neighbours are close to each other, for loops over the graph.
    """

    indices: NDArray[np.int32]
    distances: NDArray[np.floating[Any]]
    order: NDArray[np.intp]

    @property
    def n_neighbors(self) -> int:
        """Number of neighbours of each point."""
        return int(self.indices.shape[1])

    def nearest(self, n_neighbors: int) -> "NeighborGraph":
        """The graph of the first neighbours of each point.

        Parameters
        ----------
        n_neighbors : int
            At most ``self.n_neighbors``.

        Returns
        -------
        NeighborGraph
            It shares the memory of this one.
        """
        return NeighborGraph(self.indices[:, :n_neighbors], self.distances[:, :n_neighbors], self.order)


def nearest_neighbors(
    X: ArrayLike,
    n_neighbors: int,
    *,
    metric: Any = "euclidean",
    metric_params: dict[str, Any] | None = None,
    n_jobs: int | None = None,
    device: str = "cpu",
) -> NeighborGraph:
    """Find the nearest neighbours of every row of X among the other rows.

    Parameters
    ----------
    X : array or sparse matrix (n, d), float32 or float64
        Points. With ``metric="precomputed"``, distances (n, n), or a sparse matrix of distances to the nearest points.
    n_neighbors : int
        Number of neighbours of each point, from 1 to n - 1.
    metric : str or callable, default="euclidean"
        Any metric of :func:`sklearn.metrics.pairwise_distances`. "euclidean" and "cosine" use an index; with any other
        metric all pairwise distances are computed, block by block.
    metric_params : dict, optional
        Further arguments of the metric.
    n_jobs : int, optional
        Number of threads; all CPUs by default.
    device : str, default="cpu"
        Torch device of the search by the Euclidean or the cosine metric: ``"cpu"``, ``"cuda"``, ``"cuda:N"`` or
        ``"mps"``. ``"auto"`` chooses CUDA if torch sees a GPU, and otherwise the CPU. If the memory of the device does
        not suffice, the CPU searches, with a warning.

    Returns
    -------
    NeighborGraph
        On the CPU, the search by index is exact for up to 13,000 points and approximate above. On another device it is
        exact.

    Raises
    ------
    InputError
        If X contains NaN or infinity, ``n_neighbors`` is out of range, the metric gives negative distances, or there
        is no such device.

    Examples
    --------
    >>> nearest_neighbors([[0.0], [1.0], [5.0]], 1).indices.tolist()
    [[1], [0], [1]]
    """
    data = check_array(X, accept_sparse="csr", dtype=[np.float32, np.float64])
    return NeighborSearch(data, metric, metric_params, device).graph(n_neighbors, n_jobs)


class NeighborSearch:
    """Nearest-neighbour search among fixed points.

    Parameters
    ----------
    X : array or sparse matrix (n, d), float32 or float64
        Points, or distances; see :func:`nearest_neighbors`.
    metric : str or callable
        See :func:`nearest_neighbors`.
    metric_params : dict, optional
        Further arguments of the metric.
    device : str, default="cpu"
        Torch device of :meth:`graph`; see :func:`nearest_neighbors`. :meth:`query` searches on the CPU.

    Raises
    ------
    InputError
        If the metric is "mahalanobis" and ``metric_params`` has neither V nor VI, or there is no such device.
    """

    def __init__(self, X: Any, metric: Any, metric_params: dict[str, Any] | None, device: str = "cpu") -> None:
        self._device = accelerator(device)
        self.X, self._metric, self._metric_params = X, metric, dict(metric_params or {})
        self._has_index = metric in ("euclidean", "cosine") and not metric_params and not sparse.issparse(X)
        self._index: NeighborIndex | None = None
        if metric == "mahalanobis" and not self._metric_params.keys() & {"V", "VI"}:
            raise InputError("Must provide either V or VI for Mahalanobis distance")
        if metric == "mahalanobis" and "V" in self._metric_params:
            self._metric_params = {"VI": np.linalg.inv(self._metric_params["V"])}

    def graph(self, k: int, n_jobs: int | None) -> NeighborGraph:
        """Find the k nearest neighbours of each point, the point itself excluded.

        Parameters
        ----------
        k : int
            Number of neighbours, from 1 to n - 1.
        n_jobs : int, optional
            Number of threads; all CPUs by default.

        Returns
        -------
        NeighborGraph

        Raises
        ------
        InputError
            If k is out of range, or the metric gives negative distances.
        """
        n = self.X.shape[0]
        if not 1 <= k < n:
            raise InputError(f"n_neighbors={k} for n_samples={n}: ask for 1 to {n - 1}")
        if self._has_index and (self._metric == "euclidean" or n > MAX_SINGLE_THREAD_POINTS):
            on_device = self._graph_on_device(k)
            if on_device is not None:
                return on_device
            with Workers(n_jobs) as workers, one_blas_thread():
                index = self._get_index(workers)
                indices, distances = index.graph(k, workers)
            return NeighborGraph(indices, self._to_metric(distances), index.order)
        if self._metric == "precomputed" and sparse.issparse(self.X):
            indices, distances = _nearest_in_sparse_graph(self.X, k)
        else:
            indices, distances = self._brute_force(None, k, n_jobs)
        return NeighborGraph(indices.astype(np.int32), distances, np.arange(n))

    def query(self, X_new: Any, k: int, n_jobs: int | None) -> tuple[NDArray[np.int32], NDArray[np.floating[Any]]]:
        """Find the k points nearest to each row of X_new.

        Parameters
        ----------
        X_new : array or sparse matrix (m, d), float32 or float64
            Queries. With ``metric="precomputed"``, distances (m, n) of the queries to the points.
        k : int
            Number of neighbours, from 1 to n.
        n_jobs : int, optional
            Number of threads; all CPUs by default.

        Returns
        -------
        indices : array (m, k), int32
            Rows of the nearest points, nearest first.
        distances : array (m, k), float32 or float64

        Raises
        ------
        InputError
            If the metric gives negative distances.
        """
        if self._has_index:
            with Workers(n_jobs) as workers, one_blas_thread():
                queries = _unit_rows(X_new) if self._metric == "cosine" else X_new
                indices, distances = self._get_index(workers).query(queries, k, workers)
            return indices, self._to_metric(distances)
        indices, found_distances = self._brute_force(X_new, k, n_jobs)
        return indices.astype(np.int32), found_distances

    def _graph_on_device(self, k: int) -> NeighborGraph | None:
        """The neighbours that the device finds; None without a device, or if its memory does not suffice."""
        if self._device is None:
            return None
        from latentmap.neighbors.device_index import DeviceIndex

        try:
            index = DeviceIndex(self._indexed_points(), self._device)
            indices, distances = index.graph(k)
            return NeighborGraph(indices, self._to_metric(distances), index.order)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        release_cached()
        warnings.warn(f"out of memory on {self._device}: the neighbours are searched on the CPU", stacklevel=3)
        return None

    def _get_index(self, workers: Workers) -> "NeighborIndex":
        if self._index is None:
            self._index = NeighborIndex(self._indexed_points(), workers)
        return self._index

    def _indexed_points(self) -> NDArray[Any]:
        return _unit_rows(self.X) if self._metric == "cosine" else self.X

    def _to_metric(self, distances: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        return distances**2 / 2 if self._metric == "cosine" else distances  # of unit vectors

    def _brute_force(self, X_new: Any, k: int, n_jobs: int | None) -> tuple[NDArray[Any], NDArray[Any]]:
        """Select from all distances, block by block; without X_new, from those of each point to the other points."""

        def select_nearest(rows: NDArray[Any], first: int) -> tuple[NDArray[Any], NDArray[Any]]:
            _check_nonnegative(rows)
            if X_new is None:
                rows = rows.copy()
                rows[np.arange(len(rows)), np.arange(first, first + len(rows))] = np.inf
            found = np.argpartition(rows, k - 1, axis=1)[:, :k]
            found_distances = np.take_along_axis(rows, found, axis=1)
            by_length = np.lexsort((found, found_distances), axis=1)
            return np.take_along_axis(found, by_length, axis=1), np.take_along_axis(found_distances, by_length, axis=1)

        queries = self.X if X_new is None else X_new
        if self._metric == "precomputed":
            blocks = [select_nearest(queries[first : first + 1000], first) for first in range(0, len(queries), 1000)]
        else:
            jobs = 1 if self.X.shape[0] <= MAX_SINGLE_THREAD_POINTS else -1 if n_jobs is None else n_jobs
            params = {"metric": self._metric, "n_jobs": jobs, **self._metric_params}
            known = None if X_new is None else self.X
            blocks = list(pairwise_distances_chunked(queries, known, reduce_func=select_nearest, **params))
        indices, distances = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
        return indices, distances


def _nearest_in_sparse_graph(graph: Any, k: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Select the k nearest neighbours in a sparse matrix of distances, with or without entries on its diagonal."""
    graph = graph.tocoo()
    others = graph.row != graph.col
    rows, columns, distances = graph.row[others], graph.col[others], graph.data[others]
    stored = np.bincount(rows, minlength=graph.shape[0])
    if stored.min() < k:
        raise InputError(
            f"{k + 1} neighbors per samples are required, but some samples have only {stored.min() + 1}, "
            "themselves included: pass a graph with more neighbours, or a smaller perplexity"
        )
    _check_nonnegative(distances)
    order = np.lexsort((columns, distances, rows))
    first = np.cumsum(stored) - stored
    taken = order[first[:, None] + np.arange(k)]
    return columns[taken], distances[taken]


def _check_nonnegative(distances: NDArray[Any]) -> None:
    if (distances < 0).any():
        raise InputError("All distances should be positive, the metric given is not correct")


def _unit_rows(X: NDArray[Any]) -> NDArray[Any]:
    """Scale rows to length 1; zero rows stay zero. They are divided by their largest entry first to avoid overflow."""
    largest = np.abs(X).max(axis=1, keepdims=True)
    unit: NDArray[Any] = normalize(X / np.where(largest > 0, largest, 1))
    return unit
