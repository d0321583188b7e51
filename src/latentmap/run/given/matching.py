"""Matching of given values to the images of a run, by row, by path or by id."""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from latentmap.core.errors import SourceError
from latentmap.core.progress import counted
from latentmap.images import ImageCollection
from latentmap.run.given.floats import N_SHOWN
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

    @property
    def key(self) -> str:
        """A hash over the values in the order of the images."""
        order = None if self.rows is None else hashlib.sha256(self.rows.astype("<i8").tobytes()).hexdigest()
        return hashlib.sha256(repr((self.given.sha256, order)).encode()).hexdigest()

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
    advice = f", or leave out its column {given.key} to match by row" if len(missing) == len(images) else ""
    return SourceError(
        f"{given.name}: no {given.noun} for {len(missing):,} of {counted(len(images), 'image')}, the first are "
        f"{names}{said}: give a {given.noun} for each image{advice}"
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
    """By the path of each image or of its file, by a longer path that ends in it, or by a name that is unique."""
    assert given.keys is not None
    exact = _positions(given, map(_plain, given.keys))
    called: dict[str, list[str]] = defaultdict(list)
    for path in exact:
        called[_name(path)].append(path)
    paths = [_plain(path) for path in images.paths]
    files = [re.sub(r"\[\d+\]$", "", path) for path in paths]
    n_called = Counter(map(_name, set(files)))
    rows = np.full(len(paths), -1, np.int64)
    for image, (path, file) in enumerate(zip(paths, files, strict=True)):
        if path in exact or file in exact:
            rows[image] = exact.get(path, exact.get(file, -1))
            continue
        alike = called.get(_name(file), [])
        longer = [one for one in alike if one.endswith(f"/{file}")]
        found = longer if n_called[_name(file)] > 1 else alike
        if len(found) == 1:
            rows[image] = exact[found[0]]
    return rows


def _name(path: str) -> str:
    return path.rpartition("/")[2]


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


def match_record(matched: MatchedValues, path: str | None) -> dict[str, Any]:
    """The record of given values in run.json."""
    given = matched.given
    return {
        "name": given.name,
        "path": path,
        "n": len(given.values),
        "dimensions": int(given.values.shape[1]),
        "matched_by": given.key or "row",
        "sha256": given.sha256,
        "key": matched.key,
    }


def describe_given(state: dict[str, Any]) -> list[str]:
    """Lines about the given vectors and places of a run, by the content of its run.json."""
    lines = []
    for name, noun in (("vectors", "vector"), ("places", "place")):
        record = state.get(name)
        if record is not None:
            numbers = f" of {counted(record['dimensions'], 'number')}" if name == "vectors" else ""
            origin = f"from {record['name']}, matched by {record['matched_by']}"
            if "encoder" in record:
                origin = f"computed by {record['name']}"
            lines.append(f"  {counted(record['n'], noun)}{numbers} {origin}")
    return lines
