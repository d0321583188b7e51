"""The explorer asked in its own process, by the messages of a widget."""

import json
import queue
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from explorer.conftest import client_of
from latentmap.explorer.app import unguarded_app
from latentmap.explorer.handlers.page_files import STATIC
from latentmap.explorer.in_process import CHUNK_BYTES, MAX_UNTAKEN_BYTES
from latentmap.explorer.widget_channel import WidgetChannel

PATIENCE = 20.0  # seconds


class Talk:
    """The page's side of a channel."""

    def __init__(self, app: Any) -> None:
        self.messages: queue.Queue[tuple[dict[str, Any], list[Any]]] = queue.Queue()
        self.channel = WidgetChannel(app, lambda *message: self.messages.put(message), STATIC)

    def send(self, kind: str, key: str = "a", body: bytes | None = None, **more: Any) -> None:
        self.channel.receive({"kind": kind, "id": key, **more}, [] if body is None else [memoryview(body)])

    def request(self, path: str, body: bytes = b"", method: str = "GET", **headers: str) -> None:
        self.send("request", body=body, method=method, path=path, headers=headers, more=False)

    def next(self) -> tuple[dict[str, Any], bytes]:
        message, buffers = self.messages.get(timeout=PATIENCE)
        return message, b"".join(bytes(one) for one in buffers)

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """The whole answer of one request, each piece of which is confirmed."""
        first, data = self.next()
        message, part = first, data
        while message["more"]:
            self.send("taken", bytes=len(part))
            message, part = self.next()
            data += part
        return first["status"], dict(first["headers"]), data

    @property
    def is_quiet(self) -> bool:
        try:
            self.messages.put(self.messages.get(timeout=0.3))
        except queue.Empty:
            return True
        return False


@pytest.fixture
def talk(server) -> Iterator[Talk]:
    made = Talk(unguarded_app(server))
    yield made
    made.channel.close()


@pytest.fixture
def talk_to() -> Iterator[Any]:
    """Talk to applications of one route."""
    made: list[Talk] = []

    def begin(handler: Any) -> Talk:
        made.append(Talk(Starlette(routes=[Route("/{rest:path}", handler, methods=["GET", "POST"])])))
        return made[-1]

    yield begin
    for one in made:
        one.channel.close()


@pytest.mark.parametrize("path", ["api/run", "api/points", "api/pages/0", "api/images/3/facts", "api/search?q=bar%201"])
def test_answers_are_those_of_the_server(talk, server, path):
    expected = client_of(server).get(f"/{path}")
    talk.request(path)
    status, headers, body = talk.answer()
    assert (status, headers["content-type"]) == (200, expected.headers["content-type"])
    assert body == expected.content


def test_an_edit_is_made_and_a_wrong_one_refused(talk, server):
    edit = {"revision": 0, "edit": {"kind": "name", "group": 1, "name": "bars"}}
    talk.request("api/edits", json.dumps(edit).encode(), "POST", **{"Content-Type": "application/json"})
    status, _, body = talk.answer()
    assert (status, json.loads(body)["revision"]) == (200, 1)
    edit["edit"]["group"] = 99
    talk.request("api/edits", json.dumps(edit).encode(), "POST", **{"Content-Type": "application/json"})
    status, _, body = talk.answer()
    assert (status, list(json.loads(body))) == (400, ["error"])
    assert server.data.journal.edited().groups[1].name == "bars"


def test_no_socket_is_opened(talk, monkeypatch):
    def refuse(*_: Any) -> None:
        raise AssertionError("a socket was connected or bound")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    talk.request("api/run")
    assert talk.answer()[0] == 200


def test_a_long_answer_comes_in_pieces_and_waits_for_the_page(talk_to):
    whole = bytes(range(256)) * (MAX_UNTAKEN_BYTES // 256 + CHUNK_BYTES // 256)

    async def answer(_: Request) -> Response:
        return Response(whole)

    talk = talk_to(answer)
    talk.request("x")
    pieces = [talk.next() for _ in range(MAX_UNTAKEN_BYTES // CHUNK_BYTES)]
    assert {len(data) for _, data in pieces} == {CHUNK_BYTES}
    assert talk.is_quiet  # nothing was confirmed
    talk.send("taken", bytes=CHUNK_BYTES)
    message, data = talk.next()
    assert not message["more"]
    assert b"".join(data for _, data in pieces) + data == whole


def test_a_body_in_parts_is_put_together(talk_to):
    async def count(request: Request) -> Response:
        return Response(str(len(await request.body())))

    talk = talk_to(count)
    talk.send("request", body=b"a" * 1000, method="POST", path="x", headers={}, more=True)
    talk.send("body", body=b"b" * 500, more=True)
    talk.send("body", body=b"", more=False)
    assert talk.answer()[2] == b"1500"


def test_parts_of_an_answer_come_as_they_are_made_until_it_is_cancelled(talk_to):
    ended = []

    async def count() -> Any:
        import asyncio

        try:
            for i in range(10**9):
                yield str(i)
                await asyncio.sleep(0.01)
        finally:
            ended.append(True)

    async def answer(_: Request) -> Response:
        return StreamingResponse(count())

    talk = talk_to(answer)
    talk.request("x")
    assert [talk.next()[1] for _ in range(3)] == [b"0", b"1", b"2"]
    talk.send("cancel")
    while not talk.is_quiet:
        talk.messages.get()
    assert ended == [True]


def test_a_bug_is_an_answer_and_a_traceback(talk_to, caplog):
    async def fail(_: Request) -> Response:
        raise ZeroDivisionError

    talk = talk_to(fail)
    talk.request("x")
    message, _ = talk.next()
    assert message["status"] == 500
    assert talk.next()[0] == {"kind": "failed", "id": "a", "why": "ZeroDivisionError"}
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    "message",
    [
        None,
        [],
        {},
        {"kind": "request"},
        {"kind": "request", "id": 3},
        {"kind": "request", "id": "a", "method": "GET", "path": 3, "headers": {}},
        {"kind": "request", "id": "a", "method": "GET", "path": "x", "headers": {"a": 3}},
        {"kind": "request", "id": "a", "method": "GET", "path": "x", "headers": []},
        {"kind": "taken", "id": "a", "bytes": "many"},
        {"kind": "body", "id": "nobody"},
        {"kind": "else", "id": "a"},
    ],
)
def test_a_malformed_message_is_ignored(talk, message):
    talk.channel.receive(message, [])
    talk.send("ping", "b")
    assert talk.next()[0] == {"kind": "pong", "id": "b"}


def test_a_header_that_cannot_be_sent_fails(talk):
    talk.request("api/run", **{"x-name": "크기"})
    assert talk.next()[0]["kind"] == "failed"


def test_the_page_comes_in_two_parts(talk):
    talk.send("page")
    message, buffers = talk.messages.get(timeout=PATIENCE)
    assert message == {"kind": "page", "id": "a"}
    script, style = buffers
    assert b"latentmapNotebook" in script
    assert b".page-header" in style


def test_after_the_end_nothing_is_answered(server):
    talk = Talk(unguarded_app(server))
    talk.channel.close()
    talk.channel.close()
    talk.request("api/run")
    assert talk.is_quiet
