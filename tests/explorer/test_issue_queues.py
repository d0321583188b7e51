"""Issues that the audit found, as queues: what is asked for, and what is decided on them."""

import csv
import shutil

import numpy as np
import pytest
from starlette.testclient import TestClient

from latentmap.explorer.app import make_app
from latentmap.explorer.guard import TOKEN
from latentmap.explorer.server import Server
from latentmap.run import Run, RunOptions, make_run
from latentmap.run.audit_run import audit_run
from latentmap.run.edits import ConflictError, EditError, Journal

HOST = "127.0.0.1:8765"
COPIES = {7: 3, 12: 3, 20: 5}  # exact duplicates, and the images that they are copies of


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
    for copy, of in COPIES.items():
        images[copy] = images[of]
    folder = tmp_path_factory.mktemp("issues") / "run"
    make_run(images, folder, RunOptions(epochs=1, latent_dim=3, n_clusters=2, features="latent"))
    audit_run(folder)
    return folder


@pytest.fixture
def run(path, tmp_path):
    return shutil.copytree(path, tmp_path / "run")


def client_of(server: Server) -> TestClient:
    return TestClient(make_app(server, [HOST]), base_url=f"http://{HOST}", headers={TOKEN: server.token})


@pytest.fixture
def client(run):
    server = Server(run)
    yield client_of(server)
    server.close()


def review(ids: list[int], verdict: str, issue: str = "exact_duplicate") -> dict:
    return {"kind": "review", "ids": ids, "issue": issue, "verdict": verdict}


def test_issues_of_a_kind_have_what_is_known_and_decided(client):
    facts = client.get("/api/run").json()
    assert facts["issues"]["exact_duplicate"] == 3
    assert facts["edits"]["reviewed"] == {}
    found = client.get("/api/issues/exact_duplicate").json()
    assert dict(zip(found["ids"], found["related"], strict=True)) == COPIES
    assert found["scores"] == [0, 0, 0]
    assert found["verdicts"] == ["open"] * 3

    edit = {"edit": review([7, 20], "accepted"), "revision": 0}
    answer = client.post("/api/edits", json=edit).json()
    assert answer["reviewed"] == {"exact_duplicate": 2}
    client.post("/api/edits", json={"edit": review([12], "dismissed"), "revision": 1})
    found = client.get("/api/issues/exact_duplicate").json()
    assert dict(zip(found["ids"], found["verdicts"], strict=True)) == {7: "accepted", 12: "dismissed", 20: "accepted"}

    answer = client.post("/api/edits", json={"edit": {"kind": "undo"}, "revision": 2}).json()
    assert answer["reviewed"] == {"exact_duplicate": 2}
    client.post("/api/edits", json={"edit": review([7], "open"), "revision": 3})
    found = client.get("/api/issues/exact_duplicate").json()
    assert dict(zip(found["ids"], found["verdicts"], strict=True)) == {7: "open", 12: "open", 20: "accepted"}


def test_decisions_of_another_process_are_seen(client, run):
    Journal(run, user="bob").add(review([7], "accepted"), 0)
    assert client.get("/api/issues/exact_duplicate").json()["verdicts"].count("accepted") == 1


def test_kinds_that_were_not_found(client, run):
    answer = client.get("/api/issues/no such kind")
    assert answer.status_code == 404
    assert "exact_duplicate" in answer.json()["error"]
    (run / "issues.parquet").unlink()
    assert client.get("/api/issues/exact_duplicate").status_code == 404


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (review([1], "accepted", "ugly"), "issue: choose among exact_duplicate, "),
        (review([1], "maybe"), "verdict: choose among open, accepted, dismissed"),
        (review([40], "accepted"), "from 0 to 39"),
        ({"kind": "review", "ids": [1], "issue": "dark"}, "verdict is missing"),
    ],
)
def test_reviews_that_cannot_be_recorded(run, edit, problem):
    with pytest.raises(EditError, match=problem):
        Journal(run).add(edit, 0)


def test_two_decisions_on_one_issue_are_a_conflict_and_on_others_are_none(run):
    ann, bob = Journal(run, user="ann"), Journal(run, user="bob")
    ann.add(review([7], "accepted"), 0)
    bob.add(review([12], "dismissed"), 0)
    bob.add(review([7], "dismissed", "dark"), 0)
    with pytest.raises(ConflictError, match="ann accepted exact_duplicate of 1 image"):
        bob.add(review([7, 20], "dismissed"), 0)


def test_the_table_of_the_command_says_what_was_decided(run, tmp_path):
    Journal(run).add(review([7], "accepted"), 0)
    Journal(run).add(review([12], "dismissed"), 1)
    audit_run(run, out=tmp_path / "issues.csv")
    with (tmp_path / "issues.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["issue"] == "exact_duplicate"]
    assert {int(row["id"]): row["verdict"] for row in rows} == {7: "accepted", 12: "dismissed", 20: "open"}
    assert "verdict" not in Run(run).issues().column_names  # which the next audit would replace
