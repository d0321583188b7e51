"""Images in the columns of pandas and Polars: paths, encoded files, PIL images or arrays."""

import os
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from latentmap.core.errors import InputTypeError, SourceError
from latentmap.core.missing import is_missing
from latentmap.images.column_types import to_portable_types
from latentmap.images.image_objects import FILE_PATH, MISSING, NAME, OBJECTS, kind_of, list_objects
from latentmap.images.listing import Listing
from latentmap.images.path_listing import list_paths
from latentmap.images.remote.downloads import Downloads
from latentmap.images.table import ADDRESS_COLUMNS, find_column, rename_other_columns

IMAGE_COLUMNS = ("image", "img", "images", "pixels", "picture", "photo")


def list_series(series: Any, downloads: Downloads | None = None) -> Listing:
    """List the images of a column of pandas or Polars.

    Parameters
    ----------
    series : pandas.Series or polars.Series
        Paths, relative to the working folder; addresses; bytes of image files; PIL images; or arrays.
    downloads : Downloads, optional
        Where files at an address are downloaded to.

    Returns
    -------
    Listing

    Raises
    ------
    SourceError, InputTypeError
        If the values are no images, or of several kinds.
    """
    return _list_values(_values(series), None, downloads)


def list_frame(frame: Any, downloads: Downloads | None = None) -> Listing:
    """List the images of a data frame of pandas or Polars. Its other columns are kept as those of a table are.

    The images are in the first column called image, img or path, as in tables, whose values are images or bytes; else
    in the first of these with paths; else in the only column whose values are images or bytes.

    Parameters
    ----------
    frame : pandas.DataFrame or polars.DataFrame
    downloads : Downloads, optional
        Where files at an address are downloaded to.

    Returns
    -------
    Listing

    Raises
    ------
    SourceError, InputTypeError
        If no column contains images, or their values are of several kinds.
    """
    names = [str(name) for name in frame.columns]
    series = [frame.iloc[:, i] if hasattr(frame, "iloc") else frame[:, i] for i in range(len(names))]
    columns = [_values(one) for one in series]
    if not len(frame):
        raise SourceError("a data frame without rows: pass one with at least one image")
    position = _find_images(names, [_first_kind(values) for values in columns])
    others = [i for i in range(len(names)) if i != position]
    table = pa.Table.from_arrays([_to_arrow(columns[i]) for i in others], names=[names[i] for i in others])
    return _list_values(columns[position], rename_other_columns(to_portable_types(table)), downloads)


def table_of_columns(columns: Any, name: str) -> pa.Table:
    """Make a table of columns in memory.

    Parameters
    ----------
    columns : pandas.DataFrame, polars.DataFrame or dict
        A dict has columns, all of one length, by their names.
    name : str
        Name of the table in messages.

    Returns
    -------
    pyarrow.Table
        Paths are text.

    Raises
    ------
    InputTypeError
        If it is neither.
    SourceError
        If the columns differ in length.
    """
    if isinstance(columns, Mapping):
        found = {str(key): _values(one) for key, one in columns.items()}
    elif hasattr(columns, "columns") and not hasattr(columns, "collect"):
        found = {str(key): _values(columns[key]) for key in columns.columns}
    else:
        raise InputTypeError(
            f"{name} of type {type(columns).__name__}: pass a path, a DataFrame of pandas or Polars, or a dict of "
            "columns"
        )
    if len({len(one) for one in found.values()}) > 1:
        lengths = ", ".join(f"{key} {len(one):,}" for key, one in found.items())
        raise SourceError(f"{name}: columns of different lengths: {lengths}")
    plain = [[os.fspath(one) if isinstance(one, os.PathLike) else one for one in values] for values in found.values()]
    return to_portable_types(pa.Table.from_arrays([_to_arrow(values) for values in plain], names=list(found)))


def _list_values(values: list[Any], columns: pa.Table | None, downloads: Downloads | None) -> Listing:
    if not values:
        raise SourceError("a column without values: pass one with at least one image")
    if {kind_of(value) for value in values} - {MISSING} != {FILE_PATH}:
        return list_objects(values, columns)
    given = [None if value is None else os.fspath(value) for value in values]
    return list_paths(NAME, os.getcwd(), given, columns, downloads=downloads)  # noqa: PTH109 - names need not be valid paths


def _values(series: Any) -> list[Any]:
    """The values of a column as Python objects, None for those that are missing."""
    values = next((getattr(series, name)() for name in ("to_list", "tolist") if hasattr(series, name)), series)
    return [None if kind_of(value) == MISSING else value for value in values]


def _first_kind(values: list[Any]) -> str:
    return next((kind for kind in map(kind_of, values) if kind != MISSING), MISSING)


def _find_images(names: list[str], kinds: list[str]) -> int:
    """The position of the column of images."""
    holding = [name for name, kind in zip(names, kinds, strict=True) if kind in OBJECTS]
    texts = [name for name, kind in zip(names, kinds, strict=True) if kind == FILE_PATH]
    wanted = (*IMAGE_COLUMNS, *ADDRESS_COLUMNS)
    found = find_column(holding, wanted) or find_column(texts, wanted)
    if found is None and len(holding) == 1:
        found = holding[0]
    if found is None:
        raise SourceError(
            f"a data frame with the columns {', '.join(names) or 'none'}: name the one with the images 'image' or "
            "'path'"
        )
    return names.index(found)


def _to_arrow(values: list[Any]) -> pa.Array:
    """A column of plain values; objects that Arrow has no type for become text."""
    try:
        return pa.array(values)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return pa.array([None if is_missing(value) else str(value) for value in values], pa.string())
