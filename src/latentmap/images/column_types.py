"""Types of the columns of a source: numbers where no text is changed, and types that every reader knows."""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import compute

INTEGER_PATTERN = r"^(0|-?[1-9][0-9]{0,18})$"
DECIMAL_PATTERN = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?(e[+-][0-9]+)?$"
MAX_EXACT_DIGITS = 15  # of a decimal number, which float64 always represents
MAX_HEX_BYTES = 64  # longer values, such as a second image, are replaced by their length
N_ROWS_CONVERTED_AT_ONCE = 2**12  # that are Python objects at the same time
# Metadata of a text column whose type is inferred once all tables are joined.
UNTYPED_MARK = {b"latentmap": b"as written"}


def mark_untyped(table: pa.Table) -> pa.Table:
    """Mark all columns of a text table as columns whose type is not inferred yet.

    Parameters
    ----------
    table : pyarrow.Table

    Returns
    -------
    pyarrow.Table
    """
    return table.cast(pa.schema([field.with_metadata(UNTYPED_MARK) for field in table.schema]))


def is_untyped(field: pa.Field) -> bool:
    """Whether a column is text whose type is not inferred yet.

    Parameters
    ----------
    field : pyarrow.Field

    Returns
    -------
    bool
    """
    return (field.metadata or {}).get(b"latentmap") == b"as written"


def infer_numbers(table: pa.Table) -> pa.Table:
    """Convert untyped text columns to numbers if every number is written back exactly as its text.

    Parameters
    ----------
    table : pyarrow.Table

    Returns
    -------
    pyarrow.Table
    """
    for i, field in enumerate(table.schema):
        if is_untyped(field):
            table = table.set_column(i, field.name, _infer_number_type(table.column(i)))
    return table


