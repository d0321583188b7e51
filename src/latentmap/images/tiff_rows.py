"""Rows of a TIFF page, which are read without the rest of the page, so that large pages take little memory."""

from math import ceil
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from latentmap.images.decompression import DecompressedStream, zlib_decompressor
from latentmap.images.tiff_directories import COMPRESSION, FILL_ORDER, TILE_OFFSETS
from latentmap.images.tiff_layout import PageLayout
from latentmap.images.tiff_samples import check_samples, decode_samples
from latentmap.images.tiff_segments import (
    DEFLATE_CODES,
    NO_COMPRESSION,
    READ_COMPRESSIONS,
    REVERSED_BITS,
    max_compressed_bytes,
    read_samples,
    truncated_error,
)

# Of the decompressed strips or tiles beside each other. Larger ones are not decompressed as a whole.
MAX_ROW_OF_SEGMENTS_BYTES = 2**25
# Of the parts that larger strips are read in where nothing is compressed.
SHORT_STRIP_BYTES = 2**21


class SampleRows(Protocol):
    """Samples of a page, by rows."""

    layout: PageLayout

    def read(self, top: int, bottom: int, /) -> NDArray[Any]:
        """Read rows from ``top`` on, at least to before ``bottom``: (rows, width, n_samples)."""


def open_rows(file: IO[bytes], layout: PageLayout) -> SampleRows | None:
    """Open a page to read some of its rows.

    Parameters
    ----------
    file : file object
    layout : PageLayout

    Returns
    -------
    SegmentRows, DeflatedRows or None
        None if the page can only be read as a whole.

    Raises
    ------
    UnreadTiffError
        If its samples have a type that is not read.
    """
    compression = layout.page.integer(COMPRESSION, NO_COMPRESSION)
    if compression not in READ_COMPRESSIONS:
        return None
    check_samples(layout)
    if layout.row_of_segments_bytes <= MAX_ROW_OF_SEGMENTS_BYTES:
        return SegmentRows(file, layout)
    if compression == NO_COMPRESSION and TILE_OFFSETS not in layout.page.tags:
        rows = max(1, SHORT_STRIP_BYTES * layout.segment_length // layout.row_of_segments_bytes)
        return SegmentRows(file, layout.with_shorter_strips(rows))
    return DeflatedRows(file, layout) if compression in DEFLATE_CODES else None


class SegmentRows:
    """Rows of a page whose strips or tiles are small.

    Parameters
    ----------
    file : file object
    layout : PageLayout
    """

    def __init__(self, file: IO[bytes], layout: PageLayout) -> None:
        self._file, self.layout = file, layout

    def read(self, top: int, bottom: int) -> NDArray[Any]:
        """Read rows, to the end of a row of segments, so that these are decompressed once."""
        length = self.layout.segment_length
        first = top // length
        return read_samples(self._file, self.layout, first, ceil(bottom / length))[top - first * length :]


class DeflatedRows:
    """Rows of a page with large deflated strips or tiles, which are decompressed from the top to the bottom.

    Parameters
    ----------
    file : file object
    layout : PageLayout
    """

    def __init__(self, file: IO[bytes], layout: PageLayout) -> None:
        self._file, self.layout = file, layout
        self._at = 0  # the row that is read next
        self._streams: list[_Stream] = []  # those of the current row of segments, plane by plane

    def read(self, top: int, bottom: int) -> NDArray[Any]:
        """Read rows. Rows before the last ones that were read are decompressed from the beginning of their segment."""
        if top < self._at or top // self.layout.segment_length > self._at // self.layout.segment_length:
            self._at, self._streams = top // self.layout.segment_length * self.layout.segment_length, []
        step = max(1, MAX_ROW_OF_SEGMENTS_BYTES * self.layout.segment_length // self.layout.row_of_segments_bytes)
        while self._at < top:
            self._read_rows(min(step, top - self._at))
        found = []
        while self._at < bottom:
            rows_left = self.layout.segment_length - self._at % self.layout.segment_length
            found.append(self._read_rows(min(rows_left, bottom - self._at)))
        return np.concatenate(found) if len(found) > 1 else found[0]

    def _read_rows(self, rows: int) -> NDArray[Any]:
        """The next rows, which lie in one row of segments."""
        layout = self.layout
        if self._at % layout.segment_length == 0:
            down = self._at // layout.segment_length
            numbers = [layout.segments_of_rows(plane, down, down + 1) for plane in range(layout.n_planes)]
            self._streams = [_Stream(self._file, layout, number) for own in numbers for number in own]
        parts = [decode_samples(stream.read(rows), layout) for stream in self._streams]
        across = layout.n_across
        planes = [np.concatenate(parts[k : k + across], axis=1) for k in range(0, len(parts), across)]
        self._at += rows
        return np.concatenate(planes, axis=2)[:, : layout.width]


class _Stream:
    """The decompressed rows of one segment."""

    def __init__(self, file: IO[bytes], layout: PageLayout, number: int) -> None:
        self._file, self._layout, self._number = file, layout, number
        self._at = layout.offsets[number]
        limit = max_compressed_bytes(layout, number)
        self._end = self._at + min(layout.n_bytes[number] if layout.n_bytes else limit, limit)
        self._data = DecompressedStream(
            self._read_compressed, zlib_decompressor, layout.n_rows(number) * layout.row_bytes
        )

    def read(self, rows: int) -> NDArray[np.uint8]:
        wanted = rows * self._layout.row_bytes
        if self._layout.is_sparse(self._number):
            return np.zeros((rows, self._layout.row_bytes), np.uint8)
        try:
            data = self._data.read(wanted)
        except EOFError as error:
            raise truncated_error(0, wanted) from error
        if len(data) < wanted:
            raise truncated_error(len(data), wanted)
        return np.frombuffer(data, np.uint8).reshape(rows, self._layout.row_bytes)

    def _read_compressed(self, n: int) -> bytes:
        self._file.seek(self._at)
        data = self._file.read(min(n, self._end - self._at))
        self._at += len(data)
        if self._layout.page.integer(FILL_ORDER, 1) == 2:
            return REVERSED_BITS[np.frombuffer(data, np.uint8)].tobytes()
        return data
