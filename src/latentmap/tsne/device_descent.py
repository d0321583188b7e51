"""The gradient descent of t-SNE on a device, by operations of torch.

The forces are those of :mod:`latentmap.tsne.attraction` and :mod:`latentmap.tsne.repulsion`: attraction along the edges
of the sparse graph, and repulsion by cubic B-splines on a grid that is convolved by FFT, or over all pairs.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from latentmap.core.devices import full_precision, rows_that_fit, run_in_chunks
from latentmap.tsne.optimizer import GAIN_DECREASE, GAIN_INCREASE, MIN_GAIN, DescentLoop, DescentPhase
from latentmap.tsne.repulsion import ExactPotential, GridGeometry, kernel_transform, padded_size, potential_for

MAX_EDGES = 2**24  # whose forces are computed at once
EDGE_BYTES = 48  # of temporary values for each
MAX_TRANSFORMS = 8  # of the kernel, for grids of several sizes, that are kept
# Coefficients of the four cubic B-splines that are not zero between two nodes: of 1, f, f² and f³ for the offset f.
SPLINES = (
    (1 / 6, -1 / 2, 1 / 2, -1 / 6),
    (2 / 3, 0.0, -1.0, 1 / 2),
    (1 / 6, 1 / 2, 1 / 2, -1 / 2),
    (0.0, 0.0, 0.0, 1 / 6),
)


class DeviceDescent(DescentLoop):
    """Gradient descent on the divergence KL(P || Q), on a device.

    Parameters
    ----------
    P : sparse array (n, n), float32
        Upper triangle of the joint affinities, which sums to 1/2.
    Y : array (n, n_components), float32
        Initial map.
    exact : bool
        Whether to sum the repulsive forces over all pairs for any number of points.
    device : torch.device
    """

    def __init__(self, P: sparse.csr_array, Y: NDArray[np.float32], *, exact: bool, device: torch.device) -> None:
        self._device = device
        self._map = torch.from_numpy(np.array(Y)).to(device)
        self._update = torch.zeros_like(self._map)
        self._gains = torch.ones_like(self._map)
        self._forces = self._update, self._update
        self._norm = 0.0
        self._is_uphill = False
        self._attraction = DeviceAttraction(P, device)
        self._repulsion = DeviceRepulsion(len(Y), Y.shape[1], exact=exact, device=device)
        self.n_iter = 0

    def current_map(self) -> NDArray[np.float32]:
        """Return a copy of the current map."""
        return self._map.cpu().numpy().copy()

    def divergence(self) -> float:
        """Compute KL(P || Q) of the current map."""
        return self._divergence_for(self._repulsion.compute(self._map)[1])

    def _is_finite(self) -> bool:
        return bool(self._map.isfinite().all())

    def _compute_forces(self) -> float:
        repulsive_forces, normalization = self._repulsion.compute(self._map)
        self._forces = self._attraction.compute(self._map), repulsive_forces
        return normalization

    def _divergence_for(self, normalization: float) -> float:
        return self._attraction.divergence(self._map, normalization)

    def _step(self, phase: DescentPhase, normalization: float) -> None:
        repulsion = 4 / normalization if normalization > 0 else 0.0
        momentum = 0.0 if phase.restarts and self._is_uphill else phase.momentum
        gradient = self._forces[0] * (4 * phase.exaggeration) - self._forces[1] * repulsion
        slopes = gradient * self._update
        gains = torch.where(slopes < 0, self._gains + GAIN_INCREASE, self._gains * GAIN_DECREASE)
        self._gains = gains.clamp_min_(MIN_GAIN)
        gradient *= self._gains
        self._update.mul_(momentum).sub_(gradient, alpha=phase.learning_rate)
        self._map += self._update
        square, slope = torch.stack([gradient.square().sum(), slopes.sum()]).tolist()
        self._norm, self._is_uphill = square**0.5, slope > 0

    def _gradient_norm(self) -> float:
        return self._norm


class DeviceAttraction:
    """Attractive forces Σ_j p_ij (y_i - y_j) / (1 + |y_i - y_j|²) on a device.

    Parameters
    ----------
    P : sparse array (n, n), float32
        Upper triangle of the joint affinities.
    device : torch.device
    """

    def __init__(self, P: sparse.csr_array, device: torch.device) -> None:
        rows = np.repeat(np.arange(P.shape[0], dtype=np.int32), np.diff(P.indptr))
        self._rows, self._columns, self._values = (
            torch.from_numpy(values).to(device) for values in (rows, P.indices.astype(np.int32), P.data)
        )
        self._chunk = rows_that_fit(EDGE_BYTES, device, MAX_EDGES)

    def compute(self, Y: Tensor) -> Tensor:
        """Compute the forces (n, n_components) on the map Y (n, n_components), float32."""
        forces = torch.zeros_like(Y)
        for part in self._parts():
            rows, columns = self._rows[part], self._columns[part]
            differences = Y.index_select(0, rows) - Y.index_select(0, columns)
            weights = self._values[part] / differences.square().sum(1).add_(1)
            differences *= weights[:, None]
            forces.index_add_(0, rows, differences)
            forces.index_add_(0, columns, differences, alpha=-1)
        return forces

    def divergence(self, Y: Tensor, normalization: float) -> float:
        """Compute the divergence KL(P || Q) of the map Y in nats; infinite if the normalization is 0."""
        if normalization <= 0:
            return float("inf")
        total = 0.0
        for part in self._parts():
            differences = Y.index_select(0, self._rows[part]) - Y.index_select(0, self._columns[part])
            values = self._values[part]
            total += float(torch.xlogy(values, values * differences.square().sum(1).add_(1)).sum())
        return float(2 * total + np.log(normalization))

    def _parts(self) -> list[slice]:
        return [slice(begin, begin + self._chunk) for begin in range(0, len(self._values), self._chunk)]


class DeviceRepulsion:
    """Repulsive forces Σ_j (y_i - y_j) / (1 + |y_i - y_j|²)² among the points of a map, on a device.

    Parameters
    ----------
    n : int
        Number of points.
    n_components : int
        Dimensions of the map.
    exact : bool
        Whether to sum over all pairs for any number of points.
    device : torch.device
    """

    def __init__(self, n: int, n_components: int, *, exact: bool, device: torch.device) -> None:
        self._sums_pairs = potential_for(n, n_components, exact=exact) is ExactPotential
        self._coefficients = torch.tensor(SPLINES, dtype=torch.float32, device=device)
        self._transforms: dict[tuple[tuple[int, int], float], tuple[Tensor, float]] = {}

    def compute(self, Y: Tensor) -> tuple[Tensor, float]:
        """Compute the forces on the map Y (n, n_components), and the normalization Σ_{i≠j} 1 / (1 + |y_i - y_j|²)."""
        with full_precision():
            return self._over_pairs(Y) if self._sums_pairs else self._on_grid(Y)

    def _over_pairs(self, Y: Tensor) -> tuple[Tensor, float]:
        n, n_components = Y.shape
        forces, values = torch.empty_like(Y), torch.empty_like(Y[:, 0])

        def add_up(rows: slice) -> None:
            differences = Y[rows, None] - Y[None]
            kernel = differences.square().sum(2).add_(1).reciprocal_()
            values[rows] = kernel.sum(1)
            forces[rows] = torch.bmm(kernel.square_()[:, None], differences)[:, 0]

        run_in_chunks(add_up, n, rows_that_fit(4 * n * (2 * n_components + 3), Y.device, n), "points of the map")
        return forces, float((values - 1).sum())

    def _on_grid(self, Y: Tensor) -> tuple[Tensor, float]:
        n, n_components = Y.shape
        low, high = (np.array(bound + [0.0] * (2 - n_components)) for bound in torch.stack(Y.aminmax(dim=0)).tolist())
        if not np.isfinite(high - low).all():
            return torch.full_like(Y, torch.nan), float("nan")
        geometry = GridGeometry.around(low, high)
        transformed, offset = self._transform(geometry, n_components)
        nodes, splines, slopes = self._locate(Y, geometry)
        weights = splines[0][:, :, None] * splines[1][:, None]
        grid = torch.zeros(geometry.nodes[0] * geometry.nodes[1], device=Y.device)
        grid.index_add_(0, nodes.flatten(), weights.flatten())
        grid = _convolve(grid.reshape(geometry.nodes), transformed)
        near = grid.flatten()[nodes]
        values = (weights * near).sum((1, 2))
        along_x = torch.einsum("np,nq,npq->n", slopes[0], splines[1], near)
        along_y = torch.einsum("np,nq,npq->n", splines[0], slopes[1], near)
        forces = torch.stack([along_x, along_y], dim=1)[:, :n_components] * (-0.5 / geometry.spacing)
        return forces, float(values.sum()) + n * (offset * n - 1)

    def _transform(self, geometry: GridGeometry, n_components: int) -> tuple[Tensor, float]:
        """The transform of the kernel on a grid, of which the last ones are kept, and its offset."""
        key = (geometry.nodes, geometry.spacing)
        if key not in self._transforms:
            transformed, offset = kernel_transform(*key, n_components)
            if len(self._transforms) >= MAX_TRANSFORMS:
                self._transforms.pop(next(iter(self._transforms)))
            self._transforms[key] = torch.from_numpy(transformed).to(self._coefficients.device), offset
        return self._transforms[key]

    def _locate(self, Y: Tensor, geometry: GridGeometry) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """The 4 × 4 nodes (n, 4, 4) around each point, and the values and slopes (n, 4) of the splines of each axis."""
        steps = torch.arange(-1, 3, device=Y.device)
        before, splines, slopes = [], [], []
        for axis in range(2):
            places = Y[:, axis] if axis < Y.shape[1] else torch.zeros_like(Y[:, 0])
            places = ((places - geometry.first[axis]) / geometry.spacing).clamp_(1, geometry.nodes[axis] - 3)
            node = places.floor()
            offsets = places - node
            powers = offsets[:, None].expand(-1, 3).cumprod(1)
            splines.append(self._coefficients[:, 0] + powers @ self._coefficients[:, 1:].t())
            factors = torch.stack([torch.ones_like(offsets), 2 * offsets, 3 * powers[:, 1]], dim=1)
            slopes.append(factors @ self._coefficients[:, 1:].t())
            before.append(node.long()[:, None] + steps)
        return before[0][:, :, None] * geometry.nodes[1] + before[1][:, None], splines, slopes


def _convolve(grid: Tensor, transformed: Tensor) -> Tensor:
    """Convolve the grid with the kernel, zero-padded so that the convolution does not wrap around."""
    nx, ny = grid.shape
    sizes = (padded_size(nx), padded_size(ny))
    spectrum = torch.fft.rfft2(grid, s=sizes) * transformed
    convolved: Tensor = torch.fft.irfft2(spectrum, s=sizes)[:nx, :ny]
    return convolved