def _infer_number_type(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert to int64 or float64, unless a cell is a word or a number such as "007", "1.10", "1e5" or "+5"."""
    if text.null_count == len(text):
        return text
    if _every_cell_matches(text, INTEGER_PATTERN):
        try:
            return text.cast(pa.int64())
        except pa.ArrowInvalid:  # too large
            return text
    if _every_cell_matches(text, DECIMAL_PATTERN) and (
        _every_cell_is(text, _python_text) or _every_cell_is(text, short_cell)
    ):
        return text.cast(pa.float64())
    return text


def _every_cell_matches(text: pa.ChunkedArray, pattern: str) -> bool:
    return all(compute.all(compute.match_substring_regex(chunk, pattern)).as_py() is not False for chunk in text.chunks)


def _every_cell_is(text: pa.ChunkedArray, written: Callable[[float], str]) -> bool:
    for chunk in text.chunks:
        for begin in range(0, len(chunk), N_ROWS_CONVERTED_AT_ONCE):
            if any(
                cell is not None and written(float(cell)) != cell
                for cell in chunk.slice(begin, N_ROWS_CONVERTED_AT_ONCE).to_pylist()
            ):
                return False
    return True


def _python_text(number: float) -> str:
    return repr(number)


def short_cell(number: float) -> str:
    """Shortest text of a float, without ".0"."""
    return repr(number).removesuffix(".0")


def digest_column(digests: bytes | bytearray) -> pa.Array:
    """Make a column of SHA-256 digests.

    Parameters
    ----------
    digests : bytes
        n digests of 32 bytes each.

    Returns
    -------
    pyarrow.FixedSizeBinaryArray
        (n,)
    """
    data = pa.py_buffer(bytes(digests))
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), len(data) // 32, [None, data])


def to_portable_types(table: pa.Table) -> pa.Table:
    """Convert columns to types that every reader of a run supports, without a change of their meaning.

    Parameters
    ----------
    table : pyarrow.Table

    Returns
    -------
    pyarrow.Table
    """
    columns = [table.column(i) for i in range(table.num_columns)]
    kept = [column if is_untyped(table.field(i)) else to_portable_type(column) for i, column in enumerate(columns)]
    fields = [table.field(i).with_type(column.type).with_nullable(True) for i, column in enumerate(kept)]
    return pa.table(kept, schema=pa.schema(fields)) if fields else table


def to_portable_type(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert a column to a type that every reader of a run supports."""
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
    if types.is_decimal(kind) and kind.precision <= MAX_EXACT_DIGITS:
        return column.cast(pa.float64())
    simple = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_string(kind)
    if simple or types.is_date(kind) or types.is_timestamp(kind) or types.is_time(kind):
        return column
    return _map_values(column, _as_hex if _is_bytes(kind) else _json_cell if types.is_nested(kind) else str)


def _is_bytes(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
        or types.is_binary_view(kind)
    )


def _map_values(column: pa.ChunkedArray, written: Callable[[Any], str]) -> pa.ChunkedArray:
    parts = []
    for chunk in column.chunks:
        for begin in range(0, len(chunk), N_ROWS_CONVERTED_AT_ONCE):
            values = chunk.slice(begin, N_ROWS_CONVERTED_AT_ONCE)
            cells = [values[i].as_py() for i in range(len(values))]
            parts.append(pa.array([None if cell is None else written(cell) for cell in cells], pa.string()))
    return pa.chunked_array(parts, pa.string())


def _as_hex(value: bytes) -> str:
    return value.hex() if len(value) <= MAX_HEX_BYTES else f"{len(value):,} bytes"


def _json_cell(value: Any) -> str:
    return json.dumps(_json_value(value), ensure_ascii=False, allow_nan=False)


def _json_value(value: Any) -> Any:
    """Convert a value to JSON types: NaN becomes null, infinite numbers and other types become text."""
    if isinstance(value, dict):
        return {str(key): _json_value(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(one) for one in value]
    if isinstance(value, bytes):
        return _as_hex(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def unify_types(tables: list[pa.Table]) -> list[pa.Table]:
    """Give columns of the same name the same type in all tables: numbers if all are numbers, else text.

    Parameters
    ----------
    tables : list of pyarrow.Table

    Returns
    -------
    list of pyarrow.Table
    """
    names = list(dict.fromkeys(name for table in tables for name in table.column_names))
    for name in names:
        fields = [table.field(name) for table in tables if name in table.column_names]
        kinds = {field.type for field in fields}
        if all(is_untyped(field) for field in fields) or (len(kinds) == 1 and pa.null() not in kinds):
            continue
        tables = [_infer_numbers_of(table, name) for table in tables]
        held = [table[name] for table in tables if name in table.column_names]
        kind = _common_type(held)
        tables = [_cast(table, name, kind) for table in tables]
    return tables


def _infer_numbers_of(table: pa.Table, name: str) -> pa.Table:
    if name not in table.column_names or not is_untyped(table.field(name)):
        return table
    numbers = infer_numbers(table.select([name]))[name]
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
        changed = to_text_column(column) if pa.types.is_string(kind) else column.cast(kind)
    return table.set_column(table.column_names.index(name), name, changed)


def to_text_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert values to text: whole floats without ".0", NaN as null.

    Parameters
    ----------
    column : pyarrow.ChunkedArray

    Returns
    -------
    pyarrow.ChunkedArray
        Strings.
    """
    kind = column.type
    if pa.types.is_string(kind):
        return column
    if pa.types.is_floating(kind):
        return _map_values(nan_to_null(column), _float_text(kind))
    return column.cast(pa.string())


def _float_text(kind: pa.DataType) -> Callable[[float], str]:
    single = kind.bit_width < 64  # float32 0.1 becomes "0.1", not "0.10000000149"
    return lambda number: short_cell(float(str(np.float32(number)))) if single else short_cell(number)


def nan_to_null(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Replace NaN by null."""
    return compute.if_else(compute.is_nan(column), pa.scalar(None, column.type), column)
