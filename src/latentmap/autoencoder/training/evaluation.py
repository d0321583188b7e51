"""Latent vectors, reconstructions and errors of a trained network, in batches that fit in memory."""

from collections.abc import Callable
from itertools import count
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from latentmap.autoencoder.networks import Network
from latentmap.autoencoder.training.fused_encoding import encode_fused
from latentmap.autoencoder.training.fused_layers import is_fusible
from latentmap.autoencoder.training.pixels import PixelScale, to_unit_interval
from latentmap.autoencoder.training.transfer import to_device
from latentmap.core.devices import run_in_chunks
from latentmap.core.mapped_arrays import release

# Images in one forward pass, on the CPU and on a device that needs more to be busy.
INFERENCE_BATCH_SIZE = 512
DEVICE_BATCH_SIZE = 4096
# Images on which the weights are scaled before training.
N_INITIALIZATION_IMAGES = 1024
# Values in one batch of large images: activations take many times the memory of the images.
MAX_BATCH_VALUES = 2**22
DEVICE_BATCH_VALUES = 2**24
MIN_BATCH_SIZE_OF_LARGE_IMAGES = 16
# Batches after which the pages of a memory-mapped collection are released.
BATCHES_PER_RELEASE = 64


def map_batches(
    function: Callable[[torch.Tensor], torch.Tensor],
    items: NDArray[Any],
    shape: tuple[int, ...],
    network: Network,
    scale: PixelScale | None = None,
) -> NDArray[np.float32]:
    """Apply a function to items in batches, on the device of a network.

    A GPU computes a batch while the next one is prepared. If memory runs out, the batches are halved, with a warning.

    Parameters
    ----------
    function : callable
        Function of a Tensor (m, ...) float32 that returns a Tensor of m results.
    items : ndarray of shape (n, ...)
        Stored pixels, or without ``scale`` floats.
    shape : tuple of int
        Shape of one result.
    network : Network
        Network that the function uses; it is set to evaluation mode.
    scale : PixelScale, optional
        Map from stored pixels to [0, 1].

    Returns
    -------
    ndarray of shape (n, *shape), float32
    """
    device = next(network.parameters()).device
    network.eval()
    result = np.empty((len(items), *shape), np.float32)
    computed: list[tuple[slice, torch.Tensor]] = []
    batch_numbers = count(1)

    def fetch() -> None:
        for rows, values in computed:
            result[rows] = values.cpu().numpy().reshape(-1, *shape)
        computed.clear()

    def compute(rows: slice) -> None:
        batch = items[rows]
        x = to_device(batch if scale is None else scale.prepare(batch), device)
        values = function(x).float()
        fetch()  # the batch before, which has been computed meanwhile
        computed.append((rows, values))
        if next(batch_numbers) % BATCHES_PER_RELEASE == 0:
            release(items)

    with torch.inference_mode():
        run_in_chunks(compute, len(items), _inference_batch_size(network.image_shape, device), "images")
        fetch()
    return result


