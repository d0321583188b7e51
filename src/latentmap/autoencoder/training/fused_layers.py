"""A sequential network as the fused kernels see it: weight matrices, biases and the order of the pixels."""

from math import prod
from typing import Any, TypeGuard

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from latentmap.autoencoder.networks.sequential import AffineLayer, SequentialNetwork
from latentmap.autoencoder.training import elementwise

# Rows of about this many values suit the kernels: long enough for vector registers, short enough for the first-level
# cache.
MAX_ROW_LENGTH = 512
KINDS: dict[type[nn.Module], int] = {
    nn.Identity: elementwise.IDENTITY,
    nn.ReLU: elementwise.LEAKY_RELU,  # with slope 0
    nn.Tanh: elementwise.TANH,
    nn.Sigmoid: elementwise.SIGMOID,
    nn.SiLU: elementwise.SILU,
}


def activation_kind(activation: nn.Module) -> tuple[int, float] | None:
    """Return the kernels' kind of an activation and its parameter.

    Parameters
    ----------
    activation : Module
        Activation of torch.

    Returns
    -------
    (kind, alpha) or None
        None if the kernels do not implement the activation.
    """
    match activation:
        case nn.ELU():
            return elementwise.ELU, activation.alpha
        case nn.LeakyReLU():
            return elementwise.LEAKY_RELU, activation.negative_slope
    kind = KINDS.get(type(activation))
    return None if kind is None else (kind, 0.0)


def as_parameter(value: object) -> Tensor:
    """Return the detached values of a parameter.

    Parameters
    ----------
    value : Parameter
        Weight or bias of a layer.

    Returns
    -------
    Tensor
    """
    assert isinstance(value, nn.Parameter)
    return value.detach()


def as_array(values: Tensor) -> NDArray[Any]:
    """Return a view of a tensor as a NumPy array.

    Parameters
    ----------
    values : Tensor on the CPU, float32 or bfloat16
        Values.

    Returns
    -------
    ndarray of the same shape, float32 or uint16
        bfloat16 is stored as uint16.
    """
    return (values.view(torch.uint16) if values.dtype == torch.bfloat16 else values).numpy()


def is_fusible(network: nn.Module) -> TypeGuard[SequentialNetwork]:
    """Return whether the kernels support a network: a sequential one on the CPU, with activations that they implement.

    Parameters
    ----------
    network : Module
        Network to train or to encode with.

    Returns
    -------
    bool
    """
    return isinstance(network, SequentialNetwork) and all(
        activation_kind(layer.activation) is not None and as_parameter(layer.linear.weight).device.type == "cpu"
        for layer in (*network.encoder(), *network.decoder())
    )


class FusedLayers:
    """Layers of a sequential network, with the matrices that they multiply with.

    Parameters
    ----------
    network : SequentialNetwork
        Network on the CPU.
    layers : list of AffineLayer
        Its encoder and decoder.
    dtype : torch.dtype
        Type of activations and factors, ``torch.float32`` or ``torch.bfloat16``.

    Attributes
    ----------
    kinds : list of (int, float)
        Kind and parameter of each activation.
    size : int
        Values of one flattened image, padding included.
    takes_vectors : bool
        Whether the network is a decoder, whose inputs are vectors.
    n_inputs : int
        Values of one input: those of a flattened image, or of a vector.
    n_values : list of int
        Values of one image after each layer.
    weights, transposed : list of Tensor
        Weight matrix (out, in) of each layer, and its transpose.
    biases : list of ndarray, float32
        Bias of each layer.
    pixel_weights : ndarray of shape (size,), float64
        Weight of each pixel in the mean over an image, 0 for padding.
    """

    def __init__(self, network: SequentialNetwork, layers: list[AffineLayer], dtype: torch.dtype) -> None:
        self.layers = layers
        self.dtype = dtype
        self.cross_entropy = network.cross_entropy
        self.kinds = [_supported_kind(layer.activation) for layer in layers]
        n_pixels = prod(network.image_shape)
        numbered = torch.arange(1, n_pixels + 1).view(1, *network.image_shape)
        self._order = network.flatten(numbered).reshape(-1).numpy() - 1  # -1 for padding
        self._in_order = len(self._order) == n_pixels and bool((self._order == np.arange(n_pixels)).all())
        self.pixel_weights = (self._order >= 0) / n_pixels
        self.size = len(self._order)
        self.takes_vectors = not network.encoder()
        self.n_inputs = network.latent_dim if self.takes_vectors else self.size
        self.n_values = []
        values = self.n_inputs
        for weight in (as_parameter(layer.linear.weight) for layer in layers):
            values = values // weight.shape[1] * weight.shape[0]
            self.n_values.append(values)
        self.weights = [as_parameter(layer.linear.weight) for layer in layers]
        self.transposed = [weight.t() for weight in self.weights]
        self.biases = [as_parameter(layer.linear.bias).numpy() for layer in layers]

    def n_images_in(self, n_bytes: int) -> int:
        """Return the number of images whose activations fit in a number of bytes, but at least one.

        Parameters
        ----------
        n_bytes : int
            Memory for activations.

        Returns
        -------
        int
        """
        return max(1, n_bytes // (self.dtype.itemsize * (self.n_inputs + sum(self.n_values))))

    def flatten_inputs(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """Flatten the inputs of the network: images, or vectors, which are flat already.

        Parameters
        ----------
        inputs : ndarray of shape (n, *image_shape), or (n, n_inputs), uint8 or float32
            Images or vectors.

        Returns
        -------
        ndarray of shape (n, n_inputs), uint8 or float32
        """
        return inputs if self.takes_vectors else self.flatten(inputs)

    def flatten(self, images: NDArray[Any]) -> NDArray[Any]:
        """Flatten images in the order of pixels that the network uses.

        Parameters
        ----------
        images : ndarray of shape (n, *image_shape), uint8 or float32
            Images.

        Returns
        -------
        ndarray of shape (n, size), uint8 or float32
            Padding is 0.
        """
        flat = images.reshape(len(images), -1)
        if self._in_order:
            return flat
        out = np.empty((len(flat), self.size), flat.dtype)
        elementwise.gather_columns(flat, self._order, out)
        return out


def _supported_kind(activation: nn.Module) -> tuple[int, float]:
    kind = activation_kind(activation)
    assert kind is not None, f"{activation}: not supported by the fused kernels"
    return kind


def row_length(n_biases: int, n_values: int) -> int:
    """Return the length of the rows in which the kernels see a layer's output: whole repetitions of its bias.

    Parameters
    ----------
    n_biases : int
        Length of the bias.
    n_values : int
        Values of one image after the layer.

    Returns
    -------
    int
    """
    repeats = n_values // n_biases
    return n_biases * max(
        k for k in range(1, repeats + 1) if repeats % k == 0 and (n_biases * k <= MAX_ROW_LENGTH or k == 1)
    )
