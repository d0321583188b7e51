"""The default autoencoder: patches merged level by level into a few cells, a latent vector, and a mirrored decoder."""

from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn

from latentmap.autoencoder.networks.activations import make_activation
from latentmap.autoencoder.networks.base import Layer, count_parameters
from latentmap.autoencoder.networks.initialization import initialize_in_order
from latentmap.autoencoder.networks.patches import (
    PatchConv,
    PatchConvTranspose,
    flatten_patches,
    n_blocks,
    unflatten_patches,
)
from latentmap.autoencoder.networks.sequential import AffineLayer, SequentialNetwork

# Levels halve the image until its shorter side is at most this.
MAX_LAST_SIDE = 4
# Channels of the last levels, and of any level before them. A cell of the last level stands for the largest patch, so
# it has the most channels.
LAST_CHANNELS, FIRST_CHANNELS = (32, 64, 256), 16
# Units of the hidden layers for plain vectors, and for images too small for a level.
HIDDEN_UNITS = (1024, 512)

# Names of the layers in the table of layers.
KINDS: dict[type[nn.Module], str] = {nn.Linear: "Dense", PatchConv: "Conv2D", PatchConvTranspose: "Conv2DTranspose"}


class PyramidNetwork(SequentialNetwork):
    """Layers that merge patches of 2×2 until the shorter side is at most 4, and a linear latent layer over all cells.

    Plain vectors, and images too small for a level, pass through hidden layers of 1,024 and 512 units instead.

    Parameters
    ----------
    image_shape : tuple of int
        Shape of one image: (height, width, channels) or (n_features,).
    latent_dim : int
        Length of the latent vector.
    activation : str
        Activation of every layer except the latent one, which has none, and the last, which has a sigmoid.
    n_encoded : int, optional
        Number of outputs of the encoder; ``latent_dim`` by default.

    Notes
    -----
    Sides that are not multiples of 2^levels are padded with zeros at the bottom and right, and the output is cropped.
    """

    cross_entropy = True

    def __init__(
        self, image_shape: tuple[int, ...], latent_dim: int, activation: str, n_encoded: int | None = None
    ) -> None:
        super().__init__(image_shape, latent_dim)
        side = (
            min(image_shape[:2]) if len(image_shape) == 3 else 1
        )  # by the longer one, the shorter one would be padded
        self.n_levels = ((side - 1) // MAX_LAST_SIDE).bit_length()
        channels = [image_shape[-1], *_channels(self.n_levels)]
        cells = prod(n_blocks(side, self.n_levels) for side in image_shape[:-1])
        widths = [cells * channels[-1], *(() if self.n_levels else HIDDEN_UNITS)]
        self.merge = nn.ModuleList([PatchConv(into, out) for into, out in pairwise(channels)])
        self.dense = nn.ModuleList([nn.Linear(into, out) for into, out in pairwise(widths)])
        self.latent = nn.Linear(widths[-1], n_encoded or latent_dim)
        self.from_latent = nn.Linear(latent_dim, widths[-1])
        self.to_cells = nn.ModuleList([nn.Linear(into, out) for into, out in pairwise(reversed(widths))])
        self.split = nn.ModuleList([PatchConvTranspose(into, out) for into, out in pairwise(reversed(channels))])
        n_hidden = len(self.merge) + len(self.dense)
        self.activations = nn.ModuleList([make_activation(activation) for _ in range(2 * n_hidden)])
        self.latent_activation = nn.Identity()
        self.output_activation = nn.Sigmoid()

    def encoder(self) -> list[AffineLayer]:
        """Return the layers that merge patches, or the hidden layers, and the latent layer.

        Returns
        -------
        list of AffineLayer
        """
        hidden = [*self.merge, *self.dense]
        layers = [AffineLayer(layer, self.activations[i]) for i, layer in enumerate(hidden)]
        return [*layers, AffineLayer(self.latent, self.latent_activation)]

    def decoder(self) -> list[AffineLayer]:
        """Return the mirrored layers.

        Returns
        -------
        list of AffineLayer
        """
        *hidden, output = self.from_latent, *self.to_cells, *self.split
        begin = len(self.merge) + len(self.dense)
        layers = [AffineLayer(layer, self.activations[begin + i]) for i, layer in enumerate(hidden)]
        return [*layers, AffineLayer(output, self.output_activation)]

    def flatten(self, images: Tensor) -> Tensor:
        """Flatten images patch by patch; see :func:`latentmap.autoencoder.networks.patches.flatten_patches`.

        Parameters
        ----------
        images : Tensor of shape (n, *image_shape), any dtype
            Images.

        Returns
        -------
        Tensor of shape (n, size)
        """
        return flatten_patches(images, self.n_levels) if self.n_levels else super().flatten(images)

    def unflatten(self, pixels: Tensor) -> Tensor:
        """Invert :meth:`flatten`, and crop the padding.

        Parameters
        ----------
        pixels : Tensor of shape (n, size), any dtype
            Pixels patch by patch.

        Returns
        -------
        Tensor of shape (n, *image_shape)
        """
        if self.n_levels:
            return unflatten_patches(pixels, self.image_shape, self.n_levels)
        return super().unflatten(pixels)

    def initialize(self, generator: torch.Generator, sample: Tensor) -> None:
        """Draw new weights, scaled on a sample; see :mod:`latentmap.autoencoder.networks.initialization`.

        Parameters
        ----------
        generator : torch.Generator
            Source of the random weights, on the CPU.
        sample : Tensor of shape (n, *image_shape), float
            Training images in [0, 1].
        """
        *hidden, output = (layer.linear for layer in (*self.encoder(), *self.decoder()))
        initialize_in_order(self, hidden, output, self.activations[0], generator=generator, sample=sample)

    def layer_table(self) -> list[Layer]:
        """Return the layers in the order of the forward pass.

        Returns
        -------
        list of Layer
        """
        rows = []
        for i, layer in enumerate((*self.encoder(), *self.decoder())):
            kind = KINDS[type(layer.linear)]
            shape = self._output_shape(layer.linear)
            rows.append(Layer(f"{kind.lower()}_{i}", kind, shape, count_parameters(*layer)))
        return rows

    def _output_shape(self, layer: nn.Module) -> tuple[int | None, ...]:
        """Return the output shape of a layer: (None, values), or for patches (None, rows, columns, channels)."""
        if isinstance(layer, nn.Linear) and not isinstance(layer, PatchConv):
            return (None, layer.out_features)
        merging = layer in self.merge
        level = list(self.merge).index(layer) + 1 if merging else self.n_levels - 1 - list(self.split).index(layer)
        height, width = (n_blocks(side, level) for side in self.image_shape[:2])
        bias = layer.bias
        assert isinstance(bias, Tensor)
        return (None, height, width, len(bias))


def _channels(n_levels: int) -> list[int]:
    """Return the number of channels after each level."""
    n_first = max(0, n_levels - len(LAST_CHANNELS))
    return [FIRST_CHANNELS] * n_first + list(LAST_CHANNELS[len(LAST_CHANNELS) - (n_levels - n_first) :])
