"""The convolutional autoencoder of the course chapter."""

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

CHANNELS = (32, 64)
N_LEVELS = len(CHANNELS)


class ConvNetwork(SequentialNetwork):
    """Two convolutions (32 and 64 channels, kernel 2, stride 2), the latent vector, and the mirrored decoder.

    For 28×28 images and 64 latent dimensions, the layers have 160 + 8,256 + 200,768 + 203,840 + 8,224 + 129 = 421,377
    parameters. Sides that are not multiples of four are padded with zeros at the bottom and right, and the output is
    cropped.

    Parameters
    ----------
    image_shape : tuple of int
        Shape of one image: (height, width, channels).
    latent_dim : int
        Length of the latent vector.
    activation : str
        Activation of every layer except the last, which has a sigmoid.
    """

    def __init__(self, image_shape: tuple[int, ...], latent_dim: int, activation: str) -> None:
        super().__init__(image_shape, latent_dim)
        height, width, channels = image_shape
        self.rows, self.columns = n_blocks(height, N_LEVELS), n_blocks(width, N_LEVELS)
        flat = self.rows * self.columns * CHANNELS[1]
        self.conv = PatchConv(channels, CHANNELS[0])
        self.conv_1 = PatchConv(CHANNELS[0], CHANNELS[1])
        self.dense = nn.Linear(flat, latent_dim)
        self.dense_1 = nn.Linear(latent_dim, flat)
        self.conv_transpose = PatchConvTranspose(CHANNELS[1], CHANNELS[0])
        self.conv_transpose_1 = PatchConvTranspose(CHANNELS[0], channels)
        self.activations = nn.ModuleList([make_activation(activation) for _ in range(5)])
        self.output_activation = nn.Sigmoid()

    def encoder(self) -> list[AffineLayer]:
        """Return the two convolutions and the latent layer.

        Returns
        -------
        list of AffineLayer
        """
        layers = (self.conv, self.conv_1, self.dense)
        return [AffineLayer(layer, self.activations[i]) for i, layer in enumerate(layers)]

    def decoder(self) -> list[AffineLayer]:
        """Return the mirrored layers.

        Returns
        -------
        list of AffineLayer
        """
        return [
            AffineLayer(self.dense_1, self.activations[3]),
            AffineLayer(self.conv_transpose, self.activations[4]),
            AffineLayer(self.conv_transpose_1, self.output_activation),
        ]

    def initialize(self, generator: torch.Generator, sample: Tensor) -> None:
        """Draw new weights, scaled on a sample; see :mod:`latentmap.autoencoder.networks.initialization`.

        Parameters
        ----------
        generator : torch.Generator
            Source of the random weights, on the CPU.
        sample : Tensor of shape (n, *image_shape), float
            Training images in [0, 1].
        """
        hidden = [self.conv, self.conv_1, self.dense, self.dense_1, self.conv_transpose]
        initialize_in_order(
            self, hidden, self.conv_transpose_1, self.activations[0], generator=generator, sample=sample
        )

    def layer_table(self) -> list[Layer]:
        """Return the layers with the names of the course chapter.

        Returns
        -------
        list of Layer
        """
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

    def flatten(self, images: Tensor) -> Tensor:
        """Flatten images patch by patch; see :func:`latentmap.autoencoder.networks.patches.flatten_patches`.

        Parameters
        ----------
        images : Tensor of shape (n, height, width, channels), any dtype
            Images.

        Returns
        -------
        Tensor of shape (n, size)
        """
        return flatten_patches(images, N_LEVELS)

    def unflatten(self, pixels: Tensor) -> Tensor:
        """Invert :meth:`flatten`, and crop the padding.

        Parameters
        ----------
        pixels : Tensor of shape (n, size), any dtype
            Pixels patch by patch.

        Returns
        -------
        Tensor of shape (n, height, width, channels)
        """
        return unflatten_patches(pixels, self.image_shape, N_LEVELS)
