"""Bounds on connections, so that none keeps the others out: their number, and the time that a request may take."""

import asyncio
import errno
import logging
from enum import IntEnum
from functools import partial
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 10.0  # until the headers of a request are there, from its first byte, or from the connection
BODY_SECONDS = 120.0  # until its body is there
STALL_SECONDS = 60.0  # in which a client takes nothing of an answer that waits for it
FRESH_SECONDS = 1.0  # in which a connection that has sent nothing yet is not among the first to be closed
IDLE_SECONDS = 120  # between requests; a browser that waits for its turn must not find its connection closed
MAX_CONNECTIONS = 1024
MIN_CONNECTIONS = 16
WANTED_HANDLES = 4096  # that a process of its own may have open
NO_HANDLES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

log = logging.getLogger("latentmap.explorer")


class Phase(IntEnum):
    """The phases of a connection, in the order in which connections are closed when there are too many."""

    HEADERS = 0
    IDLE = 1
    BODY = 2
    STALLED = 3
    FRESH = 4  # its request is on its way
    ANSWER = 5  # is never closed for others


class Limit:
    """The connections that one server may have, and whether it was said that there were more."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._said = False

    def say(self, sentence: str) -> None:
        """Write to the log, once."""
        if not self._said:
            self._said = True
            log.warning(sentence)


class BoundedProtocol(H11Protocol):
    """HTTP whose requests arrive in time, on no more connections than the process has handles for."""

    def __init__(self, *arguments: Any, limit: Limit, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._limit = limit
        self._phase: Phase | None = None
        self._since = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None

    @property
    def phase(self) -> Phase:
        """The phase that the connection is in."""
        if self._stall is not None:
            return Phase.STALLED
        if self.conn.their_state is h11.IDLE:
            begun = self.cycle is None or bool(self.conn.trailing_data[0])
            return Phase.HEADERS if begun else Phase.IDLE
        return Phase.BODY if self.conn.their_state is h11.SEND_BODY else Phase.ANSWER

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Close another one where there are too many."""
        super().connection_made(transport)
        self._note()
        if len(self.connections) > self._limit.most:
            self._limit.say(
                f"more than {self._limit.most} connections at once: those that wait longest for a request are closed"
            )
            self._give_way()

    def _give_way(self) -> None:
        others = [one for one in self.connections if isinstance(one, BoundedProtocol) and one is not self]
        waiting = [one for one in others if one.phase is not Phase.ANSWER]
        min(waiting, key=BoundedProtocol._rank, default=self).drop()

    def _rank(self) -> tuple[Phase, float]:
        is_fresh = self.phase is Phase.HEADERS and self.loop.time() - self._since < FRESH_SECONDS
        return Phase.FRESH if is_fresh else self.phase, self._since

    def drop(self) -> None:
        """Close, at once."""
        self.connections.discard(self)
        self._cancel()
        self.transport.abort()

    def _note(self) -> None:
        """Begin to count the time when something else is waited for."""
        phase = self.phase
        if phase is self._phase:
            return
        self._phase, self._since = phase, self.loop.time()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        seconds = {Phase.HEADERS: HEADER_SECONDS, Phase.BODY: BODY_SECONDS}.get(phase)
        if seconds is not None:
            self._timer = self.loop.call_later(seconds, self.drop)

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        super().data_received(data)
        if not self.transport.is_closing():
            self._note()

    def on_response_complete(self) -> None:
        """An answer is sent."""
        super().on_response_complete()
        if not self.transport.is_closing():
            self._note()

    def pause_writing(self) -> None:
        """The client does not take what is sent as quickly as it comes."""
        super().pause_writing()
        self._watch(self.transport.get_write_buffer_size())

    def _watch(self, left: int) -> None:
        self._stall = self.loop.call_later(STALL_SECONDS, self._look, left)
        self._note()

    def _look(self, before: int) -> None:
        left = self.transport.get_write_buffer_size()
        if left >= before:
            self.drop()
        else:
            self._watch(left)

    def resume_writing(self) -> None:
        """The client has taken it."""
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
            self._note()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything."""
        self._cancel()
        super().connection_lost(exc)

    def _cancel(self) -> None:
        for timer in (self._timer, self._stall):
            if timer is not None:
                timer.cancel()
        self._timer = self._stall = None


class BoundedServer(uvicorn.Server):
    """Serves an application on bounded connections. Quiet, one process, no more than what HTTP needs."""

    def __init__(self, app: object) -> None:
        self._limit = Limit(most_connections())
        super().__init__(
            uvicorn.Config(
                app,  # type: ignore[arg-type]
                http=partial(BoundedProtocol, limit=self._limit),  # type: ignore[arg-type]
                log_level="error",
                access_log=False,
                lifespan="off",
                ws="none",
                server_header=False,
                date_header=False,
                proxy_headers=False,  # who is asked for by name must not say so himself
                timeout_graceful_shutdown=2,
                timeout_keep_alive=IDLE_SECONDS,
            )
        )

        logging.getLogger("uvicorn.error").addFilter(_is_no_end)

    async def serve(self, sockets: Any = None) -> None:
        """Serve until it is told to end."""
        asyncio.get_running_loop().set_exception_handler(self._handle)
        await super().serve(sockets)

    def _handle(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, OSError) and error.errno in NO_HANDLES:  # would be said thousands of times a second
            self._limit.say(f"no connection can be accepted for now: {error.strerror}")
        elif not isinstance(error, ConnectionError):
            loop.default_exception_handler(context)


def _is_no_end(record: logging.LogRecord) -> bool:
    """Whether it is more than an answer that ends with the server."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def most_connections() -> int:
    """Half the handles that this process may have open: the other half is for files."""
    handles = _handles()
    return MAX_CONNECTIONS if handles is None else max(MIN_CONNECTIONS, min(MAX_CONNECTIONS, handles // 2))


def _handles() -> int | None:
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def raise_handle_limit() -> None:
    """Let this process have more handles open, as far as the system lets it: some systems begin with 256."""
    try:
        import resource
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_HANDLES if hard == resource.RLIM_INFINITY else min(hard, WANTED_HANDLES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
