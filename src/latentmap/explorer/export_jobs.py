"""The page's exports: tables as an answer, folders in the background, one at a time."""

import secrets
import threading
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from latentmap.core.errors import CancelledError, LatentmapError
from latentmap.core.progress import Progress
from latentmap.explorer.answers import BadRequest, read_json
from latentmap.explorer.atlas_view import Explored
from latentmap.explorer.selection_export import KINDS, MEDIA_TYPES, export_folder, export_table
from latentmap.run.folder_export import Written

FILE_HEADER = "X-Latentmap-File"  # the path of the file that is kept, percent-encoded UTF-8
MAX_TABLES = 2  # of CSV and Parquet that are written at once; more wait


@dataclass
class Job:
    """One export of a folder.

    Attributes
    ----------
    state : str
        running, done, failed or cancelled.
    done, total : int
        Images.
    folder : str, optional
        What was written.
    error : str, optional
        Why it failed.
    written : Written, optional
        How many links, copies and PNG files.
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
        """As JSON can hold it."""
        names = ("state", "done", "total", "folder", "error")
        found = {name: getattr(self, name) for name in names}
        if self.written is not None:
            found |= {"links": self.written.n_links, "copies": self.written.n_copies, "pngs": self.written.n_pngs}
            found["notes"] = [line.strip() for line in self.written.describe()]
        return found


class Exports:
    """The exports of one server; those of folders run one after the other in a thread of their own."""

    def __init__(self) -> None:
        self._job: Job | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._tables = threading.Semaphore(MAX_TABLES)

    async def start(self, request: Request, data: Explored) -> Response:
        """A table as the answer, which is kept in the run as well; a folder as a job, with 202."""
        asked = await read_json(request)
        kind = asked.get("kind")
        if not isinstance(kind, str) or kind not in KINDS:
            raise BadRequest(f"kind: choose among {', '.join(KINDS)}")
        ids = image_ids(asked["ids"], data.n) if asked.get("ids") is not None else None
        if kind == "folder":
            return JSONResponse({"job": self._start_folder(data, ids).id}, 202)
        path = await run_in_threadpool(self._table, data, ids, kind)
        headers = {FILE_HEADER: quote(str(path), safe="/:\\")}
        return FileResponse(path, media_type=MEDIA_TYPES[kind], filename=path.name, headers=headers)

    def _table(self, data: Explored, ids: list[int] | None, kind: str) -> Any:
        with self._tables:
            return export_table(data, ids, kind)

    def state(self, job: str) -> Response:
        """How far a job is."""
        return JSONResponse(self._find(job).as_dict())

    def cancel(self, job: str) -> Response:
        """End a job; nothing is kept of it."""
        found = self._find(job)
        found.is_cancelled.set()
        return JSONResponse(found.as_dict())

    def stop(self) -> None:
        """End what runs, and wait until nothing is left of it."""
        if self._job is not None:
            self._job.is_cancelled.set()
        if self._thread is not None:
            self._thread.join()

    def _find(self, job: str) -> Job:
        if self._job is None or self._job.id != job:
            raise HTTPException(404, "there is no such export: only the last one is known")
        return self._job

    def _start_folder(self, data: Explored, ids: list[int] | None) -> Job:
        with self._lock:
            if self._job is not None and self._job.state == "running":
                raise HTTPException(409, "a folder is being exported: wait for it, or cancel it")
            job = self._job = Job(data.n if ids is None else len(ids))
            # not a daemon: what it made is removed before the process ends
            self._thread = threading.Thread(target=_run, args=(job, data, ids), name="export")
            self._thread.start()
            return job


def image_ids(ids: Any, n: int, *, empty: bool = False) -> list[int]:
    """Ids that a page sent, each once, in ascending order.

    Raises
    ------
    BadRequest
        If they are no ids of the run.
    """
    whole = isinstance(ids, list) and all(isinstance(one, int) and not isinstance(one, bool) for one in ids)
    if not whole or not (ids or empty) or not all(0 <= one < n for one in ids):
        raise BadRequest(f"ids: pass a list of whole numbers from 0 to {n - 1}")
    return sorted(set(ids))


def _run(job: Job, data: Explored, ids: list[int] | None) -> None:
    def tell(progress: Progress) -> None:
        if job.is_cancelled.is_set():
            raise CancelledError
        job.done = progress.done

    try:
        folder, job.written = export_folder(data, ids, tell)
        job.folder, job.state = str(folder), "done"
    except CancelledError:
        job.state = "cancelled"
    except (LatentmapError, OSError) as error:
        job.error, job.state = str(error), "failed"
    except BaseException as error:
        job.error, job.state = f"the explorer failed ({type(error).__name__}): see its terminal", "failed"
        raise
