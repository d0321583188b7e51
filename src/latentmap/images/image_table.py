"""Table of the images of a source: paths, labels and other columns."""

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import compute

from latentmap.core.atomic_files import numbered
from latentmap.images.label_columns import to_label_column

# Columns that identify an image; ``path`` alone is unique as well.
IDENTITY_COLUMNS = ("path", "source", "file", "frame")


def escape_undecodable(name: str) -> str:
    """Replace undecodable bytes in the name of a file by escapes, so that it is valid Unicode.

    Parameters
    ----------
    name : str

    Returns
    -------
    str
    """
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def make_image_table(
    names: Iterable[str] | pa.Array | pa.ChunkedArray, columns: pa.Table | None = None, labels: Any = None
) -> pa.Table:
    """Make the table of one source.

    An image is identified by its ``source`` (int16), the name of its ``file`` in it (string) and its ``frame`` (int32,
    null for a file with one image). The column ``path`` (string) combines these and is unique as well.

    Parameters
    ----------
    names : iterable of str, or a column
        Names of the files.
    columns : pyarrow.Table, optional
        Other columns of the source.
    labels : array-like of shape (n,), optional
        Labels, by default those in ``columns``, else the names of the folders if these distinguish the images.

    Returns
    -------
    pyarrow.Table
    """
    if isinstance(names, pa.Array | pa.ChunkedArray):
        paths = names
    else:
        paths = pa.array((escape_undecodable(name) for name in names), pa.string())
    n = len(paths)
    columns = pa.table({}) if columns is None else columns
    if labels is None and "label" in columns.column_names:
        labels = columns["label"]
    labels = labels_of_folders(paths) if labels is None else to_label_column(labels)
    table = pa.table({"path": paths, "source": np.zeros(n, np.int16), "file": paths, "frame": pa.nulls(n, pa.int32())})
    if labels is not None:
        table = table.append_column("label", labels)
    for i, column in enumerate(columns.schema):
        if column.name not in table.column_names:
            table = table.append_column(column, columns.column(i))
    return table


def hash_table(table: pa.Table) -> str:
    """Hash a table.

    Parameters
    ----------
    table : pyarrow.Table

    Returns
    -------
    str
        SHA-256 of the schema and all cells, in hexadecimal.
    """
    digest = hashlib.sha256(repr(table.schema).encode("utf-8", "surrogatepass"))
    for batch in table.combine_chunks().to_batches():
        digest.update(batch.serialize())
    return digest.hexdigest()


def labels_of_folders(paths: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray | None:
    """Take the folders of images as their labels.

    Parameters
    ----------
    paths : column of str (n,)

    Returns
    -------
    column of str (n,), or None
        None if an image lies in no folder, or all lie in the same.
    """
    folders = compute.replace_substring_regex(paths, r"(^|/)[^/]*$", "")
    names = compute.unique(folders).to_pylist()
    return folders if len(names) > 1 and "" not in names else None


def replace_columns(table: pa.Table, **columns: Any) -> pa.Table:
    """Replace columns of a table by name.

    Parameters
    ----------
    table : pyarrow.Table
    **columns : array-like of shape (n,)
        New values by the name of the column.

    Returns
    -------
    pyarrow.Table
    """
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, values)
    return table


def prefix_paths(name: str, paths: Any) -> Any:
    """Prefix paths with the name of their source.

    Parameters
    ----------
    name : str
    paths : column of str (n,)

    Returns
    -------
    column of str (n,)
    """
    return compute.binary_join_element_wise(name, paths, "/")


def with_unique_paths(table: pa.Table, name: str, taken: set[str]) -> pa.Table:
    """Prefix the paths of a table with the name of its source if one of them is already taken.

    Parameters
    ----------
    table : pyarrow.Table
    name : str
        Name of the source; it gets a number if the prefixed paths are taken as well.
    taken : set of str
        Paths of other images.

    Returns
    -------
    pyarrow.Table
    """
    given = table["path"].to_pylist()
    paths, names = given, numbered(name)
    while not taken.isdisjoint(paths):
        prefix = next(names)
        paths = [f"{prefix}/{path}" for path in given]
    return table if paths is given else replace_columns(table, path=pa.array(paths, pa.string()))


def unique_names(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """Make names unique by a number after those that occur before.

    Parameters
    ----------
    names : iterable of str
    taken : iterable of str
        Further names that may not be used.

    Returns
    -------
    list of str

    Examples
    --------
    >>> unique_names(["scans", "scans"])
    ['scans', 'scans-2']
    """
    seen, found = set(taken), []
    for name in names:
        found.append(next(one for one in numbered(name) if one not in seen))
        seen.add(found[-1])
    return found
