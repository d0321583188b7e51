"""Repulsive forces of t-SNE, and the normalization of Q.

Both follow from one potential, φ(y) = Σ_j 1 / (1 + |y - y_j|²). The repulsive force on a point is -½ ∇φ, and the sum of
φ over the points, less 1 for each, is the normalization. For many points φ is computed on a grid, as in FIt-SNE
(Linderman et al. 2019), but with cubic B-splines, whose derivative gives the force. A single convolution then replaces
one for each component of the force:

1. spread each point to 4 × 4 nodes of the grid,
2. convolve the grid with the kernel by FFT, zero-padded to twice its size so that the convolution does not wrap around,
3. interpolate φ and its gradient at each point.

Up to ``MAX_EXACT_POINTS`` points, and in three dimensions or more, φ is summed over all pairs.

References
----------
Linderman et al. (2019), Fast interpolation-based t-SNE for improved visualization of single-cell RNA-seq data.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from latentmap.core.parallel import Array, Workers, chunk_bounds, compiled

MAX_EXACT_POINTS = 2_000  # up to which summing over all pairs is faster than the grid
GRID_SPACING = 0.5  # distance of the grid nodes, in units of the kernel width
MIN_NODES = 16  # along the longer side, for maps that are small against the kernel width
MAX_NODES = 4_096  # along each side, for maps that have grown very large
MAX_CHUNK_PAIRS = 2**27  # pairs of points that one call sums, so that an interrupt is handled soon
GRID_STEP = 16  # the number of nodes grows by this step, so that few sizes occur


class Potential(Protocol):
    """Potential φ of a map, to be evaluated at any position.

    Attributes
    ----------
    n : int
        Number of points of the map.
    offset : float
        Constant that ``evaluate`` leaves out of φ, per point of the map.
    """

    n: int
    offset: float

    def evaluate(self, Y: NDArray[np.float32], out: tuple[Array, Array], begin: int, end: int) -> None:
        """Evaluate forces and potential at rows ``begin`` to ``end`` of Y.

        Parameters
        ----------
        Y : array (m, n_components), float32
            Positions.
        out : tuple of arrays (m, n_components) and (m,), float32
            Repulsive forces Σ_j (y - y_j) / (1 + |y - y_j|²)², and φ(y) less the offsets; written in place.
        begin, end : int
            Rows to evaluate.
        """


class ExactPotential:
    """Potential that is summed over all points at each evaluation.

    Parameters
    ----------
    Y : array (n, n_components), float32
        The map.
    workers : Workers
        Not used.
    """

    offset = 0.0

    def __init__(self, Y: NDArray[np.float32], workers: Workers) -> None:  # noqa: ARG002 - same signature as GridPotential
        self.n = len(Y)
        self._columns = np.ascontiguousarray(Y.T)

    def evaluate(self, Y: NDArray[np.float32], out: tuple[Array, Array], begin: int, end: int) -> None:
        """See :class:`Potential`."""
        _sum_over_pairs(self._columns, Y, *out, begin, end)


@dataclass(frozen=True)
class GridGeometry:
    """The nodes of a grid around a map.

    Attributes
    ----------
    nodes : tuple of int
        Number of nodes along each axis.
    spacing : float
        Distance of neighbouring nodes.
    first : array (2,), float64
        Position of the first node.
    """

    nodes: tuple[int, int]
    spacing: float
    first: NDArray[np.float64]

    @classmethod
    def around(cls, low: NDArray[np.float64], high: NDArray[np.float64]) -> Self:
        """Lay a grid around the points between the corners ``low`` and ``high`` (2,)."""
        spacing = _spacing(float((high - low).max()))
        nodes = [_n_nodes(float(extent) / spacing) for extent in high - low]
        # the points lie in the middle of the grid, at least three nodes from its edge
        return cls((nodes[0], nodes[1]), spacing, (low + high) / 2 - spacing * (np.array(nodes) - 1) / 2)


class GridPotential:
    """Potential of a map of one or two dimensions, interpolated on a grid around it.

    A one-dimensional map is treated as a two-dimensional one whose second coordinate does not count. Positions outside
    the grid get the value at its edge.

    Parameters
    ----------
    Y : array (n, n_components), float32
        The map, with 1 or 2 components.
    workers : Workers
    """

    def __init__(self, Y: NDArray[np.float32], workers: Workers) -> None:
        self.n = len(Y)
        low, high = np.zeros(2), np.zeros(2)
        _find_bounds(Y, low, high)
        geometry = GridGeometry.around(low, high)
        self._geometry = np.array([*geometry.first, 1 / geometry.spacing], np.float32)
        grids = np.empty((workers.n_threads, *geometry.nodes), np.float32)
        edges = chunk_bounds(len(Y), workers.n_threads)
        workers.run(lambda s: _spread_to_grid(grids[s], self._geometry, Y, edges[s], edges[s + 1]), workers.n_threads)
        transformed, self.offset = kernel_transform(geometry.nodes, geometry.spacing, Y.shape[1])
        self._grid = _convolve(grids.sum(0), transformed, workers.n_threads)

    def evaluate(self, Y: NDArray[np.float32], out: tuple[Array, Array], begin: int, end: int) -> None:
        """See :class:`Potential`."""
        _interpolate(self._grid, self._geometry, Y, *out, begin, end)


def potential_for(n: int, n_components: int, *, exact: bool) -> type[ExactPotential] | type[GridPotential]:
    """Choose the class that evaluates the potential fastest.

    Parameters
    ----------
    n : int
        Number of points of the map.
    n_components : int
        Dimensions of the map.
    exact : bool
        Whether to choose :class:`ExactPotential` for any number of points.

    Returns
    -------
    type
    """
    return ExactPotential if exact or n <= MAX_EXACT_POINTS or n_components > 2 else GridPotential


class Repulsion:
    """Repulsive forces among the points of a map.

    Parameters
    ----------
    n : int
        Number of points.
    n_components : int
        Dimensions of the map.
    n_chunks : int
        Number of chunks of rows.
    exact : bool
        Whether to sum over all pairs for any number of points.

    Attributes
    ----------
    forces : array (n, n_components), float32
        Forces Σ_j (y_i - y_j) / (1 + |y_i - y_j|²)².
    """

    def __init__(self, n: int, n_components: int, n_chunks: int, *, exact: bool) -> None:
        self.forces = np.empty((n, n_components), np.float32)
        self._values = np.empty(n, np.float32)
        self._potential = potential_for(n, n_components, exact=exact)
        self._n_chunks = n_chunks if self._potential is GridPotential else max(n_chunks, n * n // MAX_CHUNK_PAIRS)
        self._edges = chunk_bounds(n, self._n_chunks)

    def compute(self, Y: NDArray[np.float32], workers: Workers) -> float:
        """Compute the forces on a map.

        Parameters
        ----------
        Y : array (n, n_components), float32
            The map.
        workers : Workers

        Returns
        -------
        float
            Normalization Σ_{i≠j} 1 / (1 + |y_i - y_j|²).
        """
        potential = self._potential(Y, workers)
        out = (self.forces, self._values)
        workers.run(lambda s: potential.evaluate(Y, out, self._edges[s], self._edges[s + 1]), self._n_chunks)
        return normalization(potential, self._values)


def normalization(potential: Potential, values: NDArray[np.float32]) -> float:
    """Compute the normalization Σ_{i≠j} 1 / (1 + |y_i - y_j|²) of a map.

    Parameters
    ----------
    potential : Potential
        Potential of the map.
    values : array (n,), float32
        The potential, evaluated at the points of the map.

    Returns
    -------
    float
    """
    return float(values.sum(dtype=np.float64)) + potential.n * (potential.offset * potential.n - 1)


def _spacing(span: float) -> float:
    """Distance of the nodes: ``GRID_SPACING``, or a smaller power of √2 that gives a small map ``MIN_NODES``."""
    if span >= GRID_SPACING * MIN_NODES:
        return max(GRID_SPACING, span / MAX_NODES)
    smallest = 1e-30
    return float(GRID_SPACING * 2 ** (np.floor(2 * np.log2(max(span, smallest) / (GRID_SPACING * MIN_NODES))) / 2))


def _n_nodes(intervals: float) -> int:
    return GRID_STEP * int(np.ceil((intervals + 7) / GRID_STEP))


@lru_cache(maxsize=8)
def kernel_transform(nodes: tuple[int, int], spacing: float, n_components: int) -> tuple[NDArray[np.float32], float]:
    """Fourier transform of the kernel, divided by those of the splines for spreading and for interpolation.

    The value of the kernel at the far corner is subtracted and returned as the offset, so that the remainder keeps its
    precision on a map that is small against the kernel width.
    """
    halves = [padded_size(n) // 2 for n in nodes]
    squares = [(np.arange(half + 1) * spacing) ** 2 for half in halves]
    squares[n_components:] = [np.zeros(half + 1) for half in halves[n_components:]]
    far = sum(((n - 1) * spacing) ** 2 for n in nodes[:n_components])
    distances = squares[0][:, None] + squares[1][None]
    # 1/(1+d²) - 1/(1+far), without cancellation
    kernel = (far - distances) / ((1 + distances) * (1 + far))
    # the kernel is even, so that the cosine transform of a quarter of it is its Fourier transform
    transformed = fft.dctn(kernel, type=1, overwrite_x=True)
    splines = [((2 + np.cos(np.pi * np.arange(half + 1) / half)) / 3) ** 2 for half in halves]
    transformed /= splines[0][:, None] * splines[1][None]
    rows = np.concatenate([np.arange(halves[0] + 1), np.arange(halves[0] - 1, 0, -1)])
    return transformed.astype(np.float32)[rows], 1 / (1 + far)


def padded_size(n_nodes: int) -> int:
    return 2 * int(fft.next_fast_len(n_nodes, real=True))


def _convolve(grid: NDArray[np.float32], transformed: NDArray[np.float32], n_threads: int) -> NDArray[np.float32]:
    """Convolve the grid with the kernel. Rows that consist of padding only are not transformed."""
    nx, ny = grid.shape
    sizes = padded_size(nx), padded_size(ny)
    spectrum = fft.rfft(grid, n=sizes[1], axis=1, workers=n_threads)
    spectrum = fft.fft(spectrum, n=sizes[0], axis=0, workers=n_threads)
    spectrum *= transformed
    spectrum = fft.ifft(spectrum, axis=0, overwrite_x=True, workers=n_threads)[:nx]
    convolved: NDArray[np.float32] = fft.irfft(spectrum, n=sizes[1], axis=1, workers=n_threads)[:, :ny]
    return convolved


@compiled
def _find_bounds(Y: Array, low: Array, high: Array) -> None:
    """Find the smallest and the largest coordinate along each axis."""
    for c in range(Y.shape[1]):
        smallest = largest = Y[0, c]
        for i in range(len(Y)):
            smallest, largest = min(smallest, Y[i, c]), max(largest, Y[i, c])
        low[c], high[c] = smallest, largest


@compiled
def _spline_weights(offset: float, weights: Array, slopes: Array) -> None:
    """Values and derivatives of the four cubic B-splines that are not zero at an offset in [0, 1) between two nodes."""
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
def _locate(Y: Array, i: int, geometry: Array, n_nodes: tuple[int, int]) -> tuple[int, int, float, float]:
    """Node before a point along each axis, and the offset from it; points outside the grid are moved to its edge."""
    second = Y[i, 1] if Y.shape[1] > 1 else np.float32(0)
    u, v = (Y[i, 0] - geometry[0]) * geometry[2], (second - geometry[1]) * geometry[2]
    u = min(max(u, np.float32(1)), np.float32(n_nodes[0] - 3))
    v = min(max(v, np.float32(1)), np.float32(n_nodes[1] - 3))
    a, b = np.int64(u), np.int64(v)
    return a, b, u - np.float32(a), v - np.float32(b)  # type: ignore[return-value]


@compiled
def _spread_to_grid(grid: Array, geometry: Array, Y: Array, begin: int, end: int) -> None:
    grid[:] = 0
    wx, wy, slopes = np.empty(4, np.float32), np.empty(4, np.float32), np.empty(4, np.float32)
    for i in range(begin, end):
        a, b, f, g = _locate(Y, i, geometry, grid.shape)
        _spline_weights(f, wx, slopes)
        _spline_weights(g, wy, slopes)
        for p in range(4):
            row = np.uint64(a - 1 + p)
            for q in range(4):
                grid[row, np.uint64(b - 1 + q)] += wx[p] * wy[q]


@compiled
def _interpolate(grid: Array, geometry: Array, Y: Array, forces: Array, values: Array, begin: int, end: int) -> None:
    wx, wy = np.empty(4, np.float32), np.empty(4, np.float32)
    dx, dy = np.empty(4, np.float32), np.empty(4, np.float32)
    minus_half = np.float32(-0.5) * geometry[2]
    for i in range(begin, end):
        a, b, f, g = _locate(Y, i, geometry, grid.shape)
        _spline_weights(f, wx, dx)
        _spline_weights(g, wy, dy)
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
def _sum_over_pairs(columns: Array, Y: Array, forces: Array, values: Array, begin: int, end: int) -> None:
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
            forces[i, c] = _weighted_difference_sum(columns[c], Y[i, c], squares)


@compiled
def _add_squares(column: Array, y: float, squares: Array) -> None:
    for j in range(len(column)):
        squares[j] += (y - column[j]) * (y - column[j])


@compiled
def _weighted_difference_sum(column: Array, y: float, weights: Array) -> float:
    total = np.float32(0)
    for j in range(len(column)):
        total += (y - column[j]) * weights[j]
    return total  # type: ignore[return-value]
