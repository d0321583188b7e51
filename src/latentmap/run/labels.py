"""Spreading of the labels of a table to all images of a run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from latentmap.core.atomic_files import user_path
from latentmap.groups import LabelSpreading
from latentmap.run import layout, tables
from latentmap.run.label_table import read_label_table
from latentmap.run.lock import locked
from latentmap.run.run import Run
from latentmap.run.state import key_of

LABELS_FILE = "labels.parquet"
STALE = "labels-stale.parquet"
ABOUT = b"latentmap.about"  # in the file: a hash of the images, latent vectors and groups that the labels belong to


def spread_labels(path: Path, labels: Path, *, say: Callable[[str], None] = lambda _: None) -> Path:
    """Write labels.parquet of a run: the spread label of each image and its confidence.

    Parameters
    ----------
    path : Path
        A finished run.
    labels : Path
        A table with the columns ``label`` and ``path``, as in the atlas, or ``id``; an image a row. See
        :func:`latentmap.run.label_table.read_label_table`.
    say : callable, optional
        Takes a line when there is only one label to spread.

    Returns
    -------
    Path
        The table written: ``id``, ``path``, ``given``, ``label`` (null where no label reaches), ``confidence``.

    Raises
    ------
    RunError
        If the table cannot be read, names an image that the run does not have or could mean several, or gives an image
        two labels; if another process writes to the run.
    InputError
        If no image has a label.
    """
    run = Run.open(path)
    with locked(run.path):
        given = read_label_table(user_path(labels), run.atlas()["path"].to_pylist())
        warning = only_label(given)
        if warning is not None:
            say(warning)
        return spread_locked(run, given)


def only_label(given: NDArray[Any]) -> str | None:
    """A warning if there is only one label, which every image would get; else None."""
    found = {label for label in given.tolist() if label}
    if len(found) != 1:
        return None
    return f"there is only one label, {found.pop()!r}: every image that it reaches gets it; label others differently"


def spread_locked(run: Run, given: NDArray[Any]) -> Path:
    """Write labels.parquet of a run whose lock is held."""
    paths = tables.read(run.path / layout.ATLAS, ["path"])["path"]
    if (run.path / layout.NEIGHBORS).exists() and not run.state["added"]:
        spread = run.spread_labels(given)
    else:  # the graph of the run does not have all of them
        latents = tables.read_column(run.path / layout.ATLAS, "latent")
        spread = LabelSpreading(class_weight="balanced").fit(run.as_points(latents), given)
    reached = spread.confidence_ > 0
    columns = {
        "id": np.arange(len(paths)),
        "path": paths,
        "given": pa.array([label or None for label in given], pa.string()),
        "label": pa.array([str(label) for label in spread.transduction_], pa.string(), mask=~reached),
        "confidence": spread.confidence_,
    }
    about = {ABOUT: json.dumps(_about(run.state)).encode()}
    tables.write_table(run.path / LABELS_FILE, pa.table(columns).replace_schema_metadata(about))
    return run.path / LABELS_FILE


def _about(state: dict[str, Any]) -> str:
    """A hash over everything that the spreading depends on."""
    added = [one["fingerprint"] for one in state["added"]]
    stages = [state["stages"].get(stage, {}).get("key") for stage in ("encode", "group")]
    return key_of([state["source"]["fingerprint"], added, stages])


def set_stale_aside(folder: Path, state: dict[str, Any], say: Callable[[str], None]) -> None:
    """Rename labels.parquet if it belongs to other images or groups than the run has now."""
    path = folder / LABELS_FILE
    if not path.is_file():
        return
    try:
        about = (pq.read_schema(path).metadata or {}).get(ABOUT)
    except (OSError, pa.ArrowException):
        return  # not ours to judge
    if about is not None and about != json.dumps(_about(state)).encode():
        path.replace(folder / STALE)
        say(f"{LABELS_FILE}: of the run as it was before, now called {STALE}: give `latentmap label` again")
