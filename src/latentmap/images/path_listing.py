"""Listing of the images that a column of paths names."""

import pyarrow as pa

from latentmap.images.folder import list_files
from latentmap.images.listing import Listing
from latentmap.images.path_resolution import resolve_paths


def list_paths(
    name: str,
    root: str,
    given: list[str | None],
    columns: pa.Table | None = None,
    invalid_rows: dict[int, str] | None = None,
    encoding: str = "utf-8",
) -> Listing:
    """List the files that a table names.

    Parameters
    ----------
    name : str
        Name of the table.
    root : str
        Folder that the paths are relative to.
    given : list of str or None
        Path of each row, (n,).
    columns : pyarrow.Table, optional
        Other columns, n rows.
    invalid_rows : dict of int to str, optional
        Why rows cannot be read.
    encoding : str, default="utf-8"
        Encoding of the table.

    Returns
    -------
    Listing
    """
    names, failures = resolve_paths(root, given, name, encoding)
    return list_files(name, root, names, columns, failures=failures | (invalid_rows or {}))
