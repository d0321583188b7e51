"""The variational autoencoder: a normal distribution over latent vectors for each image, and a normal prior.

Kingma and Welling (2014), Auto-encoding variational Bayes. The weight β of the divergence is that of Higgins et al.
(2017), the learned variance of the pixels that of Rybkin et al. (2021), Simple and effective VAE training with
calibrated decoders.
"""

import math
from math import prod

import torch
from torch import Tensor, nn

from latentmap.autoencoder.networks.base import Layer, Network
from latentmap.autoencoder.networks.pyramid import PyramidNetwork

# Fraction of the training over which the weight of the divergence rises to β.
BETA_WARM_UP_FRACTION = 0.2
# Limits of log σ² of a latent dimension, so that its exponential neither overflows nor vanishes.
LOG_VARIANCE_RANGE = (-12.0, 8.0)


class VariationalNetwork(Network):
    """The pyramid network with a normal distribution over latent vectors and over pixels.

    Parameters
    ----------
    image_shape : tuple of int
        Shape of one image: (height, width, channels) or (n_features,).
    latent_dim : int
        Length of the latent vector.
    activation : str
        Activation of the hidden layers.
    beta : float, default=1.0
        Weight of the Kullback-Leibler divergence; larger values give fewer, more independent latent dimensions.
    """

    def __init__(self, image_shape: tuple[int, ...], latent_dim: int, activation: str, beta: float = 1.0) -> None:
        super().__init__(image_shape, latent_dim)
        self.beta = beta
        self.body = PyramidNetwork(image_shape, latent_dim, activation, n_encoded=2 * latent_dim)
        self.log_pixel_variance = nn.Parameter(torch.zeros(()))  # one for all pixels

    def encode(self, images: Tensor) -> Tensor:
        """Encode images as the means of their distributions.

        Parameters
        ----------
        images : Tensor of shape (n, *image_shape), float
            Images in [0, 1].

        Returns
        -------
        Tensor of shape (n, latent_dim), float32
        """
        return self.posterior(images)[0]

    def decode(self, latents: Tensor) -> Tensor:
        """Decode latent vectors into the means of the pixels.

        Parameters
        ----------
        latents : Tensor of shape (n, latent_dim), float
            Latent vectors.

        Returns
        -------
        Tensor of shape (n, *image_shape)
            Images in [0, 1].
        """
        return self._pixel_mean(latents).clamp(0, 1)

    def posterior(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the approximate posterior distribution of the latent vectors.

        Parameters
        ----------
        images : Tensor of shape (n, *image_shape), float
            Images in [0, 1].

        Returns
        -------
        mean, log_variance : Tensor of shape (n, latent_dim), float32
        """
        mean, log_variance = self.body.encode(images).float().chunk(2, dim=1)
        return mean, log_variance.clamp(*LOG_VARIANCE_RANGE)

    def loss(self, inputs: Tensor, targets: Tensor, progress: float) -> Tensor:
        """Compute the training loss: minus the evidence lower bound, with weight β on the divergence.

        Parameters
        ----------
        inputs : Tensor of shape (n, *image_shape), float
            Images to encode, in [0, 1].
        targets : Tensor of shape (n, *image_shape), float
            Images to reconstruct, in [0, 1].
        progress : float
            Completed fraction of the training; over the first 20 % the weight rises from 0 to β.

        Returns
        -------
        Tensor of shape ()
            Loss in nats per value.
        """
        mean, log_variance = self.posterior(inputs)
        latents = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        likelihood = self._log_likelihood(latents, targets)
        weight = self.beta * min(1.0, progress / BETA_WARM_UP_FRACTION)
        n_values = prod(self.image_shape)
        return -(likelihood - weight * kl_to_standard_normal(mean, log_variance)).mean() / n_values

    def elbo(self, images: Tensor) -> Tensor:
        """Estimate the evidence lower bound of each image with one latent vector and β = 1.

        Parameters
        ----------
        images : Tensor of shape (n, *image_shape), float
            Images in [0, 1].

        Returns
        -------
        Tensor of shape (n,)
            Bounds in nats.
        """
        mean, log_variance = self.posterior(images)
        latents = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        return self._log_likelihood(latents, images) - kl_to_standard_normal(mean, log_variance)

    def initialize(self, generator: torch.Generator, sample: Tensor) -> None:
        """Draw new weights, scaled on a sample, with small latent variances and the pixel variance of the sample.

        Parameters
        ----------
        generator : torch.Generator
            Source of the random weights, on the CPU.
        sample : Tensor of shape (n, *image_shape), float
            Training images in [0, 1].
        """
        self.body.initialize(generator, sample)
        with torch.no_grad():
            bias = self.body.latent.bias
            bias[self.latent_dim :] = -4.0
            self.body.latent.weight[self.latent_dim :] *= 0.1
            error = (self(sample) - sample).square().mean()
            self.log_pixel_variance.copy_(error.clamp_min(1e-6).log())

    def layer_table(self) -> list[Layer]:
        """Return the layers of the pyramid network, and the variance of the pixels.

        Returns
        -------
        list of Layer
        """
        return [*self.body.layer_table(), Layer("pixel_variance", "Variance", (), 1)]

    def _pixel_mean(self, latents: Tensor) -> Tensor:
        """Return the means of the pixels, not limited to [0, 1]: a normal density is unbounded, a sigmoid saturates."""
        return 0.5 + 0.25 * self.body.decode_logits(latents)  # tangent of the sigmoid at 0

    def _log_likelihood(self, latents: Tensor, images: Tensor) -> Tensor:
        """Return the log density of each image's pixels: (n,) in nats."""
        errors = (self._pixel_mean(latents) - images).square().flatten(1)
        log_variance = self.log_pixel_variance
        return -0.5 * (errors / log_variance.exp() + log_variance + math.log(2 * math.pi)).sum(1)


def kl_to_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Compute the Kullback-Leibler divergence of normal distributions to the standard normal distribution.

    Parameters
    ----------
    mean, log_variance : Tensor of shape (n, d), float
        Parameters of the distributions; dimensions are independent.

    Returns
    -------
    Tensor of shape (n,)
        Divergences in nats.
    """
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
