"""Search for the nearest points by Euclidean distance, by blocks of matrix products with a fused selection.

Points are partitioned into cells by a short K-means, as in an inverted file index. Up to ``MAX_EXACT_POINTS`` points,
all are compared. Among more, each query is compared with the points of the cells whose centres are nearest to it, until
``9 √n`` points have been scanned: the search is approximate, and the benchmarks measure its recall. The queries of
a cell choose among the same cells, those nearest to their own, so that they can be multiplied in blocks.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics.pairwise import euclidean_distances

from latentmap.core.parallel import Array, Workers, compiled
from latentmap.core.scaling import PowerOfTwoScaler
from latentmap.kmeans.assignment import assign
from latentmap.kmeans.lloyd import lloyd

MAX_EXACT_POINTS = 13_000  # up to which each query is compared with all points
MIN_SCANNED, SCANNED_PER_ROOT = 4_500, 9  # points that each query is compared with among more: 9 √n, but not fewer
OFFERED_PER_SCANNED = 10  # points of the cells that a query chooses from, for each that it is compared with
QUERY_BLOCK_SIZE, POINT_BLOCK_SIZE = 128, 512  # a block of products takes 256 KiB and stays in the cache
MAX_SAFE_EXPONENT = 60  # of 2; up to it, single precision holds distances and their squares
# Squared distances below this fraction of the squared norm are computed again from differences.
CANCELLATION_FRACTION = 1e-4


class NeighborIndex:
    """Index of points for nearest-neighbour search by Euclidean distance.

    Construction and searches must run inside ``one_blas_thread()``.

    Parameters
    ----------
    X : array (n, d), float32 or float64
    workers : Workers

    Attributes
    ----------
    order : array (n,), int
        Rows of X sorted by cell, so that neighbours are close to each other in this order.
    """

    def __init__(self, X: NDArray[Any], workers: Workers) -> None:
        self._scaler = PowerOfTwoScaler.fit(X)
        self._dtype = X.dtype if abs(self._scaler.exponent) < MAX_SAFE_EXPONENT else np.dtype(np.float64)
        points = np.ascontiguousarray(self._scaler.transform(X), np.float32)
        n, _ = points.shape
        n_cells = min(n, round(2 * np.sqrt(n)))
        self._centers, labels = _partition_into_cells(points, n_cells, workers)
        self.order = np.argsort(labels, kind="stable")
        self._begin = np.searchsorted(labels[self.order], np.arange(len(self._centers) + 1))
        self._points = points[self.order]
        self._norms = np.einsum("ij,ij->i", self._points, self._points)

    def graph(self, k: int, workers: Workers) -> tuple[NDArray[np.int32], NDArray[np.floating[Any]]]:
        """Find the k nearest neighbours of each point, the point itself excluded.

        Parameters
        ----------
        k : int
            From 1 to n - 1.
        workers : Workers

        Returns
        -------
        indices : array (n, k), int32
            Rows of the neighbours, nearest first.
        distances : array (n, k), float32 or float64
            Distances in the unit of X.
        """
        n = len(self._points)
        return self._search(self._points, self.order, self._begin, k, np.arange(n), workers)

    def query(self, X: NDArray[Any], k: int, workers: Workers) -> tuple[NDArray[np.int32], NDArray[np.floating[Any]]]:
        """Find the k points nearest to each query.

        Parameters
        ----------
        X : array (m, d), float32 or float64
            Queries.
        k : int
            From 1 to n.
        workers : Workers

        Returns
        -------
        indices : array (m, k), int32
            Rows of the nearest points, nearest first.
        distances : array (m, k), float32 or float64
            Distances in the unit of the indexed points.
        """
        queries = np.ascontiguousarray(self._scaler.transform(X), np.float32)
        labels = assign(queries, self._centers, workers)
        order = np.argsort(labels, kind="stable")
        begin = np.searchsorted(labels[order], np.arange(len(self._centers) + 1))
        return self._search(queries[order], order, begin, k, np.full(len(X), -1), workers)

    def _search(
        self,
        queries: NDArray[np.float32],
        order: NDArray[np.intp],
        begin: NDArray[np.intp],
        k: int,
        self_positions: NDArray[np.intp],
        workers: Workers,
    ) -> tuple[NDArray[np.int32], NDArray[np.floating[Any]]]:
        """Search for queries sorted by cell, whose original rows are ``order``; return rows and distances."""
        indices, distances = np.empty((len(queries), k), np.int32), np.empty((len(queries), k), self._dtype)
        n_points = np.diff(self._begin)
        n_scanned = max(n_scanned_among(len(self._points)), 2 * k)
        n_offered = OFFERED_PER_SCANNED * n_scanned
        apart = euclidean_distances(self._centers, squared=True)
        points = (self._points, self._norms / 2)
        half_norms = np.einsum("ij,ij->i", self._centers, self._centers) / 2

        def search_cell(cell: int) -> None:
            if begin[cell] < begin[cell + 1]:
                rows = slice(begin[cell], begin[cell + 1])
                cells = np.argsort(apart[cell], kind="stable")
                cells = cells[: np.searchsorted(n_points[cells].cumsum(), n_offered) + 1]
                n = begin[cell + 1] - begin[cell]
                found = np.empty((n, k), np.int32), np.empty((n, k), np.float32)
                offer = (cells, self._centers[cells], half_norms[cells])
                _search_cell(queries[rows], points, self._begin, offer, n_scanned, self_positions[rows], found)
                indices[order[rows]] = self.order[found[0]]
                distances[order[rows]] = found[1]

        workers.run(search_cell, len(apart))
        return indices, np.ldexp(distances, self._scaler.exponent, out=distances)


def n_scanned_among(n: int) -> int:
    """Number of points that each query is compared with.

    Parameters
    ----------
    n : int
        Number of points of the index.

    Returns
    -------
    int
    """
    return n if n <= MAX_EXACT_POINTS else max(MIN_SCANNED, round(SCANNED_PER_ROOT * np.sqrt(n)))


def _partition_into_cells(
    points: NDArray[np.float32], n_cells: int, workers: Workers
) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Centres of the cells (n_cells, d), ordered so that neighbours are adjacent, and the cell of each point (n,)."""
    if n_cells == 1:
        return np.zeros((1, points.shape[1]), points.dtype), np.zeros(len(points), np.int32)
    random = np.random.default_rng(0)
    rows = np.sort(random.choice(len(points), min(len(points), 64 * n_cells), replace=False))
    sample = points[rows]
    starts = sample[np.sort(random.choice(len(sample), n_cells, replace=False))][None]
    ones = np.ones(len(sample), sample.dtype)
    centers = lloyd(sample, ones, starts, max_iter=4, tol=0, workers=workers)[0].centers
    centers = centers[order_centers(centers)]
    return centers, assign(points, centers, workers)


