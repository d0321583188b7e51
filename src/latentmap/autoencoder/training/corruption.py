"""Noise that an autoencoder learns to take away: a denoising autoencoder sees spoiled images and draws the clean ones.

Vincent et al. (2010), Stacked denoising autoencoders, section 3.3.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.autoencoder.training.pixels import to_unit

Floats = NDArray[np.float32]


def corrupt(pixels: NDArray[Any], kind: str, level: float, random: np.random.Generator) -> Floats:
    """Spoil images.

    Parameters
    ----------
    pixels : (n, ...) uint8 or float32 in [0, 1]
    kind : {"gaussian", "masking", "salt_and_pepper"}
    level : float
        Standard deviation of the noise in units of [0, 1]; share of the values that become 0; share that become 0 or 1.

    Returns
    -------
    (n, ...) float32 in [0, 1], a copy
    """
    return NOISES[kind](to_unit(pixels), level, random)


def _gaussian(unit: Floats, level: float, random: np.random.Generator) -> Floats:
    noise = random.standard_normal(unit.shape, np.float32)
    noise *= np.float32(level)
    noise += unit
    return np.clip(noise, 0, 1, out=noise)


def _masking(unit: Floats, level: float, random: np.random.Generator) -> Floats:
    return unit * (random.random(unit.shape, np.float32) >= level)


def _salt_and_pepper(unit: Floats, level: float, random: np.random.Generator) -> Floats:
    drawn = random.random(unit.shape, np.float32)
    spoiled = unit.copy()
    spoiled[drawn < level] = 1
    spoiled[drawn < level / 2] = 0
    return spoiled


NOISES: dict[str, Callable[[Floats, float, np.random.Generator], Floats]] = {
    "gaussian": _gaussian,
    "masking": _masking,
    "salt_and_pepper": _salt_and_pepper,
}
