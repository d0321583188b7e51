"""Noise for denoising autoencoders, which see corrupted images and learn to reconstruct the clean ones.

Vincent et al. (2010), Stacked denoising autoencoders, section 3.3.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.autoencoder.training.pixels import to_unit_interval

Floats = NDArray[np.float32]


def corrupt(pixels: NDArray[Any], kind: str, level: float, random: np.random.Generator) -> Floats:
    """Add noise to images.

    Parameters
    ----------
    pixels : ndarray of shape (n, ...), uint8 or float32
        Pixels from 0 to 255, or in [0, 1].
    kind : {"gaussian", "masking", "salt_and_pepper"}
        Kind of noise.
    level : float
        Standard deviation of the Gaussian noise in units of [0, 1], fraction of the values that become 0, or fraction
        of the values that become 0 or 1.
    random : Generator
        Source of randomness.

    Returns
    -------
    ndarray of shape (n, ...), float32
        Corrupted copy in [0, 1].
    """
    return NOISES[kind](to_unit_interval(pixels), level, random)


def _gaussian(unit: Floats, level: float, random: np.random.Generator) -> Floats:
    noise = random.standard_normal(unit.shape, np.float32)
    noise *= np.float32(level)
    noise += unit
    return np.clip(noise, 0, 1, out=noise)


def _masking(unit: Floats, level: float, random: np.random.Generator) -> Floats:
    return unit * (random.random(unit.shape, np.float32) >= level)


def _salt_and_pepper(unit: Floats, level: float, random: np.random.Generator) -> Floats:
    drawn = random.random(unit.shape, np.float32)
    corrupted = unit.copy()
    corrupted[drawn < level] = 1
    corrupted[drawn < level / 2] = 0
    return corrupted


NOISES: dict[str, Callable[[Floats, float, np.random.Generator], Floats]] = {
    "gaussian": _gaussian,
    "masking": _masking,
    "salt_and_pepper": _salt_and_pepper,
}
