"""Images named by a table: text with a path a line, CSV, or Parquet; with the files inside: :mod:`.parquet`."""

import re
from pathlib import Path

import pyarrow as pa

from latentmap.core.errors import SourceError
from latentmap.images.cells import as_text_column, as_written
from latentmap.images.folder import list_files
from latentmap.images.listing import Listing
from latentmap.images.parquet import list_parquet_images, read_parquet
from latentmap.images.resolve import resolve
from latentmap.images.text_table import EXCEL_ADVICE, TextTable, distinct_columns, read_lines, read_text_table

PATHS = ("path", "file", "file_name", "filename", "image_path", "filepath", "image")
LABELS = ("label",)
# Columns that the tables of a run have themselves; a column of such a name gets an underscore.
OWN = {"id", "path", "image", "latent", "error", "group", "confidence", "tree", "x", "y", "sha256", "width", "height"}
OWN |= {"added", "block", "outlier", "duplicate_of", "isolation", "strange", "source", "file", "frame", "pixels_sha256"}
SUFFIXES = (".txt", ".csv", ".tsv", ".parquet")
WORKBOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")


def list_table(path: Path) -> Listing:
    """List the images that a table names, in its order; its other columns are kept.

    Paths are taken from the first column called path, file, file_name, filename, image_path, filepath or image, however
    that is written (``File Name``), and are relative to the folder of the table. Those of Windows are read too, and so
    are absolute ones of another machine when all that is below some folder is found beside the table. A Parquet column
    of structs with ``bytes``, as Hugging Face's ``datasets`` writes it, or of plain bytes holds the files themselves.

    Raises
    ------
    SourceError
        If the table cannot be read or has no such column.
    """
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            found = list_parquet_images(path)
            if found is None:
                return _list_rows(path, TextTable(read_parquet(path), {}))
            return found.listing(path, other_columns(found.others))
        if suffix == ".txt" and not is_text_table(path, PATHS):
            return _list_lines(path)
        text = read_text_table(path)
        return _list_rows(path, TextTable(as_written(text.columns), text.wrong))
    except (pa.ArrowException, UnicodeError, OSError) as error:
        raise SourceError(f"{path}: not a table that can be read ({error})") from error


def refuse_workbook(path: Path) -> None:
    """Raise SourceError for a workbook of a spreadsheet."""
    if path.suffix.lower() in WORKBOOKS:
        raise SourceError(f"{path}: {EXCEL_ADVICE}")


def find_column(names: list[str], wanted: tuple[str, ...]) -> str | None:
    """The first column that is called as wanted, or so but for capitals, spaces, hyphens and underscores."""
    exact = next((name for name in wanted if name in names), None)
    if exact is not None:
        return exact
    plain = {_plain(name): name for name in reversed(names)}
    return next((plain[_plain(name)] for name in wanted if _plain(name) in plain), None)


def is_text_table(path: Path, wanted: tuple[str, ...]) -> bool:
    """Whether a file of text begins with a header of several columns, one of them called as wanted."""
    start = next(iter(read_lines(path)[0]), "")
    cells = max((start.split(delimiter) for delimiter in "\t,;|"), key=len)
    return len(cells) > 1 and find_column([cell.strip('"') for cell in cells], wanted) is not None


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).casefold()


def _list_lines(path: Path) -> Listing:
    lines, encoding = read_lines(path)
    if lines and _plain(lines[0]) in map(_plain, PATHS) and not (path.parent / lines[0]).exists():
        del lines[0]  # a header
    names, failures = resolve(str(path.parent), [*lines], path.stem, encoding)
    return list_files(path.stem, str(path.parent), names, failures=failures)


def _list_rows(path: Path, table: TextTable) -> Listing:
    names = table.columns.column_names
    key = find_column(names, PATHS)
    if key is None:
        raise SourceError(f"{path}: columns {', '.join(names) or 'none'}: call the one with the images' paths 'path'")
    position = names.index(key)
    given = as_text_column(table.columns.column(position)).to_pylist()
    resolved, failures = resolve(str(path.parent), given, path.stem)
    columns = other_columns(table.columns.remove_column(position))
    return list_files(path.stem, str(path.parent), resolved, columns, failures=failures | table.wrong)


def other_columns(table: pa.Table) -> pa.Table:
    """Columns by names of their own: the label is called ``label``, and a name that a run uses gets an underscore."""
    label = find_column(table.column_names, LABELS)
    names = table.column_names
    first = names.index(label) if label is not None else -1
    wanted = ["label" if i == first else f"{name}_" if name in OWN else name for i, name in enumerate(names)]
    return table.rename_columns(distinct_columns(wanted, OWN))
