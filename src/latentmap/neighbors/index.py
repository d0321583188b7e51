"""The nearest points by Euclidean distance, by blocks of matrix products with the selection fused in.

Points are sorted into cells by a short K-means. Each cell is then searched against its own points, those of the cell
nearest to it, the next one, and so on, until ``N_SEEN`` points have been seen. Up to that size the search is exact;
beyond, it finds nearly all neighbours (benchmarks give the share) at a cost that grows with n.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics.pairwise import euclidean_distances

from latentmap.core.frame import Frame
from latentmap.core.parallel import Array, Workers, compiled
from latentmap.kmeans.assignment import assign
from latentmap.kmeans.lloyd import lloyd

N_SEEN = 13_000  # points that each point is compared with: all of them, up to this size
QUERIES, POINTS = 128, 512  # a block of products: 256 KiB, which stays in the cache
SAFE_EXPONENT = 60  # of 2: within, distances and their squares are numbers in single precision
CANCELLED = 1e-4  # of a squared norm: squared distances below it are taken again from differences


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
        return self._search(self._points, self.order, self._begin, k, np.arange(n), workers)

    def query(self, X: NDArray[Any], k: int, workers: Workers) -> tuple[NDArray[np.int32], NDArray[np.floating[Any]]]:
        """The k points nearest to each row of X: their rows and their distances, (m, k) each, nearest first."""
        queries = np.ascontiguousarray(self._frame.into(X), np.float32)
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
        itself: NDArray[np.intp],
        workers: Workers,
    ) -> tuple[NDArray[np.int32], NDArray[np.floating[Any]]]:
        """Rows of the nearest points, and distances, for queries sorted by cell; ``order`` says whose they are."""
        indices, distances = np.empty((len(queries), k), np.int32), np.empty((len(queries), k), self._dtype)
        visits = np.argsort(euclidean_distances(self._centers, squared=True), axis=1, kind="stable")
        seen = np.cumsum(np.diff(self._begin)[visits], axis=1)
        n_visits = np.minimum((seen < max(N_SEEN, 2 * k)).sum(1) + 1, len(visits))
        points = (self._points, self._norms / 2)

        def share(cell: int) -> None:
            if begin[cell] < begin[cell + 1]:
                rows = slice(begin[cell], begin[cell + 1])
                cells = visits[cell, : n_visits[cell]]
                n = begin[cell + 1] - begin[cell]
                found = np.empty((n, k), np.int32), np.empty((n, k), np.float32)
                _search_cell(queries[rows], points, self._begin, cells, itself[rows], found)
                indices[order[rows]] = self.order[found[0]]
                distances[order[rows]] = found[1]

        workers.run(share, len(visits))
        return indices, np.ldexp(distances, self._frame.exponent, out=distances)


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
