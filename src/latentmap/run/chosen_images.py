"""Choice of images of a run, by their ids or by a table of them."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentmap.core.atomic_files import user_path
from latentmap.core.errors import RunError
from latentmap.images.column_types import to_text_column
from latentmap.images.table import PATH_COLUMNS, find_column
from latentmap.run import layout, tables
from latentmap.run.label_table import NamedImages, read_table
from latentmap.run.run import Run


def chosen_ids(
    run: Run, only: str | Path | ArrayLike | None, without: str | Path | ArrayLike | None = None
) -> NDArray[np.int64] | None:
    """The ids of some images of a run, ascending, each once; None for all.

    Parameters
    ----------
    run : Run
    only, without : path or array-like of int, optional
        The images, all by default, and those of them that are left out; see :func:`named_ids`.

    Raises
    ------
    RunError
        If a table cannot be read, or an image is not in the run, or none is chosen.
    """
    found = None if only is None else named_ids(run, only, "only")
    if found is not None and not len(found):
        raise RunError(f"{_shown(only, 'only')}: no image in it: choose at least one")
    if without is None:
        return found
    if found is None:
        found = np.arange(tables.read(run.path / layout.ATLAS, ["id"]).num_rows)
    left = np.setdiff1d(found, named_ids(run, without, "without"))
    if not len(left):
        raise RunError(f"{_shown(without, 'without')}: all images are in it: leave out fewer")
    return left


def named_ids(run: Run, given: str | Path | ArrayLike, name: str) -> NDArray[np.int64]:
    """The ids of the images that a table or an array names, ascending, each once.

    Parameters
    ----------
    run : Run
    given : path or array-like of int
        Ids, or a .csv, .tsv or .parquet table with the column ``id``, or else ``path``. A path is that of the atlas, or
        its end; that of a file stands for all images in it. Other columns are ignored.
    name : str
        Name of the parameter, for messages.

    Returns
    -------
    array (m,), int64

    Raises
    ------
    RunError
        If the table cannot be read, or an image is not in the run.
    """
    paths = tables.read(run.path / layout.ATLAS, ["path"])["path"].to_pylist()
    if isinstance(given, str | os.PathLike):
        return np.unique(_of_table(user_path(given), paths))
    return np.unique(_of_ids(run, given, len(paths), name))


def _shown(given: Any, name: str) -> str:
    """A table, or the name of the parameter for an array."""
    return str(given) if isinstance(given, str | os.PathLike) else name


def _of_ids(run: Run, given: ArrayLike, n: int, name: str) -> NDArray[np.int64]:
    ids = np.asarray(given)
    if ids.ndim != 1 or (ids.size and ids.dtype.kind not in "iu"):
        raise RunError(f"{name}: an array {ids.shape} of {ids.dtype}: pass the ids of images, or the path of a table")
    wrong = ids[(ids < 0) | (ids >= n)]
    if len(wrong):
        raise RunError(f"{run.path}: no image {wrong[0]}: ids are 0 to {n - 1}")
    return ids.astype(np.int64)


def _of_table(file: Path, paths: list[str]) -> NDArray[np.int64]:
    table = read_table(file, "images")
    names = table.column_names
    number, key = find_column(names, ("id",)), find_column(names, PATH_COLUMNS)
    if number is None and key is None:
        raise RunError(f"{file}: columns {', '.join(names) or 'none'}: give `id` or `path`")
    named = NamedImages(file, paths)
    values = to_text_column(table[key if number is None else number]).to_pylist()
    rows = enumerate(values, start=1)
    found = [
        named.images(row, value, None) if number is None else named.images(row, None, value) for row, value in rows
    ]
    return np.array([image for images in found for image in images], np.int64)
