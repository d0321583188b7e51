"""Images that come later: encoded, grouped and placed on the finished map, which stays as it is."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from latentmap.autoencoder import Autoencoder
from latentmap.core.atomic_files import user_path, write_bytes
from latentmap.core.progress import Show, counted, silent
from latentmap.groups.graph import default_neighbors, mean_over_neighbors
from latentmap.images import ImageCollection, SourceError
from latentmap.images.decode_options import DecodeOptions
from latentmap.images.image_table import with_unique_paths
from latentmap.images.listing import Listing
from latentmap.images.listing_decoder import decode_listing
from latentmap.images.sources import find_source
from latentmap.images.store import PIXELS_FILE, copy_to_cache, remove_decoding_state
from latentmap.neighbors import NeighborSearch
from latentmap.run import layout, tables
from latentmap.run.checking import reading
from latentmap.run.executor import memory_in_words
from latentmap.run.finding import N_NEAREST
from latentmap.run.lock import locked
from latentmap.run.pending import begin, discard, settle
from latentmap.run.restoring import restore_pixels
from latentmap.run.run import Run, mapped_pixels
from latentmap.run.stages import Work, write_images
from latentmap.run.state import STAGES, RunError, added_folders, as_paths, key_of, read_state, write_state
from latentmap.tsne import TSNE

# A new image is strange when it is drawn worse, or lies further from all others, than 99 in 100 of the run's own.
USUAL = 0.99
# Share of strange images from which on the map should be made anew; and of new ones among all.
DUE_STRANGE, DUE_NEW = 0.1, 0.5


@dataclass(frozen=True)
class Addition:
    """The outcome of adding a source.

    Attributes
    ----------
    n_added : int
        Those of a call that was interrupted and is completed by this one count as well.
    n_known : int
        Images whose files are in the run already.
    n_skipped : int
    drift : float
        Share of the new images that are drawn worse, or lie further from all others in latent space, than 99 in 100
        of the run's own, for whom it is 0.02 at most.
    is_due : bool
        Whether a fresh run is due: more than a tenth are strange, or more than half of all images were added.
    n_clipped : int
        Images of an array with values outside the range that the run's own array was scaled by; these values became
        the least or the largest.
    """

    n_added: int
    n_known: int
    n_skipped: int
    drift: float
    is_due: bool
    n_clipped: int = 0


def add_images(
    path: str | Path,
    source: Any,
    *,
    frames: bool = False,
    finish: Callable[[Path, dict[str, Any]], None],
    show: Show = silent,
) -> Addition:
    """Add images to a finished run, without moving what is there.

    Parameters
    ----------
    path : path
        The folder of the run.
    source, frames
        See :func:`latentmap.open_images`. Images are brought to the shape of the run.
    finish : callable
        Brings the atlas and the report up to date; pass :func:`latentmap.run.make.bring_up_to_date` with its options.
    show : callable, optional
        See :func:`latentmap.run.make_run`.

    Returns
    -------
    Addition

    Raises
    ------
    RunError
        If the run is not finished, damaged or in use.
    SourceError
        If there are no usable images, they come as arrays of another height or width, or lie in the run itself.
    """
    folder = user_path(path)
    read_state(folder)  # a folder that is no run is met before it is locked
    with locked(folder), memory_in_words(folder, "adding"):
        here = settle(folder)
        finished, state = read_state(folder), read_state(here)
        _check_finished(folder, state)
        check_apart(folder, source)
        restore_pixels(folder, finished)
        if here == folder:
            here = begin(folder, state, {"report"})
        # of a command that was killed, which this one completes
        resumed = [one for one in state["added"] if one.get("new")]
        try:
            n_known, n_skipped = _take_in(here, state, source, DecodeOptions(frames=frames), show)
        except ValueError:
            if not resumed:
                discard(folder)
            raise
        fresh = [one for one in state["added"] if one.get("new")]
        if fresh:
            finish(here, state)
        else:
            discard(folder)
            finish(folder, state)  # in case files of the run are missing
    n_fresh = sum(one["n"] for one in fresh)
    drift = sum(one["n"] * float(one["drift"]) for one in fresh) / max(1, n_fresh)
    n_new = sum(one["n"] for one in state["added"])
    is_due = bool(fresh) and (drift > DUE_STRANGE or n_new > DUE_NEW * (n_new + state["source"]["n"]))
    n_clipped = sum(one.get("clipped", 0) for one in fresh)
    return Addition(n_fresh, n_known, n_skipped, drift, is_due, n_clipped)


def _check_finished(folder: Path, state: dict[str, Any]) -> None:
    # a report that was interrupted is drawn with the images that are added
    needed = [stage for stage in STAGES if stage != "report"]
    unfinished = [stage for stage in needed if state["stages"].get(stage, {}).get("state") != "done"]
    if unfinished:
        raise RunError(f"{folder}: {', '.join(unfinished)} not done yet: finish the run, then add to it")


def check_apart(folder: Path, source: Any) -> None:
    """Raise SourceError for a source that lies in the folder of the run itself, or is that folder."""
    for one in source if isinstance(source, list) else [source]:
        if isinstance(one, str | os.PathLike) and user_path(one).resolve().is_relative_to(folder.resolve()):
            raise SourceError(
                f"{one}: is the folder of the run or lies in it, and its pictures are those of the run: pass a folder "
                "of other images"
            )


def _take_in(here: Path, state: dict[str, Any], source: Any, decoding: DecodeOptions, show: Show) -> tuple[int, int]:
    """Decode what is new, and record it; how many images were known already, and how many files were skipped."""
    run = Run(here)
    parts = added_folders(here, state)
    part = here / layout.ADDED / f"{1 + max([0, *(int(part.name) for part in parts)]):04d}"
    limits = _range_of(state)
    scaling = replace(decoding.scaling(limits), joins_8_bits=limits is None)
    images = _decoded(find_source(source, scaling), run, part, decoding, show)
    before = [part for part, one in zip(parts, state["added"], strict=True) if not one.get("new")]
    resumed = [part for part, one in zip(parts, state["added"], strict=True) if one.get("new")]
    known = _known(images, _digests([here, *before]), _digests(resumed))
    n_clipped = 0 if images.is_clipped is None else int(images.is_clipped[~known[0]].sum())
    taken_before = _paths([here, *parts])
    images = _keep(images, ~known[0], part, taken_before)
    if len(images):
        state["added"].append(
            {
                "name": images.name,
                "source": as_paths(source),
                "n": len(images),
                "image_shape": list(images.image_shape),
                "known": int(known[1].sum()),
                "skipped": len(images.skipped),
                "clipped": n_clipped,
                "sources": [one._asdict() for one in images.sources],
                "fingerprint": images.fingerprint,
                "folder": part.name,
                "new": True,  # until it is part of the run
            }
        )
        write_state(here, state)
    else:
        shutil.rmtree(part)
    return int(known[1].sum()), len(images.skipped)


def _range_of(state: dict[str, Any]) -> tuple[float, float] | None:
    """The values that became 0 and 255 in the run, whose arrays and deep files were scaled; None for 8 bits."""
    source = state["source"]
    shape = source["shape"] or {}
    limits = source.get("value_range") or shape.get("value_range") or shape.get("float_range")
    return None if limits is None else (limits[0], limits[1])


def _decoded(
    found: Listing | ImageCollection, run: Run, part: Path, decoding: DecodeOptions, show: Show
) -> ImageCollection:
    """The images in the shape of the run, in colour or grey as it is."""
    shape = run.shape_for_more()
    if isinstance(found, Listing):
        with show("decode") as callback:
            return decode_listing(found, decoding, shape=shape, cache=part / layout.CACHE, callback=callback)
    if found.image_shape[:2] != shape.image_shape[:2]:
        raise SourceError(
            f"{found.name}: images of shape {found.image_shape}, but the run has {shape.image_shape}: "
            "pass the same kind of images, or make a fresh run"
        )
    kept = copy_to_cache(found, part / layout.CACHE)
    if kept.image_shape == shape.image_shape:
        return kept
    pixels = np.empty((len(kept), *shape.image_shape), np.uint8)
    for row, image in enumerate(kept.images):
        pixels[row] = run.fitted(image)
    return replace(kept, images=pixels)


def _digests(folders: list[Path]) -> set[bytes]:
    """The SHA-256 of all images in the tables of these folders."""
    columns = (tables.read(folder / layout.IMAGES, ["sha256"])["sha256"] for folder in folders)
    return {digest for column in columns for digest in column.to_pylist()}


def _paths(folders: list[Path]) -> set[str]:
    """The paths of all images in the tables of these folders."""
    columns = (tables.read(folder / layout.IMAGES, ["path"])["path"] for folder in folders)
    return {name for column in columns for name in column.to_pylist()}


def _known(
    images: ImageCollection, run: set[bytes], resumed: set[bytes]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which images are not to be taken, by the SHA-256 of their files, and which of these the run had before."""
    seen = run | resumed
    left_out, known = np.zeros((2, len(images)), bool)
    for i, digest in enumerate(images.table["sha256"].to_pylist()):
        left_out[i] = digest in seen
        known[i] = left_out[i] and digest not in resumed
        seen.add(digest)
    return left_out, known


