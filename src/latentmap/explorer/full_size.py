"""Images at their full size, from the files that they were decoded from, as long as those are still the same."""

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from latentmap.explorer.columns import ERRORS
from latentmap.explorer.data import DamagedError, Explored, once
from latentmap.images.collection import as_png
from latentmap.images.decoding import Failure, Item
from latentmap.images.pool import DecodingPool
from latentmap.run import files
from latentmap.run.run import sources_of

MAX_SIDE = 4096  # pixels of what is shown; larger pictures are made smaller
MAX_FILE_BYTES = 2**31  # larger files are not read to be shown
NO_FILE = "this image has no file of its own: it came in an archive, an array or a table"
CHANGED = "the file that this image was made from has changed since: the picture shown is that of the run"


class NoOriginalError(LookupError):
    """Why there is no original picture."""


class FullSize:
    """The original pictures of a run.

    A run may be a stranger's, and say that its images are made from any file: a file is only shown when its content
    has the SHA-256 that the run has for the image, which its author must have known.

    Parameters
    ----------
    data : Explored
    decoders : DecodingPool
        Where files are decoded, in bounded memory.
    """

    def __init__(self, data: Explored, decoders: DecodingPool) -> None:
        self._data = data
        self._decoders = decoders
        self._loading = data._loading

    def png(self, image: int) -> bytes:
        """The original picture of an image as a PNG file, at most MAX_SIDE pixels a side.

        Raises
        ------
        NoOriginalError
            If there is none, or it is another one by now.
        """
        path, frame, digest = self._file(image)
        item = Item(str(path), frame)
        look = self._ask("look", item, None)
        scale = min(1.0, MAX_SIDE / max(look.width, look.height, 1))
        height, width = (max(1, round(side * scale)) for side in (look.height, look.width))
        channels, color = (1, "grey") if look.is_grey else (3, "rgb")
        shape = replace(
            self._data.run.shape(),
            height=height,
            width=width,
            channels=channels,
            color=color,
            fit="stretch",  # to its own proportions
            keep_pixels=False,
        )
        decoded = self._ask("decode", item, shape)
        if decoded.sha256 != digest:
            raise NoOriginalError(CHANGED)
        return as_png(decoded.pixels)

    def _ask(self, task: str, item: Item, argument: Any) -> Any:
        (found,) = self._decoders.map(task, iter([item]), argument)
        if isinstance(found, Failure):
            raise NoOriginalError(f"the file that this image was made from cannot be shown ({found.reason})")
        return found

    def _file(self, image: int) -> tuple[Path, int | None, bytes]:
        """Where an image was decoded from: the file, the frame in it, and its SHA-256."""
        roots, table = self._sources
        row = table.slice(image, 1).to_pylist()[0]
        number = row["source"]
        root = roots[number] if number is not None and 0 <= number < len(roots) else None
        if root is None or row["file"] is None or row["sha256"] is None:
            raise NoOriginalError(NO_FILE)
        for name in _spellings(row["file"]):
            path = Path(root, name)
            if not _is_inside(name):
                break
            try:
                if path.is_file() and path.stat().st_size <= MAX_FILE_BYTES:
                    return path, row["frame"], row["sha256"]
            except (OSError, ValueError):
                continue
        raise NoOriginalError("the file that this image was made from is not there any more")

    @once
    def _sources(self) -> tuple[list[str | None], pa.Table]:
        """The folder of each source, and for each image source, file, frame and sha256."""
        try:
            return self._read_sources()
        except (*ERRORS, OSError) as error:
            raise DamagedError(f"{self._data.path / files.IMAGES}: cannot be read ({error})") from error

    def _read_sources(self) -> tuple[list[str | None], pa.Table]:
        run = self._data.run
        folders = [run.path, *(run.path / files.ADDED / f"{i + 1:04d}" for i in range(len(run.state["added"])))]
        roots: list[str | None] = []
        parts = []
        for folder, entry in zip(folders, [run.state["source"], *run.state["added"]], strict=True):
            table = pq.read_table(folder / files.IMAGES)
            n, first = len(table), len(roots)
            roots += [one.root if isinstance(one.root, str) else None for one in sources_of(entry)]
            if {"source", "file", "frame"} <= set(table.column_names):
                source = pa.array([None if one is None else first + one for one in table["source"].to_pylist()])
                columns = [source.cast(pa.int64()), table["file"], table["frame"].cast(pa.int64()), table["sha256"]]
            else:  # of an earlier version, which kept no roots
                columns = [pa.nulls(n, pa.int64()), table["path"], pa.nulls(n, pa.int64()), table["sha256"]]
            names = ["source", "file", "frame", "sha256"]
            casts = [columns[0], columns[1].cast(pa.string()), columns[2], columns[3].cast(pa.binary())]
            parts.append(pa.table(casts, names=names))
        return roots, pa.concat_tables(parts)


def _is_inside(name: str) -> bool:
    """Whether a name leads to below the folder that it is looked for in."""
    return not (os.path.isabs(name) or Path(name).drive or ".." in Path(name).parts or "\0" in name)  # noqa: PTH117


def _spellings(name: str) -> list[str]:
    r"""The name of a file as its text says, and with the bytes that escapes such as \xe9 in the text stand for."""
    raw = re.sub(r"\\x([89a-f][0-9a-f])", lambda found: chr(0xDC00 + int(found[1], 16)), name)
    return [name] if raw == name else [name, raw]
