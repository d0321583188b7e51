"""Store of decoded images, in memory or in a folder where an interrupted decoding is resumed."""

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

from latentmap.core.atomic_files import atomic_write, write_text
from latentmap.core.errors import SourceError
from latentmap.core.mapped_arrays import blocks
from latentmap.core.memory import format_bytes
from latentmap.images.collection import ImageCollection
from latentmap.images.column_types import digest_column
from latentmap.images.decoding import Decoded, Failure
from latentmap.images.pixel_types import PIXEL_FILES, pixels_file
from latentmap.images.shape import Shape

RECORDS_FILE, FAILURES_FILE, STATE_FILE = "rows.bin", "reasons.jsonl", "decoded.json"
# One record per listed image, decoded or not.
RECORD_DTYPE = np.dtype(
    [
        *[("kept", "?"), ("sha256", "V32"), ("content", "V32"), ("whole", "V32"), ("width", "<u4"), ("height", "<u4")],
        *[("bytes", "<u8"), ("format", "S12"), ("mode", "S12")],
    ]
)
SECONDS_BETWEEN_SAVES = 3.0
MIN_FREE_BYTES = 2**28  # that remain free on the disk


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


class DecodedStore:
    """Pixels of decoded images, a record per listed image, and the reasons of failures.

    Parameters
    ----------
    folder : Path or None
        Folder of the store. None for a store in memory.
    key : str
        Identifies the files and the options. A state that was saved under another key is discarded.
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
        """Open the store for images of a shape. A saved state of the same shape is resumed, another one is discarded.

        Parameters
        ----------
        shape : Shape
        n_listed : int
            Number of images to decode.
        limit : int
            Maximum size of the decoded images, in bytes.

        Raises
        ------
        SourceError
            If the images would exceed ``limit`` or the free space on the disk.
        """
        if shape != self.shape:
            self.shape, self.progress = shape, DecodeProgress()
        self.close()
        self._check_free_space(n_listed, limit)
        if self._folder is not None:
            remove_other_pixels(self._folder, shape.dtype)
        sizes = {
            self._pixels_file: self.progress.n_kept * shape.image_bytes,
            RECORDS_FILE: self.progress.n_seen * RECORD_DTYPE.itemsize,
        }
        sizes[FAILURES_FILE] = self.progress.reason_bytes
        for name, size in sizes.items():
            file = self._files[name] = io.BytesIO() if self._folder is None else _open_cache(self._folder / name)
            file.truncate(size)
            file.seek(size)
        self._save_progress()

    def add(self, result: "Decoded | Failure") -> None:
        """Add the result of the next image."""
        record = np.zeros((), RECORD_DTYPE)
        if isinstance(result, Decoded):
            record["kept"], record["sha256"] = True, np.void(result.sha256)
            if result.content is not None:
                record["content"] = np.void(result.content)
            if result.whole is not None:
                record["whole"] = np.void(result.whole)
            record["width"], record["height"] = result.width, result.height
            record["bytes"], record["format"], record["mode"] = result.n_bytes, result.format, result.mode
            self._files[self._pixels_file].write(result.pixels.data)
            self.progress.n_kept += 1
        else:
            line = json.dumps([self.progress.n_seen, result.reason]).encode() + b"\n"
            self._files[FAILURES_FILE].write(line)
            self.progress.n_reasons += 1
            self.progress.reason_bytes += len(line)
        self._add_record(record)

    def leave_out(self) -> None:
        """Leave the next image out, without a reason of its own."""
        self._add_record(np.zeros((), RECORD_DTYPE))

    def _add_record(self, record: NDArray[Any]) -> None:
        self._files[RECORDS_FILE].write(record.tobytes())
        self.progress.n_seen += 1
        if time.monotonic() - self._saved_at > SECONDS_BETWEEN_SAVES:
            self._save_progress()

    def finish(self) -> "tuple[NDArray[Any], NDArray[Any], dict[int, str]]":
        """Close the store, and return its content.

        Returns
        -------
        images : ndarray (n, *image_shape), uint8 or uint16
        records : ndarray (n_listed,) of RECORD_DTYPE
        reasons : dict of int to str
            Why images failed, by their position in the listing.
        """
        assert self.shape is not None
        self._save_progress()
        shape = (self.progress.n_kept, *self.shape.image_shape)
        rows = np.frombuffer(self._read(RECORDS_FILE), RECORD_DTYPE)
        reasons = dict(json.loads(line) for line in self._read(FAILURES_FILE).splitlines())
        if self._folder is None:
            images = np.frombuffer(self._read(self._pixels_file), self.shape.dtype).reshape(shape)
        else:
            images = open_pixels(self._folder, shape, self.shape.dtype)
        self.close()
        return images, rows, reasons

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()
        self._files = {}

    @property
    def _pixels_file(self) -> str:
        assert self.shape is not None
        return pixels_file(self.shape.dtype)

    def _read(self, name: str) -> bytes:
        file = self._files[name]
        if isinstance(file, io.BytesIO):
            return file.getvalue()
        file.seek(0)
        return file.read()

    def _resume(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            state = json.loads((folder / STATE_FILE).read_bytes())
            if state["key"] == self._key:
                self.shape, self.progress = Shape.from_dict(state["shape"]), DecodeProgress(**state["mark"])
                sizes = [(folder / name).stat().st_size for name in (self._pixels_file, RECORDS_FILE, FAILURES_FILE)]
                wanted = [
                    self.progress.n_kept * self.shape.image_bytes,
                    self.progress.n_seen * RECORD_DTYPE.itemsize,
                ]
                if any(size < least for size, least in zip(sizes, [*wanted, self.progress.reason_bytes], strict=True)):
                    self.progress = DecodeProgress()
        except (OSError, ValueError, KeyError, TypeError):  # no state, or a damaged one
            self.shape, self.progress = None, DecodeProgress()

    def _save_progress(self) -> None:
        self._saved_at = time.monotonic()
        if self._folder is None or self.shape is None:
            return
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
        state = {"key": self._key, "shape": self.shape.as_dict(), "mark": vars(self.progress)}
        write_text(self._folder / STATE_FILE, json.dumps(state, indent=1))

    def _check_free_space(self, n_listed: int, limit: int) -> None:
        assert self.shape is not None
        needed = n_listed * self.shape.image_bytes
        sizes = (
            f"{n_listed:,} images of {' × '.join(map(str, self.shape.image_shape))} take {format_bytes(needed)} decoded"
        )
        if needed > limit:
            raise SourceError(f"{sizes}, the limit is {limit / 1e9:g} GB: raise it, or choose a smaller size")
        if self._folder is not None:
            held = self.progress.n_kept * self.shape.image_bytes
            free = shutil.disk_usage(self._folder).free
            if needed - held > free - MIN_FREE_BYTES:
                raise SourceError(
                    f"{sizes}, but {self._folder} has {format_bytes(free)} free, of which "
                    f"{format_bytes(MIN_FREE_BYTES)} must remain free: free some space, or choose a smaller size"
                )


def open_pixels(folder: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Map the file of pixels in a folder.

    Parameters
    ----------
    folder : Path
    shape : tuple of int
    dtype : numpy.dtype
        uint8 or uint16.

    Returns
    -------
    ndarray of that shape and type
    """
    return map_pixels(folder / pixels_file(dtype), shape, dtype)


