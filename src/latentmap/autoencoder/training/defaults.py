"""Training settings for "auto": those of the course chapter for its networks, measured ones for the others."""

from collections.abc import Sequence
from typing import Literal

from latentmap.autoencoder.networks import CHAPTER_NETWORKS
from latentmap.autoencoder.training.adam import BETA_2
from latentmap.autoencoder.training.loop import Recipe

# The chapter's settings.
CHAPTER_BATCH_SIZE, CHAPTER_EPOCHS, CHAPTER_LEARNING_RATE = 256, 10, 1e-3
# Steps to train for, as far as the limits on the number of epochs allow.
N_STEPS, MIN_EPOCHS, MAX_EPOCHS = 7000, 3, 300
LEARNING_RATE = 3e-3
# A short memory for the second moment suits few epochs: 0.999 ends six epochs of MNIST with 4 % more error.
SHORT_BETA_2 = 0.99
BATCH_SIZE, MIN_BATCH_SIZE = 64, 16
# Steps that an epoch of a small collection should have.
MIN_STEPS_PER_EPOCH = 16
# Collections below this size are trained with mixup: with 1,500 images it divides the error on new images by ten, with
# 60,000 it only increases the error.
MIXUP_BELOW = 10_000


def choose_batch_size(requested: int | Literal["auto"], network: str, n: int) -> int:
    """Return the number of images in a step.

    Parameters
    ----------
    requested : int or "auto"
        Batch size that the user asked for.
    network : str
        Name of the network.
    n : int
        Number of training images.

    Returns
    -------
    int
    """
    if requested != "auto":
        return requested
    if network in CHAPTER_NETWORKS:
        return CHAPTER_BATCH_SIZE
    return min(BATCH_SIZE, max(MIN_BATCH_SIZE, n // MIN_STEPS_PER_EPOCH))


def choose_recipe(
    network: str,
    n: int,
    batch_size: int,
    epochs: int | Literal["auto"],
    learning_rate: float | Literal["auto"],
    schedule: str,
    augmentation: Sequence[str],
    *,
    max_grad_norm: float | None = None,
    patience: int | None = None,
    denoising: str | None = None,
    noise_level: float = 0.0,
) -> Recipe:
    """Replace ``"auto"`` by values for a network and a number of images.

    Parameters
    ----------
    network : str
        Name of the network.
    n : int
        Number of training images.
    batch_size : int
        Images in a step.
    epochs, learning_rate, schedule, augmentation
        Settings of :class:`latentmap.Autoencoder`; each may be ``"auto"``.
    max_grad_norm, patience, denoising, noise_level
        Settings of :class:`latentmap.Autoencoder`, taken as they are.

    Returns
    -------
    Recipe
    """
    chapter = network in CHAPTER_NETWORKS
    steps_per_epoch = -(-n // batch_size)
    auto_epochs = min(MAX_EPOCHS, max(MIN_EPOCHS, -(-N_STEPS // steps_per_epoch)))
    auto_augmentation = () if chapter or n >= MIXUP_BELOW else ("mixup",)
    return Recipe(
        (CHAPTER_EPOCHS if chapter else auto_epochs) if epochs == "auto" else epochs,
        (CHAPTER_LEARNING_RATE if chapter else LEARNING_RATE) if learning_rate == "auto" else learning_rate,
        ("constant" if chapter else "cosine") if schedule == "auto" else schedule,
        BETA_2 if chapter else SHORT_BETA_2,
        max_grad_norm=max_grad_norm,
        patience=patience,
        denoising=denoising,
        noise_level=noise_level,
        augmentation=auto_augmentation if augmentation == "auto" else tuple(augmentation),
    )
