"""The messages between the page in a notebook and the kernel, which carry requests and answers.

The page sends ``request`` (id, method, path, headers, more) with the first part of the body, ``body`` (id, more) with
the next ones, ``taken`` (id, bytes) for what it has received, ``cancel`` (id), and ``ping`` (id) to learn whether the
kernel is there. The kernel sends ``answer`` (id, more) with a piece of the answer, the first one with status and
headers, ``failed`` (id, why) and ``pong`` (id). ``page`` (id) asks for the script and the style of the page, and is
answered with both. Ids are chosen at random, because all pages that show a widget receive all messages.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp

from latentmap.explorer.in_process import InProcessApp, Piece, http_scope
from latentmap.explorer.one_file import page_code

Buffers = list[Any]
SendMessage = Callable[[dict[str, Any], Buffers], None]


class WidgetChannel:
    """Answers the messages of pages.

    Parameters
    ----------
    app : ASGI application
        Answers the requests.
    send : callable
        Sends a message with its buffers to the pages. It is called from several threads.
    static : path
        Folder of the built page.
    """

    def __init__(self, app: ASGIApp, send: SendMessage, static: Path) -> None:
        self._app = InProcessApp(app)
        self._send = send
        self._static = static

    def receive(self, message: Any, buffers: Buffers) -> None:
        """Act on a message; one that is malformed is ignored."""
        if not isinstance(message, dict) or not isinstance(message.get("id"), str):
            return
        key, kind = message["id"], message.get("kind")
        body = bytes(buffers[0]) if buffers else b""
        if kind == "page":
            self._send({"kind": "page", "id": key}, [part.encode() for part in page_code(self._static)])
        elif kind == "ping":
            self._send({"kind": "pong", "id": key}, [])
        elif kind == "request":
            self._begin(key, message, body)
        elif kind == "body":
            self._app.add_body(key, body, bool(message.get("more")))
        elif kind == "taken" and isinstance(message.get("bytes"), int):
            self._app.confirm(key, message["bytes"])
        elif kind == "cancel":
            self._app.disconnect(key)

    def _begin(self, key: str, message: dict[str, Any], body: bytes) -> None:
        method, path, headers = (message.get(name) for name in ("method", "path", "headers"))
        are_texts = isinstance(headers, dict) and all(isinstance(one, str) for one in [*headers, *headers.values()])
        if not isinstance(method, str) or not isinstance(path, str) or not are_texts:
            return None
        try:
            scope = http_scope(method, path, headers)  # type: ignore[arg-type]
        except UnicodeEncodeError:
            return self._send({"kind": "failed", "id": key, "why": "a header is no Latin-1 text"}, [])
        self._app.begin(
            key,
            scope,
            lambda piece: self._send(_answer(key, piece), [piece.data]),
            lambda why: self._send({"kind": "failed", "id": key, "why": why}, []),
        )
        self._app.add_body(key, body, bool(message.get("more")))
        return None

    def close(self) -> None:
        """End all requests."""
        self._app.close()


def _answer(key: str, piece: Piece) -> dict[str, Any]:
    message: dict[str, Any] = {"kind": "answer", "id": key, "more": piece.more}
    if piece.status is not None:
        message |= {"status": piece.status, "headers": piece.headers}
    return message
