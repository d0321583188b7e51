"""The k nearest neighbours of every point, by blocks of matrix products with the selection fused in.

Points are sorted into cells by a short K-means. Each cell is then searched against its own points, those of the cell
nearest to it, the next one, and so on, until ``N_SEEN`` points have been seen. Up to that size the search is exact;
beyond, it finds nearly all neighbours (benchmarks give the share) at a cost that grows with n.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.metrics import pairwise_distances_chunked
from sklearn.preprocessing import normalize
from sklearn.utils import check_array

from latentmap.frame import Frame
from latentmap.kernels import Array, Workers, compiled, one_blas_thread
from latentmap.kmeans.assignment import assign
from latentmap.kmeans.lloyd import lloyd

N_SEEN = 13_000  # points that each point is compared with: all of them, up to this size
FEW = 1_000  # up to here scikit-learn's distances are as quick, for every metric but the Euclidean
QUERIES, POINTS = 128, 512  # a block of products: 256 KiB, which stays in the cache
SAFE_EXPONENT = 60  # of 2: within, distances and their squares are numbers in single precision
CANCELLED = 1e-4  # of a squared norm: squared distances below it are taken again from differences


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
    ValueError
        For NaN or infinity, a number of neighbours out of range, or a metric that gives negative distances.

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
            raise ValueError("Must provide either V or VI for Mahalanobis distance")
        if metric == "mahalanobis" and "V" in self._metric_params:
            self._metric_params = {"VI": np.linalg.inv(self._metric_params["V"])}

    def graph(self, k: int, n_jobs: int | None) -> NeighborGraph:
        """The k nearest neighbours of each point, itself excluded."""
        n = self.X.shape[0]
        if not 1 <= k < n:
            raise ValueError(f"n_neighbors={k} for n_samples={n}: ask for 1 to {n - 1}")
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
            if (rows < 0).any():
                raise ValueError("All distances should be positive, the metric given is not correct")
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
        raise ValueError(
            f"{k + 1} neighbors per samples are required, but some samples have only {stored.min() + 1}, each itself "
            "among them: give a graph with more neighbours, or ask for a smaller perplexity"
        )
    if (distances < 0).any():
        raise ValueError("All distances should be positive, the metric given is not correct")
    order = np.lexsort((columns, distances, rows))
    first = np.cumsum(stored) - stored
    taken = order[first[:, None] + np.arange(k)]
    return columns[taken], distances[taken]


def _unit_rows(X: NDArray[Any]) -> NDArray[Any]:
    """Rows of length 1, or 0 as they were. Divided by their largest entry first, so that no square overflows."""
    largest = np.abs(X).max(axis=1, keepdims=True)
    unit: NDArray[Any] = normalize(X / np.where(largest > 0, largest, 1))
    return unit


class NeighborIndex:
    """Points sorted into cells, ready to be searched by Euclidean distance.

    Parameters
    ----------
    X : array (n, d), float32 or float64
    workers : Workers
        Both this and the searches are to be run inside ``one_blas_thread()``.
    """

    def __init__(self, X: NDArray[Any], workers: Workers) -> None:
        self._frame = Frame.around(X)
        self._dtype = X.dtype if abs(self._frame.exponent) < SAFE_EXPONENT else np.dtype(np.float64)
        points = np.ascontiguousarray(self._frame.into(X), np.float32)
        n, _ = points.shape
        n_cells = min(n, round(2 * np.sqrt(n)))
        self._centers, labels = _cells(points, n_cells, workers)
        self.order = np.argsort(labels, kind="stable")
        self._begin = np.searchsorted(labels[self.order], np.arange(len(self._centers) + 1))
        self._points = points[self.order]
        self._norms = np.einsum("ij,ij->i", self._points, self._points)

    def graph(self, k: int, workers: Workers) -> tuple[NDArray[np.int32], NDArray[np.floating[Any]]]:
        """The k nearest neighbours of each point, itself excluded: their rows and their distances, nearest first."""
        n = len(self._points)
        indices, distances = np.empty((n, k), np.int32), np.empty((n, k), self._dtype)
        places, found = self._search(self._points, self._begin, k, np.arange(n), workers)
        indices[self.order] = self.order[places]
        distances[self.order] = found
        return indices, np.ldexp(distances, self._frame.exponent, out=distances)

    def query(self, X: NDArray[Any], k: int, workers: Workers) -> tuple[NDArray[np.int32], NDArray[np.floating[Any]]]:
        """The k points nearest to each row of X: their rows and their distances, (m, k) each, nearest first."""
        queries = np.ascontiguousarray(self._frame.into(X), np.float32)
        labels = assign(queries, self._centers, workers)
        order = np.argsort(labels, kind="stable")
        begin = np.searchsorted(labels[order], np.arange(len(self._centers) + 1))
        indices, distances = np.empty((len(X), k), np.int32), np.empty((len(X), k), self._dtype)
        places, found = self._search(queries[order], begin, k, np.full(len(X), -1), workers)
        indices[order] = self.order[places]
        distances[order] = found
        return indices, np.ldexp(distances, self._frame.exponent, out=distances)

    def _search(
        self, queries: NDArray[np.float32], begin: NDArray[np.intp], k: int, itself: NDArray[np.intp], workers: Workers
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Places of the nearest points, and distances in the frame, for queries sorted by cell."""
        indices, distances = np.empty((len(queries), k), np.int32), np.empty((len(queries), k), np.float32)
        visits = np.argsort(((self._centers[:, None] - self._centers[None]) ** 2).sum(2), axis=1, kind="stable")
        seen = np.cumsum(np.diff(self._begin)[visits], axis=1)
        n_visits = np.minimum((seen < max(N_SEEN, 2 * k)).sum(1) + 1, len(visits))
        points = (self._points, self._norms / 2)

        def share(cell: int) -> None:
            if begin[cell] < begin[cell + 1]:
                rows = slice(begin[cell], begin[cell + 1])
                cells = visits[cell, : n_visits[cell]]
                found = (indices[rows], distances[rows])
                _search_cell(queries[rows], points, self._begin, cells, itself[rows], found)

        workers.run(share, len(visits))
        return indices, distances


