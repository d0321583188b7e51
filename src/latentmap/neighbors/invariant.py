"""Nearest neighbours by the tangent distance: the distance of two points when both may move along their tangents.

The nearest points by Euclidean distance are the first candidates. Rounds of NN-descent then compare each point with
the neighbours of its neighbours, since a point that differs by a deformation only need not be among the first
candidates.

References
----------
Simard, LeCun and Denker (1993), Efficient pattern recognition using a new transformation distance.
Dong, Moses and Li (2011), Efficient k-nearest neighbor graph construction for generic similarity measures.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.errors import InputError
from latentmap.core.parallel import Array, Workers, chunk_bounds, compiled
from latentmap.neighbors.search import NeighborGraph, nearest_neighbors

# Weight of the penalty on squared steps along tangents, as a fraction of the mean squared length of all tangents. It
# keeps steps in the range where tangents describe a deformation, and the equations solvable; 0.02 to 0.1 work alike.
RIDGE = 0.05
N_EUCLIDEAN_CANDIDATES = 60
N_DESCENT_ROUNDS = 2  # a third finds next to nothing
CHUNK_ROWS = 256  # rows that a thread processes in one call


def invariant_neighbors(
    X: NDArray[np.float32],
    tangents: NDArray[np.float32],
    n_neighbors: int,
    *,
    candidates: NeighborGraph | None = None,
    n_jobs: int | None = None,
) -> NeighborGraph:
    """Find the nearest neighbours of every row of X by the tangent distance.

    Parameters
    ----------
    X : array (n, d), float32
    tangents : array (n, t, d), float32
        Directions in which each point may move, t for each; see :meth:`latentmap.Autoencoder.tangents`.
    n_neighbors : int
        Number of neighbours of each point, from 1 to n - 1.
    candidates : NeighborGraph, optional
        Neighbours of X by Euclidean distance, of which the first 60 are compared first; searched for by default.
    n_jobs : int, optional
        Number of threads; all CPUs by default.

    Returns
    -------
    NeighborGraph
        Neighbours with their tangent distances, in the unit of X. A tangent distance is at most the Euclidean
        distance, and tangent distances need not satisfy the triangle inequality. The search is approximate: it misses
        few of the nearest neighbours.

    Raises
    ------
    InputError
        If X or the tangents contain NaN or infinity, the shapes do not match, ``n_neighbors`` is out of range, or
        ``candidates`` are of other points.

    References
    ----------
    Simard, LeCun and Denker (1993), Efficient pattern recognition using a new transformation distance.
    Dong, Moses and Li (2011), Efficient k-nearest neighbor graph construction for generic similarity measures.

    Examples
    --------
    The second point differs from the first along its tangent only.

    >>> import numpy as np
    >>> X = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 1.0]], np.float32)
    >>> tangents = np.tile(np.array([1.0, 0.0], np.float32), (3, 1, 1))
    >>> invariant_neighbors(X, tangents, 1).indices.tolist()[0]
    [1]
    """
    X, tangents = np.ascontiguousarray(X, np.float32), np.ascontiguousarray(tangents, np.float32)
    check_tangents(X, tangents)
    n = len(X)
    n_candidates = min(n - 1, max(N_EUCLIDEAN_CANDIDATES, n_neighbors))
    first = nearest_neighbors(X, n_candidates, n_jobs=n_jobs) if candidates is None else candidates
    if len(first.indices) != n or first.n_neighbors < min(n - 1, n_neighbors):
        raise InputError(
            f"candidates has {first.n_neighbors} neighbours of {len(first.indices)} points: pass at least "
            f"{n_neighbors} of {n}"
        )
    points = TangentPoints(X, tangents)
    kept = min(n - 1, 2 * n_neighbors)
    with Workers(n_jobs) as workers:
        indices, squared = points.nearest(points, first.indices[:, :n_candidates], kept, workers)
        for _ in range(N_DESCENT_ROUNDS if n > N_EUCLIDEAN_CANDIDATES + 1 else 0):
            indices, squared = _nn_descent_round(points, indices, squared, n_neighbors, workers)
    return NeighborGraph(indices[:, :n_neighbors], np.sqrt(squared[:, :n_neighbors]), first.order)


def check_tangents(X: NDArray[Any], tangents: NDArray[Any]) -> None:
    """Check that tangents have shape (n, t, d) for points X of shape (n, d), and finite values.

    Raises
    ------
    InputError
        If they do not.
    """
    if tangents.ndim != 3 or (len(tangents), tangents.shape[2]) != X.shape:
        raise InputError(
            f"tangents of shape {tangents.shape} for points of shape {X.shape}: pass (n, t, d) for points (n, d), "
            "as Autoencoder.tangents gives them"
        )
    if not np.isfinite(tangents).all():
        raise InputError("tangents contain NaN or infinity: compute them from images without NaN or infinity")


class TangentPoints:
    """Points with their tangents, prepared for tangent distances.

    Parameters
    ----------
    X : array (n, d), float32, C order
    tangents : array (n, t, d), float32, C order

    Attributes
    ----------
    gram : array (n, t, t), float32
        Inner products of the tangents of each point.
    ridge : float32
        Weight of the penalty on squared steps along tangents.
    """

    def __init__(self, X: NDArray[np.float32], tangents: NDArray[np.float32]) -> None:
        self.X, self.tangents = X, tangents
        self.gram = np.matmul(tangents, tangents.transpose(0, 2, 1))
        squared_lengths = np.einsum("njj->nj", self.gram)
        self.ridge: Any = np.float32(RIDGE * squared_lengths.mean()) or np.finfo(np.float32).tiny

    def nearest(
        self, queries: "TangentPoints", candidates: NDArray[np.int32], k: int, workers: Workers
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Find the k nearest points to each query among its candidates, by tangent distance.

        Parameters
        ----------
        queries : TangentPoints
            m points with tangents.
        candidates : array (m, c), int32
            Rows of the candidates of each query; the first -1 in a row ends it.
        k : int
        workers : Workers

        Returns
        -------
        indices : array (m, k), int32
            Rows of the nearest candidates, nearest first; -1 where there are fewer than k.
        squared : array (m, k), float32
            Squared tangent distances; infinite where there are fewer than k.
        """
        m = len(queries.X)
        indices, squared = np.full((m, k), -1, np.int32), np.full((m, k), np.inf, np.float32)
        bounds = chunk_bounds(m, -(-m // CHUNK_ROWS))

        def compare(s: int) -> None:
            rows = slice(bounds[s], bounds[s + 1])
            chunk = (queries.X[rows], queries.tangents[rows], queries.gram[rows])
            _insert_candidates(chunk, self.arrays, self.ridge, candidates[rows], (indices[rows], squared[rows]))

        workers.run(compare, len(bounds) - 1)
        return indices, squared

    @property
    def arrays(self) -> tuple[Array, Array, Array]:
        """Points, tangents, and inner products of the tangents, in the form that the kernels take."""
        return self.X, self.tangents, self.gram


def _nn_descent_round(
    points: TangentPoints, indices: NDArray[np.int32], squared: NDArray[np.float32], k: int, workers: Workers
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Compare each point with the neighbours and the reverse neighbours of its neighbours."""
    n = len(indices)
    forward = np.ascontiguousarray(indices[:, :k])
    order = np.argsort(forward, axis=None, kind="stable").astype(np.int64)
    begin = np.searchsorted(forward.ravel()[order], np.arange(n + 1))
    backward = (order // k).astype(np.int32)
    best, best_squared = indices.copy(), squared.copy()
    bounds = chunk_bounds(n, -(-n // CHUNK_ROWS))

    def compare(s: int) -> None:
        rows = np.arange(bounds[s], bounds[s + 1])
        candidates = np.full((len(rows), 2 * k * k), -1, np.int32)
        _gather_candidates(rows, indices, forward, begin, backward, candidates)
        chunk = slice(bounds[s], bounds[s + 1])
        queries = (points.X[chunk], points.tangents[chunk], points.gram[chunk])
        _insert_candidates(queries, points.arrays, points.ridge, candidates, (best[chunk], best_squared[chunk]))

    workers.run(compare, len(bounds) - 1)
    return best, best_squared


@compiled
def _gather_candidates(
    rows: Array, known: Array, forward: Array, begin: Array, backward: Array, candidates: Array
) -> None:
    """Collect neighbours and reverse neighbours of neighbours that are new, each once; the rest of a row stays -1."""
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
            neighbor = forward[i, a]
            last = min(begin[neighbor + 1], begin[neighbor] + k)
            for b in range(k + last - begin[neighbor]):
                other = forward[neighbor, b] if b < k else backward[begin[neighbor] + b - k]
                if seen[other] != i:
                    seen[other] = i
                    candidates[r, count] = other
                    count += 1


@compiled
def _insert_candidates(
    queries: tuple[Array, Array, Array],
    points: tuple[Array, Array, Array],
    ridge: Any,
    candidates: Array,
    best: tuple[Array, Array],
) -> None:
    """Insert the candidates of each query, up to the first -1, into its sorted list of the nearest points."""
    X, S, gram_S = queries
    Y, T, gram_T = points
    indices, squared = best
    d, t, k = X.shape[1], S.shape[1], indices.shape[1]
    workspace = (np.empty(d, np.float32), np.empty(2 * t, np.float32), np.empty((2 * t, 2 * t), np.float32))
    for i in range(len(X)):
        for c in range(candidates.shape[1]):
            o = candidates[i, c]
            if o < 0:
                break
            length = _tangent_distance(X[i], S[i], gram_S[i], Y[o], T[o], gram_T[o], ridge, workspace)
            if length < squared[i, k - 1]:
                at = k - 1
                while at > 0 and squared[i, at - 1] > length:
                    squared[i, at], indices[i, at] = squared[i, at - 1], indices[i, at - 1]
                    at -= 1
                squared[i, at], indices[i, at] = length, o


@compiled
def _tangent_distance(
    x: Array,
    s: Array,
    gram_s: Array,
    y: Array,
    t: Array,
    gram_t: Array,
    ridge: Any,
    workspace: tuple[Array, Array, Array],
) -> Any:
    """Minimum over a, b of |x + Σ aᵢ sᵢ - y - Σ bᵢ tᵢ|² + ridge (|a|² + |b|²), by Cholesky on the normal equations."""
    difference, p, A = workspace
    n = len(s)
    length = np.float32(0.0)
    for f in range(len(x)):
        difference[f] = y[f] - x[f]
        length += difference[f] * difference[f]
    for a in range(n):
        own, others = np.float32(0.0), np.float32(0.0)
        for f in range(len(x)):
            own += s[a, f] * difference[f]
            others += t[a, f] * difference[f]
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
