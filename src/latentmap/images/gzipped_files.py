"""Image files inside gzip, which are decompressed to a temporary file within a limit."""

import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO

from latentmap.core.errors import DecodingError
from latentmap.images.decompression import DecompressedStream, decompressed_limit, gzip_decompressor

GZIP_SIGNATURE = b"\x1f\x8b"
N_BYTES_COPIED_AT_ONCE = 2**20


def decompressed_start(start: bytes) -> bytes:
    """The first bytes of what a gzip file contains.

    Parameters
    ----------
    start : bytes
        First bytes of the file.

    Returns
    -------
    bytes
        Empty if it is no gzip file.
    """
    if not start.startswith(GZIP_SIGNATURE):
        return b""
    try:
        return gzip_decompressor().decompress(start, len(start))
    except zlib.error:
        return b""


@contextmanager
def open_gzip(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """Decompress a file to a temporary one, which is removed at the end of the context.

    Parameters
    ----------
    file : file object

    Yields
    ------
    file object
        At its beginning.

    Raises
    ------
    DecodingError
        If the file is damaged or truncated.
    DecompressionLimitError
        If it decompresses to much more than it has.
    """
    limit = decompressed_limit(file.seek(0, io.SEEK_END))
    file.seek(0)
    stream = DecompressedStream(file.read, gzip_decompressor, limit)
    with TemporaryFile(prefix="latentmap-") as out:
        try:
            while data := stream.read(N_BYTES_COPIED_AT_ONCE):
                out.write(data)
        except EOFError as error:
            raise DecodingError("image file is truncated (its compressed data end too early)") from error
        except zlib.error as error:
            raise DecodingError(f"damaged: its compressed data cannot be read ({error})") from error
        out.flush()
        with os.fdopen(os.dup(out.fileno()), "rb") as plain:  # astropy refuses files that are open for writing
            plain.seek(0)
            yield plain
