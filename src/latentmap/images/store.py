"""Decoded images as they come in: in memory, or in a folder where an interrupted decoding goes on."""

import hashlib
import io
import json
import os
import shutil
import time
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.atomic_files import whole, write_text
from latentmap.core.mapped_arrays import blocks
from latentmap.core.memory import in_units
from latentmap.images.cells import digest_column
from latentmap.images.collection import ImageCollection
from latentmap.images.decoding import Decoded, Failure
from latentmap.images.listing import SourceError
from latentmap.images.shape import Shape

PIXELS, ROWS, REASONS, STATE = "pixels.u8", "rows.bin", "reasons.jsonl", "decoded.json"
# One for each picture listed, decoded or not.
ROW = np.dtype([("kept", "?"), ("sha256", "V32"), ("content", "V32"), ("width", "<u4"), ("height", "<u4")])
SECONDS_BETWEEN_SAVES = 3.0
SPARE_BYTES = 2**28  # of the disk, left free


@dataclass
class DecodeProgress:
    """How far decoding has come; its files are truncated to this point when it is resumed.

    Parameters
    ----------
    n_seen : int
        Images of the listing that were tried.
    n_kept : int
        Images that were decoded.
    n_reasons : int
        Images that failed.
    reason_bytes : int
        Size in bytes of the file of the reasons.
    """

    n_seen: int = 0
    n_kept: int = 0
    n_reasons: int = 0
    reason_bytes: int = 0


