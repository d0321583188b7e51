"""The issues that the audit found, with paths and with what was decided on them in the explorer, as CSV or Parquet."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import csv

from latentmap.core.errors import RunError
from latentmap.run import layout, tables
from latentmap.run.edits import VERDICTS, EditedRun, Journal
from latentmap.run.flat import as_csv
from latentmap.run.run import Run

ISSUE_SUFFIXES = (".csv", ".parquet")


def check_issue_options(out: Path, verdict: str | None) -> None:
    """Check the name of a file of issues, and the verdict that is asked for.

    Raises
    ------
    RunError
        If the name ends otherwise than in .csv or .parquet, or there is no such verdict.
    """
    if out.suffix.lower() not in ISSUE_SUFFIXES:
        raise RunError(f"{out}: name a file that ends in {' or '.join(ISSUE_SUFFIXES)}")
    if verdict is not None and verdict not in VERDICTS:
        raise RunError(f"verdict={verdict!r}: choose among {', '.join(VERDICTS)}")


def decided_issues(
    run: Run,
    issues: pa.Table | None = None,
    *,
    edited: EditedRun | None = None,
    verdict: str | None = None,
    ids: NDArray[np.int64] | None = None,
) -> pa.Table:
    """The issues of a run with what was decided on them.

    Parameters
    ----------
    run : Run
    issues : pyarrow.Table, optional
        By default those of the run; see :meth:`latentmap.run.Run.issues`.
    edited : EditedRun, optional
        The state of the edits; by default as it is now.
    verdict : {"open", "accepted", "dismissed"}, optional
        Leave out issues with other decisions.
    ids : array (m,), int64, optional
        Leave out issues of other images.

    Returns
    -------
    pyarrow.Table
        The columns id, path, issue, score, threshold, related, note, related_path and verdict.

    Raises
    ------
    RunError
        If the run was not audited, or a table is damaged.
    """
    issues = run.issues() if issues is None else issues
    if ids is not None:
        issues = issues.filter(pa.array(np.isin(issues["id"].to_numpy(), ids)))
    edited = edited or Journal(run.path).edited()
    found = edited.verdicts_on(issues)
    if verdict is not None:
        is_wanted = pc.equal(found, verdict)
        issues, found = issues.filter(is_wanted), found.filter(is_wanted)
    paths = tables.read(run.path / layout.ATLAS, ["path"])["path"]
    table = issues.add_column(1, "path", paths.take(issues["id"]))
    table = table.append_column("related_path", paths.take(issues["related"]))
    return table.append_column("verdict", found)


def write_issue_table(path: Path, table: pa.Table, suffix: str) -> None:
    """Write a table of issues into a file, as CSV or Parquet by the suffix of its later name."""
    if suffix.lower() == ".parquet":
        pq.write_table(table, path, compression="zstd")
    else:
        csv.write_csv(as_csv(table), path)
