"""Placement of new points on a finished t-SNE map, which does not change."""

import numpy as np
from numpy.typing import NDArray

from latentmap.core.parallel import Array, Workers, chunk_bounds, compiled
from latentmap.tsne.repulsion import Potential, normalization, potential_for

MAX_ITER = 200  # steps of each point
N_STARTS = 3  # nearest neighbours whose positions are tried as starts
MAX_STEP = 1.0  # in units of the kernel width
MIN_STEP = 1e-4  # step at which a point has converged


def place_points(
    indices: NDArray[np.int32],
    affinities: NDArray[np.float32],
    embedding: NDArray[np.float32],
    *,
    exact: bool,
    workers: Workers,
) -> NDArray[np.float32]:
    """Place each new point where the attractive and repulsive forces balance.

    Each point is placed independently of the others by descent on the energy Σ_j p_j log(1 + |y - y_j|²) + φ(y) / φ̄,
    where φ̄ is the mean of φ over the map. A step that does not decrease the energy is halved. The descent starts at the
    weighted mean of the neighbours, or at one of the nearest neighbours if the energy is lower there: the mean of
    neighbours in groups that are apart on the map lies in empty space.

    Parameters
    ----------
    indices : array (m, k), int32
        Neighbours of each new point among the points of the map.
    affinities : array (m, k), float32
        Conditional affinities of each new point with these neighbours; each row sums to 1.
    embedding : array (n, n_components), float32
        The map.
    exact : bool
        Whether to sum the repulsive forces over all pairs for any number of points.
    workers : Workers

    Returns
    -------
    array (m, n_components), float32
        Positions on the map.
    """
    n, n_components = embedding.shape
    map_energy = _MapEnergy(potential_for(n, n_components, exact=exact)(embedding, workers), embedding, workers)
    best: NDArray[np.float32] = np.einsum("mk,mkc->mc", affinities, embedding[indices])
    energy, direction = map_energy.evaluate(best, indices, affinities)
    for rank in range(min(N_STARTS, indices.shape[1])):
        trial = embedding[indices[:, rank]]
        _keep_better((best, energy, direction), (trial, *map_energy.evaluate(trial, indices, affinities)))
    steps = np.ones(len(best), np.float32)
    moving = np.arange(len(best))
    for _ in range(MAX_ITER):
        moving = moving[steps[moving] * np.abs(direction[moving]).max(axis=1) > MIN_STEP]
        if not len(moving):
            break
        trial = best[moving] + steps[moving, None] * direction[moving]
        new_energy, next_direction = map_energy.evaluate(trial, indices[moving], affinities[moving])
        better = new_energy < energy[moving]
        steps[moving] = np.where(better, np.minimum(1.5 * steps[moving], 1), steps[moving] / 2)
        moved = moving[better]
        best[moved], energy[moved], direction[moved] = trial[better], new_energy[better], next_direction[better]
    return best


def _keep_better(best: tuple[Array, Array, Array], trial: tuple[Array, Array, Array]) -> None:
    """Overwrite the best positions, energies and steps where the trial has a lower energy."""
    better = trial[1] < best[1]
    for kept, new in zip(best, trial, strict=True):
        kept[better] = new[better]


class _MapEnergy:
    """Energy of new points on a finished map."""

    def __init__(self, potential: Potential, embedding: NDArray[np.float32], workers: Workers) -> None:
        self._potential, self._embedding, self._workers = potential, embedding, workers
        self._mean = normalization(potential, self._evaluate_potential(embedding)[1]) / len(embedding)

    def evaluate(
        self, Y: NDArray[np.float32], indices: NDArray[np.int32], affinities: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Compute energies (m,) at Y (m, n_components), and descent steps (m, n_components) of at most ``MAX_STEP``."""
        repulsive_forces, values = self._evaluate_potential(Y)
        energies, steps = np.empty(len(Y), np.float32), np.empty_like(Y)
        edges = chunk_bounds(len(Y), self._workers.n_threads)

        def evaluate_chunk(s: int) -> None:
            rows = slice(edges[s], edges[s + 1])
            neighbors = (indices[rows], affinities[rows])
            field = (repulsive_forces[rows], values[rows])
            _energies_and_steps(Y[rows], self._embedding, neighbors, field, self._mean, energies[rows], steps[rows])

        self._workers.run(evaluate_chunk, self._workers.n_threads)
        return energies, steps

    def _evaluate_potential(self, Y: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        repulsive_forces, values = np.empty_like(Y), np.empty(len(Y), np.float32)
        edges = chunk_bounds(len(Y), self._workers.n_threads)
        out = (repulsive_forces, values)
        self._workers.run(lambda s: self._potential.evaluate(Y, out, edges[s], edges[s + 1]), self._workers.n_threads)
        return out


@compiled
def _energies_and_steps(
    Y: Array,
    embedding: Array,
    neighbors: tuple[Array, Array],
    field: tuple[Array, Array],
    mean: float,
    energies: Array,
    steps: Array,
) -> None:
    indices, affinities = neighbors
    repulsive_forces, values = field
    one, longest = np.float32(1), np.float32(MAX_STEP)
    for i in range(len(Y)):
        energy = values[i] / np.float32(mean)
        curvature = np.float32(0)
        for c in range(Y.shape[1]):
            steps[i, c] = repulsive_forces[i, c] / np.float32(mean)
        for k in range(indices.shape[1]):
            j = np.uint64(indices[i, k])
            square = one
            for c in range(Y.shape[1]):
                square += (Y[i, c] - embedding[j, c]) ** 2
            force = affinities[i, k] / square
            energy += affinities[i, k] * np.log(square)
            curvature += force
            for c in range(Y.shape[1]):
                steps[i, c] -= force * (Y[i, c] - embedding[j, c])
        length = np.float32(0)
        for c in range(Y.shape[1]):
            steps[i, c] /= curvature
            length += steps[i, c] * steps[i, c]
        if length > longest * longest:
            for c in range(Y.shape[1]):
                steps[i, c] *= longest / np.sqrt(length)
        energies[i] = energy
