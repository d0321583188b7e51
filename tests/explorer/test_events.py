"""Pages are told of what others change, without a thread for each and without taking the places of other requests."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from explorer.conftest import HOST
from latentmap.explorer import run_events
from latentmap.explorer.app import make_app
from latentmap.explorer.connections import BoundedServer
from latentmap.explorer.guard import TOKEN
from latentmap.explorer.server import Server
from latentmap.run import add_images
from latentmap.run.edits import Journal


def label(text: str, *ids: int) -> dict:
    return {"kind": "label", "ids": list(ids), "label": text}


class Served:
    """An explorer on a port of its own."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=500)
        self.port = self._socket.getsockname()[1]
        self.uvicorn = BoundedServer(make_app(server, [HOST]), server.events.close)
        self.thread = threading.Thread(target=self.uvicorn.run, args=([self._socket],), daemon=True)
        self.thread.start()

    def request(self, method: str, path: str, body: object = None) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = {TOKEN: self.server.token, "Host": HOST, "Content-Type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        answer.connection = connection  # keeps it open
        return answer

    def stop(self) -> float:
        """End it; returns the seconds that it took."""
        begin = time.monotonic()
        self.uvicorn.should_exit = True
        self.thread.join(20)
        self._socket.close()
        return time.monotonic() - begin


@pytest.fixture
def serve() -> Iterator[Callable[[Server], Served]]:
    made: list[Served] = []

    def start(server: Server) -> Served:
        made.append(Served(server))
        return made[-1]

    yield start
    for one in made:
        one.stop()


def next_state(stream: http.client.HTTPResponse) -> dict:
    while line := stream.readline():
        if line.startswith(b"data: "):
            return json.loads(line[6:])
    raise EOFError


def test_a_stream_tells_of_edits_of_this_and_of_another_process(server, serve, copied):
    served = serve(server)
    stream = served.request("GET", "/api/events")
    assert stream.headers["Content-Type"].startswith("text/event-stream")
    assert stream.headers["X-Accel-Buffering"] == "no"
    first = next_state(stream)
    assert (first["revision"], first["version"], first["jobs"]) == (0, server.data.version, {})
    begin = time.monotonic()
    assert served.request("POST", "/api/edits", {"revision": 0, "edit": label("x", 1)}).status == 200
    assert next_state(stream)["revision"] == 1
    Journal(copied, "bob").add(label("y", 2), 1)  # as another process does
    assert next_state(stream)["revision"] == 2
    (copied / "labels.parquet").write_bytes(b"")
    assert next_state(stream)["labels"] != first["labels"]
    assert time.monotonic() - begin < 5
    edits = json.loads(served.request("GET", "/api/edits").read())
    assert [one["user"] for one in edits["history"]] == ["bob", server.data.journal.user]


def test_a_stream_tells_that_the_run_was_replaced_and_of_jobs(server, serve, copied, tmp_path, monkeypatch):
    stream = serve(server).request("GET", "/api/events")
    version = next_state(stream)["version"]
    monkeypatch.setattr(server.jobs, "overview", lambda: {"sweep": "running"})
    assert next_state(stream)["jobs"] == {"sweep": "running"}
    folder = tmp_path / "more"
    folder.mkdir()
    from PIL import Image

    from explorer.conftest import pictures

    Image.fromarray(pictures(1, 5)[0]).save(folder / "new.png")
    add_images(copied, folder)
    state = next_state(stream)
    while state["version"] == version:
        state = next_state(stream)
    assert state["version"] == server.data.version
    assert server.data.n == 241


def test_300_streams_take_no_threads_and_others_are_answered(server, serve):
    served = serve(server)
    next_state(served.request("GET", "/api/events"))
    before = threading.active_count()
    streams = [served.request("GET", "/api/events") for _ in range(300)]
    assert [next_state(stream)["revision"] for stream in streams] == [0] * 300
    assert threading.active_count() <= before + 1
    begin = time.monotonic()
    assert served.request("POST", "/api/edits", {"revision": 0, "edit": label("x", 1)}).status == 200
    assert time.monotonic() - begin < 2
    assert [next_state(stream)["revision"] for stream in streams] == [1] * 300
    assert served.stop() < 1.5  # streams are ended, not waited for
    assert streams[0].read().strip() == b""


def test_more_streams_than_allowed_are_refused_and_closed_ones_make_room(server, serve, monkeypatch):
    monkeypatch.setattr(run_events, "MAX_STREAMS", 2)
    served = serve(server)
    one, _ = (served.request("GET", "/api/events") for _ in range(2))
    next_state(one)
    refused = served.request("GET", "/api/events")
    assert (refused.status, refused.headers["Retry-After"]) == (503, "30")
    assert served.request("GET", "/api/edits").status == 200
    one.connection.sock.shutdown(socket.SHUT_RDWR)
    end = time.monotonic() + 10
    while served.request("GET", "/api/events").status != 200:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_the_thread_ends_with_the_last_stream_and_starts_again(server, serve, monkeypatch):
    monkeypatch.setattr(run_events, "LOOK_SECONDS", 0.02)
    served = serve(server)

    def watchers() -> int:
        return sum(thread.name == "run-events" for thread in threading.enumerate())

    before = watchers()
    for _ in range(2):
        stream = served.request("GET", "/api/events")
        next_state(stream)
        assert watchers() == before + 1
        stream.connection.sock.shutdown(socket.SHUT_RDWR)
        end = time.monotonic() + 10
        while watchers() > before:
            assert time.monotonic() < end


def test_a_stream_says_that_it_is_alive(server, serve, monkeypatch):
    monkeypatch.setattr(run_events, "HEARTBEAT_SECONDS", 0.05)
    stream = serve(server).request("GET", "/api/events")
    next_state(stream)
    assert stream.readline() == b"\n"
    assert [stream.readline() for _ in range(3)] == [b": alive\n", b"\n", b": alive\n"]


def test_a_journal_that_cannot_be_read_for_a_moment_ends_no_stream(server, serve, copied):
    stream = serve(server).request("GET", "/api/events")
    next_state(stream)
    (copied / "edits.jsonl").mkdir()
    time.sleep(0.6)
    (copied / "edits.jsonl").rmdir()
    Journal(copied).add(label("x", 1), 0)
    assert next_state(stream)["revision"] == 1


def test_head_has_no_stream(server, serve):
    assert serve(server).request("HEAD", "/api/events").status == 200


def test_the_page_may_give_a_name_and_a_conflict_says_whose_edit_it_was(client):
    def post(edit: dict, revision: int, **more: object) -> dict:
        return client.post("/api/edits", json={"edit": edit, "revision": revision, **more})

    assert post(label("x", 1), 0, user="ann").json()["user"] == "ann"
    answer = post(label("y", 1), 0, user="bob")
    assert answer.status_code == 409
    assert (answer.json()["by"]["user"], answer.json()["by"]["label"]) == ("ann", "x")
    assert "ann labelled 1 image 'x'" in answer.json()["error"]
    found = client.get("/api/edits?user=ann").json()
    assert (found["user"], found["canUndo"], found["history"][0]["user"]) == ("ann", True, "ann")
    assert client.get("/api/edits?user=bob").json()["canUndo"] is False
    assert client.get("/api/edits").json()["user"] not in ("ann", "bob")
    assert post({"kind": "undo"}, 1, user="bob").status_code == 400
    for name in ("", "a\nb", 5, "x" * 101):
        assert post(label("y", 2), 1, user=name).status_code == 400
    assert client.get("/api/edits?user=").status_code == 400
    # the facts, which saved pages contain, name nobody
    assert '"ann"' not in client.get("/api/run").text
