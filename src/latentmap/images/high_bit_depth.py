"""Images with more than 8 bits per channel, with the values of the file."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from latentmap.images.boxes import Box
from latentmap.images.value_digests import ValuesDigest, digest_type
from latentmap.images.value_range import Range, to_8_bits, value_range

# Rows that are blended with the background in one step.
N_BLEND_ROWS = 256


@dataclass(frozen=True)
class HighBitDepthImage:
    """Values of an image with more than 8 bits per channel, in the orientation of the file.

    Attributes
    ----------
    values : ndarray (height, width) or (height, width, 3)
        Integers or floats. NaN becomes black.
    alpha : ndarray (height, width), uint8, optional
        Opacity; 255 is opaque.
    premultiplied : bool, default=False
        Whether the colours are already multiplied by alpha.
    masked : ndarray (height, width), bool, optional
        Pixels that the file declares as missing; they become black.
    """

    values: NDArray[Any]
    alpha: NDArray[np.uint8] | None = None
    premultiplied: bool = False
    masked: NDArray[np.bool_] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.values.shape[1], self.values.shape[0]

    @property
    def is_float(self) -> bool:
        """Whether the values are floats, which have a separate range in a collection."""
        return self.values.dtype.kind == "f"

    @property
    def is_grey(self) -> bool:
        """Whether all channels are equal."""
        values = self.values
        return values.ndim == 2 or all(bool(_equal_or_nan(values[..., 0], values[..., i]).all()) for i in (1, 2))

    def cropped(self, box: Box) -> "HighBitDepthImage":
        """Return a part of the image, without a copy of its values.

        Parameters
        ----------
        box : Box
            Edges in the orientation of the file.
        """
        part = slice(box.top, box.bottom), slice(box.left, box.right)
        alpha = None if self.alpha is None else self.alpha[part]
        masked = None if self.masked is None else self.masked[part]
        return replace(self, values=self.values[part], alpha=alpha, masked=masked)

    def range(self) -> Range:
        """Smallest and largest visible value; (0, 0) if there is none."""
        return value_range(self.values if self.masked is None else self.values[~self.masked]) or (0, 0)

    def to_8_bit_image(self, limits: Range, background: str) -> Image.Image:
        """Convert to 8 bits, over a background.

        Parameters
        ----------
        limits : (low, high)
            Values that become 0 and 255.
        background : str
            Colour behind transparent pixels.

        Returns
        -------
        PIL.Image.Image
            Image of mode L or RGB.
        """
        pixels = to_8_bits(self.values, limits)
        if self.masked is not None:
            pixels[self.masked] = 0
        if self.alpha is not None and int(self.alpha.min()) < 255:
            pixels = self._composite(pixels, self.alpha, background)
        return Image.fromarray(pixels)

    def digest(self, transpose: Image.Transpose | None) -> bytes:
        """SHA-256 of the upright values, independent of their type and byte order.

        Parameters
        ----------
        transpose : PIL.Image.Transpose or None
            Transposition that makes the image upright.

        Returns
        -------
        bytes
        """
        upright = (
            None if one is None else transpose_array(one, transpose) for one in (self.values, self.alpha, self.masked)
        )
        values, alpha, masked = upright
        assert values is not None
        found = ValuesDigest(values.shape, (digest_type(values),), self.premultiplied)
        found.add(values, alpha, masked)
        return found.digest()

    def _composite(self, pixels: NDArray[np.uint8], alpha: NDArray[np.uint8], background: str) -> NDArray[np.uint8]:
        ground = np.array(ImageColor.getrgb(background)[:3])
        colors = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
        result = np.empty(colors.shape, np.uint8)
        for begin in range(0, len(colors), N_BLEND_ROWS):
            part = slice(begin, begin + N_BLEND_ROWS)
            weight = alpha[part, :, None].astype(np.uint32)
            own = colors[part].astype(np.uint32) * (255 if self.premultiplied else weight)
            result[part] = ((own + ground * (255 - weight) + 127) // 255).clip(0, 255)
        return result


def transpose_array(values: NDArray[Any], transpose: Image.Transpose | None) -> NDArray[Any]:
    """Transpose an array as ``PIL.Image.Image.transpose`` does an image.

    Parameters
    ----------
    values : ndarray (height, width, ...)
    transpose : PIL.Image.Transpose or None

    Returns
    -------
    ndarray
    """
    if transpose is None:
        return values
    if transpose in (Image.Transpose.TRANSPOSE, Image.Transpose.TRANSVERSE, *QUARTER_TURNS):
        values = values.swapaxes(0, 1)
    across = transpose in (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)
    down = transpose in (Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_90)
    if transpose == Image.Transpose.TRANSVERSE:
        across = down = True
    return values[:: -1 if down else 1, :: -1 if across else 1]


QUARTER_TURNS = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270)


def _equal_or_nan(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.bool_]:
    equal: NDArray[np.bool_] = first == second
    return equal | (np.isnan(first) & np.isnan(second)) if first.dtype.kind == "f" else equal
