"""Vectors from an array or a file: .npy, .npz, .parquet, .arrow, .feather, .csv or .tsv."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from latentmap.core.atomic_files import user_path
from latentmap.core.errors import InputError, SourceError
from latentmap.images.array_files import load_numpy, read_npz_array
from latentmap.images.table import refuse_workbook
from latentmap.run.given.floats import check_table, digest_of
from latentmap.run.given.value_tables import TABLE_READERS, has_columns, read_other_columns, read_value_table

ARRAY_NAMES = ("vectors", "embeddings", "features", "latent", "arr_0")  # of an .npz file, the first that it has
FILE_KINDS = ", ".join((".npy", ".npz", *TABLE_READERS))


@dataclass(frozen=True)
class GivenValues:
    """One row of numbers for each image, not matched to the images yet.

    Attributes
    ----------
    values : array (n, d)
        Numbers of any real type; mapped from an .npy file.
    name : str
        For messages: the file, with the array or column that was asked for, or "array".
    noun : str
        For messages: the thing that a row is.
    sha256 : str
        Digest of the values as float32.
    key : {"path", "id"}, optional
        Column by which rows belong to images. None where row i belongs to image i.
    keys : list of str, optional
        Values of that column.
    others : callable, optional
        Reads the other columns of a table, without those that hold lists or bytes.
    """

    values: NDArray[Any]
    name: str
    noun: str
    sha256: str
    key: str | None = None
    keys: list[str] | None = None
    others: Callable[[], pa.Table] | None = None

    def by_row(self) -> "GivenValues":
        """The same values, matched by row."""
        return replace(self, key=None, keys=None)


def read_vectors(given: str | os.PathLike[str] | ArrayLike) -> GivenValues:
    """Read the vectors of images.

    Parameters
    ----------
    given : path or array-like of shape (n, d)
        Numbers of any real type, which become float32. A path may end in a colon and the name of an array of an .npz
        file, or of a column of a table: a column of lists, or columns of numbers separated by commas. Without a name a
        table's only column of lists is taken, or all its columns of numbers except ``id`` and ``label``.

    Returns
    -------
    GivenValues
        With the column ``path`` of a table, or else its column ``id``, for :func:`match_values`.

    Raises
    ------
    SourceError
        If the file does not exist or is damaged, or the name is not one of its arrays or columns.
    InputError
        If the values are not one vector of finite numbers a row.

    Examples
    --------
    >>> read_vectors([[0, 1], [2, 3]]).values.shape
    (2, 2)
    """
    return read_values(given, "vector")


def read_places(given: str | os.PathLike[str] | ArrayLike) -> GivenValues:
    """Read places on the map: an array (n, 2), or two columns of a table, by default those called x and y.

    Parameters and errors are those of :func:`read_vectors`.
    """
    if isinstance(given, str | os.PathLike):
        path, column = split_column(given)
        if column is None and path.suffix.lower() in TABLE_READERS:
            given = f"{path}:{'x,y' if has_columns(path, ('x', 'y')) else ''}".rstrip(":")
    found = read_values(given, "place")
    if found.values.shape[1] != 2:
        raise InputError(
            f"{found.name}: {found.values.shape[1]} numbers a row: give the two coordinates of each place, in a table "
            "as FILE:x,y"
        )
    return found


def read_values(given: str | os.PathLike[str] | ArrayLike, noun: str) -> GivenValues:
    """Read rows of numbers, of which each is what ``noun`` says; see :func:`read_vectors`."""
    if not isinstance(given, str | os.PathLike):
        values = _as_array(given)
        return _checked(values, "array", noun)
    path, column = split_column(given)
    name = str(path) if column is None else f"{path}:{column}"
    suffix = path.suffix.lower()
    refuse_workbook(path)
    if suffix == ".npy":
        if column is not None:
            raise SourceError(f"{name}: an .npy file has one array without a name: leave out :{column}")
        return _checked(load_numpy(path), name, noun)
    if suffix == ".npz":
        return _checked(read_npz_array(path, column, ARRAY_NAMES), name, noun)
    if suffix not in TABLE_READERS:
        raise SourceError(f"{name}: {noun}s are read from {FILE_KINDS} files")
    table = read_value_table(path, column)
    found = _checked(table.values, name, noun)
    return replace(found, key=table.key, keys=table.keys, others=partial(read_other_columns, path, column))


def split_column(given: str | os.PathLike[str]) -> tuple[Path, str | None]:
    """Split ``FILE:NAME``. A path that exists as it is written is the file, since a path may contain a colon.

    Raises
    ------
    SourceError
        If there is no such file.
    """
    path = user_path(given)
    if os.path.isfile(path):  # noqa: PTH113 - False for names that no file can have
        return path, None
    before, colon, column = os.fspath(path).rpartition(":")
    if colon and os.path.isfile(before):  # noqa: PTH113
        if not column:
            raise SourceError(f"{path}: no name behind the colon: give that of an array or a column")
        return Path(before), column
    raise SourceError(f"{path}: no such file: give a file of {FILE_KINDS}, and :NAME behind it for one of its columns")


def _as_array(given: ArrayLike) -> NDArray[Any]:
    try:
        return np.asarray(given)
    except (ValueError, TypeError, RuntimeError) as error:  # rows of different lengths, tensors of a GPU
        raise InputError(f"array: cannot be read as numbers ({error}): give one vector a row, (n, d)") from error


def _checked(values: NDArray[Any], name: str, noun: str) -> GivenValues:
    check_table(values, name)
    return GivenValues(values, name, noun, digest_of(values, name))
