"""New points on a finished map, which stays as it is."""

import numpy as np
from numpy.typing import NDArray

from latentmap.core.parallel import Array, Workers, bounds, compiled
from latentmap.tsne.repulsion import Potential, normalization, potential_for

MAX_ITER = 200
N_STARTS = 3  # neighbours whose places are tried as a start
MAX_STEP = 1.0  # in units of the kernel's width
SETTLED = 1e-4  # a step below which a point stays where it is


def place(
    indices: NDArray[np.int32],
    affinities: NDArray[np.float32],
    embedding: NDArray[np.float32],
    *,
    exact: bool,
    workers: Workers,
) -> NDArray[np.float32]:
    """Give each new point the place where pull and push balance, as they do for the points of the map.

    Each is placed by itself: the energy Σ_j p_j log(1 + |y - y_j|²) + φ(y) / mean φ of the map is followed downwards,
    by steps that are shortened where they fail. It begins at the weighted mean of its neighbours' places or, where the
    energy is lower, at the place of one of the nearest: between groups that the map has torn apart the mean is nowhere.

    Parameters
    ----------
    indices : array (m, k)
        Points of the map that are near each new one.
    affinities : array (m, k)
        How near; each row sums to 1.
    embedding : array (n, n_components)
        The map.

    Returns
    -------
    array (m, n_components), float32
    """
    n, n_components = embedding.shape
    field = _Field(potential_for(n, n_components, exact=exact)(embedding, workers), embedding, workers)
    best: NDArray[np.float32] = np.einsum("mk,mkc->mc", affinities, embedding[indices])
    energy, direction = field.follow(best, indices, affinities)
    for near in range(min(N_STARTS, indices.shape[1])):
        tried = embedding[indices[:, near]]
        _keep_better((best, energy, direction), (tried, *field.follow(tried, indices, affinities)))
    steps = np.ones(len(best), np.float32)
    moving = np.arange(len(best))
    for _ in range(MAX_ITER):
        moving = moving[steps[moving] * np.abs(direction[moving]).max(axis=1) > SETTLED]
        if not len(moving):
            break
        tried = best[moving] + steps[moving, None] * direction[moving]
        found, following = field.follow(tried, indices[moving], affinities[moving])
        better = found < energy[moving]
        steps[moving] = np.where(better, np.minimum(1.5 * steps[moving], 1), steps[moving] / 2)
        moved = moving[better]
        best[moved], energy[moved], direction[moved] = tried[better], found[better], following[better]
    return best


def _keep_better(best: tuple[Array, Array, Array], tried: tuple[Array, Array, Array]) -> None:
    """Put places, energies and steps where the energy is lower in the place of the best so far."""
    better = tried[1] < best[1]
    for kept, new in zip(best, tried, strict=True):
        kept[better] = new[better]


class _Field:
    """The forces of a finished map on a new point."""

    def __init__(self, potential: Potential, embedding: NDArray[np.float32], workers: Workers) -> None:
        self._potential, self._embedding, self._workers = potential, embedding, workers
        self._mean = normalization(potential, self._read(embedding)[1]) / len(embedding)

    def follow(
        self, Y: NDArray[np.float32], indices: NDArray[np.int32], affinities: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Energies at Y (m, n_components), and the steps that lead down from there, none longer than ``MAX_STEP``."""
        pushes, values = self._read(Y)
        energies, steps = np.empty(len(Y), np.float32), np.empty_like(Y)
        edges = bounds(len(Y), self._workers.n_threads)

        def share(s: int) -> None:
            rows = slice(edges[s], edges[s + 1])
            near = (indices[rows], affinities[rows])
            _follow(
                Y[rows], self._embedding, near, (pushes[rows], values[rows]), self._mean, energies[rows], steps[rows]
            )

        self._workers.run(share, self._workers.n_threads)
        return energies, steps

    def _read(self, Y: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        pushes, values = np.empty_like(Y), np.empty(len(Y), np.float32)
        edges = bounds(len(Y), self._workers.n_threads)
        out = (pushes, values)
        self._workers.run(lambda s: self._potential.read(Y, out, edges[s], edges[s + 1]), self._workers.n_threads)
        return out


@compiled
def _follow(
    Y: Array,
    embedding: Array,
    near: tuple[Array, Array],
    field: tuple[Array, Array],
    mean: float,
    energies: Array,
    steps: Array,
) -> None:
    indices, affinities = near
    pushes, values = field
    one, longest = np.float32(1), np.float32(MAX_STEP)
    for i in range(len(Y)):
        energy = values[i] / np.float32(mean)
        curvature = np.float32(0)
        for c in range(Y.shape[1]):
            steps[i, c] = pushes[i, c] / np.float32(mean)
        for k in range(indices.shape[1]):
            j = np.uint64(indices[i, k])
            square = one
            for c in range(Y.shape[1]):
                square += (Y[i, c] - embedding[j, c]) ** 2
            pull = affinities[i, k] / square
            energy += affinities[i, k] * np.log(square)
            curvature += pull
            for c in range(Y.shape[1]):
                steps[i, c] -= pull * (Y[i, c] - embedding[j, c])
        length = np.float32(0)
        for c in range(Y.shape[1]):
            steps[i, c] /= curvature
            length += steps[i, c] * steps[i, c]
        if length > longest * longest:
            for c in range(Y.shape[1]):
                steps[i, c] *= longest / np.sqrt(length)
        energies[i] = energy
