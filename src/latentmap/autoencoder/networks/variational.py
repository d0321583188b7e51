"""The variational autoencoder: each image is a small cloud in latent space, and all clouds together a normal one.

Kingma and Welling (2014); the weight β on the divergence is that of Higgins et al. (2017), the learned variance of the
pixels that of Rybkin et al. (2021), Simple and effective VAE training with calibrated decoders.
"""

import math
from math import prod

import torch
from torch import Tensor, nn

from latentmap.autoencoder.networks.base import Layer, Network
from latentmap.autoencoder.networks.pyramid import PyramidNetwork

# Share of the training over which the weight of the divergence rises to β.
WARM_UP = 0.2
# log σ² of a latent dimension is kept within these, so that its exponential stays a useful number.
LOG_VARIANCES = (-12.0, 8.0)


class VariationalNetwork(Network):
    """The pyramid network with a normal distribution for a latent vector and a normal distribution for each pixel.

    Parameters
    ----------
    image_shape : (height, width, channels) or (n_features,)
    latent_dim : int
    activation : str
    beta : float, default=1.0
        Weight of the divergence; larger ones give fewer, more independent latent dimensions.
    """

    def __init__(self, image_shape: tuple[int, ...], latent_dim: int, activation: str, beta: float = 1.0) -> None:
        super().__init__(image_shape, latent_dim)
        self.beta = beta
        self.body = PyramidNetwork(image_shape, latent_dim, activation, latent_values=2 * latent_dim)
        self.log_pixel_variance = nn.Parameter(torch.zeros(()))  # one for all pixels

    def encode(self, images: Tensor) -> Tensor:
        """(n, *image_shape) → means (n, latent_dim)."""
        return self.distribution(images)[0]

    def decode(self, latents: Tensor) -> Tensor:
        """(n, latent_dim) → means (n, *image_shape), between 0 and 1."""
        return self._mean(latents).clamp(0, 1)

    def distribution(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of each image's latent vector, (n, latent_dim) each, float32."""
        mean, log_variance = self.body.encode(images).float().chunk(2, dim=1)
        return mean, log_variance.clamp(*LOG_VARIANCES)

    def loss(self, inputs: Tensor, targets: Tensor, progress: float) -> Tensor:
        """Minus the evidence lower bound, in nats for a value; the divergence weighs β, at first less."""
        mean, log_variance = self.distribution(inputs)
        latents = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        likelihood = self._log_likelihood(latents, targets)
        weight = self.beta * min(1.0, progress / WARM_UP)
        n_values = prod(self.image_shape)
        return -(likelihood - weight * divergence(mean, log_variance)).mean() / n_values

    def elbo(self, images: Tensor) -> Tensor:
        """Evidence lower bound of each image, with one sample and β = 1: (n,) in nats."""
        mean, log_variance = self.distribution(images)
        latents = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        return self._log_likelihood(latents, images) - divergence(mean, log_variance)

    def initialize(self, generator: torch.Generator, sample: Tensor) -> None:
        """Draw all weights anew, scaled on ``sample``; the clouds begin small and the pixel variance as it then is."""
        self.body.initialize(generator, sample)
        with torch.no_grad():
            bias = self.body.latent.bias
            bias[self.latent_dim :] = -4.0
            self.body.latent.weight[self.latent_dim :] *= 0.1
            error = (self(sample) - sample).square().mean()
            self.log_pixel_variance.copy_(error.clamp_min(1e-6).log())

    def layer_table(self) -> list[Layer]:
        """The layers of the pyramid, and the variance of the pixels."""
        return [*self.body.layer_table(), Layer("pixel_variance", "Variance", (), 1)]

    def _mean(self, latents: Tensor) -> Tensor:
        """Means of the pixels, not kept to [0, 1]: a normal density has no bounds, and a sigmoid would flatten it."""
        return 0.5 + 0.25 * self.body.decode_logits(latents)  # the sigmoid's tangent

    def _log_likelihood(self, latents: Tensor, images: Tensor) -> Tensor:
        """Log density of each image's pixels: (n,) in nats."""
        errors = (self._mean(latents) - images).square().flatten(1)
        log_variance = self.log_pixel_variance
        return -0.5 * (errors / log_variance.exp() + log_variance + math.log(2 * math.pi)).sum(1)


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence from the standard normal distribution: (n, d) each → (n,) in nats."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
