"""Training settings for "auto": the course chapter's for its networks, measured ones for ours."""

from collections.abc import Sequence
from typing import Literal

from latentmap.autoencoder.networks import CHAPTER
from latentmap.autoencoder.training.adam import BETA_2
from latentmap.autoencoder.training.loop import Recipe

# For ours: steps that a collection is trained for, as far as these epochs allow.
N_STEPS, FEWEST_EPOCHS, MOST_EPOCHS = 7000, 3, 300
LEARNING_RATE = 3e-3
# A short memory for the second moment suits few epochs: 0.999 ends six of MNIST at 4 % more error.
SECOND_BETA = 0.99
BATCH_SIZE, SMALLEST_BATCH = 64, 16
# Batches that an epoch of a small collection should have.
N_BATCHES = 16
# Images below which ours are trained on mixtures: with 1,500 that divides the error on new images by ten, with 60,000
# it only costs.
FEW_IMAGES = 10_000


def choose_batch_size(asked: int | Literal["auto"], network: str, n: int) -> int:
    """Images in a step, of n."""
    if asked != "auto":
        return asked
    if network in CHAPTER:
        return 256
    return min(BATCH_SIZE, max(SMALLEST_BATCH, n // N_BATCHES))


def choose_recipe(
    network: str,
    n: int,
    batch_size: int,
    epochs: int | Literal["auto"],
    learning_rate: float | Literal["auto"],
    schedule: str,
    augmentation: Sequence[str],
) -> Recipe:
    """Epochs, learning rate, schedule, augmentation and Adam's beta_2, for n images."""
    chapter = network in CHAPTER
    n_batches = -(-n // batch_size)
    mixed = () if chapter or n >= FEW_IMAGES else ("mixup",)
    measured = min(MOST_EPOCHS, max(FEWEST_EPOCHS, -(-N_STEPS // n_batches)))
    return Recipe(
        (10 if chapter else measured) if epochs == "auto" else epochs,
        (1e-3 if chapter else LEARNING_RATE) if learning_rate == "auto" else learning_rate,
        ("constant" if chapter else "cosine") if schedule == "auto" else schedule,
        BETA_2 if chapter else SECOND_BETA,
        augmentation=mixed if augmentation == "auto" else tuple(augmentation),
    )
