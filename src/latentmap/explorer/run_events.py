"""The state of a run, of whose changes open pages are notified, also if another process makes them."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentmap.core.errors import LatentmapError
from latentmap.run.edits import EDITS_FILE
from latentmap.run.labels import LABELS_FILE

if TYPE_CHECKING:
    from latentmap.explorer.server import Server

LOOK_SECONDS = 0.25  # between two looks at the files of the run
HEARTBEAT_SECONDS = 15.0  # after which a stream without news says that it is alive
MAX_STREAMS = 400  # at once; further pages ask every few seconds instead
ALIVE = ": alive\n\n"

Subscriber = tuple[asyncio.AbstractEventLoop, asyncio.Event]


class RunEvents:
    """The state of a run as server-sent events.

    One thread looks at the files of the run while there are streams, so that edits of other processes are noticed. A
    stream takes no thread, and a slow client gets the newest state instead of all that came between.

    Parameters
    ----------
    server : Server
        The explorer of the run.

    Attributes
    ----------
    state : dict or None
        ``version`` and ``revision`` of the run, ``labels`` (changes when labels are spread) and ``jobs`` (whether each
        is queued, running, failed or done); None until the first look.
    """

    def __init__(self, server: "Server") -> None:
        self._server = server
        self.state: dict[str, Any] | None = None
        self._subscribers: set[Subscriber] = set()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._journal: Any = None  # stamp of the journal at the last look
        self._is_closed = False

    @property
    def is_full(self) -> bool:
        """Whether there are as many streams as there may be."""
        return len(self._subscribers) >= MAX_STREAMS

    def look(self) -> None:
        """Look at the run now: this process has changed it."""
        self._wake.set()

    def close(self) -> None:
        """End all streams, and the thread."""
        self._is_closed = True
        self._wake.set()
        self._notify()

    async def stream(self) -> AsyncIterator[str]:
        """Yield the state whenever it changes, as the text of server-sent events."""
        changed = asyncio.Event()
        subscriber = (asyncio.get_running_loop(), changed)
        self._subscribe(subscriber)
        sent = None
        try:
            while not self._is_closed:
                changed.clear()
                state = self.state
                yield ALIVE if state is None or state == sent else f"data: {json.dumps(state)}\n\n"
                sent = state
                with suppress(TimeoutError):
                    async with asyncio.timeout(HEARTBEAT_SECONDS):
                        await changed.wait()
        finally:
            with self._lock:
                self._subscribers.discard(subscriber)

    def _subscribe(self, subscriber: Subscriber) -> None:
        with self._lock:
            self._subscribers.add(subscriber)
            if self._thread is None and not self._is_closed:
                self._thread = threading.Thread(target=self._watch, name="run-events", daemon=True)
                self._thread.start()

    def _watch(self) -> None:
        while True:
            self._wake.clear()
            state = self._look()
            if state is not None and state != self.state:
                self.state = state
                self._notify()
            with self._lock:
                if self._is_closed or not self._subscribers:
                    self._thread = None
                    return
            self._wake.wait(LOOK_SECONDS)

    def _look(self) -> dict[str, Any] | None:
        """The state now; None if the run cannot be read at the moment."""
        server = self._server
        try:
            data = server.data if server.data.is_current else server.refresh().data
            stamp = data, _stamp(data.path / EDITS_FILE)
            if stamp != self._journal:
                data.journal.refresh()
                self._journal = stamp
            labels = _stamp(data.path / LABELS_FILE)
        except (LatentmapError, OSError):
            return None
        return {
            "version": data.version,
            "revision": len(data.journal.entries),
            "labels": labels,
            "jobs": server.jobs.overview(),
        }

    def _notify(self) -> None:
        with self._lock:
            for loop, changed in self._subscribers:
                with suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(changed.set)


def _stamp(path: Path) -> str | None:
    """Changes when a file does; None if there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return f"{found.st_ino:x}-{found.st_size:x}-{found.st_mtime_ns:x}"
