"""Labels that name their images, and what labels of all files mean once some could not be decoded."""

import re
import warnings
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from latentmap.core.errors import SourceError
from latentmap.core.progress import counted


@dataclass(frozen=True)
class Origin:
    """Where the images of a collection stood in its listing.

    Attributes
    ----------
    n_files, n_listed : int
        How many files were listed, and how many pictures were seen in them.
    files, listed : ndarray (n,) of int
        The file of each image, and its place among the pictures.
    """

    n_files: int
    n_listed: int
    files: NDArray[np.intp]
    listed: NDArray[np.intp]


def spread_over_images(values: pa.ChunkedArray, n: int, origin: Origin | None) -> pa.ChunkedArray:
    """Labels for each image from labels for each image, for each picture listed, or for each file listed.

    Raises
    ------
    SourceError
        If there are not as many as any of these, or it cannot be told which they are for.
    """
    if origin is None:
        ways = {"images": (n, np.arange(n))}
    else:
        ways = {
            "images that were decoded": (n, np.arange(n)),
            "images that are listed": (origin.n_listed, origin.listed),
            "files that are listed": (origin.n_files, origin.files),
        }
    fitting = {name: rows for name, (wanted, rows) in ways.items() if wanted == len(values)}
    if not fitting:
        counts: dict[int, str] = {}
        for name, (wanted, _) in ways.items():
            counts.setdefault(wanted, name)
        raise SourceError(
            f"{counted(len(values), 'label')} for {counted(n, 'image')}: pass one label for each image"
            + (f": {' or '.join(f'{wanted} {name}' for wanted, name in counts.items())}" if len(counts) > 1 else "")
        )
    rows = next(iter(fitting.values()))
    if any(not np.array_equal(rows, others) for others in fitting.values()):
        raise SourceError(
            f"{len(values)} labels could be those of the {' or of the '.join(fitting)}: "
            "pass a table with the columns path and label"
        )
    return values.take(pa.array(rows))


@dataclass(frozen=True)
class NamedLabels:
    """Labels by the paths of their images.

    Attributes
    ----------
    source : str
        Where they come from.
    paths : list of str
    labels : pyarrow.ChunkedArray
    """

    source: str
    paths: list[str]
    labels: pa.ChunkedArray

    def tolist(self) -> list[Any]:
        """All that they say."""
        return [self.paths, self.labels.to_pylist()]

    def of(self, images: list[str], others: set[str]) -> pa.ChunkedArray:
        """The label of each image, null where none is given.

        A path is an image's own when the two are equal, or when one of them is the end of the other and of no other.

        Parameters
        ----------
        images : list of str
            Paths; frames of a file have the label of the file where they have none of their own.
        others : set of str
            Paths of files that are no images, of which labels may speak too.

        Raises
        ------
        SourceError
            If a path could be that of several files, has several labels, or if no path is that of an image.
        """
        values = self.labels.to_pylist()
        given = self._by_path(values)
        files = [re.sub(r"\[\d+\]$", "", path) for path in images]
        known = set(images) | set(files)
        short = {path: own for path, own in self._short(given, files, known).items() if own not in given}
        ends = {own: given[path] for path, own in short.items()}
        rows = [given.get(path, given.get(file, ends.get(file, -1))) for path, file in zip(images, files, strict=True)]
        unknown = [path for path in given if path not in known and path not in short and path not in others]
        if images and all(row < 0 for row in rows):
            raise SourceError(
                f"{self.source}: none of its {len(given)} paths is that of an image, "
                f"such as {next(iter(given), '')!r}; images have paths such as {images[0]!r}"
            )
        if unknown:
            warnings.warn(
                f"{self.source}: {len(unknown)} of its paths are those of no image, such as {unknown[0]!r}",
                stacklevel=2,
            )
        return self.labels.take(pa.array(rows, mask=np.array(rows, int) < 0))

    def _by_path(self, values: list[Any]) -> dict[str, int]:
        given: dict[str, int] = {}
        for row, written in enumerate(self.paths):
            path = written.replace("\\", "/").removeprefix("./")
            if values[given.setdefault(path, row)] != values[row]:
                raise SourceError(
                    f"{self.source}: {path!r} has the labels {values[given[path]]!r} and {values[row]!r}: keep one"
                )
        return given

    def _short(self, given: dict[str, int], files: list[str], known: set[str]) -> dict[str, str]:
        """Paths that are not an image's own → the file whose path ends so, or is the end of it."""
        named: dict[str, set[str]] = defaultdict(set)
        for file in files:
            named[file.rpartition("/")[2]].add(file)
        found = {}
        for path in given:
            if path in known:
                continue
            alike = [
                file
                for file in named.get(path.rpartition("/")[2], ())
                if file.endswith(f"/{path}") or path.endswith(f"/{file}")
            ]
            if len(alike) > 1:
                candidates = " or ".join(map(repr, sorted(alike)[:5]))
                raise SourceError(f"{self.source}: {path!r} could be {candidates}: write the whole path")
            if alike:
                found[path] = alike[0]
        return found
