"""Make a run, or resume one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from latentmap.core.atomic_files import TEMPORARY, user_path
from latentmap.core.devices import choose_device, describe_device
from latentmap.core.environment import describe_environment
from latentmap.core.errors import LatentmapError, OptionError, RunError, SourceError
from latentmap.core.memory import release_memory
from latentmap.core.progress import Show, counted, silent
from latentmap.encoder import ImageEncoder
from latentmap.images import ImageCollection, Shape
from latentmap.images.channels import channels_in_words
from latentmap.images.decode_options import DecodeOptions
from latentmap.images.deferred import DeferredSource
from latentmap.images.label_files import read_labels
from latentmap.images.listing import Listing
from latentmap.images.pixel_types import bits_of
from latentmap.images.remote.downloads import DOWNLOADS, Downloads
from latentmap.images.remote.given_files import read_given_file
from latentmap.images.sources import SOURCE_KINDS, raise_if_skipped, require_files_to_cut
from latentmap.run import pending, stages
from latentmap.run.channel_records import channels_of
from latentmap.run.cut_runs import describe_cut
from latentmap.run.executor import drop_stages, memory_in_words, run_stage
from latentmap.run.given import GivenValues, describe_given, match_record, match_values, read_places, read_vectors
from latentmap.run.given.points import collection_of_points
from latentmap.run.given.vector_files import restore_vectors
from latentmap.run.known_images import check_apart, drop_known
from latentmap.run.labels import set_stale_aside
from latentmap.run.layout import CACHE, SKIPPED
from latentmap.run.lock import LOCK_FILE, locked
from latentmap.run.options import RunOptions
from latentmap.run.placing import place_additions
from latentmap.run.restoring import restore_pixels
from latentmap.run.run import Run
from latentmap.run.run_source import find_images
from latentmap.run.stages.decode_stage import decoding_key
from latentmap.run.stages.vectors_stage import use_encoder
from latentmap.run.state import (
    RUN_FORMAT_VERSION,
    STATE_FILE,
    as_paths,
    check_encodable,
    read_state,
    stage_keys,
    stages_of,
    write_state,
)
from latentmap.run.work import Work, say_nothing

FUNCTIONS: dict[str, Callable[[Work], list[str]]] = {
    "decode": stages.decode,
    "vectors": stages.take_vectors,
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
    vectors: str | Path | ArrayLike | None = None,
    places: str | Path | ArrayLike | None = None,
    encoder: ImageEncoder | None = None,
    strict: bool = False,
    show: Show = silent,
    say: Callable[[str], None] = say_nothing,
) -> Run:
    """Make a run without a report, or resume one: do what is missing or whose options or images have changed.

    Parameters
    ----------
    source, labels, strict
        See :func:`latentmap.open_images`. The source may also be the folder of another run, whose decoded images,
        their table and labels are taken. Without a source (None), the points are those of ``vectors`` and have no
        pictures.
    path : path
        The folder of the run. Made when it is not there; an existing one must be empty or a run.
    options : RunOptions, optional
    decoding : DecodeOptions, optional
        The shape that images are brought to, and the room that they may take.
    vectors : path or array-like of shape (n, d), optional
        Vectors of the images, which are mapped without training a network; see
        :func:`latentmap.run.given.read_vectors`.
    places : path or array-like of shape (n, 2), optional
        Places on the map, instead of those of t-SNE; see :func:`latentmap.run.given.read_places`.
    encoder : ImageEncoder, optional
        Encoder that computes the vectors of the images, instead of given ones.
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
    given: dict[str, Any] = {"labels": labels, "vectors": vectors, "places": places, "encoder": encoder}
    with making_run(source, path, options, decoding=decoding, strict=strict, show=show, say=say, **given) as work:
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
    vectors: str | Path | ArrayLike | None = None,
    places: str | Path | ArrayLike | None = None,
    encoder: ImageEncoder | None = None,
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
    options = options.without_vectors() if vectors is None and encoder is None else options.for_vectors()
    options = options if places is None else options.for_places()
    _check_call(source, vectors, options)
    folder = _prepare(user_path(path))
    with locked(folder), memory_in_words(folder, "the run"):
        begun_in = pending.settle(folder)
        old = read_state(begun_in) if (begun_in / STATE_FILE).exists() else {}
        finished = read_state(folder) if begun_in != folder else old
        check_apart(folder, source)
        downloads = decoding.downloads_in(folder / CACHE)
        given_labels = None if labels is None else read_given_file(labels, downloads, read_labels)
        given = {
            **({} if vectors is None else {"vectors": read_given_file(vectors, downloads, read_vectors)}),
            **({} if places is None else {"places": read_given_file(places, downloads, read_places)}),
        }
        work = Work(begun_in, _initial_state(old, options), options, show, say)
        work.is_finished = pending.is_finished(finished) if finished else False
        work.decoding, work.labels = decoding, given_labels
        _find_source(work, source, given, downloads)
        if encoder is not None and not isinstance(work.found, ImageCollection):
            work.listing = work.found  # the files are read again at the size of the encoder's input
        if finished:
            with suppress(RunError):  # the images are decoded again then
                restore_pixels(folder, finished, thorough=False)
                restore_vectors(folder, finished, thorough=False)
        try:
            _decode_source(work)
            work.state["source"] |= {
                "path": as_paths(source),
                "labels": None if isinstance(labels, list) else as_paths(labels),
            }
            _check_fit(work.images, options)
            _match_given(work, given, {"vectors": as_paths(vectors), "places": as_paths(places)})
            given.clear()
            if encoder is not None:
                use_encoder(work, encoder)
            del encoder  # perhaps a gigabyte
            _check_added(folder, work.state)
            if strict:
                raise_if_skipped(work.images)
            if decoding.downloads is None and work.listing is None:
                downloads.remove()
        except LatentmapError:  # the run stays as it is
            if begun_in == folder:
                work.let_go()
                pending.discard(folder)
            raise
        drop_known(work)
        with _completing(work):
            if decoding.downloads is None:
                downloads.remove()
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
    vectors, places = ((work.state.get(name) or {}).get("key") for name in ("vectors", "places"))
    work.keys = stage_keys(work.options, work.state["source"], work.state["added"], vectors, places)
    work.keep_pixels_only()
    drop_stages(work)
    for stage in stages_of(work.state):
        if stage not in ("decode", "report"):
            run_stage(work, stage, FUNCTIONS[stage])
        if stage == "vectors":
            work.vectors = work.encoder = work.listing = None  # they are large, and later stages have no use for them
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
        "device": describe_device(choose_device(options.device)),
        "working_folder": _working_folder(),
        "stages": old.get("stages", {}),
        "added": old.get("added", []),
    }


