"""The push of every point against every other, and the normalisation of Q that comes with it.

Both follow from one potential, φ(y) = Σ_j 1 / (1 + |y - y_j|²): the push on a point is -½ ∇φ there, and the sum of
φ over the points, less 1 for each, is the normalisation. On a map of many points φ is worked out on a grid, as in
Linderman et al. (2019), but with cubic splines, whose slope gives the push, so that one transform there and back does
for what otherwise takes a transform for each component:

1. each point is spread over 4 × 4 nodes of the grid,
2. the grid is convolved with the kernel by FFT, padded to twice its size so that nothing wraps around,
3. φ and its slope are read off at each point.

Below ``N_EXACT`` points, and in three dimensions or more, all pairs are summed.
"""

from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from latentmap.core.parallel import Array, Workers, bounds, compiled

N_EXACT = 2_000  # points up to which all pairs are quicker than the grid
SPACING = 0.5  # of the grid's nodes, in units of the kernel's width
MIN_NODES = 16  # along the longer side, where the whole map is small against the kernel
MAX_NODES = 4_096  # along each side, where a map has grown out of all proportion
SHARE = 2**27  # pairs of points that a thread sums in one go
STEP = 16  # nodes by which a grid grows with the map, so that few sizes are needed


class Potential(Protocol):
    """φ of a map, to be read anywhere.

    Attributes
    ----------
    n : int
        Points of the map.
    offset : float
        What is to be added for each of them to the values that are read.
    """

    n: int
    offset: float

    def read(self, Y: NDArray[np.float32], out: tuple[Array, Array], begin: int, end: int) -> None:
        """Read rows ``begin`` to ``end`` of Y (m, n_components) into ``out``.

        Pushes Σ_j (y - y_j) / (1 + |y - y_j|²)² (m, n_components), and values of φ (m,), less the offset; float32.
        """


class ExactPotential:
    """φ summed over all points at each reading."""

    offset = 0.0

    def __init__(self, Y: NDArray[np.float32], workers: Workers) -> None:  # noqa: ARG002 - as the other is made
        self.n = len(Y)
        self._columns = np.ascontiguousarray(Y.T)

    def read(self, Y: NDArray[np.float32], out: tuple[Array, Array], begin: int, end: int) -> None:
        """See :class:`Potential`."""
        _sum_up(self._columns, Y, *out, begin, end)


class GridPotential:
    """φ of a map in the plane or on a line, from a grid around it.

    A map on a line is one in the plane where distances across it count for nothing. Beyond the grid φ is taken as at
    its edge.
    """

    def __init__(self, Y: NDArray[np.float32], workers: Workers) -> None:
        self.n = len(Y)
        low, high = np.zeros(2), np.zeros(2)
        for axis, column in enumerate(Y.T):
            low[axis], high[axis] = column.min(), column.max()
        spacing = _spacing(float((high - low).max()))
        nodes = [_n_nodes(float(extent) / spacing) for extent in high - low]
        # the points lie in the middle of the grid, three nodes or more from its edge
        first = (low + high) / 2 - spacing * (np.array(nodes) - 1) / 2
        self._frame = np.array([*first, 1 / spacing], np.float32)
        parts = np.empty((workers.n_threads, *nodes), np.float32)
        edges = bounds(len(Y), workers.n_threads)
        workers.run(lambda s: _spread(parts[s], self._frame, Y, edges[s], edges[s + 1]), workers.n_threads)
        transformed, self.offset = _transformed_kernel(tuple(nodes), spacing, Y.shape[1])
        self._grid = _convolve(parts.sum(0), transformed, workers.n_threads)

    def read(self, Y: NDArray[np.float32], out: tuple[Array, Array], begin: int, end: int) -> None:
        """See :class:`Potential`."""
        _read(self._grid, self._frame, Y, *out, begin, end)


def potential_for(n: int, n_components: int, *, exact: bool) -> type[ExactPotential] | type[GridPotential]:
    """The way that is quicker for such a map, or the exact one."""
    return ExactPotential if exact or n <= N_EXACT or n_components > 2 else GridPotential


