"""The state of an explorer: the opened run, the selection, and the work that its page has started."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentmap.core.atomic_files import user_path
from latentmap.core.errors import LatentmapError
from latentmap.core.progress import Show, silent
from latentmap.explorer.atlas_view import AtlasView
from latentmap.explorer.compared_map import ComparedMap
from latentmap.explorer.export_jobs import ExportJobs
from latentmap.explorer.full_size import FullSize
from latentmap.explorer.jobs import LessonJobs
from latentmap.explorer.lessons import KMeansSteps, run_kmeans
from latentmap.explorer.run_events import RunEvents
from latentmap.explorer.run_facts import facts_of
from latentmap.explorer.sprite_sheets import SpriteSheets
from latentmap.explorer.tokens import new_token
from latentmap.explorer.work_lanes import BodyBudget, WorkLane
from latentmap.images.pool import DecodingPool
from latentmap.run.edits import checked_user

if TYPE_CHECKING:
    from starlette.applications import Starlette

RETRY_SECONDS = 1.0  # until a changed run that could not be opened is tried again
MAX_WAITING_SEARCHES, MAX_WAITING_SLOW = 64, 32  # requests that wait for a thread
N_KEPT_KMEANS = 8  # results of K-means, step by step, that are kept


@dataclass(frozen=True)
class OpenedRun:
    """One version of a run, opened, and everything that is answered from it."""

    data: AtlasView
    sheets: SpriteSheets
    facts: dict[str, Any]
    originals: FullSize
    kmeans: Callable[[str, int, int], KMeansSteps]


class Server:
    """The state of the explorer of one run.

    Parameters
    ----------
    path : path
        Folder of a finished run.
    token : str, optional
        Token that requests must carry; a new one by default.
    user : str, optional
        Name by which edits are recorded unless the page gives another one; by default that of this user on the system.
    compare : path, optional
        Folder of another run of the same images, whose map and groups the page shows beside its own.
    show : callable, optional
        From the name of the work to a context with a progress callback; for the comparison.

    Attributes
    ----------
    token : str
        Token that requests must carry.
    selection : list of int
        Ids of the images that are selected in the page.
    events : RunEvents
        Changes of the run, as open pages are told of them.
    compared : ComparedMap or None
        The other run.
    lanes : dict of str to WorkLane
        Threads of expensive requests, by their kind.
    parsing : WorkLane
        Thread that parses large bodies.
    bodies : BodyBudget
        Memory for the bodies of requests.

    Raises
    ------
    RunError
        If the folder is not a finished run, or the runs cannot be compared.
    EditError
        If the name of the user is no text of one line.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        token: str | None = None,
        user: str | None = None,
        compare: str | Path | None = None,
        show: Show = silent,
    ) -> None:
        self.token = token or new_token()
        self._user = checked_user(user) if user is not None else None
        self.selection: list[int] = []
        self._path = user_path(path)
        self.jobs = LessonJobs(self._path)
        self.exports = ExportJobs()
        self.decoders = DecodingPool(1)
        self._decoders_of_originals = DecodingPool(1)
        self._lock = threading.Lock()
        self._retry_at = 0.0  # when a changed run that could not be opened is tried again
        self._opened = self._open()
        self.compared = None if compare is None else ComparedMap.of(self.data, compare, show)
        self.saving = threading.Lock()  # held while the page is saved as one file
        self._stepping = threading.Lock()
        self.events = RunEvents(self)
        self.bodies = BodyBudget()
        self.lanes = {
            "search": WorkLane("search", 2, MAX_WAITING_SEARCHES),  # milliseconds each
            "slow": WorkLane("slow", 2, MAX_WAITING_SLOW),  # up to seconds each
        }
        self.parsing = WorkLane("parsing", 1, MAX_WAITING_SLOW)

    def _open(self) -> OpenedRun:
        data = AtlasView(self._path, self._user)
        sheets = SpriteSheets(data)
        facts = facts_of(data, sheets)
        originals = FullSize(data, self._decoders_of_originals)
        return OpenedRun(data, sheets, facts, originals, lru_cache(N_KEPT_KMEANS)(partial(run_kmeans, data)))

    @property
    def opened(self) -> OpenedRun:
        """The run as it was last opened."""
        return self._opened

    @property
    def data(self) -> AtlasView:
        """The data of the opened run."""
        return self._opened.data

    def refresh(self) -> OpenedRun:
        """Open the run again if it has changed and is complete; until then, the version opened before is shown."""
        with self._lock:
            if not self.data.is_current and time.monotonic() >= self._retry_at:
                self._retry_at = time.monotonic() + RETRY_SECONDS
                with suppress(LatentmapError, OSError):
                    self._opened = self._open()
                    self._retry_at = 0.0
                    self.warm()
            return self._opened

    def kmeans(self, where: str, n_clusters: int, seed: int) -> KMeansSteps:
        """K-means on the map or on blobs, step by step; one computation at a time, with a lock of its own."""
        with self._stepping:
            return self._opened.kmeans(where, n_clusters, seed)

    def warm(self) -> None:
        """Load in the background what the first requests need."""
        threading.Thread(target=self.data.warm, daemon=True).start()

    def app(self, hosts: list[str], **options: Any) -> "Starlette":
        """The application of this explorer; see :func:`latentmap.explorer.app.make_app`."""
        from latentmap.explorer.app import make_app

        return make_app(self, hosts, **options)

    def close(self) -> None:
        """End all work that was started."""
        self.events.close()
        for lane in (*self.lanes.values(), self.parsing):
            lane.close()
        self.exports.stop()
        self.jobs.stop()
        self.decoders.__exit__()
        self._decoders_of_originals.__exit__()
