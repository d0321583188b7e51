"""A few labels of a run's images, from a table, spread to all of them."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from latentmap.groups import LabelSpreading
from latentmap.run import files, tables
from latentmap.run.run import Run
from latentmap.run.state import RunError

FILE = "labels.parquet"


def spread_labels(path: Path, labels: Path) -> Path:
    """Write labels.parquet of a run: for each image the label that its neighbourhood gives it, and how surely.

    Parameters
    ----------
    path : Path
        A finished run.
    labels : Path
        A CSV file with the columns ``label`` and either ``path``, as in the atlas, or ``id``; an image a line.

    Returns
    -------
    Path
        The table written: ``id``, ``path``, ``given``, ``label``, ``confidence``.

    Raises
    ------
    RunError
        If the file has other columns, or names images that the run does not have.
    """
    run = Run.open(path)
    return spread_given(run, _read(labels, run.atlas()["path"].to_pylist()))


def spread_given(run: Run, given: NDArray[Any]) -> Path:
    """Write labels.parquet from the labels of the images of the atlas (n,), "" where none is given.

    Raises
    ------
    ValueError
        If none is given.
    """
    paths = pq.read_table(run.path / files.ATLAS, columns=["path"])["path"]
    if (run.path / files.NEIGHBORS).exists() and not run.state["added"]:
        spread = run.spread_labels(given)
    else:  # the graph of the run does not have all of them
        spread = LabelSpreading().fit(tables.read_column(run.path / files.ATLAS, "latent"), given)
    columns = {
        "id": np.arange(len(paths)),
        "path": paths,
        "given": [label or None for label in given],
        "label": [str(label) for label in spread.transduction_],
        "confidence": spread.confidence_,
    }
    tables.write_table(run.path / FILE, columns)
    return run.path / FILE


def _read(file: Path, paths: list[str]) -> NDArray[Any]:
    """The label of each image, "" where none is given."""
    with file.open(encoding="utf-8-sig", newline="") as lines:
        table = csv.DictReader(lines)
        names = table.fieldnames or []
        if "label" not in names or not {"path", "id"} & set(names):
            raise RunError(f"{file}: columns {', '.join(names) or 'none'}: give `label`, and `path` or `id`")
        rows = list(table)
    key = "path" if "path" in names else "id"
    position = {name: i for i, name in enumerate(paths if key == "path" else map(str, range(len(paths))))}
    given = np.full(len(paths), "", dtype=object)
    for row in rows:
        if row[key] not in position:
            raise RunError(f"{file}: {key} {row[key]!r} is not in the run: names are those in its atlas.parquet")
        given[position[row[key]]] = row["label"] or ""
    return given