def order_centers(centers: NDArray[Any]) -> list[int]:
    """Order in which each centre is followed by the nearest of the remaining centres.

    Parameters
    ----------
    centers : array (c, d), float32 or float64

    Returns
    -------
    list of int
        Rows of the centres; the first one is 0.
    """
    left = np.ones(len(centers), bool)
    distances = euclidean_distances(centers, squared=True)
    chain = [0]
    for _ in range(len(centers) - 1):
        left[chain[-1]] = False
        chain.append(int(np.where(left, distances[chain[-1]], np.inf).argmin()))
    return chain


@compiled
def _choose_cells(queries: Array, offer: tuple[Array, Array, Array], begin: Array, n_scanned: int) -> Array:
    """Choose the nearest cells of each query that hold ``n_scanned`` points together: (m, cells), bool."""
    cells, centers, half_norms = offer
    wanted = np.ones((len(queries), len(cells)), np.bool_)
    sizes = begin[cells + 1] - begin[cells]
    if sizes.sum() <= n_scanned:
        return wanted
    products = np.dot(queries, centers.T)
    for q in range(len(queries)):
        left = n_scanned
        for c in np.argsort(half_norms - products[q]):
            wanted[q, c] = left > 0
            left -= sizes[c]
    return wanted


@compiled
def _search_cell(
    queries: Array,
    points: tuple[Array, Array],
    begin: Array,
    offer: tuple[Array, Array, Array],
    n_scanned: int,
    self_positions: Array,
    found: tuple[Array, Array],
) -> None:
    """Search the queries of one cell among the cells offered to them, without their own positions; -1 is none."""
    X, half_norms = points
    cells = offer[0]
    indices, distances = found
    k = indices.shape[1]
    n_wanted = k + 1 if self_positions[0] >= 0 else k
    capacity = 2 * n_wanted + POINT_BLOCK_SIZE
    products = np.empty(QUERY_BLOCK_SIZE * POINT_BLOCK_SIZE, np.float32)
    gathered = np.empty((QUERY_BLOCK_SIZE, X.shape[1]), np.float32)
    rows = np.empty(QUERY_BLOCK_SIZE, np.int64)
    values = np.empty((QUERY_BLOCK_SIZE, capacity), np.float32)
    positions = np.empty((QUERY_BLOCK_SIZE, capacity), np.int32)
    counts = np.empty(QUERY_BLOCK_SIZE, np.int64)
    thresholds = np.empty(QUERY_BLOCK_SIZE, np.float32)
    for first in range(0, len(queries), QUERY_BLOCK_SIZE):
        m = min(first + QUERY_BLOCK_SIZE, len(queries)) - first
        counts[:] = 0
        thresholds[:] = -np.inf
        wanted = _choose_cells(queries[first : first + m], offer, begin, n_scanned)
        for c in range(len(cells)):
            n_rows = 0
            for q in range(m):
                if wanted[q, c]:
                    gathered[n_rows], rows[n_rows] = queries[first + q], q
                    n_rows += 1
            for a in range(begin[cells[c]], begin[cells[c] + 1], POINT_BLOCK_SIZE):
                if n_rows == 0:
                    break
                b = min(a + POINT_BLOCK_SIZE, begin[cells[c] + 1])
                block = products[: n_rows * (b - a)].reshape(n_rows, b - a)
                np.dot(gathered[:n_rows], X[a:b].T, block)
                kept = (thresholds, counts, values, positions)
                _select_candidates(block, rows, half_norms[a:b], a, n_wanted, kept)
        for q in range(m):
            row = first + q
            _partition_largest(values[q], positions[q], counts[q], min(n_wanted, counts[q]))
            n = _squared_distances_to(queries[row], X, positions[q, :n_wanted], values[q])
            norm = np.float32(0)
            for x in queries[row]:
                norm += x * x
            if values[q, :n].max() < CANCELLATION_FRACTION * norm:
                among = cells[wanted[q]]
                n = _search_by_differences(queries[row], points, begin, among, values[q], positions[q], n_wanted)
            order = np.argsort(values[q, :n])
            n_written = 0
            for i in order:
                if positions[q, i] != self_positions[row] and n_written < k:
                    indices[row, n_written] = positions[q, i]
                    distances[row, n_written] = np.sqrt(values[q, i])
                    n_written += 1


