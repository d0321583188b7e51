"""The default autoencoder: patches merged level by level into a few cells, a latent vector, and the same way back."""

from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn

from latentmap.autoencoder.networks.activations import make_activation
from latentmap.autoencoder.networks.base import Layer, count_parameters
from latentmap.autoencoder.networks.chain import ChainNetwork, Link
from latentmap.autoencoder.networks.initialization import initialize_in_order
from latentmap.autoencoder.networks.patches import PatchConv, PatchConvTranspose, arrange, n_blocks, restore

# Levels halve the image until its shorter side is at most this.
LAST_SIDE = 4
# Channels of the last levels, the very last one last, and of any level before them. A cell of the last level stands for
# the largest patch, so it has most.
LAST_CHANNELS, FIRST_CHANNELS = (32, 64, 256), 16
# Units of the layers between the latent vector and a plain vector, or an image too small for a level.
PLAIN_WIDTHS = (1024, 512)

# Names of the layers in the layer table.
KINDS: dict[type[nn.Module], str] = {nn.Linear: "Dense", PatchConv: "Conv2D", PatchConvTranspose: "Conv2DTranspose"}


class PyramidNetwork(ChainNetwork):
    """Merges patches of 2×2 until the shorter side is at most 4; all cells together give a linear latent vector.

    Plain vectors, and images too small for a level, pass through layers of 1,024 and 512 units instead.

    Parameters
    ----------
    image_shape : (height, width, channels) or (n_features,)
    latent_dim : int
    activation : str
        Of every layer but the latent one, which has none, and the last, which is a sigmoid.
    latent_values : int, optional
        Values that the encoder ends in; ``latent_dim`` by default.

    Notes
    -----
    Sides that 2^levels does not divide are padded with zeros below and to the right, and the output is cropped.
    """

    cross_entropy = True

    def __init__(
        self, image_shape: tuple[int, ...], latent_dim: int, activation: str, latent_values: int | None = None
    ) -> None:
        super().__init__(image_shape, latent_dim)
        side = min(image_shape[:2]) if len(image_shape) == 3 else 1  # the longer one would pad the shorter one
        self.n_levels = ((side - 1) // LAST_SIDE).bit_length()
        channels = [image_shape[-1], *_channels(self.n_levels)]
        cells = prod(n_blocks(side, self.n_levels) for side in image_shape[:-1])
        widths = [cells * channels[-1], *(() if self.n_levels else PLAIN_WIDTHS)]
        self.merge = nn.ModuleList([PatchConv(into, out) for into, out in pairwise(channels)])
        self.dense = nn.ModuleList([nn.Linear(into, out) for into, out in pairwise(widths)])
        self.latent = nn.Linear(widths[-1], latent_values or latent_dim)
        self.from_latent = nn.Linear(latent_dim, widths[-1])
        self.to_cells = nn.ModuleList([nn.Linear(into, out) for into, out in pairwise(reversed(widths))])
        self.split = nn.ModuleList([PatchConvTranspose(into, out) for into, out in pairwise(reversed(channels))])
        n_hidden = len(self.merge) + len(self.dense)
        self.activations = nn.ModuleList([make_activation(activation) for _ in range(2 * n_hidden)])
        self.latent_activation = nn.Identity()
        self.output_activation = nn.Sigmoid()

    def encoder(self) -> list[Link]:
        """From the pixels to the latent vector."""
        hidden = [*self.merge, *self.dense]
        links = [Link(layer, self.activations[i]) for i, layer in enumerate(hidden)]
        return [*links, Link(self.latent, self.latent_activation)]

    def decoder(self) -> list[Link]:
        """The way back."""
        *hidden, output = self.from_latent, *self.to_cells, *self.split
        begin = len(self.merge) + len(self.dense)
        links = [Link(layer, self.activations[begin + i]) for i, layer in enumerate(hidden)]
        return [*links, Link(output, self.output_activation)]

    def arrange(self, images: Tensor) -> Tensor:
        """(n, *image_shape) → (n, size): see :func:`latentmap.autoencoder.networks.patches.arrange`."""
        return arrange(images, self.n_levels) if self.n_levels else super().arrange(images)

    def restore(self, pixels: Tensor) -> Tensor:
        """The way back, cropped."""
        return restore(pixels, self.image_shape, self.n_levels) if self.n_levels else super().restore(pixels)

    def initialize(self, generator: torch.Generator, sample: Tensor) -> None:
        """Draw all weights anew, scaled on ``sample``; see :mod:`latentmap.autoencoder.networks.initialization`."""
        *hidden, output = (link.layer for link in (*self.encoder(), *self.decoder()))
        initialize_in_order(self, hidden, output, self.activations[0], generator=generator, sample=sample)

    def layer_table(self) -> list[Layer]:
        """The layers, with the size of what each gives."""
        rows = []
        for i, link in enumerate((*self.encoder(), *self.decoder())):
            weight = link.layer.weight
            assert isinstance(weight, Tensor)
            kind = KINDS[type(link.layer)]
            rows.append(Layer(f"{kind.lower()}_{i}", kind, self._shape_after(link.layer), count_parameters(*link)))
        return rows

    def _shape_after(self, layer: nn.Module) -> tuple[int | None, ...]:
        """Shape of what a layer gives: (None, values), or (None, rows, columns, channels) for a patch layer."""
        if isinstance(layer, nn.Linear) and not isinstance(layer, PatchConv):
            return (None, layer.out_features)
        merging = layer in self.merge
        level = list(self.merge).index(layer) + 1 if merging else self.n_levels - 1 - list(self.split).index(layer)
        height, width = (n_blocks(side, level) for side in self.image_shape[:2])
        bias = layer.bias
        assert isinstance(bias, Tensor)
        return (None, height, width, len(bias))


def _channels(n_levels: int) -> list[int]:
    """Channels after each level."""
    n_first = max(0, n_levels - len(LAST_CHANNELS))
    return [FIRST_CHANNELS] * n_first + list(LAST_CHANNELS[len(LAST_CHANNELS) - (n_levels - n_first) :])
