"""Matching of given values to the images of a run, by row, by path or by id."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from latentmap.core.errors import SourceError
from latentmap.core.progress import counted
from latentmap.images import ImageCollection
from latentmap.run.given.float_blocks import N_SHOWN
from latentmap.run.given.value_files import GivenValues

OWN_ID = "id_"  # the column ``id`` of the source's own table, in the table of the images


@dataclass(frozen=True)
class MatchedValues:
    """Given values, and the row of each image in them.

    Attributes
    ----------
    given : GivenValues
    rows : array (n,), int64, optional
        Row of each image; None if image i has row i.
    n_unused : int
        Number of rows that belong to no image.
    """

    given: GivenValues
    rows: NDArray[np.int64] | None = None
    n_unused: int = 0

    def take(self, images: NDArray[np.intp]) -> "MatchedValues":
        """The values of some of the images."""
        rows = images.astype(np.int64) if self.rows is None else self.rows[images]
        return replace(self, rows=rows)


def match_values(given: GivenValues, images: ImageCollection) -> MatchedValues:
    """Find the row of each image in given values.

    Parameters
    ----------
    given : GivenValues
    images : ImageCollection

    Returns
    -------
    MatchedValues

    Raises
    ------
    SourceError
        If an image has no row, or could have several.
    """
    if given.keys is None:
        _check_number(given, images)
        return MatchedValues(given)
    rows = _rows_by_path(given, images) if given.key == "path" else _rows_by_id(given, images)
    missing = np.flatnonzero(rows < 0)
    if len(missing):
        raise _missing_error(given, images, rows, missing)
    return MatchedValues(given, rows, len(given.values) - len(rows))


def _missing_error(
    given: GivenValues, images: ImageCollection, rows: NDArray[np.int64], missing: NDArray[np.intp]
) -> SourceError:
    assert given.keys is not None
    names = ", ".join(repr(images.table["path"][int(image)].as_py()) for image in missing[:N_SHOWN])
    unused = np.setdiff1d(np.arange(len(given.keys)), rows)
    others = ", ".join(repr(given.keys[row]) for row in unused[:N_SHOWN])
    said = f"; {counted(len(unused), 'row')} of it belong to no image, the first have {given.key} {others}" * bool(
        others
    )
    return SourceError(
        f"{given.name}: no {given.noun} for {len(missing):,} of {counted(len(images), 'image')}, the first are "
        f"{names}{said}: give a {given.noun} for each image"
    )


def _check_number(given: GivenValues, images: ImageCollection) -> None:
    n, n_given = len(images), len(given.values)
    if n == n_given:
        return
    skipped = f" ({counted(len(images.skipped), 'file')} skipped)" if images.skipped else ""
    first = (
        f"image {n_given} ({images.table['path'][n_given].as_py()!r}) has none"
        if n_given < n
        else f"row {n} is of no image"
    )
    raise SourceError(
        f"{given.name}: {counted(n_given, given.noun)} for {counted(n, 'image')}{skipped}, {first}: give one a row in "
        "the order of the images, or a table with the column path"
    )


def _rows_by_path(given: GivenValues, images: ImageCollection) -> NDArray[np.int64]:
    """By the path of each image, else by that of its file, else by the file's name where it is that of one file."""
    assert given.keys is not None
    exact = _positions(given, map(_plain, given.keys))
    names: dict[str, int] = {}
    for path, row in exact.items():
        name = path.rpartition("/")[2]
        names[name] = -1 if name in names else row
    paths = [_plain(path) for path in images.paths]
    files = [re.sub(r"\[\d+\]$", "", path) for path in paths]
    n_called: dict[str, int] = {}
    for file in set(files):
        name = file.rpartition("/")[2]
        n_called[name] = n_called.get(name, 0) + 1
    rows = np.full(len(paths), -1, np.int64)
    for image, (path, file) in enumerate(zip(paths, files, strict=True)):
        name = file.rpartition("/")[2]
        by_name = names.get(name, -1) if n_called[name] == 1 else -1
        rows[image] = exact.get(path, exact.get(file, by_name))
    return rows


def _rows_by_id(given: GivenValues, images: ImageCollection) -> NDArray[np.int64]:
    """By the id that the source's own table has for each image, else by the number of the image."""
    assert given.keys is not None
    position = _positions(given, given.keys)
    own = images.table[OWN_ID].cast(pa.string()).to_pylist() if OWN_ID in images.table.column_names else []
    ids = own if own and len(set(own)) == len(own) else map(str, range(len(images)))
    return np.array([position.get(one, -1) for one in ids], np.int64)


def _positions(given: GivenValues, keys: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for row, key in enumerate(keys):
        if found.setdefault(key, row) != row:
            raise SourceError(
                f"{given.name}: rows {found[key]} and {row} have the same {given.key}, {key!r}: keep one of them"
            )
    return found


def _plain(path: str) -> str:
    return path.replace("\\", "/").removeprefix("./")


def match_record(given: GivenValues, path: str | None) -> dict[str, Any]:
    """The record of given values in run.json."""
    return {
        "name": given.name,
        "path": path,
        "n": len(given.values),
        "dimensions": int(given.values.shape[1]),
        "matched_by": given.key or "row",
        "sha256": given.sha256,
    }


def describe_vectors(state: dict[str, Any]) -> list[str]:
    """A line about the given vectors of a run, by the content of its run.json; none without them."""
    record = state.get("vectors")
    if record is None:
        return []
    numbers = counted(record["dimensions"], "number")
    return [f"  {counted(record['n'], 'vector')} of {numbers} from {record['name']}, matched by {record['matched_by']}"]
