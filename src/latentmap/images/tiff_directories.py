"""Image file directories (IFDs) of a TIFF: the pages that are images, and the tags of each."""

import io
import struct
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from latentmap.core.errors import DecodingError

TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# Format of a tag for struct, by its field type.
TYPE_FORMATS = {
    1: "B",
    2: "B",
    3: "H",
    4: "I",
    6: "b",
    7: "B",
    8: "h",
    9: "i",
    11: "f",
    12: "d",
    13: "I",
    16: "Q",
    17: "q",
}
MAX_IFD_ENTRIES = 2**12  # in an IFD; more are taken for damage
IMAGE_WIDTH, IMAGE_LENGTH, BITS_PER_SAMPLE, COMPRESSION, PHOTOMETRIC_INTERPRETATION, FILL_ORDER = (
    256,
    257,
    258,
    259,
    262,
    266,
)
STRIP_OFFSETS, SAMPLES_PER_PIXEL, ROWS_PER_STRIP, STRIP_BYTE_COUNTS, PLANAR_CONFIGURATION, PREDICTOR = (
    273,
    277,
    278,
    279,
    284,
    317,
)
TILE_WIDTH, TILE_LENGTH, TILE_OFFSETS, TILE_BYTE_COUNTS = 322, 323, 324, 325
NEW_SUBFILE_TYPE, SUBFILE_TYPE, ORIENTATION, EXTRA_SAMPLES, SAMPLE_FORMAT, GDAL_NODATA = 254, 255, 274, 338, 339, 42113
IMAGE_DEPTH = 32997  # number of planes of a volume
REDUCED_IMAGE, TRANSPARENCY_MASK = 1, 4  # bits of NEW_SUBFILE_TYPE
UNSIGNED, SIGNED, FLOAT, VOID = 1, 2, 3, 4  # SAMPLE_FORMAT


@dataclass(frozen=True)
class TiffPage:
    """An image file directory (IFD) of a TIFF.

    Attributes
    ----------
    offset : int
        Position in the file.
    tags : dict of int to list
        Values by tag.
    byte_order : {"<", ">"}
        Little or big endian.
    """

    offset: int
    tags: dict[int, Any]
    byte_order: str

    def integer(self, tag: int, default: int) -> int:
        """Return the first value of a tag as an integer.

        Parameters
        ----------
        tag : int
        default : int
            Value for a missing tag.

        Returns
        -------
        int
        """
        values = self.tags.get(tag)
        return default if not values else int(values[0])


class TiffFile:
    """The image file directories of an open TIFF or BigTIFF file.

    Parameters
    ----------
    file : file object
        Binary file that can seek.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        file.seek(0)
        head = file.read(16)
        self.byte_order = "<" if head[:2] == b"II" else ">"
        self._is_big = b"+" in head[2:4]
        # formats of offsets and of the entry count; bytes of an entry and of its inline value
        self._offset_format, self._count_format, self._entry_bytes, self._inline_bytes = (
            ("Q", "Q", 20, 8) if self._is_big else ("I", "H", 12, 4)
        )
        self.first = self._unpack(self._offset_format, head[8:] if self._is_big else head[4:8])
        self._size = file.seek(0, io.SEEK_END)

    def pages(self) -> list[int]:
        """Find the pages that are images.

        Reduced-resolution copies and transparency masks are excluded, unless there are no other pages.

        Returns
        -------
        list of int
            Offsets of the IFDs, in the order of the file. If the chain of IFDs is damaged, the last one is the offset
            that cannot be read.
        """
        own: list[int] = []
        others: list[int] = []
        seen, offset = set(), self.first
        while offset and offset not in seen:
            seen.add(offset)
            try:
                kind, next_offset = self._subfile_type_and_next(offset)
            except (struct.error, OSError):
                own.append(offset)
                break
            (others if kind & (REDUCED_IMAGE | TRANSPARENCY_MASK) else own).append(offset)
            offset = next_offset
        return own or others

    def page(self, offset: int) -> TiffPage:
        """Read a page.

        Parameters
        ----------
        offset : int
            Position of the IFD.

        Returns
        -------
        TiffPage

        Raises
        ------
        OSError
            If the IFD is damaged.
        """
        content, _ = self._directory(offset)
        tags = {}
        for begin in range(0, len(content), self._entry_bytes):
            entry = content[begin : begin + self._entry_bytes]
            tag, kind = struct.unpack_from(f"{self.byte_order}HH", entry)
            count = self._unpack(self._offset_format, entry[4:])
            if kind in TYPE_FORMATS and count:
                tags[tag] = self._values(TYPE_FORMATS[kind], count, entry[-self._inline_bytes :])
        return TiffPage(offset, tags, self.byte_order)

    def starting_at(self, offset: int) -> IO[bytes]:
        """Open the file with another page as its first one.

        Parameters
        ----------
        offset : int
            Position of the IFD of the page.

        Returns
        -------
        file object
        """
        if offset == self.first:
            self._file.seek(0)
            return self._file
        return _FileWithFirstPage(self._file, offset, self.byte_order, self._is_big)  # type: ignore[return-value]

    def _directory(self, offset: int) -> tuple[bytes, int]:
        """The entries of an IFD, and the offset of the next one."""
        if offset >= self._size:
            raise DecodingError(f"damaged: a page at byte {offset:,} of {self._size:,}")
        self._file.seek(offset)
        n = self._unpack(self._count_format, self._file.read(struct.calcsize(self._count_format)))
        if n > MAX_IFD_ENTRIES:
            raise DecodingError(f"damaged: a page of {n:,} tags")
        content = self._file.read(n * self._entry_bytes)
        next_offset = self._file.read(struct.calcsize(self._offset_format))
        if len(content) < n * self._entry_bytes:
            raise DecodingError("damaged: the file ends within the tags of a page")
        # some writers omit the last pointer
        return content, self._unpack(self._offset_format, next_offset) if len(next_offset) == struct.calcsize(
            self._offset_format
        ) else 0

    def _subfile_type_and_next(self, offset: int) -> tuple[int, int]:
        content, next_offset = self._directory(offset)
        kind = 0
        for begin in range(0, len(content), self._entry_bytes):
            tag, form = struct.unpack_from(f"{self.byte_order}HH", content, begin)
            if tag in (NEW_SUBFILE_TYPE, SUBFILE_TYPE) and TYPE_FORMATS.get(form) in ("H", "I"):
                (value,) = struct.unpack_from(
                    self.byte_order + TYPE_FORMATS[form], content, begin + self._entry_bytes - self._inline_bytes
                )
                kind |= value if tag == NEW_SUBFILE_TYPE else REDUCED_IMAGE if value == 2 else 0
            if tag > SUBFILE_TYPE:
                break
        return kind, next_offset

    def _values(self, kind: str, count: int, inline: bytes) -> Any:
        n_bytes = count * struct.calcsize(kind)
        if n_bytes > len(inline):
            where = self._unpack(self._offset_format, inline)
            if where + n_bytes > self._size:
                return ()
            self._file.seek(where)
            inline = self._file.read(n_bytes)
        return np.frombuffer(inline[:n_bytes], self.byte_order + _numpy_format(kind)).tolist()

    def _unpack(self, kind: str, data: bytes) -> int:
        return int(struct.unpack_from(self.byte_order + kind, data)[0])


def _numpy_format(kind: str) -> str:
    return {"B": "u1", "b": "i1", "H": "u2", "h": "i2", "I": "u4", "i": "i4", "Q": "u8", "q": "i8"}.get(
        kind, "f4" if kind == "f" else "f8"
    )


class _FileWithFirstPage:
    """A file whose header points to another page."""

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
