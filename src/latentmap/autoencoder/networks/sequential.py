"""Networks that are a plain sequence of affine layers, with an activation after each.

Convolutions that do not overlap are matrix products if pixels are stored patch by patch, so the dense and the
convolutional networks are both such sequences. They share one forward pass here, and one backward pass in
:mod:`latentmap.autoencoder.training.fused`.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from latentmap.autoencoder.networks.base import Network


class AffineLayer(NamedTuple):
    """A matrix product with a bias, and the activation after it.

    Rows of ``weight.shape[1]`` values become rows of ``weight.shape[0]`` values.

    Attributes
    ----------
    linear : Module
        Module with a ``weight`` (out, in) and a ``bias``. The bias is shorter than a row if it has one value for each
        channel and a row is a patch of several pixels; it is then repeated along the row.
    activation : Module
        Elementwise activation.
    """

    linear: nn.Module
    activation: nn.Module


class SequentialNetwork(Network):
    """An autoencoder that is a sequence of affine layers, from flattened images to flattened images.

    Attributes
    ----------
    cross_entropy : bool
        Whether training minimises the cross entropy between pixels and reconstructions, or their mean squared error.
        Both have the same minimum. The gradient of the squared error vanishes where the sigmoid at the end is near 0
        or 1, so that a wrong pixel stays wrong; that of the cross entropy does not. The reported loss is the squared
        error in either case.
    """

    cross_entropy = False

    def encoder(self) -> list[AffineLayer]:
        """Return the layers from the flattened image to the latent vector.

        Returns
        -------
        list of AffineLayer

        Raises
        ------
        NotImplementedError
            If the class does not implement it.
        """
        raise NotImplementedError

    def decoder(self) -> list[AffineLayer]:
        """Return the layers from the latent vector to the flattened image; the last activation is a sigmoid.

        Returns
        -------
        list of AffineLayer

        Raises
        ------
        NotImplementedError
            If the class does not implement it.
        """
        raise NotImplementedError

    def flatten(self, images: Tensor) -> Tensor:
        """Flatten images in the order of pixels that the layers use.

        Parameters
        ----------
        images : Tensor of shape (n, *image_shape), any dtype
            Images.

        Returns
        -------
        Tensor of shape (n, size)
            Pixels, with padding where the layers need it.
        """
        return images.flatten(1)

    def unflatten(self, pixels: Tensor) -> Tensor:
        """Invert :meth:`flatten`.

        Parameters
        ----------
        pixels : Tensor of shape (n, size), any dtype
            Pixels in the order of the layers.

        Returns
        -------
        Tensor of shape (n, *image_shape)
            Images, with the padding cropped.
        """
        return pixels.view(-1, *self.image_shape)

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
        """
        return _apply(self.encoder(), self.flatten(images))

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
        """
        return self.unflatten(_apply(self.decoder(), latents))

    def decode_logits(self, latents: Tensor) -> Tensor:
        """Decode latent vectors, without the sigmoid at the end.

        Parameters
        ----------
        latents : Tensor of shape (n, latent_dim), float
            Latent vectors.

        Returns
        -------
        Tensor of shape (n, *image_shape), float32
            Logits of the pixels.
        """
        *hidden, output = self.decoder()
        layers = [*hidden, output._replace(activation=nn.Identity())]
        return self.unflatten(_apply(layers, latents)).float()

    def loss(self, inputs: Tensor, targets: Tensor, progress: float) -> Tensor:
        """Compute the training loss: the mean squared error, with the gradient of ``cross_entropy`` if it is set.

        Parameters
        ----------
        inputs : Tensor of shape (n, *image_shape), float
            Images to encode, in [0, 1].
        targets : Tensor of shape (n, *image_shape), float
            Images to reconstruct, in [0, 1].
        progress : float
            Completed fraction of the training; ignored.

        Returns
        -------
        Tensor of shape ()
            With ``cross_entropy``, the value is the squared error and the gradient that of half the cross entropy.
        """
        if not self.cross_entropy:
            return super().loss(inputs, targets, progress)
        logits = self.decode_logits(self.encode(inputs))
        # the factor makes both gradients equal at a reconstruction of 1/2
        surrogate = 0.5 * functional.binary_cross_entropy_with_logits(logits, targets)
        with torch.no_grad():
            error = functional.mse_loss(torch.sigmoid(logits), targets)
        # in this order the value is the error to the last bit
        return error + (surrogate - surrogate.detach())


def _apply(layers: list[AffineLayer], values: Tensor) -> Tensor:
    n = values.shape[0]  # not len(): exporters trace a shape, but take a length for a constant
    for linear, activation in layers:
        weight = linear.weight
        assert isinstance(weight, Tensor)
        values = activation(linear(values.reshape(-1, weight.shape[1])))
    return values.reshape(n, -1)
