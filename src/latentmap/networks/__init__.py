"""The networks: torch modules that encode images into latent vectors and decode them back. No training, no files."""

from latentmap.networks.activations import activation_names
from latentmap.networks.base import Layer, Network
from latentmap.networks.conv import ConvNetwork
from latentmap.networks.dense import DenseNetwork

__all__ = ["NETWORKS", "ConvNetwork", "DenseNetwork", "Layer", "Network", "activation_names", "build"]

NETWORKS: dict[str, type[DenseNetwork] | type[ConvNetwork]] = {"dense": DenseNetwork, "conv": ConvNetwork}


def build(name: str, image_shape: tuple[int, ...], latent_dim: int, activation: str) -> Network:
    """Build the network called ``name`` for images of ``image_shape``; its weights are not initialised yet.

    Parameters
    ----------
    name : {"auto", "dense", "conv"}
        ``"auto"`` takes ``"conv"`` for images and ``"dense"`` for plain vectors.
    image_shape : (height, width, channels) or (n_features,)
    latent_dim : int
    activation : str
        See :func:`activation_names`.

    Raises
    ------
    ValueError
        If the network does not fit the shape.
    """
    if name == "auto":
        name = "dense" if len(image_shape) == 1 else "conv"
    if name == "conv" and len(image_shape) == 1:
        raise ValueError(
            f"network='conv' needs images of shape (n, height, width[, channels]), got vectors of {image_shape[0]} "
            "features: reshape them into images, or use network='dense'"
        )
    return NETWORKS[name](image_shape, latent_dim, activation)