def _inference_batch_size(image_shape: tuple[int, ...], device: torch.device) -> int:
    if device.type == "cpu":
        return max_batch_size(INFERENCE_BATCH_SIZE, image_shape)
    return max(1, min(DEVICE_BATCH_SIZE, DEVICE_BATCH_VALUES // prod(image_shape)))


def latent_vectors(network: Network, images: NDArray[Any], scale: PixelScale) -> NDArray[np.float32]:
    """Return the latent vector of each image.

    Parameters
    ----------
    network : Network
        Trained network.
    images : ndarray of shape (n, *image_shape)
        Stored pixels.
    scale : PixelScale
        Map from stored pixels to [0, 1].

    Returns
    -------
    ndarray of shape (n, latent_dim), float32
    """
    if is_fusible(network):
        return encode_fused(network, images, scale, with_errors=False)[0]
    return map_batches(network.encode, images, (network.latent_dim,), network, scale)


def reconstruction_errors(network: Network, images: NDArray[Any], scale: PixelScale) -> NDArray[np.float32]:
    """Return the mean squared error of the reconstruction of each image.

    Parameters
    ----------
    network : Network
        Trained network.
    images : ndarray of shape (n, *image_shape)
        Stored pixels.
    scale : PixelScale
        Map from stored pixels to [0, 1].

    Returns
    -------
    ndarray of shape (n,), float32
        Errors in units of [0, 1]².
    """
    if is_fusible(network):
        return encode_fused(network, images, scale, with_errors=True)[1]
    return map_batches(lambda x: (network(x) - x).square_().flatten(1).mean(1), images, (), network, scale)


def encode_with_errors(
    network: Network, images: NDArray[Any], scale: PixelScale
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the latent vector and the reconstruction error of each image, with one pass over the images.

    Parameters
    ----------
    network : Network
        Trained network.
    images : ndarray of shape (n, *image_shape)
        Stored pixels.
    scale : PixelScale
        Map from stored pixels to [0, 1].

    Returns
    -------
    latents : ndarray of shape (n, latent_dim), float32
        Latent vectors.
    errors : ndarray of shape (n,), float32
        Mean squared errors in units of [0, 1]².
    """
    if is_fusible(network):
        return encode_fused(network, images, scale, with_errors=True)

    def encode(x: torch.Tensor) -> torch.Tensor:
        latents = network.encode(x)
        errors = (network.decode(latents).reshape(x.shape) - x).square_().flatten(1).mean(1, keepdim=True)
        return torch.cat([latents, errors], dim=1)

    columns = map_batches(encode, images, (network.latent_dim + 1,), network, scale)
    return np.ascontiguousarray(columns[:, :-1]), np.ascontiguousarray(columns[:, -1])


def decode_vectors(
    network: Network, vectors: NDArray[Any], standardize: Callable[[NDArray[Any]], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Decode vectors into images.

    Parameters
    ----------
    network : Network
        Trained decoder.
    vectors : ndarray of shape (n, d)
    standardize : callable
        From vectors (m, d) to what the decoder takes, (m, d) float32.

    Returns
    -------
    ndarray of shape (n, *image_shape), float32
        Images in [0, 1].
    """
    found = np.empty((len(vectors), *network.image_shape), np.float32)
    size = max_batch_size(INFERENCE_BATCH_SIZE, network.image_shape)
    for begin in range(0, len(vectors), size):
        part = standardize(vectors[begin : begin + size])
        found[begin : begin + size] = map_batches(network.decode, part, network.image_shape, network)
    return found


def decoding_errors(
    network: Network,
    vectors: NDArray[Any],
    images: NDArray[Any],
    scale: PixelScale,
    standardize: Callable[[NDArray[Any]], NDArray[np.float32]],
) -> NDArray[np.float32]:
    """Return the mean squared error of each image that a decoder draws from a vector.

    Parameters
    ----------
    network : Network
        Trained decoder.
    vectors : ndarray of shape (n, d)
    images : ndarray of shape (n, *image_shape)
        Stored pixels.
    scale : PixelScale
        Map from stored pixels to [0, 1].
    standardize : callable
        From vectors (m, d) to what the decoder takes, (m, d) float32.

    Returns
    -------
    ndarray of shape (n,), float32
        Errors in units of [0, 1]².
    """
    errors = np.empty(len(images), np.float32)
    size = max_batch_size(INFERENCE_BATCH_SIZE, network.image_shape)
    for number, begin in enumerate(range(0, len(images), size), start=1):
        part = slice(begin, begin + size)
        drawn = decode_vectors(network, vectors[part], standardize)
        drawn -= to_unit_interval(scale.prepare(images[part])).reshape(drawn.shape)
        errors[part] = np.square(drawn, out=drawn).reshape(len(drawn), -1).mean(axis=1)
        if number % BATCHES_PER_RELEASE == 0:
            release(images)
    return errors


def max_batch_size(n_images: int, image_shape: tuple[int, ...]) -> int:
    """Limit the number of images in a batch, so that large images fit in memory.

    Parameters
    ----------
    n_images : int
        Number of images for a batch of small images.
    image_shape : tuple of int
        Shape of one image.

    Returns
    -------
    int
        ``n_images``, or the number of images with 2²² values, but at least 16.
    """
    return min(n_images, max(MIN_BATCH_SIZE_OF_LARGE_IMAGES, MAX_BATCH_VALUES // prod(image_shape)))
