"""The fully connected autoencoder of the course chapter."""

from math import prod

import torch
from torch import Tensor, nn

from latentmap.autoencoder.networks.activations import make_activation
from latentmap.autoencoder.networks.base import Layer, count_parameters
from latentmap.autoencoder.networks.initialization import initialize_in_order
from latentmap.autoencoder.networks.sequential import AffineLayer, SequentialNetwork

# Above this, a square first layer would have more weights than most collections have pixels.
MAX_HIDDEN_UNITS = 1024


class DenseNetwork(SequentialNetwork):
    """One hidden layer with as many units as an image has values (at most 1,024), the latent vector, and the output.

    For 28×28 images and 64 latent dimensions, the layers have 615,440 + 50,240 + 50,960 = 716,640 parameters.

    Parameters
    ----------
    image_shape : tuple of int
        Shape of one image: (height, width, channels) or (n_features,).
    latent_dim : int
        Length of the latent vector.
    activation : str
        Activation of the hidden and the latent layer; that of the output is a sigmoid.
    """

    def __init__(self, image_shape: tuple[int, ...], latent_dim: int, activation: str) -> None:
        super().__init__(image_shape, latent_dim)
        size = prod(image_shape)
        self.hidden = nn.Linear(size, min(size, MAX_HIDDEN_UNITS))
        self.hidden_activation = make_activation(activation)
        self.latent = nn.Linear(self.hidden.out_features, latent_dim)
        self.latent_activation = make_activation(activation)
        self.output = nn.Linear(latent_dim, size)
        self.output_activation = nn.Sigmoid()

    def encoder(self) -> list[AffineLayer]:
        """Return the hidden and the latent layer.

        Returns
        -------
        list of AffineLayer
        """
        return [AffineLayer(self.hidden, self.hidden_activation), AffineLayer(self.latent, self.latent_activation)]

    def decoder(self) -> list[AffineLayer]:
        """Return the output layer.

        Returns
        -------
        list of AffineLayer
        """
        return [AffineLayer(self.output, self.output_activation)]

    def initialize(self, generator: torch.Generator, sample: Tensor) -> None:
        """Draw new weights, scaled on a sample; see :mod:`latentmap.autoencoder.networks.initialization`.

        Parameters
        ----------
        generator : torch.Generator
            Source of the random weights, on the CPU.
        sample : Tensor of shape (n, *image_shape), float
            Training images in [0, 1].
        """
        initialize_in_order(
            self, [self.hidden, self.latent], self.output, self.hidden_activation, generator=generator, sample=sample
        )

    def layer_table(self) -> list[Layer]:
        """Return the layers with the names of the course chapter.

        Returns
        -------
        list of Layer
        """
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
