"""Elementwise work on a matrix between two products, in one pass over it: bias, activation, slope, sums for the bias.

Values are float32, or bfloat16 seen as uint16 (NumPy has no such type); all arithmetic is in float32. A pass reads and
writes each value once: 4 bytes a value in bfloat16, 8 in float32, and about 0.2 ns on one core. torch takes 1.3 ns for
an ELU alone.
"""

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload, register_jitable

from latentmap.core.parallel import Array, compiled

# The slope of the first five can be read off their result; that of SiLU only off what went in.
IDENTITY, ELU, LEAKY_RELU, TANH, SIGMOID, SILU = range(6)

# Values at a time where several rows are added up: they stay in the first-level cache.
BLOCK = 2048

ZERO, HALF, ONE = np.float32(0), np.float32(0.5), np.float32(1)
# Between these, e^x and its reciprocal are normal numbers.
LOWEST, HIGHEST = np.float32(-87), np.float32(87)
LOG2_E = np.float32(1.4426950408889634)
# Taylor's polynomial of 2^f. For f in [-1/2, 1/2] its relative error is 2e-7 with six terms, 4e-5 with four.
C1, C2, C3, C4, C5, C6 = (
    np.float32(np.log(2) ** k / divisor) for k, divisor in zip(range(1, 7), (1, 2, 6, 24, 120, 720), strict=True)
)


def widen(x: Any) -> Any:
    """Stored value → float32: bfloat16 from uint16, a pixel in [0, 1] from uint8."""
    raise NotImplementedError


# numba compares the signature of each implementation below with that of the function that chooses it.
@overload(widen, inline="always")
def _widen(x):  # type: ignore[no-untyped-def]
    if x == types.uint16:
        return lambda x: np.uint32(np.uint32(x) << np.uint32(16)).view(np.float32)
    if x == types.uint8:
        return lambda x: np.float32(x) * np.float32(1 / 255)
    return lambda x: x


def narrow(out: Any, x: Any) -> Any:
    """float32 → what ``out`` stores; bfloat16 by rounding to the nearest, halves away from zero."""
    raise NotImplementedError


@overload(narrow, inline="always")
def _narrow(out, x):  # type: ignore[no-untyped-def]
    if out.dtype != types.uint16:
        return lambda out, x: x

    def round_to_bfloat16(out, x):  # type: ignore[no-untyped-def]
        return np.uint16(np.uint32(np.float32(x).view(np.uint32) + np.uint32(0x8000)) >> np.uint32(16))

    return round_to_bfloat16


def exp(out: Any, x: Any) -> Any:
    """e^x in float32 for x ≤ 88, as exactly as ``out`` can store it, in steps that vector registers can take."""
    raise NotImplementedError


@overload(exp, inline="always")
def _exp(out, x):  # type: ignore[no-untyped-def]
    if out.dtype == types.uint16:

        def to_bfloat16(out, x):  # type: ignore[no-untyped-def]
            exponent = max(x, LOWEST) * LOG2_E
            whole = np.rint(exponent)
            f = exponent - whole
            power = (((C4 * f + C3) * f + C2) * f + C1) * f + ONE
            return np.int32(np.float32(power).view(np.int32) + np.int32(np.int32(whole) << np.int32(23))).view(
                np.float32
            )

        return to_bfloat16

    def to_float32(out, x):  # type: ignore[no-untyped-def]
        exponent = max(x, LOWEST) * LOG2_E
        whole = np.rint(exponent)
        f = exponent - whole
        power = (((((C6 * f + C5) * f + C4) * f + C3) * f + C2) * f + C1) * f + ONE
        return np.int32(np.float32(power).view(np.int32) + np.int32(np.int32(whole) << np.int32(23))).view(np.float32)

    return to_float32


@register_jitable(inline="always")
def sigmoid(out: Any, x: Any) -> Any:
    return ONE / (ONE + exp(out, min(-x, HIGHEST)))


@compiled
def arrange(stored: Array, order: Array, out: Array) -> None:
    """out[i, j] = stored[i, order[j]], 0 where order[j] is -1: (n, values) → (n, size) of the same type."""
    for i in range(stored.shape[0]):
        for j in range(order.size):
            out[i, j] = stored[i, order[j]] if order[j] >= 0 else 0


@compiled
def load(stored: Array, out: Array) -> None:
    """Copy values, converting: (rows, columns) → the same."""
    for i in range(stored.shape[0]):
        for j in range(stored.shape[1]):
            out[i, j] = narrow(out, widen(stored[i, j]))


@compiled
def activate(kind: int, alpha: float, z: Array, bias: Array) -> None:  # noqa: PLR0912 - a loop for each kind
    """In place: z ← f(z + bias) for any but SiLU. z (rows, columns), bias (columns,) float32.

    One array and not two: the compiler uses vector registers only where it can rule out that two arrays overlap.
    """
    a = np.float32(alpha)
    rows, columns = z.shape
    if kind == IDENTITY:
        for i in range(rows):
            for j in range(columns):
                z[i, j] = narrow(z, widen(z[i, j]) + bias[j])
    elif kind == ELU:
        for i in range(rows):
            for j in range(columns):
                v = widen(z[i, j]) + bias[j]
                below = a * (exp(z, min(v, ZERO)) - ONE)
                z[i, j] = narrow(z, v if v > ZERO else below)
    elif kind == LEAKY_RELU:
        for i in range(rows):
            for j in range(columns):
                v = widen(z[i, j]) + bias[j]
                z[i, j] = narrow(z, v if v > ZERO else a * v)
    elif kind == TANH:
        for i in range(rows):
            for j in range(columns):
                v = widen(z[i, j]) + bias[j]
                z[i, j] = narrow(z, (ONE + ONE) * sigmoid(z, v + v) - ONE)
    else:
        for i in range(rows):
            for j in range(columns):
                z[i, j] = narrow(z, sigmoid(z, widen(z[i, j]) + bias[j]))


