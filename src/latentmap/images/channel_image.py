"""An image of several channels that are not colours, with the values of the file."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.errors import DecodingError
from latentmap.images.boxes import Box
from latentmap.images.channels import Channel, to_channels


@dataclass(frozen=True)
class ChannelImage:
    """Values of an image of any number of channels, in the orientation of the file.

    Attributes
    ----------
    values : ndarray (height, width, channels)
        Integers or floats of any type. NaN becomes black.
    names : tuple of str, default=()
        Names that the file gives to the channels.
    masked : ndarray (height, width), bool, optional
        Pixels that the file declares as missing; they become black.
    are_colors : bool, default=False
        Whether the channels are grey or RGB, so that grey counts as three equal colours.
    """

    values: NDArray[Any]
    names: tuple[str, ...] = ()
    masked: NDArray[np.bool_] | None = None
    are_colors: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.values.shape[1], self.values.shape[0]

    @property
    def n_channels(self) -> int:
        """Number of channels."""
        return int(self.values.shape[2])

    def cropped(self, box: Box) -> "ChannelImage":
        """Return a part of the image, without a copy of its values.

        Parameters
        ----------
        box : Box
            Edges in the orientation of the file.
        """
        part = slice(box.top, box.bottom), slice(box.left, box.right)
        return replace(self, values=self.values[part], masked=None if self.masked is None else self.masked[part])

    def to_pixels(self, channels: tuple[Channel, ...], n_of_files: int | None, bits: int) -> NDArray[Any]:
        """Take the channels of a collection, and scale each by its range.

        Parameters
        ----------
        channels : tuple of Channel
        n_of_files : int or None
            Number of channels that an image of the collection has; None if any number that includes these will do.
        bits : {8, 16}
            Bits per pixel.

        Returns
        -------
        ndarray (height, width, len(channels)), uint8 or uint16

        Raises
        ------
        DecodingError
            If the image has other channels.
        """
        values, largest = self.values, max(one.number for one in channels)
        if self.are_colors and self.n_channels == 1 and largest < 3 and n_of_files in (None, 3):
            values = np.repeat(values, 3, axis=2)
        n = values.shape[2]
        if n_of_files is not None and n != n_of_files:
            raise DecodingError(
                f"{n} channels, and the other images have {n_of_files}: name those to take with --channels"
            )
        if n <= largest:
            raise DecodingError(f"{n} channels, and channel {largest} is asked for")
        pixels = to_channels(values, channels, bits)
        if self.masked is not None:
            pixels[self.masked] = 0
        return pixels
