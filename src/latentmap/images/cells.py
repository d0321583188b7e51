"""Types of the columns of a source: numbers where their text stays as it was, and types that all readers know."""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from latentmap.core.missing import is_missing

WHOLE = r"^(0|-?[1-9][0-9]{0,18})$"
DECIMAL = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?(e[+-][0-9]+)?$"
EXACT_DIGITS = 15  # of a decimal number, that a float64 always holds
EXACT_WHOLE = 2**53  # up to which a float64 holds each whole number
MAX_HEX_BYTES = 64  # longer bytes, such as a second image, are only counted
ROWS = 2**12  # that are Python's own objects at once
# Mark of a column that came as text, whose type is decided when all tables are joined.
AS_WRITTEN = {b"latentmap": b"as written"}


def as_written(table: pa.Table) -> pa.Table:
    """Mark the columns of a table of text."""
    return table.cast(pa.schema([field.with_metadata(AS_WRITTEN) for field in table.schema]))


def is_as_written(field: pa.Field) -> bool:
    """Whether a column is text whose type is not decided yet."""
    return (field.metadata or {}).get(b"latentmap") == b"as written"


def with_numbers(table: pa.Table) -> pa.Table:
    """Make numbers of those columns that came as text and whose every cell a number gives back as it was."""
    for i, field in enumerate(table.schema):
        if is_as_written(field):
            table = table.set_column(i, field.name, _numbers(table.column(i)))
    return table


def _numbers(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """int64 or float64, or the text when "007", "1.10", "1e5", "+5" or a word is in it."""
    if text.null_count == len(text):
        return text
    if _all_match(text, WHOLE):
        try:
            return text.cast(pa.int64())
        except pa.ArrowInvalid:  # too large
            return text
    if _all_match(text, DECIMAL) and (_all_are(text, _as_python) or _all_are(text, _as_short)):
        return text.cast(pa.float64())
    return text


def _all_match(text: pa.ChunkedArray, pattern: str) -> bool:
    return all(compute.all(compute.match_substring_regex(chunk, pattern)).as_py() is not False for chunk in text.chunks)


def _all_are(text: pa.ChunkedArray, written: Callable[[float], str]) -> bool:
    for chunk in text.chunks:
        for begin in range(0, len(chunk), ROWS):
            if any(cell is not None and written(float(cell)) != cell for cell in chunk.slice(begin, ROWS).to_pylist()):
                return False
    return True


def _as_python(number: float) -> str:
    return repr(number)


def _as_short(number: float) -> str:
    return repr(number).removesuffix(".0")


def digest_column(digests: bytes | bytearray) -> pa.Array:
    """SHA-256 digests that follow each other as a column of 32 bytes each."""
    data = pa.py_buffer(bytes(digests))
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), len(data) // 32, [None, data])


def known_types(table: pa.Table) -> pa.Table:
    """Columns of types that not every reader of a run knows, as those that all do; none changes what it says."""
    columns = [table.column(i) for i in range(table.num_columns)]
    kept = [column if is_as_written(table.field(i)) else _known(column) for i, column in enumerate(columns)]
    fields = [table.field(i).with_type(column.type).with_nullable(True) for i, column in enumerate(kept)]
    return pa.table(kept, schema=pa.schema(fields)) if fields else table


