"""The convolutional autoencoder of the course chapter."""

import torch
from torch import Tensor, nn

from latentmap.autoencoder.networks.activations import make_activation
from latentmap.autoencoder.networks.base import Layer, count_parameters
from latentmap.autoencoder.networks.chain import ChainNetwork, Link
from latentmap.autoencoder.networks.initialization import initialize_in_order
from latentmap.autoencoder.networks.patches import PatchConv, PatchConvTranspose, arrange, n_blocks, restore

CHANNELS = (32, 64)
LEVELS = len(CHANNELS)


class ConvNetwork(ChainNetwork):
    """Two convolutions (32 and 64 channels, kernel 2, stride 2), the latent vector, and the same way back.

    For 28×28 images and 64 latent dimensions these are 160 + 8,256 + 200,768 + 203,840 + 8,224 + 129 = 421,377
    parameters. Sides that four does not divide are padded with zeros below and to the right, and the output is cropped.

    Parameters
    ----------
    image_shape : (height, width, channels)
    latent_dim : int
    activation : str
        Of every layer but the last, which is a sigmoid.
    """

    def __init__(self, image_shape: tuple[int, ...], latent_dim: int, activation: str) -> None:
        super().__init__(image_shape, latent_dim)
        height, width, channels = image_shape
        self.rows, self.columns = n_blocks(height, LEVELS), n_blocks(width, LEVELS)
        flat = self.rows * self.columns * CHANNELS[1]
        self.conv = PatchConv(channels, CHANNELS[0])
        self.conv_1 = PatchConv(CHANNELS[0], CHANNELS[1])
        self.dense = nn.Linear(flat, latent_dim)
        self.dense_1 = nn.Linear(latent_dim, flat)
        self.conv_transpose = PatchConvTranspose(CHANNELS[1], CHANNELS[0])
        self.conv_transpose_1 = PatchConvTranspose(CHANNELS[0], channels)
        self.activations = nn.ModuleList([make_activation(activation) for _ in range(5)])
        self.output_activation = nn.Sigmoid()

    def encoder(self) -> list[Link]:
        """Two convolutions and the latent vector."""
        layers = (self.conv, self.conv_1, self.dense)
        return [Link(layer, self.activations[i]) for i, layer in enumerate(layers)]

    def decoder(self) -> list[Link]:
        """The way back."""
        return [
            Link(self.dense_1, self.activations[3]),
            Link(self.conv_transpose, self.activations[4]),
            Link(self.conv_transpose_1, self.output_activation),
        ]

    def initialize(self, generator: torch.Generator, sample: Tensor) -> None:
        """Draw all weights anew, scaled on ``sample``; see :mod:`latentmap.autoencoder.networks.initialization`."""
        hidden = [self.conv, self.conv_1, self.dense, self.dense_1, self.conv_transpose]
        initialize_in_order(
            self, hidden, self.conv_transpose_1, self.activations[0], generator=generator, sample=sample
        )

    def layer_table(self) -> list[Layer]:
        """The layers as the course chapter lists them."""
        rows, columns = self.rows, self.columns
        flat = self.dense.in_features
        height, width, channels = self.image_shape
        return [
            self._layer("conv2d", "Conv2D", (2 * rows, 2 * columns, CHANNELS[0]), self.conv, 0),
            self._layer("conv2d_1", "Conv2D", (rows, columns, CHANNELS[1]), self.conv_1, 1),
            Layer("flatten", "Flatten", (None, flat), 0),
            self._layer("dense", "Dense", (self.latent_dim,), self.dense, 2),
            self._layer("dense_1", "Dense", (flat,), self.dense_1, 3),
            Layer("reshape", "Reshape", (None, rows, columns, CHANNELS[1]), 0),
            self._layer(
                "conv2d_transpose", "Conv2DTranspose", (2 * rows, 2 * columns, CHANNELS[0]), self.conv_transpose, 4
            ),
            self._layer(
                "conv2d_transpose_1", "Conv2DTranspose", (height, width, channels), self.conv_transpose_1, None
            ),
        ]

    def _layer(self, name: str, kind: str, shape: tuple[int, ...], module: nn.Module, activation: int | None) -> Layer:
        n_parameters = count_parameters(module)
        if activation is not None:
            n_parameters += count_parameters(self.activations[activation])
        return Layer(name, kind, (None, *shape), n_parameters)

    def arrange(self, images: Tensor) -> Tensor:
        """(n, height, width, channels) → (n, size): see :func:`latentmap.autoencoder.networks.patches.arrange`."""
        return arrange(images, LEVELS)

    def restore(self, pixels: Tensor) -> Tensor:
        """The way back, cropped."""
        return restore(pixels, self.image_shape, LEVELS)
