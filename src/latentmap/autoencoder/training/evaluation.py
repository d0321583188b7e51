"""Latent vectors, reconstructions and errors of a trained network, in batches that fit in memory."""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from latentmap.autoencoder.networks import Network
from latentmap.autoencoder.training.devices import to_device
from latentmap.autoencoder.training.pixels import PixelScale
from latentmap.core.mapped_arrays import release

# Images that pass through a network at once. Of large images fewer, so that their values together stay below a limit:
# activations take many times that.
INFERENCE_BATCH = 512
# Images on which the weights are scaled before training.
INITIALIZATION_SAMPLE = 1024
MOST_VALUES = 2**22
# Batches after which a collection that lies in a file is let go of.
RELEASE_AFTER = 64


def in_batches(
    function: Callable[[torch.Tensor], torch.Tensor],
    items: NDArray[Any],
    shape: tuple[int, ...],
    network: Network,
    scale: PixelScale | None = None,
) -> NDArray[np.float32]:
    """Map items through ``function`` on the network's device: (n, ...) → (n, *shape) float32.

    Items are stored pixels that ``scale`` takes to [0, 1], or without it floats.
    """
    device = next(network.parameters()).device
    network.eval()
    result = np.empty((len(items), *shape), np.float32)
    batch_size = at_once(INFERENCE_BATCH, network.image_shape)
    with torch.inference_mode():
        for number, begin in enumerate(range(0, len(items), batch_size), start=1):
            batch = items[begin : begin + batch_size]
            x = to_device(batch if scale is None else scale.prepare(batch), device)
            result[begin : begin + len(batch)] = function(x).float().cpu().numpy().reshape(len(batch), *shape)
            if number % RELEASE_AFTER == 0:
                release(items)
    return result


def reconstruction_errors(network: Network, images: NDArray[Any], scale: PixelScale) -> NDArray[np.float32]:
    """Mean squared error of each image's reconstruction: (n, *image_shape) → (n,) float32, in units of [0, 1]²."""
    return in_batches(lambda x: (network(x) - x).square_().flatten(1).mean(1), images, (), network, scale)


def at_once(n_images: int, image_shape: tuple[int, ...]) -> int:
    """``n_images``, or as many of ``image_shape`` as keep to the limit; at least 16."""
    return min(n_images, max(16, MOST_VALUES // prod(image_shape)))
