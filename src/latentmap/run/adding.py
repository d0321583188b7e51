"""Adding images to a finished run: they are decoded and placed on its map, which does not change."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentmap.core.atomic_files import user_path
from latentmap.core.errors import LatentmapError, OptionError, RunError, SourceError
from latentmap.core.progress import Show, silent
from latentmap.images import ImageCollection
from latentmap.images.decode_options import DecodeOptions
from latentmap.images.deferred import DeferredSource
from latentmap.images.listing import Listing
from latentmap.images.listing_decoder import decode_listing
from latentmap.images.remote.downloads import Downloads
from latentmap.images.remote.given_files import read_given_file
from latentmap.images.sources import SOURCE_KINDS, open_source, require_files_to_cut
from latentmap.images.store import copy_to_cache
from latentmap.run import layout
from latentmap.run.channel_records import channels_of
from latentmap.run.cut_runs import cut_for_addition, cut_record
from latentmap.run.encoding.encode_images import encode_images
from latentmap.run.encoding.input_pixels import InputPixels
from latentmap.run.executor import memory_in_words, run_stage
from latentmap.run.given import GivenValues, match_record, match_values, read_vectors
from latentmap.run.given.points import collection_of_points
from latentmap.run.given.vector_files import matched_blocks, restore_vectors, write_vectors
from latentmap.run.known_images import check_apart, digests_of, keep_images, paths_of
from latentmap.run.lock import locked
from latentmap.run.make import FUNCTIONS, updating_run
from latentmap.run.pending import begin, discard, settle
from latentmap.run.restoring import restore_pixels
from latentmap.run.run import Run
from latentmap.run.run_source import find_images
from latentmap.run.state import added_folders, as_paths, key_of, next_added_folder, read_state, stages_of, write_state
from latentmap.run.work import Work, say_nothing

# Fractions of strange images, and of new ones among all, above which a fresh run is due.
DUE_STRANGE, DUE_NEW = 0.1, 0.5


@dataclass(frozen=True)
class Addition:
    """The outcome of adding a source.

    Attributes
    ----------
    n_added : int
        Number of images added, including those of an interrupted call that this one completes.
    n_known : int
        Number of images whose files are in the run already.
    n_skipped : int
    drift : float
        Fraction of the new images whose reconstruction error, or distance from all others in latent space, is above
        that of 99 in 100 of the run's own, for whom it is 0.02 at most.
    is_due : bool
        Whether a fresh run is due: more than a tenth are strange, or more than half of all images were added.
    n_clipped : int
        Images with values outside the range that the run's own images were scaled by. The values were clipped.
    n_empty : int
        Tiles that were left out because they are nearly of one colour, for a run of tiles.
    """

    n_added: int
    n_known: int
    n_skipped: int
    drift: float
    is_due: bool
    n_clipped: int = 0
    n_empty: int = 0


@contextmanager
def adding_images(
    path: str | Path,
    source: Any,
    *,
    frames: bool = False,
    crops: Any = None,
    vectors: str | Path | ArrayLike | None = None,
    downloads: str | Path | None = None,
    show: Show = silent,
    say: Callable[[str], None] = say_nothing,
) -> Iterator[tuple[Work, Addition]]:
    """Add images to a finished run up to its report, which the body of the ``with`` statement runs as a stage.

    The run is locked and stays as it is until the body ends. Parameters and errors are those of :func:`add_images`.

    Yields
    ------
    Work
        Work on the run, for :func:`latentmap.run.executor.run_stage`.
    Addition
    """
    folder = user_path(path)
    read_state(folder)  # a folder that is no run is met before it is locked
    with locked(folder), memory_in_words(folder, "adding"):
        here = settle(folder)
        finished, state = read_state(folder), read_state(here)
        _check_finished(folder, state)
        check_apart(folder, source)
        _check_source(folder, finished, source)
        kept = None if downloads is None else user_path(downloads)
        given = _read_given(folder, finished, vectors, DecodeOptions(downloads=kept).downloads_in(here / layout.CACHE))
        restore_pixels(folder, finished)
        restore_vectors(folder, finished)
        if here == folder:
            here = begin(folder, state, {"report"})
        # of a command that was killed, which this one completes
        resumed = [one for one in state["added"] if one.get("new")]
        try:
            decoding = DecodeOptions(
                frames=frames,
                downloads=kept,
                cut=cut_for_addition(state, crops),
                reading=Run(here).reading(),
            )
            n_known, n_skipped = _add_to_state(here, state, source, decoding, given, as_paths(vectors), show, say)
        except LatentmapError:
            if not resumed:
                discard(folder)
            raise
        fresh = [one for one in state["added"] if one.get("new")]
        if not fresh:
            discard(folder)
            here, state = folder, finished  # files of the run that are missing are made again
        with updating_run(here, state, show=show, say=say) as work:
            yield work, _outcome(state, fresh, n_known, n_skipped)


def add_images(
    path: str | Path,
    source: Any,
    *,
    frames: bool = False,
    crops: Any = None,
    vectors: str | Path | ArrayLike | None = None,
    downloads: str | Path | None = None,
    show: Show = silent,
    say: Callable[[str], None] = say_nothing,
) -> Addition:
    """Add images to a finished run, without moving what is there. Its report is not drawn again.

    Parameters
    ----------
    path : path
        The folder of the run.
    source, frames
        See :func:`latentmap.open_images`. Images are brought to the shape of the run, and cut into tiles like its own.
        None for a run without pictures.
    crops : path, optional
        Table of the boxes of the new images, for a run of crops; see :func:`latentmap.open_images`.
    vectors : path or array-like of shape (m, d), optional
        Vectors of these images, for a run that was made from given vectors.
    downloads : path, optional
        Folder that keeps downloaded files. By default they are in the folder of the run until they are added.
    show, say : callable, optional
        See :func:`latentmap.run.make_run`.

    Returns
    -------
    Addition

    Raises
    ------
    RunError
        If the run is not finished, damaged or in use.
    SourceError
        If there are no usable images, they come as arrays of another height or width, or lie in the run itself; if
        ``crops`` is missing for a run of crops, or given for another one; if the vectors do not belong to the images.
    OptionError
        If vectors are missing, of another length than those of the run, or passed for a run that has none.
    """
    given: dict[str, Any] = {"frames": frames, "crops": crops, "vectors": vectors, "downloads": downloads}
    with adding_images(path, source, **given, show=show, say=say) as (work, addition):
        run_stage(work, "report", FUNCTIONS["report"])
    return addition


def _outcome(state: dict[str, Any], fresh: list[dict[str, Any]], n_known: int, n_skipped: int) -> Addition:
    """The outcome of adding, from the records of the additions that are new."""
    n_fresh = sum(one["n"] for one in fresh)
    drift = sum(one["n"] * float(one["drift"]) for one in fresh) / max(1, n_fresh)
    n_new = sum(one["n"] for one in state["added"])
    is_due = bool(fresh) and (drift > DUE_STRANGE or n_new > DUE_NEW * (n_new + state["source"]["n"]))
    n_clipped = sum(one.get("clipped", 0) for one in fresh)
    n_empty = sum(one["cut"]["empty"] for one in fresh if "cut" in one)
    return Addition(n_fresh, n_known, n_skipped, drift, is_due, n_clipped, n_empty)


def _check_finished(folder: Path, state: dict[str, Any]) -> None:
    # a report that was interrupted is drawn with the images that are added
    needed = [stage for stage in stages_of(state) if stage != "report"]
    unfinished = [stage for stage in needed if state["stages"].get(stage, {}).get("state") != "done"]
    if unfinished:
        raise RunError(f"{folder}: {', '.join(unfinished)} not done yet: finish the run, then add to it")


def _add_to_state(
    here: Path,
    state: dict[str, Any],
    source: Any,
    decoding: DecodeOptions,
    given: GivenValues | None,
    given_path: str | None,
    show: Show,
    say: Callable[[str], None],
) -> tuple[int, int]:
    """Decode what is new, and record it. Return how many images were known already and how many files were skipped."""
    run = Run(here)
    parts = added_folders(here, state)
    part = next_added_folder(here, state)
    limits = _value_range(state)
    channels = channels_of(state["source"])
    bits = run.shape().bits
    scaling = replace(decoding.scaling(limits), joins_8_bits=limits is None, joined_channels=channels, bits=bits)
    downloads, found = decoding.downloads_in(here / layout.CACHE), None
    if source is None:
        assert given is not None
        images = copy_to_cache(collection_of_points(given), part / layout.CACHE)
        given = given.by_row()
    else:
        found = find_images(source, decoding, scaling, downloads)
        with show("download") if isinstance(found, DeferredSource) else nullcontext(lambda _: None) as callback:
            found = open_source(found, callback)
        require_files_to_cut(found, decoding)
        images = _decode_addition(found, run, part, decoding, show)
    before = [part for part, one in zip(parts, state["added"], strict=True) if not one.get("new")]
    resumed = [part for part, one in zip(parts, state["added"], strict=True) if one.get("new")]
    matched = None if given is None else match_values(given, images)
    known = _known(images, digests_of([here, *before]), digests_of(resumed))
    n_clipped = 0 if images.is_clipped is None else int(images.is_clipped[~known[0]].sum())
    taken_before = paths_of([here, *parts])
    listed = images.table.take(np.flatnonzero(~known[0]))  # with the paths of the source
    images = keep_images(images, ~known[0], part, taken_before)
    if len(images):
        described = {}
        if run.has_frozen_encoder:
            originals = InputPixels(
                listed, images.images, found if isinstance(found, Listing) else None, decoding.reading
            )
            described = _encode_addition(run, part, originals, images.fingerprint, show, say)
        if matched is not None:
            write_vectors(part, matched_blocks(matched.take(np.flatnonzero(~known[0]))))
            facts = match_record(matched, given_path)
            described = {"vectors": facts | {"added_to": state["vectors"]["sha256"]}}
        state["added"].append(
            {
                "name": images.name,
                "source": as_paths(source),
                "n": len(images),
                "image_shape": list(images.image_shape),
                "known": int(known[1].sum()),
                "skipped": len(images.skipped),
                "clipped": n_clipped,
                **({} if decoding.cut is None else {"cut": cut_record(images)}),
                "sources": [one._asdict() for one in images.sources],
                "fingerprint": images.fingerprint,
                **described,
                "folder": part.name,
                "new": True,  # until it is part of the run
            }
        )
        write_state(here, state)
    else:
        shutil.rmtree(part)
    if decoding.downloads is None:
        downloads.remove()
    return int(known[1].sum()), len(images.skipped)


def _check_source(folder: Path, state: dict[str, Any], source: Any) -> None:
    has_pictures = state["source"].get("pictures", True)
    if source is None and has_pictures:
        raise SourceError(f"{folder}: no images to add: a source is {SOURCE_KINDS}")
    if source is not None and not has_pictures:
        raise SourceError(f"{folder}: made from vectors alone: add vectors (--vectors, vectors=) without images")


def _encode_addition(
    run: Run, part: Path, images: InputPixels, fingerprint: str, show: Show, say: Callable[[str], None]
) -> dict[str, Any]:
    """Write the vectors of added images by the encoder of the run; return the entry that describes them."""
    encoder, of_run = run.encoder(), run.state["vectors"]
    key = key_of([fingerprint, of_run["sha256"]])
    with show("vectors") as callback:
        encode_images(encoder, images, part, key, run.shape(), callback=callback, say=say)
    record = {name: of_run[name] for name in ("name", "path", "dimensions", "matched_by", "sha256", "key")}
    return {"vectors": record | {"n": len(images.table), "added_to": of_run["sha256"]}}


def _read_given(folder: Path, state: dict[str, Any], vectors: Any, downloads: Downloads) -> GivenValues | None:
    """The vectors of the images to add, where the run has given vectors."""
    of_run = state.get("vectors")
    if of_run is None:
        if vectors is not None:
            raise OptionError(f"{folder}: computes the vectors of its images: add images without vectors")
        return None
    if "encoder" in of_run:
        if vectors is not None:
            raise OptionError(
                f"{folder}: computes the vectors of its images with {of_run['name']}: add without vectors"
            )
        return None
    if vectors is None:
        raise OptionError(f"{folder}: made from given vectors: pass those of the images to add (--vectors, vectors=)")
    given = read_given_file(vectors, downloads, read_vectors)
    if given.values.shape[1] != of_run["dimensions"]:
        raise OptionError(
            f"{given.name}: vectors of {given.values.shape[1]} numbers, those of the run have {of_run['dimensions']}: "
            "pass vectors of the same kind"
        )
    return given


def _value_range(state: dict[str, Any]) -> tuple[float, float] | None:
    """The values that were scaled to 0 and 255 in the run; None for a run of 8-bit images."""
    source = state["source"]
    shape = source["shape"] or {}
    limits = source.get("value_range") or shape.get("value_range") or shape.get("float_range")
    return None if limits is None else (limits[0], limits[1])


def _decode_addition(
    found: Listing | ImageCollection, run: Run, part: Path, decoding: DecodeOptions, show: Show
) -> ImageCollection:
    """The images in the shape of the run, in colour or grey as it is."""
    shape = run.shape_for_more()
    if isinstance(found, Listing):
        with show("decode") as callback:
            return decode_listing(found, decoding, shape=shape, cache=part / layout.CACHE, callback=callback)
    if found.image_shape[:2] != shape.image_shape[:2] or bool(found.channels) != bool(run.channels):
        raise SourceError(
            f"{found.name}: images of shape {found.image_shape}, but the run has {shape.image_shape}: "
            "pass the same kind of images, or make a fresh run"
        )
    kept = copy_to_cache(found, part / layout.CACHE)
    if kept.image_shape == shape.image_shape and kept.images.dtype == shape.dtype:
        return kept
    pixels = np.empty((len(kept), *shape.image_shape), shape.dtype)
    for row, image in enumerate(kept.images):
        pixels[row] = run.fitted(image)
    return replace(kept, images=pixels)


def _known(
    images: ImageCollection, run: set[bytes], resumed: set[bytes]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Masks of the images to leave out, by the SHA-256 of their files, and of those that the run had before."""
    seen = run | resumed
    left_out, known = np.zeros((2, len(images)), bool)
    for i, digest in enumerate(images.table["sha256"].to_pylist()):
        left_out[i] = digest in seen
        known[i] = left_out[i] and digest not in resumed
        seen.add(digest)
    return left_out, known
