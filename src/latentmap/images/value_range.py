"""Conversion of values of any bit depth to 8 or 16 bits, by the range that a collection uses."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.images.pixel_types import largest_pixel, pixel_dtype

# From this many values on, a lookup table of all 16-bit values is faster than arithmetic.
MIN_LOOKUP_VALUES = 2**16
# Spans of floats above this are multiplied by SHRINK_FACTOR, so that 65,535 times the span is finite.
MAX_SPAN = 1e300
SHRINK_FACTOR = 2.0**-16

Range = tuple[float, float]


def to_8_bits(values: NDArray[Any], limits: Range) -> NDArray[np.uint8]:
    """Scale values to 8 bits; see :func:`to_pixels`.

    Parameters
    ----------
    values : ndarray of integers or floats
    limits : (low, high)
        Values that become 0 and 255.

    Returns
    -------
    ndarray of the same shape, uint8

    Examples
    --------
    >>> to_8_bits(np.array([0.0, 0.5, 1.0, 2.0]), (0.0, 1.0)).tolist()
    [0, 128, 255, 255]
    """
    return to_pixels(values, limits, 8)


def to_pixels(values: NDArray[Any], limits: Range, bits: int) -> NDArray[Any]:
    """Compute ``rint(largest * (v - low) / (high - low))``, clipped to 0 and the largest pixel. NaN becomes 0.

    64-bit integers are subtracted exactly, so that small differences between large numbers are preserved.

    Parameters
    ----------
    values : ndarray of integers or floats
    limits : (low, high)
        Values that become 0 and the largest pixel. The subtraction is exact if both are Python integers.
    bits : {8, 16}
        Bits per pixel, whose largest value is 255 or 65535.

    Returns
    -------
    ndarray of the same shape, uint8 or uint16

    Examples
    --------
    >>> to_pixels(np.array([0.0, 0.5, 1.0]), (0.0, 1.0), 16).tolist()
    [0, 32768, 65535]
    """
    if values.dtype.kind in "iu" and values.dtype.itemsize <= 2 and values.size > MIN_LOOKUP_VALUES:
        unsigned = np.dtype(f"u{values.dtype.itemsize}")
        native = np.ascontiguousarray(values, values.dtype.newbyteorder("="))
        every = np.arange(2 ** (8 * unsigned.itemsize)).astype(unsigned).view(native.dtype)
        found: NDArray[Any] = _scale(every, limits, bits)[native.view(unsigned)]
        return found
    return _scale(values, limits, bits)


def value_range(values: NDArray[Any]) -> Range | None:
    """Find the smallest and largest finite value.

    Parameters
    ----------
    values : ndarray of integers or floats

    Returns
    -------
    (low, high) or None
        Python integers for integers; None if there is no finite value.
    """
    if values.dtype.kind == "f":
        values = values[np.isfinite(values)]
    if not values.size:
        return None
    low, high = values.min(), values.max()
    return (int(low), int(high)) if values.dtype.kind in "iu" else (float(low), float(high))


def max_of_bit_depth(high: float) -> int:
    """Compute the largest unsigned integer with the bit length of ``high``, at least 8 bits.

    Parameters
    ----------
    high : float

    Returns
    -------
    int
    """
    return int(2 ** max(8, int(high).bit_length()) - 1)


def union_range(ranges: list[Range | None]) -> Range | None:
    """Compute the smallest range that contains all ranges.

    Parameters
    ----------
    ranges : list of (low, high) or None

    Returns
    -------
    (low, high) or None
        None if all are None.
    """
    known = [one for one in ranges if one is not None]
    return (min(low for low, _ in known), max(high for _, high in known)) if known else None


def _scale(values: NDArray[Any], limits: Range, bits: int) -> NDArray[Any]:
    dtype = pixel_dtype(bits)
    low, high = limits
    largest = largest_pixel(dtype)
    if values.dtype.kind in "iu" and isinstance(low, int) and isinstance(high, int):
        shifted: NDArray[Any] = _clipped_difference(values, low, high)
        span: float = float(max(high - low, 0))
    else:
        kind = np.dtype(np.longdouble if values.dtype.itemsize > 8 else np.float64).type
        shrink = 1.0 if high / 2 - low / 2 < MAX_SPAN / 2 else SHRINK_FACTOR
        with np.errstate(over="ignore", invalid="ignore"):
            shifted = values.astype(kind) * kind(shrink) - kind(low * shrink)
        span = high * shrink - low * shrink
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.rint(shifted * float(largest) / (span or 1.0)).clip(0, largest)
    scaled[np.isnan(scaled)] = 0
    return scaled.astype(dtype)


def _clipped_difference(values: NDArray[Any], low: int, high: int) -> NDArray[np.float64]:
    """``v - low`` with 64-bit values clipped to the limits, exact until it is rounded to float64."""
    if values.dtype.itemsize <= 4:
        return values.astype(np.float64) - low
    bounds = np.iinfo(values.dtype)
    smallest, largest = (min(max(bound, bounds.min), bounds.max) for bound in (low, high))
    clipped = np.clip(values, smallest, largest).astype(values.dtype.newbyteorder("="))
    above = clipped.view(np.uint64) - np.array(smallest, values.dtype.newbyteorder("=")).view(np.uint64)
    found: NDArray[np.float64] = above.astype(np.float64) + float(smallest - low)
    return found
