"""Samples of a TIFF strip or tile: predictors, packed bits, byte order and signs."""

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.errors import UnreadTiffError
from latentmap.images.tiff_directories import COMPRESSION, FLOAT, PREDICTOR, SIGNED, UNSIGNED, VOID
from latentmap.images.tiff_layout import PageLayout

N_BITS_UNPACKED_AT_ONCE = 2**22  # bits that are unpacked in one step


WHOLE_BYTES = (8, 16, 32, 64)  # numbers of bits


def check_samples(layout: PageLayout) -> None:
    """Raise an error if the samples of a page have a type or a predictor that is not read.

    Parameters
    ----------
    layout : PageLayout

    Raises
    ------
    UnreadTiffError
        If they have.
    """
    bits, kind, predictor = layout.bits, layout.format, _predictor(layout)
    if kind == FLOAT and bits not in (16, 32, 64):
        raise UnreadTiffError(f"floats of {bits} bits, which are not read")
    if kind not in (UNSIGNED, SIGNED, FLOAT, VOID) or not 1 <= bits <= 64:
        raise UnreadTiffError(f"values of {bits} bits and format {kind} in TIFF, which are not read")
    if predictor == 3 and kind == FLOAT:
        return
    if predictor not in (1, 2) or (predictor == 2 and bits not in WHOLE_BYTES):
        raise UnreadTiffError(f"values of {bits} bits with TIFF predictor {predictor}, which are not read")
    if bits == 24:
        raise UnreadTiffError("values of 24 bits, which are not read: TIFF writers disagree on their byte order")


def _predictor(layout: PageLayout) -> int:
    # without compression the tag has no meaning
    return 1 if layout.page.integer(COMPRESSION, 1) == 1 else layout.page.integer(PREDICTOR, 1)


def decode_samples(raw: NDArray[np.uint8], layout: PageLayout) -> NDArray[Any]:
    """Decode the bytes of a segment.

    Parameters
    ----------
    raw : ndarray (rows, row_bytes), uint8
        Decompressed bytes.
    layout : PageLayout

    Returns
    -------
    ndarray (rows, segment_width, n_interleaved)

    Raises
    ------
    OSError
        If the samples have a type or a predictor that is not read.
    """
    check_samples(layout)
    bits, kind, n_interleaved, predictor = layout.bits, layout.format, layout.n_interleaved, _predictor(layout)
    shape = (len(raw), layout.segment_width, n_interleaved)
    if predictor == 3 and kind == FLOAT:
        return _undo_float_predictor(raw, bits // 8, n_interleaved).reshape(shape)
    if bits not in WHOLE_BYTES:
        return _unpack_bits(raw, shape, bits, kind == SIGNED)
    size, order = bits // 8, layout.page.byte_order
    raw = np.ascontiguousarray(raw)
    if predictor == 2:
        raw = np.cumsum(raw.view(f"{order}u{size}").reshape(shape), axis=1, dtype=f"u{size}").view(np.uint8)
        order = "="
    letter = {SIGNED: "i", FLOAT: "f"}.get(kind, "u")
    return raw.view(f"{order}{letter}{size}").reshape(shape)


def _undo_float_predictor(raw: NDArray[np.uint8], size: int, n_interleaved: int) -> NDArray[Any]:
    """Undo the floating-point predictor: differences of bytes, which are ordered by significance within a row."""
    rows = len(raw)
    summed = np.cumsum(raw.reshape(rows, -1, n_interleaved), axis=1, dtype=np.uint8).reshape(rows, size, -1)
    return np.ascontiguousarray(summed.transpose(0, 2, 1)).view(f">f{size}")


def _unpack_bits(raw: NDArray[np.uint8], shape: tuple[int, ...], bits: int, signed: bool) -> NDArray[Any]:
    """Unpack samples of any number of bits, most significant bit first. Each row begins at a byte."""
    n = prod(shape[1:])
    found = np.empty((shape[0], n), np.uint64)
    step = max(1, N_BITS_UNPACKED_AT_ONCE // (n * bits))
    for begin in range(0, shape[0], step):
        part = np.unpackbits(raw[begin : begin + step], axis=1)[:, : n * bits].reshape(-1, n, bits)
        values = np.zeros(part.shape[:2], np.uint64)
        for bit in range(bits):
            values = (values << np.uint64(1)) | part[..., bit]
        found[begin : begin + step] = values
    if signed:
        shift = np.int64(64 - bits)
        return ((found.view(np.int64) << shift) >> shift).reshape(shape)
    return found.astype(
        np.uint8 if bits <= 8 else np.uint16 if bits <= 16 else np.uint32 if bits <= 32 else np.uint64
    ).reshape(shape)
