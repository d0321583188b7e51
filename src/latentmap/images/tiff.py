"""TIFF: which pages are images of their own, and values that Pillow does not read as the file means them."""

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

from latentmap.images.deep import Deep

STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# Types of tags → their format for struct.
TYPES = {1: "B", 2: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I", 16: "Q", 17: "q"}
MAX_ENTRIES = 2**12  # of a directory; more are taken for damage
WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 256, 257, 258, 259, 262, 266
STRIP_OFFSETS, SAMPLES, ROWS_PER_STRIP, STRIP_BYTES, PLANAR, PREDICTOR = 273, 277, 278, 279, 284, 317
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES = 322, 323, 324, 325
SUBFILE, OLD_SUBFILE, ORIENTATION, EXTRA_SAMPLES, SAMPLE_FORMAT, NO_DATA = 254, 255, 274, 338, 339, 42113
REDUCED, MASK = 1, 4  # bits of SUBFILE
UNSIGNED, SIGNED, FLOAT, VOID = 1, 2, 3, 4  # SAMPLE_FORMAT
NOT_COMPRESSED, DEFLATE = 1, (8, 32946)
# LZW, LZMA, PackBits, Zstandard: they know bytes only, so that Pillow can undo them for any values.
BY_PILLOW = {5: "LZW", 34925: "LZMA", 32773: "PackBits", 50000: "Zstandard"}
VALUES_AT_ONCE = 2**22
READ_HERE = (0, 1, 2)  # PHOTOMETRIC: white is zero, black is zero, RGB


@dataclass(frozen=True)
class Page:
    """A directory of a TIFF: where it is, and its tags."""

    offset: int
    tags: dict[int, Any]
    order: str

    def number(self, tag: int, default: int) -> int:
        """The first value of a tag."""
        values = self.tags.get(tag)
        return default if not values else int(values[0])

    @property
    def is_deep(self) -> bool:
        """Whether Pillow would cut its values, or forget their sign."""
        if self.number(PHOTOMETRIC, 0) not in READ_HERE:
            return False
        bits, formats = self.tags.get(BITS) or (1,), self.tags.get(SAMPLE_FORMAT) or (UNSIGNED,)
        return max(bits) > 8 or (max(bits) == 8 and max(formats) != UNSIGNED)


class TiffFile:
    """The directories of an open file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        file.seek(0)
        head = file.read(16)
        self.order = "<" if head[:2] == b"II" else ">"
        self.is_big = b"+" in head[2:4]
        # formats of offsets and of the number of entries; bytes of an entry, and of its value
        self._offset, self._count, self._entry, self._inline = ("Q", "Q", 20, 8) if self.is_big else ("I", "H", 12, 4)
        self.first = self._unpack(self._offset, head[8:] if self.is_big else head[4:8])
        self._size = file.seek(0, io.SEEK_END)

    def pages(self) -> list[int]:
        """Offsets of the pages that are images of their own, in the order of the file.

        Reduced copies of other pages and masks are left out, unless there is nothing else. Where the chain of
        directories breaks, the place that cannot be read is the last.
        """
        own: list[int] = []
        others: list[int] = []
        seen, offset = set(), self.first
        while offset and offset not in seen:
            seen.add(offset)
            try:
                kind, following = self._kind_and_next(offset)
            except (struct.error, OSError):
                own.append(offset)
                break
            (others if kind & (REDUCED | MASK) else own).append(offset)
            offset = following
        return own or others

    def page(self, offset: int) -> Page:
        """Read a directory."""
        content, _ = self._directory(offset)
        tags = {}
        for begin in range(0, len(content), self._entry):
            entry = content[begin : begin + self._entry]
            tag, kind = struct.unpack_from(f"{self.order}HH", entry)
            count = self._unpack(self._offset, entry[4:])
            if kind in TYPES and count:
                tags[tag] = self._values(TYPES[kind], count, entry[-self._inline :])
        return Page(offset, tags, self.order)

    def from_page(self, offset: int) -> IO[bytes]:
        """The file as if this page were its first."""
        if offset == self.first:
            self._file.seek(0)
            return self._file
        return _Redirected(self._file, offset, self.order, self.is_big)  # type: ignore[return-value]

    def _directory(self, offset: int) -> tuple[bytes, int]:
        """The entries of a directory, and where the next one is."""
        if offset >= self._size:
            raise OSError(f"damaged: a page should begin at byte {offset:,} of {self._size:,}")
        self._file.seek(offset)
        n = self._unpack(self._count, self._file.read(struct.calcsize(self._count)))
        if n > MAX_ENTRIES:
            raise OSError(f"damaged: a page of {n:,} tags")
        content = self._file.read(n * self._entry)
        following = self._file.read(struct.calcsize(self._offset))
        if len(content) < n * self._entry:
            raise OSError("damaged: the file ends within the tags of a page")
        # some writers leave the last pointer out
        return content, self._unpack(self._offset, following) if len(following) == struct.calcsize(self._offset) else 0

    def _kind_and_next(self, offset: int) -> tuple[int, int]:
        content, following = self._directory(offset)
        kind = 0
        for begin in range(0, len(content), self._entry):
            tag, form = struct.unpack_from(f"{self.order}HH", content, begin)
            if tag in (SUBFILE, OLD_SUBFILE) and TYPES.get(form) in ("H", "I"):
                (value,) = struct.unpack_from(self.order + TYPES[form], content, begin + self._entry - self._inline)
                kind |= value if tag == SUBFILE else REDUCED if value == 2 else 0
            if tag > OLD_SUBFILE:
                break
        return kind, following

    def _values(self, kind: str, count: int, inline: bytes) -> Any:
        n_bytes = count * struct.calcsize(kind)
        if n_bytes > len(inline):
            where = self._unpack(self._offset, inline)
            if where + n_bytes > self._size:
                return ()
            self._file.seek(where)
            inline = self._file.read(n_bytes)
        return np.frombuffer(inline[:n_bytes], self.order + _numpy_kind(kind)).tolist()

    def _unpack(self, kind: str, data: bytes) -> int:
        return int(struct.unpack_from(self.order + kind, data)[0])


def _numpy_kind(kind: str) -> str:
    return {"B": "u1", "b": "i1", "H": "u2", "h": "i2", "I": "u4", "i": "i4", "Q": "u8", "q": "i8"}.get(
        kind, "f4" if kind == "f" else "f8"
    )


class _Redirected:
    """A file whose header points to another first page."""

    def __init__(self, file: IO[bytes], offset: int, order: str, is_big: bool) -> None:
        self._file, self._at = file, 8 if is_big else 4
        self._pointer = struct.pack(order + ("Q" if is_big else "I"), offset)
        self.seek, self.tell, self.fileno = file.seek, file.tell, file.fileno
        file.seek(0)

    def read(self, n: int = -1) -> bytes:
        begin = self._file.tell()
        data = self._file.read(n)
        end = self._at + len(self._pointer)
        if begin >= end or begin + len(data) <= self._at:
            return data
        changed = bytearray(data)
        for i, byte in enumerate(self._pointer, start=self._at - begin):
            if 0 <= i < len(changed):
                changed[i] = byte
        return bytes(changed)


def read_deep(file: IO[bytes], page: Page) -> Deep:
    """The values of a page, as they are meant.

    Raises
    ------
    OSError
        If it is damaged, or of a kind that is not read; the message says which.
    """
    layout = _Layout.of(page)
    values = layout.read(file)
    return _interpreted(page, layout, values)


@dataclass(frozen=True)
class _Layout:
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
    def of(cls, page: Page) -> "_Layout":
        width, height, n_samples = page.number(WIDTH, 0), page.number(HEIGHT, 0), page.number(SAMPLES, 1)
        bits, formats = set(page.tags.get(BITS, (1,))), set(page.tags.get(SAMPLE_FORMAT, (UNSIGNED,)))
        if width < 1 or height < 1 or not 1 <= n_samples <= 256:
            raise OSError(f"damaged: {width} × {height} pixels of {n_samples} values")
        if width * height > (Image.MAX_IMAGE_PIXELS or width * height):
            raise Image.DecompressionBombError
        if len(bits) > 1 or len(formats) > 1:
            raise OSError(f"values of several kinds in one TIFF page (bits {sorted(bits)}, formats {sorted(formats)})")
        is_tiled = TILE_OFFSETS in page.tags
        offsets = page.tags.get(TILE_OFFSETS if is_tiled else STRIP_OFFSETS, [])
        n_bytes = page.tags.get(TILE_BYTES if is_tiled else STRIP_BYTES, [])
        chunk = (
            (page.number(TILE_WIDTH, 0), page.number(TILE_HEIGHT, 0))
            if is_tiled
            else (width, min(height, page.number(ROWS_PER_STRIP, height)))
        )
        if min(chunk) < 1 or prod(chunk) > 4 * (Image.MAX_IMAGE_PIXELS or prod(chunk)):
            raise OSError(f"damaged: strips or tiles of {chunk[0]} × {chunk[1]} pixels")
        is_planar = page.number(PLANAR, 1) == 2 and n_samples > 1
        made = cls(page, width, height, n_samples, bits.pop(), formats.pop(), is_planar, *chunk, offsets, n_bytes)
        if len(offsets) < made.n_chunks or len(n_bytes) < made.n_chunks:
            raise OSError(f"damaged: {len(offsets)} of {made.n_chunks} strips or tiles")
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
            values = self._values(raw)  # (rows, chunk_width, per_pixel)
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
        reverse = self.page.number(FILL_ORDER, 1) == 2
        if compression not in (NOT_COMPRESSED, *DEFLATE, *BY_PILLOW):
            raise OSError(f"values of {self.bits} bits in a TIFF page of compression {compression}, which is not read")
        for number in range(self.n_chunks):
            rows = self._rows(number)
            wanted = rows * self.row_bytes
            file.seek(self.offsets[number])
            if compression == NOT_COMPRESSED:
                data = file.read(wanted)
            else:
                data = file.read(min(self.n_bytes[number], 2 * wanted + 2**16))
            if compression in DEFLATE:
                data = zlib.decompressobj().decompress(data, wanted)
            if compression in BY_PILLOW:
                yield _by_pillow(data, compression, rows, self.row_bytes, reverse)
                continue
            if len(data) < wanted:
                raise OSError(f"image file is truncated ({len(data)} of {wanted} bytes of a strip or tile)")
            chunk = np.frombuffer(data, np.uint8, wanted).reshape(rows, self.row_bytes)
            yield REVERSED[chunk] if reverse else chunk

    def _values(self, raw: NDArray[np.uint8]) -> NDArray[Any]:
        """Bytes (rows, row_bytes) → values (rows, chunk_width, per_pixel)."""
        shape = (len(raw), self.chunk_width, self.per_pixel)
        predictor = self.page.number(PREDICTOR, 1)
        if self.format == FLOAT and self.bits not in (16, 32, 64):
            raise OSError(f"floats of {self.bits} bits, which are not read")
        if self.format not in (UNSIGNED, SIGNED, FLOAT, VOID) or not 8 <= self.bits <= 64:
            raise OSError(f"values of {self.bits} bits and format {self.format} in TIFF, which are not read")
        if predictor == 3 and self.format == FLOAT:
            return _without_float_predictor(raw, self.bits // 8, self.per_pixel).reshape(shape)
        if self.bits not in (8, 16, 32, 64):
            return _unpacked(raw, shape, self.bits, self.format == SIGNED)
        size, order = self.bits // 8, self.page.order
        if predictor == 2:
            whole = raw.view(f"{order}u{size}").reshape(shape)
            raw = np.cumsum(whole, axis=1, dtype=f"u{size}").view(np.uint8)
            order = "="
        kind = {SIGNED: "i", FLOAT: "f"}.get(self.format, "u")
        return np.ascontiguousarray(raw).view(f"{order}{kind}{size}").reshape(shape)


# Each byte with its bits in the other order.
REVERSED = np.packbits(np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)[:, ::-1], axis=1)[:, 0]


def _by_pillow(data: bytes, compression: int, rows: int, row_bytes: int, reverse: bool) -> NDArray[np.uint8]:
    """Undo a compression of bytes: written as a grey picture of 8 bits, it is one that Pillow and libtiff read."""
    tags = {WIDTH: row_bytes, HEIGHT: rows, BITS: 8, COMPRESSION: compression, PHOTOMETRIC: 1}
    tags |= {FILL_ORDER: 2} if reverse else {}
    tags |= {STRIP_OFFSETS: 8, SAMPLES: 1, ROWS_PER_STRIP: rows, STRIP_BYTES: len(data)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    padding = bytes(len(data) % 2)
    head = struct.pack("<2sHI", b"II", 42, 8 + len(data) + len(padding))
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    # not Image.open, whose limit of pixels would be one of bytes here
    with TiffImagePlugin.TiffImageFile(io.BytesIO(head + data + padding + directory)) as image:
        return np.array(image)


def _without_float_predictor(raw: NDArray[np.uint8], size: int, per_pixel: int) -> NDArray[Any]:
    """Undo the floating-point predictor: differences of bytes, in rows of the most significant bytes, then the next."""
    rows = len(raw)
    summed = np.cumsum(raw.reshape(rows, -1, per_pixel), axis=1, dtype=np.uint8).reshape(rows, size, -1)
    return np.ascontiguousarray(summed.transpose(0, 2, 1)).view(f">f{size}")


def _unpacked(raw: NDArray[np.uint8], shape: tuple[int, ...], bits: int, signed: bool) -> NDArray[Any]:
    """Values of any number of bits, packed from the most significant bit on, each row from a byte of its own."""
    n = prod(shape[1:])
    found = np.empty((shape[0], n), np.uint64)
    step = max(1, VALUES_AT_ONCE // (n * bits))
    for begin in range(0, shape[0], step):
        part = np.unpackbits(raw[begin : begin + step], axis=1)[:, : n * bits].reshape(-1, n, bits)
        values = np.zeros(part.shape[:2], np.uint64)
        for bit in range(bits):
            values = (values << np.uint64(1)) | part[..., bit]
        found[begin : begin + step] = values
    if signed:
        shift = np.int64(64 - bits)
        return ((found.view(np.int64) << shift) >> shift).reshape(shape)
    return found.astype(np.uint16 if bits <= 16 else np.uint32 if bits <= 32 else np.uint64).reshape(shape)


def _interpreted(page: Page, layout: _Layout, values: NDArray[Any]) -> Deep:
    """What the values mean: grey or colour, which end is white, transparency, values that are none."""
    photometric = page.number(PHOTOMETRIC, 0)
    n_colors = 3 if photometric == 2 else 1
    extra = page.tags.get(EXTRA_SAMPLES) or ([2] if (n_colors, layout.n_samples) == (3, 4) else [])
    if layout.n_samples < n_colors or (n_colors == 1 and layout.n_samples > 1 and extra[:1] not in ([1], [2])):
        raise OSError(f"{layout.n_samples} channels that are no colours: save them as pages, or choose one")
    colors = values[..., 0] if n_colors == 1 else values[..., :3]
    alpha = None
    if layout.n_samples > n_colors and extra[:1] in ([1], [2]):
        alpha = _alpha(values[..., n_colors], layout.bits)
    hidden = _no_data(page, colors) if n_colors == 1 else None
    if photometric == 0:
        colors = _inverted(colors, layout)
    return Deep(colors, alpha, extra[:1] == [1], hidden)


def _alpha(values: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    full = 1.0 if values.dtype.kind == "f" else float(2**bits - 1)
    return np.rint(np.nan_to_num(values.astype(np.float64) * (255 / full), nan=255.0)).clip(0, 255).astype(np.uint8)


def _inverted(values: NDArray[Any], layout: _Layout) -> NDArray[Any]:
    """Values of which zero is white: unsigned ones counted from the other end, -1 - v for signed, 1 - v for floats."""
    native: NDArray[Any] = values.astype(values.dtype.newbyteorder("="))
    if layout.format == SIGNED:
        return ~native
    one = native.dtype.type(1 if native.dtype.kind == "f" else 2**layout.bits - 1)
    inverted: NDArray[Any] = one - native
    return inverted


def _no_data(page: Page, values: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Where values are the one that GDAL's tag says is none."""
    text = bytes(page.tags.get(NO_DATA, b"")).split(b"\0")[0].strip()
    try:
        marker = int(text) if values.dtype.kind in "iu" else np.array(text, values.dtype.newbyteorder("="))
    except ValueError:
        return None
    if isinstance(marker, int) and not np.iinfo(values.dtype).min <= marker <= np.iinfo(values.dtype).max:
        return None
    hidden: NDArray[np.bool_] = values == marker
    return hidden if hidden.any() else None
