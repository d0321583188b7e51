"""Where networks live, and images on their way there."""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


def choose_device(name: str) -> torch.device:
    """``"auto"``: CUDA, else MPS, else the CPU; else what torch calls so."""
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def to_device(pixels: NDArray[Any], device: torch.device) -> Tensor:
    """uint8, or float32 in [0, 1] → float32 in [0, 1] on ``device``; bytes travel as bytes."""
    values = torch.from_numpy(pixels).to(device)
    return values.float().div_(255) if values.dtype == torch.uint8 else values
