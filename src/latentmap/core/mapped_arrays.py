"""Memory-mapped arrays: reading them block by block without keeping their pages in the memory of the process."""

import mmap
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAPPED_BLOCK_BYTES = 2**26  # 64 MiB


def mapped_file(array: NDArray[Any]) -> mmap.mmap | None:
    """Memory map that an array is a view of, or None."""
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) else None


def is_mapped(array: NDArray[Any]) -> bool:
    """Whether an array is a view of a memory-mapped file."""
    return mapped_file(array) is not None


def release(array: NDArray[Any]) -> None:
    """Release the pages of a memory-mapped array from the memory of the process; the next access reads them again."""
    mapped = mapped_file(array)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def blocks(array: NDArray[Any], rows: int | None = None) -> Iterator[NDArray[Any]]:
    """Iterate over an array in blocks of rows, and release the pages of a memory-mapped array.

    Parameters
    ----------
    array : array (n, ...)
    rows : int, optional
        Number of rows of a block; by default a block has 64 MiB.

    Yields
    ------
    array (m, ...)
        View of the next rows.
    """
    step = rows or max(1, MAPPED_BLOCK_BYTES // max(1, prod(array.shape[1:]) * array.itemsize))
    for begin in range(0, len(array), step):
        yield array[begin : begin + step]
        release(array)
