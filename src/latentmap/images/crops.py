"""Crops: parts of images that a table of boxes names."""

import math
import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from latentmap.core.atomic_files import sha256, user_path
from latentmap.core.errors import SourceError
from latentmap.images.coco import read_coco
from latentmap.images.column_types import infer_numbers, mark_untyped, to_text_column
from latentmap.images.data_frames import table_of_columns
from latentmap.images.image_table import hash_table
from latentmap.images.parquet import read_parquet
from latentmap.images.table import PATH_COLUMNS, find_column, refuse_workbook, rename_other_columns
from latentmap.images.text_table import read_text_table

# Spellings of the columns of a box, and whether the last two are a size instead of the opposite corner.
SPELLINGS = (
    (("left", "top", "right", "bottom"), False),
    (("left", "top", "width", "height"), True),
    (("xmin", "ymin", "xmax", "ymax"), False),
    (("x0", "y0", "x1", "y1"), False),
    (("x1", "y1", "x2", "y2"), False),
    (("x", "y", "width", "height"), True),
)
# Columns with the label of a box, the first that a table has.
CROP_LABEL_COLUMNS = ("label", "category", "class", "class_name")
TEXT_SUFFIXES = (".csv", ".tsv", ".txt")


@dataclass(frozen=True)
class Crops:
    """Boxes of a table or of a COCO file.

    Attributes
    ----------
    source : str
        Path of the table, or the word crops for columns in memory.
    digest : str
        SHA-256 of the table, in hexadecimal.
    paths : list of (str or None)
        Path of the image of each box, (n,).
    boxes : ndarray (n, 4), float64
        ``left``, ``top``, ``right`` and ``bottom``, NaN where the table has no number.
    columns : pyarrow.Table
        The other columns, n rows, with the labels in ``label``.
    sizes : ndarray (n, 2), float64
        Width and height that the table states for the image of each box, NaN where it states none.
    """

    source: str
    digest: str
    paths: list[str | None] = field(repr=False)
    boxes: NDArray[np.float64] = field(repr=False)
    columns: pa.Table = field(repr=False)
    sizes: NDArray[np.float64] = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """The option by name, as a JSON value."""
        return {"crops": self.source}


def read_crops(path: Any) -> Crops:
    """Read a table of boxes, or a COCO file.

    Parameters
    ----------
    path : path, DataFrame or dict
        A DataFrame of pandas or Polars, a dict of columns, or a .csv, .tsv, .txt or .parquet table, with a column of
        paths and the edges of boxes in columns called ``left``, ``top``, ``right``, ``bottom``;
        ``left``, ``top``, ``width``, ``height``; ``xmin``, ``ymin``, ``xmax``, ``ymax``; ``x0``, ``y0``, ``x1``,
        ``y1``; ``x1``, ``y1``, ``x2``, ``y2``; or ``x``, ``y``, ``width``, ``height``. A .json file in the format of
        COCO.

    Returns
    -------
    Crops

    Raises
    ------
    InputTypeError
        If it is neither.
    SourceError
        If the file does not exist, cannot be read, or has no boxes.
    """
    if not isinstance(path, str | os.PathLike):
        table = table_of_columns(path, "crops")
        return _from_columns("crops", hash_table(table), table)
    path = user_path(path)
    if not path.is_file():
        raise SourceError(f"{path}: no such file of boxes")
    refuse_workbook(path)
    suffix = path.suffix.lower()
    try:
        if suffix == ".json":
            return Crops(str(path), sha256(path), *read_coco(path))
        if suffix == ".parquet":
            return _from_columns(str(path), sha256(path), read_parquet(path))
        if suffix in TEXT_SUFFIXES:
            table = read_text_table(path)
            if table.invalid_rows:
                row, reason = next(iter(table.invalid_rows.items()))
                raise SourceError(f"{path}: row {row + 1}: {reason}: quote cells that contain the delimiter")
            return _from_columns(str(path), sha256(path), infer_numbers(mark_untyped(table.columns)))
    except (pa.ArrowException, UnicodeError, OSError) as error:
        raise SourceError(f"{path}: the boxes cannot be read ({error})") from error
    raise SourceError(f"{path}: boxes are in a .csv, .tsv, .txt or .parquet table, or in a .json file of COCO")


def _from_columns(path: str, digest: str, table: pa.Table) -> Crops:
    names = table.column_names
    key = find_column(names, PATH_COLUMNS)
    if key is None:
        raise SourceError(
            f"{path}: columns {', '.join(names) or 'none'}: name the one with the paths of the images 'path'"
        )
    found = _find_box_columns([name for name in names if name != key])
    if found is None:
        spellings = "; ".join(", ".join(spelling) for spelling, _ in SPELLINGS)
        raise SourceError(f"{path}: columns {', '.join(names)}: name those of the boxes by one of {spellings}")
    columns, are_sizes = found
    boxes = np.column_stack([_numbers(table[name]) for name in columns])
    if are_sizes:
        boxes[:, 2:] += boxes[:, :2]
    paths = to_text_column(table[key]).to_pylist()
    others = table.drop_columns([key, *columns])
    label = find_column(others.column_names, CROP_LABEL_COLUMNS)
    if label is not None:
        others = others.rename_columns(["label" if name == label else name for name in others.column_names])
    sizes = np.full((len(paths), 2), np.nan)
    return Crops(path, digest, paths, boxes, rename_other_columns(others), sizes)


def _find_box_columns(names: list[str]) -> tuple[list[str], bool] | None:
    for spelling, are_sizes in SPELLINGS:
        found = [name for name in (find_column(names, (one,)) for one in spelling) if name is not None]
        if len(found) == len(spelling):
            return found, are_sizes
    return None


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Values as floats; NaN for what is no finite number."""
    return np.array([_number(value) for value in column.to_pylist()], np.float64)


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
    return number if math.isfinite(number) else math.nan
