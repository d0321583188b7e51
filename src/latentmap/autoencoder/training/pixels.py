"""Stored pixels, and the [0, 1] in which networks see them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PixelScale:
    """The straight line that takes stored pixels to [0, 1]: ``low`` becomes 0 and ``high`` becomes 1."""

    low: float
    high: float

    @classmethod
    def of(cls, images: NDArray[Any]) -> "PixelScale":
        """Scale of a collection.

        The range of the type for uint8 and bool, none for floats that lie in [0, 1], and the range of the values found
        for anything else.
        """
        if images.dtype == np.uint8:
            return cls(0.0, 255.0)
        low, high = float(images.min()), float(images.max())
        if images.dtype.kind in "bf" and low >= 0.0 and high <= 1.0:
            return cls(0.0, 1.0)
        return cls(low, high if high > low else low + 1.0)

    def prepare(self, images: NDArray[Any]) -> NDArray[Any]:
        """Stored pixels (n, ...) → uint8 that stand for x / 255, or float32 in [0, 1]; in C order and writable.

        uint8 stays what it is when it can: four times fewer bytes to move than floats.
        """
        if images.dtype == np.uint8 and (self.low, self.high) == (0.0, 255.0):
            return np.require(images, requirements=["C", "W"])
        unit = (images.astype(np.float64) - self.low) / (self.high - self.low)
        return unit.astype(np.float32, order="C")


def to_unit(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """The result of :meth:`PixelScale.prepare` as float32 in [0, 1]; floats are not copied."""
    return pixels.astype(np.float32) / np.float32(255) if pixels.dtype == np.uint8 else pixels