class Repulsion:
    """Pushes among the points of a map.

    Attributes
    ----------
    forces : array (n, n_components), float32; Σ_j (y_i - y_j) / (1 + |y_i - y_j|²)²
    """

    def __init__(self, n: int, n_components: int, n_shares: int, *, exact: bool) -> None:
        self.forces = np.empty((n, n_components), np.float32)
        self._values = np.empty(n, np.float32)
        self._potential = potential_for(n, n_components, exact=exact)
        # short shares, so that an interrupt is heard soon
        self._n_shares = n_shares if self._potential is GridPotential else max(n_shares, n * n // SHARE)
        self._edges = bounds(n, self._n_shares)

    def push(self, Y: NDArray[np.float32], workers: Workers) -> float:
        """Work out the forces on the map Y; return the normalisation Σ_{i≠j} 1 / (1 + |y_i - y_j|²)."""
        potential = self._potential(Y, workers)
        out = (self.forces, self._values)
        workers.run(lambda s: potential.read(Y, out, self._edges[s], self._edges[s + 1]), self._n_shares)
        return normalization(potential, self._values)


def normalization(potential: Potential, values: NDArray[np.float32]) -> float:
    """Σ_{i≠j} 1 / (1 + |y_i - y_j|²), from the values read at a map's own points."""
    return float(values.sum(dtype=np.float64)) + potential.n * (potential.offset * potential.n - 1)


def _spacing(span: float) -> float:
    """Distance of the nodes: ``SPACING``, or for a small map the power of √2 that gives it ``MIN_NODES``."""
    if span >= SPACING * MIN_NODES:
        return max(SPACING, span / MAX_NODES)
    smallest = 1e-30
    return float(SPACING * 2 ** (np.floor(2 * np.log2(max(span, smallest) / (SPACING * MIN_NODES))) / 2))


def _n_nodes(intervals: float) -> int:
    return STEP * int(np.ceil((intervals + 7) / STEP))


@lru_cache(maxsize=8)
def _transformed_kernel(nodes: tuple[int, int], spacing: float, n_components: int) -> tuple[NDArray[np.float32], float]:
    """The kernel's transform over that of the splines, twice: once for the spreading and once for the reading.

    What the kernel has at the far corner is taken from all of it and returned as the offset: on a map that is small
    against the kernel's width, what is left then keeps its precision.
    """
    sizes = [_padded(n) for n in nodes]
    squares = [(np.minimum(np.arange(size), size - np.arange(size)) * spacing) ** 2 for size in sizes]
    squares[n_components:] = [np.zeros(size) for size in sizes[n_components:]]
    far = sum(((n - 1) * spacing) ** 2 for n in nodes[:n_components])
    distances = squares[0][:, None] + squares[1][None]
    # 1/(1+d²) - 1/(1+far), without cancellation
    kernel = (far - distances) / ((1 + distances) * (1 + far))
    transformed = fft.rfft2(kernel).real
    splines = [((2 + np.cos(2 * np.pi * np.arange(size) / size)) / 3) ** 2 for size in sizes]
    transformed /= splines[0][:, None] * splines[1][None, : sizes[1] // 2 + 1]
    return transformed.astype(np.float32), 1 / (1 + far)


def _padded(n_nodes: int) -> int:
    return int(fft.next_fast_len(2 * n_nodes, real=True))


def _convolve(grid: NDArray[np.float32], transformed: NDArray[np.float32], n_threads: int) -> NDArray[np.float32]:
    """The grid convolved with the kernel. Rows that are only padding are never transformed."""
    nx, ny = grid.shape
    sizes = _padded(nx), _padded(ny)
    spectrum = fft.rfft(grid, n=sizes[1], axis=1, workers=n_threads)
    spectrum = fft.fft(spectrum, n=sizes[0], axis=0, workers=n_threads)
    spectrum *= transformed
    spectrum = fft.ifft(spectrum, axis=0, overwrite_x=True, workers=n_threads)[:nx]
    convolved: NDArray[np.float32] = fft.irfft(spectrum, n=sizes[1], axis=1, workers=n_threads)[:, :ny]
    return convolved


@compiled
def _splines(offset: float, weights: Array, slopes: Array) -> None:
    """The four cubic B-splines that are not zero at an offset in [0, 1) between two nodes, and their slopes."""
    f = offset
    g = np.float32(1) - f
    sixth, half, third = np.float32(1 / 6), np.float32(0.5), np.float32(2 / 3)
    weights[0] = g * g * g * sixth
    weights[1] = third - f * f + half * f * f * f
    weights[2] = third - g * g + half * g * g * g
    weights[3] = f * f * f * sixth
    slopes[0] = -half * g * g
    slopes[1] = f * (np.float32(1.5) * f - np.float32(2))
    slopes[2] = g * (np.float32(2) - np.float32(1.5) * g)
    slopes[3] = half * f * f


@compiled
def _place(Y: Array, i: int, frame: Array, n_nodes: tuple[int, int]) -> tuple[int, int, float, float]:
    """The node before a point, along each axis, and the offset from it; points off the grid are read at its edge."""
    second = Y[i, 1] if Y.shape[1] > 1 else np.float32(0)
    u, v = (Y[i, 0] - frame[0]) * frame[2], (second - frame[1]) * frame[2]
    u = min(max(u, np.float32(1)), np.float32(n_nodes[0] - 3))
    v = min(max(v, np.float32(1)), np.float32(n_nodes[1] - 3))
    a, b = np.int64(u), np.int64(v)
    return a, b, u - np.float32(a), v - np.float32(b)  # type: ignore[return-value]


@compiled
def _spread(grid: Array, frame: Array, Y: Array, begin: int, end: int) -> None:
    grid[:] = 0
    wx, wy, slopes = np.empty(4, np.float32), np.empty(4, np.float32), np.empty(4, np.float32)
    for i in range(begin, end):
        a, b, f, g = _place(Y, i, frame, grid.shape)
        _splines(f, wx, slopes)
        _splines(g, wy, slopes)
        for p in range(4):
            row = np.uint64(a - 1 + p)
            for q in range(4):
                grid[row, np.uint64(b - 1 + q)] += wx[p] * wy[q]


@compiled
def _read(grid: Array, frame: Array, Y: Array, forces: Array, values: Array, begin: int, end: int) -> None:
    wx, wy = np.empty(4, np.float32), np.empty(4, np.float32)
    dx, dy = np.empty(4, np.float32), np.empty(4, np.float32)
    minus_half = np.float32(-0.5) * frame[2]
    for i in range(begin, end):
        a, b, f, g = _place(Y, i, frame, grid.shape)
        _splines(f, wx, dx)
        _splines(g, wy, dy)
        value = slope_x = slope_y = np.float32(0)
        for p in range(4):
            row = np.uint64(a - 1 + p)
            along = across = np.float32(0)
            for q in range(4):
                node = grid[row, np.uint64(b - 1 + q)]
                along += wy[q] * node
                across += dy[q] * node
            value += wx[p] * along
            slope_x += dx[p] * along
            slope_y += wx[p] * across
        values[i] = value
        forces[i, 0] = minus_half * slope_x
        if forces.shape[1] > 1:
            forces[i, 1] = minus_half * slope_y


@compiled
def _sum_up(columns: Array, Y: Array, forces: Array, values: Array, begin: int, end: int) -> None:
    n_components, n = columns.shape
    one = np.float32(1)
    squares = np.empty(n, np.float32)
    for i in range(begin, end):
        for j in range(n):
            squares[j] = one
        for c in range(n_components):
            _add_squares(columns[c], Y[i, c], squares)
        total = np.float32(0)
        for j in range(n):
            q = one / squares[j]
            squares[j] = q * q
            total += q
        values[i] = total
        for c in range(n_components):
            forces[i, c] = _sum_of_pushes(columns[c], Y[i, c], squares)


@compiled
def _add_squares(column: Array, own: float, squares: Array) -> None:
    for j in range(len(column)):
        squares[j] += (own - column[j]) * (own - column[j])


@compiled
def _sum_of_pushes(column: Array, own: float, weights: Array) -> float:
    total = np.float32(0)
    for j in range(len(column)):
        total += (own - column[j]) * weights[j]
    return total  # type: ignore[return-value]
