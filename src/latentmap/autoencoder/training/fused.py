"""Training steps of a sequential network on the CPU: matrix products by torch, kernels between them, no graph.

A batch is divided into one chunk for each thread. Each thread runs forward and backward through all layers with its own
chunk, in parts if the images are large. Threads synchronise twice in a step: when their gradients are complete, and
when the optimiser has changed the weights.

Each weight costs 2 flop forward, 2 for its own gradient and 2 for that of its input (not in the first layer) for every
row that it multiplies. Memory: the activations of one part and one gradient for each thread, and two moments for
each weight.
"""

from itertools import groupby, pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentmap.autoencoder.networks.sequential import SequentialNetwork
from latentmap.autoencoder.training import elementwise
from latentmap.autoencoder.training.adam import BETA_2, EPSILON, update_weights
from latentmap.autoencoder.training.backpropagation import Backpropagation
from latentmap.autoencoder.training.fused_layers import FusedLayers, as_array
from latentmap.autoencoder.training.muon import adam_rate_factors, step_matrix
from latentmap.core.parallel import Workers, chunk_bounds

# Images in a chunk below which a further thread costs more than it gains.
MIN_CHUNK_SIZE = 16
# Bytes of activations in a part. Large parts make long products; only large images come near this limit.
MAX_PART_BYTES = 2**25


class _Matrix(NamedTuple):
    """Views of a weight matrix that Muon trains.

    Attributes
    ----------
    weight, momentum : Tensor of shape (out, in), float32
        Weights and the first moment.
    copy : Tensor of shape (out, in)
        Factors of the matrix products, set to the new weights.
    gradients : list of Tensor of shape (out, in)
        Partial gradient of each thread.
    """

    weight: Tensor
    momentum: Tensor
    copy: Tensor
    gradients: list[Tensor]

    def step(self, n_chunks: int, scale: float, learning_rate: float) -> None:
        """Change the weights with the sum of the partial gradients, times ``scale``."""
        gradient = self.gradients[0].to(torch.float32, copy=True)
        for partial in self.gradients[1:n_chunks]:
            gradient += partial
        gradient *= scale
        step_matrix(self.weight, gradient, self.momentum, learning_rate, self.copy.dtype)
        elementwise.convert(self.weight.numpy(), as_array(self.copy))


