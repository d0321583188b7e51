"""Parquet tables that hold the image files themselves, as Hugging Face's do, or only their paths."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import compute

from latentmap.images.cells import known_types
from latentmap.images.decoding import Failure, Item
from latentmap.images.listing import Listing, file_stamp, make_table

ROWS = 256  # at most, that are read at once
READ_BYTES = 2**26  # at most, as far as the file says how large its rows are
MAX_FILE_BYTES = 2**28  # of one image
NO_BYTES = "no bytes in this row"


@dataclass(frozen=True)
class ParquetImages:
    """A table that holds files.

    Attributes
    ----------
    n : int
        How many rows it has.
    key : str
        The column that holds them.
    inner : bool
        Whether they are in the field ``bytes`` of its structs.
    others : pyarrow.Table
        All other columns.
    paths : pyarrow.Array, optional
        What the files were called.
    """

    n: int
    key: str
    inner: bool
    others: pa.Table
    paths: pa.Array | None

    def listing(self, path: Path, columns: pa.Table) -> Listing:
        """Read the table at ``path``, with its columns under their new names."""
        n, names = self.n, self.paths
        are_names = names is not None and not names.null_count and compute.count_distinct(names).as_py() == n
        known: Any = names if are_names else (f"{path.stem}[{i}]" for i in range(n))
        column = f"{self.key}.bytes" if self.inner else self.key

        def read(rows: NDArray[np.intp]) -> Iterator[Item]:
            for row, data in zip(rows, _values(path, column, self.inner, rows), strict=True):
                if data is None and self.paths is not None and self.paths[int(row)].is_valid:
                    yield Item(os.path.join(path.parent, self.paths[int(row)].as_py()))  # noqa: PTH118
                elif data is not None and len(data) > MAX_FILE_BYTES:
                    yield Item(Failure(f"larger than {MAX_FILE_BYTES >> 20} MiB inside a table: save it as a file"))
                else:
                    yield Item(Failure(NO_BYTES) if data is None else data)

        return Listing(path.stem, make_table(known, columns), read, file_stamp(path))


def list_parquet_images(path: Path) -> ParquetImages | None:
    """The files that a table contains; None for a table that names them."""
    file = pq.ParquetFile(path)
    schema = file.schema_arrow
    holds = [field.name for field in schema if _holds_bytes(field.type) is not None]
    if not holds:
        return None
    key = "image" if "image" in holds else holds[0]
    kind = schema.field(schema.names.index(key)).type
    inner = _holds_bytes(kind) == "bytes"
    paths = None
    if inner and "path" in {field.name for field in kind}:
        paths = compute.struct_field(file.read(columns=[f"{key}.path"])[key].combine_chunks(), "path").cast(pa.string())
    others = [name for name in dict.fromkeys(schema.names) if name != key]
    return ParquetImages(file.metadata.num_rows, key, inner, _with_class_names(_read(file, others)), paths)


def read_parquet(path: Path) -> pa.Table:
    """All columns of a table that names files."""
    file = pq.ParquetFile(path)
    return _with_class_names(_read(file, list(dict.fromkeys(file.schema_arrow.names))))


def _read(file: pq.ParquetFile, names: list[str]) -> pa.Table:
    """Columns of types that all readers of a run know; those of bytes, which may be large, some rows at a time."""
    metadata = file.schema_arrow.metadata
    if not names:
        return pa.table({})
    kinds = [field.type for field in file.schema_arrow if field.name in names]
    if not any(pa.types.is_nested(kind) or _holds_bytes(kind) is not None for kind in kinds):
        return known_types(file.read(columns=names)).replace_schema_metadata(metadata)
    batches = file.iter_batches(_rows_at_once(file), columns=names)
    parts = [known_types(pa.Table.from_batches([batch])) for batch in batches]
    table = pa.concat_tables(parts) if parts else known_types(file.read(columns=names))
    return table.replace_schema_metadata(metadata)


def _rows_at_once(file: pq.ParquetFile) -> int:
    groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    largest = max((group.total_byte_size / max(1, group.num_rows) for group in groups), default=1.0)
    return int(np.clip(READ_BYTES / max(1.0, largest), 1, ROWS))


def _values(path: Path, column: str, inner: bool, rows: NDArray[np.intp]) -> Iterator[bytes | None]:
    wanted, begin = iter(rows), 0
    row = next(wanted, None)
    file = pq.ParquetFile(path)
    for batch in file.iter_batches(_rows_at_once(file), columns=[column]):
        values = batch.column(0).field("bytes") if inner else batch.column(0)
        while row is not None and row < begin + len(values):
            yield values[int(row) - begin].as_py()
            row = next(wanted, None)
        begin += len(values)
        if row is None:
            return


def _holds_bytes(kind: pa.DataType) -> str | None:
    """Where the bytes of a column are: in the field ``bytes`` of its structs, or ("") in itself."""
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return ""
    if pa.types.is_struct(kind) and any(field.name == "bytes" and _holds_bytes(field.type) == "" for field in kind):
        return "bytes"
    return None


def _with_class_names(table: pa.Table) -> pa.Table:
    """Labels by name where the table says, as Hugging Face's do, what the numbers stand for."""
    names = _class_names(table.schema.metadata or {})
    table = table.replace_schema_metadata(None)
    position = table.column_names.index("label") if table.column_names.count("label") == 1 else -1
    if not names or position < 0 or not pa.types.is_integer(table.field(position).type):
        return table
    numbers = table.column(position)
    known = compute.and_(compute.greater_equal(numbers, 0), compute.less(numbers, len(names)))
    indices = compute.if_else(known, numbers, pa.scalar(None, numbers.type))
    return table.set_column(position, "label", pa.array(names, pa.string()).take(indices))


def _class_names(metadata: dict[bytes, bytes]) -> list[str]:
    """The names of the classes; none where the description, which anyone can write, is of another form."""
    try:
        found = json.loads(metadata.get(b"huggingface", b"{}"))
    except (ValueError, RecursionError):
        return []
    for key in ("info", "features", "label", "names"):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, list) and all(isinstance(name, str) for name in found) else []
