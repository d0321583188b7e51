"""The Parquet tables of a run."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from latentmap.files import whole
from latentmap.images import ImageCollection, Skipped


def write_table(path: Path, columns: dict[str, Any]) -> None:
    """Write columns, NumPy arrays or Arrow arrays, as one Parquet file; the same columns give the same bytes."""
    with whole(path) as temporary:
        pq.write_table(pa.table(columns), temporary, compression="zstd")


def read_column(path: Path, name: str) -> NDArray[Any]:
    """One column as NumPy: lists of one length become (n, length), nulls NaN."""
    column = pq.read_table(path, columns=[name])[name].combine_chunks()
    if pa.types.is_fixed_size_list(column.type):
        values: NDArray[Any] = column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1)
        return values
    scalars: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return scalars


def vectors(values: NDArray[Any]) -> pa.Array:
    """(n, d) → n lists of d numbers."""
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values).ravel()), values.shape[1])


def pictures(images: ImageCollection) -> pa.Array:
    """PNG bytes and the path of each image: struct{bytes, path}."""
    data = pa.array((images.png(i) for i in range(len(images))), pa.binary(), size=len(images))
    return pa.StructArray.from_arrays([data, paths(images.paths)], ["bytes", "path"])


def paths(names: list[str]) -> pa.Array:
    """Names of files as text; bytes that are not UTF-8 are written as escapes."""
    return pa.array([name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace") for name in names])


def skipped_columns(skipped: list[Skipped]) -> dict[str, Any]:
    """path, reason."""
    return {
        "path": paths([path for path, _ in skipped]),
        "reason": pa.array([reason for _, reason in skipped], pa.string()),
    }
