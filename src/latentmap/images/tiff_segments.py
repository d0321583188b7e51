"""Strips and tiles of a TIFF page: their decompression, and the samples in them."""

import io
import struct
import zlib
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import TiffImagePlugin

from latentmap.core.errors import DecodingError
from latentmap.images.tiff_directories import (
    BITS_PER_SAMPLE,
    COMPRESSION,
    FILL_ORDER,
    IMAGE_LENGTH,
    IMAGE_WIDTH,
    PHOTOMETRIC_INTERPRETATION,
    ROWS_PER_STRIP,
    SAMPLES_PER_PIXEL,
    STRIP_BYTE_COUNTS,
    STRIP_OFFSETS,
)
from latentmap.images.tiff_layout import PageLayout
from latentmap.images.tiff_samples import decode_samples

NO_COMPRESSION, DEFLATE_CODES = 1, (8, 32946)
# Compressions of bytes, which Pillow decompresses for samples of any type.
PILLOW_COMPRESSIONS = {5: "LZW", 34925: "LZMA", 32773: "PackBits", 50000: "Zstandard"}
READ_COMPRESSIONS = {NO_COMPRESSION, *DEFLATE_CODES, *PILLOW_COMPRESSIONS}
COMPRESSION_NAMES = PILLOW_COMPRESSIONS | {
    6: "old-style JPEG",
    7: "JPEG",
    34712: "JPEG 2000",
    34887: "LERC",
    50001: "WebP",
    50002: "JPEG XL",
}
MAX_PILLOW_BYTES = 2**26  # that Pillow decompresses in one step


def read_samples(file: IO[bytes], layout: PageLayout, first: int = 0, end: int | None = None) -> NDArray[Any]:
    """Read the samples of a page, or of some of its rows of strips or tiles.

    Parameters
    ----------
    file : file object
    layout : PageLayout
    first, end : int, optional
        Rows of segments that are read, from ``first`` to before ``end``. All by default.

    Returns
    -------
    ndarray (height, width, n_samples)
        Without the rows of pixels of other segments.

    Raises
    ------
    OSError
        If the file is damaged, or its samples have a type that is not read.
    """
    end = layout.n_down if end is None else end
    begin = first * layout.segment_length
    height = min(end * layout.segment_length, layout.height) - begin
    samples: NDArray[Any] | None = None
    for plane in range(layout.n_planes):
        numbers = layout.segments_of_rows(plane, first, end)
        for number, raw in zip(numbers, _iterate_segments(file, layout, numbers), strict=True):
            down, across = divmod(number - numbers.start, layout.n_across)
            top, left = down * layout.segment_length, across * layout.segment_width
            values = decode_samples(raw, layout)  # (rows, segment_width, n_interleaved)
            if samples is None:
                samples = np.empty((height, layout.width, layout.n_samples), values.dtype)
            rows, columns = min(len(values), height - top), min(layout.segment_width, layout.width - left)
            channels = slice(plane, plane + 1) if layout.is_planar else slice(None)
            samples[top : top + rows, left : left + columns, channels] = values[:rows, :columns]
    assert samples is not None
    return samples


