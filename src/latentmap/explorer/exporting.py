"""Images that were chosen on the page, with their columns and edits, as files in the run."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from latentmap.explorer.data import Explored
from latentmap.files import whole
from latentmap.run import files, tables
from latentmap.run.exporting import flat_columns, write_folders

FOLDER = "exports"
EXPORTS = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet", "folder": None}


def export_images(data: Explored, ids: list[int], kind: str) -> tuple[Path, str | None]:
    """Write images of the run into a new file or folder below its ``exports``.

    Returns
    -------
    path : Path
    media_type : str or None
        None for a folder.
    """
    target = _new(data.path / FOLDER, "" if kind == "folder" else f".{kind}")
    edits = data.journal.edited().table()
    if kind == "folder":
        making = target.with_name(target.name + ".tmp")  # what is there is whole
        try:
            write_folders(data.run, making, edits, ids)
            making.replace(target)
        finally:
            shutil.rmtree(making, ignore_errors=True)
        return target, None
    rows = pa.array(ids)
    atlas = pq.read_table(data.path / files.ATLAS, columns=flat_columns(data.path)).take(rows)
    table = tables.with_edits(atlas, edits.take(rows))
    with whole(target) as temporary:
        if kind == "csv":
            pyarrow.csv.write_csv(table, temporary)
        else:
            pq.write_table(table, temporary, compression="zstd")
    return target, EXPORTS[kind]


def _new(folder: Path, ending: str) -> Path:
    """A name that is not taken yet."""
    folder.mkdir(exist_ok=True)
    stem = f"selection-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    number = 1
    while True:
        path = folder / f"{stem}{f'-{number}' if number > 1 else ''}{ending}"
        if not path.exists():
            return path
        number += 1
