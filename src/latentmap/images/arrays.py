"""Arrays as collections of images: checks of their shape and type, and conversion to 8 or 16 bits."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from latentmap.core.errors import SourceError
from latentmap.core.mapped_arrays import blocks
from latentmap.core.progress import counted
from latentmap.images.array_shapes import COLOR_CHANNELS, has_channels_first
from latentmap.images.channels import MAX_CHANNELS, Channel, ChannelOptions, joined_ranges, robust_ranges, to_channels
from latentmap.images.collection import ImageCollection
from latentmap.images.column_types import digest_column
from latentmap.images.pixel_types import choose_bits, has_more_than_8_bits, pixel_dtype
from latentmap.images.value_range import Range, max_of_bit_depth, to_8_bits, union_range, value_range

# Values that are converted to 8 bits in one step, which bounds the memory of their float64 copies.
N_VALUES_SCALED_AT_ONCE = 2**22
N_RANGE_IMAGES = 1000  # from which the ranges of channels are chosen


@dataclass(frozen=True)
class ArrayScaling:
    """Conversion of arrays to the pixels of a collection.

    Parameters
    ----------
    limits : (float, float), optional
        Values that become 0 and 255: the ``value_range`` of a collection that the images are added to. By default
        floats in [0, 1] are multiplied by 255, and any other range is scaled to 0–255.
    max_bytes : int, optional
        Maximum size of the converted images, in bytes.
    joins_8_bits : bool, default=False
        Whether the images are added to images that had 8 bits from the start. Values from 0 to 255 are then kept,
        except floats in [0, 1].
    channels : ChannelOptions
        Channels that are taken, their names and ranges.
    joined_channels : tuple of Channel, default=()
        The channels of a collection that the images are added to.
    are_cut : bool, default=False
        Whether the images are to be cut, so that arrays are listed as images to decode.
    bits : {8, 16}, optional
        Bits per pixel of channels: those of a collection that the images are added to. By default 16 if the values have
        more than 8.
    """

    limits: Range | None = None
    max_bytes: int | None = None
    joins_8_bits: bool = False
    channels: ChannelOptions = field(default_factory=ChannelOptions)
    joined_channels: tuple[Channel, ...] = ()
    are_cut: bool = False
    bits: int | None = None

    @property
    def as_channels(self) -> bool:
        """Whether grey, colours and transparency are channels like any others."""
        return self.channels.is_given or bool(self.joined_channels)


DEFAULT_SCALING = ArrayScaling()


def collection_from_array(images: NDArray[Any], name: str, scaling: ArrayScaling = DEFAULT_SCALING) -> ImageCollection:
    """Make a collection of an array of images.

    Parameters
    ----------
    images : array of shape (n, height, width) or (n, height, width, channels)
        Values of bool, integer or float type. Of 1, 3 or 4 channels, uint8 is kept, bool becomes 0 and 255, all other
        types are scaled, and a fourth channel is transparency over white. With any other number of channels, or if
        channels are requested, each is scaled by its own range, to uint16 if the values have more than 8 bits. Masked
        values become black.
    name : str
        Name of the collection.
    scaling : ArrayScaling
        Range of the values, and the maximum size.

    Returns
    -------
    ImageCollection

    Raises
    ------
    SourceError
        If the array has another shape or type, contains NaN, or is too large.
    """
    shape = images.shape
    if len(shape) not in (3, 4):
        raise SourceError(
            f"{name}: an array of shape {shape}: images are (n, height, width) or (n, height, width, channels)"
        )
    if 0 in shape:
        raise SourceError(f"{name}: no images in an array of shape {shape}")
    if images.dtype.kind not in "bfiu":
        raise SourceError(f"{name}: pixels of type {images.dtype}: pass uint8, another integer type, or floats")
    are_channels = scaling.as_channels or (len(shape) == 4 and shape[3] not in COLOR_CHANNELS)
    bits = (scaling.bits or choose_bits([has_more_than_8_bits(images.dtype)])) if are_channels else 8
    check_size(shape, name, scaling.max_bytes, bits)
    if are_channels:
        return _collection_of_channels(images if images.ndim == 4 else images[..., None], name, scaling, bits)
    if len(shape) == 4 and shape[3] == 1:
        images = images[..., 0]
    if images.dtype == np.uint8 and not np.ma.isMaskedArray(images) and images.shape[3:] != (4,):
        return ImageCollection.of(np.asarray(images, order="C"), name)
    used = _choose_range(images, scaling)
    if images.dtype.kind == "f":
        _check_finite(images, name)
    pixels = _convert(images, used)
    found = ImageCollection.of(pixels, name)
    found = replace(found, table=found.table.append_column("sha256", _digest_images(images)))
    if images.dtype in (np.uint8, np.bool_):
        return found
    return replace(found, value_range=used, is_clipped=None if scaling.limits is None else _is_clipped(images, used))


def _collection_of_channels(images: NDArray[Any], name: str, scaling: ArrayScaling, bits: int) -> ImageCollection:
    """Make a collection of an array (n, h, w, c), each channel of which is scaled by its own range."""
    if images.shape[3] > MAX_CHANNELS or (not scaling.channels.is_given and has_channels_first(images.shape[1:])):
        raise SourceError(
            f"{name}: an array of shape {images.shape}: images are (n, height, width, channels): move the channels "
            "with np.moveaxis(images, 1, -1) if they come first, or pass channels if they are last"
        )
    if images.dtype.kind == "f":
        _check_finite(images, name)
    channels = scaling.joined_channels or _choose_channels(images, scaling.channels)
    largest = max(one.number for one in channels)
    if largest >= images.shape[3]:
        raise SourceError(f"{name}: images of {images.shape[3]} channels, and channel {largest} is asked for")
    pixels = np.empty((*images.shape[:3], len(channels)), pixel_dtype(bits))
    begin = 0
    for part in _blocks_of(images):
        masked = np.ma.getmaskarray(part) if isinstance(part, np.ma.MaskedArray) else None
        own = pixels[begin : begin + len(part)]
        own[:] = to_channels(_numbers(part), channels, bits)
        if masked is not None:
            own[masked[..., [one.number for one in channels]]] = 0
        begin += len(part)
    found = ImageCollection.of(pixels[..., 0] if len(channels) == 1 else pixels, name)
    table = found.table.append_column("sha256", _digest_images(images))
    return replace(found, table=table, channels=channels)


def _choose_channels(images: NDArray[Any], options: ChannelOptions) -> tuple[Channel, ...]:
    """The channels that are asked for, and the range of each by an even sample of the images."""
    some = images[:: -(-len(images) // N_RANGE_IMAGES)]
    known = [] if options.ranges is not None else [robust_ranges(_numbers(image)) for image in some]
    ranges = joined_ranges(known) if known else ((0.0, 1.0),) * images.shape[3]
    return options.choose(images.shape[3], (), ranges)


def _numbers(values: NDArray[Any]) -> NDArray[Any]:
    """Values without their mask, and bool as 0 and 1."""
    plain: NDArray[Any] = np.ma.getdata(values)
    return plain.view(np.uint8) if plain.dtype == np.bool_ else plain


def check_size(shape: tuple[int, ...], name: str, max_bytes: int | None, bits: int = 8) -> None:
    """Check the size of an array of images as they are kept.

    Parameters
    ----------
    shape : tuple of int
    name : str
        Name of the array in the message.
    max_bytes : int or None
        Maximum size, in bytes. None for no limit.
    bits : {8, 16}, default=8
        Bits per pixel.

    Raises
    ------
    SourceError
        If the images are larger.
    """
    needed = prod(shape[:3]) * (3 if shape[3:] in ((3,), (4,)) else prod(shape[3:])) * bits // 8
    if max_bytes is not None and needed > max_bytes:
        raise SourceError(
            f"{name}: {shape[0]:,} images of {' × '.join(map(str, shape[1:]))} take {needed / 1e9:.2f} GB decoded, "
            f"the limit is {max_bytes / 1e9:g} GB: raise it, or pass fewer or smaller images"
        )


def _blocks_of(images: NDArray[Any]) -> Iterator[NDArray[Any]]:
    step = max(1, N_VALUES_SCALED_AT_ONCE // prod(images.shape[1:]))
    for block in blocks(images):
        for begin in range(0, len(block), step):
            yield block[begin : begin + step]


def _colors(part: NDArray[Any]) -> NDArray[Any]:
    """All channels except alpha."""
    return part[..., :3] if part.shape[3:] == (4,) else part


def _unmasked_values(values: NDArray[Any]) -> NDArray[Any]:
    """All values that are not masked, in one dimension."""
    return values.compressed() if isinstance(values, np.ma.MaskedArray) else values.reshape(-1)


def _choose_range(images: NDArray[Any], scaling: ArrayScaling) -> Range:
    """The values that become 0 and 255."""
    if scaling.limits is not None and images.dtype.kind in "fiu":
        return scaling.limits
    used = _used_range(images)
    is_fraction = images.dtype.kind == "f" and used[1] <= 1
    stays = scaling.joins_8_bits and images.dtype.kind in "fiu" and used[0] >= 0 and used[1] <= 255
    return (0, 255) if stays and not is_fraction else used


def _used_range(images: NDArray[Any]) -> Range:
    """The range of all visible colours; the full range of uint8, of bool, and of floats within [0, 1]."""
    if images.dtype == np.uint8:
        return 0, 255
    if images.dtype == np.bool_:
        return 0, 1
    found = union_range([value_range(_unmasked_values(_colors(part))) for part in _blocks_of(images)]) or (0.0, 0.0)
    return (0.0, 1.0) if images.dtype.kind == "f" and found[0] >= 0 and found[1] <= 1 else found


def _check_finite(images: NDArray[Any], name: str) -> None:
    bad, first, begin = 0, -1, 0
    for part in _blocks_of(images):
        finite = np.isfinite(part)
        is_finite = (finite.filled(True) if isinstance(finite, np.ma.MaskedArray) else finite).reshape(len(part), -1)
        rows = np.flatnonzero(~is_finite.all(axis=1))
        first = begin + int(rows[0]) if len(rows) and first < 0 else first
        bad, begin = bad + len(rows), begin + len(part)
    if bad:
        raise SourceError(
            f"{name}: NaN or infinite pixels in {counted(bad, 'image')}, the first is number {first}: "
            "replace them (np.nan_to_num), mask them (np.ma.masked_invalid) or remove these images"
        )


def _convert(images: NDArray[Any], limits: Range) -> NDArray[np.uint8]:
    opaque = _opaque_value(images)
    pixels = np.empty(images.shape[:3] if images.ndim == 3 else (*images.shape[:3], 3), np.uint8)
    begin = 0
    for part in _blocks_of(images):
        values = np.ma.getdata(part)
        masked = np.ma.getmaskarray(part) if isinstance(part, np.ma.MaskedArray) else None
        values = values.view(np.uint8) if values.dtype == np.bool_ else values
        colors = to_8_bits(_colors(values), limits)
        if masked is not None:
            colors[_colors(masked)] = 0
        if opaque is not None:
            alpha = to_8_bits(values[..., 3], (0, opaque))
            if masked is not None:
                alpha[masked[..., 3]] = 255
            colors = _composite_on_white(colors, alpha[..., None])
        pixels[begin : begin + len(part)] = colors
        begin += len(part)
    return pixels


def _is_clipped(images: NDArray[Any], limits: Range) -> NDArray[np.bool_]:
    """Which images have visible colours outside the limits: (n,)."""
    found = [_is_outside(_colors(part), limits).reshape(len(part), -1).any(axis=1) for part in _blocks_of(images)]
    return np.concatenate(found)


def _is_outside(values: NDArray[Any], limits: Range) -> NDArray[np.bool_]:
    outside = (values < limits[0]) | (values > limits[1])
    return np.asarray(np.ma.filled(outside, False))


def _opaque_value(images: NDArray[Any]) -> float | None:
    """The value of the alpha channel that means opaque; None without an alpha channel."""
    if images.shape[3:] != (4,):
        return None
    if images.dtype == np.uint8:
        return 255
    largest = union_range(
        [value_range(_unmasked_values(part[..., 3]).astype(np.float64)) for part in _blocks_of(images)]
    )
    return 1 if largest is None or largest[1] <= 1 else max_of_bit_depth(largest[1])


def _composite_on_white(colors: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    weight = alpha.astype(np.uint16)
    return ((colors * weight + 255 * (255 - weight) + 127) // 255).astype(np.uint8)


def _digest_images(images: NDArray[Any]) -> pa.Array:
    """SHA-256 of the original values of each image, independent of their byte order."""
    little = images.dtype.newbyteorder("<")
    digests = bytearray()
    for part in _blocks_of(images):
        for image in part:
            digest = hashlib.sha256(f"{images.dtype.name} {image.shape}".encode())
            digest.update(np.asarray(np.ma.filled(image, 0), little).tobytes())
            if isinstance(image, np.ma.MaskedArray):
                digest.update(np.packbits(np.ma.getmaskarray(image)).data)
            digests += digest.digest()
    return digest_column(digests)
