"""Networks: torch modules that encode images as latent vectors and decode them. No training and no files."""

import torch

from latentmap.autoencoder.networks.activations import activation_names
from latentmap.autoencoder.networks.base import Layer, Network, format_layers
from latentmap.autoencoder.networks.conv import ConvNetwork
from latentmap.autoencoder.networks.decoder import DecoderNetwork
from latentmap.autoencoder.networks.dense import DenseNetwork
from latentmap.autoencoder.networks.pyramid import PyramidNetwork
from latentmap.autoencoder.networks.sequential import SequentialNetwork
from latentmap.autoencoder.networks.variational import VariationalNetwork
from latentmap.core.errors import InputError

__all__ = [
    "DECODERS",
    "NETWORKS",
    "ConvNetwork",
    "DecoderNetwork",
    "DenseNetwork",
    "Layer",
    "Network",
    "PyramidNetwork",
    "VariationalNetwork",
    "activation_names",
    "build_decoder",
    "build_network",
    "format_layers",
    "resolve_names",
]

NETWORKS: dict[str, type[Network]] = {
    "pyramid": PyramidNetwork,
    "variational": VariationalNetwork,
    "dense": DenseNetwork,
    "conv": ConvNetwork,
}
# Networks whose decoding half can be trained alone.
DECODERS = ("pyramid", "dense", "conv")
# Networks of the course chapter, which are trained with its settings by default.
CHAPTER_NETWORKS = ("dense", "conv")


def resolve_names(network: str, activation: str = "auto") -> tuple[str, str]:
    """Replace ``"auto"`` by the pyramid network and ELU.

    Parameters
    ----------
    network : str
        Name of a network, or ``"auto"``.
    activation : str, default="auto"
        Name of an activation, or ``"auto"``.

    Returns
    -------
    network, activation : str
    """
    return "pyramid" if network == "auto" else network, "elu" if activation == "auto" else activation


def build_network(
    name: str, image_shape: tuple[int, ...], latent_dim: int, activation: str = "auto", *, beta: float = 1.0
) -> Network:
    """Build a network; its weights are not initialised yet.

    Parameters
    ----------
    name : {"auto", "pyramid", "variational", "dense", "conv"}
        Architecture.
    image_shape : tuple of int
        Shape of one image: (height, width, channels) or (n_features,).
    latent_dim : int
        Length of the latent vector.
    activation : str, default="auto"
        Activation of the hidden layers: ``"auto"`` or one of :func:`activation_names`.
    beta : float, default=1.0
        Weight of the Kullback-Leibler divergence in the variational network.

    Returns
    -------
    Network

    Raises
    ------
    InputError
        If the network does not apply to the shape, or the activation is unknown.
    """
    name, activation = resolve_names(name, activation)
    if name == "conv" and len(image_shape) == 1:
        raise InputError(
            f"network='conv' needs images of shape (n, height, width[, channels]), got vectors of {image_shape[0]} "
            "features: reshape them into images, or use network='dense'"
        )
    if name == "variational":
        return VariationalNetwork(image_shape, latent_dim, activation, beta)
    return NETWORKS[name](image_shape, latent_dim, activation)  # type: ignore[call-arg]


def build_decoder(name: str, image_shape: tuple[int, ...], n_features: int, activation: str = "auto") -> DecoderNetwork:
    """Build the decoding half of a network; its weights are not initialised yet.

    Parameters
    ----------
    name : {"auto", "pyramid", "dense", "conv"}
        Architecture.
    image_shape : tuple of int
        Shape of one image: (height, width, channels) or (n_features,).
    n_features : int
        Length of the vectors that it takes.
    activation : str, default="auto"
        Activation of the hidden layers: ``"auto"`` or one of :func:`activation_names`.

    Returns
    -------
    DecoderNetwork

    Raises
    ------
    InputError
        If the network has no such half or does not apply to the shape, or the activation is unknown.
    """
    with torch.device("meta"):  # the encoding half takes no memory
        whole = build_network(name, image_shape, n_features, activation)
    if not isinstance(whole, SequentialNetwork):
        raise InputError(f"network={name!r} has no decoder of its own: choose among {', '.join(DECODERS)}")
    return DecoderNetwork(whole, resolve_names(name, activation)[1])
