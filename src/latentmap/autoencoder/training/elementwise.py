"""Elementwise kernels between two matrix products, each in one pass: bias, activation, derivative, bias gradient.

Values are float32, or bfloat16 stored as uint16 (NumPy has no bfloat16); all arithmetic is in float32. A pass reads and
writes each value once: 4 bytes a value in bfloat16, 8 in float32, and about 0.2 ns on one core. torch takes 1.3 ns for
an ELU alone.
"""

import numpy as np

from latentmap.autoencoder.training.stored_values import HALF, ONE, ZERO, exp, narrow, sigmoid, widen
from latentmap.core.parallel import Array, compiled

# Kinds of activations. The derivative of the first five follows from their output, that of SiLU only from its input.
IDENTITY, ELU, LEAKY_RELU, TANH, SIGMOID, SILU = range(6)

# Values of a block in which several rows are summed: they stay in the first-level cache.
N_VALUES_PER_BLOCK = 2048


@compiled
def gather_columns(stored: Array, order: Array, out: Array) -> None:
    """Reorder columns: out[i, j] = stored[i, order[j]], or 0 where order[j] is -1.

    Parameters
    ----------
    stored : ndarray of shape (n, n_values)
        Values of any type.
    order : ndarray of shape (size,), int64
        Column of each result, or -1.
    out : ndarray of shape (n, size)
        Result, of the type of ``stored``.
    """
    for i in range(stored.shape[0]):
        for j in range(order.size):
            out[i, j] = stored[i, order[j]] if order[j] >= 0 else 0


@compiled
def convert(stored: Array, out: Array) -> None:
    """Copy values into an array of another stored type.

    Parameters
    ----------
    stored : ndarray of shape (rows, columns), float32, uint16 or uint8
        Values to copy.
    out : ndarray of shape (rows, columns), float32 or uint16
        Result.
    """
    for i in range(stored.shape[0]):
        for j in range(stored.shape[1]):
            out[i, j] = narrow(out, widen(stored[i, j]))


