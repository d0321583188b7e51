"""Bytes of a TIFF strip or tile → values: predictors, packed bits, order of bytes, signs."""

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.errors import DecodingError
from latentmap.images.tiff_tags import COMPRESSION, FLOAT, PREDICTOR, SIGNED, UNSIGNED, VOID

if TYPE_CHECKING:
    from latentmap.images.tiff_chunks import Layout

VALUES_AT_ONCE = 2**22


def values_of(raw: NDArray[np.uint8], layout: "Layout") -> NDArray[Any]:
    """Bytes (rows, row_bytes) → values (rows, chunk_width, per_pixel)."""
    bits, kind, per_pixel = layout.bits, layout.format, layout.per_pixel
    shape = (len(raw), layout.chunk_width, per_pixel)
    if kind == FLOAT and bits not in (16, 32, 64):
        raise DecodingError(f"floats of {bits} bits, which are not read")
    if kind not in (UNSIGNED, SIGNED, FLOAT, VOID) or not 1 <= bits <= 64:
        raise DecodingError(f"values of {bits} bits and format {kind} in TIFF, which are not read")
    # the tag means nothing where nothing is compressed
    predictor = 1 if layout.page.number(COMPRESSION, 1) == 1 else layout.page.number(PREDICTOR, 1)
    if predictor == 3 and kind == FLOAT:
        return _without_float_predictor(raw, bits // 8, per_pixel).reshape(shape)
    whole = bits in (8, 16, 32, 64)
    if predictor not in (1, 2) or (predictor == 2 and not whole):
        raise DecodingError(f"values of {bits} bits with TIFF predictor {predictor}, which are not read")
    if bits == 24:
        raise DecodingError(
            "values of 24 bits, which are not read: writers of TIFF disagree on the order of their bytes"
        )
    if not whole:
        return _unpacked(raw, shape, bits, kind == SIGNED)
    size, order = bits // 8, layout.page.order
    raw = np.ascontiguousarray(raw)
    if predictor == 2:
        raw = np.cumsum(raw.view(f"{order}u{size}").reshape(shape), axis=1, dtype=f"u{size}").view(np.uint8)
        order = "="
    letter = {SIGNED: "i", FLOAT: "f"}.get(kind, "u")
    return raw.view(f"{order}{letter}{size}").reshape(shape)


def _without_float_predictor(raw: NDArray[np.uint8], size: int, per_pixel: int) -> NDArray[Any]:
    """Undo the floating-point predictor: differences of bytes, in rows of the most significant bytes, then the next."""
    rows = len(raw)
    summed = np.cumsum(raw.reshape(rows, -1, per_pixel), axis=1, dtype=np.uint8).reshape(rows, size, -1)
    return np.ascontiguousarray(summed.transpose(0, 2, 1)).view(f">f{size}")


def _unpacked(raw: NDArray[np.uint8], shape: tuple[int, ...], bits: int, signed: bool) -> NDArray[Any]:
    """Values of any number of bits, packed from the most significant bit on, each row from a byte of its own."""
    n = prod(shape[1:])
    found = np.empty((shape[0], n), np.uint64)
    step = max(1, VALUES_AT_ONCE // (n * bits))
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
