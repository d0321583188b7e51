"""Training settings for "auto": those of the course chapter for its networks, measured ones for the others."""

import math
from collections.abc import Sequence
from typing import Literal

from latentmap.autoencoder.networks import CHAPTER_NETWORKS
from latentmap.autoencoder.training.adam import BETA_2
from latentmap.autoencoder.training.loop import Recipe

# The chapter's settings.
CHAPTER_BATCH_SIZE, CHAPTER_EPOCHS, CHAPTER_LEARNING_RATE = 256, 10, 1e-3
# Steps up to N_IMAGES images; for more images they grow with the cube root of their number, up to MAX_STEPS:
# more lower the error on new images of MNIST little.
N_STEPS, N_IMAGES, MAX_STEPS = 1400, 3000, 2800
# At most so many passes over the images, if they are MIN_STEPS: more hardly lower the error on new images.
MAX_EPOCHS, MIN_STEPS = 30, 600
# At least so many, because a training that was killed resumes after its last whole pass.
MIN_EPOCHS = 2
# Adam needs more steps for the same error.
ADAM_FACTOR = 2
ADAM_LEARNING_RATE, MUON_LEARNING_RATE = 3e-3, 2e-2
# A short memory for the second moment suits few epochs: 0.999 ends six epochs of MNIST with 4 % more error.
SHORT_BETA_2 = 0.99
# Images in a step: below LARGE_COLLECTION, and from there on.
BATCH_SIZE, LARGE_BATCH_SIZE, MIN_BATCH_SIZE = 32, 64, 16
# Steps that an epoch of a small collection should have.
MIN_STEPS_PER_EPOCH = 8
# Collections below this size are trained with mixup: with 1,500 images it divides the error on new images by ten, with
# 60,000 it only increases the error.
LARGE_COLLECTION = 10_000


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
    largest = BATCH_SIZE if n < LARGE_COLLECTION else LARGE_BATCH_SIZE
    return min(largest, max(MIN_BATCH_SIZE, n // MIN_STEPS_PER_EPOCH))


def choose_epochs(n: int, batch_size: int, optimizer: str) -> int:
    """Return the number of passes over the images for a network that is not the chapter's.

    Parameters
    ----------
    n : int
        Number of training images.
    batch_size : int
        Images in a step.
    optimizer : {"adam", "muon"}
        Optimizer.

    Returns
    -------
    int
    """
    steps_per_epoch = math.ceil(n / batch_size)
    n_steps = min(MAX_STEPS, N_STEPS * math.cbrt(max(1.0, n / N_IMAGES)))
    n_steps = min(n_steps, max(MIN_STEPS, MAX_EPOCHS * steps_per_epoch))
    epochs = max(MIN_EPOCHS, math.ceil(n_steps / steps_per_epoch))
    return epochs * (ADAM_FACTOR if optimizer == "adam" else 1)


def choose_recipe(
    network: str,
    n: int,
    batch_size: int,
    epochs: int | Literal["auto"],
    optimizer: str,
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
    epochs, optimizer, learning_rate, schedule, augmentation
        Settings of :class:`latentmap.Autoencoder`; each may be ``"auto"``.
    max_grad_norm, patience, denoising, noise_level
        Settings of :class:`latentmap.Autoencoder`, taken as they are.

    Returns
    -------
    Recipe
    """
    chapter = network in CHAPTER_NETWORKS
    if optimizer == "auto":
        optimizer = "adam" if chapter else "muon"
    if learning_rate == "auto":
        auto_rate = MUON_LEARNING_RATE if optimizer == "muon" else ADAM_LEARNING_RATE
        learning_rate = CHAPTER_LEARNING_RATE if chapter and optimizer == "adam" else auto_rate
    auto_epochs = CHAPTER_EPOCHS if chapter else choose_epochs(n, batch_size, optimizer)
    auto_augmentation = () if chapter or n >= LARGE_COLLECTION else ("mixup",)
    return Recipe(
        auto_epochs if epochs == "auto" else epochs,
        learning_rate,
        ("constant" if chapter else "cosine") if schedule == "auto" else schedule,
        BETA_2 if chapter else SHORT_BETA_2,
        optimizer,
        max_grad_norm=max_grad_norm,
        patience=patience,
        denoising=denoising,
        noise_level=noise_level,
        augmentation=auto_augmentation if augmentation == "auto" else tuple(augmentation),
    )
