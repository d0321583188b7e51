"""Memory-mapped arrays: read in blocks whose pages are released, so that they only use the disk cache."""

import mmap
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK_BYTES = 2**26


def file_of(array: NDArray[Any]) -> mmap.mmap | None:
    """The file that an array is mapped from; None for an array in memory."""
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) else None


def is_mapped(array: NDArray[Any]) -> bool:
    """Whether an array is mapped from a file."""
    return file_of(array) is not None


def release(array: NDArray[Any]) -> None:
    """Release the pages of a mapped array from the memory of this process. The next access reads them again."""
    mapped = file_of(array)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def blocks(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Split an array into blocks of rows, of 64 MiB each. No block of a mapped array stays in memory."""
    step = max(1, BLOCK_BYTES // max(1, prod(array.shape[1:]) * array.itemsize))
    for begin in range(0, len(array), step):
        yield array[begin : begin + step]
        release(array)
