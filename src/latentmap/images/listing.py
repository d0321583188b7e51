"""Listing of a source before decoding: names, labels and other columns, and a function that reads the images."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from latentmap.core.atomic_files import numbered
from latentmap.images.column_types import infer_numbers, unify_types
from latentmap.images.decoding import EncodedImage
from latentmap.images.label_columns import to_label_column


class SourceError(ValueError):
    """A source does not exist, contains no usable images, or does not fit its labels."""


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


# Columns that identify an image; ``path`` alone is unique as well.
IDENTITY_COLUMNS = ("path", "source", "file", "frame")


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

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources that the column ``source`` refers to."""
        return self.joined or (Source(self.name, self.root),)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def infer_numbers(self) -> "Listing":
        """Convert text columns to numbers where no text is changed, once all tables are joined."""
        return replace(self, table=infer_numbers(self.table))

    def with_frames(self, n_frames: NDArray[np.intp]) -> "Listing":
        """Expand each file with several images to one row per image, ``path[0]``, ``path[1]`` and so on.

        Parameters
        ----------
        n_frames : ndarray (n,), int
            Number of images in each file.

        Returns
        -------
        Listing
        """
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
                    yield EncodedImage(image.source, int(frames[i]) if several[i] else None)

        return replace(self, table=table, read=read, files=rows)


def escape_undecodable(name: str) -> str:
    """Replace undecodable bytes in the name of a file by escapes, so that it is valid Unicode.

    Parameters
    ----------
    name : str

    Returns
    -------
    str
    """
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def make_image_table(
    names: Iterable[str] | pa.Array | pa.ChunkedArray, columns: pa.Table | None = None, labels: Any = None
) -> pa.Table:
    """Make the table of one source.

    An image is identified by its ``source`` (int16), the name of its ``file`` in it (string) and its ``frame`` (int32,
    null for a file with one image). The column ``path`` (string) combines these and is unique as well.

    Parameters
    ----------
    names : iterable of str, or a column
        Names of the files.
    columns : pyarrow.Table, optional
        Other columns of the source.
    labels : array-like of shape (n,), optional
        Labels, by default those in ``columns``, else the names of the folders if these distinguish the images.

    Returns
    -------
    pyarrow.Table
    """
    if isinstance(names, pa.Array | pa.ChunkedArray):
        paths = names
    else:
        paths = pa.array((escape_undecodable(name) for name in names), pa.string())
    n = len(paths)
    columns = pa.table({}) if columns is None else columns
    if labels is None and "label" in columns.column_names:
        labels = columns["label"]
    labels = labels_of_folders(paths) if labels is None else to_label_column(labels)
    table = pa.table({"path": paths, "source": np.zeros(n, np.int16), "file": paths, "frame": pa.nulls(n, pa.int32())})
    if labels is not None:
        table = table.append_column("label", labels)
    for i, column in enumerate(columns.schema):
        if column.name not in table.column_names:
            table = table.append_column(column, columns.column(i))
    return table


def hash_table(table: pa.Table) -> str:
    """Hash a table.

    Parameters
    ----------
    table : pyarrow.Table

    Returns
    -------
    str
        SHA-256 of the schema and all cells, in hexadecimal.
    """
    digest = hashlib.sha256(repr(table.schema).encode("utf-8", "surrogatepass"))
    for batch in table.combine_chunks().to_batches():
        digest.update(batch.serialize())
    return digest.hexdigest()


def labels_of_folders(paths: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray | None:
    """Take the folders of images as their labels.

    Parameters
    ----------
    paths : column of str (n,)

    Returns
    -------
    column of str (n,), or None
        None if an image lies in no folder, or all lie in the same.
    """
    folders = compute.replace_substring_regex(paths, r"(^|/)[^/]*$", "")
    names = compute.unique(folders).to_pylist()
    return folders if len(names) > 1 and "" not in names else None


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


def replace_columns(table: pa.Table, **columns: Any) -> pa.Table:
    """Replace columns of a table by name.

    Parameters
    ----------
    table : pyarrow.Table
    **columns : array-like of shape (n,)
        New values by the name of the column.

    Returns
    -------
    pyarrow.Table
    """
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, values)
    return table


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


def prefix_paths(name: str, paths: Any) -> Any:
    """Prefix paths with the name of their source.

    Parameters
    ----------
    name : str
    paths : column of str (n,)

    Returns
    -------
    column of str (n,)
    """
    return compute.binary_join_element_wise(name, paths, "/")


def with_unique_paths(table: pa.Table, name: str, taken: set[str]) -> pa.Table:
    """Prefix the paths of a table with the name of its source if one of them is already taken.

    Parameters
    ----------
    table : pyarrow.Table
    name : str
        Name of the source; it gets a number if the prefixed paths are taken as well.
    taken : set of str
        Paths of other images.

    Returns
    -------
    pyarrow.Table
    """
    given = table["path"].to_pylist()
    paths, names = given, numbered(name)
    while not taken.isdisjoint(paths):
        prefix = next(names)
        paths = [f"{prefix}/{path}" for path in given]
    return table if paths is given else replace_columns(table, path=pa.array(paths, pa.string()))


def unique_names(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """Make names unique by a number after those that occur before.

    Parameters
    ----------
    names : iterable of str
    taken : iterable of str
        Further names that may not be used.

    Returns
    -------
    list of str

    Examples
    --------
    >>> unique_names(["scans", "scans"])
    ['scans', 'scans-2']
    """
    seen, found = set(taken), []
    for name in names:
        found.append(next(one for one in numbered(name) if one not in seen))
        seen.add(found[-1])
    return found
