"""Exports of the page: tables, and folders that are written in the background, one at a time."""

import secrets
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from latentmap.core.errors import CancelledError, LatentmapError
from latentmap.core.progress import Progress
from latentmap.explorer.atlas_view import AtlasView
from latentmap.explorer.selection_export import export_folder, export_table
from latentmap.run.folder_export import Written


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
    error : str, optional
        Why the export failed.
    written : Written, optional
        Numbers of links, copies and PNG files.
    is_cancelled : threading.Event
        Set to cancel the job.
    """

    total: int
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    state: str = "running"
    done: int = 0
    folder: str | None = None
    error: str | None = None
    written: Written | None = None
    is_cancelled: threading.Event = field(default_factory=threading.Event)

    def as_dict(self) -> dict[str, Any]:
        """The job as JSON can hold it."""
        names = ("state", "done", "total", "folder", "error")
        found = {name: getattr(self, name) for name in names}
        if self.written is not None:
            found |= {"links": self.written.n_links, "copies": self.written.n_copies, "pngs": self.written.n_pngs}
            found["notes"] = [line.strip() for line in self.written.describe()]
        return found


class ExportJobs:
    """The exports of one server; folders are exported one after the other, in a thread."""

    def __init__(self) -> None:
        self.last: ExportJob | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def table(self, data: AtlasView, ids: list[int] | None, kind: str) -> Path:
        """Write a CSV or Parquet file into the run."""
        return export_table(data, ids, kind)

    def start(self, data: AtlasView, ids: list[int] | None) -> ExportJob | None:
        """Start the export of a folder; None while another one is running."""
        with self._lock:
            if self.last is not None and self.last.state == "running":
                return None
            job = self.last = ExportJob(data.n if ids is None else len(ids))
            # not a daemon: unfinished files are removed before the process ends
            self._thread = threading.Thread(target=_export, args=(job, data, ids), name="export")
            self._thread.start()
            return job

    def stop(self) -> None:
        """Cancel the running export, and wait until its files are removed."""
        if self.last is not None:
            self.last.is_cancelled.set()
        if self._thread is not None:
            self._thread.join()


def _export(job: ExportJob, data: AtlasView, ids: list[int] | None) -> None:
    def report(progress: Progress) -> None:
        if job.is_cancelled.is_set():
            raise CancelledError
        job.done = progress.done

    try:
        folder, job.written = export_folder(data, ids, report)
        job.folder, job.state = str(folder), "done"
    except CancelledError:
        job.state = "cancelled"
    except (LatentmapError, OSError) as error:
        job.error, job.state = str(error), "failed"
    except BaseException as error:
        job.error, job.state = f"the explorer failed ({type(error).__name__}): see its terminal", "failed"
        raise
