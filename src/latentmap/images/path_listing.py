"""Listing of the images that a column of paths names: files, files at an address, or both."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from latentmap.core.addresses import (
    TABLE_PROTOCOLS,
    beside,
    is_address,
    protocol_of,
    public_address,
    without_secrets,
)
from latentmap.core.errors import SourceError
from latentmap.images.decoding import EncodedImage, Failure
from latentmap.images.folder import list_files
from latentmap.images.image_table import hash_table, make_image_table
from latentmap.images.listing import Listing
from latentmap.images.path_resolution import ABSOLUTE_PATH, NO_PATH_REASON, find_repeated, resolve_paths
from latentmap.images.remote.downloads import Downloads
from latentmap.images.remote.filesystems import RemoteFile
from latentmap.images.remote.reading_ahead import read_ahead

ABSOLUTE_REASON = "an absolute path, in a table that is not on this machine"
PROTOCOL_REASON = "a kind of address that is not read from a table"


def list_paths(
    name: str,
    root: str,
    given: list[str | None],
    columns: pa.Table | None = None,
    invalid_rows: dict[int, str] | None = None,
    encoding: str = "utf-8",
    downloads: Downloads | None = None,
) -> Listing:
    """List the files that a table names.

    Parameters
    ----------
    name : str
        Name of the table.
    root : str
        Folder that the paths are relative to, or its address.
    given : list of str or None
        Path or address of each row, (n,).
    columns : pyarrow.Table, optional
        Other columns, n rows.
    invalid_rows : dict of int to str, optional
        Why rows cannot be read.
    encoding : str, default="utf-8"
        Encoding of the table.
    downloads : Downloads, optional
        Where files at an address are downloaded to.

    Returns
    -------
    Listing

    Raises
    ------
    SourceError
        If there are addresses, but no folder to download to.
    """
    reasons = invalid_rows or {}
    if not is_address(root) and not any(is_address(one) for one in given):
        names, failures = resolve_paths(root, given, name, encoding)
        return list_files(name, root, names, columns, failures=failures | reasons)
    if downloads is None:
        raise SourceError(f"{name}: addresses in a list: pass them to latentmap.open_images or latentmap.map_images")
    return _list_addresses(name, root, given, columns, reasons, encoding, downloads)


def _list_addresses(
    name: str,
    root: str,
    given: list[str | None],
    columns: pa.Table | None,
    invalid_rows: dict[int, str],
    encoding: str,
    downloads: Downloads,
) -> Listing:
    names: list[str] = [f"{name}[{i}]" for i in range(len(given))]
    failures: dict[int, str] = {}
    files: dict[int, RemoteFile] = {}
    local: list[int] = []
    for i, written in enumerate(given):
        if written is None or not written.strip():
            failures[i] = NO_PATH_REASON
        elif is_address(written):
            names[i] = public_address(written.strip())
            files[i] = RemoteFile(written.strip())
            if protocol_of(written) not in TABLE_PROTOCOLS | ({protocol_of(root)} if is_address(root) else set()):
                failures[i] = PROTOCOL_REASON
        elif not is_address(root):
            local.append(i)
        else:
            names[i] = written.replace("\\", "/").removeprefix("./")
            files[i] = RemoteFile(beside(root, names[i]))
            if ABSOLUTE_PATH.match(written):
                failures[i] = ABSOLUTE_REASON
    resolved = resolve_paths(root, [given[i] for i in local], name, encoding)[0] if local else []
    for i, found in zip(local, resolved, strict=True):
        names[i] = found
    failures |= find_repeated(names, failures) | invalid_rows
    columns = None if columns is None else _without_secrets(columns)
    if is_address(root):
        table = make_image_table(names, columns)
        stamp = repr((public_address(root), hash_table(table), sorted(failures.items())))
        base = Listing(name, table, iter, stamp, root=public_address(root))
    else:
        base = list_files(name, root, names, columns, failures=failures)

    if "label" not in (columns.column_names if columns is not None else ()) and any(is_address(one) for one in names):
        base = replace(base, table=_without_labels(base.table))  # the folders of addresses are no classes

    def items(rows: NDArray[np.intp]) -> Iterator[RemoteFile | EncodedImage]:
        for row in map(int, rows):
            if row in failures:
                yield EncodedImage(Failure(failures[row]))
            else:
                yield files[row] if row in files else EncodedImage(os.path.join(root, names[row]))  # noqa: PTH118

    def read(rows: NDArray[np.intp]) -> Iterator[EncodedImage]:
        return read_ahead(downloads, items(rows))

    return replace(base, read=read, stamp=hashlib.sha256(base.stamp.encode("utf-8", "surrogatepass")).hexdigest())


def _without_labels(table: pa.Table) -> pa.Table:
    return table.drop_columns(["label"]) if "label" in table.column_names else table


def _without_secrets(columns: pa.Table) -> pa.Table:
    """Remove what grants access from addresses in the other columns."""
    for i, field in enumerate(columns.schema):
        column = columns.column(i)
        if pa.types.is_string(field.type) and compute.any(compute.match_substring(column, "://")).as_py():
            cells = [None if cell is None else without_secrets(cell) for cell in column.to_pylist()]
            columns = columns.set_column(i, field, pa.array(cells, pa.string()))
    return columns