def _keep(images: ImageCollection, kept: NDArray[np.bool_], part: Path, taken: set[str]) -> ImageCollection:
    """Write the images that are kept, and their table, into the folder of an addition."""
    rows = np.flatnonzero(kept)
    table = with_unique_paths(images.table.take(rows), images.name, taken)
    new = replace(images, images=np.asarray(images.images[rows]), table=table)
    cache = part / layout.CACHE
    if len(rows):
        new = replace(new, images=copy_to_cache(ImageCollection.of(new.images, new.name), cache).images)
    remove_decoding_state(cache)
    write_images(part, new)
    return new


def drop_known(work: Work, state: dict[str, Any], say: Callable[[str], None]) -> None:
    """Take images out of the additions that the run's own source holds by now, so that each is there once.

    Paths of an addition that the run's own source has by now are changed.
    """
    if not state["added"]:
        return
    held, taken = _digests([work.folder]), _paths([work.folder])
    for part, one in zip(added_folders(work.folder, state), list(state["added"]), strict=True):
        table = tables.read(part / layout.IMAGES).drop_columns(["id"])
        kept = np.array([digest not in held for digest in table["sha256"].to_pylist()], bool)
        paths = set(table["path"].to_pylist())
        if kept.all() and taken.isdisjoint(paths):
            taken |= paths
            continue
        work.set_aside(state, "report")
        taken |= _take_out(work.folder, state, one, work.folder / layout.ADDED / part.name, table, kept, taken)
        if not kept.all():
            say(f"added/{part.name}: without {counted(int((~kept).sum()), 'image')} that the source of the run has now")


