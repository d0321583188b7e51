"""Issues that the audit found, as queues: what is asked for, and what is decided on them."""

import csv
import io
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from latentmap.audit.issues import SCHEMA
from latentmap.cli import app
from latentmap.explorer.app import make_app
from latentmap.explorer.guard import TOKEN
from latentmap.explorer.issue_queues import MAX_SENT, IssueQueues
from latentmap.explorer.server import Server
from latentmap.run import Run, RunError, RunOptions, export_run, make_run
from latentmap.run.audit_run import audit_run
from latentmap.run.edits import ConflictError, EditedRun, EditError, Journal

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


def asked(client: TestClient) -> tuple[dict[int, int], list[int]]:
    """The open exact duplicates with the images that they are copies of, and the accepted ones."""
    found = client.get("/api/issues/exact_duplicate").json()
    assert all(issue["score"] == 0 for issue in found["open"])
    return {issue["id"]: issue["related"] for issue in found["open"]}, found["accepted"]


def test_a_queue_has_what_nothing_was_decided_on(client):
    assert client.get("/api/run").json()["edits"]["openIssues"]["exact_duplicate"] == 3
    assert asked(client) == (COPIES, [])
    answer = client.post("/api/edits", json={"edit": review([7, 20], "accepted"), "revision": 0}).json()
    assert answer["openIssues"]["exact_duplicate"] == 1
    answer = client.post("/api/edits", json={"edit": review([12], "dismissed"), "revision": 1}).json()
    assert answer["openIssues"]["exact_duplicate"] == 0
    assert asked(client) == ({}, [7, 20])
    client.post("/api/edits", json={"edit": {"kind": "undo"}, "revision": 2})
    answer = client.post("/api/edits", json={"edit": review([7], "open"), "revision": 3}).json()
    assert answer["openIssues"]["exact_duplicate"] == 2
    assert asked(client) == ({7: 3, 12: 3}, [20])


def test_issues_are_exported_with_what_was_decided_and_accepted_images_are_told(client, run):
    assert client.get("/api/issues").json() == {"accepted": []}
    client.post("/api/edits", json={"edit": review([7], "accepted"), "revision": 0})
    client.post("/api/edits", json={"edit": review([12], "dismissed"), "revision": 1})
    client.post("/api/edits", json={"edit": review([7, 3], "accepted", "dark"), "revision": 2})  # 3 has no issue
    assert client.get("/api/issues").json() == {"accepted": [7]}
    answer = client.post("/api/export", json={"kind": "issues-csv", "ids": None})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert {int(row["id"]): row["verdict"] for row in rows} == {7: "accepted", 12: "dismissed", 20: "open"}
    assert answer.headers["content-type"].startswith("text/csv")
    (kept,) = (run / "exports").iterdir()
    assert kept.name.startswith("issues-")
    assert kept.read_bytes() == answer.content
    answer = client.post("/api/export", json={"kind": "issues-parquet", "ids": [12, 13]})
    table = pq.read_table(io.BytesIO(answer.content))
    assert table.select(["id", "related", "verdict"]).to_pylist() == [{"id": 12, "related": 3, "verdict": "dismissed"}]


def test_decisions_of_another_process_are_seen(client, run):
    Journal(run, user="bob").add(review([7], "accepted"), 0)
    assert asked(client) == ({12: 3, 20: 5}, [7])


def test_decisions_on_what_is_no_issue_are_not_counted(client):
    edit = {"edit": review([1, 2, 7], "dismissed"), "revision": 0}  # as after an audit with other findings
    assert client.post("/api/edits", json=edit).json()["openIssues"]["exact_duplicate"] == 2


def test_the_worst_of_many_are_sent_and_an_image_is_listed_once():
    ids = [*range(MAX_SENT + 5), 3]
    n = len(ids)
    columns = {"id": ids, "issue": ["leak"] * n, "score": np.linspace(0, 0.5, n, dtype=np.float32)}
    columns |= {"threshold": [0.5] * n, "related": [None] * n, "note": [None] * n}
    queues = IssueQueues(pa.table(columns, SCHEMA))
    edited = EditedRun(0, [], np.zeros(n, np.int32), [], np.zeros(n, np.int32), {})
    assert queues.counts(edited) == {"leak": MAX_SENT + 5}
    assert [one["id"] for one in queues.queue("leak", edited)["open"]] == list(range(MAX_SENT))
    edited.verdicts["leak"] = np.zeros(n, np.int8)
    edited.verdicts["leak"][:7] = 2
    assert [one["id"] for one in queues.queue("leak", edited)["open"]] == list(range(7, MAX_SENT + 5))


def test_kinds_that_were_not_found(client, run):
    answer = client.get("/api/issues/no such kind")
    assert answer.status_code == 404
    assert "exact_duplicate" in answer.json()["error"]


