"""Latent vectors and reconstruction errors with the kernels of the fused training: no graph, no layer over all images.

Each thread takes a part of the images through all layers, so that activations stay in its cache and threads do not wait
for each other. The factors of the matrix products are float32, whatever the precision of the training.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from latentmap.autoencoder.networks.sequential import SequentialNetwork
from latentmap.autoencoder.training import elementwise
from latentmap.autoencoder.training.fused_layers import FusedLayers, as_array, row_length
from latentmap.autoencoder.training.pixels import PixelScale
from latentmap.core.mapped_arrays import release
from latentmap.core.parallel import Workers

# Images in a part: enough for long products, few enough for the cache.
MAX_PART_SIZE = 128
# Bytes of the values between two layers in a part of large images.
MAX_PART_BYTES = 2**25
# Parts after which the pages of a memory-mapped collection are released.
PARTS_PER_RELEASE = 256


def encode_fused(
    network: SequentialNetwork, images: NDArray[Any], scale: PixelScale, *, with_errors: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Compute latent vectors, and the mean squared errors of reconstructions if they are wanted.

    Parameters
    ----------
    network : SequentialNetwork
        Trained network; see :func:`latentmap.autoencoder.training.fused_layers.is_fusible`.
    images : ndarray of shape (n, *image_shape)
        Stored pixels.
    scale : PixelScale
        Map from stored pixels to [0, 1].
    with_errors : bool
        Whether to decode the latent vectors as well.

    Returns
    -------
    latents : ndarray of shape (n, latent_dim), float32
        Latent vectors.
    errors : ndarray of shape (n,), float32
        Errors in units of [0, 1]²; not set without ``with_errors``.
    """
    n_encoding = len(network.encoder())
    layers = FusedLayers(network, [*network.encoder(), *network.decoder()], torch.float32)
    threads = torch.get_num_threads()
    fitting = MAX_PART_BYTES // (4 * max(layers.size, *layers.n_values))
    size = max(1, min(MAX_PART_SIZE, fitting, -(-len(images) // threads)))
    latents, errors = np.empty((len(images), network.latent_dim), np.float32), np.empty(len(images), np.float32)
    with Workers(threads) as workers:
        free = [_ForwardPass(layers, size) for _ in range(workers.n_threads)]

        def encode(begin: int) -> None:
            torch.set_num_threads(1)  # of this thread; all threads multiply at the same time
            rows = slice(begin, begin + size)
            passing = free.pop()
            pixels = layers.flatten(scale.prepare(images[rows]))
            passing.begin(pixels)
            latents[rows] = passing.run(range(n_encoding))[: latents[rows].size].reshape(-1, network.latent_dim)
            if with_errors:
                passing.run(range(n_encoding, len(layers.layers) - 1))
                passing.compare(pixels, errors[rows])
            free.append(passing)

        try:
            for first in range(0, len(images), PARTS_PER_RELEASE * size):
                begins = range(first, len(images), size)[:PARTS_PER_RELEASE]
                workers.run(lambda k, begins=begins: encode(begins[k]), len(begins))  # type: ignore[misc]
                release(images)
        finally:
            torch.set_num_threads(threads)
    return latents, errors


class _ForwardPass:
    """Forward pass of one thread, in two buffers that layers read and write in turn."""

    def __init__(self, layers: FusedLayers, capacity: int) -> None:
        self._layers = layers
        lengths = [row_length(len(bias), n) for bias, n in zip(layers.biases, layers.n_values, strict=True)]
        lengths[-1] = layers.n_values[-1]  # compared with the target pixel by pixel
        self._biases = [np.tile(bias, length // len(bias)) for bias, length in zip(layers.biases, lengths, strict=True)]
        self._weights = layers.pixel_weights.astype(np.float32)
        self._buffers = [torch.empty(capacity * max(layers.size, *layers.n_values)) for _ in range(2)]
        self._m = 0

    def begin(self, pixels: NDArray[Any]) -> None:
        """Set the input, flattened pixels (m, size)."""
        self._m = len(pixels)
        elementwise.convert(pixels, as_array(self._buffers[0][: pixels.size]).reshape(pixels.shape))

    def run(self, numbers: range) -> NDArray[np.float32]:
        """Apply layers; return all values, which the next call overwrites."""
        for i in numbers:
            kind, alpha = self._layers.kinds[i]
            product = self._multiply(i).reshape(-1, len(self._biases[i]))
            if kind == elementwise.SILU:  # into the memory of the input, which is not needed any more
                out = as_array(self._buffers[0][: product.size]).reshape(product.shape)
                elementwise.activate_silu(product, self._biases[i], out)
            else:
                elementwise.activate(kind, alpha, product, self._biases[i])
                self._buffers.reverse()
        return as_array(self._buffers[0])

    def compare(self, pixels: NDArray[Any], errors: NDArray[np.float32]) -> None:
        """Apply the last layer and write the mean squared error of each image."""
        product = self._multiply(len(self._biases) - 1).reshape(self._m, -1)
        elementwise.squared_errors(product, self._biases[-1], pixels, self._weights, errors)

    def _multiply(self, i: int) -> NDArray[np.float32]:
        """Write the product of the values with the weight of a layer into the other buffer."""
        layers, (values, product) = self._layers, self._buffers
        n_out, n_in = layers.weights[i].shape
        n_values = self._m * (layers.n_values[i - 1] if i else layers.size)
        out = product[: self._m * layers.n_values[i]]
        torch.mm(values[:n_values].view(-1, n_in), layers.transposed[i], out=out.view(-1, n_out))
        return as_array(out)
