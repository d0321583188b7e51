"""Labels that come apart from the images: arrays, files with one a line, and tables that name the images."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from latentmap.core.atomic_files import user_path
from latentmap.core.errors import SourceError
from latentmap.images.arrays import load_numpy
from latentmap.images.cells import as_labels, as_text_column
from latentmap.images.idx import read_idx
from latentmap.images.named_labels import NamedLabels
from latentmap.images.parquet import read_parquet
from latentmap.images.table import LABELS, PATHS, find_column, is_text_table, refuse_workbook
from latentmap.images.text_table import read_lines, read_text_table


def read_labels(labels: str | os.PathLike[str] | ArrayLike) -> NDArray[Any] | NamedLabels:
    """Labels from an array or a file.

    A file is .npy or IDX; text with a label a line, an empty line where one is missing; or a .csv, .tsv, .txt or
    .parquet table with a column ``label``, and perhaps one of paths, by which labels find their images.

    Raises
    ------
    SourceError
        If there is no such file, or it has no labels.
    """
    if isinstance(labels, str | os.PathLike):
        return _read_file(user_path(labels))
    if isinstance(labels, np.ndarray):
        return labels
    # NumPy would make text of None and NaN in lists
    return np.array(labels, dtype=object) if isinstance(labels, list | tuple) else np.asarray(labels)


def _read_file(path: Path) -> NDArray[Any] | NamedLabels:
    if not path.is_file():
        raise SourceError(f"{path}: there is no such file of labels")
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
            return _from_text_table(path) if is_text_table(path, LABELS) else _from_lines(path)
    except (pa.ArrowException, UnicodeError) as error:
        raise SourceError(f"{path}: not labels that can be read ({error})") from error
    return read_idx(path)


def _from_lines(path: Path) -> NDArray[Any]:
    lines = read_lines(path, keep_blank=True)[0]
    if lines and find_column([lines[0]], LABELS) is not None:  # a header
        del lines[0]
    return np.array(lines, dtype=object)


def _from_text_table(path: Path) -> NDArray[Any] | NamedLabels:
    table = read_text_table(path, keep_blank=True)
    if table.wrong:
        row, reason = next(iter(table.wrong.items()))
        raise SourceError(f"{path}: row {row + 1}: {reason}: put labels with a delimiter in quotes")
    columns = table.columns
    if columns.num_columns == 1 and find_column(columns.column_names, LABELS) is None:  # no header
        return np.array([columns.column_names[0], *columns.column(0).to_pylist()], dtype=object)
    return _from_columns(path, columns)


def _from_columns(path: Path, table: pa.Table) -> NDArray[Any] | NamedLabels:
    names = table.column_names
    label, key = find_column(names, LABELS), find_column(names, PATHS)
    if label is None:
        raise SourceError(f"{path}: columns {', '.join(names) or 'none'}: call the one with the labels 'label'")
    labels = as_labels(table.column(names.index(label)))
    if key is None:
        return np.array(labels.to_pylist(), dtype=object)
    paths = as_text_column(table.column(names.index(key)))
    named = paths.is_valid()
    return NamedLabels(str(path), paths.filter(named).to_pylist(), labels.filter(named))
