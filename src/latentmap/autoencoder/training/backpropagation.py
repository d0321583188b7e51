"""Forward and backward pass of one thread through the fused layers, in buffers that are allocated once."""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentmap.autoencoder.training import elementwise
from latentmap.autoencoder.training.fused_layers import FusedLayers, as_array, row_length
from latentmap.core.parallel import Array


class _LayerBuffers(NamedTuple):
    """Views of one layer's buffers for some number of images: matrices for products, the same memory for kernels."""

    rows: Tensor  # (r, in): input of the layer
    product: Tensor  # (r, out); the last layer has its gradient in the same memory
    product_values: Array
    result_values: Array  # activation, in the memory of the product or in its own
    slope: Tensor  # (r, out): gradient of the product
    slope_transposed: Tensor
    previous_slope: Tensor  # (r, in): gradient of the input
    previous_slope_values: Array  # in rows of the biases of the layer before
    kept_values: Array  # values that determine the derivative of the activation before


class Backpropagation:
    """Forward and backward pass of one thread.

    An activation overwrites its input if its derivative follows from its output.

    Parameters
    ----------
    layers : FusedLayers
        Layers, shared by all threads.
    capacity : int
        Largest number of images in one pass.
    gradients : list of (Tensor, Tensor)
        Memory for the gradients of each layer's weight and bias.
    """

    def __init__(self, layers: FusedLayers, capacity: int, gradients: list[tuple[Tensor, Tensor]]) -> None:
        self.capacity = capacity
        self._layers = layers
        self._gradients = gradients
        lengths = [row_length(len(bias), n) for bias, n in zip(layers.biases, layers.n_values, strict=True)]
        lengths[-1] = layers.n_values[-1]  # compared with the target pixel by pixel
        self._biases = [np.empty(length, np.float32) for length in lengths]
        self._bias_gradients = [np.empty(length, np.float32) for length in lengths]
        self._activations = [torch.empty(capacity * n, dtype=layers.dtype) for n in (layers.n_inputs, *layers.n_values)]
        self._products = [
            torch.empty_like(self._activations[i + 1]) if kind == elementwise.SILU else self._activations[i + 1]
            for i, (kind, _) in enumerate(layers.kinds)
        ]
        self._slopes = [
            torch.empty(capacity * max(layers.n_inputs, *layers.n_values), dtype=layers.dtype) for _ in range(2)
        ]
        self._buffers: dict[int, list[_LayerBuffers]] = {}
        self._sums: list[Tensor] = []

    def begin(self, *, in_parts: bool) -> None:
        """Read the current biases and set the sums to zero.

        Parameters
        ----------
        in_parts : bool
            Whether several passes follow, whose weight gradients are summed in float32.
        """
        for row, sums, bias in zip(self._biases, self._bias_gradients, self._layers.biases, strict=True):
            row.reshape(-1, len(bias))[:] = bias
            sums[:] = 0
        self._sums = [torch.zeros(weight.shape) for weight in self._layers.weights] if in_parts else []

    def run(self, inputs: NDArray[Any], targets: NDArray[Any], pixel_weights: NDArray[np.float32]) -> float:
        """Compute the loss and add its gradient.

        Parameters
        ----------
        inputs : ndarray of shape (m, n_inputs), uint8 or float32
            Flattened images to encode, or vectors to decode.
        targets : ndarray of shape (m, size), uint8 or float32
            Flattened images to reconstruct.
        pixel_weights : ndarray of shape (size,), float32
            Weight of each pixel in the loss.

        Returns
        -------
        float
        """
        m, layers = len(inputs), self._layers
        if m not in self._buffers:
            self._buffers[m] = [self._layer_buffers(i, m) for i in range(len(layers.layers))]
        buffers = self._buffers[m]
        with torch.no_grad():
            elementwise.convert(
                inputs, as_array(self._activations[0][: m * layers.n_inputs]).reshape(m, layers.n_inputs)
            )
            for i, buffer in enumerate(buffers[:-1]):
                torch.mm(buffer.rows, layers.transposed[i], out=buffer.product)
                kind, alpha = layers.kinds[i]
                if kind == elementwise.SILU:
                    elementwise.activate_silu(buffer.product_values, self._biases[i], buffer.result_values)
                else:
                    elementwise.activate(kind, alpha, buffer.product_values, self._biases[i])
            last = buffers[-1]
            torch.mm(last.rows, layers.transposed[-1], out=last.product)
            loss = elementwise.loss_backward(
                layers.cross_entropy,
                last.product_values,
                self._biases[-1],
                targets,
                pixel_weights,
                self._bias_gradients[-1],
            )
            for i in range(len(buffers) - 1, -1, -1):
                self._run_backward(i, buffers[i])
        return loss

    def end(self) -> None:
        """Write the sums into the memory for the gradients."""
        for i, (weight_gradient, bias_gradient) in enumerate(self._gradients):
            sums = self._bias_gradients[i].reshape(-1, len(bias_gradient)).sum(axis=0, keepdims=True)
            elementwise.convert(sums, as_array(bias_gradient)[None])
            if self._sums:
                elementwise.convert(self._sums[i].numpy(), as_array(weight_gradient))

    def _run_backward(self, i: int, buffer: _LayerBuffers) -> None:
        """Compute the gradients of the weight of layer ``i`` and of its input."""
        weight_gradient = self._gradients[i][0]
        torch.mm(buffer.slope_transposed, buffer.rows, out=weight_gradient)
        if self._sums:
            elementwise.accumulate(as_array(weight_gradient), self._sums[i].numpy())
        if i:
            torch.mm(buffer.slope, self._layers.weights[i], out=buffer.previous_slope)
            kind, alpha = self._layers.kinds[i - 1]
            elementwise.activation_backward(
                kind, alpha, buffer.previous_slope_values, buffer.kept_values, self._bias_gradients[i - 1]
            )

    def _layer_buffers(self, i: int, m: int) -> _LayerBuffers:
        layers, last = self._layers, len(self._layers.layers) - 1
        n_out, n_in = layers.weights[i].shape
        input_size, output_size = m * (layers.n_values[i - 1] if i else layers.n_inputs), m * layers.n_values[i]
        product = self._products[i][:output_size]
        result = self._activations[i + 1][:output_size]
        slope = (product if i == last else self._slopes[(i + 1) % 2][:output_size]).view(-1, n_out)
        previous_slope = self._slopes[i % 2][:input_size]
        kept = self._products[i - 1][:input_size] if i else previous_slope
        row, previous_row = len(self._biases[i]), len(self._biases[i - 1]) if i else n_in
        return _LayerBuffers(
            rows=self._activations[i][:input_size].view(-1, n_in),
            product=product.view(-1, n_out),
            product_values=as_array(product).reshape(-1, row),
            result_values=as_array(result).reshape(-1, row),
            slope=slope,
            slope_transposed=slope.t(),
            previous_slope=previous_slope.view(-1, n_in),
            previous_slope_values=as_array(previous_slope).reshape(-1, previous_row),
            kept_values=as_array(kept).reshape(-1, previous_row),
        )
