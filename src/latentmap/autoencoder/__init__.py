"""The autoencoder: its estimator, networks, training and files."""

from latentmap.autoencoder.estimator import Autoencoder
from latentmap.autoencoder.image_decoder import ImageDecoder

__all__ = ["Autoencoder", "ImageDecoder"]
