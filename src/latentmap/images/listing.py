"""The listing of a source, before anything is decoded: names, labels, other columns, and how each picture is read."""

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
from latentmap.images.cells import as_labels, unified, with_numbers
from latentmap.images.decoding import Item


class Skipped(NamedTuple):
    """A file that is not in the collection, and why."""

    path: str
    reason: str


class Source(NamedTuple):
    """One of the sources that a collection is made of.

    Attributes
    ----------
    name : str
        Its name, which no other source of the collection has.
    root : str or None
        Absolute folder that the names of its files start from; None when its images are not files of their own.
    """

    name: str
    root: str | None = None


# Columns that say which image a row is; ``path`` says it in one word.
IDENTITY = ("path", "source", "file", "frame")


@dataclass(frozen=True)
class Listing:
    """Pictures that are to be decoded.

    Attributes
    ----------
    name : str
        What the source is called.
    table : pyarrow.Table
        A row a picture: ``path``, ``source``, ``file`` and ``frame`` (see :func:`make_table`), perhaps ``label``, and
        the other columns of the source.
    read : callable
        From ascending rows to an iterator of what to decode, in that order. Each call begins anew.
    stamp : str
        Changes when files have changed, as far as their sizes and times tell.
    skipped : list of Skipped
        What cannot even be listed.
    n_ignored : int
        Files that no one would take for an image.
    root : str, optional
        Absolute folder that the names of the files start from; None when the images are not files of their own.
    joined : tuple of Source
        The sources that :func:`join` put together; empty for a single one.
    files : ndarray (n,) of int, optional
        The number of the file that each picture is in, where some are in one.
    """

    name: str
    table: pa.Table
    read: Callable[[NDArray[np.intp]], Iterator[Item]]
    stamp: str
    skipped: list[Skipped] = field(default_factory=list)
    n_ignored: int = 0
    root: str | None = None
    joined: tuple[Source, ...] = ()
    files: NDArray[np.intp] | None = None

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources that the column ``source`` counts."""
        return self.joined or (Source(self.name, self.root),)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def with_numbers(self) -> "Listing":
        """Columns of tables of text as numbers where that changes nothing; done once all tables are joined."""
        return replace(self, table=with_numbers(self.table))

    def with_frames(self, n_frames: NDArray[np.intp]) -> "Listing":
        """Each file that has several pictures as so many rows, ``path[0]``, ``path[1]`` and so on."""
        if (n_frames == 1).all():
            return self
        rows = np.repeat(np.arange(len(self)), n_frames)
        frames = np.arange(len(rows)) - np.repeat(np.cumsum(n_frames) - n_frames, n_frames)
        several = n_frames[rows] > 1
        names = self.table["path"].to_pylist()
        paths = [f"{names[row]}[{frames[i]}]" if several[i] else names[row] for i, row in enumerate(rows)]
        numbers = pa.array(frames.astype(np.int32), mask=~several)
        table = replace_columns(self.table.take(rows), path=pa.array(paths, pa.string()), frame=numbers)

        def read(wanted: NDArray[np.intp]) -> Iterator[Item]:
            files, counts = np.unique(rows[wanted], return_counts=True)
            chosen = iter(wanted)
            for item, n_wanted in zip(self.read(files), counts, strict=True):
                for _ in range(n_wanted):
                    i = next(chosen)
                    yield Item(item.source, int(frames[i]) if several[i] else None)

        return replace(self, table=table, read=read, files=rows)


def as_text(name: str) -> str:
    """The name of a file as text; bytes that are not UTF-8 are written as escapes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def make_table(
    names: Iterable[str] | pa.Array | pa.ChunkedArray, columns: pa.Table | None = None, labels: Any = None
) -> pa.Table:
    """The table of one source.

    Its columns are those that say which image a row is, ``label`` where it is given or the folders tell images apart,
    and the others. An image is known by its ``source`` (int16), the name of its ``file`` in it and its ``frame``
    (int32, null for a file that is one picture); ``path`` is made of them so that no two images have the same.
    """
    if isinstance(names, pa.Array | pa.ChunkedArray):
        paths = names
    else:
        paths = pa.array((as_text(name) for name in names), pa.string())
    n = len(paths)
    columns = pa.table({}) if columns is None else columns
    if labels is None and "label" in columns.column_names:
        labels = columns["label"]
    labels = folder_labels(paths) if labels is None else as_labels(labels)
    table = pa.table({"path": paths, "source": np.zeros(n, np.int16), "file": paths, "frame": pa.nulls(n, pa.int32())})
    if labels is not None:
        table = table.append_column("label", labels)
    for i, column in enumerate(columns.schema):
        if column.name not in table.column_names:
            table = table.append_column(column, columns.column(i))
    return table


def table_stamp(table: pa.Table) -> str:
    """Changes when a cell of a table does."""
    digest = hashlib.sha256(repr(table.schema).encode("utf-8", "surrogatepass"))
    for batch in table.combine_chunks().to_batches():
        digest.update(batch.serialize())
    return digest.hexdigest()


def folder_labels(paths: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray | None:
    """Names of the folders, when every image lies in one and there are at least two."""
    folders = compute.replace_substring_regex(paths, r"(^|/)[^/]*$", "")
    names = compute.unique(folders).to_pylist()
    return folders if len(names) > 1 and "" not in names else None


def file_stamp(path: Path) -> str:
    """Changes when a file does, as far as its size and time tell."""
    status = path.stat()
    return hashlib.sha256(repr((str(path.absolute()), status.st_size, status.st_mtime_ns)).encode()).hexdigest()


def replace_columns(table: pa.Table, **columns: Any) -> pa.Table:
    """The table with other values in some of its columns."""
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, values)
    return table


def join(listings: list[Listing]) -> Listing:
    """Several sources as one, in their order. Columns that only some have are null in the others.

    Each path begins with the name of its source, which gets a number where two sources have the same name.
    """
    edges = np.cumsum([0, *map(len, listings)])
    names = unique_names(listing.name for listing in listings)

    def read(rows: NDArray[np.intp]) -> Iterator[Item]:
        for k, listing in enumerate(listings):
            own = rows[(rows >= edges[k]) & (rows < edges[k + 1])] - edges[k]
            if len(own):
                yield from listing.read(own)

    tables = [
        replace_columns(
            listing.table,
            path=below(name, listing.table["path"]),
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
        pa.concat_tables(unified(tables), promote_options="default"),
        read,
        repr([listing.stamp for listing in listings]),
        skipped,
        sum(listing.n_ignored for listing in listings),
        joined=tuple(Source(name, listing.root) for name, listing in zip(names, listings, strict=True)),
    )


def below(name: str, paths: Any) -> Any:
    """Paths with the name of their source before them."""
    return compute.binary_join_element_wise(name, paths, "/")


def with_unique_paths(table: pa.Table, name: str, taken: set[str]) -> pa.Table:
    """The table of a source; the name of the source stands before its paths when one of them is taken already."""
    given = table["path"].to_pylist()
    paths, names = given, numbered(name)
    while not taken.isdisjoint(paths):
        prefix = next(names)
        paths = [f"{prefix}/{path}" for path in given]
    return table if paths is given else replace_columns(table, path=pa.array(paths, pa.string()))


def unique_names(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """Names as they are, with a number behind those that are there already: scans, scans-2."""
    seen, found = set(taken), []
    for name in names:
        found.append(next(one for one in numbered(name) if one not in seen))
        seen.add(found[-1])
    return found
