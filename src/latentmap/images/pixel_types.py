"""Types of kept pixels: uint8, or uint16 for the channels of files with more than 8 bits.

A pixel stands for a number in [0, 1]: 0 is the low end of the range of its channel, the largest value of the type the
high end.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

# From an 8-bit value to the 16-bit one for the same number in [0, 1].
FACTOR_8_TO_16 = 257
N_VALUES_NARROWED_AT_ONCE = 2**22
PIXEL_FILES = {8: "pixels.u8", 16: "pixels.u16"}


def pixels_file(dtype: np.dtype[Any]) -> str:
    """Name of the file of pixels of a type: pixels.u8 or pixels.u16.

    Parameters
    ----------
    dtype : numpy.dtype
        uint8 or uint16.

    Returns
    -------
    str
    """
    return PIXEL_FILES[8 * np.dtype(dtype).itemsize]


def has_more_than_8_bits(dtype: np.dtype[Any]) -> bool:
    """Whether values of a type have more than 256 steps.

    Parameters
    ----------
    dtype : numpy.dtype
        Type of the values of a file or an array.

    Returns
    -------
    bool
    """
    return dtype.itemsize > 1


def choose_bits(are_deep: Iterable[bool]) -> int:
    """Choose the bits per pixel of a collection of channels.

    Parameters
    ----------
    are_deep : iterable of bool
        Whether each image has more than 8 bits per channel.

    Returns
    -------
    int
        16 if any has, else 8.
    """
    return 16 if any(are_deep) else 8


def pixel_dtype(bits: int) -> np.dtype[Any]:
    """The type of pixels of 8 or 16 bits.

    Parameters
    ----------
    bits : {8, 16}

    Returns
    -------
    numpy.dtype
    """
    return np.dtype(np.uint8 if bits == 8 else np.uint16)


def bits_of(pixels: NDArray[Any]) -> int:
    """Bits per pixel of kept images.

    Parameters
    ----------
    pixels : ndarray, uint8 or uint16

    Returns
    -------
    int
    """
    return 8 * pixels.dtype.itemsize


def largest_pixel(dtype: np.dtype[Any]) -> int:
    """The pixel that stands for 1.

    Parameters
    ----------
    dtype : numpy.dtype
        uint8 or uint16.

    Returns
    -------
    int
        255 or 65535.
    """
    return int(np.iinfo(dtype).max)


def full_range(pixels: NDArray[Any]) -> tuple[float, float]:
    """The pixels that stand for 0 and 1.

    Parameters
    ----------
    pixels : ndarray, uint8 or uint16

    Returns
    -------
    (float, float)
    """
    return 0.0, float(largest_pixel(pixels.dtype))


def as_pixels(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Convert pixels of either type, or floats in [0, 1], to pixels of a type.

    Parameters
    ----------
    values : ndarray of any shape, uint8, uint16 or floats
    dtype : numpy.dtype
        uint8 or uint16.

    Returns
    -------
    ndarray of the same shape, of that type
        The nearest pixels; without a copy if the values have the type already.

    Examples
    --------
    >>> as_pixels(np.array([0, 300, 65535], np.uint16), np.dtype(np.uint8)).tolist()
    [0, 1, 255]
    >>> as_pixels(np.array([0.5]), np.dtype(np.uint16)).tolist()
    [32768]
    """
    if values.dtype == dtype:
        return values
    if values.dtype.kind == "f":
        largest = largest_pixel(dtype)
        pixels: NDArray[Any] = np.clip(values * largest + 0.5, 0, largest).astype(dtype)
        return pixels
    if dtype == np.uint16:
        return values.astype(np.uint16) * np.uint16(FACTOR_8_TO_16)
    flat = np.ascontiguousarray(values).reshape(-1)
    found = np.empty(flat.shape, np.uint8)
    for begin in range(0, len(flat), N_VALUES_NARROWED_AT_ONCE):
        part = slice(begin, begin + N_VALUES_NARROWED_AT_ONCE)
        found[part] = (flat[part].astype(np.uint32) + FACTOR_8_TO_16 // 2) // FACTOR_8_TO_16
    return found.reshape(values.shape)


def in_unit_interval(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Convert pixels of either type to floats.

    Parameters
    ----------
    pixels : ndarray of any shape, uint8 or uint16

    Returns
    -------
    ndarray of the same shape, float32
        In [0, 1].
    """
    return pixels.astype(np.float32) / np.float32(largest_pixel(pixels.dtype))
