"""The fully connected autoencoder of the course chapter."""

from math import prod

import torch
from torch import Tensor, nn

from latentmap.autoencoder.networks.activations import make_activation
from latentmap.autoencoder.networks.base import Layer, count_parameters
from latentmap.autoencoder.networks.chain import ChainNetwork, Link
from latentmap.autoencoder.networks.initialization import initialize_in_order

# Past this a square first layer would have more weights than most collections have pixels.
WIDEST = 1024


class DenseNetwork(ChainNetwork):
    """As many hidden units as an image has values (at most 1,024), the latent vector, and the image again.

    For 28×28 images and 64 latent dimensions these are 615,440 + 50,240 + 50,960 = 716,640 parameters.

    Parameters
    ----------
    image_shape : tuple of int
        (height, width, channels) or (n_features,).
    latent_dim : int
    activation : str
        Of the hidden and the latent layer; the output is a sigmoid.
    """

    def __init__(self, image_shape: tuple[int, ...], latent_dim: int, activation: str) -> None:
        super().__init__(image_shape, latent_dim)
        size = prod(image_shape)
        self.hidden = nn.Linear(size, min(size, WIDEST))
        self.hidden_activation = make_activation(activation)
        self.latent = nn.Linear(self.hidden.out_features, latent_dim)
        self.latent_activation = make_activation(activation)
        self.output = nn.Linear(latent_dim, size)
        self.output_activation = nn.Sigmoid()

    def encoder(self) -> list[Link]:
        """The hidden layer and the latent vector."""
        return [Link(self.hidden, self.hidden_activation), Link(self.latent, self.latent_activation)]

    def decoder(self) -> list[Link]:
        """The image."""
        return [Link(self.output, self.output_activation)]

    def initialize(self, generator: torch.Generator, sample: Tensor) -> None:
        """Draw all weights anew, scaled on ``sample``; see :mod:`latentmap.autoencoder.networks.initialization`."""
        initialize_in_order(
            self, [self.hidden, self.latent], self.output, self.hidden_activation, generator=generator, sample=sample
        )

    def layer_table(self) -> list[Layer]:
        """The layers as the course chapter lists them."""
        return [
            Layer(
                "dense",
                "Dense",
                (None, self.hidden.out_features),
                count_parameters(self.hidden, self.hidden_activation),
            ),
            Layer("dense_1", "Dense", (None, self.latent_dim), count_parameters(self.latent, self.latent_activation)),
            Layer("dense_2", "Dense", (None, self.output.out_features), count_parameters(self.output)),
        ]