@compiled
def _select_candidates(
    products: Array,
    rows: Array,
    half_norms: Array,
    position: int,
    k: int,
    kept: tuple[Array, Array, Array, Array],
) -> None:
    """Append the points of a block that are nearer than the farthest kept so far, for each query of the block.

    Query r of the block keeps its points in row ``rows[r]`` of the arrays.

    The nearest point y of a query x maximizes x·y - |y|²/2. The maximum of 32 values is tested first, since most runs
    of 32 hold no candidate.
    """
    thresholds, counts, values, positions = kept
    for r in range(len(products)):
        q = rows[r]
        n = np.uint64(counts[q])
        threshold = thresholds[q]
        for a in range(0, len(half_norms), 32):
            b = min(a + 32, len(half_norms))
            largest = products[r, a] - half_norms[a]
            for i in range(a, b):
                value = products[r, i] - half_norms[i]
                largest = value if value > largest else largest
            if largest > threshold:
                for i in range(a, b):
                    value = products[r, i] - half_norms[i]
                    values[q, n] = value
                    positions[q, n] = position + i
                    n += np.uint64(value > threshold)
        if n >= 2 * k:
            threshold = _partition_largest(values[q], positions[q], int(n), k)
            thresholds[q] = threshold
            n = np.uint64(k)
        counts[q] = n


@compiled
def _partition_largest(values: Array, positions: Array, n: int, k: int) -> float:
    """Move the k largest of n values to the front by quickselect (Hoare 1961); return the smallest of them."""
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
                positions[i], positions[j] = positions[j], positions[i]
                i += 1
                j -= 1
        if k - 1 <= j:
            high = j
        elif k - 1 >= i:
            low = i
        else:
            break
    threshold: float = values[0]
    for i in range(1, k):
        threshold = values[i] if values[i] < threshold else threshold
    return threshold


@compiled
def _squared_distances_to(query: Array, X: Array, positions: Array, squares: Array) -> int:
    """Compute squared distances to the points at some positions from differences; return their number."""
    for i in range(len(positions)):
        total = np.float32(0)
        position = np.uint64(positions[i])
        for j in range(len(query)):
            difference = query[j] - X[position, j]
            total += difference * difference
        squares[i] = total
    return len(positions)


@compiled
def _search_by_differences(
    query: Array, points: tuple[Array, Array], begin: Array, cells: Array, values: Array, positions: Array, k: int
) -> int:
    """Search by differences, for points too close for products to tell them apart; return how many were found."""
    X = points[0]
    n = 0
    threshold = np.float32(-np.inf)
    for cell in cells:
        for position in range(begin[cell], begin[cell + 1]):
            total = np.float32(0)
            for j in range(len(query)):
                difference = query[j] - X[position, j]
                total -= difference * difference
            values[n] = total
            positions[n] = position
            if total > threshold:
                n += 1
            if n >= 2 * k:
                threshold = np.float32(_partition_largest(values, positions, n, k))
                n = k
    n_kept = min(k, n)
    _partition_largest(values, positions, n, n_kept)
    for i in range(n_kept):
        values[i] = -values[i]
    return n_kept
