"""Numbers of any type as blocks of finite float32, which is what a run computes with."""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.errors import InputError
from latentmap.core.mapped_arrays import MAPPED_BLOCK_BYTES, release
from latentmap.core.progress import counted

N_SHOWN = 5  # rows that a message names


def check_table(values: NDArray[Any], name: str) -> None:
    """Require one row of numbers for each image.

    Parameters
    ----------
    values : array
    name : str
        Name of the values, for the message.

    Raises
    ------
    InputError
        If the array has another number of dimensions than two, no columns, or holds no real numbers.
    """
    if values.dtype.kind not in "biuf":
        raise InputError(f"{name}: {_kind_in_words(values.dtype)} instead of numbers: give an array of floats (n, d)")
    if values.ndim != 2 or not values.shape[1]:
        raise InputError(f"{name}: shape {values.shape}: give one vector a row, (n, d) with d of at least 1")


def _kind_in_words(dtype: np.dtype[Any]) -> str:
    kinds = {"O": "Python objects, or rows of different lengths,", "U": "text", "S": "bytes", "c": "complex numbers"}
    return kinds.get(dtype.kind, f"values of type {dtype}")


def float_blocks(
    values: NDArray[Any], name: str, rows: NDArray[np.int64] | None = None
) -> Iterator[NDArray[np.float32]]:
    """Iterate over rows of an array as finite float32, in blocks. Pages of a mapped array are released.

    Parameters
    ----------
    values : array (n, d)
    name : str
        Name of the values, for messages.
    rows : array (m,), optional
        The rows to take, in this order; by default all.

    Yields
    ------
    array (k, d), float32

    Raises
    ------
    InputError
        If a number is NaN, infinite, or too large for float32.
    """
    n = len(values) if rows is None else len(rows)
    step = max(1, MAPPED_BLOCK_BYTES // (4 * values.shape[1]))
    for begin in range(0, n, step):
        part = values[begin : begin + step] if rows is None else values[rows[begin : begin + step]]
        with np.errstate(over="ignore"):
            block = np.ascontiguousarray(part, np.float32)
        bad = np.flatnonzero(~np.isfinite(block).all(axis=1))
        if len(bad):
            own = begin + bad if rows is None else rows[begin + bad]
            more = " or more" if begin + step < n else ""
            raise InputError(
                f"{name}: NaN, infinite or too large for float32 in {counted(len(bad), 'row')}{more}, the first are "
                f"{', '.join(map(str, own[:N_SHOWN].tolist()))}: give finite numbers"
            )
        release(values)
        yield block


def digest_of(values: NDArray[Any], name: str) -> str:
    """SHA-256 of the shape of an array (n, d) and its values as float32. Errors are those of :func:`float_blocks`."""
    digest = hashlib.sha256(repr(values.shape).encode())
    for block in float_blocks(values, name):
        digest.update(block.astype("<f4", copy=False).data)
    return digest.hexdigest()


def unit_vectors(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors (n, d) scaled to length 1, by which Euclidean neighbours are those of the cosine distance.

    A vector of zeros, which has no direction, stays as it is.
    """
    found = np.empty_like(vectors)
    step = max(1, MAPPED_BLOCK_BYTES // (8 * max(1, vectors.shape[1])))
    for begin in range(0, len(vectors), step):
        block = vectors[begin : begin + step].astype(np.float64)
        lengths = np.linalg.norm(block, axis=1, keepdims=True)
        found[begin : begin + step] = np.divide(block, lengths, out=np.zeros_like(block), where=lengths > 0)
    return found
