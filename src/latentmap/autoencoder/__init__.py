"""The autoencoder: its estimator, networks, training and files."""

from latentmap.autoencoder.estimator import Autoencoder

__all__ = ["Autoencoder"]
