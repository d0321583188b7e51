"""Images named or held by a table: text with a path a line, CSV, Parquet with paths or with the files themselves."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import compute

from latentmap.images.decoding import Failure, Item
from latentmap.images.folder import list_files
from latentmap.images.listing import Listing, SourceError, file_stamp, make_table

PATHS = ("path", "file", "file_name", "filename", "image_path", "filepath", "image")
# Columns that the tables of a run have themselves; a column of such a name gets an underscore.
OWN = {"id", "path", "image", "latent", "error", "group", "confidence", "tree", "x", "y", "sha256", "width", "height"}
OWN |= {"added", "block", "source", "file", "frame"}
ROWS = 256  # read at once from a Parquet file
SUFFIXES = (".txt", ".csv", ".tsv", ".parquet")


def list_table(path: Path) -> Listing:
    """List the images that a table names, in its order; its other columns are kept.

    Paths are taken from the first column called path, file, file_name, filename, image_path, filepath or image, and
    are relative to the folder of the table. A Parquet column of structs with ``bytes``, as Hugging Face's ``datasets``
    writes it, or of plain bytes holds the files themselves.

    Raises
    ------
    SourceError
        If the table cannot be read or has no such column.
    """
    try:
        if path.suffix == ".parquet":
            return _list_parquet(path)
        if path.suffix == ".txt":
            lines = path.read_text(encoding="utf-8-sig", errors="surrogateescape").splitlines()
            return list_files(path.stem, str(path.parent), [line for line in lines if line.strip()])
        return _list_columns(path, _read_csv(path))
    except (pa.ArrowException, UnicodeError) as error:
        raise SourceError(f"{path}: not a table that can be read ({error})") from error


def _read_csv(path: Path) -> pa.Table:
    options = pyarrow.csv.ParseOptions(delimiter="\t" if path.suffix == ".tsv" else ",", newlines_in_values=True)
    return pyarrow.csv.read_csv(path, parse_options=options)


def _list_columns(path: Path, table: pa.Table) -> Listing:
    key = next((name for name in PATHS if name in table.column_names), None)
    if key is None:
        raise SourceError(
            f"{path}: columns {', '.join(table.column_names) or 'none'}: call the one with the images' paths 'path'"
        )
    names = ["" if name is None else str(name) for name in table[key].to_pylist()]
    return list_files(path.stem, str(path.parent), names, _others(table, key))


def _others(table: pa.Table, key: str) -> dict[str, Any]:
    return {f"{name}_" if name in OWN else name: table[name] for name in table.column_names if name != key}


def _list_parquet(path: Path) -> Listing:
    file = pq.ParquetFile(path)
    schema = file.schema_arrow
    holds = [name for name in schema.names if _bytes_field(schema.field(name).type) is not None]
    if not holds:  # names of files
        return _list_columns(path, pq.read_table(path))
    key = "image" if "image" in holds else holds[0]
    inner = _bytes_field(schema.field(key).type)
    others = pq.read_table(path, columns=[name for name in schema.names if name != key])
    columns = _others(_with_class_names(others), "")
    names: Any = (f"{path.stem}[{i}]" for i in range(file.metadata.num_rows))
    if inner == "bytes" and "path" in {field.name for field in schema.field(key).type}:
        given = compute.struct_field(file.read(columns=[f"{key}.path"])[key].combine_chunks(), "path")
        if not given.null_count and compute.count_distinct(given).as_py() == len(given):
            names = given.cast(pa.string())
    column = f"{key}.bytes" if inner == "bytes" else key

    def read(rows: NDArray[np.intp]) -> Iterator[Item]:
        wanted, begin = iter(rows), 0
        row = next(wanted, None)
        for batch in pq.ParquetFile(path).iter_batches(ROWS, columns=[column]):
            values = batch.column(0).field("bytes") if inner == "bytes" else batch.column(0)
            while row is not None and row < begin + len(values):
                data = values[int(row) - begin].as_py()
                yield Item(Failure("no bytes in this row") if data is None else data)
                row = next(wanted, None)
            begin += len(values)
            if row is None:
                return

    return Listing(path.stem, make_table(names, columns), read, file_stamp(path))


def _bytes_field(kind: pa.DataType) -> str | None:
    """Where the bytes of a column are: in the field ``bytes`` of its structs, or ("") in itself."""
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return ""
    if pa.types.is_struct(kind) and any(field.name == "bytes" for field in kind):
        return "bytes"
    return None


def _with_class_names(table: pa.Table) -> pa.Table:
    """Labels by name where the table says, as Hugging Face's do, what the numbers stand for."""
    described = json.loads((table.schema.metadata or {}).get(b"huggingface", b"{}"))
    feature = described.get("info", {}).get("features", {}).get("label", {})
    names = feature.get("names") if isinstance(feature, dict) else None
    if not names or "label" not in table.column_names or not pa.types.is_integer(table.schema.field("label").type):
        return table
    numbers = table["label"].to_pylist()
    values = [names[number] if number is not None and 0 <= number < len(names) else None for number in numbers]
    return table.set_column(table.column_names.index("label"), "label", pa.array(values, pa.string()))
