"""Images named by a table: text with one path per line, CSV, or Parquet with paths or with the files themselves."""

import re
from pathlib import Path

import pyarrow as pa

from latentmap.core.errors import SourceError
from latentmap.images.column_types import mark_untyped, to_text_column
from latentmap.images.listing import Listing
from latentmap.images.parquet import find_parquet_images, read_parquet
from latentmap.images.path_listing import list_paths
from latentmap.images.remote.downloads import Downloads
from latentmap.images.text_table import WORKBOOK_ADVICE, TextTable, read_lines, read_text_table, unique_column_names

PATH_COLUMNS = ("path", "file", "file_name", "filename", "image_path", "filepath", "image")
LABEL_COLUMNS = ("label",)
# Columns of the tables of a run. A column of the source with such a name gets an underscore.
RESERVED_COLUMNS = {
    "id",
    "path",
    "image",
    "latent",
    "features",
    "error",
    "group",
    "confidence",
    "tree",
    "x",
    "y",
    "sha256",
    "width",
    "height",
}
RESERVED_COLUMNS |= {
    "added",
    "block",
    "outlier",
    "duplicate_of",
    "isolation",
    "strange",
    "source",
    "file",
    "frame",
    "pixels_sha256",
    "file_bytes",
    "file_format",
    "file_mode",
}
TABLE_SUFFIXES = (".txt", ".csv", ".tsv", ".parquet")
ADDRESS_COLUMNS = (*PATH_COLUMNS, "url", "image_url", "uri")
WORKBOOK_SUFFIXES = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")


def list_table(path: Path, root: str | None = None, downloads: Downloads | None = None) -> Listing:
    """List the images that a table names, in its order. Its other columns are kept.

    Paths are in the first column called path, file, file_name, filename, image_path, filepath or image, or else url,
    image_url or uri, regardless of capitals, spaces, hyphens and underscores. They are relative to the folder of the
    table. Windows paths are accepted, and so are absolute paths of another machine if the files are found relative to
    the table without their common folders. A path may be an address, which is downloaded. A Parquet column of bytes, or
    of structs with a field ``bytes`` as the ``datasets`` library of Hugging Face writes them, contains the files
    themselves.

    Parameters
    ----------
    path : Path
        A .txt, .csv, .tsv or .parquet file.
    root : str, optional
        Folder that the paths are relative to, or its address; by default that of the table.
    downloads : Downloads, optional
        Where files are downloaded to whose addresses the table contains.

    Returns
    -------
    Listing

    Raises
    ------
    SourceError
        If the table cannot be read or has no column of paths.
    """
    suffix, root = path.suffix.lower(), root or str(path.parent)
    try:
        if suffix == ".parquet":
            found = find_parquet_images(path)
            if found is None:
                return _list_rows(path, TextTable(read_parquet(path), {}), root, downloads)
            return found.listing(path, rename_other_columns(found.others))
        if suffix == ".txt" and not is_text_table(path, ADDRESS_COLUMNS):
            return _list_lines(path, root, downloads)
        text = read_text_table(path)
        return _list_rows(path, TextTable(mark_untyped(text.columns), text.invalid_rows), root, downloads)
    except (pa.ArrowException, UnicodeError, OSError) as error:
        raise SourceError(f"{path}: the table cannot be read ({error})") from error


def refuse_workbook(path: Path) -> None:
    """Refuse spreadsheet files.

    Parameters
    ----------
    path : Path

    Raises
    ------
    SourceError
        If the suffix is that of a workbook.
    """
    if path.suffix.lower() in WORKBOOK_SUFFIXES:
        raise SourceError(f"{path}: {WORKBOOK_ADVICE}")


def find_column(names: list[str], wanted: tuple[str, ...]) -> str | None:
    """Find a column by its name.

    Parameters
    ----------
    names : list of str
        Names of the columns.
    wanted : tuple of str
        Names to find, in the order of preference. Exact names come before names that differ in
        capitals, spaces, hyphens and underscores.

    Returns
    -------
    str or None
        None if there is no such column.
    """
    exact = next((name for name in wanted if name in names), None)
    if exact is not None:
        return exact
    by_name = {_normalize_name(name): name for name in reversed(names)}
    return next((by_name[_normalize_name(name)] for name in wanted if _normalize_name(name) in by_name), None)


def is_text_table(path: Path, wanted: tuple[str, ...]) -> bool:
    """Whether a text file begins with a header of several columns, one of which has a wanted name.

    Parameters
    ----------
    path : Path
    wanted : tuple of str
        Names of the column.

    Returns
    -------
    bool
    """
    start = next(iter(read_lines(path)[0]), "")
    cells = max((start.split(delimiter) for delimiter in "\t,;|"), key=len)
    return len(cells) > 1 and find_column([cell.strip('"') for cell in cells], wanted) is not None


def _normalize_name(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).casefold()


def _list_lines(path: Path, root: str, downloads: Downloads | None) -> Listing:
    lines, encoding = read_lines(path)
    if (
        lines
        and _normalize_name(lines[0]) in map(_normalize_name, ADDRESS_COLUMNS)
        and not (path.parent / lines[0]).exists()
    ):
        del lines[0]  # a header
    return list_paths(path.stem, root, [*lines], encoding=encoding, downloads=downloads)


def _list_rows(path: Path, table: TextTable, root: str, downloads: Downloads | None) -> Listing:
    names = table.columns.column_names
    key = find_column(names, ADDRESS_COLUMNS)
    if key is None:
        raise SourceError(
            f"{path}: columns {', '.join(names) or 'none'}: name the one with the paths of the images 'path'"
        )
    position = names.index(key)
    given = to_text_column(table.columns.column(position)).to_pylist()
    columns = rename_other_columns(table.columns.remove_column(position))
    return list_paths(path.stem, root, given, columns, table.invalid_rows, downloads=downloads)


def rename_other_columns(table: pa.Table) -> pa.Table:
    """Name the label column ``label``, and add an underscore to names that the tables of a run use.

    Parameters
    ----------
    table : pyarrow.Table

    Returns
    -------
    pyarrow.Table
    """
    label = find_column(table.column_names, LABEL_COLUMNS)
    names = table.column_names
    first = names.index(label) if label is not None else -1
    wanted = [
        "label" if i == first else f"{name}_" if name in RESERVED_COLUMNS else name for i, name in enumerate(names)
    ]
    return table.rename_columns(unique_column_names(wanted, RESERVED_COLUMNS))
