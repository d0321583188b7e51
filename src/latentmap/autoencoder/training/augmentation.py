"""Variants of images, other ones in each epoch, input and target alike.

``mixup`` suits any collection: it asks the network to be nearly linear between images, so that a few hundred of them
are not simply learned by heart (Zhang et al. 2018, mixup: beyond empirical risk minimization, here without labels).
Which of the others fit, the owner of a collection knows: a mirrored letter is no letter.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Largest shift as a share of a side, and largest change of contrast about the mean.
SHIFT = 0.07
CONTRAST = 0.2

Pixels = NDArray[Any]
# That takes vectors, too.
FOR_VECTORS = ("mixup",)


def augment(pixels: Pixels, names: tuple[str, ...], random: np.random.Generator) -> Pixels:
    """Change images (n, height, width, channels), uint8 or float32 in [0, 1]; the result is a copy of that type.

    ``names`` among ``"mixup"`` (a weighted mean of two, with weights evenly between 0 and 1; takes vectors as well),
    ``"shift"`` (up to 7 % of a side, the border repeated), ``"flip"`` (mirrored left to right, every second) and
    ``"contrast"`` (up to 20 % more or less).
    """
    for name in names:
        pixels = AUGMENTATIONS[name](pixels, random)
    return pixels


def _mixup(pixels: Pixels, random: np.random.Generator) -> Pixels:
    n = len(pixels)
    share = random.random((n, *[1] * (pixels.ndim - 1)), np.float32)
    return _as_stored(share * pixels + (1 - share) * pixels[random.permutation(n)], pixels)


def _shift(pixels: Pixels, random: np.random.Generator) -> Pixels:
    n, height, width, _ = pixels.shape
    places = []
    for side in (height, width):
        most = max(1, round(SHIFT * side))
        moved = np.arange(side) + random.integers(-most, most + 1, (n, 1))
        places.append(np.clip(moved, 0, side - 1))  # (n, side)
    rows, columns = places
    shifted: Pixels = pixels[np.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return shifted


def _flip(pixels: Pixels, random: np.random.Generator) -> Pixels:
    chosen = random.random(len(pixels)) < 0.5
    flipped = pixels.copy()
    flipped[chosen] = pixels[chosen, :, ::-1]
    return flipped


def _contrast(pixels: Pixels, random: np.random.Generator) -> Pixels:
    factor = random.uniform(1 - CONTRAST, 1 + CONTRAST, (len(pixels), 1, 1, 1)).astype(np.float32)
    mean = pixels.mean(axis=(1, 2, 3), keepdims=True, dtype=np.float32)
    return _as_stored(mean + factor * (pixels - mean), pixels)


def _as_stored(values: NDArray[np.float32], pixels: Pixels) -> Pixels:
    """Values in the type and range of ``pixels``."""
    whole = pixels.dtype == np.uint8
    stored: Pixels = np.clip(np.rint(values) if whole else values, 0, 255 if whole else 1).astype(pixels.dtype)
    return stored


AUGMENTATIONS: dict[str, Callable[[Pixels, np.random.Generator], Pixels]] = {
    "mixup": _mixup,
    "shift": _shift,
    "flip": _flip,
    "contrast": _contrast,
}
