"""Nearest neighbours by the tangent distance: how far two points are apart when both may move along their tangents.

The nearest by Euclidean distance are looked at first. Then, as in NN-descent, neighbours of neighbours, since a point
that is near but for a deformation need not be among the nearest before it.

References
----------
Simard, LeCun and Denker (1993), Efficient pattern recognition using a new transformation distance.
Dong, Moses and Li (2011), Efficient k-nearest neighbor graph construction for generic similarity measures.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.errors import InputError
from latentmap.core.parallel import Array, Workers, bounds, compiled
from latentmap.neighbors.search import NeighborGraph, nearest_neighbors

# Weight of the squared step along a tangent, as a share of the mean squared length of all tangents. It keeps steps
# within what a deformation means, and the equations solvable; 0.02 to 0.1 do the same.
RIDGE = 0.05
N_CANDIDATES = 60  # by Euclidean distance
N_ROUNDS = 2  # through neighbours of neighbours; a third finds next to nothing
ROWS = 256  # a share of a thread


def invariant_neighbors(
    X: NDArray[np.float32], tangents: NDArray[np.float32], n_neighbors: int, *, n_jobs: int | None = None
) -> NeighborGraph:
    """Find the nearest neighbours of every row of X by the tangent distance.

    Parameters
    ----------
    X : array (n, d), float32
    tangents : array (n, t, d), float32
        Directions in which a point may move; see :meth:`latentmap.Autoencoder.tangents`.
    n_neighbors : int
        From 1 to n - 1.
    n_jobs : int, optional
        Threads; all cores by default.

    Returns
    -------
    NeighborGraph
        With tangent distances. They are at most the Euclidean ones and need not obey the triangle inequality. Few of
        the nearest are missed, as in all approximate searches.

    Raises
    ------
    InputError
        If the tangents do not fit the points, or hold NaN or infinity.
    """
    X, tangents = np.ascontiguousarray(X, np.float32), np.ascontiguousarray(tangents, np.float32)
    check_tangents(X, tangents)
    n = len(X)
    first = nearest_neighbors(X, min(n - 1, max(N_CANDIDATES, n_neighbors)), n_jobs=n_jobs)
    points = TangentPoints(X, tangents)
    kept = min(n - 1, 2 * n_neighbors)
    with Workers(n_jobs) as workers:
        indices, squared = points.nearest(points, first.indices, kept, workers)
        for _ in range(N_ROUNDS if n > N_CANDIDATES + 1 else 0):
            indices, squared = _descend(points, indices, squared, n_neighbors, workers)
    return NeighborGraph(indices[:, :n_neighbors], np.sqrt(squared[:, :n_neighbors]), first.order)


def check_tangents(X: NDArray[Any], tangents: NDArray[Any]) -> None:
    """Raise InputError unless there are tangents (n, t, d) for X (n, d)."""
    if tangents.ndim != 3 or (len(tangents), tangents.shape[2]) != X.shape:
        raise InputError(
            f"tangents of shape {tangents.shape} for points of shape {X.shape}: pass (n, t, d) for points (n, d), "
            "as Autoencoder.tangents gives them"
        )
    if not np.isfinite(tangents).all():
        raise InputError("tangents contain NaN or infinity: take them again from images without")


class TangentPoints:
    """Points with their tangents, ready to be compared.

    Parameters
    ----------
    X : array (n, d), float32, C order
    tangents : array (n, t, d), float32, C order
    """

    def __init__(self, X: NDArray[np.float32], tangents: NDArray[np.float32]) -> None:
        self.X, self.tangents = X, tangents
        self.gram = np.matmul(tangents, tangents.transpose(0, 2, 1))
        lengths = np.einsum("njj->nj", self.gram)
        self.ridge: Any = np.float32(RIDGE * lengths.mean()) or np.finfo(np.float32).tiny

    def nearest(
        self, queries: "TangentPoints", candidates: NDArray[np.int32], k: int, workers: Workers
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Of the candidates (m, c) of each query the k nearest, and their squared distances, (m, k), nearest first."""
        m = len(queries.X)
        indices, squared = np.full((m, k), -1, np.int32), np.full((m, k), np.inf, np.float32)
        shares = bounds(m, -(-m // ROWS))

        def share(s: int) -> None:
            rows = slice(shares[s], shares[s + 1])
            asking = (queries.X[rows], queries.tangents[rows], queries.gram[rows])
            _compare(asking, self.arrays, self.ridge, candidates[rows], (indices[rows], squared[rows]))

        workers.run(share, len(shares) - 1)
        return indices, squared

    @property
    def arrays(self) -> tuple[Array, Array, Array]:
        """Points, tangents, and products of the tangents, as the kernels take them."""
        return self.X, self.tangents, self.gram


def _descend(
    points: TangentPoints, indices: NDArray[np.int32], squared: NDArray[np.float32], k: int, workers: Workers
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Compare each point with the neighbours of its neighbours, and with those that have these as neighbours."""
    n = len(indices)
    forward = np.ascontiguousarray(indices[:, :k])
    order = np.argsort(forward, axis=None, kind="stable").astype(np.int64)
    begin = np.searchsorted(forward.ravel()[order], np.arange(n + 1))
    backward = (order // k).astype(np.int32)
    found, lengths = indices.copy(), squared.copy()
    shares = bounds(n, -(-n // ROWS))

    def share(s: int) -> None:
        rows = np.arange(shares[s], shares[s + 1])
        candidates = np.full((len(rows), 2 * k * k), -1, np.int32)
        _gather(rows, indices, forward, begin, backward, candidates)
        part = slice(shares[s], shares[s + 1])
        asking = (points.X[part], points.tangents[part], points.gram[part])
        _compare(asking, points.arrays, points.ridge, candidates, (found[part], lengths[part]))

    workers.run(share, len(shares) - 1)
    return found, lengths


@compiled
def _gather(rows: Array, known: Array, forward: Array, begin: Array, backward: Array, candidates: Array) -> None:
    """Neighbours of neighbours that are not known yet, each once; the rest of a row stays -1."""
    n, k = forward.shape
    seen = np.full(n, -1, np.int32)
    for r in range(len(rows)):
        i = rows[r]
        seen[i] = i
        for j in range(known.shape[1]):
            if known[i, j] >= 0:
                seen[known[i, j]] = i
        count = 0
        for a in range(k):
            middle = forward[i, a]
            last = min(begin[middle + 1], begin[middle] + k)
            for b in range(k + last - begin[middle]):
                other = forward[middle, b] if b < k else backward[begin[middle] + b - k]
                if seen[other] != i:
                    seen[other] = i
                    candidates[r, count] = other
                    count += 1


@compiled
def _compare(
    asking: tuple[Array, Array, Array],
    points: tuple[Array, Array, Array],
    ridge: Any,
    candidates: Array,
    found: tuple[Array, Array],
) -> None:
    """Insert the candidates of each query, up to the first -1, into its list of the nearest."""
    X, S, gram_S = asking
    Y, T, gram_T = points
    indices, squared = found
    d, t, k = X.shape[1], S.shape[1], indices.shape[1]
    room = (np.empty(d, np.float32), np.empty(2 * t, np.float32), np.empty((2 * t, 2 * t), np.float32))
    for i in range(len(X)):
        for c in range(candidates.shape[1]):
            o = candidates[i, c]
            if o < 0:
                break
            length = _tangent_distance(X[i], S[i], gram_S[i], Y[o], T[o], gram_T[o], ridge, room)
            if length < squared[i, k - 1]:
                at = k - 1
                while at > 0 and squared[i, at - 1] > length:
                    squared[i, at], indices[i, at] = squared[i, at - 1], indices[i, at - 1]
                    at -= 1
                squared[i, at], indices[i, at] = length, o


@compiled
def _tangent_distance(
    x: Array, s: Array, gram_s: Array, y: Array, t: Array, gram_t: Array, ridge: Any, room: tuple[Array, Array, Array]
) -> Any:
    """The least |x + Σ aᵢ sᵢ - y - Σ bᵢ tᵢ|² + ridge (|a|² + |b|²), by the Cholesky factor of the normal equations."""
    between, p, A = room
    n = len(s)
    length = np.float32(0.0)
    for f in range(len(x)):
        between[f] = y[f] - x[f]
        length += between[f] * between[f]
    for a in range(n):
        own, others = np.float32(0.0), np.float32(0.0)
        for f in range(len(x)):
            own += s[a, f] * between[f]
            others += t[a, f] * between[f]
        p[a], p[n + a] = own, others
        for b in range(a + 1):
            A[a, b], A[n + a, n + b] = gram_s[a, b], gram_t[a, b]
        for b in range(n):
            product = np.float32(0.0)
            for f in range(len(x)):
                product += t[a, f] * s[b, f]
            A[n + a, b] = product
        A[a, a] += ridge
        A[n + a, n + a] += ridge
    for a in range(2 * n):
        for b in range(a + 1):
            rest = A[a, b]
            for f in range(b):
                rest -= A[a, f] * A[b, f]
            A[a, b] = rest / A[b, b] if b < a else np.sqrt(max(rest, ridge))
        rest = p[a]
        for f in range(a):
            rest -= A[a, f] * p[f]
        p[a] = rest / A[a, a]
        length -= p[a] * p[a]
    return max(length, np.float32(0.0))
