"""Arrays that lie in files: read in blocks, and let go of, so that they take no memory beside the cache of the disk."""

import mmap
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK_BYTES = 2**26


def file_of(array: NDArray[Any]) -> mmap.mmap | None:
    """The mapped file in which an array lies, if it does."""
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) else None


def is_mapped(array: NDArray[Any]) -> bool:
    """Whether an array lies in a file and not in memory."""
    return file_of(array) is not None


def release(array: NDArray[Any]) -> None:
    """Take what was read of a mapped file out of this process's memory; the next look reads it again."""
    mapped = file_of(array)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def blocks(array: NDArray[Any], rows: int | None = None) -> Iterator[NDArray[Any]]:
    """An array in pieces of so many rows, or of 64 MiB; of a mapped one no piece stays in memory."""
    step = rows or max(1, BLOCK_BYTES // max(1, prod(array.shape[1:]) * array.itemsize))
    for begin in range(0, len(array), step):
        yield array[begin : begin + step]
        if (begin // step) % 16 == 0 or rows is None:
            release(array)
    release(array)