@compiled
def activate_silu(z: Array, bias: Array, y: Array) -> None:
    """z ← z + bias and y ← z · sigmoid(z): (rows, columns) each, bias (columns,)."""
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            v = widen(z[i, j]) + bias[j]
            z[i, j] = narrow(z, v)
            y[i, j] = narrow(y, v * sigmoid(z, v))


@compiled
def differentiate(  # noqa: PLR0912
    kind: int, alpha: float, dy: Array, y: Array, dbias: Array
) -> None:
    """In place: dy ← dy · f'(z), and dbias ← dbias + its sum over the rows. y is f(z), for SiLU z itself."""
    a = np.float32(alpha)
    rows, columns = y.shape
    if kind == IDENTITY:
        for i in range(rows):
            for j in range(columns):
                dbias[j] += widen(dy[i, j])
    elif kind == ELU:
        for i in range(rows):
            for j in range(columns):
                v = widen(y[i, j])
                g = widen(dy[i, j]) * (ONE if v > ZERO else v + a)
                dbias[j] += g
                dy[i, j] = narrow(dy, g)
    elif kind == LEAKY_RELU:
        for i in range(rows):
            for j in range(columns):
                g = widen(dy[i, j]) * (ONE if widen(y[i, j]) > ZERO else a)
                dbias[j] += g
                dy[i, j] = narrow(dy, g)
    elif kind == TANH:
        for i in range(rows):
            for j in range(columns):
                v = widen(y[i, j])
                g = widen(dy[i, j]) * (ONE - v * v)
                dbias[j] += g
                dy[i, j] = narrow(dy, g)
    elif kind == SIGMOID:
        for i in range(rows):
            for j in range(columns):
                v = widen(y[i, j])
                g = widen(dy[i, j]) * v * (ONE - v)
                dbias[j] += g
                dy[i, j] = narrow(dy, g)
    else:
        for i in range(rows):
            for j in range(columns):
                v = widen(y[i, j])
                s = sigmoid(dy, v)
                g = widen(dy[i, j]) * s * (ONE + v * (ONE - s))
                dbias[j] += g
                dy[i, j] = narrow(dy, g)


@compiled
def compare(cross_entropy: bool, z: Array, bias: Array, target: Array, share: Array, dbias: Array) -> float:
    """The squared error of y = sigmoid(z + bias), and in the place of z a slope.

    Parameters
    ----------
    cross_entropy : bool
        Whose slope: that of half the cross entropy, share · (y − target) / 2, or that of the squared error,
        2 · share · (y − target) · y · (1 − y).
    z : (n, columns)
        Overwritten with the slope.
    target : (n, columns) uint8 or float32
    share : (columns,) float32
        Weight of each pixel's squared error in the loss: 1 / (number of values), 0 for padding.
    dbias : (columns,) float32
        Added to: the sum of these slopes over the rows.

    Returns
    -------
    float
        The sum of share · (y − target)².
    """
    loss = 0.0
    for i in range(z.shape[0]):
        part = ZERO
        for j in range(z.shape[1]):
            y = sigmoid(z, widen(z[i, j]) + bias[j])
            d = y - widen(target[i, j])
            weighted = d * share[j]
            part += weighted * d
            g = weighted * HALF if cross_entropy else (weighted + weighted) * y * (ONE - y)
            dbias[j] += g
            z[i, j] = narrow(z, g)
        loss += float(part)
    return loss


@compiled
def accumulate(part: Array, total: Array) -> None:
    """total ← total + part: (rows, columns) float32 or bfloat16, and float32."""
    for i in range(total.shape[0]):
        for j in range(total.shape[1]):
            total[i, j] += widen(part[i, j])


@compiled
def add_rows(rows: Array, begin: int, end: int, total: Array) -> None:
    """total ← the sum of rows[:, begin:end]; (n, size) float32 or bfloat16, (end - begin,) float32."""
    total[:] = ZERO
    for k in range(rows.shape[0]):
        row = rows[k, begin:end]
        for i in range(row.size):
            total[i] += widen(row[i])


@compiled
def squared_norm(rows: Array) -> float:
    """Squared length of the sum of the rows: (n, size) float32 or bfloat16."""
    total = np.empty(BLOCK, np.float32)
    squares = 0.0
    for begin in range(0, rows.shape[1], BLOCK):
        end = min(begin + BLOCK, rows.shape[1])
        add_rows(rows, begin, end, total)
        part = ZERO
        for i in range(end - begin):
            part += total[i] * total[i]
        squares += float(part)
    return squares
