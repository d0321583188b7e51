"""Compressed data, unpacked piece by piece: what it claims is not believed, and no more is unpacked than asked for."""

import bz2
import io
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from latentmap.core.errors import TooLargeError

PIECE = 2**16  # bytes of compressed data at a time
LZMA_MEMORY = 2**28  # that its dictionary may take
# Data that is not much larger than its archive may have any size.
MAX_RATIO = 100
FREE_BYTES = 2**30


class Decompressor(Protocol):
    """The common interface of the standard library's decompressors."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Deflate:
    """zlib's decompressor with the methods of the others."""

    def __init__(self, window_bits: int) -> None:
        self._inner = zlib.decompressobj(window_bits)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


def gzip_decompressor() -> Decompressor:
    """One stream of a .gz file."""
    return _Deflate(31)


def deflate_decompressor() -> Decompressor:
    """A member of a zip."""
    return _Deflate(-15)


def bz2_decompressor() -> Decompressor:
    """One stream of a .bz2 file, or a member of a zip."""
    return bz2.BZ2Decompressor()


def lzma_decompressor() -> Decompressor:
    """One stream of an .xz or .lzma file."""
    return lzma.LZMADecompressor(memlimit=LZMA_MEMORY)


# First bytes of compressed files → what unpacks a stream of them.
STREAMS: dict[bytes, Callable[[], Decompressor]] = {
    b"\x1f\x8b": gzip_decompressor,
    b"BZh": bz2_decompressor,
    b"\xfd7zXZ\0": lzma_decompressor,
    b"\x5d\0\0": lzma_decompressor,
}


class Unpacked(io.RawIOBase):
    """Unpacked data, to be read once from its beginning.

    Parameters
    ----------
    read : callable
        Gives so many bytes of compressed data, fewer at their end.
    make : callable
        Gives a decompressor for each stream that the data consist of.
    limit : int
        Bytes that may come out.
    """

    def __init__(self, read: Callable[[int], bytes], make: Callable[[], Decompressor], limit: int) -> None:
        super().__init__()
        self._read, self._make, self._limit = read, make, limit
        self._decompressor: Decompressor | None = make()
        self._waiting = b""
        self._n = 0

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """As many bytes as are asked for, fewer at the end."""
        parts, missing = [], self._limit + 1 if size < 0 else size
        while missing and (part := self._part(missing)):
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _part(self, size: int) -> bytes:
        while self._decompressor is not None:
            inner = self._decompressor
            data = self._waiting or (self._read(PIECE) if inner.needs_input else b"")
            starved = inner.needs_input and not data
            self._waiting = b""
            part = inner.decompress(data, size)
            self._n += len(part)
            if self._n > self._limit:
                raise TooLargeError(f"unpacks to more than {self._limit:,} bytes, as decompression bombs do")
            if inner.eof:
                self._next_stream(inner.unused_data)
            if part:
                return part
            if starved and self._decompressor is inner:
                raise EOFError("the compressed data are cut off")
        return b""

    def _next_stream(self, rest: bytes) -> None:
        """Compressed files may follow each other, with zeros between them; what else follows is left alone."""
        rest = rest.lstrip(b"\0") or self._read(PIECE).lstrip(b"\0")
        goes_on = any(rest.startswith(start) and make is self._make for start, make in STREAMS.items())
        self._decompressor, self._waiting = (self._make(), rest) if goes_on else (None, b"")


def allowed_bytes(packed: int) -> int:
    """The largest size that compressed data may unpack to."""
    return max(FREE_BYTES, MAX_RATIO * packed)


def open_compressed(path: Path) -> Any | None:
    """A .gz, .bz2, .xz or .lzma file unpacked, as a context; None for any other."""
    file = path.open("rb")
    start = file.read(8)
    file.seek(0)
    make = next((make for begin, make in STREAMS.items() if start.startswith(begin)), None)
    if make is None:
        file.close()
        return None
    return _OpenCompressed(file, make, allowed_bytes(path.stat().st_size))


class _OpenCompressed(Unpacked):
    def __init__(self, file: io.BufferedReader, make: Callable[[], Decompressor], limit: int) -> None:
        super().__init__(file.read, make, limit)
        self._file = file

    def close(self) -> None:
        self._file.close()
        super().close()
