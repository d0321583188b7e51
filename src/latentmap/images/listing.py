"""What a source holds, before anything is decoded: names, labels, other columns, and how each picture is read."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from latentmap.images.decoding import Item


class SourceError(ValueError):
    """A source that holds no images that can be used."""


class Skipped(NamedTuple):
    """A file that is not in the collection, and why."""

    path: str
    reason: str


# Pictures by their endings that Pillow does not read, or reads only the preview of: listed as skipped, not passed over.
UNREAD = {".ai", ".arw", ".cr2", ".cr3", ".dng", ".exr", ".hdr", ".heic", ".heif", ".jxl", ".nef", ".orf", ".psb"}
UNREAD |= {".raf", ".rw2", ".svg", ".svgz", ".xcf"}
UNREAD_REASON = "a format that Pillow does not read"


@dataclass(frozen=True)
class Listing:
    """Pictures that are to be decoded.

    Attributes
    ----------
    name : str
        What the source is called.
    table : pyarrow.Table
        A row a picture: ``path``, perhaps ``label``, and what other columns the source has.
    read : callable
        From ascending rows to an iterator of what to decode, in that order. Each call begins anew.
    stamp : str
        Changes when files have changed, as far as their sizes and times tell.
    skipped : list of Skipped
        What cannot even be listed.
    n_ignored : int
        Files that no one would take for an image.
    """

    name: str
    table: pa.Table
    read: Callable[[NDArray[np.intp]], Iterator[Item]]
    stamp: str
    skipped: list[Skipped] = field(default_factory=list)
    n_ignored: int = 0

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def with_frames(self, n_frames: NDArray[np.intp]) -> "Listing":
        """Each file that has several pictures as so many rows, ``path[0]``, ``path[1]`` and so on."""
        if (n_frames == 1).all():
            return self
        rows = np.repeat(np.arange(len(self)), n_frames)
        frames = np.arange(len(rows)) - np.repeat(np.cumsum(n_frames) - n_frames, n_frames)
        several = n_frames[rows] > 1
        names = self.table["path"].to_pylist()
        paths = [f"{names[row]}[{frames[i]}]" if several[i] else names[row] for i, row in enumerate(rows)]
        table = self.table.take(rows).set_column(0, "path", pa.array(paths, pa.string()))

        def read(wanted: NDArray[np.intp]) -> Iterator[Item]:
            files, counts = np.unique(rows[wanted], return_counts=True)
            chosen = iter(wanted)
            for item, count in zip(self.read(files), counts, strict=True):
                for _ in range(count):
                    i = next(chosen)
                    yield Item(item.source, int(frames[i]) if several[i] else None)

        return replace(self, table=table, read=read)


def as_text(name: str) -> str:
    """The name of a file as text; bytes that are not UTF-8 are written as escapes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def make_table(names: Iterable[str] | pa.Array, columns: dict[str, Any] | None = None) -> pa.Table:
    """``path``, ``label`` where it is given or the folders tell images apart, and other columns."""
    paths = names if isinstance(names, pa.Array) else pa.array((as_text(name) for name in names), pa.string())
    table = pa.table({"path": paths})
    columns = dict(columns or {})
    labels = columns.pop("label", None)
    if labels is None:
        labels = folder_labels(paths)
    if labels is not None:
        table = table.append_column("label", labels if isinstance(labels, pa.ChunkedArray) else pa.array(labels))
    for name, values in columns.items():
        table = table.append_column(name, values)
    return table


def folder_labels(paths: pa.Array) -> pa.Array | None:
    """Names of the folders, when every image lies in one and there are at least two."""
    folders = compute.replace_substring_regex(paths, r"(^|/)[^/]*$", "")
    names = compute.unique(folders).to_pylist()
    return folders if len(names) > 1 and "" not in names else None


def file_stamp(path: Path) -> str:
    """Changes when a file does, as far as its size and time tell."""
    status = path.stat()
    return hashlib.sha256(repr((str(path.absolute()), status.st_size, status.st_mtime_ns)).encode()).hexdigest()


def join(listings: list[Listing]) -> Listing:
    """Several sources as one, in their order. Columns that only some have are null in the others."""
    edges = np.cumsum([0, *map(len, listings)])

    def read(rows: NDArray[np.intp]) -> Iterator[Item]:
        for k, listing in enumerate(listings):
            own = rows[(rows >= edges[k]) & (rows < edges[k + 1])] - edges[k]
            if len(own):
                yield from listing.read(own)

    return Listing(
        " + ".join(listing.name for listing in listings),
        pa.concat_tables([listing.table for listing in listings], promote_options="permissive"),
        read,
        repr([listing.stamp for listing in listings]),
        [one for listing in listings for one in listing.skipped],
        sum(listing.n_ignored for listing in listings),
    )