def _iterate_segments(file: IO[bytes], layout: PageLayout, numbers: range) -> Iterator[NDArray[np.uint8]]:
    """Yield decompressed segments of one plane: (rows, row_bytes), uint8."""
    compression = layout.page.integer(COMPRESSION, NO_COMPRESSION)
    if compression in PILLOW_COMPRESSIONS:
        step = max(1, MAX_PILLOW_BYTES // (layout.segment_length * layout.row_bytes))
        for begin in range(numbers.start, numbers.stop, step):
            yield from _decompress_with_pillow(file, layout, range(begin, min(begin + step, numbers.stop)), compression)
        return
    for number in numbers:
        rows = layout.n_rows(number)
        wanted = rows * layout.row_bytes
        if layout.is_sparse(number):
            yield np.zeros((rows, layout.row_bytes), np.uint8)
            continue
        data = _read_segment(file, layout, number, wanted, compression != NO_COMPRESSION)
        if compression in DEFLATE_CODES:
            data = zlib.decompressobj().decompress(data, wanted)
        if len(data) < wanted:
            raise truncated_error(len(data), wanted)
        yield np.frombuffer(data, np.uint8, wanted).reshape(rows, layout.row_bytes)


def truncated_error(n_bytes: int, wanted: int) -> DecodingError:
    """The error of a strip or tile that ends too early.

    Parameters
    ----------
    n_bytes, wanted : int
        Bytes that there are, and that are needed.

    Returns
    -------
    DecodingError
    """
    return DecodingError(f"image file is truncated ({n_bytes} of {wanted} bytes of a strip or tile)")


def max_compressed_bytes(layout: PageLayout, number: int) -> int:
    """The most compressed bytes of a segment that are read, whatever the file states.

    Parameters
    ----------
    layout : PageLayout
    number : int
        Number of the segment.

    Returns
    -------
    int
    """
    return 2 * layout.n_rows(number) * layout.row_bytes + 2**16  # compressed data are never much longer


def _read_segment(file: IO[bytes], layout: PageLayout, number: int, wanted: int, is_compressed: bool) -> bytes:
    """Read the compressed bytes of a segment, with the most significant bit first."""
    file.seek(layout.offsets[number])
    limit = max_compressed_bytes(layout, number)
    stated = layout.n_bytes[number] if layout.n_bytes else limit
    data = file.read(min(stated, limit) if is_compressed else wanted)
    if layout.page.integer(FILL_ORDER, 1) == 2:
        data = REVERSED_BITS[np.frombuffer(data, np.uint8)].tobytes()
    return data


def _decompress_with_pillow(
    file: IO[bytes], layout: PageLayout, numbers: range, compression: int
) -> Iterator[NDArray[np.uint8]]:
    """Decompress segments as the strips of one 8-bit grey image, which Pillow reads with libtiff."""
    present = [number for number in numbers if not layout.is_sparse(number)]
    stored = [_read_segment(file, layout, number, layout.n_rows(number) * layout.row_bytes, True) for number in present]
    rows = [layout.n_rows(number) for number in present]
    decompressed = (
        _decompress_strips(stored, compression, layout.segment_length, sum(rows), layout.row_bytes) if present else None
    )
    at = 0
    for number in numbers:
        n_rows = layout.n_rows(number)
        if decompressed is None or layout.is_sparse(number):
            yield np.zeros((n_rows, layout.row_bytes), np.uint8)
            continue
        yield decompressed[at : at + n_rows]
        at += n_rows


# Each byte with its bits in reverse order.
REVERSED_BITS = np.packbits(np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)[:, ::-1], axis=1)[:, 0]


def _decompress_strips(
    strips: list[bytes], compression: int, rows_per_strip: int, rows: int, row_bytes: int
) -> NDArray[np.uint8]:
    """Decompress strips of bytes as those of a grey TIFF image: (rows, row_bytes)."""
    content = b"".join(strips)
    lengths = [len(strip) for strip in strips]
    ends = np.cumsum([8, *lengths])
    tables_at = 8 + len(content) + len(content) % 2
    tables = struct.pack(f"<{len(strips)}I", *ends[:-1]) + struct.pack(f"<{len(strips)}I", *lengths)
    several = len(strips) > 1
    tags = {
        IMAGE_WIDTH: row_bytes,
        IMAGE_LENGTH: rows,
        BITS_PER_SAMPLE: 8,
        COMPRESSION: compression,
        PHOTOMETRIC_INTERPRETATION: 1,
    }
    tags |= {STRIP_OFFSETS: tables_at if several else 8, SAMPLES_PER_PIXEL: 1, ROWS_PER_STRIP: rows_per_strip}
    tags |= {STRIP_BYTE_COUNTS: tables_at + 4 * len(strips) if several else len(content)}
    entries = b"".join(
        struct.pack("<HHII", tag, 4, len(strips) if tag in (STRIP_OFFSETS, STRIP_BYTE_COUNTS) else 1, value)
        for tag, value in sorted(tags.items())
    )
    head = struct.pack("<2sHI", b"II", 42, tables_at + len(tables))
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    data = head + content + bytes(len(content) % 2) + tables + directory
    try:
        # not Image.open, whose limit of pixels does not apply to bytes
        with TiffImagePlugin.TiffImageFile(io.BytesIO(data)) as image:
            return np.array(image)
    except OSError as error:
        raise DecodingError(f"damaged: strips or tiles are not {PILLOW_COMPRESSIONS[compression]} ({error})") from error
