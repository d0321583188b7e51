"""Training: the loop, the steps that it makes, and what surrounds them."""

from latentmap.autoencoder.training.batches import Batches
from latentmap.autoencoder.training.loop import History, Recipe, train
from latentmap.core.errors import TrainingError

__all__ = ["Batches", "History", "Recipe", "TrainingError", "train"]
