"""Strips and tiles of a TIFF page: where they are, and their bytes without compression."""

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, prod
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from latentmap.core.errors import DecodingError
from latentmap.images.tiff_samples import values_of
from latentmap.images.tiff_tags import (
    BITS,
    COMPRESSION,
    FILL_ORDER,
    HEIGHT,
    PHOTOMETRIC,
    PLANAR,
    ROWS_PER_STRIP,
    SAMPLE_FORMAT,
    SAMPLES,
    STRIP_BYTES,
    STRIP_OFFSETS,
    TILE_BYTES,
    TILE_HEIGHT,
    TILE_OFFSETS,
    TILE_WIDTH,
    UNSIGNED,
    WIDTH,
    Page,
)

NOT_COMPRESSED, DEFLATE = 1, (8, 32946)
# They know bytes only, so that Pillow can undo them for any values.
BY_PILLOW = {5: "LZW", 34925: "LZMA", 32773: "PackBits", 50000: "Zstandard"}
READABLE = {NOT_COMPRESSED, *DEFLATE, *BY_PILLOW}
NAMES = BY_PILLOW | {6: "old-style JPEG", 7: "JPEG", 34712: "JPEG 2000", 34887: "LERC", 50001: "WebP", 50002: "JPEG XL"}
BYTES_AT_ONCE = 2**26  # that are left to Pillow


