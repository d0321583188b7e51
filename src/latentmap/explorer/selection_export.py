"""Images that are selected on the page, with their columns and edits, exported as files in the run."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
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
from latentmap.run.flat import as_csv, flat_tables
from latentmap.run.folder_export import Written, write_folders
from latentmap.run.new_files import new_file, new_folder
from latentmap.run.new_places import EXPORTS_FOLDER

MEDIA_TYPES = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet"}
EXPORT_KINDS = (*MEDIA_TYPES, "folder")
_in_use: set[Path] = set()  # paths of exports that are being written
_choosing = threading.Lock()


def export_table(data: AtlasView, ids: list[int] | None, kind: str) -> Path:
    """Write images of the run (all if ``ids`` is None) into a new file below its ``exports``."""
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


def _id_array(ids: list[int] | None) -> Any:
    return None if ids is None else np.array(ids, np.int64)


@contextmanager
def _free_path(data: AtlasView, ending: str) -> Iterator[Path]:
    """A path below ``exports`` that does not exist, and that no other export of this process gets meanwhile."""
    folder = data.path.resolve() / EXPORTS_FOLDER
    folder.mkdir(exist_ok=True)
    stem = f"selection-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    with _choosing:
        paths = (folder / f"{name}{ending}" for name in numbered(stem))
        path = next(one for one in paths if one not in _in_use and not one.exists())
        _in_use.add(path)
    try:
        yield path
    finally:
        _in_use.discard(path)
