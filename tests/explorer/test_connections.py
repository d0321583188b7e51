"""Connections that wait for nothing keep nobody out."""

import asyncio
import errno
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from explorer.conftest import HOST
from latentmap.explorer import connections
from latentmap.explorer.app import make_app
from latentmap.explorer.connections import BoundedServer
from latentmap.explorer.guard import TOKEN

LARGE = b"x" * 2**24


async def application(scope, receive, send) -> None:
    """Takes the body, and sends its length; or much."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message["body"]), message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    body = LARGE if scope["path"] == "/large" else b"%d bytes." % size
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def port(monkeypatch) -> Iterator[int]:
    """A server whose bounds are reached within a test."""
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.5)
    monkeypatch.setattr(connections, "BODY_SECONDS", 0.6)
    monkeypatch.setattr(connections, "STALL_SECONDS", 0.5)
    monkeypatch.setattr(connections, "max_connections", lambda: 20)
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listening:
        server = BoundedServer(application)
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join(10)


def connect(port: int, sent: bytes = b"") -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=5)
    client.sendall(sent)
    return client


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end


def is_closed(client: socket.socket, seconds: float = 5) -> bool:
    """Whether the other side closes it within so many seconds."""
    client.settimeout(seconds)
    try:
        return client.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def answer(client: socket.socket) -> bytes:
    """All of it, which is chunked."""
    got = b""
    while not got.endswith(b"0\r\n\r\n") and (part := client.recv(1000)):
        got += part
    return got


def is_answered(client: socket.socket) -> bool:
    client.sendall(GET)
    return answer(client).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nX: ", GET + b"GET / HT"])
def test_a_request_whose_headers_do_not_come_is_dropped(port, sent):
    client = connect(port, sent)
    if sent.startswith(GET):
        assert answer(client).startswith(b"HTTP/1.1 200")
    begin = time.monotonic()
    assert is_closed(client)
    assert 0.2 < time.monotonic() - begin < 3


def test_headers_that_come_a_byte_at_a_time_are_no_way_round(port):
    client = connect(port)
    begin = time.monotonic()
    with pytest.raises(OSError):
        for byte in GET * 10:
            client.sendall(bytes([byte]))
            time.sleep(0.05)
            if time.monotonic() - begin > 4:
                break
    assert time.monotonic() - begin < 3


def test_a_body_that_does_not_come_is_dropped_and_one_that_comes_in_time_is_taken(port):
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
    slow = connect(port, head + b"12345")
    assert is_closed(slow)
    client = connect(port, head + b"12345")
    time.sleep(0.2)
    client.sendall(b"67890")
    assert b"10 bytes." in answer(client)


def test_an_answer_that_is_not_taken_is_dropped_and_one_that_is_taken_slowly_is_not(port):
    asked = b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    still, slow = connect(port, asked), connect(port, asked)
    taken, begin = 0, time.monotonic()
    while part := slow.recv(2**17):
        taken += len(part)
        time.sleep(0.01)
    assert taken > len(LARGE)
    assert time.monotonic() - begin > 1.0  # longer than an answer may lie still
    still.settimeout(5)
    got = 0
    try:
        while part := still.recv(2**20):
            got += len(part)
    except ConnectionError:
        pass
    assert got < len(LARGE)


def test_a_connection_that_was_answered_may_wait(port):
    client = connect(port)
    assert is_answered(client)
    assert not is_closed(client, 1.2)  # longer than headers may take
    assert is_answered(client)


@pytest.mark.parametrize("sent", [b"", b"GET / HT", GET, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1"])
def test_many_connections_that_wait_keep_nobody_out_and_the_log_says_it_once(port, sent, caplog, monkeypatch):
    for name in ("HEADER_SECONDS", "BODY_SECONDS", "FRESH_SECONDS"):  # whatever else the machine does
        monkeypatch.setattr(connections, name, 60.0)
    with caplog.at_level(logging.WARNING, "latentmap.explorer"):
        waiting = [connect(port, sent) for _ in range(60)]
        if sent == GET:  # a connection that is being answered is never closed
            assert sum(not is_closed(one) for one in waiting) >= 20
        others = [connect(port) for _ in range(5)]
        if sent != GET:  # all are accepted before any is answered
            wait_until(lambda: sum(is_closed(one, 0.01) for one in waiting) >= 45)
            assert all(is_answered(one) for one in others)
        assert all(is_answered(one) for one in others)
    assert [record.message for record in caplog.records] == [
        "more than 20 connections at once: those that wait longest for a request are closed"
    ]


def test_a_system_without_handles_is_said_once(caplog):
    server = BoundedServer(application)
    with caplog.at_level(logging.WARNING):
        for _ in range(100):
            server._handle(None, {"message": "accept", "exception": OSError(errno.EMFILE, "Too many open files")})
            server._handle(None, {"message": "lost", "exception": ConnectionResetError()})
    assert [record.message for record in caplog.records] == [
        "no connection can be accepted for now: Too many open files"
    ]


@pytest.mark.parametrize(("handles", "most"), [(None, 1024), (64, 32), (16, 16), (1024, 512), (1_048_576, 1024)])
def test_half_the_handles_are_left_for_files(monkeypatch, handles, most):
    monkeypatch.setattr(connections, "_handles", lambda: handles)
    assert connections.max_connections() == most


@pytest.mark.parametrize(
    "path",
    ["/api/edits", "/api/select", "/api/selection", "/api/export", "/api/strip", "/api/similar", "/api/spread"],
)
def test_a_client_that_goes_away_while_it_sends_is_no_error(server, path, caplog, capfd):
    app = make_app(server, [HOST])
    sent = []

    async def receive() -> dict:
        if sent:
            return {"type": "http.disconnect"}
        sent.append(1)
        return {"type": "http.request", "body": b'{"a', "more_body": True}

    async def send(message: dict) -> None:
        pass

    headers = {TOKEN: server.token, "host": HOST, "content-type": "application/json"}
    scope = {
        **{"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""},
        **{"headers": [(name.encode(), value.encode()) for name, value in headers.items()], "root_path": ""},
        **{"client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8765), "scheme": "http", "http_version": "1.1"},
    }
    with ThreadPoolExecutor(1) as thread:  # where no browser of other tests has its loop
        thread.submit(asyncio.run, app(scope, receive, send)).result()
    assert "Traceback" not in caplog.text + "".join(capfd.readouterr())


def test_a_flood_of_new_connections_closes_its_own_and_not_that_of_a_reader(port):
    reader = connect(port)
    assert is_answered(reader)
    flood = []
    for _ in range(100):
        flood.append(connect(port))
        if len(flood) % 20 == 0:
            assert is_answered(reader)
    closed = sum(is_closed(one, 0.01) for one in flood)
    assert 75 <= closed < 100
