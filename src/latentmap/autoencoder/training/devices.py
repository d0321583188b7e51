"""The device of a network, and the transfer of pixels to it."""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


def choose_device(name: str) -> torch.device:
    """Return the torch device of a name.

    Parameters
    ----------
    name : str
        Name of a torch device, or ``"auto"`` for CUDA, then MPS, then the CPU.

    Returns
    -------
    torch.device
    """
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def to_device(pixels: NDArray[Any], device: torch.device) -> Tensor:
    """Move pixels to a device and convert them to float32 there, so that bytes are moved as bytes.

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
    values = torch.from_numpy(pixels).to(device)
    return values.float().div_(255) if values.dtype == torch.uint8 else values
