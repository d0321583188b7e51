"""Values of any depth → 8 bits, by the range of values that a collection uses."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Beyond this many values a table of all that 16 bits can hold is quicker than arithmetic.
MIN_TABLE_VALUES = 2**16
# Spans of floats above this are halved often enough that 255 times them is finite.
MAX_SPAN = 1e300
SHRINK = 2.0**-16

Range = tuple[float, float]


def to_8_bits(values: NDArray[Any], limits: Range) -> NDArray[np.uint8]:
    """``rint(255 · (v - low) / (high - low))``, clipped to 0–255; NaN becomes 0.

    Integers of 64 bits are subtracted before anything is rounded, so that small steps between large numbers stay.

    Parameters
    ----------
    values : array of integers or floats
    limits : (low, high)
        Values that become 0 and 255. Exact where both are Python integers.
    """
    if values.dtype.kind in "iu" and values.dtype.itemsize <= 2 and values.size > MIN_TABLE_VALUES:
        unsigned = np.dtype(f"u{values.dtype.itemsize}")
        native = np.ascontiguousarray(values, values.dtype.newbyteorder("="))
        every = np.arange(2 ** (8 * unsigned.itemsize)).astype(unsigned).view(native.dtype)
        found: NDArray[np.uint8] = _computed(every, limits)[native.view(unsigned)]
        return found
    return _computed(values, limits)


def value_range(values: NDArray[Any]) -> Range | None:
    """Smallest and largest finite value; Python integers where the values are integers. None where there is none."""
    if values.dtype.kind == "f":
        values = values[np.isfinite(values)]
    if not values.size:
        return None
    low, high = values.min(), values.max()
    return (int(low), int(high)) if values.dtype.kind in "iu" else (float(low), float(high))


def whole_bits(high: float) -> int:
    """The largest number of as many bits as ``high`` has, 8 at least."""
    return int(2 ** max(8, int(high).bit_length()) - 1)


def joined(ranges: list[Range | None]) -> Range | None:
    """The range that holds all of them; None where none is given."""
    known = [one for one in ranges if one is not None]
    return (min(low for low, _ in known), max(high for _, high in known)) if known else None


def _computed(values: NDArray[Any], limits: Range) -> NDArray[np.uint8]:
    low, high = limits
    if values.dtype.kind in "iu" and isinstance(low, int) and isinstance(high, int):
        shifted: NDArray[Any] = _differences(values, low, high)
        span: float = float(max(high - low, 0))
    else:
        kind = np.dtype(np.longdouble if values.dtype.itemsize > 8 else np.float64).type
        shrink = 1.0 if high / 2 - low / 2 < MAX_SPAN / 2 else SHRINK
        with np.errstate(over="ignore", invalid="ignore"):
            shifted = values.astype(kind) * kind(shrink) - kind(low * shrink)
        span = high * shrink - low * shrink
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.rint(shifted * 255.0 / (span or 1.0)).clip(0, 255)
    scaled[np.isnan(scaled)] = 0
    return scaled.astype(np.uint8)


def _differences(values: NDArray[Any], low: int, high: int) -> NDArray[np.float64]:
    """``min(v, high) - low`` where that is positive, else 0, exact before it is rounded to a float."""
    if values.dtype.itemsize <= 4:
        return values.astype(np.float64) - low
    bounds = np.iinfo(values.dtype)
    least, most = (min(max(bound, bounds.min), bounds.max) for bound in (low, high))
    clipped = np.clip(values, least, most).astype(values.dtype.newbyteorder("="))
    above = clipped.view(np.uint64) - np.array(least, values.dtype.newbyteorder("=")).view(np.uint64)
    found: NDArray[np.float64] = above.astype(np.float64) + float(least - low)
    return found
