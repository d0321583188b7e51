"""Choice of images of a run, by their ids or by a table of them."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentmap.core.atomic_files import user_path
from latentmap.core.errors import RunError
from latentmap.images.column_types import to_text_column
from latentmap.images.table import PATH_COLUMNS, find_column
from latentmap.run import layout, tables
from latentmap.run.label_table import NamedImages, read_table
from latentmap.run.run import Run


def chosen_ids(run: Run, only: str | Path | ArrayLike) -> NDArray[np.int64]:
    """The ids of some images of a run, ascending, each once.

    Parameters
    ----------
    run : Run
    only : path or array-like of int
        Ids, or a .csv, .tsv or .parquet table with the column ``id``, or else ``path``. A path is that of the atlas, or
        its end; that of a file stands for all images in it. Other columns are ignored.

    Returns
    -------
    array (m,), int64

    Raises
    ------
    RunError
        If the table cannot be read, or an image is not in the run, or none is chosen.
    """
    paths = tables.read(run.path / layout.ATLAS, ["path"])["path"].to_pylist()
    found = _of_table(user_path(only), paths) if isinstance(only, str | os.PathLike) else _of_ids(run, only, len(paths))
    if not len(found):
        raise RunError(
            f"{only if isinstance(only, str | os.PathLike) else 'only'}: no image in it: choose at least one"
        )
    return np.unique(found)


def _of_ids(run: Run, only: ArrayLike, n: int) -> NDArray[np.int64]:
    ids = np.asarray(only)
    if ids.ndim != 1 or (ids.size and ids.dtype.kind not in "iu"):
        raise RunError(f"only: an array {ids.shape} of {ids.dtype}: pass the ids of images, or the path of a table")
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