class Store:
    """Pixels, a row of facts for each picture listed, and the reasons of those that failed.

    Parameters
    ----------
    folder : Path, optional
        Where to keep them; in memory without it.
    key : str
        What is decoded, and how. What the folder holds under another key is thrown away.
    """

    def __init__(self, folder: Path | None, key: str) -> None:
        self._folder, self._key = folder, key
        self.progress = DecodeProgress()
        self.shape: Shape | None = None
        self._saved_at = time.monotonic()
        self._files: dict[str, IO[bytes]] = {}
        if folder is not None:
            self._resume(folder)

    def begin(self, shape: Shape, n_listed: int, limit: int) -> None:
        """Be ready for pictures of a shape: go on where a store of the same shape ended, else begin anew.

        Raises
        ------
        SourceError
            If they would take more than ``limit`` bytes, or more than the disk has.
        """
        if shape != self.shape:
            self.shape, self.progress = shape, DecodeProgress()
        self.close()
        self._check_room(n_listed, limit)
        sizes = {PIXELS: self.progress.n_kept * prod(shape.image_shape), ROWS: self.progress.n_seen * ROW.itemsize}
        sizes[REASONS] = self.progress.reason_bytes
        for name, size in sizes.items():
            file = self._files[name] = io.BytesIO() if self._folder is None else _open(self._folder / name)
            file.truncate(size)
            file.seek(size)
        self._save_progress()

    def add(self, result: "Decoded | Failure") -> None:
        """Take what became of the next picture."""
        row = np.zeros((), ROW)
        if isinstance(result, Decoded):
            row["kept"], row["sha256"] = True, np.void(result.sha256)
            if result.content is not None:
                row["content"] = np.void(result.content)
            row["width"], row["height"] = result.width, result.height
            self._files[PIXELS].write(result.pixels.data)
            self.progress.n_kept += 1
        else:
            line = json.dumps([self.progress.n_seen, result.reason]).encode() + b"\n"
            self._files[REASONS].write(line)
            self.progress.n_reasons += 1
            self.progress.reason_bytes += len(line)
        self._files[ROWS].write(row.tobytes())
        self.progress.n_seen += 1
        if time.monotonic() - self._saved_at > SECONDS_BETWEEN_SAVES:
            self._save_progress()

    def finish(self) -> "tuple[NDArray[np.uint8], NDArray[Any], dict[int, str]]":
        """Images (n, *image_shape), the rows of facts, and the reason of each picture that failed by its number."""
        assert self.shape is not None
        self._save_progress()
        shape = (self.progress.n_kept, *self.shape.image_shape)
        rows = np.frombuffer(self._content(ROWS), ROW)
        reasons = dict(json.loads(line) for line in self._content(REASONS).splitlines())
        if self._folder is None:
            images = np.frombuffer(self._content(PIXELS), np.uint8).reshape(shape)
        else:
            images = open_pixels(self._folder / PIXELS, shape)
        self.close()
        return images, rows, reasons

    def close(self) -> None:
        """Let go of the files."""
        for file in self._files.values():
            file.close()
        self._files = {}

    def _content(self, name: str) -> bytes:
        file = self._files[name]
        if isinstance(file, io.BytesIO):
            return file.getvalue()
        file.seek(0)
        return file.read()

    def _resume(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            state = json.loads((folder / STATE).read_bytes())
            if state["key"] == self._key:
                self.shape, self.progress = Shape.from_dict(state["shape"]), DecodeProgress(**state["mark"])
                sizes = [(folder / name).stat().st_size for name in (PIXELS, ROWS, REASONS)]
                wanted = [self.progress.n_kept * prod(self.shape.image_shape), self.progress.n_seen * ROW.itemsize]
                if any(size < least for size, least in zip(sizes, [*wanted, self.progress.reason_bytes], strict=True)):
                    self.progress = DecodeProgress()
        except (OSError, ValueError, KeyError, TypeError):  # none, or damaged: begin anew
            self.shape, self.progress = None, DecodeProgress()

    def _save_progress(self) -> None:
        self._saved_at = time.monotonic()
        if self._folder is None or self.shape is None:
            return
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
        state = {"key": self._key, "shape": self.shape.as_dict(), "mark": vars(self.progress)}
        write_text(self._folder / STATE, json.dumps(state, indent=1))

    def _check_room(self, n_listed: int, limit: int) -> None:
        assert self.shape is not None
        needed = n_listed * prod(self.shape.image_shape)
        sizes = f"{n_listed:,} images of {' × '.join(map(str, self.shape.image_shape))} take {in_units(needed)} decoded"
        if needed > limit:
            raise SourceError(f"{sizes}, the limit is {limit / 1e9:g} GB: raise it, or ask for a smaller size")
        if self._folder is not None:
            held = self.progress.n_kept * prod(self.shape.image_shape)
            free = shutil.disk_usage(self._folder).free
            if needed - held > free - SPARE_BYTES:
                raise SourceError(
                    f"{sizes}, but {self._folder} has {in_units(free)} free, of which {in_units(SPARE_BYTES)} are "
                    "left alone: make room, or ask for a smaller size"
                )


def open_pixels(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Map a file of pixels."""
    if not prod(shape):
        return np.zeros(shape, np.uint8)
    return np.asarray(np.memmap(path, np.uint8, "r", shape=shape))


def _open(path: Path) -> IO[bytes]:
    return path.open("r+b" if path.exists() else "w+b")


def kept_in_cache(images: ImageCollection, folder: Path) -> ImageCollection:
    """Images that came as an array, as a file that they are mapped from."""
    folder.mkdir(parents=True, exist_ok=True)
    digests = bytearray()
    known = "sha256" in images.table.column_names  # of the values as they were given
    with whole(folder / PIXELS) as temporary, temporary.open("wb") as file:
        for part in map(np.ascontiguousarray, blocks(images.images)):
            file.write(part.data)
            if not known:
                digests += b"".join(hashlib.sha256(image.data).digest() for image in part)
    pixels = open_pixels(folder / PIXELS, images.images.shape)
    if known:
        return replace(images, images=pixels)
    return replace(images, images=pixels, table=images.table.append_column("sha256", digest_column(digests)))


def clear_marks(folder: Path) -> None:
    """Remove what only an interrupted decoding needs."""
    for name in (ROWS, REASONS, STATE):
        (folder / name).unlink(missing_ok=True)
