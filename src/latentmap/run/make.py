"""Making a run, and going on with one."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from latentmap.core.atomic_files import TEMPORARY, user_path
from latentmap.core.environment import describe_environment
from latentmap.core.memory import give_back
from latentmap.core.progress import Show, counted, silent
from latentmap.images import ImageCollection, Shape, SourceError
from latentmap.images.decode_options import DecodeOptions
from latentmap.images.label_files import read_labels
from latentmap.images.listing import Listing
from latentmap.images.sources import find_source, raise_if_skipped
from latentmap.run import pending, stages
from latentmap.run.adding import check_apart, drop_known, place_again, to_place
from latentmap.run.executor import do, memory_in_words
from latentmap.run.labels import set_stale_aside
from latentmap.run.layout import CACHE, SKIPPED
from latentmap.run.lock import FILE as LOCK_FILE
from latentmap.run.lock import locked
from latentmap.run.options import OptionError, RunOptions
from latentmap.run.restoring import restore_pixels
from latentmap.run.run import Run, open_run_images
from latentmap.run.state import (
    FILE,
    FORMAT_VERSION,
    STAGES,
    RunError,
    as_paths,
    is_done,
    key_of,
    read_state,
    stage_keys,
    write_state,
)

FUNCTIONS: dict[str, Callable[[stages.Work], list[str]]] = {
    "decode": stages.decode,
    "train": stages.train,
    "encode": stages.encode,
    "group": stages.group,
    "map": stages.map_,
    "find": stages.find,
    "report": stages.report,
}
# With fewer, neither neighbours nor a map mean anything.
FEWEST_IMAGES = 5


def make_run(
    source: Any,
    path: str | Path,
    options: RunOptions | None = None,
    *,
    decoding: DecodeOptions | None = None,
    labels: str | Path | ArrayLike | None = None,
    strict: bool = False,
    report: stages.Reporter | None = None,
    show: Show = silent,
    say: Callable[[str], None] = lambda _: None,
) -> Run:
    """Make a run, or go on with one: do those stages that are missing or whose options or images have changed.

    Parameters
    ----------
    source, labels, strict
        See :func:`latentmap.open_images`.
    path : path
        The folder of the run. Made when it is not there; an existing one must be empty or a run.
    options : RunOptions, optional
    decoding : DecodeOptions, optional
        What images are brought to, and the room that they may take.
    report : callable, optional
        Draws the report from the folder of the run: pass :func:`latentmap.report.page.write_report`.
    show : callable, optional
        From the name of a stage to a context with a progress callback: pass :func:`latentmap.core.progress.shown`.
    say : callable, optional
        Told in a line what is done and what is kept.

    Returns
    -------
    Run

    Raises
    ------
    RunError
        If the folder holds something else, is a run of another format version, cannot be written to, or is in use.
    SourceError, IdxError
        If there are no usable images; with ``strict``, if any cannot be decoded.
    OptionError
        If an option does not fit the collection.
    """
    options, decoding = options or RunOptions(), decoding or DecodeOptions()
    folder = _prepare(user_path(path))
    with locked(folder), memory_in_words(folder, "the run"):
        begun_in = pending.settle(folder)
        old = read_state(begun_in) if (begun_in / FILE).exists() else {}
        finished = read_state(folder) if begun_in != folder else old
        check_apart(folder, source)
        given = None if labels is None else read_labels(labels)
        state = {
            "format_version": FORMAT_VERSION,
            "source": old.get("source", {}),
            "options": options.as_dict(),
            **describe_environment(),
            "working_folder": _working_folder(),
            "stages": old.get("stages", {}),
            "added": old.get("added", []),
        }
        work = stages.Work(begun_in, options, show, report, find_source(source, decoding.scaling()), decoding, given)
        work.is_finished = pending.is_finished(finished) if finished else False
        if finished:
            with suppress(RunError):  # the images are decoded again then
                restore_pixels(folder, finished, thorough=False)
        try:
            _decode(work, state, say)
            work.found = None  # as large as the collection
            state["source"] |= {
                "path": as_paths(source),
                "labels": None if isinstance(labels, list) else as_paths(labels),
            }
            _check_added(folder, state)
            _check_fit(work.images, options)
            if strict:
                raise_if_skipped(work.images)
        except ValueError:  # the run stays as it is
            if begun_in == folder:
                work.let_go()
                pending.discard(folder)
            raise
        drop_known(work, state, say)
        finish(work, state, say)
    return Run(folder)


def finish(work: stages.Work, state: dict[str, Any], say: Callable[[str], None]) -> None:
    """Do what is missing of all stages after "decode", and make what was pending of a finished run the run."""
    keys = stage_keys(work.options, state["source"], state["added"])
    work.keep_pixels_only()
    for stage in list(STAGES)[1:]:
        if stage == "report" and to_place(work, state, keys):
            work.set_aside(state, stage)
            place_again(work, state, keys, say)
        if _is_kept(work, state, stage, keys[stage]):
            say(f"{stage}: kept")
        else:
            work.set_aside(state, stage)
            seconds = do(stage, keys[stage], FUNCTIONS[stage], work, state)
            say(f"{stage}: done in {seconds:.1f} s")
    if work.folder != work.home:
        for one in state["added"]:
            one.pop("new", None)
        write_state(work.folder, state)
        work.let_go()
        give_back()
        for line in pending.commit(work.home):
            say(line)
        work.folder = work.home
    set_stale_aside(work.folder, state, say)


def _is_kept(work: stages.Work, state: dict[str, Any], stage: str, key: str) -> bool:
    """Whether a stage is done already: in this folder, or in the finished run beside which it is made anew."""
    if is_done(work.folder, state["stages"].get(stage), key):
        return True
    if work.folder == work.home:
        return False
    finished = read_state(work.home)
    record = finished["stages"].get(stage)
    if record is None or not is_done(work.home, record, key) or not _has_same_needs(stage, state, finished):
        return False
    for name in state["stages"].get(stage, {"files": {}})["files"]:
        (work.folder / name).unlink(missing_ok=True)
    pending.take_over(work.home, work.folder, record["files"])
    state["stages"][stage] = record
    if stage == "decode":
        state["source"] = finished["source"]
    write_state(work.folder, state)
    return True


def _has_same_needs(stage: str, state: dict[str, Any], finished: dict[str, Any]) -> bool:
    """Whether the stages that a stage needs, if they were done again, gave the files that it was made from."""
    needs = [one for one in STAGES if one != stage] if stage == "report" else STAGES[stage]  # it shows all of them
    return all(
        state["stages"].get(need, {}).get("files") == finished["stages"].get(need, {}).get("files") for need in needs
    )


def _decode(work: stages.Work, state: dict[str, Any], say: Callable[[str], None]) -> None:
    assert work.found is not None
    key = _decoding_key(work.found, work)
    if _is_kept(work, state, "decode", key):
        work.images = open_run_images(work.folder, state)
        say("decode: kept")
        return
    work.set_aside(state, "decode")
    state["source"] = state["source"] or {"name": work.found.name, "n": 0, "image_shape": [], "skipped": 0}
    seconds = do("decode", key, FUNCTIONS["decode"], work, state)
    images = work.images
    state["source"] = {
        "name": images.name,
        "n": len(images),
        "image_shape": list(images.image_shape),
        "shape": None if images.shape is None else images.shape.as_dict(),
        "value_range": images.value_range,
        "decoding": work.decoding.as_dict(),
        "labelled": images.labels is not None,
        "skipped": len(images.skipped),
        "ignored": images.n_ignored,
        "sources": [source._asdict() for source in images.sources],
        "cache_bytes": int(images.images.nbytes),
        "fingerprint": images.fingerprint,
        "annotations": images.annotations_fingerprint,
    }
    write_state(work.folder, state)
    say(f"decode: done in {seconds:.1f} s")
    for line in describe_images(state["source"]):
        say(line)


def describe_images(source: dict[str, Any]) -> list[str]:
    """Lines that say how many images were decoded, how, and which were left out."""
    size = f"{source['cache_bytes'] / 1e6:,.1f} MB in {CACHE}/"
    lines = [f"  {counted(source['n'], 'image')}, {size}"]
    if source["shape"] is not None:
        lines.append(f"  {Shape.from_dict(source['shape'])}")
    if source["skipped"]:
        lines.append(f"  {counted(source['skipped'], 'file')} skipped, listed with their reasons in {SKIPPED}")
    if source["ignored"]:
        other = "file that is no image was" if source["ignored"] == 1 else "files that are no images were"
        lines.append(f"  {source['ignored']:,} {other} passed over")
    return lines


def _decoding_key(found: Listing | ImageCollection, work: stages.Work) -> str:
    """A hash over all that decoding depends on, as far as it can be told without decoding."""
    stamp = found.stamp if isinstance(found, Listing) else [found.fingerprint, found.annotations_fingerprint]
    labels = None if work.labels is None else hashlib.sha256(repr(work.labels.tolist()).encode()).hexdigest()
    return key_of([FORMAT_VERSION, stamp, work.decoding.as_dict(), labels])


def _prepare(folder: Path) -> Path:
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder}: a file is in the way: name another folder for the run")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = {path.name for path in folder.iterdir()}
    except OSError as error:
        raise RunError(f"{folder}: cannot be written to ({error.strerror}): name another folder") from error
    # one that was killed before it had written anything left no more than these
    foreign = {name for name in held if name != LOCK_FILE and not TEMPORARY.fullmatch(name)}
    if foreign and FILE not in held:
        raise RunError(f"{folder}: not empty and not a run: name a new folder, so that nothing in it is lost")
    return folder


def _check_fit(images: ImageCollection, options: RunOptions) -> None:
    n = len(images)
    if n < FEWEST_IMAGES:
        raise SourceError(f"{images.name}: {n} images: a map needs at least {FEWEST_IMAGES}")
    if options.n_clusters is not None and options.n_clusters > n:
        raise OptionError(f"n_clusters={options.n_clusters} exceeds the {n} images: ask for at most {n}")


def _check_added(folder: Path, state: dict[str, Any]) -> None:
    shape = state["source"]["image_shape"]
    for one in state["added"]:
        if one["image_shape"] != shape:
            raise RunError(
                f"{folder}: images of shape {tuple(one['image_shape'])} were added to it, and it would now have "
                f"{tuple(shape)}: run all sources into another folder, or keep the size"
            )


def _working_folder() -> str | None:
    """The folder that relative names of sources are in."""
    try:
        return str(Path.cwd())
    except OSError:  # it is gone
        return None


def bring_up_to_date(
    folder: Path,
    state: dict[str, Any],
    *,
    report: stages.Reporter | None = None,
    show: Show = silent,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Do what is missing of a run whose images are decoded, from what its run.json says; the folder must be locked."""
    run = Run(folder)
    images = run.images()
    work = stages.Work(folder, run.options, show, report, None, DecodeOptions())
    work.images = images
    finish(work, state, say)
