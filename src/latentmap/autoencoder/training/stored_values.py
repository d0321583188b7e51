"""Conversion between stored values and float32, and the exponential function, for use in compiled kernels.

bfloat16 is stored as uint16, because NumPy has no bfloat16.
"""

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload, register_jitable

ZERO, HALF, ONE = np.float32(0), np.float32(0.5), np.float32(1)
# Between these, e^x and its reciprocal are normal numbers.
MIN_EXPONENT, MAX_EXPONENT = np.float32(-87), np.float32(87)
LOG2_E = np.float32(1.4426950408889634)
# Taylor polynomial of 2^f. For f in [-1/2, 1/2] its relative error is 2e-7 with six terms, 4e-5 with four.
C1, C2, C3, C4, C5, C6 = (
    np.float32(np.log(2) ** k / divisor) for k, divisor in zip(range(1, 7), (1, 2, 6, 24, 120, 720), strict=True)
)


def widen(x: Any) -> Any:
    """Convert a stored value to float32: bfloat16 from uint16, a pixel in [0, 1] from uint8.

    Parameters
    ----------
    x : float32, uint16 or uint8
        Stored value.

    Returns
    -------
    float32

    Raises
    ------
    NotImplementedError
        Always outside of compiled code: numba replaces this function.
    """
    raise NotImplementedError


# numba requires that each implementation below has the signature of the function that chooses it.
@overload(widen, inline="always")
def _widen(x):  # type: ignore[no-untyped-def]
    if x == types.uint16:
        return lambda x: np.uint32(np.uint32(x) << np.uint32(16)).view(np.float32)
    if x == types.uint8:
        return lambda x: np.float32(x) * np.float32(1 / 255)
    return lambda x: x


def narrow(out: Any, x: Any) -> Any:
    """Convert float32 to the type that an array stores; to bfloat16 by rounding to the nearest, ties away from zero.

    Parameters
    ----------
    out : ndarray, float32 or uint16
        Array whose type is wanted.
    x : float32
        Value to convert.

    Returns
    -------
    float32 or uint16

    Raises
    ------
    NotImplementedError
        Always outside of compiled code: numba replaces this function.
    """
    raise NotImplementedError


@overload(narrow, inline="always")
def _narrow(out, x):  # type: ignore[no-untyped-def]
    if out.dtype != types.uint16:
        return lambda out, x: x

    def round_to_bfloat16(out, x):  # type: ignore[no-untyped-def]
        return np.uint16(np.uint32(np.float32(x).view(np.uint32) + np.uint32(0x8000)) >> np.uint32(16))

    return round_to_bfloat16


def exp(out: Any, x: Any) -> Any:
    """Compute e^x in float32 for x ≤ 88, as precisely as an array can store it, without branches, for vector registers.

    Parameters
    ----------
    out : ndarray, float32 or uint16
        Array that determines the precision.
    x : float32
        Exponent, at most 88.

    Returns
    -------
    float32

    Raises
    ------
    NotImplementedError
        Always outside of compiled code: numba replaces this function.
    """
    raise NotImplementedError


@overload(exp, inline="always")
def _exp(out, x):  # type: ignore[no-untyped-def]
    if out.dtype == types.uint16:

        def to_bfloat16(out, x):  # type: ignore[no-untyped-def]
            exponent = max(x, MIN_EXPONENT) * LOG2_E
            whole = np.rint(exponent)
            f = exponent - whole
            power = (((C4 * f + C3) * f + C2) * f + C1) * f + ONE
            return np.int32(np.float32(power).view(np.int32) + np.int32(np.int32(whole) << np.int32(23))).view(
                np.float32
            )

        return to_bfloat16

    def to_float32(out, x):  # type: ignore[no-untyped-def]
        exponent = max(x, MIN_EXPONENT) * LOG2_E
        whole = np.rint(exponent)
        f = exponent - whole
        power = (((((C6 * f + C5) * f + C4) * f + C3) * f + C2) * f + C1) * f + ONE
        return np.int32(np.float32(power).view(np.int32) + np.int32(np.int32(whole) << np.int32(23))).view(np.float32)

    return to_float32


@register_jitable(inline="always")
def sigmoid(out: Any, x: Any) -> Any:
    """Compute 1 / (1 + e^-x) in float32, as precisely as an array can store it.

    Parameters
    ----------
    out : ndarray, float32 or uint16
        Array that determines the precision.
    x : float32
        Argument.

    Returns
    -------
    float32
    """
    return ONE / (ONE + exp(out, min(-x, MAX_EXPONENT)))
