"""The audit of a finished run: its issues.parquet is made again, and its atlas gets the columns of the audit.

The pictures, vectors and other columns of the atlas are copied. Nothing else of the run changes, and no stage is
repeated because of it. Files are made in a pending folder and swapped in together; see :mod:`latentmap.run.pending`.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from latentmap.core.atomic_files import atomic_write, user_path
from latentmap.core.errors import OptionError, RunError
from latentmap.core.progress import Show, silent
from latentmap.run import layout, tables
from latentmap.run.audit_inputs import AuditInputs
from latentmap.run.auditing import AUDIT_COLUMNS, audit, named_apart
from latentmap.run.edits import Journal
from latentmap.run.executor import memory_in_words
from latentmap.run.issue_export import ISSUE_SUFFIXES, decided_issues, write_issue_table
from latentmap.run.label_table import read_label_table
from latentmap.run.lock import locked
from latentmap.run.pending import begin, commit, is_finished, settle
from latentmap.run.restoring import restore_pixels
from latentmap.run.run import Run
from latentmap.run.stages.find_stage import write_quality
from latentmap.run.state import describe_files, read_state, write_state


def audit_run(
    path: str | Path,
    *,
    labels: str | Path | None = None,
    split: str | None = None,
    out: str | Path | None = None,
    show: Show = silent,
) -> pa.Table:
    """Audit a finished run: write its issues.parquet, and the columns of the audit to its atlas.

    Parameters
    ----------
    path : path
        Folder of the run.
    labels : path, optional
        Table of labels, see :func:`latentmap.run.label_table.read_label_table`; by default those of the run. Labels
        that were given in the explorer replace both.
    split : str, optional
        Column that divides the images into parts, between which leaks are looked for; "folder" for the first folder.
    out : path, optional
        A .csv or .parquet file that the table is written to as well.
    show : callable, optional
        See :func:`latentmap.run.make_run`.

    Returns
    -------
    pyarrow.Table
        See :meth:`latentmap.run.Run.issues`.

    Raises
    ------
    RunError
        If the run is not finished, damaged or in use, or the table of labels does not fit it.
    OptionError
        If ``split`` is no column, or ``out`` is no such file.
    """
    folder = user_path(path)
    target = None if out is None else _checked_target(user_path(out))
    read_state(folder)  # a folder that is no run is met before it is locked
    with locked(folder), memory_in_words(folder, "the audit"), show("audit"):
        here = settle(folder)
        state = read_state(here)
        if not is_finished(state) or any(one.get("new") for one in state["added"]):
            raise RunError(f"{folder}: not finished: give the command that was interrupted again, then audit the run")
        restore_pixels(folder, read_state(folder), thorough=False)
        run = Run(here)
        inputs = AuditInputs(run)
        given = _labels(inputs, Journal(folder), None if labels is None else user_path(labels))
        made = audit(inputs, given, split)  # errors are met before anything is written
        taken = set(inputs.images.column_names)
        if here == folder:
            here = begin(folder, state, ())
        if run.has_pictures and not (here / layout.QUALITY).exists():  # of a run that an earlier version made
            write_quality(here, run.images().images)
            state["stages"]["find"]["files"] |= describe_files(here, [layout.QUALITY])
        tables.write_table(here / layout.ISSUES, made.issues)
        tables.write_batches(here / layout.ATLAS, _with_columns(here / layout.ATLAS, made.columns, taken))
        state["stages"]["report"]["files"] |= describe_files(here, [layout.ISSUES, layout.ATLAS])
        write_state(here, state)
        commit(folder)
    if target is not None:
        with atomic_write(target) as temporary:
            write_issue_table(temporary, decided_issues(Run(folder), made.issues), target.suffix)
    return made.issues


def _checked_target(target: Path) -> Path:
    if target.suffix.lower() not in ISSUE_SUFFIXES:
        raise OptionError(f"{target}: name a file that ends in {' or '.join(ISSUE_SUFFIXES)}")
    if not target.parent.is_dir():
        raise OptionError(f"{target.parent}: no such folder: make it, or name another file")
    return target


def _labels(inputs: AuditInputs, journal: Journal, file: Path | None) -> list[str | None]:
    """The labels that are audited: those of a file or of the run, and those that were given in the explorer."""
    if file is None:
        found = inputs.labels()
    else:
        paths = tables.read(inputs.run.path / layout.ATLAS, ["path"])["path"].to_pylist()
        found = [one or None for one in read_label_table(file, paths)]
    edited = journal.edited()
    if len(edited.label) != len(found):  # a command that changes the images was killed before its end
        raise RunError(
            f"{journal.folder}: not finished: give the command that was interrupted again, then audit the run"
        )
    for image in np.flatnonzero(edited.label >= 0).tolist():
        found[image] = edited.labels[edited.label[image]]
    return found


def _with_columns(path: Path, columns: dict[str, pa.Array], of_source: set[str]) -> Iterator[pa.Table]:
    """The atlas in chunks of rows, with new columns in the place of those of an earlier audit."""
    names = tables.column_names(path)
    stale = {*named_apart(AUDIT_COLUMNS, of_source), *columns}
    kept = [name for name in names if name not in stale]
    first = 0
    for batch in tables.read_batches(path, kept, tables.N_GROUP_ROWS):
        table = pa.Table.from_batches([batch])
        for name, values in columns.items():
            table = table.append_column(name, values[first : first + len(table)])
        first += len(table)
        yield table