def _take_out(
    folder: Path,
    state: dict[str, Any],
    one: dict[str, Any],
    part: Path,
    table: pa.Table,
    kept: NDArray[np.bool_],
    taken: set[str],
) -> set[str]:
    """Put an addition without some of its images in the place of a whole one, by one write of run.json; its paths."""
    at, paths = state["added"].index(one), set()
    if not kept.any():
        del state["added"][at]
    else:
        numbers = [int(path.name) for path in added_folders(folder, state)]
        new_part = folder / layout.ADDED / f"{1 + max(numbers):04d}"
        pixels = mapped_pixels(part / layout.CACHE / PIXELS_FILE, (len(table), *one["image_shape"]))
        images = _keep(ImageCollection(pixels, table, name=one["name"]), kept, new_part, taken)
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


def to_place(work: Work, state: dict[str, Any], keys: dict[str, str]) -> bool:
    """Whether an addition is not placed yet, or where it no longer belongs."""
    parts = added_folders(work.folder, state)
    return any(not _is_placed(part, one, keys) for part, one in zip(parts, state["added"], strict=True))


def place_again(work: Work, state: dict[str, Any], keys: dict[str, str], say: Callable[[str], None]) -> None:
    """Place what was added anew where the network, the groups or the map have changed since."""
    parts = added_folders(work.folder, state)
    for number, (part, one) in enumerate(zip(parts, state["added"], strict=True), start=1):
        if _is_placed(part, one, keys):
            continue
        one["drift"] = round(_place(work.folder, state, part, number), 4)
        one["key"] = _key(one, keys)
        write_state(work.folder, state)
        say(f"added/{part.name}: placed again")


