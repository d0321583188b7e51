"""Decompression in steps, with limits that do not depend on the sizes that the data state."""

import bz2
import io
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from latentmap.core.errors import DecompressionLimitError

N_COMPRESSED_BYTES_READ = 2**16  # of compressed data
MAX_LZMA_BYTES = 2**28  # of memory for the dictionary
# Limit of decompressed data: this ratio to the compressed data, or MIN_LIMIT_BYTES, whichever is larger.
MAX_COMPRESSION_RATIO = 100
MIN_LIMIT_BYTES = 2**30


class Decompressor(Protocol):
    """Common interface of the decompressors in the standard library."""

    @property
    def eof(self) -> bool:
        """Whether the end of the stream has been reached."""

    @property
    def needs_input(self) -> bool:
        """Whether more compressed data are required."""

    @property
    def unused_data(self) -> bytes:
        """Data after the end of the stream."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Decompress ``data`` to at most ``max_length`` bytes. The rest is kept for the next call."""


class _Deflate:
    """The decompressor of zlib with the interface of the others."""

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
    """Make a decompressor of one gzip stream."""
    return _Deflate(31)


def deflate_decompressor() -> Decompressor:
    """Make a decompressor of a deflated member of a zip archive."""
    return _Deflate(-15)


def zlib_decompressor() -> Decompressor:
    """Make a decompressor of one deflated strip or tile of a TIFF."""
    return _Deflate(15)


def bz2_decompressor() -> Decompressor:
    """Make a decompressor of one bzip2 stream."""
    return bz2.BZ2Decompressor()


def lzma_decompressor() -> Decompressor:
    """Make a decompressor of one .xz or .lzma stream."""
    return lzma.LZMADecompressor(memlimit=MAX_LZMA_BYTES)


# Decompressor of a stream by the first bytes of a file.
STREAM_DECOMPRESSORS: dict[bytes, Callable[[], Decompressor]] = {
    b"\x1f\x8b": gzip_decompressor,
    b"BZh": bz2_decompressor,
    b"\xfd7zXZ\0": lzma_decompressor,
    b"\x5d\0\0": lzma_decompressor,
}


class DecompressedStream(io.RawIOBase):
    """Decompressed data, which can be read once from the beginning.

    Parameters
    ----------
    read : callable
        Returns the given number of bytes of compressed data, fewer at the end.
    create : callable
        Returns a new decompressor. The data may consist of several streams.
    limit : int
        Maximum number of decompressed bytes.
    """

    def __init__(self, read: Callable[[int], bytes], create: Callable[[], Decompressor], limit: int) -> None:
        super().__init__()
        self._read, self._create, self._limit = read, create, limit
        self._decompressor: Decompressor | None = create()
        self._waiting = b""
        self._n = 0

    def readable(self) -> bool:
        """True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read decompressed data.

        Parameters
        ----------
        size : int, default=-1
            Number of bytes; fewer are returned at the end. All if negative.

        Raises
        ------
        DecompressionLimitError
            If the data exceed the limit.
        EOFError
            If the compressed data are truncated.
        """
        parts, remaining = [], self._limit + 1 if size < 0 else size
        while remaining and (part := self._read_part(remaining)):
            parts.append(part)
            remaining -= len(part)
        return b"".join(parts)

    def _read_part(self, size: int) -> bytes:
        while self._decompressor is not None:
            inner = self._decompressor
            data = self._waiting or (self._read(N_COMPRESSED_BYTES_READ) if inner.needs_input else b"")
            starved = inner.needs_input and not data
            self._waiting = b""
            part = inner.decompress(data, size)
            self._n += len(part)
            if self._n > self._limit:
                raise DecompressionLimitError(
                    f"decompresses to more than {self._limit:,} bytes, as decompression bombs do"
                )
            if inner.eof:
                self._next_stream(inner.unused_data)
            if part:
                return part
            if starved and self._decompressor is inner:
                raise EOFError("the compressed data are truncated")
        return b""

    def _next_stream(self, rest: bytes) -> None:
        """Continue with a stream that follows, after optional zeros. Other data that follow are ignored."""
        rest = rest.lstrip(b"\0") or self._read(N_COMPRESSED_BYTES_READ).lstrip(b"\0")
        continues = any(
            rest.startswith(start) and create is self._create for start, create in STREAM_DECOMPRESSORS.items()
        )
        self._decompressor, self._waiting = (self._create(), rest) if continues else (None, b"")


def decompressed_limit(packed: int) -> int:
    """Limit the size of decompressed data.

    Parameters
    ----------
    packed : int
        Size of the compressed data, in bytes.

    Returns
    -------
    int
        Maximum size of the decompressed data, in bytes.
    """
    return max(MIN_LIMIT_BYTES, MAX_COMPRESSION_RATIO * packed)


def open_compressed(path: Path) -> Any | None:
    """Open a compressed file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    DecompressedStream or None
        A context manager; None if the file is not in .gz, .bz2, .xz or .lzma format.
    """
    file = path.open("rb")
    start = file.read(8)
    file.seek(0)
    create = next((create for begin, create in STREAM_DECOMPRESSORS.items() if start.startswith(begin)), None)
    if create is None:
        file.close()
        return None
    return _DecompressedFile(file, create, decompressed_limit(path.stat().st_size))


class _DecompressedFile(DecompressedStream):
    def __init__(self, file: io.BufferedReader, create: Callable[[], Decompressor], limit: int) -> None:
        super().__init__(file.read, create, limit)
        self._file = file

    def close(self) -> None:
        self._file.close()
        super().close()
