"""The pages of a TIFF as one image: as its channels, or as planes of a volume that are projected."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentmap.core.errors import DecodingError
from latentmap.images.channel_image import ChannelImage
from latentmap.images.channels import MAX_CHANNELS
from latentmap.images.high_bit_depth import HighBitDepthImage
from latentmap.images.page_options import PageOptions
from latentmap.images.pictures import Picture

MAX_STACK_BYTES = 2**30  # of the values of all pages, which the memory of a worker holds several times


class Pages(Protocol):
    """The pages of a file."""

    def count(self, animations: bool, /) -> int:
        """Count the pages."""

    def picture(self, number: int | None, /) -> Picture:
        """Read a page."""


class PageStack:
    """A file whose pages are one image.

    Parameters
    ----------
    pages : Pages
    options : PageOptions
        Whether pages are channels or planes of a volume, and how these are projected.
    """

    def __init__(self, pages: Pages, options: PageOptions) -> None:
        self._pages, self._options = pages, options

    def count(self, _: bool) -> int:
        """Return 1."""
        return 1

    def picture(self, _: int | None) -> Picture:
        """Read all pages as one image.

        Raises
        ------
        DecodingError
            If they differ in size, or are too many.
        """
        n, are_channels = self._pages.count(False), self._options.axes == "channels"
        if are_channels and n > MAX_CHANNELS:
            raise DecodingError(f"{n:,} pages as channels: an image has at most {MAX_CHANNELS:,}")
        first = self._pages.picture(0).channels()
        if are_channels and n == 1:
            return self._pages.picture(0)
        if first.values.nbytes * (n if are_channels else 1) > MAX_STACK_BYTES:
            raise DecodingError(f"{n:,} pages that are larger than {MAX_STACK_BYTES >> 30} GiB together")
        if are_channels:
            values = [self._values(number, first) for number in range(n)]
            return Picture(ChannelImage(np.concatenate(values, axis=2), masked=first.masked), 1)
        projection = Projection(self._options.project)
        for number in range(n):
            projection.add(self._values(number, first))
        return Picture(as_image(projection.result(), first.are_colors, first.masked), 1)

    def _values(self, number: int, first: ChannelImage) -> NDArray[Any]:
        values = self._pages.picture(number).channels().values
        if values.shape != first.values.shape:
            raise DecodingError(
                f"page {number + 1} has {_size(values)}, and the first {_size(first.values)}: "
                "pages of one image are of one size"
            )
        return values


class Projection:
    """The maximum or the mean of planes that are added one after the other.

    Parameters
    ----------
    kind : {"max", "mean"}
    """

    def __init__(self, kind: str) -> None:
        self._kind, self._n = kind, 0
        self._sum: NDArray[Any] | None = None
        self._dtype: np.dtype[Any] = np.dtype(np.uint8)

    def add(self, plane: NDArray[Any]) -> None:
        """Add a plane; all have one shape."""
        self._n += 1
        self._dtype = plane.dtype
        if self._sum is None:
            self._sum = plane.astype(np.float64) if self._kind == "mean" else np.array(plane)
        elif self._kind == "mean":
            self._sum += plane
        else:
            np.fmax(self._sum, plane, out=self._sum)

    def result(self) -> NDArray[Any]:
        """The projection, of the type of the planes; means of integers are rounded."""
        assert self._sum is not None
        if self._kind == "max":
            return self._sum
        mean: NDArray[Any] = self._sum / self._n
        return (np.rint(mean) if self._dtype.kind in "iu" else mean).astype(self._dtype)


def as_image(
    values: NDArray[Any], are_colors: bool, masked: NDArray[np.bool_] | None = None
) -> "Image.Image | HighBitDepthImage | ChannelImage":
    """Values as an image of the kind that a page with them would be.

    Parameters
    ----------
    values : array (height, width, channels)
    are_colors : bool
        Whether the channels are grey or RGB.
    masked : array (height, width), bool, optional
        Pixels that the file declares as missing.

    Returns
    -------
    PIL.Image.Image, HighBitDepthImage or ChannelImage
    """
    if not are_colors:
        return ChannelImage(values, masked=masked)
    plane = np.ascontiguousarray(values[..., 0] if values.shape[2] == 1 else values)
    return Image.fromarray(plane) if plane.dtype == np.uint8 else HighBitDepthImage(plane, masked=masked)


def _size(values: NDArray[Any]) -> str:
    return f"{values.shape[1]} × {values.shape[0]} pixels of {values.shape[2]} channels"
