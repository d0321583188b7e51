"""Labels from arrays, from files with one label per line, and from tables."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from latentmap.core.atomic_files import user_path
from latentmap.core.errors import SourceError
from latentmap.images.array_files import load_numpy
from latentmap.images.column_types import to_text_column
from latentmap.images.idx import read_idx
from latentmap.images.label_columns import to_label_column
from latentmap.images.named_labels import NamedLabels
from latentmap.images.parquet import read_parquet
from latentmap.images.table import LABEL_COLUMNS, PATH_COLUMNS, find_column, is_text_table, refuse_workbook
from latentmap.images.text_table import read_lines, read_text_table


def read_labels(labels: str | os.PathLike[str] | ArrayLike) -> NDArray[Any] | NamedLabels:
    """Read labels from an array or a file.

    Parameters
    ----------
    labels : path or array-like of shape (n,)
        A file is .npy or IDX; text with one label per line, where an empty line is a missing label; or a .csv, .tsv,
        .txt or .parquet table with a column ``label`` and optionally a column of paths.

    Returns
    -------
    ndarray (n,) or NamedLabels
        Labels by path if the table has a column of paths.

    Raises
    ------
    SourceError
        If the file does not exist or contains no labels.
    IdxError
        If a file of another suffix is not a complete IDX file.
    """
    if isinstance(labels, str | os.PathLike):
        return _read_file(user_path(labels))
    if isinstance(labels, np.ndarray):
        return labels
    # NumPy would convert None and NaN in lists to text
    return np.array(labels, dtype=object) if isinstance(labels, list | tuple) else np.asarray(labels)


def _read_file(path: Path) -> NDArray[Any] | NamedLabels:
    if not path.is_file():
        raise SourceError(f"{path}: no such file of labels")
    refuse_workbook(path)
    suffix = path.suffix.lower()
    try:
        if suffix == ".npy":
            values: NDArray[Any] = load_numpy(path)
            return values
        if suffix == ".parquet":
            return _from_columns(path, read_parquet(path))
        if suffix in (".csv", ".tsv"):
            return _from_text_table(path)
        if suffix == ".txt":
            return _from_text_table(path) if is_text_table(path, LABEL_COLUMNS) else _from_lines(path)
    except (pa.ArrowException, UnicodeError) as error:
        raise SourceError(f"{path}: labels cannot be read ({error})") from error
    return read_idx(path)


def _from_lines(path: Path) -> NDArray[Any]:
    lines = read_lines(path, keep_blank=True)[0]
    if lines and find_column([lines[0]], LABEL_COLUMNS) is not None:  # a header
        del lines[0]
    return np.array(lines, dtype=object)


def _from_text_table(path: Path) -> NDArray[Any] | NamedLabels:
    table = read_text_table(path, keep_blank=True)
    if table.invalid_rows:
        row, reason = next(iter(table.invalid_rows.items()))
        raise SourceError(f"{path}: row {row + 1}: {reason}: quote labels that contain the delimiter")
    columns = table.columns
    if columns.num_columns == 1 and find_column(columns.column_names, LABEL_COLUMNS) is None:  # no header
        return np.array([columns.column_names[0], *columns.column(0).to_pylist()], dtype=object)
    return _from_columns(path, columns)


def _from_columns(path: Path, table: pa.Table) -> NDArray[Any] | NamedLabels:
    names = table.column_names
    label, key = find_column(names, LABEL_COLUMNS), find_column(names, PATH_COLUMNS)
    if label is None:
        raise SourceError(f"{path}: columns {', '.join(names) or 'none'}: name the one with the labels 'label'")
    labels = to_label_column(table.column(names.index(label)))
    if key is None:
        return np.array(labels.to_pylist(), dtype=object)
    paths = to_text_column(table.column(names.index(key)))
    named = paths.is_valid()
    return NamedLabels(str(path), paths.filter(named).to_pylist(), labels.filter(named))
