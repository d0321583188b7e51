"""In which precision to multiply: bfloat16 where the processor has it and the gradient is the same to a few percent.

Weights, sums and Adam's moments are float32 in any case.
"""

import math
from typing import Any

import torch
from numpy.typing import NDArray

from latentmap.autoencoder.networks import Network
from latentmap.autoencoder.training.devices import to_device

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# Largest distance between the two gradients, as a share of their length. The course chapter's networks are at 0.01; the
# gradients of two batches of 256 images differ by more than half.
TOLERANCE = 0.05
# Images on which they are compared.
N_COMPARED = 64


def choose_precision(name: str, network: Network, images: NDArray[Any]) -> torch.dtype:
    """The type of the factors of products.

    Parameters
    ----------
    name : {"auto", "float32", "bfloat16"}
        ``"auto"`` takes bfloat16 when the device multiplies it faster than float32 and a test of equality holds.
    network : Network
        With the weights that training starts from.
    images : ndarray (n, *image_shape)
        uint8, or float32 in [0, 1]: those that the test is made on.
    """
    if name != "auto":
        return PRECISIONS[name]
    device = next(network.parameters()).device
    if not has_fast_bfloat16(device):
        return torch.float32
    return torch.bfloat16 if gradient_distance(network, images[:N_COMPARED]) <= TOLERANCE else torch.float32


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for products in bfloat16."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        # torch has no public question for them; an older or newer one without these gets float32
        tests = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
        return any(test() for test in tests if test is not None)
    return False


def gradient_distance(network: Network, images: NDArray[Any]) -> float:
    """|g₁₆ - g₃₂| / |g₃₂| for the gradient of the loss in the two precisions; infinite where one is no number."""
    x = to_device(images, next(network.parameters()).device)
    gradients = []
    for dtype in (torch.float32, torch.bfloat16):
        narrow = dtype == torch.bfloat16
        with torch.random.fork_rng(), torch.autocast(x.device.type, torch.bfloat16, enabled=narrow):
            torch.manual_seed(0)  # both draw the same noise
            loss = network.loss(x, x, progress=0.5)
        parts = torch.autograd.grad(loss, list(network.parameters()), allow_unused=True)
        gradients.append(torch.cat([part.flatten().double() for part in parts if part is not None]))
    distance = float((gradients[1] - gradients[0]).norm() / gradients[0].norm().clamp_min(1e-30))
    return float("inf") if math.isnan(distance) else distance
