"""Labels by path, and labels of all listed files after some could not be decoded."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from latentmap.core.errors import SourceError
from latentmap.core.progress import counted
from latentmap.images.boxes import without_box, without_frame
from latentmap.images.path_matching import match_path_ends


@dataclass(frozen=True)
class ListingPositions:
    """Positions of the images of a collection in its listing.

    Attributes
    ----------
    n_files, n_listed : int
        Number of listed files, and of the images in them.
    files, listed : ndarray (n,), int
        Position of the file of each image, and of the image itself.
    """

    n_files: int
    n_listed: int
    files: NDArray[np.intp]
    listed: NDArray[np.intp]


def match_labels_to_images(values: pa.ChunkedArray, n: int, origin: ListingPositions | None) -> pa.ChunkedArray:
    """Assign labels to images, given one label per image, per listed image, or per listed file.

    Parameters
    ----------
    values : pyarrow.ChunkedArray
    n : int
        Number of images.
    origin : ListingPositions or None
        Positions of the images in their listing. None for an array.

    Returns
    -------
    pyarrow.ChunkedArray
        (n,)


    Raises
    ------
    SourceError
        If the number of labels equals none of these numbers, or several of them in different orders.
    """
    if origin is None:
        orders = {"images": (n, np.arange(n))}
    else:
        orders = {
            "images that were decoded": (n, np.arange(n)),
            "images that are listed": (origin.n_listed, origin.listed),
            "files that are listed": (origin.n_files, origin.files),
        }
    fitting = {name: rows for name, (wanted, rows) in orders.items() if wanted == len(values)}
    if not fitting:
        counts: dict[int, str] = {}
        for name, (wanted, _) in orders.items():
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
    """Labels by the paths of images.

    Attributes
    ----------
    source : str
        Name of the file that the labels are from.
    paths : list of str
        Paths of images, (m,).
    labels : pyarrow.ChunkedArray
        Label of each path, (m,).
    """

    source: str
    paths: list[str]
    labels: pa.ChunkedArray

    def tolist(self) -> list[Any]:
        """The paths and the labels, as lists."""
        return [self.paths, self.labels.to_pylist()]

    def match(self, images: list[str], others: set[str]) -> pa.ChunkedArray:
        """Find the label of each image.

        A path matches an image if the two are equal, or if one is the end of the other and of no other path.

        Parameters
        ----------
        images : list of str
            Paths of the images, (n,). A part without a label of its own has the label of its image, and a frame without
            a label that of its file.
        others : set of str
            Paths of skipped files, for which labels may be given as well.

        Returns
        -------
        pyarrow.ChunkedArray
            (n,), null for an image without a label.

        Raises
        ------
        SourceError
            If a path matches several files or has several labels, or if no path matches an image.

        Warns
        -----
        UserWarning
            If paths match no image.
        """
        values = self.labels.to_pylist()
        given = self._rows_by_path(values)
        wholes = [without_box(path) for path in images]
        files = [without_frame(whole) for whole in wholes]
        known = {*images, *wholes, *files}
        alike = match_path_ends(self.source, given, files, known)
        short = {path: own for path, own in alike.items() if own not in given}
        ends = {own: given[path] for path, own in short.items()}
        rows = [
            given.get(path, given.get(whole, given.get(file, ends.get(file, -1))))
            for path, whole, file in zip(images, wholes, files, strict=True)
        ]
        unknown = [path for path in given if path not in known and path not in short and path not in others]
        if images and all(row < 0 for row in rows):
            raise SourceError(
                f"{self.source}: none of its {len(given)} paths matches an image, "
                f"such as {next(iter(given), '')!r}; images have paths such as {images[0]!r}"
            )
        if unknown:
            warnings.warn(
                f"{self.source}: {len(unknown)} of its paths match no image, such as {unknown[0]!r}",
                stacklevel=2,
            )
        return self.labels.take(pa.array(rows, mask=np.array(rows, int) < 0))

    def _rows_by_path(self, values: list[Any]) -> dict[str, int]:
        given: dict[str, int] = {}
        for row, written in enumerate(self.paths):
            path = written.replace("\\", "/").removeprefix("./")
            if values[given.setdefault(path, row)] != values[row]:
                raise SourceError(
                    f"{self.source}: {path!r} has the labels {values[given[path]]!r} and {values[row]!r}: keep one"
                )
        return given