def _is_placed(part: Path, one: dict[str, Any], keys: dict[str, str]) -> bool:
    return one.get("key") == _key(one, keys) and (part / layout.PLACED).exists()


def _key(one: dict[str, Any], keys: dict[str, str]) -> str:
    return key_of([one["fingerprint"], *(keys[stage] for stage in ("encode", "group", "map", "find"))])


def _place(folder: Path, state: dict[str, Any], part: Path, number: int) -> float:
    """Encode, group and place the images of one addition: placed.parquet. The share of strange ones."""
    with reading(part / layout.IMAGES):
        n_new = pq.read_metadata(part / layout.IMAGES).num_rows
    pixels = mapped_pixels(part / layout.CACHE / PIXELS_FILE, (n_new, *state["source"]["image_shape"]))
    model = Autoencoder.load(folder / layout.MODEL)
    latents, errors = model.transform_and_score(pixels)
    known = tables.read_column(folder / layout.LATENTS, "latent")
    xy = np.column_stack([tables.read_column(folder / layout.MAP, name) for name in "xy"])
    perplexity = min(state["options"]["perplexity"], max(1.0, (len(known) - 1) / 3))
    tsne = TSNE.with_map(known, xy, perplexity=perplexity, random_state=state["options"]["seed"])
    search = NeighborSearch(known, "euclidean", None)
    k = max(N_NEAREST, default_neighbors(len(known)))
    indices, distances = search.query(latents, min(k, len(known)), None)
    placed = tsne.transform(latents)
    groups, confidence = _grouped(folder, indices, distances, state["options"]["min_confidence"])
    isolation = distances[:, :N_NEAREST].mean(axis=1)
    usual = tables.read_column(folder / layout.OUTLIERS, "isolation")
    usual_errors = tables.read_column(folder / layout.LATENTS, "error")
    strange = (errors > np.quantile(usual_errors, USUAL)) | (isolation > np.quantile(usual, USUAL))
    same = distances[:, 0] == 0
    columns = {
        "id": np.arange(n_new),
        "latent": tables.vectors(latents),
        "error": errors,
        "group": groups,
        "confidence": confidence,
        "tree": pa.array([None] * n_new, pa.string()),
        "x": placed[:, 0],
        "y": placed[:, 1],
        "isolation": isolation.astype(np.float32),
        "outlier": pa.array([None] * n_new, pa.float32()),
        "duplicate_of": pa.array(indices[:, 0].astype(np.int64), mask=~same),
        "strange": strange,
        "added": np.full(n_new, number, np.int16),
    }
    tables.write_table(part / layout.PLACED, columns)
    return float(strange.mean())


def _grouped(
    folder: Path, indices: NDArray[np.int32], distances: NDArray[np.floating[Any]], least: float
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Group of each new image, by the groups of its nearest neighbours, the nearer the more; and its share of them."""
    of_known = tables.read_column(folder / layout.GROUPS, "group")
    members = np.zeros((len(of_known), max(1, int(of_known.max()) + 1)), np.float32)
    sure = np.flatnonzero(of_known >= 0)
    members[sure, of_known[sure]] = 1
    shares = mean_over_neighbors(members, indices, distances)
    groups = shares.argmax(axis=1).astype(np.int32)
    confidence = shares.max(axis=1)
    return np.where(confidence < max(least, np.finfo(np.float32).tiny), np.int32(-1), groups), confidence
