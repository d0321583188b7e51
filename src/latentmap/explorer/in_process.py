"""Requests to an ASGI application in this process, without a socket."""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from starlette.types import ASGIApp, Message, Scope

CHUNK_BYTES = 2**21  # of an answer in one piece
MAX_UNTAKEN_BYTES = 2**23  # of an answer that are sent ahead of what the client has confirmed
CLOSING_SECONDS = 5.0  # that a thread which ends is waited for

logger = logging.getLogger(__name__)


@dataclass
class Piece:
    """A piece of an answer: the first has the status and the headers."""

    data: bytes
    more: bool
    status: int | None = None
    headers: list[tuple[str, str]] | None = None


class Exchange:
    """One request and its answer, which is passed on in pieces as it is made.

    Parameters
    ----------
    app : ASGI application
        The application that answers.
    scope : dict
        The request without its body; see :func:`http_scope`.
    give : callable
        Takes each :class:`Piece` of the answer.
    """

    def __init__(self, app: ASGIApp, scope: Scope, give: Callable[[Piece], None]) -> None:
        self._app = app
        self._scope = scope
        self._give = give
        self._body: asyncio.Queue[Message] = asyncio.Queue()
        self._has_room = asyncio.Condition()
        self._n_untaken = 0
        self._is_gone = False
        self._start: Message | None = None

    async def run(self) -> None:
        """Answer the request."""
        await self._app(self._scope, self._body.get, self._send)

    def add_body(self, data: bytes, more: bool) -> None:
        """Add a part of the body of the request."""
        self._body.put_nowait({"type": "http.request", "body": data, "more_body": more})

    async def disconnect(self) -> None:
        """Tell the application that nobody waits for the answer any more."""
        self._body.put_nowait({"type": "http.disconnect"})
        async with self._has_room:
            self._is_gone = True
            self._has_room.notify_all()

    async def confirm(self, n_bytes: int) -> None:
        """Note that the client has taken some bytes of the answer."""
        async with self._has_room:
            self._n_untaken = max(0, self._n_untaken - n_bytes)
            self._has_room.notify_all()

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
        elif message["type"] == "http.response.body":
            data, more = message.get("body", b""), message.get("more_body", False)
            for begin in range(0, max(1, len(data)), CHUNK_BYTES):
                chunk = bytes(data[begin : begin + CHUNK_BYTES])
                await self._pass_on(chunk, more or begin + CHUNK_BYTES < len(data))

    async def _pass_on(self, data: bytes, more: bool) -> None:
        async with self._has_room:
            await self._has_room.wait_for(lambda: self._is_gone or self._n_untaken < MAX_UNTAKEN_BYTES)
            if self._is_gone:
                raise OSError("nobody waits for the answer")
            self._n_untaken += len(data)
        start, self._start = self._start, None
        if start is None:
            self._give(Piece(data, more))
            return
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start.get("headers", [])]
        self._give(Piece(data, more, start["status"], headers))


def http_scope(method: str, path: str, headers: dict[str, str]) -> Scope:
    """The ASGI scope of a request.

    Parameters
    ----------
    method : str
        Such as GET.
    path : str
        Path and query, with or without the leading slash.
    headers : dict
        Names and values.

    Returns
    -------
    dict
    """
    raw_path, _, query = ("/" + path.lstrip("/")).partition("?")
    encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method.upper(),
        "scheme": "http",
        "path": unquote(raw_path),
        "raw_path": raw_path.encode("ascii", "replace"),
        "query_string": query.encode("ascii", "replace"),
        "root_path": "",
        "headers": [(b"host", b"notebook"), *encoded],
        "client": None,
        "server": None,
    }


class InProcessApp:
    """An ASGI application that answers in a thread of its own.

    Parameters
    ----------
    app : ASGI application
        The application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._loop = asyncio.new_event_loop()
        self._exchanges: dict[str, Exchange] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="latentmap-explorer", daemon=True)
        self._thread.start()

    def begin(self, key: str, scope: Scope, give: Callable[[Piece], None], fail: Callable[[str], None]) -> None:
        """Begin a request; its body follows.

        Parameters
        ----------
        key : str
            Identifies the request.
        scope : dict
            The request; see :func:`http_scope`.
        give : callable
            Takes each :class:`Piece` of the answer, in the thread of the application.
        fail : callable
            Takes the name of the error if the application ends without an answer.
        """

        async def answer() -> None:
            try:
                await exchange.run()
            except OSError as error:
                fail(str(error))
            except Exception as error:
                logger.exception("the explorer failed")
                fail(type(error).__name__)
            finally:
                self._exchanges.pop(key, None)

        exchange = Exchange(self._app, scope, give)

        def start() -> None:
            self._exchanges[key] = exchange
            self._keep(answer())

        self._call(start)

    def add_body(self, key: str, data: bytes, more: bool) -> None:
        """Add a part of the body of a request."""
        self._call(lambda: self._at(key, lambda exchange: exchange.add_body(data, more)))

    def confirm(self, key: str, n_bytes: int) -> None:
        """Note that the client has taken some bytes of an answer."""
        self._call(lambda: self._at(key, lambda exchange: self._keep(exchange.confirm(n_bytes))))

    def disconnect(self, key: str) -> None:
        """End a request whose answer nobody waits for."""
        self._call(lambda: self._at(key, lambda exchange: self._keep(exchange.disconnect())))

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _at(self, key: str, act: Callable[[Exchange], None]) -> None:
        exchange = self._exchanges.get(key)
        if exchange is not None:
            act(exchange)

    def _call(self, act: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # closed
            self._loop.call_soon_threadsafe(act)

    def close(self) -> None:
        """End all requests and the thread."""
        if self._loop.is_closed() or not self._thread.is_alive():
            return
        done: Future[None] = asyncio.run_coroutine_threadsafe(self._cancel(), self._loop)
        with suppress(TimeoutError):
            done.result(CLOSING_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSING_SECONDS)
        if not self._thread.is_alive():
            self._loop.close()

    async def _cancel(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
