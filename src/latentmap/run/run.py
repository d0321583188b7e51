"""Making a run, going on with it, and opening it."""

import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from latentmap.autoencoder import Autoencoder
from latentmap.environment import describe_environment
from latentmap.groups import LabelSpreading
from latentmap.groups.tree import Dendrogram, check_cut
from latentmap.images import ImageCollection, Skipped, SourceError, load_images
from latentmap.neighbors import NeighborGraph
from latentmap.progress import Callback
from latentmap.run import stages, tables
from latentmap.run.lock import FILE as LOCK_FILE
from latentmap.run.lock import locked
from latentmap.run.options import OptionError, RunOptions
from latentmap.run.state import (
    FILE,
    FORMAT_VERSION,
    STAGES,
    RunError,
    dependents,
    describe_files,
    is_done,
    read_state,
    stage_keys,
    write_state,
)

FUNCTIONS: dict[str, Callable[[stages.Work], list[str]]] = {
    "train": stages.train,
    "encode": stages.encode,
    "group": stages.group,
    "map": stages.map_,
    "report": stages.report,
}
# With fewer, neither neighbours nor a map mean anything.
FEWEST_IMAGES = 5


class Run:
    """A run on disk, opened for reading.

    Parameters
    ----------
    path : Path
        The folder.

    Raises
    ------
    RunError
        If the folder is no run, or of another format version.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.state: dict[str, Any] = read_state(self.path)

    @classmethod
    def open(cls, path: str | Path) -> "Run":
        """Open a run that :func:`make_run` or ``latentmap run`` made."""
        return cls(path)

    @property
    def options(self) -> RunOptions:
        """What the run was asked for."""
        known = {field.name for field in fields(RunOptions)}  # an older version may have had others
        return RunOptions(**{name: value for name, value in self.state["options"].items() if name in known})

    @property
    def stages(self) -> dict[str, dict[str, Any]]:
        """State, seconds, peak memory and files of each stage that has begun."""
        found: dict[str, dict[str, Any]] = self.state["stages"]
        return found

    def model(self) -> Autoencoder:
        """The trained autoencoder."""
        return Autoencoder.load(self._file(stages.MODEL))

    def precision(self) -> str | None:
        """Type of the factors of products in training, float32 or bfloat16; None before it is done."""
        path = self.path / stages.MODEL / "config.json"
        return str(json.loads(path.read_bytes())["precision"]) if path.exists() else None

    def latents(self) -> NDArray[np.float32]:
        """Latent vectors (n, latent_dim)."""
        return tables.read_column(self._file(stages.LATENTS), "latent")

    def errors(self) -> NDArray[np.float32]:
        """Reconstruction error of each image (n,)."""
        return tables.read_column(self._file(stages.LATENTS), "error")

    def groups(self) -> NDArray[np.int32]:
        """Group of each image (n,)."""
        return tables.read_column(self._file(stages.GROUPS), "group")

    def confidence(self) -> NDArray[np.float32]:
        """How sure each image is of its group (n,), in [0, 1]."""
        return tables.read_column(self._file(stages.GROUPS), "confidence")

    def tree(self) -> Dendrogram:
        """The tree over the blocks of images that groups are cut from."""
        table = pq.read_table(self._file(stages.TREE)).to_pydict()
        return Dendrogram(np.column_stack([table["left"], table["right"]]), np.array(table["association"]))

    def cut(self, n_clusters: int) -> NDArray[np.int32]:
        """Groups of the images (n,), when the tree is cut into another number of them.

        Raises
        ------
        ValueError
            If the tree has fewer blocks.
        """
        tree = self.tree()
        check_cut(tree, n_clusters)
        blocks: NDArray[np.int32] = tables.read_column(self._file(stages.GROUPS), "block")
        return tree.cut(n_clusters)[blocks]

    def group_summary(self) -> list[dict[str, Any]]:
        """What there is to say of each group: see :class:`latentmap.groups.Group`, whose fields are the keys."""
        found: list[dict[str, Any]] = json.loads(self._file(stages.SUMMARY).read_bytes())["groups"]
        return found

    def neighbors(self) -> NeighborGraph:
        """The neighbours that the groups were found on: of each image, rows and distances, nearest first."""
        path = self._file(stages.NEIGHBORS)
        indices, distances = (tables.read_column(path, name) for name in ("neighbors", "distances"))
        return NeighborGraph(indices, distances, np.arange(len(indices)))

    def spread_labels(self, labels: ArrayLike) -> LabelSpreading:
        """Spread a few labels over the graph to all images.

        Parameters
        ----------
        labels : array (n,)
            The label of each image; -1, "", None or NaN where it is not known.

        Returns
        -------
        LabelSpreading
            Fitted: ``transduction_`` has the label of each image and ``confidence_`` how sure it is.

        Raises
        ------
        RunError
            If the groups were not made on the graph.
        ValueError
            If no label is known, or there is not one for each image.
        """
        return LabelSpreading().fit(self.latents(), labels, neighbors=self.neighbors())

    def map(self) -> NDArray[np.float32]:
        """Places on the map (n, 2)."""
        path = self._file(stages.MAP)
        return np.column_stack([tables.read_column(path, name) for name in "xy"])

    def metrics(self) -> dict[str, float | None]:
        """What was measured, by name."""
        found: dict[str, float | None] = json.loads(self._file(stages.METRICS).read_bytes())
        return found

    def atlas(self) -> pa.Table:
        """All in one table: id, path, image, latent, error, group, confidence, tree, x, y and, where known, label."""
        return pq.read_table(self._file(stages.ATLAS))

    def images(self) -> ImageCollection:
        """The images themselves, from the atlas."""
        names = pq.read_schema(self._file(stages.ATLAS)).names
        wanted = [name for name in ("path", "image", "label") if name in names]
        table = pq.read_table(self._file(stages.ATLAS), columns=wanted)
        data = table["image"].combine_chunks().field("bytes")
        pixels = np.stack([np.asarray(Image.open(io.BytesIO(png.as_py()))) for png in data])
        labels = np.array(table["label"].to_pylist()) if "label" in names else None
        return ImageCollection(pixels, table["path"].to_pylist(), labels, self.skipped(), self.state["source"]["name"])

    def skipped(self) -> list[Skipped]:
        """Files that could not be decoded, and why."""
        path = self.path / stages.SKIPPED
        return [Skipped(**row) for row in pq.read_table(path).to_pylist()] if path.exists() else []

    def _file(self, name: str) -> Path:
        path = self.path / name
        if not path.exists():
            raise RunError(f"{path}: not there yet: finish the run with the command that began it")
        return path


def make_run(
    source: str | Path | NDArray[Any],
    path: str | Path,
    options: RunOptions | None = None,
    *,
    size: int | None = None,
    labels: str | Path | ArrayLike | None = None,
    report: stages.Reporter | None = None,
    show: Callable[[str], AbstractContextManager[Callback]] = lambda _: nullcontext(lambda _: None),
    say: Callable[[str], None] = lambda _: None,
) -> Run:
    """Make a run, or go on with one: do those stages that are missing or whose options or images have changed.

    Parameters
    ----------
    source, size, labels
        See :func:`latentmap.load_images`.
    path : path
        The folder of the run. Made when it is not there; an existing one must be empty or a run.
    options : RunOptions, optional
    report : callable, optional
        Draws the report from the folder of the run: pass :func:`latentmap.report.write_report`.
    show : callable, optional
        From the name of a stage to a context with a progress callback: pass :func:`latentmap.progress.shown`.
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
        If there are no usable images.
    OptionError
        If an option does not fit the collection.
    """
    options = options or RunOptions()
    folder = _prepare(Path(path))
    with locked(folder):
        old = read_state(folder) if (folder / FILE).exists() else None
        images = load_images(source, size=size, labels=labels)
        _check_fit(images, options)
        state = {
            "format_version": FORMAT_VERSION,
            "source": _describe(source, images) | {"size": size, "labels": _as_path(labels)},
            "options": options.as_dict(),
            **describe_environment(),
            "stages": old["stages"] if old else {},
        }
        write_state(folder, state)
        keys = stage_keys(options, images)
        work = stages.Work(folder, images, options, show, report)
        for stage in STAGES:
            if is_done(folder, state["stages"].get(stage), keys[stage]):
                say(f"{stage}: kept")
            else:
                seconds = _do(stage, keys[stage], work, state)
                say(f"{stage}: done in {seconds:.1f} s")
    return Run(folder)


def _prepare(folder: Path) -> Path:
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder}: a file is in the way: name another folder for the run")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = {path.name for path in folder.iterdir()} - {LOCK_FILE}
        if held and FILE not in held:
            raise RunError(f"{folder}: not empty and not a run: name a new folder, so that nothing in it is lost")
        (folder / LOCK_FILE).touch()
    except OSError as error:
        raise RunError(f"{folder}: cannot be written to ({error.strerror}): name another folder") from error
    return folder


def _check_fit(images: ImageCollection, options: RunOptions) -> None:
    n = len(images)
    if n < FEWEST_IMAGES:
        raise SourceError(f"{images.name}: {n} images: a map needs at least {FEWEST_IMAGES}")
    if options.n_clusters is not None and options.n_clusters > n:
        raise OptionError(f"n_clusters={options.n_clusters} exceeds the {n} images: ask for at most {n}")


def _describe(source: object, images: ImageCollection) -> dict[str, Any]:
    return {
        "name": images.name,
        "path": _as_path(source),
        "n": len(images),
        "image_shape": list(images.image_shape),
        "labelled": images.labels is not None,
        "skipped": len(images.skipped),
        "fingerprint": images.fingerprint,
    }


def _as_path(value: object) -> str | None:
    return str(value) if isinstance(value, str | Path) else None


def _do(stage: str, key: str, work: stages.Work, state: dict[str, Any]) -> float:
    """Run one stage, and record it. What was made from an older version of it is removed first."""
    for stale in (stage, *dependents(stage)):
        record = state["stages"].pop(stale, None)
        for name in record["files"] if record else ():
            (work.folder / name).unlink(missing_ok=True)
    state["stages"][stage] = {"state": "running", "key": key, "files": {}}
    write_state(work.folder, state)
    begun = time.perf_counter()
    with _peak_memory() as peak:
        files = FUNCTIONS[stage](work)
    seconds = time.perf_counter() - begun
    state["stages"][stage] = {
        "state": "done",
        "key": key,
        "seconds": round(seconds, 3),
        "peak_memory_mb": round(peak[0] / 2**20),
        "files": describe_files(work.folder, files),
    }
    write_state(work.folder, state)
    return seconds


@contextmanager
def _peak_memory() -> Iterator[list[int]]:
    """Watch the resident memory of this process; the list holds the largest value seen, in bytes."""
    process = psutil.Process()
    peak = [process.memory_info().rss]
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            peak[0] = max(peak[0], process.memory_info().rss)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()
