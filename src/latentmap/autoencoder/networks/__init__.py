"""The networks: torch modules that encode images into latent vectors and decode them back. No training, no files."""

from latentmap.autoencoder.networks.activations import activation_names
from latentmap.autoencoder.networks.base import Layer, Network
from latentmap.autoencoder.networks.conv import ConvNetwork
from latentmap.autoencoder.networks.dense import DenseNetwork
from latentmap.autoencoder.networks.pyramid import PyramidNetwork
from latentmap.autoencoder.networks.variational import VariationalNetwork
from latentmap.core.errors import InputError

__all__ = [
    "NETWORKS",
    "ConvNetwork",
    "DenseNetwork",
    "Layer",
    "Network",
    "PyramidNetwork",
    "VariationalNetwork",
    "activation_names",
    "build",
    "resolve",
]

NETWORKS: dict[str, type[Network]] = {
    "pyramid": PyramidNetwork,
    "variational": VariationalNetwork,
    "dense": DenseNetwork,
    "conv": ConvNetwork,
}
# The course chapter's, trained as the chapter does unless told otherwise.
CHAPTER = ("dense", "conv")


def resolve(name: str, activation: str = "auto") -> tuple[str, str]:
    """The network and activation for ``"auto"``: the pyramid network, and ELU."""
    return "pyramid" if name == "auto" else name, "elu" if activation == "auto" else activation


def build(
    name: str, image_shape: tuple[int, ...], latent_dim: int, activation: str = "auto", *, beta: float = 1.0
) -> Network:
    """Build the network called ``name`` for images of ``image_shape``; its weights are not initialised yet.

    Parameters
    ----------
    name : {"auto", "pyramid", "variational", "dense", "conv"}
    image_shape : (height, width, channels) or (n_features,)
    latent_dim : int
    activation : str
        ``"auto"``, or see :func:`activation_names`.
    beta : float
        Of the variational network.

    Raises
    ------
    InputError
        If the network does not fit the shape.
    """
    name, activation = resolve(name, activation)
    if name == "conv" and len(image_shape) == 1:
        raise InputError(
            f"network='conv' needs images of shape (n, height, width[, channels]), got vectors of {image_shape[0]} "
            "features: reshape them into images, or use network='dense'"
        )
    if name == "variational":
        return VariationalNetwork(image_shape, latent_dim, activation, beta)
    return NETWORKS[name](image_shape, latent_dim, activation)  # type: ignore[call-arg]
