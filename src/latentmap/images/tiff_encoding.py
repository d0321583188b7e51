"""Encoding of an array as an uncompressed TIFF file, so that values of any type reach the decoders unchanged."""

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.images.tiff_directories import (
    BITS_PER_SAMPLE,
    COMPRESSION,
    EXTRA_SAMPLES,
    FLOAT,
    IMAGE_LENGTH,
    IMAGE_WIDTH,
    PHOTOMETRIC_INTERPRETATION,
    ROWS_PER_STRIP,
    SAMPLE_FORMAT,
    SAMPLES_PER_PIXEL,
    SIGNED,
    STRIP_BYTE_COUNTS,
    STRIP_OFFSETS,
    UNSIGNED,
)

BLACK_IS_ZERO, RGB = 1, 2
UNSPECIFIED, UNASSOCIATED_ALPHA = 0, 2  # extra samples
SHORT, LONG = 3, 4  # types of the values of a tag
SAMPLE_FORMATS = {"b": UNSIGNED, "u": UNSIGNED, "i": SIGNED, "f": FLOAT}
MAX_SAMPLE_BYTES = 8
HEADER = struct.Struct("<2sHI")


def encode_tiff(pixels: NDArray[Any], as_channels: bool = False) -> bytes:
    """Encode an image as a TIFF file with one strip.

    Parameters
    ----------
    pixels : ndarray (height, width) or (height, width, channels)
        Values of bool, integer or float type of at most 64 bits. bool becomes 0 and 255. Three channels are colours, of
        four channels the last is transparency, and any other number of channels are no colours.
    as_channels : bool, default=False
        Whether four channels are no colours either.

    Returns
    -------
    bytes

    Examples
    --------
    >>> encode_tiff(np.zeros((2, 2), np.uint16))[:4]
    b'II*\\x00'
    """
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * np.uint8(255)
    data = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).tobytes()
    n_channels = pixels.shape[2] if pixels.ndim == 3 else 1
    are_colors = n_channels == 3 or (n_channels == 4 and not as_channels)
    tags: dict[int, tuple[int, list[int]]] = {
        IMAGE_WIDTH: (LONG, [pixels.shape[1]]),
        IMAGE_LENGTH: (LONG, [pixels.shape[0]]),
        BITS_PER_SAMPLE: (SHORT, [8 * pixels.dtype.itemsize] * n_channels),
        COMPRESSION: (SHORT, [1]),
        PHOTOMETRIC_INTERPRETATION: (SHORT, [RGB if are_colors else BLACK_IS_ZERO]),
        STRIP_OFFSETS: (LONG, [HEADER.size]),
        SAMPLES_PER_PIXEL: (SHORT, [n_channels]),
        ROWS_PER_STRIP: (LONG, [pixels.shape[0]]),
        STRIP_BYTE_COUNTS: (LONG, [len(data)]),
        SAMPLE_FORMAT: (SHORT, [SAMPLE_FORMATS[pixels.dtype.kind]] * n_channels),
    }
    if n_channels > (3 if are_colors else 1):
        tags[EXTRA_SAMPLES] = (SHORT, [UNASSOCIATED_ALPHA] if are_colors else [UNSPECIFIED] * (n_channels - 1))
    data += b"\0" * (len(data) % 2)  # the directory begins at an even position
    directory = HEADER.size + len(data)
    return HEADER.pack(b"II", 42, directory) + data + _encode_directory(tags, directory)


def _encode_directory(tags: dict[int, tuple[int, list[int]]], position: int) -> bytes:
    """The directory of a page, followed by the values that do not fit into it."""
    entries, values = b"", b""
    end = position + 2 + 12 * len(tags) + 4
    for tag in sorted(tags):
        kind, numbers = tags[tag]
        packed = struct.pack(f"<{len(numbers)}{'H' if kind == SHORT else 'I'}", *numbers)
        if len(packed) > 4:
            offset = end + len(values)
            values += packed + b"\0" * (len(packed) % 2)
            packed = struct.pack("<I", offset)
        entries += struct.pack("<HHI", tag, kind, len(numbers)) + packed.ljust(4, b"\0")
    return struct.pack("<H", len(tags)) + entries + b"\0" * 4 + values
