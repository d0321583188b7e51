"""Networks that are one chain of matrix products with an activation after each, and nothing else.

Non-overlapping convolutions are matrix products once pixels are kept patch by patch, so the dense and the convolutional
networks are both such chains. What holds for one chain holds for all: one forward pass here, one backward pass in
:mod:`latentmap.gradients.fused`.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from latentmap.autoencoder.networks.base import Network


class Link(NamedTuple):
    """One product and its activation: rows of ``weight.shape[1]`` values become rows of ``weight.shape[0]``.

    ``layer.bias`` is shorter than a row when it belongs to a channel and a row holds a patch of several pixels; it is
    then repeated along the row.
    """

    layer: nn.Module
    activation: nn.Module


class ChainNetwork(Network):
    """An autoencoder that is one chain of links, from the arranged image to the arranged image.

    Attributes
    ----------
    cross_entropy : bool
        What training makes small: the cross entropy between pixels and their reconstructions, or their mean squared
        error. Both are smallest at the same picture. The slope of the squared error vanishes where the sigmoid at the
        end is near 0 or 1, so that a pixel that is wrong there stays wrong; that of the cross entropy does not. In
        either case the squared error is what is reported.
    """

    cross_entropy = False

    def encoder(self) -> list[Link]:
        """The links from the arranged image to the latent vector."""
        raise NotImplementedError

    def decoder(self) -> list[Link]:
        """The links from the latent vector to the arranged image; the last activation is a sigmoid."""
        raise NotImplementedError

    def arrange(self, images: Tensor) -> Tensor:
        """(n, *image_shape) of any type → (n, size): the pixels in the order in which the chain takes them."""
        return images.flatten(1)

    def restore(self, pixels: Tensor) -> Tensor:
        """The way back from :meth:`arrange`: (n, size) → (n, *image_shape)."""
        return pixels.view(-1, *self.image_shape)

    def encode(self, images: Tensor) -> Tensor:
        """(n, *image_shape) → (n, latent_dim)."""
        return _follow(self.encoder(), self.arrange(images))

    def decode(self, latents: Tensor) -> Tensor:
        """(n, latent_dim) → (n, *image_shape), between 0 and 1."""
        return self.restore(_follow(self.decoder(), latents))

    def decode_logits(self, latents: Tensor) -> Tensor:
        """The logits of :meth:`decode`, before the sigmoid: (n, latent_dim) → (n, *image_shape) float32."""
        *hidden, output = self.decoder()
        last = [*hidden, output._replace(activation=nn.Identity())]
        return self.restore(_follow(last, latents)).float()

    def loss(self, inputs: Tensor, targets: Tensor, progress: float) -> Tensor:
        """The mean squared error; with ``cross_entropy`` its value, but the slope of half the cross entropy."""
        if not self.cross_entropy:
            return super().loss(inputs, targets, progress)
        logits = self.decode_logits(self.encode(inputs))
        # the factor makes the slopes of both equal at a half
        surrogate = 0.5 * functional.binary_cross_entropy_with_logits(logits, targets)
        with torch.no_grad():
            error = functional.mse_loss(torch.sigmoid(logits), targets)
        return surrogate + (error - surrogate).detach()


def _follow(links: list[Link], values: Tensor) -> Tensor:
    n = values.shape[0]  # not len(): exporters follow a shape, but take a length for a constant
    for layer, activation in links:
        weight = layer.weight
        assert isinstance(weight, Tensor)
        values = activation(layer(values.reshape(-1, weight.shape[1])))
    return values.reshape(n, -1)