@dataclass(frozen=True)
class Layout:
    """How the values of a page lie in the file."""

    page: Page
    width: int
    height: int
    n_samples: int
    bits: int
    format: int
    is_planar: bool
    chunk_width: int
    chunk_height: int
    offsets: list[int]
    n_bytes: list[int]

    @classmethod
    def of(cls, page: Page) -> "Layout":
        width, height, n_samples = page.number(WIDTH, 0), page.number(HEIGHT, 0), page.number(SAMPLES, 1)
        bits, formats = set(page.tags.get(BITS, (1,))), set(page.tags.get(SAMPLE_FORMAT, (UNSIGNED,)))
        if width < 1 or height < 1 or not 1 <= n_samples <= 256:
            raise DecodingError(f"damaged: {width} × {height} pixels of {n_samples} values")
        if width * height > (Image.MAX_IMAGE_PIXELS or width * height):
            raise Image.DecompressionBombError
        if len(bits) > 1 or len(formats) > 1:
            raise DecodingError(
                f"values of several kinds in one TIFF page (bits {sorted(bits)}, formats {sorted(formats)})"
            )
        is_tiled = TILE_OFFSETS in page.tags
        offsets = page.tags.get(TILE_OFFSETS if is_tiled else STRIP_OFFSETS, [])
        n_bytes = page.tags.get(TILE_BYTES if is_tiled else STRIP_BYTES, [])
        chunk = (
            (page.number(TILE_WIDTH, 0), page.number(TILE_HEIGHT, 0))
            if is_tiled
            else (width, min(height, page.number(ROWS_PER_STRIP, height)))
        )
        if min(chunk) < 1 or prod(chunk) > 4 * (Image.MAX_IMAGE_PIXELS or prod(chunk)):
            raise DecodingError(f"damaged: strips or tiles of {chunk[0]} × {chunk[1]} pixels")
        is_planar = page.number(PLANAR, 1) == 2 and n_samples > 1
        made = cls(page, width, height, n_samples, bits.pop(), formats.pop(), is_planar, *chunk, offsets, n_bytes)
        if len(offsets) < made.n_chunks or 0 < len(n_bytes) < made.n_chunks:
            raise DecodingError(f"damaged: {len(offsets)} of {made.n_chunks} strips or tiles")
        return made

    @property
    def across(self) -> int:
        return ceil(self.width / self.chunk_width)

    @property
    def down(self) -> int:
        return ceil(self.height / self.chunk_height)

    @property
    def n_planes(self) -> int:
        return self.n_samples if self.is_planar else 1

    @property
    def n_chunks(self) -> int:
        return self.across * self.down * self.n_planes

    @property
    def per_pixel(self) -> int:
        """Values of a pixel that lie together."""
        return 1 if self.is_planar else self.n_samples

    @property
    def row_bytes(self) -> int:
        return (self.chunk_width * self.per_pixel * self.bits + 7) // 8

    def read(self, file: IO[bytes]) -> NDArray[Any]:
        """All values, (height, width, samples)."""
        found: NDArray[Any] | None = None
        for number, raw in enumerate(self._chunks(file)):
            plane, place = divmod(number, self.across * self.down)
            top, left = (place // self.across) * self.chunk_height, (place % self.across) * self.chunk_width
            values = values_of(raw, self)  # (rows, chunk_width, per_pixel)
            if found is None:
                found = np.empty((self.height, self.width, self.n_samples), values.dtype)
            rows, columns = min(len(values), self.height - top), min(self.chunk_width, self.width - left)
            channels = slice(plane, plane + 1) if self.is_planar else slice(None)
            found[top : top + rows, left : left + columns, channels] = values[:rows, :columns]
        assert found is not None
        return found

    def _rows(self, number: int) -> int:
        """Rows of a chunk; the last strip may be shorter."""
        if self.chunk_width == self.width and TILE_OFFSETS not in self.page.tags:
            place = number % self.down
            return min(self.chunk_height, self.height - place * self.chunk_height)
        return self.chunk_height

    def _chunks(self, file: IO[bytes]) -> Iterator[NDArray[np.uint8]]:
        """Strips or tiles, not compressed any more: (rows, row_bytes)."""
        compression = self.page.number(COMPRESSION, NOT_COMPRESSED)
        if compression in BY_PILLOW:
            per_plane = self.across * self.down
            step = max(1, min(per_plane, BYTES_AT_ONCE // (self.chunk_height * self.row_bytes)))
            for plane in range(self.n_planes):
                for begin in range(plane * per_plane, (plane + 1) * per_plane, step):
                    yield from self._by_pillow(
                        file, range(begin, min(begin + step, (plane + 1) * per_plane)), compression
                    )
            return
        for number in range(self.n_chunks):
            rows = self._rows(number)
            wanted = rows * self.row_bytes
            if self._is_sparse(number):
                yield np.zeros((rows, self.row_bytes), np.uint8)
                continue
            data = self._stored(file, number, wanted, compression != NOT_COMPRESSED)
            if compression in DEFLATE:
                data = zlib.decompressobj().decompress(data, wanted)
            if len(data) < wanted:
                raise DecodingError(f"image file is truncated ({len(data)} of {wanted} bytes of a strip or tile)")
            yield np.frombuffer(data, np.uint8, wanted).reshape(rows, self.row_bytes)

    def _stored(self, file: IO[bytes], number: int, wanted: int, is_compressed: bool) -> bytes:
        """Bytes of a strip or tile as they are in the file, the most significant bit first."""
        file.seek(self.offsets[number])
        most = 2 * wanted + 2**16  # compression makes nothing much longer
        announced = self.n_bytes[number] if self.n_bytes else most
        data = file.read(min(announced, most) if is_compressed else wanted)
        if self.page.number(FILL_ORDER, 1) == 2:
            data = REVERSED[np.frombuffer(data, np.uint8)].tobytes()
        return data

    def _is_sparse(self, number: int) -> bool:
        """Whether a strip or tile is not in the file, as GDAL leaves out those of zeros."""
        return self.offsets[number] == 0 and not any(self.n_bytes[number : number + 1])

    def _by_pillow(self, file: IO[bytes], numbers: range, compression: int) -> Iterator[NDArray[np.uint8]]:
        """Strips or tiles, each as a strip of one grey picture of 8 bits, which Pillow and libtiff read."""
        present = [number for number in numbers if not self._is_sparse(number)]
        stored = [self._stored(file, number, self._rows(number) * self.row_bytes, True) for number in present]
        rows = [self._rows(number) for number in present]
        decoded = _grey_picture(stored, compression, self.chunk_height, sum(rows), self.row_bytes) if present else None
        at = 0
        for number in numbers:
            n_rows = self._rows(number)
            if decoded is None or self._is_sparse(number):
                yield np.zeros((n_rows, self.row_bytes), np.uint8)
                continue
            yield decoded[at : at + n_rows]
            at += n_rows


# Each byte with its bits in the other order.
REVERSED = np.packbits(np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)[:, ::-1], axis=1)[:, 0]


def _grey_picture(
    strips: list[bytes], compression: int, rows_per_strip: int, rows: int, row_bytes: int
) -> NDArray[np.uint8]:
    """Undo a compression of bytes: as those of a grey picture."""
    content = b"".join(strips)
    lengths = [len(strip) for strip in strips]
    ends = np.cumsum([8, *lengths])
    tables_at = 8 + len(content) + len(content) % 2
    tables = struct.pack(f"<{len(strips)}I", *ends[:-1]) + struct.pack(f"<{len(strips)}I", *lengths)
    several = len(strips) > 1
    tags = {WIDTH: row_bytes, HEIGHT: rows, BITS: 8, COMPRESSION: compression, PHOTOMETRIC: 1}
    tags |= {STRIP_OFFSETS: tables_at if several else 8, SAMPLES: 1, ROWS_PER_STRIP: rows_per_strip}
    tags |= {STRIP_BYTES: tables_at + 4 * len(strips) if several else len(content)}
    entries = b"".join(
        struct.pack("<HHII", tag, 4, len(strips) if tag in (STRIP_OFFSETS, STRIP_BYTES) else 1, value)
        for tag, value in sorted(tags.items())
    )
    head = struct.pack("<2sHI", b"II", 42, tables_at + len(tables))
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    made = head + content + bytes(len(content) % 2) + tables + directory
    try:
        # not Image.open, whose limit of pixels would be one of bytes here
        with TiffImagePlugin.TiffImageFile(io.BytesIO(made)) as image:
            return np.array(image)
    except OSError as error:
        raise DecodingError(f"damaged: strips or tiles that are not {BY_PILLOW[compression]} ({error})") from error
