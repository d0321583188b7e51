"""Make a run, or resume one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from latentmap.core.atomic_files import TEMPORARY, user_path
from latentmap.core.environment import describe_environment
from latentmap.core.errors import LatentmapError, OptionError, RunError, SourceError
from latentmap.core.memory import release_memory
from latentmap.core.progress import Show, counted, silent
from latentmap.images import ImageCollection, Shape
from latentmap.images.decode_options import DecodeOptions
from latentmap.images.label_files import read_labels
from latentmap.images.remote.downloads import DOWNLOADS
from latentmap.images.sources import find_source, raise_if_skipped
from latentmap.run import pending, stages
from latentmap.run.executor import memory_in_words, run_stage
from latentmap.run.known_images import check_apart, drop_known
from latentmap.run.labels import set_stale_aside
from latentmap.run.layout import CACHE, SKIPPED
from latentmap.run.lock import LOCK_FILE, locked
from latentmap.run.options import RunOptions
from latentmap.run.placing import place_additions
from latentmap.run.restoring import restore_pixels
from latentmap.run.run import Run
from latentmap.run.stages.decode_stage import decoding_key
from latentmap.run.state import (
    RUN_FORMAT_VERSION,
    STAGES,
    STATE_FILE,
    as_paths,
    check_encodable,
    read_state,
    stage_keys,
    write_state,
)
from latentmap.run.work import Work, say_nothing

FUNCTIONS: dict[str, Callable[[Work], list[str]]] = {
    "decode": stages.decode,
    "train": stages.train,
    "encode": stages.encode,
    "features": stages.compute_features,
    "map": stages.make_map,
    "group": stages.group,
    "find": stages.find,
    "report": stages.report,
}
MIN_IMAGES = 5  # with fewer, neither neighbours nor a map mean anything


def make_run(
    source: Any,
    path: str | Path,
    options: RunOptions | None = None,
    *,
    decoding: DecodeOptions | None = None,
    labels: str | Path | ArrayLike | None = None,
    strict: bool = False,
    show: Show = silent,
    say: Callable[[str], None] = say_nothing,
) -> Run:
    """Make a run without a report, or resume one: do what is missing or whose options or images have changed.

    Parameters
    ----------
    source, labels, strict
        See :func:`latentmap.open_images`.
    path : path
        The folder of the run. Made when it is not there; an existing one must be empty or a run.
    options : RunOptions, optional
    decoding : DecodeOptions, optional
        The shape that images are brought to, and the room that they may take.
    show : callable, optional
        From the name of a stage to a context with a progress callback: pass
        :func:`latentmap.core.progress.show_progress`.
    say : callable, optional
        Takes a line about what is done and what is kept.

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
    with making_run(source, path, options, decoding=decoding, labels=labels, strict=strict, show=show, say=say) as work:
        run_stage(work, "report", FUNCTIONS["report"])
    return Run(work.folder)


@contextmanager
def making_run(
    source: Any,
    path: str | Path,
    options: RunOptions | None = None,
    *,
    decoding: DecodeOptions | None = None,
    labels: str | Path | ArrayLike | None = None,
    strict: bool = False,
    show: Show = silent,
    say: Callable[[str], None] = say_nothing,
) -> Iterator[Work]:
    """Make or resume a run up to its report, which the body of the ``with`` statement runs as a stage.

    The folder stays locked, and a finished run stays as it is, until the body ends. If the body raises an error, the
    same call resumes. Parameters and errors are those of :func:`make_run`.

    Yields
    ------
    Work
        Work on the run, for :func:`latentmap.run.executor.run_stage`.
    """
    options, decoding = options or RunOptions(), decoding or DecodeOptions()
    folder = _prepare(user_path(path))
    with locked(folder), memory_in_words(folder, "the run"):
        begun_in = pending.settle(folder)
        old = read_state(begun_in) if (begun_in / STATE_FILE).exists() else {}
        finished = read_state(folder) if begun_in != folder else old
        check_apart(folder, source)
        given = None if labels is None else read_labels(labels)
        work = Work(begun_in, _initial_state(old, options), options, show, say)
        work.is_finished = pending.is_finished(finished) if finished else False
        downloads = decoding.downloads_in(folder / CACHE)
        work.found, work.decoding, work.labels = find_source(source, decoding.scaling(), downloads), decoding, given
        if finished:
            with suppress(RunError):  # the images are decoded again then
                restore_pixels(folder, finished, thorough=False)
        try:
            _decode_source(work)
            work.state["source"] |= {
                "path": as_paths(source),
                "labels": None if isinstance(labels, list) else as_paths(labels),
            }
            _check_added(folder, work.state)
            _check_fit(work.images, options)
            if strict:
                raise_if_skipped(work.images)
            if decoding.downloads is None:
                downloads.remove()
        except LatentmapError:  # the run stays as it is
            if begun_in == folder:
                work.let_go()
                pending.discard(folder)
            raise
        drop_known(work)
        with _completing(work):
            yield work


