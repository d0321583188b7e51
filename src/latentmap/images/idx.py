"""The IDX format of MNIST: a magic number, the sizes of the dimensions, and the values."""

import gzip
import os
import zlib
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.errors import IdxError

# Type of the values by the third byte of the magic number. Values are big-endian.
IDX_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
GZIP_MAGIC = b"\x1f\x8b"
# Limit of NumPy.
MAX_DIMENSIONS = 64
IDX_CHUNK_BYTES = 2**24


def read_idx(path: str | os.PathLike[str], max_values: int | None = None) -> NDArray[Any]:
    """Read an IDX file of any type and number of dimensions, compressed with gzip or not.

    Parameters
    ----------
    path : path
        Path of the file. Compression is detected by its first bytes, not by its name.
    max_values : int, optional
        Maximum number of values. A header that states more is refused before any value is read.

    Returns
    -------
    ndarray
        Array of the shape in the header, uint8, int8, int16, int32, float32 or float64, in native byte order.

    Raises
    ------
    IdxError
        If the magic number is not that of IDX, the file has fewer or more bytes than its header states, or more than
        ``max_values`` values.
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
            return _read_array(file, path, max_values)
        try:
            with gzip.GzipFile(fileobj=file) as uncompressed:
                return _read_array(uncompressed, path, max_values)  # type: ignore[arg-type]
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise IdxError(f"{path}: damaged gzip data ({error}): download the file again") from error


def _read_array(file: IO[bytes], path: Path, max_values: int | None) -> NDArray[Any]:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in IDX_DTYPES:
        raise IdxError(
            f"{path}: begins with bytes {magic.hex(' ') or '(none)'}, expected 00 00, a type among "
            f"{', '.join(f'{code:02x}' for code in IDX_DTYPES)}, and the number of dimensions: this is not an IDX file"
        )
    dtype, n_dimensions = np.dtype(IDX_DTYPES[magic[2]]), magic[3]
    if n_dimensions > MAX_DIMENSIONS:
        raise IdxError(f"{path}: {n_dimensions} dimensions, but arrays have at most {MAX_DIMENSIONS}")
    header = file.read(4 * n_dimensions)
    if len(header) < 4 * n_dimensions:
        raise IdxError(f"{path}: truncated in the header: {len(header)} of {4 * n_dimensions} bytes of dimensions")
    shape = tuple(int(size) for size in np.frombuffer(header, ">u4"))
    expected = prod(shape) * dtype.itemsize
    if max_values is not None and prod(shape) > max_values:
        raise IdxError(f"{path}: {prod(shape) / 1e9:.2f} GB of pixels, the limit is {max_values / 1e9:g} GB: raise it")
    data = _read_in_chunks(file, expected + 1)
    if len(data) < expected:
        raise IdxError(f"{path}: truncated: {len(data)} bytes of values, expected {expected} for shape {shape}")
    if len(data) > expected:
        raise IdxError(f"{path}: more than the {expected} bytes of values of shape {shape}")
    values = np.frombuffer(data, dtype).reshape(shape)
    return values.astype(dtype.newbyteorder("="), copy=True)


def _read_in_chunks(file: IO[bytes], n_bytes: int) -> bytes:
    """Read in chunks, so that a header that states more bytes than there are takes no memory."""
    chunks: list[bytes] = []
    while n_bytes > 0:
        chunk = file.read(min(n_bytes, IDX_CHUNK_BYTES))
        if not chunk:
            break
        chunks.append(chunk)
        n_bytes -= len(chunk)
    return b"".join(chunks)
