"""The pull between neighbours, over the edges of the sparse graph, each edge taken once for both its ends."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from latentmap.core.parallel import Array, Workers, balanced_bounds, compiled


class Attraction:
    """Forces Σ_j p_ij (y_i - y_j) / (1 + |y_i - y_j|²) for the upper triangle of P.

    Each share of the rows adds into an array of its own, since an edge pulls at points of other shares too.

    Attributes
    ----------
    forces : array (n_shares, n, n_components), float32; to be summed over the shares
    """

    def __init__(self, P: sparse.csr_array, n_components: int, n_shares: int) -> None:
        self._indptr, self._indices, self._data = P.indptr, P.indices, P.data
        self._edges = balanced_bounds(P.indptr, n_shares)
        self.n_shares = n_shares
        self.forces = np.empty((n_shares, P.shape[0], n_components), np.float32)

    def pull(self, Y: NDArray[np.float32], share: int) -> None:
        """Work out one share of the forces on the map Y (n, n_components)."""
        rows = self._edges[share], self._edges[share + 1]
        if Y.shape[1] == 2:
            _pull_in_the_plane(self._indptr, self._indices, self._data, Y, self.forces[share], *rows)
        else:
            _pull(self._indptr, self._indices, self._data, Y, self.forces[share], *rows)

    def divergence(self, Y: NDArray[np.float32], normalization: float, workers: Workers) -> float:
        """KL(P || Q), where ``normalization`` is Σ_{i≠j} 1 / (1 + |y_i - y_j|²)."""
        sums = np.zeros(self.n_shares)

        def share(s: int) -> None:
            rows = self._edges[s], self._edges[s + 1]
            sums[s] = _cross(self._indptr, self._indices, self._data, Y, *rows)

        workers.run(share, self.n_shares)
        return float(2 * sums.sum() + np.log(normalization)) if normalization > 0 else np.inf


@compiled
def _pull_in_the_plane(
    indptr: Array, indices: Array, data: Array, Y: Array, forces: Array, begin: int, end: int
) -> None:
    forces[:] = 0
    one = np.float32(1)
    for i in range(begin, end):
        x, y = Y[i, 0], Y[i, 1]
        fx = fy = np.float32(0)
        for edge in range(indptr[i], indptr[i + 1]):
            j = np.uint64(indices[edge])
            dx, dy = x - Y[j, 0], y - Y[j, 1]
            pull = data[edge] / (one + dx * dx + dy * dy)
            dx, dy = pull * dx, pull * dy
            fx += dx
            fy += dy
            forces[j, 0] -= dx
            forces[j, 1] -= dy
        forces[i, 0] += fx
        forces[i, 1] += fy


@compiled
def _one_and_square(Y: Array, i: int, j: Any) -> float:
    """1 + |y_i - y_j|²."""
    square = np.float32(1)
    for c in range(Y.shape[1]):
        square += (Y[i, c] - Y[j, c]) ** 2
    return square  # type: ignore[return-value]


@compiled
def _pull(indptr: Array, indices: Array, data: Array, Y: Array, forces: Array, begin: int, end: int) -> None:
    forces[:] = 0
    for i in range(begin, end):
        for edge in range(indptr[i], indptr[i + 1]):
            j = np.uint64(indices[edge])
            square = _one_and_square(Y, i, j)
            for c in range(Y.shape[1]):
                pull = data[edge] * (Y[i, c] - Y[j, c]) / square
                forces[i, c] += pull
                forces[j, c] -= pull


@compiled
def _cross(indptr: Array, indices: Array, data: Array, Y: Array, begin: int, end: int) -> float:
    total = 0.0
    for i in range(begin, end):
        for edge in range(indptr[i], indptr[i + 1]):
            j = np.uint64(indices[edge])
            square = _one_and_square(Y, i, j)
            if data[edge] > 0:
                total += data[edge] * np.log(data[edge] * square)
    return total
