"""Columns of numbers in tables: Parquet, Arrow and Feather, CSV and TSV."""

import csv
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import compute

from latentmap.core.errors import LatentmapError, SourceError
from latentmap.images.column_types import to_portable_types, to_text_column
from latentmap.images.table import LABEL_COLUMNS, PATH_COLUMNS, find_column
from latentmap.images.text_table import detect_file_encoding, find_delimiter

N_ROWS_AT_ONCE = 2**12
CSV_BLOCK_BYTES = 2**24
ID_COLUMNS = ("id",)


@dataclass(frozen=True)
class TableFile:
    """A table on disk that is read in batches.

    Attributes
    ----------
    schema : pyarrow.Schema
    batches : callable
        Takes names of columns, and returns an iterator of record batches with them.
    """

    schema: pa.Schema
    batches: Callable[[list[str]], Iterator[pa.RecordBatch]]


@dataclass(frozen=True)
class ValueTable:
    """The numbers of a table, and the column by which its rows belong to images.

    Attributes
    ----------
    values : array (n, d), float32
    key : {"path", "id"}, optional
    keys : list of str, optional
    """

    values: NDArray[np.float32]
    key: str | None
    keys: list[str] | None


def read_value_table(path: Path, column: str | None) -> ValueTable:
    """Read the numbers of a table.

    Parameters
    ----------
    path : Path
        A file with one of the suffixes of ``TABLE_READERS``.
    column : str, optional
        A column of lists, or columns of numbers separated by commas; see :func:`choose_columns`.

    Returns
    -------
    ValueTable

    Raises
    ------
    SourceError
        If the file is damaged or has no such columns, or rows of it are no vectors of one length.
    """
    with _reading(path):
        file = TABLE_READERS[path.suffix.lower()](path)
        chosen = choose_columns(file.schema, column, str(path))
        key, key_column = _key_column(file.schema, chosen)
        wanted = [*chosen, *([] if key_column is None else [key_column])]
        data, width, keys, row = bytearray(), None, [], 0
        for batch in file.batches(wanted):
            block = _block(batch, chosen, str(path), row, width)
            width = block.shape[1]
            data += block.data
            row += len(block)
            if key_column is not None:
                keys += _keys(batch, key_column, str(path), row - len(block))
    values = np.frombuffer(data, np.float32).reshape(row, width or 0)
    return ValueTable(values, key, None if key is None else keys)


def has_columns(path: Path, names: tuple[str, ...]) -> bool:
    """Whether a table has columns of these names. Errors are those of :func:`read_value_table`."""
    with _reading(path):
        return set(names) <= set(TABLE_READERS[path.suffix.lower()](path).schema.names)


def read_other_columns(path: Path, column: str | None) -> pa.Table:
    """Read the columns of a table beside its numbers; those of lists, structs and bytes are left out.

    Parameters
    ----------
    path, column
        See :func:`read_value_table`.

    Returns
    -------
    pyarrow.Table

    Raises
    ------
    SourceError
        If the file is damaged.
    """
    with _reading(path):
        file = TABLE_READERS[path.suffix.lower()](path)
        chosen = choose_columns(file.schema, column, str(path))
        names = [field.name for field in file.schema if field.name not in chosen and _is_plain(field)]
        key = _key_column(file.schema, chosen)
        names = [name for name in names if key != ("path", name)]
        if not names:
            return pa.table({})
        batches = [batch.select(names) for batch in file.batches(names)]
        return to_portable_types(pa.Table.from_batches(batches)) if batches else pa.table({})


def _is_plain(field: pa.Field) -> bool:
    kind = field.type
    return bool(field.name) and not (
        pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    )


def choose_columns(schema: pa.Schema, column: str | None, name: str) -> list[str]:
    """Choose the columns of a table that hold the numbers.

    Parameters
    ----------
    schema : pyarrow.Schema
    column : str, optional
        The name of a column, or several separated by commas. By default the only column of lists, or without one all
        columns of numbers except those that identify an image or label it.
    name : str
        Name of the table, for messages.

    Returns
    -------
    list of str
        One column of lists, or columns of numbers.

    Raises
    ------
    SourceError
        If there are no such columns, or several columns of lists.
    """
    names = schema.names
    listed = ", ".join(names) or "none"
    if column is not None:
        chosen = [column] if column in names else [one.strip() for one in column.split(",")]
        unknown = [one for one in chosen if names.count(one) != 1]
        if unknown:
            raise SourceError(f"{name}: {names.count(unknown[0])} columns {unknown[0]!r}: its columns are {listed}")
        return chosen
    lists = [field.name for field in schema if _is_list(field.type)]
    if len(lists) == 1:
        return lists
    if lists:
        raise SourceError(f"{name}: columns {', '.join(lists)} hold lists: choose one, as {name}:{lists[0]}")
    left_out = {find_column(names, wanted) for wanted in (ID_COLUMNS, LABEL_COLUMNS, PATH_COLUMNS)}
    numbers = [field.name for field in schema if _is_number(field.type) and field.name and field.name not in left_out]
    if not numbers:
        raise SourceError(f"{name}: columns {listed}: none holds numbers or lists of numbers")
    return numbers


def _key_column(schema: pa.Schema, chosen: list[str]) -> tuple[str | None, str | None]:
    """The kind and the name of the column by which rows belong to images."""
    names = [field.name for field in schema if field.name not in chosen and not pa.types.is_nested(field.type)]
    for key, wanted in (("path", PATH_COLUMNS), ("id", ID_COLUMNS)):
        found = find_column(names, wanted)
        if found is not None:
            return key, found
    return None, None


