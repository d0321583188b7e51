"""Images that are selected on the page, with their columns and edits, exported as files in the run."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq

from latentmap.core.atomic_files import numbered
from latentmap.core.progress import Callback
from latentmap.explorer.atlas_view import AtlasView
from latentmap.run.dataset_export import DATASETS, write_dataset
from latentmap.run.flat import as_csv, flat_tables
from latentmap.run.folder_export import Written, write_folders
from latentmap.run.issue_export import decided_issues, write_issue_table
from latentmap.run.new_files import new_file, new_folder
from latentmap.run.new_places import EXPORTS_FOLDER

MEDIA_TYPES = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet"}
ISSUE_KINDS = {"issues-csv": "csv", "issues-parquet": "parquet"}
TABLE_KINDS = (*MEDIA_TYPES, *ISSUE_KINDS)
EXPORT_KINDS = (*TABLE_KINDS, "folder", *DATASETS)
_in_use: set[Path] = set()  # paths of exports that are being written
_choosing = threading.Lock()


@dataclass(frozen=True)
class DatasetRequest:
    """Choices for an export for training; see :func:`latentmap.run.dataset_export.write_dataset`."""

    kind: str
    classes: str
    splits: Mapping[str, float] | None


def export_table(data: AtlasView, ids: list[int] | None, kind: str) -> Path:
    """Write images of the run (all if ``ids`` is None), or their issues, into a new file below its ``exports``."""
    if kind in ISSUE_KINDS:
        table = decided_issues(data.run, edited=data.journal.edited(), ids=_id_array(ids))
        ending = f".{ISSUE_KINDS[kind]}"
        with _free_path(data, ending, "issues") as path, new_file(path) as making:
            write_issue_table(making, table, ending)
        return path
    parts = flat_tables(data.run, data.journal.edited(), ids=_id_array(ids), latents=False)
    tables = map(as_csv, parts) if kind == "csv" else parts
    first = next(tables)
    with _free_path(data, f".{kind}") as path, new_file(path) as making:
        writer = pyarrow.csv.CSVWriter if kind == "csv" else pq.ParquetWriter
        with writer(making, first.schema) as file:
            for table in chain([first], tables):
                file.write_table(table)
    return path


def export_folder(data: AtlasView, ids: list[int] | None, callback: Callback) -> tuple[Path, Written]:
    """Write images of the run (all if ``ids`` is None) into a new folder below its ``exports``."""
    edited = data.journal.edited()
    with _free_path(data, "") as path, new_folder(path) as making:
        written = write_folders(data.run, making, edited=edited, ids=_id_array(ids), callback=callback)
    return path, written


def export_dataset(
    data: AtlasView, ids: list[int] | None, wanted: DatasetRequest, callback: Callback
) -> tuple[Path, list[str]]:
    """Write images for training into a new folder below ``exports`` of the run; return it and lines about it."""
    options: dict[str, Any] = {"classes": wanted.classes, "splits": wanted.splits, "ids": _id_array(ids)}
    with _free_path(data, "", wanted.kind) as path, new_folder(path) as making:
        lines = write_dataset(data.run, making, wanted.kind, callback=callback, **options)
    return path, lines


def _id_array(ids: list[int] | None) -> Any:
    return None if ids is None else np.array(ids, np.int64)


@contextmanager
def _free_path(data: AtlasView, ending: str, name: str = "selection") -> Iterator[Path]:
    """A path below ``exports`` that does not exist, and that no other export of this process gets meanwhile."""
    folder = data.path.resolve() / EXPORTS_FOLDER
    folder.mkdir(exist_ok=True)
    stem = f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    with _choosing:
        paths = (folder / f"{name}{ending}" for name in numbered(stem))
        path = next(one for one in paths if one not in _in_use and not one.exists())
        _in_use.add(path)
    try:
        yield path
    finally:
        _in_use.discard(path)
