"""The transfer of pixels to the device of a network."""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


def to_device(pixels: NDArray[Any], device: torch.device) -> Tensor:
    """Move pixels to a device and convert them to float32 there, so that bytes are moved as bytes.

    On the way to a GPU they are copied to pinned memory first, from which the GPU reads while the CPU goes on.

    Parameters
    ----------
    pixels : ndarray, uint8 or float32
        Pixels from 0 to 255, or in [0, 1].
    device : torch.device
        Device to move to.

    Returns
    -------
    Tensor of the same shape, float32
        Pixels in [0, 1].
    """
    stored = torch.from_numpy(pixels)
    values = stored.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else stored.to(device)
    return values.float().div_(255) if values.dtype == torch.uint8 else values
