"""The base class of all networks."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


class Layer(NamedTuple):
    """One row of the layer table."""

    name: str
    kind: str
    output_shape: tuple[int | None, ...]
    n_parameters: int


class Network(nn.Module):
    """An autoencoder.

    Parameters
    ----------
    image_shape : tuple of int
        (height, width, channels) or (n_features,).
    latent_dim : int
    """

    def __init__(self, image_shape: tuple[int, ...], latent_dim: int) -> None:
        super().__init__()
        self.image_shape = image_shape
        self.latent_dim = latent_dim

    def forward(self, images: Tensor) -> Tensor:
        """(n, *image_shape) → (n, *image_shape)."""
        return self.decode(self.encode(images))

    def encode(self, images: Tensor) -> Tensor:
        """(n, *image_shape) float in [0, 1] → (n, latent_dim)."""
        raise NotImplementedError

    def decode(self, latents: Tensor) -> Tensor:
        """(n, latent_dim) → (n, *image_shape) float in [0, 1]."""
        raise NotImplementedError

    def loss(self, inputs: Tensor, targets: Tensor, progress: float) -> Tensor:  # noqa: ARG002
        """The training loss: the mean squared error between ``targets`` and the reconstruction of ``inputs``.

        ``progress`` is the share of the training that is done.
        """
        return functional.mse_loss(self(inputs).float(), targets)

    def initialize(self, generator: torch.Generator, sample: Tensor) -> None:
        """Draw all weights anew; ``sample`` is a batch of training images (n, *image_shape)."""
        raise NotImplementedError

    def layer_table(self) -> list[Layer]:
        """The layers in the order in which an image meets them."""
        raise NotImplementedError


def count_parameters(*modules: nn.Module) -> int:
    """Number of trained values in ``modules``."""
    return sum(parameter.numel() for module in modules for parameter in module.parameters())
