"""Restoring the pixels of a run from its atlas if the cache was deleted or is damaged."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from latentmap.core.atomic_files import atomic_write, sha256, write_bytes
from latentmap.core.errors import RunError
from latentmap.images.collection import pixels_fingerprint
from latentmap.images.pixel_types import pixels_file
from latentmap.images.png import decode_png
from latentmap.images.store import map_pixels
from latentmap.run import layout
from latentmap.run.channel_records import dtype_of
from latentmap.run.state import added_folders

N_ATLAS_ROWS_AT_ONCE = 1024  # of the atlas, read at once


@dataclass(frozen=True)
class PixelFile:
    """A file of pixels of a run, and its expected content."""

    path: Path
    shape: tuple[int, ...]
    fingerprint: str
    dtype: np.dtype[Any]
    sha256: str | None = None

    @property
    def n_bytes(self) -> int:
        """Expected size."""
        return prod(self.shape) * self.dtype.itemsize

    def is_intact(self, *, thorough: bool) -> bool:
        """Whether the file exists and has the right size and, if asked for, the right content."""
        if not self.path.is_file() or self.path.stat().st_size != self.n_bytes:
            return False
        if not thorough:
            return True
        if self.sha256 is not None:
            return sha256(self.path) == self.sha256
        return pixels_fingerprint(map_pixels(self.path, self.shape, self.dtype)) == self.fingerprint


def restore_pixels(folder: Path, state: dict[str, Any], *, thorough: bool = True) -> None:
    """Restore the missing or damaged files of pixels from the atlas.

    Parameters
    ----------
    folder : Path
        A run that is locked.
    state : dict
        Its run.json.
    thorough : bool, default=True
        Read the files that are there, and compare them with what run.json says of them.

    Raises
    ------
    RunError
        If the atlas does not have them either.
    """
    source = state["source"]
    dtype = dtype_of(source)
    place = Path(layout.CACHE) / pixels_file(dtype)
    record = state["stages"].get("decode", {}).get("files", {}).get(place.as_posix())
    wanted = [
        PixelFile(
            folder / place,
            (source["n"], *source["image_shape"]),
            source["fingerprint"],
            dtype,
            None if record is None else record["sha256"],
        )
    ]
    for part, one in zip(added_folders(folder, state), state["added"], strict=True):
        wanted.append(PixelFile(part / place, (one["n"], *one["image_shape"]), one["fingerprint"], dtype))
    if not source.get("pictures", True):
        _write_blanks(wanted)
        return
    if all(one.is_intact(thorough=thorough) for one in wanted):
        return
    images = images_of_atlas(folder, wanted[0].shape[1:], sum(one.shape[0] for one in wanted), dtype)
    for one in wanted:
        # those that are intact are read past: the atlas has one order
        _write(one, images, keep=one.is_intact(thorough=thorough))


def images_of_atlas(folder: Path, shape: tuple[int, ...], n: int, dtype: np.dtype[Any]) -> Iterator[NDArray[Any]]:
    """The first ``n`` images of the atlas of a run, each of ``shape`` and ``dtype``, in the order of their ids.

    Raises
    ------
    RunError
        If there is no atlas, or it does not hold them.
    """
    path = folder / layout.ATLAS
    if not path.exists():
        raise RunError(f"{folder}: neither cache nor atlas: finish the run with the command that began it")
    row = 0
    try:
        atlas = pq.ParquetFile(path)
        if atlas.metadata.num_rows < n:
            raise ValueError(f"{atlas.metadata.num_rows} rows, and the run has {n} images")
        has_planes = "planes" in atlas.schema_arrow.names and (len(shape) == 3 or dtype != np.uint8)
        column = "planes" if has_planes else "image"
        for batch in atlas.iter_batches(N_ATLAS_ROWS_AT_ONCE, columns=["id", column]):
            ids, values = batch.column(0).to_pylist(), batch.column(1)
            pictures = values if has_planes else values.field("bytes")
            for number, picture in zip(ids, pictures, strict=True):
                if row == n:
                    return
                if number != row:
                    raise ValueError(f"id {number} in row {row}")
                yield _of_planes(picture.as_py(), shape, dtype) if has_planes else decode_png(picture.as_py(), shape)
                row += 1
        if row < n:
            raise ValueError(f"it ends after {row} of {n} images")
    except (ValueError, KeyError, AttributeError, TypeError, pa.ArrowException, OSError) as error:
        raise RunError(
            f"{path}: cannot be read as the atlas of this run ({error}): run the images into another folder"
        ) from error


def _write_blanks(wanted: list[PixelFile]) -> None:
    """Write the pixels of points without pictures, which are black, where they are missing."""
    for one in wanted:
        if not one.is_intact(thorough=False):
            one.path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(one.path, bytes(one.n_bytes))


def _of_planes(png: bytes | None, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """An image (h, w[, c]) from its channels below each other."""
    height, width, n_channels = shape if len(shape) == 3 else (*shape, 1)
    stacked = decode_png(png, (n_channels * height, width), 8 * dtype.itemsize)
    return stacked.reshape(n_channels, height, width).transpose(1, 2, 0).reshape(shape)


def _write(one: PixelFile, images: Iterator[NDArray[Any]], *, keep: bool) -> None:
    if keep:
        for _ in range(one.shape[0]):
            next(images)
        return
    one.path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(one.path) as temporary, temporary.open("wb") as file:
        for _ in range(one.shape[0]):
            file.write(np.ascontiguousarray(next(images)).data)
        file.flush()
        if pixels_fingerprint(map_pixels(temporary, one.shape, one.dtype)) != one.fingerprint:
            raise RunError(
                f"{one.path}: missing or damaged, and the pictures in {layout.ATLAS} are not those of this run: "
                "run the images into another folder"
            )
