"""Limits on connections, so that none blocks the others: their number, and the time that a request may take."""

import asyncio
import errno
import logging
from collections.abc import Callable
from enum import IntEnum
from functools import partial
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 10.0  # for the headers of a request, from the connection or its first byte
BODY_SECONDS = 120.0  # for the body of a request
STALL_SECONDS = 60.0  # that a client may read nothing of a waiting answer
FRESH_SECONDS = 1.0  # that a new connection may send nothing before it is among the first to be closed
IDLE_SECONDS = 120  # between requests, so that a waiting browser does not find its connection closed
MAX_CONNECTIONS = 1024
MIN_CONNECTIONS = 16
WANTED_HANDLES = 4096  # file handles that `latentmap explore` asks for
NO_HANDLES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

log = logging.getLogger("latentmap.explorer")


class ConnectionPhase(IntEnum):
    """Phases of a connection, in the order in which connections are closed if there are too many."""

    HEADERS = 0
    IDLE = 1
    BODY = 2
    STALLED = 3
    FRESH = 4  # new; its request is expected soon
    ANSWER = 5  # never closed for others


class ConnectionLimit:
    """The number of connections that one server may have, and whether it has warned that there are more.

    Parameters
    ----------
    n_max : int
        Largest number of connections.
    """

    def __init__(self, n_max: int) -> None:
        self.n_max = n_max
        self._has_warned = False

    def warn_once(self, sentence: str) -> None:
        """Write a warning to the log, the first time only."""
        if not self._has_warned:
            self._has_warned = True
            log.warning(sentence)


class BoundedProtocol(H11Protocol):
    """HTTP with limits: requests must arrive in time, and connections leave the process enough file handles."""

    def __init__(self, *arguments: Any, limit: ConnectionLimit, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._limit = limit
        self._phase: ConnectionPhase | None = None
        self._since = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None

    @property
    def phase(self) -> ConnectionPhase:
        """The phase that the connection is in."""
        if self._stall is not None:
            return ConnectionPhase.STALLED
        if self.conn.their_state is h11.IDLE:
            begun = self.cycle is None or bool(self.conn.trailing_data[0])
            return ConnectionPhase.HEADERS if begun else ConnectionPhase.IDLE
        return ConnectionPhase.BODY if self.conn.their_state is h11.SEND_BODY else ConnectionPhase.ANSWER

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection, and close another one if there are too many."""
        super().connection_made(transport)
        self._note()
        if len(self.connections) > self._limit.n_max:
            self._limit.warn_once(
                f"more than {self._limit.n_max} connections at once: those that wait longest for a request are closed"
            )
            self._give_way()

    def _give_way(self) -> None:
        others = [one for one in self.connections if isinstance(one, BoundedProtocol) and one is not self]
        waiting = [one for one in others if one.phase is not ConnectionPhase.ANSWER]
        min(waiting, key=BoundedProtocol._rank, default=self).drop()

    def _rank(self) -> tuple[ConnectionPhase, float]:
        is_fresh = self.phase is ConnectionPhase.HEADERS and self.loop.time() - self._since < FRESH_SECONDS
        return ConnectionPhase.FRESH if is_fresh else self.phase, self._since

    def drop(self) -> None:
        """Close the connection immediately."""
        self.connections.discard(self)
        self._cancel()
        self.transport.abort()

    def _note(self) -> None:
        """Start the timer of the phase, if the phase has changed."""
        phase = self.phase
        if phase is self._phase:
            return
        self._phase, self._since = phase, self.loop.time()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        seconds = {ConnectionPhase.HEADERS: HEADER_SECONDS, ConnectionPhase.BODY: BODY_SECONDS}.get(phase)
        if seconds is not None:
            self._timer = self.loop.call_later(seconds, self.drop)

    def data_received(self, data: bytes) -> None:
        """Receive a part of a request."""
        super().data_received(data)
        if not self.transport.is_closing():
            self._note()

    def on_response_complete(self) -> None:
        """Start the next phase after an answer is sent."""
        super().on_response_complete()
        if not self.transport.is_closing():
            self._note()

    def pause_writing(self) -> None:
        """Watch a client that reads more slowly than the answer is sent."""
        super().pause_writing()
        self._watch(self.transport.get_write_buffer_size())

    def _watch(self, left: int) -> None:
        self._stall = self.loop.call_later(STALL_SECONDS, self._check_stall, left)
        self._note()

    def _check_stall(self, before: int) -> None:
        left = self.transport.get_write_buffer_size()
        if left >= before:
            self.drop()
        else:
            self._watch(left)

    def resume_writing(self) -> None:
        """Stop watching a client that has read what was sent."""
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
            self._note()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timers."""
        self._cancel()
        super().connection_lost(exc)

    def _cancel(self) -> None:
        for timer in (self._timer, self._stall):
            if timer is not None:
                timer.cancel()
        self._timer = self._stall = None


class BoundedServer(uvicorn.Server):
    """Server of an application with limits on its connections: one process, no access log, plain HTTP only.

    Parameters
    ----------
    app : ASGI application
    end_streams : callable, optional
        Ends the answers that have no end of their own; called before the server waits for those in progress.
    """

    def __init__(self, app: object, end_streams: Callable[[], None] | None = None) -> None:
        self._end_streams = end_streams
        self._limit = ConnectionLimit(max_connections())
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
                proxy_headers=False,  # a client must not name its own address
                timeout_graceful_shutdown=2,
                timeout_keep_alive=IDLE_SECONDS,
            )
        )

        logging.getLogger("uvicorn.error").addFilter(_is_no_end)

    async def serve(self, sockets: Any = None) -> None:
        """Serve until ``should_exit`` is set."""
        asyncio.get_running_loop().set_exception_handler(self._handle)
        await super().serve(sockets)

    async def shutdown(self, sockets: Any = None) -> None:
        """End all answers and connections."""
        if self._end_streams is not None:
            self._end_streams()
        await super().shutdown(sockets)

    def _handle(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, OSError) and error.errno in NO_HANDLES:  # would be logged thousands of times a second
            self._limit.warn_once(f"no connection can be accepted for now: {error.strerror}")
        elif not isinstance(error, ConnectionError):
            loop.default_exception_handler(context)


def _is_no_end(record: logging.LogRecord) -> bool:
    """Whether a log record is about more than an answer that is cut off when the server ends."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def max_connections() -> int:
    """Half the file handles that this process may have open; the other half is for files."""
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
    """Raise the number of file handles of this process as far as allowed: some systems start with 256."""
    try:
        import resource
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_HANDLES if hard == resource.RLIM_INFINITY else min(hard, WANTED_HANDLES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
