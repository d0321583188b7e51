"""Columns of labels, from arrays, lists and columns of any type."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from latentmap.core.missing import is_missing
from latentmap.images.column_types import nan_to_null, short_cell, to_portable_type, to_text_column

MAX_EXACT_INTEGER = 2**53  # float64 represents every integer up to this one


def to_label_column(values: Any) -> pa.ChunkedArray:
    """Convert labels to a column of integers, booleans or text, null where a label is missing.

    None, NaN, NaT, ``pandas.NA``, empty text and masked values are missing. Whole floats become integers, and all other
    values become text.

    Parameters
    ----------
    values : array-like of shape (n,)
        A list, a NumPy array, masked or not, or an Arrow column.

    Returns
    -------
    pyarrow.ChunkedArray
    """
    if isinstance(values, pa.Array):
        values = pa.chunked_array([values])
    if not isinstance(values, pa.ChunkedArray):
        values = pa.chunked_array([_label_array(values)])
    column = to_portable_type(values)
    if pa.types.is_floating(column.type):
        column = _integers_or_text(nan_to_null(column))
    if not (pa.types.is_integer(column.type) or pa.types.is_boolean(column.type)):
        column = to_text_column(column)
        column = compute.if_else(compute.equal(column, ""), pa.scalar(None, pa.string()), column)
    return column


def _integers_or_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    whole = compute.and_(
        compute.equal(column, compute.floor(column)), compute.less_equal(compute.abs(column), float(MAX_EXACT_INTEGER))
    )
    if column.null_count < len(column) and compute.all(whole).as_py():
        return column.cast(pa.int64())
    return to_text_column(column)


def _label_array(values: Any) -> pa.Array:
    mask = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else None
    array: NDArray[Any] = np.asarray(np.ma.getdata(values) if mask is not None else values)
    if array.dtype.kind in "biufM":
        return _labels_of_one_type(array, mask)
    listed = [_label_value(value) for value in array.astype(object)]
    if mask is not None:
        listed = [None if hidden else value for value, hidden in zip(listed, mask, strict=True)]
    kinds = {type(value) for value in listed if value is not None}
    try:
        if kinds and (len(kinds) == 1 or kinds == {int, float}) and kinds <= {bool, int, float}:
            return pa.array(listed, pa.float64() if float in kinds else None)
    except (OverflowError, pa.ArrowInvalid):  # too large for a column of numbers
        pass
    return pa.array([None if value is None else _label_text(value) for value in listed], pa.string())


def _labels_of_one_type(array: NDArray[Any], mask: NDArray[np.bool_] | None) -> pa.Array:
    if array.dtype.kind == "M":
        mask = np.isnat(array) | (False if mask is None else mask)
        return pa.array(array.astype(str).astype(object), pa.string(), mask=mask)
    if array.dtype == np.longdouble:
        array = array.astype(np.float64)
    return pa.array(np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="))), mask=mask)


def _label_value(value: Any) -> Any:
    """Convert one label to a Python type; None if it is missing."""
    if is_missing(value):
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return value if isinstance(value, bool | int | float) else str(value) or None


def _label_text(value: Any) -> str:
    return short_cell(value) if isinstance(value, float) else str(value)