@contextmanager
def updating_run(
    folder: Path, state: dict[str, Any], *, show: Show = silent, say: Callable[[str], None] = say_nothing
) -> Iterator[Work]:
    """Update a run whose images are decoded up to its report, which the body of the ``with`` statement runs as a stage.

    Parameters
    ----------
    folder : Path
        A run that is locked, or what is pending of one.
    state : dict
        The content of its run.json.
    show, say : callable, optional
        See :func:`make_run`.

    Yields
    ------
    Work
        Work on the run, for :func:`latentmap.run.executor.run_stage`.
    """
    work = Work(folder, state, Run(folder).options, show, say)
    with _completing(work):
        yield work


@contextmanager
def _completing(work: Work) -> Iterator[None]:
    """Run the stages between "decode" and "report", yield, and replace a finished run by the pending one."""
    work.keys = stage_keys(work.options, work.state["source"], work.state["added"])
    work.keep_pixels_only()
    for stage in STAGES:
        if stage not in ("decode", "report"):
            run_stage(work, stage, FUNCTIONS[stage])
    place_additions(work)
    yield
    _commit(work)


def _commit(work: Work) -> None:
    """Replace a finished run by the pending one."""
    if work.folder != work.home:
        for one in work.state["added"]:
            one.pop("new", None)
        write_state(work.folder, work.state)
        work.let_go()
        release_memory()
        for line in pending.commit(work.home):
            work.say(line)
        work.folder = work.home
    set_stale_aside(work.folder, work.state, work.say)


def _initial_state(old: dict[str, Any], options: RunOptions) -> dict[str, Any]:
    """The initial content of run.json, including the results of an earlier call."""
    return {
        "format_version": RUN_FORMAT_VERSION,
        "source": old.get("source", {}),
        "options": options.as_dict(),
        **describe_environment(),
        "working_folder": _working_folder(),
        "stages": old.get("stages", {}),
        "added": old.get("added", []),
    }


def _decode_source(work: Work) -> None:
    """Decode the images, unless that is done, and say how many there are."""
    assert work.found is not None
    work.state["source"] = work.state["source"] or {"name": work.found.name, "n": 0, "image_shape": [], "skipped": 0}
    work.keys["decode"] = decoding_key(work.found, work)
    if run_stage(work, "decode", FUNCTIONS["decode"]):
        for line in describe_images(work.state["source"]):
            work.say(line)
    work.found = None  # as large as the collection


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


def _prepare(folder: Path) -> Path:
    check_encodable(folder)
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder}: a file is in the way: name another folder for the run")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = {path.name for path in folder.iterdir()}
    except OSError as error:
        raise RunError(f"{folder}: cannot be written to ({error.strerror}): name another folder") from error
    # one that was killed before it had written anything left no more than these
    foreign = {name for name in held if name != LOCK_FILE and not TEMPORARY.fullmatch(name)}
    if CACHE in foreign and (folder / CACHE / DOWNLOADS).is_dir() and len(list((folder / CACHE).iterdir())) == 1:
        foreign.remove(CACHE)
    if foreign and STATE_FILE not in held:
        raise RunError(f"{folder}: not empty and not a run: name a new folder, so that nothing in it is lost")
    return folder


def _check_fit(images: ImageCollection, options: RunOptions) -> None:
    n = len(images)
    if n < MIN_IMAGES:
        raise SourceError(f"{images.name}: {n} images: a map needs at least {MIN_IMAGES}")
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
    """The working folder, which relative paths of sources refer to."""
    try:
        return str(Path.cwd())
    except OSError:  # it is gone
        return None
