"""Parquet tables that contain the image files, as those of Hugging Face do, or only their paths."""

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

from latentmap.images.column_types import to_portable_types
from latentmap.images.decoding import EncodedImage, Failure
from latentmap.images.image_table import make_image_table
from latentmap.images.listing import Listing, file_stamp

MAX_BATCH_ROWS = 256
MAX_BATCH_BYTES = 2**26  # estimated by the sizes of the row groups
MAX_CELL_BYTES = 2**28  # of one image
NO_BYTES_REASON = "no bytes in this row"


@dataclass(frozen=True)
class ParquetImages:
    """A table that contains image files.

    Attributes
    ----------
    n : int
        Number of rows.
    column : str
        Name of the column of the files.
    is_nested : bool
        Whether the files are in the field ``bytes`` of structs.
    others : pyarrow.Table
        All other columns.
    paths : pyarrow.Array or None
        Names of the files, (n,).
    """

    n: int
    column: str
    is_nested: bool
    others: pa.Table
    paths: pa.Array | None

    def listing(self, path: Path, columns: pa.Table) -> Listing:
        """List the images of the table.

        Parameters
        ----------
        path : Path
            Path of the table.
        columns : pyarrow.Table
            The other columns, under the names that they have in the listing.

        Returns
        -------
        Listing
        """
        n, names = self.n, self.paths
        are_names = names is not None and not names.null_count and compute.count_distinct(names).as_py() == n
        known: Any = names if are_names else (f"{path.stem}[{i}]" for i in range(n))
        column = f"{self.column}.bytes" if self.is_nested else self.column

        def read(rows: NDArray[np.intp]) -> Iterator[EncodedImage]:
            for row, data in zip(rows, _read_files(path, column, self.is_nested, rows), strict=True):
                if data is None and self.paths is not None and self.paths[int(row)].is_valid:
                    yield EncodedImage(os.path.join(path.parent, self.paths[int(row)].as_py()))  # noqa: PTH118
                elif data is not None and len(data) > MAX_CELL_BYTES:
                    yield EncodedImage(
                        Failure(f"larger than {MAX_CELL_BYTES >> 20} MiB inside a table: save it as a file")
                    )
                else:
                    yield EncodedImage(Failure(NO_BYTES_REASON) if data is None else data)

        return Listing(path.stem, make_image_table(known, columns), read, file_stamp(path))


def find_parquet_images(path: Path) -> ParquetImages | None:
    """Find the column of a table that contains image files.

    Parameters
    ----------
    path : Path

    Returns
    -------
    ParquetImages or None
        None if no column contains files.
    """
    file = pq.ParquetFile(path)
    schema = file.schema_arrow
    candidates = [field.name for field in schema if _bytes_field(field.type) is not None]
    if not candidates:
        return None
    column = "image" if "image" in candidates else candidates[0]
    kind = schema.field(schema.names.index(column)).type
    is_nested = _bytes_field(kind) == "bytes"
    paths = None
    if is_nested and "path" in {field.name for field in kind}:
        paths = compute.struct_field(file.read(columns=[f"{column}.path"])[column].combine_chunks(), "path").cast(
            pa.string()
        )
    others = [name for name in dict.fromkeys(schema.names) if name != column]
    return ParquetImages(file.metadata.num_rows, column, is_nested, _name_classes(_read_columns(file, others)), paths)


def read_parquet(path: Path) -> pa.Table:
    """Read all columns of a table, of types that every reader of a run supports.

    Parameters
    ----------
    path : Path

    Returns
    -------
    pyarrow.Table
    """
    file = pq.ParquetFile(path)
    return _name_classes(_read_columns(file, list(dict.fromkeys(file.schema_arrow.names))))


def _read_columns(file: pq.ParquetFile, names: list[str]) -> pa.Table:
    """Read columns with portable types. Columns of bytes, which may be large, are read in batches."""
    metadata = file.schema_arrow.metadata
    if not names:
        return pa.table({})
    kinds = [field.type for field in file.schema_arrow if field.name in names]
    if not any(pa.types.is_nested(kind) or _bytes_field(kind) is not None for kind in kinds):
        return to_portable_types(file.read(columns=names)).replace_schema_metadata(metadata)
    batches = file.iter_batches(_batch_rows(file), columns=names)
    parts = [to_portable_types(pa.Table.from_batches([batch])) for batch in batches]
    table = pa.concat_tables(parts) if parts else to_portable_types(file.read(columns=names))
    return table.replace_schema_metadata(metadata)


def _batch_rows(file: pq.ParquetFile) -> int:
    groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    largest = max((group.total_byte_size / max(1, group.num_rows) for group in groups), default=1.0)
    return int(np.clip(MAX_BATCH_BYTES / max(1.0, largest), 1, MAX_BATCH_ROWS))


def _read_files(path: Path, column: str, is_nested: bool, rows: NDArray[np.intp]) -> Iterator[bytes | None]:
    wanted, begin = iter(rows), 0
    row = next(wanted, None)
    file = pq.ParquetFile(path)
    for batch in file.iter_batches(_batch_rows(file), columns=[column]):
        values = batch.column(0).field("bytes") if is_nested else batch.column(0)
        while row is not None and row < begin + len(values):
            yield values[int(row) - begin].as_py()
            row = next(wanted, None)
        begin += len(values)
        if row is None:
            return


def _bytes_field(kind: pa.DataType) -> str | None:
    """Field of a column that contains bytes: "bytes" for structs, "" for the column itself, else None."""
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return ""
    if pa.types.is_struct(kind) and any(field.name == "bytes" and _bytes_field(field.type) == "" for field in kind):
        return "bytes"
    return None


def _name_classes(table: pa.Table) -> pa.Table:
    """Replace numeric labels by the class names in the metadata of Hugging Face."""
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
    """Class names in the metadata; an empty list if the metadata, which is untrusted, have another form."""
    try:
        found = json.loads(metadata.get(b"huggingface", b"{}"))
    except (ValueError, RecursionError):
        return []
    for key in ("info", "features", "label", "names"):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, list) and all(isinstance(name, str) for name in found) else []
