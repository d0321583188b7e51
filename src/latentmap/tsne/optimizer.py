"""Gradient descent with momentum and gains, as t-SNE has used it from the start."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from latentmap.core.errors import InputError
from latentmap.core.parallel import Array, Workers, bounds, compiled
from latentmap.tsne.attraction import Attraction
from latentmap.tsne.repulsion import Repulsion

MIN_GAIN = 0.01
REPORT_EVERY = 10  # iterations between calls of the callback


@dataclass(frozen=True)
class Phase:
    """A stretch of the descent with settings of its own; ``end`` is the iteration before which it stops."""

    end: int
    exaggeration: float
    learning_rate: float
    momentum: float
    patience: int


@dataclass(frozen=True)
class Look:
    """The progress of the descent: iterations done, divergence, gradient norm, seconds since the last report."""

    n_iter: int
    divergence: float
    gradient_norm: float
    seconds: float


class Descent:
    """A map on its way down the divergence between P and Q.

    Parameters
    ----------
    P : sparse array (n, n)
        Upper triangle of the joint affinities, summing to 1/2.
    Y : array (n, n_components), float32
        Where the map begins; it is moved in place.
    exact : bool
        Sum the repulsion over all pairs, whatever the number of points.
    workers : Workers

    Attributes
    ----------
    Y : array (n, n_components), float32
    n_iter : int
        Iterations done.
    """

    def __init__(self, P: sparse.csr_array, Y: NDArray[np.float32], *, exact: bool, workers: Workers) -> None:
        n, n_components = Y.shape
        # one share for few points: threads would not pay, and the result does not depend on their number
        self._n_shares = min(workers.n_threads, -(-n // 1024))
        self._workers = workers
        self._attraction = Attraction(P, n_components, self._n_shares)
        self._repulsion = Repulsion(n, n_components, self._n_shares, exact=exact)
        self._update = np.zeros_like(Y)
        self._gains = np.ones_like(Y)
        self._norms = np.zeros(self._n_shares)
        self._edges = bounds(n, self._n_shares)
        self.Y = Y
        self.n_iter = 0

    def run(
        self,
        phase: Phase,
        *,
        min_grad_norm: float,
        check_every: int,
        report: Callable[[int], None],
        look: Callable[[Look], None],
    ) -> str:
        """Go to the end of the phase, or until the gradient vanishes or nothing improves; say why it ended early."""
        least, least_at = np.inf, self.n_iter
        begun = time.perf_counter()
        while self.n_iter < phase.end:
            normalization = self._forces()
            checked = (self.n_iter + 1) % check_every == 0
            divergence = self._attraction.divergence(self.Y, normalization, self._workers) if checked else np.nan
            self._step(phase, normalization)
            self.n_iter += 1
            if not np.isfinite(self.Y.sum()) or np.isinf(divergence):
                raise InputError(
                    f"the map grew without bound by iteration {self.n_iter}, at learning_rate={phase.learning_rate:g}: "
                    "take a smaller one, or 'auto'"
                )
            why = ""
            if checked:
                now = time.perf_counter()
                norm = float(np.sqrt(self._norms.sum()))
                look(Look(self.n_iter, divergence, norm, now - begun))
                begun = now
                if divergence < least:
                    least, least_at = divergence, self.n_iter
                elif self.n_iter - least_at > phase.patience:
                    why = f"did not make any progress during the last {phase.patience} episodes. Finished."
                if norm <= min_grad_norm:
                    why = f"gradient norm {norm:f}. Finished."
            if self.n_iter % REPORT_EVERY == 0:
                report(self.n_iter)
            if why:
                return why
        return ""

    def divergence(self) -> float:
        """KL(P || Q) of the map as it is."""
        return self._attraction.divergence(self.Y, self._repulsion.push(self.Y, self._workers), self._workers)

    def _forces(self) -> float:
        self._workers.run(lambda share: self._attraction.pull(self.Y, share), self._n_shares)
        return self._repulsion.push(self.Y, self._workers)

    def _step(self, phase: Phase, normalization: float) -> None:
        settings = np.array(
            [
                4 * phase.exaggeration,
                4 / normalization if normalization > 0 else 0,
                phase.learning_rate,
                phase.momentum,
            ],
            np.float32,
        )
        forces = (self._attraction.forces, self._repulsion.forces)
        state = (self.Y, self._update, self._gains)

        def share(s: int) -> None:
            self._norms[s] = _move(state, forces, settings, self._edges[s], self._edges[s + 1])

        self._workers.run(share, self._n_shares)


@compiled
def _move(
    state: tuple[Array, Array, Array], forces: tuple[Array, Array], settings: Array, begin: int, end: int
) -> float:
    """One step of the rows from begin to end; the squared length of their part of the gradient, gains included."""
    Y, update, gains = state
    pulls, pushes = forces
    pull, push, learning_rate, momentum = settings
    least = np.float32(MIN_GAIN)
    up, down = np.float32(0.2), np.float32(0.8)
    total = 0.0
    for i in range(begin, end):
        for c in range(Y.shape[1]):
            force = np.float32(0)
            for share in range(len(pulls)):
                force += pulls[share, i, c]
            gradient = pull * force - push * pushes[i, c]
            gain = gains[i, c]
            gain = gain + up if update[i, c] * gradient < 0 else gain * down
            gain = gain if gain > least else least
            gains[i, c] = gain
            gradient *= gain
            total += gradient * gradient
            update[i, c] = momentum * update[i, c] - learning_rate * gradient
            Y[i, c] += update[i, c]
    return total
