"""Attractive forces of t-SNE, over the edges of the sparse neighbour graph."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from latentmap.core.parallel import Array, Workers, balanced_chunk_bounds, compiled


class Attraction:
    """Attractive forces Σ_j p_ij (y_i - y_j) / (1 + |y_i - y_j|²).

    Each edge of the upper triangle is visited once, for both of its ends. Each chunk of the rows adds to its own array,
    since an edge can end in another chunk.

    Parameters
    ----------
    P : sparse array (n, n), float32
        Upper triangle of the joint affinities.
    n_components : int
        Dimensions of the map.
    n_chunks : int
        Number of chunks of rows.

    Attributes
    ----------
    forces : array (n_chunks, n, n_components), float32
        Forces from the edges of each chunk; the force on a point is their sum over the chunks.
    """

    def __init__(self, P: sparse.csr_array, n_components: int, n_chunks: int) -> None:
        self._indptr, self._indices, self._data = P.indptr, P.indices, P.data
        self._edges = balanced_chunk_bounds(P.indptr, n_chunks)
        self.n_chunks = n_chunks
        self.forces = np.empty((n_chunks, P.shape[0], n_components), np.float32)

    def compute(self, Y: NDArray[np.float32], chunk: int) -> None:
        """Compute the forces from the edges of one chunk on the map Y (n, n_components), float32."""
        rows = self._edges[chunk], self._edges[chunk + 1]
        if Y.shape[1] == 2:
            _attractive_forces_2d(self._indptr, self._indices, self._data, Y, self.forces[chunk], *rows)
        else:
            _attractive_forces(self._indptr, self._indices, self._data, Y, self.forces[chunk], *rows)

    def divergence(self, Y: NDArray[np.float32], normalization: float, workers: Workers) -> float:
        """Compute the divergence KL(P || Q).

        Parameters
        ----------
        Y : array (n, n_components), float32
            The map.
        normalization : float
            Σ_{i≠j} 1 / (1 + |y_i - y_j|²).
        workers : Workers

        Returns
        -------
        float
            Divergence in nats; infinite if the normalization is 0.
        """
        sums = np.zeros(self.n_chunks)

        def compute_terms(chunk: int) -> None:
            rows = self._edges[chunk], self._edges[chunk + 1]
            sums[chunk] = _divergence_terms(self._indptr, self._indices, self._data, Y, *rows)

        workers.run(compute_terms, self.n_chunks)
        return float(2 * sums.sum() + np.log(normalization)) if normalization > 0 else np.inf


@compiled
def _attractive_forces_2d(
    indptr: Array, indices: Array, data: Array, Y: Array, forces: Array, begin: int, end: int
) -> None:
    forces[:] = 0
    one = np.float32(1)
    for i in range(begin, end):
        x, y = Y[i, 0], Y[i, 1]
        fx = fy = np.float32(0)
        for edge in range(np.uint64(indptr[i]), np.uint64(indptr[i + 1])):  # unsigned: no test for an index below 0
            j = np.uint64(indices[edge])
            dx, dy = x - Y[j, 0], y - Y[j, 1]
            force = data[edge] / (one + dx * dx + dy * dy)
            dx, dy = force * dx, force * dy
            fx += dx
            fy += dy
            forces[j, 0] -= dx
            forces[j, 1] -= dy
        forces[i, 0] += fx
        forces[i, 1] += fy


@compiled
def _one_plus_square(Y: Array, i: int, j: Any) -> float:
    """1 + |y_i - y_j|²."""
    one_plus_square = np.float32(1)
    for c in range(Y.shape[1]):
        one_plus_square += (Y[i, c] - Y[j, c]) ** 2
    return one_plus_square  # type: ignore[return-value]


@compiled
def _attractive_forces(
    indptr: Array, indices: Array, data: Array, Y: Array, forces: Array, begin: int, end: int
) -> None:
    forces[:] = 0
    for i in range(begin, end):
        for edge in range(indptr[i], indptr[i + 1]):
            j = np.uint64(indices[edge])
            one_plus_square = _one_plus_square(Y, i, j)
            for c in range(Y.shape[1]):
                force = data[edge] * (Y[i, c] - Y[j, c]) / one_plus_square
                forces[i, c] += force
                forces[j, c] -= force


@compiled
def _divergence_terms(indptr: Array, indices: Array, data: Array, Y: Array, begin: int, end: int) -> float:
    total = 0.0
    for i in range(begin, end):
        for edge in range(indptr[i], indptr[i + 1]):
            j = np.uint64(indices[edge])
            one_plus_square = _one_plus_square(Y, i, j)
            if data[edge] > 0:
                total += data[edge] * np.log(data[edge] * one_plus_square)
    return total
