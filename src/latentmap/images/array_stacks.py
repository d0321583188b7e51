"""Arrays of images in HDF5 and Zarr, read in blocks of rows: the only array of images, or one that is named."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentmap.core.errors import DecodingError
from latentmap.images.array_names import IMAGE_KEYS
from latentmap.images.array_shapes import COLOR_CHANNELS, has_channels_first
from latentmap.images.channel_image import ChannelImage
from latentmap.images.channels import MAX_CHANNELS
from latentmap.images.high_bit_depth import HighBitDepthImage
from latentmap.images.pictures import Picture

MAX_BLOCK_BYTES = 2**26  # that are kept of an array
MAX_LISTED_ARRAYS = 10_000
MAX_NAMED_ARRAYS = 8  # in a message
MAX_IMAGES_PER_BYTE = 16  # stored; black images compress to almost nothing
MIN_CHECKED_IMAGES = 1000


@dataclass
class ArrayStack:
    """An array on disk as a sequence of images.

    Parameters
    ----------
    array : h5py.Dataset or zarr.Array
        Its first axes count the images; the others are height, width and perhaps channels.
    n_leading : int
        Number of the axes that count the images.
    axes : tuple of str
        Names of these axes, which become columns; none for a single axis.
    channel_axis : int, optional
        Axis of the channels among the leading ones, which is moved to the end.
    labels : list, optional
        Label of each image.
    channel_names : tuple of str, default=()
        Names of the channels.
    as_channels : bool, default=False
        Whether a fourth channel is no transparency.
    """

    array: Any
    n_leading: int = 1
    axes: tuple[str, ...] = ()
    channel_axis: int | None = None
    labels: list[Any] | None = None
    channel_names: tuple[str, ...] = ()
    as_channels: bool = False

    def __post_init__(self) -> None:
        shape, kind = self.array.shape, self.array.dtype
        if kind.kind not in "biuf" or kind.itemsize > 8:
            raise DecodingError(f"an array of type {str(kind)[:40]}: images are numbers")
        channels = shape[self.n_leading + 2 :] if self.channel_axis is None else shape[self.channel_axis :][:1]
        if prod(channels) > MAX_CHANNELS:
            raise DecodingError(f"an array of shape {shape}: images of more than {MAX_CHANNELS:,} channels")
        sides = shape[self.n_leading : self.n_leading + 2]
        if 0 in shape or prod(sides) > (Image.MAX_IMAGE_PIXELS or prod(sides)):
            raise DecodingError(f"an array of shape {shape}: its images have no pixels, or too many")
        self._leading = tuple(shape[i] for i in range(self.n_leading) if i != self.channel_axis)
        self._block: tuple[int, NDArray[Any]] | None = None

    def check_storage(self, n_bytes: int) -> None:
        """Refuse an array that states many more images than its bytes can hold."""
        n = prod(self._leading)
        if n > max(MIN_CHECKED_IMAGES, MAX_IMAGES_PER_BYTE * n_bytes):
            raise DecodingError(f"an array that states {n:,} images in {n_bytes:,} bytes")

    def close(self) -> None:
        """Forget the block that is kept."""
        self._block = None

    def count(self, _: bool) -> int:
        """Count the images."""
        return prod(self._leading)

    def columns(self) -> dict[str, list[Any]]:
        """The labels, and the position of each image on the named axes."""
        found: dict[str, list[Any]] = {} if self.labels is None else {"label": self.labels}
        positions = np.unravel_index(np.arange(prod(self._leading)), self._leading) if self.axes else ()
        return found | {name: values.tolist() for name, values in zip(self.axes, positions, strict=True)}

    def picture(self, number: int | None) -> Picture:
        """Read an image."""
        values = self._read(number or 0)
        if values.ndim == 3 and values.shape[2] == 1:
            values = values[..., 0]
        if values.dtype == np.bool_:
            values = values.astype(np.uint8) * np.uint8(255)
        values = np.ascontiguousarray(values)
        if values.dtype == np.float16:
            values = values.astype(np.float32)
        if values.ndim == 3 and (values.shape[2] not in COLOR_CHANNELS or (values.shape[2] == 4 and self.as_channels)):
            return Picture(ChannelImage(values, self.channel_names), 1)
        if values.dtype == np.uint8:
            return Picture(Image.fromarray(values), 1)
        if values.ndim == 3 and values.shape[2] == 4:
            largest = 1 if values.dtype.kind == "f" else np.iinfo(values.dtype).max
            alpha = np.rint(values[..., 3] * (255 / largest)).clip(0, 255).astype(np.uint8)
            return Picture(HighBitDepthImage(values[..., :3], alpha), 1)
        return Picture(HighBitDepthImage(values), 1)

    def _read(self, number: int) -> NDArray[Any]:
        position = tuple(int(i) for i in np.unravel_index(number, self._leading))
        if self.channel_axis is not None:
            at: list[Any] = list(position)
            at.insert(self.channel_axis, slice(None))
            return np.moveaxis(np.asarray(self.array[tuple(at)]), 0, -1)
        if self.n_leading > 1:
            return np.asarray(self.array[position])
        n_rows = self._block_rows()
        begin = number // n_rows * n_rows
        if self._block is None or self._block[0] != begin:
            self._block = (begin, np.asarray(self.array[begin : begin + n_rows]))
        image: NDArray[Any] = self._block[1][number - begin]
        return image

    def _block_rows(self) -> int:
        """Images that are read at once: those of a chunk."""
        chunks = getattr(self.array, "chunks", None)
        row_bytes = prod(self.array.shape[1:]) * self.array.dtype.itemsize
        return int(max(1, min(chunks[0] if chunks else 1, MAX_BLOCK_BYTES // max(1, row_bytes))))


def choose_array(arrays: Mapping[str, Any], wanted: str | None) -> str:
    """Choose the array of the images.

    Parameters
    ----------
    arrays : mapping of str to h5py.Dataset or zarr.Array
        All arrays of a file by name.
    wanted : str or None
        Name that the user gave.

    Returns
    -------
    str
        The array of that name, or that called images, x, X, x_train or arr_0, or the only one of images.

    Raises
    ------
    DecodingError
        If there is none, or several.
    """
    if wanted is not None:
        name = wanted.strip("/")
        if name not in arrays:
            raise DecodingError(f"no array {name[:80]!r}; arrays: {_names(list(arrays))}")
        if not is_stack(arrays[name].shape):
            raise DecodingError(f"{name[:80]}: an array of shape {arrays[name].shape}, not one of images")
        return name
    found = [name for name, array in arrays.items() if is_stack(array.shape)]
    if len(found) > 1:  # other arrays of four dimensions are less likely images
        found = [name for name in found if arrays[name].shape[3:] in ((), (1,), (3,), (4,))] or found
    named = [name for name in found if name in IMAGE_KEYS]
    if len(found) != 1 and not named:
        kind = "several arrays of images" if found else "no array of images among these arrays"
        raise DecodingError(f"{kind}: {_names(found or list(arrays))}; name one after a colon, as in file:name")
    return min(named, key=IMAGE_KEYS.index) if named else found[0]


def is_stack(shape: tuple[int, ...]) -> bool:
    """Whether an array of a shape is one of images: (n, height, width), or with channels at the end or before them."""
    return len(shape) == 3 or (len(shape) == 4 and min(shape[1], shape[3]) <= MAX_CHANNELS)


def stack_of(array: Any, labels: list[Any] | None = None, *, as_channels: bool = False) -> ArrayStack:
    """Make a stack of an array whose first axis counts the images.

    Parameters
    ----------
    array : h5py.Dataset or zarr.Array
        (n, height, width), (n, height, width, channels), or (n, channels, height, width) if there are at most 16
        channels and fewer than rows and columns.
    labels : list, optional
        Label of each image.
    as_channels : bool, default=False
        Whether a fourth channel is no transparency.

    Returns
    -------
    ArrayStack

    Raises
    ------
    DecodingError
        If it is of another type or shape.
    """
    shape = array.shape
    if len(shape) != 4 or shape[3] in COLOR_CHANNELS or not has_channels_first(shape[1:]):
        return ArrayStack(array, labels=labels, as_channels=as_channels)
    return ArrayStack(array, 2, channel_axis=1, labels=labels, as_channels=as_channels)


def _names(names: list[str]) -> str:
    shown = ", ".join(name[:80] for name in names[:MAX_NAMED_ARRAYS]) or "none"
    return shown + (f" and {len(names) - MAX_NAMED_ARRAYS} more" if len(names) > MAX_NAMED_ARRAYS else "")
