"""Expensive requests are bounded, and keep nobody else waiting; bodies take bounded memory."""

import json
import socket
import sys
import threading
import time

import pytest

from explorer.conftest import HOST
from explorer.test_events import Served
from latentmap.explorer import work_lanes
from latentmap.explorer.guard import TOKEN
from latentmap.explorer.jobs import LessonJobs
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


SLOW_JOB = "import time; print('begun', flush=True); time.sleep(60)"


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    """Jobs whose processes sleep."""
    monkeypatch.setattr("latentmap.explorer.jobs.python_command", lambda *_: [sys.executable, "-c", SLOW_JOB])
    found = LessonJobs(tmp_path)
    yield found
    found.stop()


def test_jobs_run_one_after_the_other_and_can_be_cancelled(jobs):
    assert jobs.start("sweep")
    assert jobs.start("activations")
    assert jobs.start("reweighted-map", "shape:1")
    assert jobs.start("sweep")  # the same one
    assert not jobs.start("reweighted-map", "color:1")
    assert jobs.overview() == {"sweep": "running", "activations": "queued", "reweighted-map": "queued"}
    assert jobs.state("activations") == {
        "running": True, "queued": True, "failed": False, "cancelled": False, "said": "",
    }  # fmt: skip
    wait_until(lambda: jobs.state("sweep")["said"] == "begun")
    first = jobs._jobs["sweep"].process
    jobs.cancel("activations")  # while it waits
    jobs.cancel("reweighted-map", "color:1")  # another one
    assert jobs.overview() == {"sweep": "running", "activations": "cancelled", "reweighted-map": "queued"}
    jobs.cancel("sweep")
    assert first.poll() is not None
    assert jobs.overview() == {"sweep": "cancelled", "activations": "cancelled", "reweighted-map": "running"}
    jobs._jobs["reweighted-map"].process.kill()  # the next one begins when one ends by itself
    jobs.start("sweep")
    wait_until(lambda: jobs.overview()["sweep"] == "running")
    assert jobs.state("reweighted-map", "shape:1")["failed"]
    assert not jobs.state("reweighted-map", "color:1")["running"]


def test_no_job_begins_once_the_server_ends(jobs):
    jobs.start("sweep")
    jobs.start("activations")
    jobs.stop()
    assert jobs._jobs["sweep"].process.poll() is not None
    time.sleep(0.2)
    assert jobs._jobs["activations"].process is None


def test_jobs_are_cancelled_by_requests(client, server, monkeypatch):
    cancelled = []
    monkeypatch.setattr(server.jobs, "cancel", lambda *job: cancelled.append(job))
    assert client.post("/api/learn/sweep/cancel").status_code == 200
    assert client.post("/api/learn/nothing/cancel").status_code == 404
    assert client.post("/api/reweighted/cancel?weights=shape:1").status_code == 200
    assert cancelled == [("sweep",), ("reweighted-map", "shape:1.000000")]
