"""Directories of a TIFF: which pages are images of their own, and the tags of each."""

import io
import struct
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from latentmap.core.errors import DecodingError

STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# Types of tags → their format for struct.
TYPES = {1: "B", 2: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I", 16: "Q", 17: "q"}
MAX_ENTRIES = 2**12  # of a directory; more are taken for damage
WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 256, 257, 258, 259, 262, 266
STRIP_OFFSETS, SAMPLES, ROWS_PER_STRIP, STRIP_BYTES, PLANAR, PREDICTOR = 273, 277, 278, 279, 284, 317
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES = 322, 323, 324, 325
SUBFILE, OLD_SUBFILE, ORIENTATION, EXTRA_SAMPLES, SAMPLE_FORMAT, NO_DATA = 254, 255, 274, 338, 339, 42113
IMAGE_DEPTH = 32997  # planes of a volume
REDUCED, MASK = 1, 4  # bits of SUBFILE
UNSIGNED, SIGNED, FLOAT, VOID = 1, 2, 3, 4  # SAMPLE_FORMAT


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
            raise DecodingError(f"damaged: a page should begin at byte {offset:,} of {self._size:,}")
        self._file.seek(offset)
        n = self._unpack(self._count, self._file.read(struct.calcsize(self._count)))
        if n > MAX_ENTRIES:
            raise DecodingError(f"damaged: a page of {n:,} tags")
        content = self._file.read(n * self._entry)
        following = self._file.read(struct.calcsize(self._offset))
        if len(content) < n * self._entry:
            raise DecodingError("damaged: the file ends within the tags of a page")
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