def _cells(points: NDArray[np.float32], n_cells: int, workers: Workers) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Centres of the cells, each next to the one before it, and the cell of each point."""
    if n_cells == 1:
        return np.zeros((1, points.shape[1]), points.dtype), np.zeros(len(points), np.int32)
    random = np.random.default_rng(0)
    sample = np.sort(random.choice(len(points), min(len(points), 64 * n_cells), replace=False))
    few = points[sample]
    starts = few[np.sort(random.choice(len(few), n_cells, replace=False))][None]
    centers = lloyd(few, np.ones(len(few), few.dtype), starts, max_iter=4, tol=0, workers=workers)[0].centers
    centers = centers[_chain(centers)]
    return centers, assign(points, centers, workers)


def _chain(centers: NDArray[Any]) -> list[int]:
    """An order in which each centre is followed by the nearest of those left."""
    left = np.ones(len(centers), bool)
    chain = [0]
    for _ in range(len(centers) - 1):
        left[chain[-1]] = False
        distances = ((centers - centers[chain[-1]]) ** 2).sum(1)
        chain.append(int(np.where(left, distances, np.inf).argmin()))
    return chain


@compiled
def _search_cell(
    queries: Array, points: tuple[Array, Array], begin: Array, cells: Array, itself: Array, found: tuple[Array, Array]
) -> None:
    """Search the queries of one cell in the points of ``cells``; ``itself`` is the place of each query, or -1."""
    X, halves = points
    indices, distances = found
    k = indices.shape[1]
    wanted = k + 1 if itself[0] >= 0 else k
    room = 2 * wanted + POINTS
    products = np.empty(QUERIES * POINTS, np.float32)
    values = np.empty((QUERIES, room), np.float32)
    places = np.empty((QUERIES, room), np.int32)
    counts = np.empty(QUERIES, np.int64)
    least = np.empty(QUERIES, np.float32)
    for first in range(0, len(queries), QUERIES):
        m = min(first + QUERIES, len(queries)) - first
        counts[:] = 0
        least[:] = -np.inf
        for cell in cells:
            for a in range(begin[cell], begin[cell + 1], POINTS):
                b = min(a + POINTS, begin[cell + 1])
                block = products[: m * (b - a)].reshape(m, b - a)
                np.dot(queries[first : first + m], X[a:b].T, block)
                _collect(block, halves[a:b], a, wanted, (least, counts), values, places)
        for q in range(m):
            row = first + q
            _keep_largest(values[q], places[q], counts[q], min(wanted, counts[q]))
            n = _measure(queries[row], X, places[q, :wanted], values[q])
            norm = np.float32(0)
            for x in queries[row]:
                norm += x * x
            if values[q, :n].max() < CANCELLED * norm:
                n = _search_by_differences(queries[row], points, begin, cells, values[q], places[q], wanted)
            order = np.argsort(values[q, :n])
            put = 0
            for i in order:
                if places[q, i] != itself[row] and put < k:
                    indices[row, put] = places[q, i]
                    distances[row, put] = np.sqrt(values[q, i])
                    put += 1


@compiled
def _collect(
    products: Array, halves: Array, place: int, k: int, kept: tuple[Array, Array], values: Array, places: Array
) -> None:
    """Keep the points of a block that are nearer than the farthest kept so far, for each query of it.

    x·y - |y|²/2 is greatest for the nearest. Runs of 32 are tested for their greatest, and most hold nothing to keep.
    """
    least, counts = kept
    for q in range(len(products)):
        n = np.uint64(counts[q])
        bar = least[q]
        for a in range(0, len(halves), 32):
            b = min(a + 32, len(halves))
            largest = products[q, a] - halves[a]
            for i in range(a, b):
                value = products[q, i] - halves[i]
                largest = value if value > largest else largest
            if largest > bar:
                for i in range(a, b):
                    value = products[q, i] - halves[i]
                    values[q, n] = value
                    places[q, n] = place + i
                    n += np.uint64(value > bar)
        if n >= 2 * k:
            bar = _keep_largest(values[q], places[q], int(n), k)
            least[q] = bar
            n = np.uint64(k)
        counts[q] = n


@compiled
def _keep_largest(values: Array, places: Array, n: int, k: int) -> float:
    """Move the k largest of n values to the front (Hoare's selection); return the least of them."""
    low, high = 0, n - 1
    while low < high:
        first, middle, last = values[low], values[(low + high) >> 1], values[high]
        pivot = max(min(first, middle), min(max(first, middle), last))
        i, j = low, high
        while i <= j:
            while values[i] > pivot:
                i += 1
            while values[j] < pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                places[i], places[j] = places[j], places[i]
                i += 1
                j -= 1
        if k - 1 <= j:
            high = j
        elif k - 1 >= i:
            low = i
        else:
            break
    least: float = values[0]
    for i in range(1, k):
        least = values[i] if values[i] < least else least
    return least


@compiled
def _measure(query: Array, X: Array, places: Array, squares: Array) -> int:
    """Squared distances to some points, from differences; return their number."""
    for i in range(len(places)):
        total = np.float32(0)
        place = np.uint64(places[i])
        for j in range(len(query)):
            difference = query[j] - X[place, j]
            total += difference * difference
        squares[i] = total
    return len(places)


@compiled
def _search_by_differences(
    query: Array, points: tuple[Array, Array], begin: Array, cells: Array, values: Array, places: Array, k: int
) -> int:
    """The slow way, for points so near that products cannot tell them apart: squared distances, and their number."""
    X = points[0]
    n = 0
    least = np.float32(-np.inf)
    for cell in cells:
        for place in range(begin[cell], begin[cell + 1]):
            total = np.float32(0)
            for j in range(len(query)):
                difference = query[j] - X[place, j]
                total -= difference * difference
            values[n] = total
            places[n] = place
            if total > least:
                n += 1
            if n >= 2 * k:
                least = np.float32(_keep_largest(values, places, n, k))
                n = k
    n_kept = min(k, n)
    _keep_largest(values, places, n, n_kept)
    for i in range(n_kept):
        values[i] = -values[i]
    return n_kept