def _keys(batch: pa.RecordBatch, column: str, name: str, first: int) -> list[str]:
    values = batch.column(column)
    found: list[str] = to_text_column(pa.chunked_array([values])).to_pylist()
    if values.null_count:
        raise SourceError(f"{name}: row {first + found.index(None)} has no {column}: fill it in")  # type: ignore[arg-type]
    return found


def _block(batch: pa.RecordBatch, chosen: list[str], name: str, first: int, width: int | None) -> NDArray[np.float32]:
    """The numbers of a batch (k, d), float32; a missing one is NaN."""
    if len(chosen) > 1 or _is_number(batch.column(chosen[0]).type):
        for one in chosen:
            if not _is_number(batch.column(one).type):
                raise SourceError(f"{name}: column {one!r} holds {batch.column(one).type}, not numbers")
        return np.stack([_numbers(batch.column(one)) for one in chosen], axis=1)
    column = batch.column(chosen[0])
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if _is_text(column.type):
        column = _parsed(column, f"{name}: column {chosen[0]!r}", first)
    if not _is_list(column.type) or not _is_number(column.type.value_type):
        raise SourceError(f"{name}: column {chosen[0]!r} holds {column.type}, not lists of numbers")
    lengths = compute.list_value_length(column).fill_null(-1).to_numpy(zero_copy_only=False)
    usual = int(lengths[0]) if width is None and len(lengths) else width
    wrong = np.flatnonzero((lengths != usual) | (lengths < 1))
    if len(wrong):
        row, length = first + int(wrong[0]), int(lengths[wrong[0]])
        found = "has no vector" if length < 1 else f"has {length} numbers, and the rows before have {usual}"
        raise SourceError(f"{name}: row {row} of column {chosen[0]!r} {found}: give vectors of one length")
    return _numbers(column.flatten()).reshape(len(column), usual or 0)


def _numbers(column: pa.Array) -> NDArray[np.float32]:
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(column.to_numpy(zero_copy_only=False).astype(np.float32))


def _parsed(column: pa.Array, name: str, first: int) -> pa.Array:
    """Lists that are written as text, such as "[0.1, 0.2]" or "0.1 0.2"."""
    found = []
    for row, text in enumerate(column.to_pylist()):
        try:
            found.append(None if text is None else _parse_vector(text))
        except (ValueError, RecursionError) as error:
            raise SourceError(f"{name}, row {first + row}: {text[:40]!r} is no list of numbers") from error
    return pa.array(found, pa.list_(pa.float64()))


def _parse_vector(text: str) -> list[float]:
    if "," in text:
        values = json.loads(text if text.lstrip().startswith("[") else f"[{text}]")
        return [float(value) for value in values]
    return [float(one) for one in text.strip().strip("[]").split()]


def _is_number(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind)
    )


def _is_list(kind: pa.DataType) -> bool:
    kind = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _open_parquet(path: Path) -> TableFile:
    file = pq.ParquetFile(path)
    return TableFile(file.schema_arrow, lambda names: file.iter_batches(N_ROWS_AT_ONCE, columns=names))


def _open_arrow(path: Path) -> TableFile:
    """An Arrow file, of which Feather is one, or an Arrow stream, as ``datasets`` writes them."""
    source = pa.memory_map(str(path))
    try:
        file = pa.ipc.open_file(source)
        batches = (file.get_batch(i) for i in range(file.num_record_batches))
        schema = file.schema
    except pa.ArrowInvalid:
        source.seek(0)
        stream = pa.ipc.open_stream(source)
        schema, batches = stream.schema, iter(stream)

    def read(names: list[str]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for begin in range(0, batch.num_rows, N_ROWS_AT_ONCE):
                yield batch.select(names).slice(begin, N_ROWS_AT_ONCE)

    return TableFile(schema, read)


def _open_text(path: Path) -> TableFile:
    """A text table. Its columns of numbers are those of its first rows; a first row of numbers only is no header."""
    encoding = detect_file_encoding(path)
    delimiter, n_before = find_delimiter(path, encoding)
    with path.open(encoding=encoding, newline="") as file:
        for _ in range(n_before):
            file.readline()
        header = next(csv.reader(file, delimiter=delimiter), [])
    reading = pa.csv.ReadOptions(
        encoding=encoding,
        skip_rows=n_before,
        block_size=CSV_BLOCK_BYTES,
        autogenerate_column_names=bool(header) and all(map(_is_written_number, header)),
    )
    parsing = pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    schema = pa.csv.open_csv(path, reading, parsing).schema

    def read(names: list[str]) -> Iterator[pa.RecordBatch]:
        keys = {find_column(schema.names, wanted) for wanted in (ID_COLUMNS, PATH_COLUMNS)}
        kinds = {field.name: pa.float64() if _is_number(field.type) else field.type for field in schema}
        kinds |= {name: pa.string() for name in keys if name is not None}
        converting = pa.csv.ConvertOptions(include_columns=names, column_types=kinds)
        return iter(pa.csv.open_csv(path, reading, parsing, converting))

    return TableFile(schema, read)


def _is_written_number(text: str) -> bool:
    return re.fullmatch(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*", text) is not None


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Raise a SourceError that names the file for whatever a reader says of a damaged file."""
    try:
        yield
    except LatentmapError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        said = str(error).strip().partition("\n")[0][:200]
        raise SourceError(f"{path}: cannot be read as a table ({said}): write it again") from error


TABLE_READERS: dict[str, Callable[[Path], TableFile]] = {
    **{".parquet": _open_parquet, ".arrow": _open_arrow, ".feather": _open_arrow},
    **{".csv": _open_text, ".tsv": _open_text},
}