def map_pixels(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Map a file of pixels of any name; see :func:`open_pixels`."""
    if not prod(shape):
        return np.zeros(shape, dtype)
    return np.asarray(np.memmap(path, dtype, "r", shape=shape))


def remove_other_pixels(folder: Path, dtype: np.dtype[Any]) -> None:
    """Remove the file of pixels of the other type, which is that of an earlier decoding."""
    for name in PIXEL_FILES.values():
        if name != pixels_file(dtype):
            (folder / name).unlink(missing_ok=True)


def _open_cache(path: Path) -> IO[bytes]:
    return path.open("r+b" if path.exists() else "w+b")


def copy_to_cache(images: ImageCollection, folder: Path) -> ImageCollection:
    """Write the images of an array to a folder, and map them from there.

    Parameters
    ----------
    images : ImageCollection
    folder : Path

    Returns
    -------
    ImageCollection
        With the column ``sha256``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    digests = bytearray()
    known = "sha256" in images.table.column_names  # of the original values
    with atomic_write(folder / pixels_file(images.images.dtype)) as temporary, temporary.open("wb") as file:
        for block in map(np.ascontiguousarray, blocks(images.images)):
            file.write(block.data)
            if not known:
                digests += b"".join(hashlib.sha256(image.data).digest() for image in block)
    remove_other_pixels(folder, images.images.dtype)
    pixels = open_pixels(folder, images.images.shape, images.images.dtype)
    if known:
        return replace(images, images=pixels)
    return replace(images, images=pixels, table=images.table.append_column("sha256", digest_column(digests)))


def remove_decoding_state(folder: Path) -> None:
    """Remove the files that only an interrupted decoding needs.

    Parameters
    ----------
    folder : Path
    """
    for name in (RECORDS_FILE, FAILURES_FILE, STATE_FILE):
        (folder / name).unlink(missing_ok=True)