class FusedEngine:
    """Training steps with fused kernels and Adam or Muon, on the mean squared error or half the cross entropy.

    Parameters
    ----------
    network : SequentialNetwork
        Network to train in place; see :func:`~latentmap.autoencoder.training.fused_layers.is_fusible`.
    dtype : torch.dtype
        Type of activations and of the factors of matrix products, ``torch.float32`` or ``torch.bfloat16``. Weights,
        sums and moments are float32.
    max_grad_norm : float, optional
        Gradients with a larger norm are scaled down to this norm.
    beta_2 : float, default=0.999
        Decay rate of Adam's second moment.
    optimizer : {"adam", "muon"}, default="adam"
        Optimiser of the weight matrices; biases are trained with Adam.
    """

    def __init__(
        self,
        network: SequentialNetwork,
        dtype: torch.dtype,
        max_grad_norm: float | None = None,
        beta_2: float = BETA_2,
        optimizer: str = "adam",
    ) -> None:
        self._layers = FusedLayers(network, [*network.encoder(), *network.decoder()], dtype)
        self._network = network
        self._workers = Workers(torch.get_num_threads())
        self._max_grad_norm = max_grad_norm
        self._beta_2 = beta_2
        parameters = dict(network.named_parameters())
        self._shapes = {name: parameter.shape for name, parameter in parameters.items()}
        self._weights = torch.cat([parameter.detach().reshape(-1) for parameter in parameters.values()])
        for parameter, values in zip(parameters.values(), self._split(self._weights).values(), strict=True):
            parameter.data = values
        size = len(self._weights)
        factors = adam_rate_factors(network, optimizer)
        sizes = [(parameter.numel(), factors[name]) for name, parameter in parameters.items()]
        self._weight_chunks = _chunk_weights(sizes, self._workers.n_threads)
        self._moments = torch.zeros(2, size)
        self._n_steps = 0
        self._copies = torch.empty(size, dtype=dtype)
        self._copy_weights()
        self._gradients = torch.empty(self._workers.n_threads, size, dtype=dtype)
        self._bind(network)
        self._muon_names = {name for name, factor in factors.items() if not factor}
        self._matrices = self._assign_matrices()
        self._n_chunks = 1
        self._passes: list[Backpropagation] = []

    def step(self, inputs: NDArray[Any], targets: NDArray[Any], learning_rate: float, progress: float) -> float:  # noqa: ARG002
        """Train on a batch.

        Parameters
        ----------
        inputs, targets : ndarray of shape (n, *image_shape), uint8 or float32
            Images to encode and images to reconstruct: pixels from 0 to 255, or in [0, 1].
        learning_rate : float
            Learning rate of this step.
        progress : float
            Ignored: the loss does not change in the course of the training.

        Returns
        -------
        float
            Loss before the step.
        """
        loss = self._compute_gradient(inputs, targets)
        gradients = as_array(self._gradients[: self._n_chunks])
        scale = 1.0
        if self._max_grad_norm is not None:
            scale = min(1.0, self._max_grad_norm / max(elementwise.squared_norm(gradients) ** 0.5, EPSILON))
        self._n_steps += 1
        weights, copies, first, second = (as_array(x) for x in (self._weights, self._copies, *self._moments))
        threads = torch.get_num_threads()

        def update(k: int) -> None:
            torch.set_num_threads(1)  # of this thread
            for matrix in self._matrices[k]:
                matrix.step(self._n_chunks, scale, learning_rate)
            for part, factor in self._weight_chunks[k]:
                rate = learning_rate * factor
                update_weights(
                    part, weights, copies, gradients, first, second, rate, self._beta_2, scale, self._n_steps
                )

        try:
            self._workers.run(update, self._workers.n_threads)
        finally:
            torch.set_num_threads(threads)
        return loss

    def _compute_gradient(self, inputs: NDArray[Any], targets: NDArray[Any]) -> float:
        """Return the loss, and leave the gradient of each thread in its row of ``_gradients``."""
        n = len(inputs)
        self._n_chunks = max(1, min(self._workers.n_threads, n // MIN_CHUNK_SIZE))
        edges = chunk_bounds(n, self._n_chunks)
        capacity = min(-(-n // self._n_chunks), self._layers.n_images_in(MAX_PART_BYTES))
        if len(self._passes) < self._n_chunks or self._passes[0].capacity < capacity:
            slopes = self._slopes[: self._n_chunks]
            self._passes = [Backpropagation(self._layers, capacity, gradients) for gradients in slopes]
        losses = [0.0] * self._n_chunks
        pixel_weights = (self._layers.pixel_weights / n).astype(np.float32)
        threads = torch.get_num_threads()

        def work(k: int) -> None:
            torch.set_num_threads(1)  # of this thread; all threads multiply at the same time
            backpropagation = self._passes[k]
            backpropagation.begin(in_parts=edges[k + 1] - edges[k] > backpropagation.capacity)
            for begin in range(edges[k], edges[k + 1], backpropagation.capacity):
                rows = slice(begin, min(begin + backpropagation.capacity, edges[k + 1]))
                x = self._layers.flatten_inputs(inputs[rows])
                target = x if inputs is targets else self._layers.flatten(targets[rows])
                losses[k] += backpropagation.run(x, target, pixel_weights)
            backpropagation.end()

        try:
            self._workers.run(work, self._n_chunks)
        finally:
            torch.set_num_threads(threads)
        return sum(losses)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the moments by parameter, and the number of steps.

        Returns
        -------
        dict of str to Tensor
            ``"steps"``; ``"exp_avg.NAME"`` for each parameter, the momentum if Muon trains it; and
            ``"exp_avg_sq.NAME"`` for each that Adam trains.
        """
        first, second = (self._split(moment) for moment in self._moments)
        return {"steps": torch.tensor(self._n_steps)} | {
            f"{kind}.{name}": values
            for kind, moments in (("exp_avg", first), ("exp_avg_sq", second))
            for name, values in moments.items()
            if kind == "exp_avg" or name not in self._muon_names
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Resume from :meth:`state_dict`, after the network's weights have been loaded.

        Parameters
        ----------
        state : dict of str to Tensor
            Moments and number of steps.
        """
        for name, values in self.state_dict().items():
            values.copy_(state[name])
        self._n_steps = int(state["steps"])
        self._copy_weights()

    def close(self) -> None:
        """Give each parameter of the network its own memory again, and end the threads."""
        for parameter in self._network.parameters():
            parameter.data = parameter.data.clone()
        self._workers.close()

    def _split(self, flat: Tensor) -> dict[str, Tensor]:
        """Return a view of ``flat`` for each parameter, in its shape."""
        parts = torch.split(flat, [shape.numel() for shape in self._shapes.values()])
        return {name: part.view(shape) for (name, shape), part in zip(self._shapes.items(), parts, strict=True)}

    def _copy_weights(self) -> None:
        """Round the weights to the type of the factors, exactly as the optimisers do."""
        elementwise.convert(self._weights.numpy()[None], as_array(self._copies)[None])

    def _assign_matrices(self) -> list[list[_Matrix]]:
        """Divide the matrices that Muon trains among the threads, the largest first, so that all have equal work."""
        weights, momenta, copies = self._split(self._weights), self._split(self._moments[0]), self._split(self._copies)
        gradients = [self._split(row) for row in self._gradients]
        assigned: list[list[_Matrix]] = [[] for _ in range(self._workers.n_threads)]
        sizes = [0] * len(assigned)
        for name in sorted(self._muon_names, key=lambda name: (-weights[name].numel(), name)):
            k = sizes.index(min(sizes))
            assigned[k].append(_Matrix(weights[name], momenta[name], copies[name], [row[name] for row in gradients]))
            sizes[k] += weights[name].numel()
        return assigned

    def _bind(self, network: SequentialNetwork) -> None:
        """Make the layers read their factors from the copies, and the backward passes write into the gradients."""
        names = {id(parameter): name for name, parameter in network.named_parameters()}
        layer_names = [
            [names[id(getattr(layer.linear, kind))] for kind in ("weight", "bias")] for layer in self._layers.layers
        ]
        copies, weights = self._split(self._copies), self._split(self._weights)
        self._layers.weights = [copies[weight] for weight, _ in layer_names]
        self._layers.transposed = [weight.t() for weight in self._layers.weights]
        self._layers.biases = [weights[bias].numpy() for _, bias in layer_names]
        rows = [self._split(row) for row in self._gradients]
        self._slopes = [[(row[weight], row[bias]) for weight, bias in layer_names] for row in rows]


def _chunk_weights(parameters: list[tuple[int, float]], n_chunks: int) -> list[list[tuple[slice, float]]]:
    """Divide the flat weights, given as (size, rate factor) of each parameter, into equal chunks.

    Each chunk is a list of (slice, rate factor), split where the factor changes, without those whose factor is 0.
    """
    edges = chunk_bounds(sum(size for size, _ in parameters), n_chunks)
    chunks: list[list[tuple[slice, float]]] = []
    for begin, end in pairwise(edges):
        chunk, offset = [], 0
        for factor, group in groupby(parameters, key=lambda parameter: parameter[1]):
            size = sum(length for length, _ in group)
            low, high = max(begin, offset), min(end, offset + size)
            if low < high and factor:
                chunk.append((slice(low, high), factor))
            offset += size
        chunks.append(chunk)
    return chunks
