"""Tables of labels for some images of a run, identified by path or id."""

import difflib
import re
import unicodedata
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from latentmap.core.errors import RunError
from latentmap.images.boxes import without_box, without_frame
from latentmap.images.column_types import to_text_column
from latentmap.images.label_columns import to_label_column
from latentmap.images.parquet import read_parquet
from latentmap.images.table import LABEL_COLUMNS, PATH_COLUMNS, find_column, refuse_workbook
from latentmap.images.text_table import read_text_table
from latentmap.run.flat import without_apostrophe

N_CANDIDATES = 5  # that a message names
MAX_COMPARED = 20_000  # paths that a misspelt one is compared with


def read_label_table(file: Path, paths: list[str]) -> NDArray[Any]:
    """The label of each image (n,), "" if it has none.

    Parameters
    ----------
    file : Path
        A .csv, .tsv or .parquet table with the columns ``label`` and ``path``, ``id`` or both; a row an image. A path
        is that of the atlas, with or without the apostrophe that :func:`latentmap.run.flat.as_csv` puts before some;
        its end will do where it is the end of one path only. The path of a file with several frames, or of an image
        that was cut into parts, stands for all of them.
    paths : list of str
        Of the images of the atlas.

    Raises
    ------
    RunError
        If the table cannot be read or has other columns, if a row names no image of the run or could mean several, or
        if an image is given two labels.
    """
    table = read_table(file)
    names = table.column_names
    label, key, number = (find_column(names, wanted) for wanted in (LABEL_COLUMNS, PATH_COLUMNS, ("id",)))
    if label is None or (key is None and number is None):
        raise RunError(f"{file}: columns {', '.join(names) or 'none'}: give `label`, and `path` or `id`")
    _check_labels_agree(file, table, label)
    labels = to_label_column(table[label]).to_pylist()
    named = NamedImages(file, paths)
    by_path = [None] * len(labels) if key is None else to_text_column(table[key]).to_pylist()
    by_id = [None] * len(labels) if number is None else to_text_column(table[number]).to_pylist()
    given = np.full(len(paths), "", dtype=object)
    rows_of = np.zeros(len(paths), np.int64)
    for row, (value, path, image) in enumerate(zip(labels, by_path, by_id, strict=True), start=1):
        if value is None or not str(value).strip():
            continue
        for one in named.images(row, path, image):
            if given[one] and given[one] != str(value):
                raise RunError(
                    f"{file}: {paths[one]!r} has the label {given[one]!r} in row {rows_of[one]} and {str(value)!r} in "
                    f"row {row}: keep one of them"
                )
            given[one], rows_of[one] = str(value), row
    return given


def read_table(file: Path, of: str = "labels") -> pa.Table:
    """A .csv, .tsv or .parquet table of a user.

    Raises
    ------
    RunError
        If it is not there or cannot be read.
    """
    if not file.is_file():
        raise RunError(f"{file}: there is no such file of {of}")
    try:
        refuse_workbook(file)
        if file.suffix.lower() == ".parquet":
            return read_parquet(file)
        table = read_text_table(file)
    except (pa.ArrowException, ValueError) as error:
        raise RunError(str(error) if str(file) in str(error) else f"{file}: cannot be read ({error})") from error
    if table.invalid_rows:
        row, reason = next(iter(table.invalid_rows.items()))
        raise RunError(f"{file}: row {row + 1}: {reason}: put what has a delimiter in it in quotes")
    return table.columns


def _check_labels_agree(file: Path, table: pa.Table, label: str) -> None:
    """Raise RunError if two columns called label differ."""
    for other in table.column_names:
        is_second = other != label and find_column([re.sub(r"_\d+$", "", other)], LABEL_COLUMNS) is not None
        if is_second and not table[other].equals(table[label]):
            raise RunError(f"{file}: two columns are called label ({label} and {other}): keep one of them")


