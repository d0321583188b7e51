"""Detection of known images by the SHA-256 of their files, so that each image is in a run once."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from latentmap.core.addresses import is_address
from latentmap.core.atomic_files import resolved, user_path, write_bytes
from latentmap.core.progress import counted
from latentmap.images import ImageCollection, SourceError
from latentmap.images.image_table import with_unique_paths
from latentmap.images.store import copy_to_cache, remove_decoding_state
from latentmap.run import layout, tables
from latentmap.run.channel_records import dtype_of
from latentmap.run.given.vector_files import VectorBlocks, vectors_of_addition, write_vectors
from latentmap.run.run import mapped_pixels
from latentmap.run.state import added_folders, next_added_folder, write_state
from latentmap.run.work import Work


def check_apart(folder: Path, source: Any) -> None:
    """Raise SourceError if a source is the folder of the run, or lies in it."""
    for one in source if isinstance(source, list) else [source]:
        if is_address(one):
            continue
        if isinstance(one, str | os.PathLike) and resolved(user_path(one)).is_relative_to(resolved(folder)):
            raise SourceError(
                f"{one}: is the folder of the run or lies in it, and its pictures are those of the run: pass a folder "
                "of other images"
            )


def digests_of(folders: list[Path]) -> set[bytes]:
    """The SHA-256 of all images in the tables of these folders."""
    columns = (tables.read(folder / layout.IMAGES, ["sha256"])["sha256"] for folder in folders)
    return {digest for column in columns for digest in column.to_pylist()}


def paths_of(folders: list[Path]) -> set[str]:
    """The paths of all images in the tables of these folders."""
    columns = (tables.read(folder / layout.IMAGES, ["path"])["path"] for folder in folders)
    return {name for column in columns for name in column.to_pylist()}


def keep_images(images: ImageCollection, kept: NDArray[np.bool_], part: Path, taken: set[str]) -> ImageCollection:
    """Write the images that are kept, and their table, into the folder of an addition."""
    rows = np.flatnonzero(kept)
    table = with_unique_paths(images.table.take(rows), images.name, taken)
    new = replace(images, images=np.asarray(images.images[rows]), table=table)
    cache = part / layout.CACHE
    if len(rows):
        new = replace(new, images=copy_to_cache(ImageCollection.of(new.images, new.name), cache).images)
    remove_decoding_state(cache)
    tables.write_images(part, new)
    return new


def drop_known(work: Work) -> None:
    """Remove images from the additions that are now in the run's own source.

    Paths of an addition that are now paths of the run's own source get a number.
    """
    state = work.state
    if not state["added"]:
        return
    held, taken = digests_of([work.folder]), paths_of([work.folder])
    for part, one in zip(added_folders(work.folder, state), list(state["added"]), strict=True):
        table = tables.read(part / layout.IMAGES).drop_columns(["id"])
        kept = np.array([digest not in held for digest in table["sha256"].to_pylist()], bool)
        paths = set(table["path"].to_pylist())
        if kept.all() and taken.isdisjoint(paths):
            taken |= paths
            continue
        work.set_aside("report")
        taken |= _take_out(work.folder, state, one, work.folder / layout.ADDED / part.name, table, kept, taken)
        if not kept.all():
            n_dropped = counted(int((~kept).sum()), "image")
            work.say(f"added/{part.name}: without {n_dropped} that the source of the run has now")


def _take_out(
    folder: Path,
    state: dict[str, Any],
    one: dict[str, Any],
    part: Path,
    table: pa.Table,
    kept: NDArray[np.bool_],
    taken: set[str],
) -> set[str]:
    """Replace an addition by one without some of its images, in one write of run.json; return the paths left."""
    at, paths = state["added"].index(one), set()
    if not kept.any():
        del state["added"][at]
    else:
        new_part = next_added_folder(folder, state)
        pixels = mapped_pixels(part, (len(table), *one["image_shape"]), dtype_of(state["source"]))
        images = keep_images(ImageCollection(pixels, table, name=one["name"]), kept, new_part, taken)
        if "vectors" in one:
            write_vectors(new_part, VectorBlocks.of(vectors_of_addition(part)[kept]))
        paths = set(images.paths)
        state["added"][at] = {
            **{name: value for name, value in one.items() if name not in ("key", "drift")},
            **{"n": len(images), "fingerprint": images.fingerprint, "folder": new_part.name},
        }
        if (part / layout.SKIPPED).exists():
            write_bytes(new_part / layout.SKIPPED, (part / layout.SKIPPED).read_bytes())
    for later in state["added"][at:]:
        later.pop("key", None)  # its number may be another one
    write_state(folder, state)
    return paths