def test_a_run_without_an_audit_has_no_issues(run):
    (run / "issues.parquet").unlink()
    server = Server(run)
    try:
        client = client_of(server)
        assert client.get("/api/run").json()["edits"]["openIssues"] == {}
        assert client.get("/api/issues/exact_duplicate").status_code == 404
        assert client.get("/api/issues").json() == {"accepted": []}
        refused = client.post("/api/export", json={"kind": "issues-csv"})
        assert refused.status_code == 400
        assert "not audited yet" in refused.json()["error"]
    finally:
        server.close()


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


def test_what_was_accepted_is_thrown_out(run, tmp_path):
    Journal(run).add(review([7, 20], "accepted"), 0)
    Journal(run).add(review([12], "dismissed"), 1)
    for name in ("all.csv", "all.parquet"):
        done = CliRunner().invoke(app, ["export", str(run), "issues", str(tmp_path / name)])
        assert done.exit_code == 0, done.output
    table = pq.read_table(tmp_path / "all.parquet")
    assert table.column_names == [
        *("id", "path", "issue", "score", "threshold", "related", "note", "related_path", "verdict"),
    ]
    assert table.drop_columns(["path", "related_path", "verdict"]) == Run(run).issues()
    assert dict(zip(table["id"].to_pylist(), table["verdict"].to_pylist(), strict=True)) == {
        **{7: "accepted", 12: "dismissed", 20: "accepted"},
    }
    assert len((tmp_path / "all.csv").read_text().splitlines()) == 4
    for verdict, n_left in (("accepted", 38), ("open", 40), ("dismissed", 39)):
        bad, kept = tmp_path / f"{verdict}.csv", tmp_path / f"without-{verdict}.csv"
        for arguments in (["issues", str(bad), "--verdict", verdict], ["csv", str(kept), "--without", str(bad)]):
            done = CliRunner().invoke(app, ["export", str(run), *arguments])
            assert done.exit_code == 0, done.output
        with kept.open(encoding="utf-8", newline="") as file:
            ids = {int(row["id"]) for row in csv.DictReader(file)}
        assert len(ids) == n_left
        assert {image for image in COPIES if image not in ids} == {
            *{"accepted": (7, 20), "open": (), "dismissed": (12,)}[verdict],
        }
    export_run(run, "issues", tmp_path / "some.parquet", only=[1, 7, 12], without=[7])
    assert pq.read_table(tmp_path / "some.parquet")["id"].to_pylist() == [12]
    export_run(run, "parquet", tmp_path / "left.parquet", only=[1, 7, 12], without=np.array([7, 9]))
    assert pq.read_table(tmp_path / "left.parquet")["id"].to_pylist() == [1, 12]


@pytest.mark.parametrize(
    ("kind", "out", "options", "problem"),
    [
        ("issues", "a.txt", {}, r"a\.txt: name a file that ends in \.csv or \.parquet"),
        ("issues", "a.csv", {"verdict": "bad"}, "verdict='bad': choose among open, accepted, dismissed"),
        ("csv", "a.csv", {"verdict": "open"}, "kind='csv': has no verdict: leave it out, or choose among issues"),
        ("onnx", "a", {"without": [1]}, "kind='onnx': has no without"),
        ("csv", "a.csv", {"without": [40]}, "no image 40: ids are 0 to 39"),
        ("csv", "a.csv", {"without": [0.5]}, r"without: an array \(1,\) of float64"),
        ("csv", "a.csv", {"without": range(40)}, "without: all images are in it: leave out fewer"),
        ("csv", "a.csv", {"only": [3], "without": [3]}, "without: all images are in it"),
        ("csv", "a.csv", {"without": "none.csv"}, "none.csv: there is no such file of images"),
    ],
)
def test_issues_and_choices_that_cannot_be_exported(run, tmp_path, kind, out, options, problem):
    with pytest.raises(RunError, match=problem):
        export_run(run, kind, tmp_path / out, **options)
    assert [one.name for one in tmp_path.iterdir()] == ["run"]


def test_issues_of_a_run_without_an_audit_or_with_a_damaged_table(run, tmp_path):
    (run / "issues.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(RunError, match="issues.parquet"):
        export_run(run, "issues", tmp_path / "a.csv")
    (run / "issues.parquet").unlink()
    with pytest.raises(RunError, match="not audited yet"):
        export_run(run, "issues", tmp_path / "a.csv")
    assert not (tmp_path / "a.csv").exists()


def test_the_table_of_the_command_says_what_was_decided(run, tmp_path):
    Journal(run).add(review([7], "accepted"), 0)
    Journal(run).add(review([12], "dismissed"), 1)
    audit_run(run, out=tmp_path / "issues.csv")
    with (tmp_path / "issues.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["issue"] == "exact_duplicate"]
    assert {int(row["id"]): row["verdict"] for row in rows} == {7: "accepted", 12: "dismissed", 20: "open"}
    assert "verdict" not in Run(run).issues().column_names  # which the next audit would replace