def _known(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        column = pa.chunked_array([chunk.storage for chunk in column.chunks], kind.storage_type)
        kind = column.type
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if types.is_null(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return column.cast(pa.string())
    if types.is_float16(kind):
        return column.cast(pa.float32())
    if types.is_decimal(kind) and kind.precision <= EXACT_DIGITS:
        return column.cast(pa.float64())
    simple = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_string(kind)
    if simple or types.is_date(kind) or types.is_timestamp(kind) or types.is_time(kind):
        return column
    return _by_value(column, _as_hex if _is_bytes(kind) else _as_json if types.is_nested(kind) else str)


def _is_bytes(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
        or types.is_binary_view(kind)
    )


def _by_value(column: pa.ChunkedArray, written: Callable[[Any], str]) -> pa.ChunkedArray:
    parts = []
    for chunk in column.chunks:
        for begin in range(0, len(chunk), ROWS):
            values = chunk.slice(begin, ROWS)
            cells = [values[i].as_py() for i in range(len(values))]
            parts.append(pa.array([None if cell is None else written(cell) for cell in cells], pa.string()))
    return pa.chunked_array(parts, pa.string())


def _as_hex(value: bytes) -> str:
    return value.hex() if len(value) <= MAX_HEX_BYTES else f"{len(value):,} bytes"


def _as_json(value: Any) -> str:
    return json.dumps(_json_value(value), ensure_ascii=False, allow_nan=False)


def _json_value(value: Any) -> Any:
    """A value as JSON can hold it: NaN is null, infinite numbers and other types are text."""
    if isinstance(value, dict):
        return {str(key): _json_value(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(one) for one in value]
    if isinstance(value, bytes):
        return _as_hex(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def unified(tables: list[pa.Table]) -> list[pa.Table]:
    """Tables whose columns of one name have one type: numbers of both are numbers, all else becomes text."""
    names = list(dict.fromkeys(name for table in tables for name in table.column_names))
    for name in names:
        fields = [table.field(name) for table in tables if name in table.column_names]
        kinds = {field.type for field in fields}
        if all(is_as_written(field) for field in fields) or (len(kinds) == 1 and pa.null() not in kinds):
            continue
        tables = [_with_number(table, name) for table in tables]
        held = [table[name] for table in tables if name in table.column_names]
        kind = _common_type(held)
        tables = [_cast(table, name, kind) for table in tables]
    return tables


def _with_number(table: pa.Table, name: str) -> pa.Table:
    if name not in table.column_names or not is_as_written(table.field(name)):
        return table
    numbers = with_numbers(table.select([name]))[name]
    return table.set_column(table.column_names.index(name), name, numbers) if name != "label" else table


def _common_type(columns: list[pa.ChunkedArray]) -> pa.DataType:
    kinds = {column.type for column in columns if column.null_count < len(column)}
    if len(kinds) <= 1:
        return kinds.pop() if kinds else pa.string()
    if all(pa.types.is_integer(kind) for kind in kinds):
        return pa.int64() if all(_fits(column, pa.int64()) for column in columns) else pa.string()
    if all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in kinds):
        return pa.float64() if all(_fits(column, pa.float64()) for column in columns) else pa.string()
    return pa.string()


def _fits(column: pa.ChunkedArray, kind: pa.DataType) -> bool:
    try:
        column.cast(kind)
    except pa.ArrowInvalid:
        return False
    return True


def _cast(table: pa.Table, name: str, kind: pa.DataType) -> pa.Table:
    if name not in table.column_names:
        return table
    column = table[name]
    if column.null_count == len(column):
        changed = pa.chunked_array([pa.nulls(len(column), kind)], kind)
    else:
        changed = as_text_column(column) if pa.types.is_string(kind) else column.cast(kind)
    return table.set_column(table.column_names.index(name), name, changed)


def as_text_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Values as text: whole floats without ".0", NaN as missing."""
    kind = column.type
    if pa.types.is_string(kind):
        return column
    if pa.types.is_floating(kind):
        return _by_value(_without_nan(column), _float_text(kind))
    return column.cast(pa.string())


def _float_text(kind: pa.DataType) -> Callable[[float], str]:
    single = kind.bit_width < 64  # 0.1 of 32 bits is 0.1 in text, not 0.10000000149
    return lambda number: _as_short(float(str(np.float32(number)))) if single else _as_short(number)


def _without_nan(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return compute.if_else(compute.is_nan(column), pa.scalar(None, column.type), column)


def as_labels(values: Any) -> pa.ChunkedArray:
    """Labels from an array, a list or a column: integers, booleans or text, null where one is missing.

    Missing are None, NaN, NaT, pandas' NA, empty text and what a mask hides. Whole floats are integers, other values
    the text that they are written as.
    """
    if isinstance(values, pa.Array):
        values = pa.chunked_array([values])
    if not isinstance(values, pa.ChunkedArray):
        values = pa.chunked_array([_label_array(values)])
    column = _known(values)
    if pa.types.is_floating(column.type):
        column = _whole_or_text(_without_nan(column))
    if not (pa.types.is_integer(column.type) or pa.types.is_boolean(column.type)):
        column = as_text_column(column)
        column = compute.if_else(compute.equal(column, ""), pa.scalar(None, pa.string()), column)
    return column


def _whole_or_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    whole = compute.and_(
        compute.equal(column, compute.floor(column)), compute.less_equal(compute.abs(column), float(EXACT_WHOLE))
    )
    if column.null_count < len(column) and compute.all(whole).as_py():
        return column.cast(pa.int64())
    return as_text_column(column)


def _label_array(values: Any) -> pa.Array:
    mask = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else None
    array: NDArray[Any] = np.asarray(np.ma.getdata(values) if mask is not None else values)
    if array.dtype.kind in "biufM":
        return _plain_labels(array, mask)
    listed = [_label(value) for value in array.astype(object)]
    if mask is not None:
        listed = [None if hidden else value for value, hidden in zip(listed, mask, strict=True)]
    kinds = {type(value) for value in listed if value is not None}
    try:
        if kinds and (len(kinds) == 1 or kinds == {int, float}) and kinds <= {bool, int, float}:
            return pa.array(listed, pa.float64() if float in kinds else None)
    except (OverflowError, pa.ArrowInvalid):  # too large for a column of numbers
        pass
    return pa.array([None if value is None else _written(value) for value in listed], pa.string())


def _plain_labels(array: NDArray[Any], mask: NDArray[np.bool_] | None) -> pa.Array:
    if array.dtype.kind == "M":
        mask = np.isnat(array) | (False if mask is None else mask)
        return pa.array(array.astype(str).astype(object), pa.string(), mask=mask)
    if array.dtype == np.longdouble:
        array = array.astype(np.float64)
    return pa.array(np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="))), mask=mask)


def _label(value: Any) -> Any:
    """One label as Python's own type, None where it is missing."""
    if is_missing(value):
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return value if isinstance(value, bool | int | float) else str(value) or None


def _written(value: Any) -> str:
    return _as_short(value) if isinstance(value, float) else str(value)
