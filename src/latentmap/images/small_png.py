"""Encoding of many small images as PNG.

Pillow takes longer to prepare the encoding of a small image than to compress it. Here NumPy prepares many at once.
"""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

# Values of an image up to which it is small.
MAX_VALUES = 2**12
# Values that are prepared at once.
N_PREPARED = 2**18
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def encode_small_pngs(images: NDArray[np.uint8]) -> list[bytes]:
    """Encode small images as PNG.

    Parameters
    ----------
    images : ndarray (n, height, width) or (n, height, width, 3), uint8
        Images of one size.

    Returns
    -------
    list of bytes
        The files.
    """
    height, width = images.shape[1:3]
    header = struct.pack(">IIBBBBB", width, height, 8, 0 if images.ndim == 3 else 2, 0, 0, 0)
    front, back = SIGNATURE + _chunk(b"IHDR", header), _chunk(b"IEND", b"")
    per_block = max(1, N_PREPARED // max(1, images[0].size)) if len(images) else 1
    files = []
    for begin in range(0, len(images), per_block):
        for scanlines in _filter(images[begin : begin + per_block]):
            files.append(front + _chunk(b"IDAT", zlib.compress(scanlines, 1)) + back)
    return files


def _chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def _filter(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Rows of images as they are, minus the pixels to the left, or minus those above, by the smallest absolute sum.

    Returns an array (n, height, 1 + bytes of a row): the number of the filter, and the filtered bytes.
    """
    n, height = images.shape[:2]
    rows = np.ascontiguousarray(images).reshape(n, height, -1)
    filtered = np.repeat(rows[None], 3, axis=0)
    step = 1 if images.ndim == 3 else images.shape[3]
    filtered[1, :, :, step:] -= rows[:, :, :-step]
    filtered[2, :, 1:] -= rows[:, :-1]
    sums = np.minimum(filtered, -filtered).sum(axis=3, dtype=np.uint32)
    best = sums.argmin(axis=0)
    scanlines = np.empty((n, height, 1 + rows.shape[2]), np.uint8)
    scanlines[:, :, 0] = best
    scanlines[:, :, 1:] = np.take_along_axis(filtered, best[None, :, :, None], axis=0)[0]
    return scanlines
