"""Listing of a source before decoding: names, labels and other columns, and a function that reads the images."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from latentmap.images.column_types import infer_numbers, unify_types
from latentmap.images.decoding import EncodedImage
from latentmap.images.file_columns import with_file_columns
from latentmap.images.image_files import FileContents
from latentmap.images.image_table import prefix_paths, replace_columns, unique_names


class Skipped(NamedTuple):
    """A file that is not in the collection.

    Attributes
    ----------
    path : str
        Path of the file in the source.
    reason : str
        Why it was skipped.
    """

    path: str
    reason: str


class Source(NamedTuple):
    """One of the sources of a collection.

    Attributes
    ----------
    name : str
        Name, unique among the sources of the collection.
    root : str or None
        Absolute folder that the names of the files are relative to. None if the images are not separate files.
    """

    name: str
    root: str | None = None


@dataclass(frozen=True)
class Listing:
    """Images to decode.

    Attributes
    ----------
    name : str
        Name of the source.
    table : pyarrow.Table
        One row per image, with the columns ``path``, ``source``, ``file`` and ``frame`` (see :func:`make_image_table`),
        ``label`` if there are labels, and the other columns of the source.
    read : callable
        Maps ascending row numbers (n,) to an iterator of the images to decode, in that order. Each call starts from the
        first row.
    stamp : str
        Changes with the files, as far as their sizes and modification times show.
    skipped : list of Skipped
        Files that cannot be listed as images.
    n_ignored : int
        Number of files that are not images.
    root : str, optional
        Absolute folder that the names of the files are relative to. None if the images are not separate files.
    joined : tuple of Source
        The sources of a listing of :func:`join_listings`; empty for a single source.
    files : ndarray (n,), int, optional
        Number of the file of each image, if a file has several images.
    is_cut : bool, default=False
        Whether the images are parts of images.
    is_webdataset : bool, default=False
        Whether the source is a tar archive in which other files describe the images.
    """

    name: str
    table: pa.Table
    read: Callable[[NDArray[np.intp]], Iterator[EncodedImage]]
    stamp: str
    skipped: list[Skipped] = field(default_factory=list)
    n_ignored: int = 0
    root: str | None = None
    joined: tuple[Source, ...] = ()
    files: NDArray[np.intp] | None = None
    is_cut: bool = False
    is_webdataset: bool = False

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources that the column ``source`` refers to."""
        return self.joined or (Source(self.name, self.root),)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def infer_numbers(self) -> "Listing":
        """Convert text columns to numbers where no text is changed, once all tables are joined."""
        return replace(self, table=infer_numbers(self.table))

    def with_contents(self, contents: list[FileContents]) -> "Listing":
        """Expand each file with several images to one row per image, and add the columns that the files state.

        Parameters
        ----------
        contents : list of n FileContents

        Returns
        -------
        Listing
        """
        expanded = self._with_frames(np.array([one.n for one in contents], np.intp))
        table = with_file_columns(expanded.table, contents)
        return expanded if table is expanded.table else replace(expanded, table=table)

    def _with_frames(self, n_frames: NDArray[np.intp]) -> "Listing":
        """Expand each file with several images to one row per image, ``path[0]``, ``path[1]`` and so on."""
        if (n_frames == 1).all():
            return self
        rows = np.repeat(np.arange(len(self)), n_frames)
        frames = np.arange(len(rows)) - np.repeat(np.cumsum(n_frames) - n_frames, n_frames)
        several = n_frames[rows] > 1
        names = self.table["path"].to_pylist()
        paths = [f"{names[row]}[{frames[i]}]" if several[i] else names[row] for i, row in enumerate(rows)]
        numbers = pa.array(frames.astype(np.int32), mask=~several)
        table = replace_columns(self.table.take(rows), path=pa.array(paths, pa.string()), frame=numbers)

        def read(wanted: NDArray[np.intp]) -> Iterator[EncodedImage]:
            files, counts = np.unique(rows[wanted], return_counts=True)
            chosen = iter(wanted)
            for image, n_wanted in zip(self.read(files), counts, strict=True):
                for _ in range(n_wanted):
                    i = next(chosen)
                    yield image._replace(frame=int(frames[i]) if several[i] else None)

        return replace(self, table=table, read=read, files=rows)


def file_stamp(path: Path) -> str:
    """Hash the state of a file without reading it.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str
        SHA-256 of path, size and modification time, in hexadecimal.
    """
    status = path.stat()
    return hashlib.sha256(repr((str(path.absolute()), status.st_size, status.st_mtime_ns)).encode()).hexdigest()


def join_listings(listings: list[Listing]) -> Listing:
    """Join several listings in their order. A column that a source lacks is null there.

    Each path is prefixed with the name of its source, which gets a number if two sources have the same name.
    """
    edges = np.cumsum([0, *map(len, listings)])
    names = unique_names(listing.name for listing in listings)

    def read(rows: NDArray[np.intp]) -> Iterator[EncodedImage]:
        for k, listing in enumerate(listings):
            own = rows[(rows >= edges[k]) & (rows < edges[k + 1])] - edges[k]
            if len(own):
                yield from listing.read(own)

    tables = [
        replace_columns(
            listing.table,
            path=prefix_paths(name, listing.table["path"]),
            source=pa.array(np.full(len(listing), k, np.int16)),
        )
        for k, (name, listing) in enumerate(zip(names, listings, strict=True))
    ]
    skipped = [
        Skipped(f"{name}/{path}", reason)
        for name, listing in zip(names, listings, strict=True)
        for path, reason in listing.skipped
    ]
    return Listing(
        " + ".join(names),
        pa.concat_tables(unify_types(tables), promote_options="default"),
        read,
        repr([listing.stamp for listing in listings]),
        skipped,
        sum(listing.n_ignored for listing in listings),
        joined=tuple(Source(name, listing.root) for name, listing in zip(names, listings, strict=True)),
    )