@compiled
def activate(kind: int, alpha: float, z: Array, bias: Array) -> None:  # noqa: PLR0912 - a loop for each kind
    """Add the bias and apply an activation other than SiLU, in place: z ← f(z + bias).

    The input is overwritten because the compiler uses vector registers only where two arrays cannot overlap.

    Parameters
    ----------
    kind : int
        Kind of the activation.
    alpha : float
        Parameter of ELU and of the leaky ReLU.
    z : ndarray of shape (rows, columns), float32 or uint16
        Products; overwritten with the activations.
    bias : ndarray of shape (columns,), float32
        Bias of each column.
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
    """Add the bias and apply SiLU: z ← z + bias, y ← z · sigmoid(z).

    Parameters
    ----------
    z : ndarray of shape (rows, columns), float32 or uint16
        Products; the bias is added in place.
    bias : ndarray of shape (columns,), float32
        Bias of each column.
    y : ndarray of shape (rows, columns), float32 or uint16
        Activations.
    """
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            v = widen(z[i, j]) + bias[j]
            z[i, j] = narrow(z, v)
            y[i, j] = narrow(y, v * sigmoid(z, v))


@compiled
def activation_backward(  # noqa: PLR0912 - a loop for each kind
    kind: int, alpha: float, dy: Array, y: Array, dbias: Array
) -> None:
    """Propagate a gradient back through an activation, in place: dy ← dy · f'(z), and add its sum to dbias.

    Parameters
    ----------
    kind : int
        Kind of the activation.
    alpha : float
        Parameter of ELU and of the leaky ReLU.
    dy : ndarray of shape (rows, columns), float32 or uint16
        Gradient of the output; overwritten with the gradient of the input.
    y : ndarray of shape (rows, columns), float32 or uint16
        Output f(z); for SiLU the input z.
    dbias : ndarray of shape (columns,), float32
        Gradient of the bias; the sum over the rows is added.
    """
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
def loss_backward(cross_entropy: bool, z: Array, bias: Array, target: Array, weight: Array, dbias: Array) -> float:
    """Compute the weighted squared error of y = sigmoid(z + bias), and overwrite z with the gradient.

    Parameters
    ----------
    cross_entropy : bool
        Whether the gradient is that of half the cross entropy, weight · (y − target) / 2, or that of the squared
        error, 2 · weight · (y − target) · y · (1 − y).
    z : ndarray of shape (n, columns), float32 or uint16
        Products; overwritten with the gradient.
    bias : ndarray of shape (columns,), float32
        Bias of each column.
    target : ndarray of shape (n, columns), uint8 or float32
        Pixels from 0 to 255, or in [0, 1].
    weight : ndarray of shape (columns,), float32
        Weight of each pixel in the loss: 1 / (number of values), 0 for padding.
    dbias : ndarray of shape (columns,), float32
        Gradient of the bias; the sum over the rows is added.

    Returns
    -------
    float
        Sum of weight · (y − target)².
    """
    loss = 0.0
    for i in range(z.shape[0]):
        part = ZERO
        for j in range(z.shape[1]):
            y = sigmoid(z, widen(z[i, j]) + bias[j])
            d = y - widen(target[i, j])
            weighted = d * weight[j]
            part += weighted * d
            g = weighted * HALF if cross_entropy else (weighted + weighted) * y * (ONE - y)
            dbias[j] += g
            z[i, j] = narrow(z, g)
        loss += float(part)
    return loss


@compiled
def squared_errors(z: Array, bias: Array, target: Array, weight: Array, errors: Array) -> None:
    """Compute the weighted squared error of y = sigmoid(z + bias) for each image.

    Parameters
    ----------
    z : ndarray of shape (n, columns), float32 or uint16
        Products.
    bias : ndarray of shape (columns,), float32
        Bias of each column.
    target : ndarray of shape (n, columns), uint8 or float32
        Pixels from 0 to 255, or in [0, 1].
    weight : ndarray of shape (columns,), float32
        Weight of each pixel: 1 / (number of values), 0 for padding.
    errors : ndarray of shape (n,), float32
        Sum of weight · (y − target)² for each image.
    """
    for i in range(z.shape[0]):
        error = ZERO
        for j in range(z.shape[1]):
            d = sigmoid(z, widen(z[i, j]) + bias[j]) - widen(target[i, j])
            error += weight[j] * d * d
        errors[i] = error


@compiled
def accumulate(part: Array, total: Array) -> None:
    """Add a matrix to a sum in place.

    Parameters
    ----------
    part : ndarray of shape (rows, columns), float32 or uint16
        Matrix to add.
    total : ndarray of shape (rows, columns), float32
        Sum.
    """
    for i in range(total.shape[0]):
        for j in range(total.shape[1]):
            total[i, j] += widen(part[i, j])


@compiled
def add_rows(rows: Array, begin: int, end: int, total: Array) -> None:
    """Sum rows: total ← rows[:, begin:end].sum(axis=0).

    Parameters
    ----------
    rows : ndarray of shape (n, size), float32 or uint16
        Rows to sum.
    begin, end : int
        Range of the columns.
    total : ndarray of shape (end - begin,), float32
        Result.
    """
    total[:] = ZERO
    for k in range(rows.shape[0]):
        row = rows[k, begin:end]
        for i in range(row.size):
            total[i] += widen(row[i])


@compiled
def squared_norm(rows: Array) -> float:
    """Compute the squared norm of the sum of the rows.

    Parameters
    ----------
    rows : ndarray of shape (n, size), float32 or uint16
        Rows to sum.

    Returns
    -------
    float
    """
    total = np.empty(N_VALUES_PER_BLOCK, np.float32)
    squares = 0.0
    for begin in range(0, rows.shape[1], N_VALUES_PER_BLOCK):
        end = min(begin + N_VALUES_PER_BLOCK, rows.shape[1])
        add_rows(rows, begin, end, total)
        part = ZERO
        for i in range(end - begin):
            part += total[i] * total[i]
        squares += float(part)
    return squares
