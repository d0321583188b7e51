"""Training: the loop, the engines that make its steps, and the choice of settings."""

from latentmap.autoencoder.training.batches import Batches, VectorBatches
from latentmap.autoencoder.training.loop import History, Recipe, train

__all__ = ["Batches", "History", "Recipe", "VectorBatches", "train"]
