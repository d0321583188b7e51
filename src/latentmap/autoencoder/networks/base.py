"""The base class of all networks, and the table of their layers."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


class Layer(NamedTuple):
    """One row of the table of layers.

    Attributes
    ----------
    name : str
        Name of the layer, unique in its network.
    kind : str
        Keras' name for layers of this kind.
    output_shape : tuple of int or None
        Shape of the output; the first entry is None, the number of images.
    n_parameters : int
        Number of trained values.
    """

    name: str
    kind: str
    output_shape: tuple[int | None, ...]
    n_parameters: int


class Network(nn.Module):
    """An autoencoder network.

    Parameters
    ----------
    image_shape : tuple of int
        Shape of one image: (height, width, channels) or (n_features,).
    latent_dim : int
        Length of the latent vector.
    """

    def __init__(self, image_shape: tuple[int, ...], latent_dim: int) -> None:
        super().__init__()
        self.image_shape = image_shape
        self.latent_dim = latent_dim

    def forward(self, images: Tensor) -> Tensor:
        """Encode images and decode them again.

        Parameters
        ----------
        images : Tensor of shape (n, *image_shape), float
            Images in [0, 1].

        Returns
        -------
        Tensor of shape (n, *image_shape)
            Reconstructions in [0, 1].
        """
        return self.decode(self.encode(images))

    def encode(self, images: Tensor) -> Tensor:
        """Encode images.

        Parameters
        ----------
        images : Tensor of shape (n, *image_shape), float
            Images in [0, 1].

        Returns
        -------
        Tensor of shape (n, latent_dim)
            Latent vectors.

        Raises
        ------
        NotImplementedError
            If the class does not implement it.
        """
        raise NotImplementedError

    def decode(self, latents: Tensor) -> Tensor:
        """Decode latent vectors.

        Parameters
        ----------
        latents : Tensor of shape (n, latent_dim), float
            Latent vectors.

        Returns
        -------
        Tensor of shape (n, *image_shape)
            Images in [0, 1].

        Raises
        ------
        NotImplementedError
            If the class does not implement it.
        """
        raise NotImplementedError

    def loss(self, inputs: Tensor, targets: Tensor, progress: float) -> Tensor:  # noqa: ARG002
        """Compute the training loss: the mean squared error of the reconstructions.

        Parameters
        ----------
        inputs : Tensor of shape (n, *image_shape), float
            Images to encode, in [0, 1].
        targets : Tensor of shape (n, *image_shape), float
            Images to reconstruct, in [0, 1].
        progress : float
            Completed fraction of the training, in [0, 1].

        Returns
        -------
        Tensor of shape ()
        """
        return functional.mse_loss(self(inputs).float(), targets)

    def initialize(self, generator: torch.Generator, sample: Tensor) -> None:
        """Draw new weights, scaled on a sample of the images.

        Parameters
        ----------
        generator : torch.Generator
            Source of the random weights, on the CPU.
        sample : Tensor of shape (n, *image_shape), float
            Training images in [0, 1].

        Raises
        ------
        NotImplementedError
            If the class does not implement it.
        """
        raise NotImplementedError

    def layer_table(self) -> list[Layer]:
        """Return the layers in the order of the forward pass.

        Returns
        -------
        list of Layer

        Raises
        ------
        NotImplementedError
            If the class does not implement it.
        """
        raise NotImplementedError


def count_parameters(*modules: nn.Module) -> int:
    """Count the trained values of modules.

    Parameters
    ----------
    *modules : Module
        Modules to count.

    Returns
    -------
    int
    """
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


def format_layers(network: Network) -> Iterator[str]:
    """Format the table of layers as text, as Keras does.

    Parameters
    ----------
    network : Network
        Network to describe.

    Yields
    ------
    str
        One line.
    """
    table = network.layer_table()
    row = "{:<29}{:<27}{:>10}".format
    yield row("Layer (type)", "Output Shape", "Param #")
    yield "=" * 66
    for layer in table:
        yield row(f"{layer.name} ({layer.kind})"[:28], str(layer.output_shape), layer.n_parameters)
    yield "=" * 66
    trainable = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    total = sum(layer.n_parameters for layer in table)
    yield f"Total params: {total:,}"
    yield f"Trainable params: {trainable:,}"
    yield f"Non-trainable params: {total - trainable:,}"
