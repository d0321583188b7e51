"""The linear map from stored pixels to [0, 1]."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PixelScale:
    """Linear map from stored pixels to [0, 1].

    Attributes
    ----------
    low, high : float
        Stored values that become 0 and 1.
    """

    low: float
    high: float

    @classmethod
    def from_images(cls, images: NDArray[Any], pixel_range: tuple[float, float] | None = None) -> "PixelScale":
        """Return the scale of a collection.

        Parameters
        ----------
        images : ndarray of any shape and numeric dtype
            Stored pixels.
        pixel_range : (float, float), optional
            Stored values that become 0 and 1, if they are known.

        Returns
        -------
        PixelScale
            From 0 to 255 for uint8; from 0 to 1 for bool and for floats that lie in [0, 1]; from the minimum to the
            maximum for anything else.
        """
        if pixel_range is not None:
            return cls(*map(float, pixel_range))
        if images.dtype == np.uint8:
            return cls(0.0, 255.0)
        low, high = float(images.min()), float(images.max())
        if images.dtype.kind in "bf" and low >= 0.0 and high <= 1.0:
            return cls(0.0, 1.0)
        return cls(low, high if high > low else low + 1.0)

    def prepare(self, images: NDArray[Any]) -> NDArray[Any]:
        """Convert stored pixels for the network.

        Parameters
        ----------
        images : ndarray of any shape and numeric dtype
            Stored pixels.

        Returns
        -------
        ndarray of the same shape, uint8 or float32
            C-contiguous and writable. uint8 pixels remain uint8 and stand for x / 255, which moves four times fewer
            bytes than floats; other pixels become float32 in [0, 1].
        """
        if images.dtype == np.uint8 and (self.low, self.high) == (0.0, 255.0):
            return np.require(images, requirements=["C", "W"])
        unit = (images.astype(np.float64) - self.low) / (self.high - self.low)
        return unit.astype(np.float32, order="C")


def to_unit_interval(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Convert the result of :meth:`PixelScale.prepare` to float32 in [0, 1].

    Parameters
    ----------
    pixels : ndarray of any shape, uint8 or float32
        Pixels from 0 to 255, or in [0, 1].

    Returns
    -------
    ndarray of the same shape, float32
        Pixels in [0, 1]; float32 input is returned without a copy.
    """
    return pixels.astype(np.float32) / np.float32(255) if pixels.dtype == np.uint8 else pixels
