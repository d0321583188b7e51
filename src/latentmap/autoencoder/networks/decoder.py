"""The decoding half of a network, which draws images from vectors that come from elsewhere."""

import torch
from torch import Tensor, nn

from latentmap.autoencoder.networks.activations import make_activation
from latentmap.autoencoder.networks.base import Layer, count_parameters
from latentmap.autoencoder.networks.initialization import initialize_in_order
from latentmap.autoencoder.networks.sequential import AffineLayer, SequentialNetwork


class DecoderNetwork(SequentialNetwork):
    """The layers from the latent vector to the image of another network, without those before them.

    Where other networks take images, this one takes vectors of shape (n, latent_dim).

    Parameters
    ----------
    whole : SequentialNetwork
        Network whose decoding half is taken. It may lie on the device "meta": its weights are not used.
    activation : str
        Activation of every layer except the last, which has a sigmoid.
    """

    def __init__(self, whole: SequentialNetwork, activation: str) -> None:
        super().__init__(whole.image_shape, whole.latent_dim)
        device = torch.get_default_device()
        linears = [layer.linear for layer in whole.decoder()]
        self.layers = nn.ModuleList([linear.to_empty(device=device) for linear in linears])
        self.activations = nn.ModuleList([make_activation(activation) for _ in linears[1:]] + [nn.Sigmoid()])
        self.cross_entropy = whole.cross_entropy
        self._order = [whole]  # in a list, so that its other layers are none of this network

    def encoder(self) -> list[AffineLayer]:
        """Return no layers: vectors are taken as they are.

        Returns
        -------
        list of AffineLayer
        """
        return []

    def decoder(self) -> list[AffineLayer]:
        """Return the layers from the vector to the flattened image.

        Returns
        -------
        list of AffineLayer
        """
        return [AffineLayer(*pair) for pair in zip(self.layers, self.activations, strict=True)]

    def encode(self, images: Tensor) -> Tensor:
        """Return vectors as they are.

        Parameters
        ----------
        images : Tensor of shape (n, latent_dim), float
            Vectors.

        Returns
        -------
        Tensor of shape (n, latent_dim)
        """
        return images

    def flatten(self, images: Tensor) -> Tensor:
        """Flatten images in the order of pixels of the network that this half is of.

        Parameters
        ----------
        images : Tensor of shape (n, *image_shape), any dtype
            Images.

        Returns
        -------
        Tensor of shape (n, size)
        """
        return self._order[0].flatten(images)

    def unflatten(self, pixels: Tensor) -> Tensor:
        """Invert :meth:`flatten`.

        Parameters
        ----------
        pixels : Tensor of shape (n, size), any dtype
            Pixels in the order of the layers.

        Returns
        -------
        Tensor of shape (n, *image_shape)
        """
        return self._order[0].unflatten(pixels)

    def loss(self, inputs: Tensor, targets: Tensor, progress: float) -> Tensor:
        """Compute the training loss; see :meth:`SequentialNetwork.loss`.

        Parameters
        ----------
        inputs : Tensor of shape (n, latent_dim), float
            Vectors.
        targets : Tensor of shape (n, *image_shape), float
            Images to draw, in [0, 1].
        progress : float
            Completed fraction of the training; ignored.

        Returns
        -------
        Tensor of shape ()
        """
        return super().loss(inputs, targets, progress)

    def initialize_for(self, generator: torch.Generator, vectors: Tensor, images: Tensor) -> None:
        """Draw new weights, scaled on a sample; see :mod:`latentmap.autoencoder.networks.initialization`.

        Parameters
        ----------
        generator : torch.Generator
            Source of the random weights, on the CPU.
        vectors : Tensor of shape (n, latent_dim), float
            Vectors of the images.
        images : Tensor of shape (n, *image_shape), float
            Training images in [0, 1].
        """
        *hidden, output = self.layers
        initialize_in_order(
            self, hidden, output, self.activations[0], generator=generator, sample=images, inputs=vectors
        )

    def layer_table(self) -> list[Layer]:
        """Return the layers of this half, as the whole network describes them.

        Returns
        -------
        list of Layer
        """
        named = [layer for layer in self._order[0].layer_table() if layer.n_parameters][-len(self.layers) :]
        return [
            layer._replace(n_parameters=count_parameters(linear, activation))
            for layer, linear, activation in zip(named, self.layers, self.activations, strict=True)
        ]
