"""Gradient descent with momentum and adaptive gains (van der Maaten and Hinton 2008; Jacobs 1988)."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from latentmap.core.errors import InputError
from latentmap.core.parallel import Array, Workers, chunk_bounds, compiled
from latentmap.tsne.attraction import Attraction
from latentmap.tsne.repulsion import Repulsion

MIN_GAIN = 0.01
GAIN_INCREASE, GAIN_DECREASE = 0.2, 0.8
CALLBACK_INTERVAL = 10  # iterations


@dataclass(frozen=True)
class DescentPhase:
    """A phase of the descent with its own settings.

    Attributes
    ----------
    end : int
        Number of iterations done in total when the phase ends.
    exaggeration : float
        Factor on the attractive forces.
    learning_rate : float
    momentum : float
    restarts : bool
        Whether momentum that carries the map uphill is dropped (O'Donoghue and Candès 2015).
    """

    end: int
    exaggeration: float
    learning_rate: float
    momentum: float
    restarts: bool = False


@dataclass(frozen=True)
class ConvergenceCheck:
    """State of the descent at a convergence check.

    Attributes
    ----------
    n_iter : int
        Number of iterations done.
    divergence : float
        KL(P || Q) without exaggeration.
    gradient_norm : float
        Norm of the gradient, gains included.
    seconds : float
        Time since the last check.
    """

    n_iter: int
    divergence: float
    gradient_norm: float
    seconds: float


class DescentLoop(ABC):
    """The iterations of a gradient descent, whose steps a subclass makes.

    Attributes
    ----------
    n_iter : int
        Number of iterations done.
    """

    n_iter: int

    def run(
        self,
        phase: DescentPhase,
        *,
        min_grad_norm: float,
        patience: int,
        check_every: int,
        on_iteration: Callable[[int], None],
        on_check: Callable[[ConvergenceCheck], None],
    ) -> str:
        """Iterate to the end of the phase, or until the descent converges.

        Parameters
        ----------
        phase : DescentPhase
        min_grad_norm : float
            Norm of the gradient at which the phase stops.
        patience : int
            Number of iterations without a lower divergence after which the phase stops.
        check_every : int
            Number of iterations between convergence checks.
        on_iteration : callable
            Called with the number of iterations done, every tenth iteration.
        on_check : callable
            Called with a :class:`ConvergenceCheck` at each convergence check.

        Returns
        -------
        str
            Reason for an early stop, or an empty string.

        Raises
        ------
        InputError
            If the map grows without bound.
        """
        best_divergence, best_iteration = np.inf, self.n_iter
        started = time.perf_counter()
        while self.n_iter < phase.end:
            normalization = self._compute_forces()
            checked = (self.n_iter + 1) % check_every == 0
            divergence = self._divergence_for(normalization) if checked else np.nan
            self._step(phase, normalization)
            self.n_iter += 1
            if not self._is_finite() or np.isinf(divergence):
                raise InputError(
                    f"the map grew without bound by iteration {self.n_iter}, at learning_rate={phase.learning_rate:g}: "
                    "use a smaller one, or 'auto'"
                )
            stop_reason = ""
            if checked:
                now = time.perf_counter()
                norm = self._gradient_norm()
                on_check(ConvergenceCheck(self.n_iter, divergence, norm, now - started))
                started = now
                if divergence < best_divergence:
                    best_divergence, best_iteration = divergence, self.n_iter
                elif self.n_iter - best_iteration > patience:
                    stop_reason = f"did not make any progress during the last {patience} episodes. Finished."
                if norm <= min_grad_norm:
                    stop_reason = f"gradient norm {norm:f}. Finished."
            if self.n_iter % CALLBACK_INTERVAL == 0:
                on_iteration(self.n_iter)
            if stop_reason:
                return stop_reason
        return ""

    @abstractmethod
    def current_map(self) -> NDArray[np.float32]:
        """Return the current map (n, n_components), float32."""

    @abstractmethod
    def divergence(self) -> float:
        """Compute KL(P || Q) of the current map."""

    @abstractmethod
    def _compute_forces(self) -> float:
        """Compute the forces on the current map; return the normalization Σ_{i≠j} 1 / (1 + |y_i - y_j|²)."""

    @abstractmethod
    def _divergence_for(self, normalization: float) -> float:
        """Compute KL(P || Q) of the current map, whose normalization is known."""

    @abstractmethod
    def _step(self, phase: DescentPhase, normalization: float) -> None:
        """Move the points along the forces."""

    @abstractmethod
    def _gradient_norm(self) -> float:
        """Return the norm of the gradient of the last step, gains included."""

    @abstractmethod
    def _is_finite(self) -> bool:
        """Return whether all positions are finite."""


class Descent(DescentLoop):
    """Gradient descent on the divergence KL(P || Q) with the kernels of the CPU.

    Parameters
    ----------
    P : sparse array (n, n), float32
        Upper triangle of the joint affinities, which sums to 1/2.
    Y : array (n, n_components), float32
        Initial map; it is updated in place.
    exact : bool
        Whether to sum the repulsive forces over all pairs for any number of points.
    workers : Workers

    Attributes
    ----------
    Y : array (n, n_components), float32
        Current map.
    n_iter : int
        Number of iterations done.
    """

    def __init__(self, P: sparse.csr_array, Y: NDArray[np.float32], *, exact: bool, workers: Workers) -> None:
        n, n_components = Y.shape
        # one chunk up to 1024 points: threads do not pay, and the result does not depend on their number
        self._n_chunks = min(workers.n_threads, -(-n // 1024))
        self._workers = workers
        self._attraction = Attraction(P, n_components, self._n_chunks)
        self._repulsion = Repulsion(n, n_components, self._n_chunks, exact=exact)
        self._update = np.zeros_like(Y)
        self._gains = np.ones_like(Y)
        self._sums = np.zeros((self._n_chunks, 2))
        self._is_uphill = False
        self._edges = chunk_bounds(n, self._n_chunks)
        self.Y = Y
        self.n_iter = 0

    def current_map(self) -> NDArray[np.float32]:
        """Return the current map."""
        return self.Y

    def divergence(self) -> float:
        """Compute KL(P || Q) of the current map."""
        return self._divergence_for(self._repulsion.compute(self.Y, self._workers))

    def _is_finite(self) -> bool:
        return bool(np.isfinite(self.Y.sum()))

    def _compute_forces(self) -> float:
        self._workers.run(lambda chunk: self._attraction.compute(self.Y, chunk), self._n_chunks)
        return self._repulsion.compute(self.Y, self._workers)

    def _divergence_for(self, normalization: float) -> float:
        return self._attraction.divergence(self.Y, normalization, self._workers)

    def _gradient_norm(self) -> float:
        return float(np.sqrt(self._sums[:, 0].sum()))

    def _step(self, phase: DescentPhase, normalization: float) -> None:
        settings = np.array(
            [
                4 * phase.exaggeration,
                4 / normalization if normalization > 0 else 0,
                phase.learning_rate,
                0 if phase.restarts and self._is_uphill else phase.momentum,
            ],
            np.float32,
        )
        forces = (self._attraction.forces, self._repulsion.forces)
        state = (self.Y, self._update, self._gains)

        def update_chunk(chunk: int) -> None:
            rows = self._edges[chunk], self._edges[chunk + 1]
            self._sums[chunk] = _update_positions(state, forces, settings, *rows)

        self._workers.run(update_chunk, self._n_chunks)
        self._is_uphill = bool(self._sums[:, 1].sum() > 0)


@compiled
def _update_positions(
    state: tuple[Array, Array, Array], forces: tuple[Array, Array], settings: Array, begin: int, end: int
) -> tuple[float, float]:
    """Update rows ``begin`` to ``end`` of the map.

    Return their parts of the squared norm of the gradient, and of its product with the last update.
    """
    Y, update, gains = state
    attractive_forces, repulsive_forces = forces
    attraction, repulsion, learning_rate, momentum = settings
    min_gain = np.float32(MIN_GAIN)
    increase, decrease = np.float32(GAIN_INCREASE), np.float32(GAIN_DECREASE)
    square = slope = 0.0
    for i in range(begin, end):
        for c in range(Y.shape[1]):
            force = np.float32(0)
            for chunk in range(len(attractive_forces)):
                force += attractive_forces[chunk, i, c]
            gradient = attraction * force - repulsion * repulsive_forces[i, c]
            slope += gradient * update[i, c]
            gain = gains[i, c]
            gain = gain + increase if update[i, c] * gradient < 0 else gain * decrease
            gain = gain if gain > min_gain else min_gain
            gains[i, c] = gain
            gradient *= gain
            square += gradient * gradient
            update[i, c] = momentum * update[i, c] - learning_rate * gradient
            Y[i, c] += update[i, c]
    return square, slope
