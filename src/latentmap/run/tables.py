"""The Parquet tables of a run."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from latentmap.core.atomic_files import atomic_write
from latentmap.images import ImageCollection, Skipped
from latentmap.images.collection import as_png
from latentmap.images.image_table import escape_undecodable
from latentmap.images.pixel_types import pixels_file
from latentmap.run.checking import reading
from latentmap.run.layout import CACHE, IMAGES, SKIPPED

N_GROUP_ROWS = 2**13  # of a row group: what is in memory at once when a table is written or read in parts


# Columns of the atlas that hold a vector for each image; "features" is there if neighbours were found by features.
VECTORS = ("latent", "features")
# Columns of the atlas that hold a picture of each image; "planes" is there if images have channels.
PICTURES = ("image", "planes")


def write_table(path: Path, columns: dict[str, Any] | pa.Table) -> None:
    """Write NumPy or Arrow columns as a Parquet file. Equal columns give equal bytes."""
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    with atomic_write(path) as temporary:
        pq.write_table(table, temporary, **_encoding(table.schema), row_group_size=8 * N_GROUP_ROWS)


def write_batches(path: Path, batches: Iterator[pa.Table]) -> None:
    """Write tables of one schema as one Parquet file, each as a row group."""
    first = next(batches)
    with (
        atomic_write(path) as temporary,
        pq.ParquetWriter(temporary, first.schema, **_encoding(first.schema)) as writer,
    ):
        for batch in chain([first], batches):
            writer.write_table(batch.cast(first.schema))


def _encoding(schema: pa.Schema) -> dict[str, Any]:
    """How columns are written: a dictionary of the values of vectors would be larger than the vectors."""
    names = [field.name for field in schema if not pa.types.is_fixed_size_list(field.type)]
    return {"compression": "zstd", "use_dictionary": names}


def read_column(path: Path, name: str) -> NDArray[Any]:
    """One column as NumPy: lists of one length become (n, length), nulls NaN.

    Raises
    ------
    RunError
        If the file is damaged or has no such column.
    """
    with reading(path):
        values = _read_in_parts(path, name)
    pa.default_memory_pool().release_unused()  # what the reader held, as much again
    return values


def read(path: Path, columns: list[str] | None = None) -> pa.Table:
    """A table of a run, or some of its columns.

    Raises
    ------
    RunError
        If the file is damaged or has no such columns.
    """
    with reading(path):
        return pq.read_table(path, columns=columns)


def column_names(path: Path) -> list[str]:
    """The names of the columns of a table of a run.

    Raises
    ------
    RunError
        If the file is damaged.
    """
    with reading(path):
        return list(pq.read_schema(path).names)


def read_batches(
    path: Path, columns: list[str], rows: int, row_groups: list[int] | None = None
) -> Iterator[pa.RecordBatch]:
    """Iterate over some columns of a table of a run, or of some of its row groups, in batches of rows.

    Raises
    ------
    RunError
        If the file is damaged or has no such columns.
    """
    with reading(path):
        batches = pq.ParquetFile(path).iter_batches(rows, row_groups=row_groups, columns=columns)
    while True:
        with reading(path):  # not around the yield: an error of the caller is no damage
            batch = next(batches, None)
        if batch is None:
            return
        yield batch


def _read_in_parts(path: Path, name: str) -> NDArray[Any]:
    file = pq.ParquetFile(path)
    values: NDArray[Any] | None = None
    row = 0
    for group in range(file.num_row_groups):  # Arrow would hold the whole column twice
        part = _as_numpy(file.read_row_group(group, columns=[name])[name].combine_chunks())
        if values is None:
            values = np.empty((file.metadata.num_rows, *part.shape[1:]), part.dtype)
        if part.dtype != values.dtype:  # whole numbers become floats where some are null
            values = values.astype(np.promote_types(values.dtype, part.dtype))
        values[row : row + len(part)] = part
        row += len(part)
    return _as_numpy(file.read([name])[name].combine_chunks()) if values is None else values


def _as_numpy(column: pa.Array) -> NDArray[Any]:
    if pa.types.is_fixed_size_list(column.type):
        values: NDArray[Any] = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, column.type.list_size)
        return values
    scalars: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return scalars


def vectors(values: NDArray[Any]) -> pa.Array:
    """(n, d) → n lists of d numbers."""
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values).ravel()), values.shape[1])


def pictures(images: NDArray[np.uint8], paths: pa.Array) -> pa.Array:
    """PNG bytes and the path of each image: struct{bytes, path}."""
    data = pa.array((as_png(image) for image in images), pa.binary(), size=len(images))
    return pa.StructArray.from_arrays([data, paths], ["bytes", "path"])


def planes(images: NDArray[Any]) -> pa.Array:
    """The channels of each image (n, h, w[, c]), below each other in one grey PNG of 8 or 16 bits."""
    channels = images if images.ndim == 4 else images[..., None]
    stacked = (as_png(image.transpose(2, 0, 1).reshape(-1, image.shape[1])) for image in channels)
    return pa.array(stacked, pa.binary(), size=len(images))


def with_edits(table: pa.Table, edits: pa.Table) -> pa.Table:
    """Columns of the atlas together with the edits of the same images."""
    names = edits.column_names[1:]
    wanted = ["edited_group" if name == "group" else name for name in names]
    for name, free in zip(names, free_names(wanted, set(table.column_names)), strict=True):
        table = table.append_column(free, edits[name])
    return table


def free_names(names: list[str], taken: set[str]) -> list[str]:
    """Names with underscores appended to those that are taken or occur before."""
    found: list[str] = []
    seen = set(taken)
    for name in names:
        free = name
        while free in seen:
            free += "_"
        seen.add(free)
        found.append(free)
    return found


def skipped_columns(skipped: list[Skipped]) -> dict[str, Any]:
    """path, reason."""
    return {
        "path": pa.array([escape_undecodable(path) for path, _ in skipped], pa.string()),
        "reason": pa.array([escape_undecodable(reason) for _, reason in skipped], pa.string()),
    }


def write_images(folder: Path, images: ImageCollection) -> list[str]:
    """Write images.parquet of a collection, and skipped.parquet where files were skipped; return all files."""
    n = len(images)
    write_table(folder / IMAGES, images.table.add_column(0, "id", pa.array(np.arange(n))))
    files = [f"{CACHE}/{pixels_file(images.images.dtype)}", IMAGES]
    if images.skipped:
        write_table(folder / SKIPPED, skipped_columns(images.skipped))
        files.append(SKIPPED)
    else:
        (folder / SKIPPED).unlink(missing_ok=True)
    return files
