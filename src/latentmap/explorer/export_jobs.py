"""Exports of the page: tables, and folders that are written in the background, one at a time."""

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from latentmap.core.errors import CancelledError, LatentmapError
from latentmap.core.progress import Callback, Progress
from latentmap.explorer.atlas_view import AtlasView
from latentmap.explorer.selection_export import DatasetRequest, export_dataset, export_folder, export_table


@dataclass
class ExportJob:
    """The export of a folder.

    Attributes
    ----------
    total : int
        Number of images to export.
    id : str
        Identifies the job.
    state : str
        running, done, failed or cancelled.
    done : int
        Number of images that are exported.
    folder : str, optional
        The folder that was written.
    has_zip : bool
        Whether the folder can be downloaded: it has copies, not links.
    error : str, optional
        Why the export failed.
    counts : dict of str to int
        Numbers of links, copies and PNG files, if the folder has links.
    notes : list of str
        Lines about what was written.
    is_cancelled : threading.Event
        Set to cancel the job.
    """

    total: int
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    state: str = "running"
    done: int = 0
    folder: str | None = None
    has_zip: bool = False
    error: str | None = None
    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    is_cancelled: threading.Event = field(default_factory=threading.Event)

    def as_dict(self) -> dict[str, Any]:
        """The job as JSON can hold it."""
        names = ("state", "done", "total", "folder", "error")
        found = {name: getattr(self, name) for name in names} | self.counts
        return found | ({"notes": self.notes, "zip": self.has_zip} if self.state == "done" else {})


class ExportJobs:
    """The exports of one server; folders are exported one after the other, in a thread."""

    def __init__(self) -> None:
        self.last: ExportJob | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def table(self, data: AtlasView, ids: list[int] | None, kind: str) -> Path:
        """Write a CSV or Parquet file into the run."""
        return export_table(data, ids, kind)

    def start(self, data: AtlasView, ids: list[int] | None, dataset: DatasetRequest | None = None) -> ExportJob | None:
        """Start the export of a folder by groups, or for training; None while another one is running."""
        with self._lock:
            if self.last is not None and self.last.state == "running":
                return None
            job = self.last = ExportJob(data.n if ids is None else len(ids))

            def write(callback: Callback) -> None:
                if dataset is None:
                    folder, written = export_folder(data, ids, callback)
                    job.counts = {"links": written.n_links, "copies": written.n_copies, "pngs": written.n_pngs}
                    lines = written.describe()
                else:
                    folder, lines = export_dataset(data, ids, dataset, callback)
                    job.has_zip = True
                job.folder, job.notes = str(folder), [line.strip() for line in lines]

            # not a daemon: unfinished files are removed before the process ends
            self._thread = threading.Thread(target=_export, args=(job, write), name="export")
            self._thread.start()
            return job

    def stop(self) -> None:
        """Cancel the running export, and wait until its files are removed."""
        if self.last is not None:
            self.last.is_cancelled.set()
        if self._thread is not None:
            self._thread.join()


def _export(job: ExportJob, write: Callable[[Callback], None]) -> None:
    def report(progress: Progress) -> None:
        if job.is_cancelled.is_set():
            raise CancelledError
        job.done, job.total = progress.done, progress.total

    try:
        write(report)
        job.state = "done"
    except CancelledError:
        job.state = "cancelled"
    except (LatentmapError, OSError) as error:
        job.error, job.state = str(error), "failed"
    except BaseException as error:
        job.error, job.state = f"the explorer failed ({type(error).__name__}): see its terminal", "failed"
        raise