def _decode_source(work: Work) -> None:
    """Decode the images, unless that is done, and say how many there are."""
    assert work.found is not None
    if work.state["device"] != "cpu":
        work.say(f"  on {work.state['device']}")
    work.state["source"] = work.state["source"] or {"name": work.found.name, "n": 0, "image_shape": [], "skipped": 0}
    work.keys["decode"] = decoding_key(work.found, work)
    if run_stage(work, "decode", FUNCTIONS["decode"]):
        for line in describe_images(work.state["source"]):
            work.say(line)
    work.found = None  # as large as the collection


def _match_given(work: Work, given: dict[str, GivenValues], paths: dict[str, str | None]) -> None:
    """Find the given vectors and places of each image, once the images are decoded, and describe them in the state."""
    for name, values in given.items():
        matched = match_values(values, work.images)
        setattr(work, name, matched)
        work.state[name] = match_record(matched, paths[name])
        if matched.n_unused:
            n = len(values.values)
            work.say(f"  {matched.n_unused:,} of {n:,} {values.noun}s in {values.name} are of no image here")
    for line in describe_given(work.state):
        work.say(line)


def describe_images(source: dict[str, Any]) -> list[str]:
    """Lines that say how many images were decoded, how, and which were left out."""
    if not source.get("pictures", True):
        return [f"  {counted(source['n'], 'point')} without pictures"]
    size = f"{source['cache_bytes'] / 1e6:,.1f} MB in {CACHE}/"
    lines = [f"  {counted(source['n'], 'image')}, {size}"]
    lines += describe_cut(source)
    if source["shape"] is not None:
        lines.append(f"  {Shape.from_dict(source['shape'])}")
    elif source.get("channels"):
        lines.append(f"  {channels_in_words(channels_of(source))}")
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


def _check_call(source: Any, vectors: Any, options: RunOptions) -> None:
    choose_device(options.device)  # an error if it is not here
    if source is None and (vectors is None or options.decoder):
        needed = "a decoder draws them" if options.decoder else "without one, pass vectors (--vectors)"
        raise SourceError(f"no images: a source is {SOURCE_KINDS}; {needed}")


def _find_source(work: Work, source: Any, given: dict[str, GivenValues], downloads: Downloads) -> None:
    """Find the images, or the points of given vectors where there is no source."""
    if source is None:
        work.found, given["vectors"] = collection_of_points(given["vectors"]), given["vectors"].by_row()
        return
    scaling = work.decoding.scaling()
    work.found = find_images(source, work.decoding, scaling, downloads)
    if _is_kept_in_8_bits(work.found, work.state["source"]):
        in_8_bits = find_images(source, work.decoding, replace(scaling, bits=8), downloads)
        if isinstance(in_8_bits, ImageCollection) and in_8_bits.fingerprint == work.state["source"]["fingerprint"]:
            work.found = in_8_bits
    require_files_to_cut(work.found, work.decoding)
    _check_pictures(work.found, given.get("vectors"), work.options)


def _is_kept_in_8_bits(found: Listing | ImageCollection | DeferredSource, of_run: dict[str, Any]) -> bool:
    """Whether an array of 16 bits may be that of a run that was made when channels were kept in 8 bits."""
    if not isinstance(found, ImageCollection) or bits_of(found.images) == 8:
        return False
    return bool(of_run.get("channels")) and "bits" not in of_run and of_run["n"] == len(found)


def _check_pictures(found: Listing | ImageCollection | DeferredSource, vectors: Any, options: RunOptions) -> None:
    if not isinstance(found, ImageCollection) or found.has_pictures:
        return
    if options.decoder:
        raise SourceError(f"{found.name}: a run without pictures, which a decoder draws: leave decoder out")
    if vectors is None:
        raise SourceError(f"{found.name}: a run without pictures: pass the vectors of its points (--vectors, vectors=)")


def _check_fit(images: ImageCollection, options: RunOptions) -> None:
    n = len(images)
    if n < MIN_IMAGES:
        raise SourceError(
            f"{images.name}: {n} {'images' if images.has_pictures else 'points'}: a map needs at least {MIN_IMAGES}"
        )
    if options.n_clusters is not None and options.n_clusters > n:
        raise OptionError(f"n_clusters={options.n_clusters} exceeds the {n} images: ask for at most {n}")


def _check_added(folder: Path, state: dict[str, Any]) -> None:
    shape, vectors = state["source"]["image_shape"], state.get("vectors")
    for one in state["added"]:
        if vectors is not None and one.get("vectors", {}).get("added_to") != vectors["sha256"]:
            raise RunError(
                f"{folder}: images were added to it with other vectors, or without any: run all images with vectors of "
                "one kind into another folder"
            )
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
