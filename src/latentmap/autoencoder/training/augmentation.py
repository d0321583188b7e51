"""Augmentation: random variants of the training images, new ones in each epoch, for input and target alike.

``mixup`` suits any collection: it makes the network nearly linear between images, so that it cannot memorise a few
hundred of them (Zhang et al. 2018, mixup: beyond empirical risk minimization, here without labels). Whether the others
suit a collection is for its owner to decide: a mirrored letter is not a letter.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_SHIFT = 0.07  # fraction of a side
MAX_CONTRAST_CHANGE = 0.2  # relative, about the mean

Pixels = NDArray[Any]
# Augmentations that also apply to plain vectors.
VECTOR_AUGMENTATIONS = ("mixup",)


def augment(pixels: Pixels, names: tuple[str, ...], random: np.random.Generator) -> Pixels:
    """Apply augmentations one after the other.

    Parameters
    ----------
    pixels : ndarray of shape (n, height, width, channels), uint8 or float32
        Pixels from 0 to 255, or in [0, 1]. Shape (n, n_features) for ``"mixup"`` alone.
    names : tuple of {"mixup", "shift", "flip", "contrast"}
        ``"mixup"``: weighted mean with another image, with weights uniform in [0, 1]. ``"shift"``: shift by up to 7 %
        of a side, with the border repeated. ``"flip"``: horizontal flip of every second image. ``"contrast"``: up to
        20 % more or less contrast.
    random : Generator
        Source of randomness.

    Returns
    -------
    ndarray of the same shape and dtype
        A copy, unless ``names`` is empty.
    """
    for name in names:
        pixels = AUGMENTATIONS[name](pixels, random)
    return pixels


def mix_pairs(
    vectors: NDArray[np.float32], pixels: Pixels, random: np.random.Generator
) -> tuple[NDArray[np.float32], Pixels]:
    """Replace vectors and their images by weighted means of two, with the same weights for both.

    Parameters
    ----------
    vectors : ndarray of shape (n, d), float32
        Vectors of the images.
    pixels : ndarray of shape (n, ...), uint8 or float32
        Pixels from 0 to 255, or in [0, 1].
    random : Generator
        Source of randomness.

    Returns
    -------
    vectors, pixels : ndarray of the same shapes and dtypes
    """
    weight, partner = random.random(len(pixels), np.float32), random.permutation(len(pixels))
    of_vectors, of_pixels = (weight.reshape(-1, *[1] * (values.ndim - 1)) for values in (vectors, pixels))
    mixed = of_pixels * pixels + (1 - of_pixels) * pixels[partner]
    return of_vectors * vectors + (1 - of_vectors) * vectors[partner], _as_stored(mixed, pixels)


def _mixup(pixels: Pixels, random: np.random.Generator) -> Pixels:
    n = len(pixels)
    weight = random.random((n, *[1] * (pixels.ndim - 1)), np.float32)
    return _as_stored(weight * pixels + (1 - weight) * pixels[random.permutation(n)], pixels)


def _shift(pixels: Pixels, random: np.random.Generator) -> Pixels:
    n, height, width, _ = pixels.shape
    sources = []
    for side in (height, width):
        limit = max(1, round(MAX_SHIFT * side))
        moved = np.arange(side) + random.integers(-limit, limit + 1, (n, 1))
        sources.append(np.clip(moved, 0, side - 1))  # (n, side)
    rows, columns = sources
    shifted: Pixels = pixels[np.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return shifted


def _flip(pixels: Pixels, random: np.random.Generator) -> Pixels:
    chosen = random.random(len(pixels)) < 0.5
    flipped = pixels.copy()
    flipped[chosen] = pixels[chosen, :, ::-1]
    return flipped


def _contrast(pixels: Pixels, random: np.random.Generator) -> Pixels:
    low, high = 1 - MAX_CONTRAST_CHANGE, 1 + MAX_CONTRAST_CHANGE
    factor = random.uniform(low, high, (len(pixels), 1, 1, 1)).astype(np.float32)
    mean = pixels.mean(axis=(1, 2, 3), keepdims=True, dtype=np.float32)
    return _as_stored(mean + factor * (pixels - mean), pixels)


def _as_stored(values: NDArray[np.float32], pixels: Pixels) -> Pixels:
    """Convert values to the dtype and range of ``pixels``."""
    integer = pixels.dtype == np.uint8
    stored: Pixels = np.clip(np.rint(values) if integer else values, 0, 255 if integer else 1).astype(pixels.dtype)
    return stored


AUGMENTATIONS: dict[str, Callable[[Pixels, np.random.Generator], Pixels]] = {
    "mixup": _mixup,
    "shift": _shift,
    "flip": _flip,
    "contrast": _contrast,
}