class NamedImages:
    """Lookup of the images that the rows of a table identify."""

    def __init__(self, file: Path, paths: list[str]) -> None:
        self._file = file
        self._paths = paths
        self._exact: dict[str, list[int]] = defaultdict(list)
        self._of_file: dict[str, list[int]] = defaultdict(list)  # frames and parts by the path of what they are in
        self._by_end: dict[str, set[str]] = defaultdict(set)
        for image, path in enumerate(paths):
            self._exact[path].append(image)
            whole = without_box(path)
            broader = {whole, without_frame(whole)} - {path}
            for own in broader:
                self._of_file[own].append(image)
            for known in {path, *broader}:
                self._by_end[_plain(known).rpartition("/")[2]].add(known)

    def images(self, row: int, path: str | None, number: str | None) -> list[int]:
        """The images of one row.

        Raises
        ------
        RunError
            If it names none, or could mean several.
        """
        if path is None and number is None:
            raise RunError(f"{self._file}: row {row} names no image: give its path or its id")
        by_id = [] if number is None else [self._id(row, number)]
        by_path = [] if path is None else self._path(row, path)
        if by_id and by_path and by_id[0] not in by_path:
            raise RunError(
                f"{self._file}: row {row}: {path!r} is the image with the id {by_path[0]}, not {by_id[0]}: correct one "
                "of the two, or leave out a column"
            )
        return by_id or by_path

    def _id(self, row: int, text: str) -> int:
        cleaned = text.strip()
        if not re.fullmatch(r"[0-9]{1,18}", cleaned) or int(cleaned) >= len(self._paths):
            raise RunError(
                f"{self._file}: row {row}: id {text!r} is not in the run: ids are those in its atlas.parquet, from 0 "
                f"to {len(self._paths) - 1}"
            )
        return int(cleaned)

    def _path(self, row: int, path: str) -> list[int]:
        found = self._exact.get(path) or self._of_file.get(path) or self._exact.get(without_apostrophe(path))
        if found is None:
            names = self._alike(path)
            if len(names) > 1:
                raise RunError(f"{self._file}: row {row}: {path!r} could be {_listed(names)}: write the whole path")
            if not names:
                raise RunError(f"{self._file}: row {row}: {self._unknown(path)}")
            found = self._exact.get(names[0]) or self._of_file[names[0]]
            path = names[0]
        if len(found) > 1 and path in self._exact:  # runs of earlier versions can have a path twice
            numbers = ", ".join(map(str, found[:N_CANDIDATES]))
            raise RunError(f"{self._file}: row {row}: {path!r} could be the images {numbers}: give the id")
        return found

    def _alike(self, path: str) -> list[str]:
        """Paths similar to an unknown one: other spellings, and paths of which one is the end of the other."""
        wanted = _plain(path)
        found = sorted(self._by_end.get(wanted.rpartition("/")[2], ()))
        same = [one for one in found if _plain(one) == wanted]
        return same or [
            one for one in found if _plain(one).endswith(f"/{wanted}") or wanted.endswith(f"/{_plain(one)}")
        ]

    def _unknown(self, path: str) -> str:
        near = sorted(self._by_end.get(_plain(path).rpartition("/")[2], ()))[:N_CANDIDATES]
        near = near or difflib.get_close_matches(path, self._paths[:MAX_COMPARED], N_CANDIDATES)
        advice = f"the nearest are {_listed(near)}" if near else "names are those in its atlas.parquet"
        return f"path {path!r} is not in the run: {advice}"


def _plain(path: str) -> str:
    """A path with forward slashes, and accents as one character each."""
    return unicodedata.normalize("NFC", path.replace("\\", "/").removeprefix("./"))


def _listed(names: list[str]) -> str:
    more = len(names) - N_CANDIDATES
    return " or ".join(map(repr, names[:N_CANDIDATES])) + (f" or {more:,} more" if more > 0 else "")
