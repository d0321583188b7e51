"""Columns that files state about their images, such as times of frames, in the table of a collection."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from latentmap.images.image_files import FileContents
from latentmap.images.image_table import unique_names


def with_file_columns(table: pa.Table, contents: Sequence[FileContents]) -> pa.Table:
    """Add the columns that files state. Images of other files are null there.

    Parameters
    ----------
    table : pyarrow.Table
        One row per image.
    contents : sequence of FileContents
        Of each file, in the order of the table.

    Returns
    -------
    pyarrow.Table
        A column whose name is taken gets a number.
    """
    names = list(dict.fromkeys(name for one in contents for name in one.columns))
    for name, wanted in zip(unique_names(names, table.column_names), names, strict=True):
        values = [value for one in contents for value in one.columns.get(wanted, [None] * one.n)]
        table = table.append_column(name, as_column(values))
    return table


def as_column(values: list[Any]) -> pa.Array:
    """Make a column of integers, floats, booleans or text, whichever holds all values.

    Parameters
    ----------
    values : list of n values
        None is missing.

    Returns
    -------
    pyarrow.Array
    """
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    if kinds == {int} and all(value is None or abs(value) < 2**63 for value in values):
        return pa.array(values, pa.int64())
    if kinds and kinds <= {int, float}:
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    return pa.array([None if value is None else str(value) for value in values], pa.string())
