"""Selection of images of a run under a budget: to label first, to print, or to look through."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from latentmap.core.atomic_files import user_path
from latentmap.core.errors import InputError
from latentmap.core.progress import counted
from latentmap.run import layout, tables
from latentmap.run.candidates import Candidates, doubts_of, find_candidates, known_labels
from latentmap.run.edits import EditedRun, Journal
from latentmap.run.export import new_export
from latentmap.run.flat import as_csv
from latentmap.run.parts import members_of, parts_of
from latentmap.run.run import Run
from latentmap.subsets import (
    GroupedPoints,
    balanced_order,
    doubtful_points,
    facility_location,
    mixed_points,
    typical_points,
)

DEFAULT_STRATEGY = "mixed"
MAX_SEED = 2**32 - 1
SUFFIXES = {".csv": "csv", ".parquet": "parquet"}

Random = np.random.RandomState
Picks = tuple[NDArray[np.intp], NDArray[np.float64], NDArray[Any]]  # ids, gains and reasons


@dataclass(frozen=True)
class Selection:
    """Images that were selected.

    Attributes
    ----------
    table : pyarrow.Table
        A row an image; see :func:`select_images`.
    candidates : Candidates
        The images that could be selected, and those that count as selected.
    """

    table: pa.Table
    candidates: Candidates

    def describe(self) -> list[str]:
        """Lines about how many images could be selected, and why others could not."""
        found = self.candidates
        lines = [f"{len(self.table):,} of {counted(len(found.ids), 'image')} that could be selected"]
        if found.n_labelled:
            lines.append(f"{counted(found.n_labelled, 'image')} labelled already, or copies of labelled ones")
        if found.n_marked:
            lines.append(f"{counted(found.n_marked, 'image')} left out that are marked in the explorer")
        if found.n_copies:
            lines.append(f"{counted(found.n_copies, 'exact duplicate')} left out")
        return lines


def select_images(
    run: Run | str | Path,
    n: int,
    *,
    strategy: str = DEFAULT_STRATEGY,
    within: str | int | None = None,
    balance: str | None = None,
    ignore_labels: bool = False,
    seed: int = 0,
) -> Selection:
    """Select images of a finished run, including images that were added later; see :func:`latentmap.select`.

    Parameters
    ----------
    run : Run or path
        A finished run.
    n : int
        Number of images.
    strategy, within, balance, ignore_labels, seed
        See :func:`latentmap.select`.

    Returns
    -------
    Selection

    Raises
    ------
    InputError
        If a value is unknown or out of range, or there are fewer than ``n`` images to select.
    RunError
        If the run is not finished, of another format version, or damaged.
    """
    _check_call(n, strategy, seed)
    run = run if isinstance(run, Run) else Run.open(run)
    edited = Journal(run.path).edited()
    members, parts = members_of(run, edited, within), parts_of(run, edited, balance)
    labels = known_labels(run, edited)
    found = find_candidates(run, edited, members, None if ignore_labels else labels)
    _check_number(n, found, int(members.sum()))
    sizes, taken = (np.bincount(parts[ids], minlength=int(parts.max()) + 1) for ids in (found.ids, found.chosen))
    order = balanced_order(sizes, n, taken)
    points, doubts, random = _points(run), doubts_of(run), Random(seed)
    ids, gains, reasons = np.empty(n, np.int64), np.empty(n), np.empty(n, object)
    for part in np.unique(order):
        places = np.flatnonzero(order == part)
        own, before = (rows[parts[rows] == part] for rows in (found.ids, found.chosen))
        data = GroupedPoints(points, edited.group, own, before)
        ids[places], gains[places], reasons[places] = STRATEGIES[strategy](data, doubts, len(places), random)
    return Selection(_table(run, edited, ids, gains, reasons, doubts, labels), found)


def write_selection(run: Run | str | Path, n: int, out: str | Path, **options: Any) -> Selection:
    """Select images of a finished run and write them into a new file.

    Parameters
    ----------
    run, n
        See :func:`select_images`.
    out : path
        A new .csv or .parquet file. In CSV, text that a spreadsheet would take for a formula gets an apostrophe before
        it; see :func:`latentmap.run.flat.as_csv`.
    **options
        See :func:`select_images`.

    Returns
    -------
    Selection

    Raises
    ------
    InputError, RunError
        See :func:`select_images`; InputError for another suffix, and RunError when something is in the way.
    """
    kind = SUFFIXES.get(user_path(out).suffix.lower())
    if kind is None:
        raise InputError(f"{out}: the suffix says what is written: name a .csv or a .parquet file")
    with new_export(run.path if isinstance(run, Run) else run, kind, out) as (opened, making):
        found = select_images(opened, n, **options)
        if kind == "csv":
            pyarrow.csv.write_csv(as_csv(found.table), making)
        else:
            pq.write_table(found.table, making, compression="zstd")
    return found


def _check_call(n: int, strategy: str, seed: int) -> None:
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise InputError(f"n={n!r}: ask for at least 1 image")
    if strategy not in STRATEGIES:
        raise InputError(f"strategy={strategy!r}: choose among {', '.join(STRATEGIES)}")
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed <= MAX_SEED:
        raise InputError(f"seed={seed!r}: pass a whole number from 0 to {MAX_SEED}")


def _check_number(n: int, found: Candidates, n_members: int) -> None:
    if n <= len(found.ids):
        return
    reasons = {
        "labelled already": found.n_labelled,
        "marked in the explorer": found.n_marked,
        "exact duplicates": found.n_copies,
    }
    why = ", ".join(f"{number:,} {reason}" for reason, number in reasons.items() if number)
    of = f" of {n_members:,} ({why})" if why else ""
    advice = f"ask for at most {len(found.ids):,}" if len(found.ids) else "nothing is left to select"
    if found.n_labelled:
        advice += ", or ignore the labels (--ignore-labels, ignore_labels=True)"
    raise InputError(f"n={n:,}: {counted(len(found.ids), 'image')}{of} can be selected: {advice}")


def _points(run: Run) -> NDArray[np.float32]:
    """Vectors of all images by which neighbours are found, added ones included."""
    column = "features" if run.has_features else "latent"
    vectors = tables.read_column(run.path / layout.ATLAS, column)
    return vectors if run.has_features else run.as_points(vectors)


def _table(
    run: Run,
    edited: EditedRun,
    ids: NDArray[np.int64],
    gains: NDArray[np.float64],
    reasons: NDArray[Any],
    doubts: NDArray[np.float32],
    labels: pa.ChunkedArray,
) -> pa.Table:
    edits = edited.table()
    return pa.table(
        {
            "rank": np.arange(1, len(ids) + 1),
            "id": ids,
            "path": tables.read(run.path / layout.ATLAS, ["path"])["path"].take(ids),
            "group": edits["group"].take(ids),
            "group_name": edits["group_name"].take(ids),
            "reason": pa.array(reasons.tolist(), pa.string()),
            "gain": gains.astype(np.float32),
            "confidence": 1 - doubts[ids],
            "label": labels.take(ids),
        }
    )


# ---------------------------------------------------------------- strategies


def _coverage(data: GroupedPoints, _: NDArray[np.float32], n: int, random: Random) -> Picks:
    return *facility_location(data.points, n, random, rows=data.rows, chosen=data.chosen), np.repeat("coverage", n)


def _typical(data: GroupedPoints, _: NDArray[np.float32], n: int, random: Random) -> Picks:
    return *typical_points(data, n, random), np.repeat("typical", n)


def _doubtful(data: GroupedPoints, doubts: NDArray[np.float32], n: int, random: Random) -> Picks:
    return *doubtful_points(data, doubts, n, random), np.repeat("doubt", n)


def _mixed(data: GroupedPoints, doubts: NDArray[np.float32], n: int, random: Random) -> Picks:
    picks, gains, is_typical = mixed_points(data, doubts, n, random)
    return picks, gains, np.where(is_typical, "typical", "doubt")


STRATEGIES: dict[str, Callable[[GroupedPoints, NDArray[np.float32], int, Random], Picks]] = {
    "mixed": _mixed,
    "typical": _typical,
    "coverage": _coverage,
    "doubt": _doubtful,
}
