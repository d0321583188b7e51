"""The IDX format: a magic number, the sizes of the dimensions, the values. MNIST is published in it."""

import gzip
import os
import zlib
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.errors import IdxError

# Third byte of the magic number -> type of the values, which are stored most significant byte first.
DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
GZIP_MAGIC = b"\x1f\x8b"
# NumPy's own limit.
MOST_DIMENSIONS = 64
CHUNK = 2**24


def read_idx(path: str | os.PathLike[str], max_values: int | None = None) -> NDArray[Any]:
    """Read an IDX file of any type and number of dimensions, compressed with gzip or not.

    Parameters
    ----------
    path : path
        Whether the file is compressed is read from its first bytes, not from its name.
    max_values : int, optional
        Most values that it may announce; more are refused before any is read.

    Returns
    -------
    ndarray
        uint8, int8, int16, int32, float32 or float64 in the machine's byte order.

    Raises
    ------
    IdxError
        If the magic number is not one of IDX, or the file holds fewer or more bytes than its header announces.
    OSError
        If the file cannot be opened.

    References
    ----------
    The format is described on the page of the MNIST database (LeCun, Cortes and Burges).
    """
    path = Path(path)
    with path.open("rb") as file:
        compressed = file.read(2) == GZIP_MAGIC
        file.seek(0)
        if not compressed:
            return _read(file, path, max_values)
        try:
            with gzip.GzipFile(fileobj=file) as uncompressed:
                return _read(uncompressed, path, max_values)  # type: ignore[arg-type]
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise IdxError(f"{path}: damaged gzip data ({error}): fetch the file again") from error


def _read(file: IO[bytes], path: Path, max_values: int | None) -> NDArray[Any]:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in DTYPES:
        raise IdxError(
            f"{path}: begins with bytes {magic.hex(' ') or '(none)'}, wanted 00 00, a type among "
            f"{', '.join(f'{code:02x}' for code in DTYPES)}, and the number of dimensions: this is not an IDX file"
        )
    dtype, n_dimensions = np.dtype(DTYPES[magic[2]]), magic[3]
    if n_dimensions > MOST_DIMENSIONS:
        raise IdxError(f"{path}: {n_dimensions} dimensions, but arrays have at most {MOST_DIMENSIONS}")
    header = file.read(4 * n_dimensions)
    if len(header) < 4 * n_dimensions:
        raise IdxError(f"{path}: truncated in the header: {len(header)} of {4 * n_dimensions} bytes of dimensions")
    shape = tuple(int(size) for size in np.frombuffer(header, ">u4"))
    expected = prod(shape) * dtype.itemsize
    if max_values is not None and prod(shape) > max_values:
        raise IdxError(
            f"{path}: announces {prod(shape) / 1e9:.2f} GB of pixels, the limit is {max_values / 1e9:g} GB: raise it"
        )
    data = _read_at_most(file, expected + 1)
    if len(data) < expected:
        raise IdxError(f"{path}: truncated: {len(data)} bytes of values, wanted {expected} for shape {shape}")
    if len(data) > expected:
        raise IdxError(f"{path}: over-long: more than the {expected} bytes of values that shape {shape} has")
    values = np.frombuffer(data, dtype).reshape(shape)
    return values.astype(dtype.newbyteorder("="), copy=True)


def _read_at_most(file: IO[bytes], n_bytes: int) -> bytes:
    """Read chunk by chunk, so that a header that announces more than there is takes no memory."""
    chunks: list[bytes] = []
    while n_bytes > 0:
        chunk = file.read(min(n_bytes, CHUNK))
        if not chunk:
            break
        chunks.append(chunk)
        n_bytes -= len(chunk)
    return b"".join(chunks)
