"""Precision of matrix products: bfloat16 where the processor multiplies it fast and the gradient is nearly the same.

Weights, sums and Adam's moments are float32 in either case.
"""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from latentmap.autoencoder.networks import Network
from latentmap.autoencoder.training.transfer import to_device

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# Largest distance between the two gradients, relative to their norm. The course chapter's networks are at 0.01; the
# gradients of two batches of 256 images differ by more than half.
MAX_GRADIENT_DISTANCE = 0.05
# Images on which the gradients are compared.
N_COMPARED = 64


def choose_precision(
    name: str, network: Network, images: NDArray[Any], vectors: NDArray[np.float32] | None = None
) -> torch.dtype:
    """Return the type of the factors of matrix products.

    Parameters
    ----------
    name : {"auto", "float32", "bfloat16"}
        Requested precision. ``"auto"`` chooses bfloat16 if the device multiplies it faster than float32 and
        :func:`gradient_distance` is at most 0.05.
    network : Network
        Network with its initial weights.
    images : ndarray of shape (n, *image_shape), uint8 or float32
        Images for the comparison, of which the first 64 are used.
    vectors : ndarray of shape (n, d), float32, optional
        Vectors that the network draws the images from, if it is a decoder.

    Returns
    -------
    torch.dtype
        ``torch.float32`` or ``torch.bfloat16``.
    """
    if name != "auto":
        return PRECISIONS[name]
    device = next(network.parameters()).device
    if not has_fast_bfloat16(device):
        return torch.float32
    close = (
        gradient_distance(network, images[:N_COMPARED], None if vectors is None else vectors[:N_COMPARED])
        <= MAX_GRADIENT_DISTANCE
    )
    return torch.bfloat16 if close else torch.float32


def has_fast_bfloat16(device: torch.device) -> bool:
    """Return whether a device has instructions for products in bfloat16.

    Parameters
    ----------
    device : torch.device
        Device to ask.

    Returns
    -------
    bool
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        # torch has no public function for this; a version without these private ones gets float32
        tests = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
        return any(test() for test in tests if test is not None)
    return False


def gradient_distance(network: Network, images: NDArray[Any], vectors: NDArray[np.float32] | None = None) -> float:
    """Compare the gradient of the loss in bfloat16 with that in float32.

    Parameters
    ----------
    network : Network
        Network with its initial weights.
    images : ndarray of shape (n, *image_shape), uint8 or float32
        Images for the comparison.
    vectors : ndarray of shape (n, d), float32, optional
        Vectors that the network draws the images from, if it is a decoder.

    Returns
    -------
    float
        |g₁₆ - g₃₂| / |g₃₂|, or infinity if it is NaN.
    """
    device = next(network.parameters()).device
    x = to_device(images, device)
    inputs = x if vectors is None else to_device(vectors, device)
    gradients = []
    for dtype in (torch.float32, torch.bfloat16):
        narrow = dtype == torch.bfloat16
        with torch.random.fork_rng(), torch.autocast(x.device.type, torch.bfloat16, enabled=narrow):
            torch.manual_seed(0)  # the same noise for both
            loss = network.loss(inputs, x, progress=0.5)
        parts = torch.autograd.grad(loss, list(network.parameters()), allow_unused=True)
        gradients.append(torch.cat([part.flatten().double() for part in parts if part is not None]))
    distance = float((gradients[1] - gradients[0]).norm() / gradients[0].norm().clamp_min(1e-30))
    return float("inf") if math.isnan(distance) else distance
