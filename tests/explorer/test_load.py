"""Expensive requests are bounded, and keep nobody else waiting; bodies take bounded memory."""

import json
import socket
import threading
import time

import pytest

from explorer.conftest import HOST
from explorer.test_events import Served
from latentmap.explorer import work_lanes
from latentmap.explorer.guard import TOKEN
from latentmap.explorer.work_lanes import WorkLane


@pytest.fixture
def served(server):
    found = Served(server)
    yield found
    found.stop()


class Blocker:
    """Work that lasts until it is released."""

    def __init__(self) -> None:
        self.n_begun = 0
        self.release = threading.Event()

    def __call__(self, *_: object) -> None:
        self.n_begun += 1
        self.release.wait(20)


def ask(served: Served, path: str, n: int) -> tuple[list[int], list[threading.Thread]]:
    """Ask for a path from n threads."""
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(served.request("GET", path).status), daemon=True)
        for _ in range(n)
    ]
    for thread in threads:
        thread.start()
    return statuses, threads


def wait_until(condition) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_expensive_requests_wait_without_threads_and_are_refused_beyond_a_bound(served, server, monkeypatch):
    blocker = Blocker()
    monkeypatch.setattr(server, "kmeans", blocker)
    monkeypatch.setitem(server.lanes, "slow", WorkLane("slow", 2, 10))
    before = {thread.name for thread in threading.enumerate()}
    statuses, threads = ask(served, "/api/learn/kmeans?k=3", 30)
    wait_until(lambda: len(statuses) == 18)
    assert statuses == [503] * 18
    refused = served.request("GET", "/api/learn/kmeans?k=3")
    assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
    assert blocker.n_begun == 2
    named = [thread.name for thread in threading.enumerate() if thread.name.startswith("slow")]
    assert len(named) == 2
    assert before.isdisjoint(named)
    begin = time.monotonic()  # others are answered meanwhile, also those that search
    for path in ("/api/run", "/api/images/3", "/api/images/3/neighbors", "/api/edits"):
        assert served.request("GET", path).status == 200
    assert time.monotonic() - begin < 3
    blocker.release.set()
    for thread in threads:
        thread.join(20)
    assert blocker.n_begun == 12


def test_a_request_that_waits_is_dropped_when_its_client_leaves(served, server, monkeypatch):
    blocker = Blocker()
    monkeypatch.setattr(server, "kmeans", blocker)
    lane = WorkLane("slow", 1, 10)
    monkeypatch.setitem(server.lanes, "slow", lane)
    ask(served, "/api/learn/kmeans", 1)
    wait_until(lambda: blocker.n_begun == 1)
    clients = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(5)]
    head = f"GET /api/learn/kmeans HTTP/1.1\r\nHost: {HOST}\r\n{TOKEN}: {server.token}\r\n\r\n".encode()
    for client in clients:
        client.sendall(head)
    wait_until(lambda: lane._n == 6)
    for client in clients:
        client.close()
    wait_until(lambda: lane._n == 1)
    blocker.release.set()
    wait_until(lambda: lane._n == 0)
    assert blocker.n_begun == 1


def head_of(server, path: str, length: int) -> bytes:
    lines = [f"POST {path} HTTP/1.1", f"Host: {HOST}", f"{TOKEN}: {server.token}", f"Content-Length: {length}"]
    return "\r\n".join([*lines, "Content-Type: application/json", "", ""]).encode()


def test_unfinished_bodies_take_bounded_memory_and_small_ones_are_still_taken(served, server, monkeypatch):
    monkeypatch.setattr(work_lanes, "MAX_BODIES_BYTES", 2**20)
    clients = []
    for _ in range(6):
        client = socket.create_connection(("127.0.0.1", served.port), timeout=10)
        client.sendall(head_of(server, "/api/similar", 2**20) + bytes(400_000))
        clients.append(client)
    answers = []
    for client in clients:
        client.settimeout(1)
        try:
            answers.append(client.recv(20))
        except TimeoutError:
            answers.append(b"")
    assert sum(b" 503 " in answer for answer in answers) == 4
    assert server.bodies._n_bytes <= 2**20
    edit = {"revision": 0, "edit": {"kind": "label", "ids": [1], "label": "x"}}
    assert served.request("POST", "/api/edits", edit).status == 200
    for client in clients:
        client.close()
    wait_until(lambda: server.bodies._n_bytes == 0)


def test_json_may_be_as_large_as_a_list_of_all_images_and_no_larger(client, server):
    ids = list(range(server.data.n))
    assert client.post("/api/selection", content=json.dumps({"ids": ids}), headers=JSON).json() == {"n": server.data.n}
    assert server.bodies._n_bytes == 0
    answer = client.post("/api/selection", content=b'{"ids":[' + b"1," * 50_000 + b"1]}", headers=JSON)
    assert answer.status_code == 413
    assert "the body is too large: send at most" in answer.json()["error"]


def test_a_large_list_is_parsed_in_its_lane(client, monkeypatch, server):
    monkeypatch.setattr("latentmap.explorer.answers.JSON_BYTES", 100)
    assert client.post("/api/selection", content=json.dumps({"ids": [*range(50)]}), headers=JSON).json() == {"n": 50}
    assert client.post("/api/selection", content=b"{" * 200, headers=JSON).status_code == 400
    assert any(thread.name.startswith("parsing") for thread in threading.enumerate())


JSON = {"Content-Type": "application/json"}
