"""Exports, edits and labels as the page asks for them: one folder at a time, whole, and sentences for all else."""

import csv
import io
import json
import shutil
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from starlette.testclient import TestClient

from explorer.conftest import HOST
from latentmap.explorer.app import make_app
from latentmap.explorer.guard import TOKEN
from latentmap.explorer.selection_export import export_table
from latentmap.explorer.server import Server
from latentmap.explorer.zip_stream import CHUNK_BYTES, zip_stream
from latentmap.run import RunOptions, export_run, make_run
from latentmap.run.lock import locked
from latentmap.run.originals import Originals

FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def ended(client, job: str) -> dict:
    while (state := client.get(f"/api/export/{job}").json())["state"] == "running":
        time.sleep(0.01)
    return state


@pytest.fixture
def held(monkeypatch) -> threading.Event:
    """Original files are found only once this is set."""
    event, find = threading.Event(), Originals.find

    def slow(self, image):
        event.wait(30)
        return find(self, image)

    monkeypatch.setattr(Originals, "find", slow)
    return event


def test_a_folder_is_exported_in_the_background_and_says_what_is_in_it(client, copied):
    started = client.post("/api/export", json={"kind": "folder", "ids": None})
    assert started.status_code == 202
    state = ended(client, started.json()["job"])
    folder = Path(state["folder"])
    assert folder.is_absolute()
    assert folder.parent == (copied / "exports").resolve()
    assert {name: state[name] for name in ("state", "done", "total", "error", "links", "copies", "pngs")} == {
        **{"state": "done", "done": 240, "total": 240, "error": None},
        **{"links": 240, "copies": 0, "pngs": 0},
    }
    assert state["notes"] == ["240 links to original files"]
    assert len([path for path in folder.rglob("*") if path.is_symlink()]) == 240


def test_one_folder_at_a_time_the_next_one_waits_its_turn(client, copied, held):
    job = client.post("/api/export", json={"kind": "folder", "ids": [1, 2, 3]}).json()["job"]
    second = client.post("/api/export", json={"kind": "folder", "ids": [4]})
    assert second.status_code == 409
    assert "a folder is being exported: wait for it, or cancel it" in second.json()["error"]
    assert client.get(f"/api/export/{job}").json() == {
        **{"state": "running", "done": 0, "total": 3, "folder": None, "error": None}
    }
    held.set()
    assert ended(client, job)["state"] == "done"
    assert client.post("/api/export", json={"kind": "folder", "ids": [4]}).status_code == 202


def exported_for_training(client, **asked: object) -> dict:
    return ended(client, client.post("/api/export", json=asked).json()["job"])


@pytest.mark.parametrize("kind", ["imagefolder", "coco", "yolo"])
def test_an_export_for_training_is_that_of_the_command_and_comes_as_a_zip_file(client, copied, tmp_path, kind):
    client.post("/api/edits", json={"revision": 0, "edit": {"kind": "label", "ids": [3, 5], "label": "mine"}})
    ids = [*range(0, 240, 2), 3, 5]
    splits = "train=0.5,val=0.3,test=0.2"
    state = exported_for_training(client, kind=kind, ids=ids, classes="label", splits=splits)
    assert (state["state"], state["done"], state["total"]) == ("done", 122, 122)
    assert state["notes"][:2] == ["122 copies of original files", "4 classes"]
    folder = Path(state["folder"])
    assert folder.parent == (copied / "exports").resolve()
    export_run(copied, kind, tmp_path / "out", only=ids, classes="label", splits=splits)

    def files(root: Path) -> dict[str, bytes]:
        return {one.relative_to(root).as_posix(): one.read_bytes() for one in root.rglob("*") if one.is_file()}

    assert files(folder) == files(tmp_path / "out")
    answer = client.get(f"/api/export/{client.app.state.server.exports.last.id}/zip")
    assert answer.headers["content-disposition"] == f'attachment; filename="{folder.name}.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        archive.extractall(tmp_path / "unpacked")
    assert files(tmp_path / "unpacked" / folder.name) == files(folder)
    folders = {one.relative_to(folder) for one in folder.rglob("*") if one.is_dir()}
    unpacked = tmp_path / "unpacked" / folder.name
    assert {one.relative_to(unpacked) for one in unpacked.rglob("*") if one.is_dir()} == folders


def test_an_export_for_training_that_cannot_be_is_a_sentence(client, copied):
    for asked, reason in (
        ({"classes": "x"}, "classes: choose among given, label, spread, group"),
        ({"classes": ["label"]}, "classes: choose among given, label, spread, group"),
        ({"splits": "train=0.5"}, "the fractions sum to 0.5, not 1"),
        ({"splits": 3}, "splits: pass names and fractions, such as train=0.8"),
    ):
        answer = client.post("/api/export", json={"kind": "imagefolder", **asked})
        assert answer.status_code == 400
        assert reason in answer.json()["error"]
    state = exported_for_training(client, kind="yolo", splits="a=0.5,b=0.5")
    assert state["state"] == "failed"
    assert "YOLO needs the parts train and val" in state["error"]
    assert "labels" in exported_for_training(client, kind="coco", classes="spread")["error"]
    assert list((copied / "exports").iterdir()) == []


def test_only_what_was_copied_for_training_comes_as_a_zip_file(client, copied):
    job = client.post("/api/export", json={"kind": "folder", "ids": [1, 2]}).json()["job"]
    assert ended(client, job)["zip"] is False
    assert "there is nothing to download" in client.get(f"/api/export/{job}/zip").json()["error"]
    job = client.post("/api/export", json={"kind": "coco", "ids": [1, 2]}).json()["job"]
    shutil.rmtree(ended(client, job)["folder"])
    gone = client.get(f"/api/export/{job}/zip")
    assert gone.status_code == 404
    assert "no longer there: export again" in gone.json()["error"]
    assert client.get("/api/export/other/zip").status_code == 404


def test_a_zip_file_is_sent_in_parts_and_without_links(tmp_path):
    folder = tmp_path / "folder"
    (folder / "empty").mkdir(parents=True)
    (folder / "large").write_bytes(bytes(range(256)) * 2**14)
    (folder / "größe.txt").write_text("x", encoding="utf-8")
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    parts = list(zip_stream(folder))
    assert max(map(len, parts)) < 2 * CHUNK_BYTES
    assert len(parts) >= 4
    with zipfile.ZipFile(io.BytesIO(b"".join(parts))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["folder/empty/", "folder/größe.txt", "folder/large"]
        assert archive.read("folder/large") == (folder / "large").read_bytes()


@pytest.mark.parametrize("kind", ["folder", "imagefolder", "coco"])
def test_an_export_that_is_cancelled_leaves_nothing(client, copied, held, kind):
    job = client.post("/api/export", json={"kind": kind}).json()["job"]
    assert client.post(f"/api/export/{job}/cancel", json={}).status_code == 200
    held.set()
    state = ended(client, job)
    assert state["state"] == "cancelled"
    assert state["folder"] is None
    assert list((copied / "exports").iterdir()) == []
    assert client.get("/api/export/other").status_code == 404
    assert client.post("/api/export/other/cancel", json={}).status_code == 404


def test_an_export_that_fails_says_why(client, copied, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Originals, "find", full)
    state = ended(client, client.post("/api/export", json={"kind": "folder"}).json()["job"])
    assert state["state"] == "failed"
    assert "No space left on device" in state["error"]
    assert list((copied / "exports").iterdir()) == []


def test_closing_the_server_ends_an_export_and_removes_what_it_made(copied, held):
    server = Server(copied)
    client = TestClient(make_app(server, [HOST]), base_url=f"http://{HOST}", headers={TOKEN: server.token})
    client.post("/api/export", json={"kind": "folder"})
    threading.Timer(0.2, held.set).start()
    server.close()
    assert list((copied / "exports").iterdir()) == []


def test_sixteen_exports_at_once_each_hold_their_own_selection(server, copied):
    chosen = [sorted({i, 3 * i + 1, 200 + i}) for i in range(16)]
    with ThreadPoolExecutor(16) as pool:
        kinds = ["csv", "parquet"] * 8
        paths = list(pool.map(lambda one: export_table(server.data, *one), zip(chosen, kinds, strict=True)))
    assert len(set(paths)) == 16
    for path, ids, kind in zip(paths, chosen, kinds, strict=True):
        if kind == "csv":
            found = [int(row["id"]) for row in csv.DictReader(path.open(encoding="utf-8", newline=""))]
        else:
            found = pq.read_table(path)["id"].to_pylist()
        assert found == ids
    assert len(list((copied / "exports").iterdir())) == 16


def test_tables_say_where_they_are_kept_and_are_harmless_as_csv(client, copied):
    client.post("/api/edits", json={"revision": 0, "edit": {"kind": "label", "ids": [4], "label": "=1+1"}})
    answer = client.post("/api/export", json={"kind": "csv", "ids": [4]})
    path = Path(unquote(answer.headers["X-Latentmap-File"]))
    assert path.read_bytes() == answer.content
    assert path.parent == (copied / "exports").resolve()
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert row["given_label"] == "'=1+1"
    table = pq.read_table(io.BytesIO(client.post("/api/export", json={"kind": "parquet", "ids": [4]}).content))
    assert table["given_label"].to_pylist() == ["=1+1"]


def test_labels_are_listed_and_the_tree_says_how_far_it_can_be_cut(client):
    client.post("/api/edits", json={"revision": 0, "edit": {"kind": "label", "ids": [1, 2], "label": "a"}})
    client.post("/api/edits", json={"revision": 1, "edit": {"kind": "label", "ids": [2, 3, 4], "label": "b"}})
    edits = client.get("/api/edits").json()
    assert edits["labels"] == ["a", "b"]
    facts = client.get("/api/run").json()
    n = facts["nBlocks"]
    assert n > 4
    assert len(client.post("/api/edits", json={"revision": 2, "edit": {"kind": "cut", "n": n}}).json()["groups"]) == n
    beyond = client.post("/api/edits", json={"revision": 3, "edit": {"kind": "cut", "n": n + 1}})
    assert beyond.status_code == 400
    assert f"1 to {n} groups" in beyond.json()["error"]


def test_one_label_for_all_is_warned_of_and_two_are_not(client):
    client.post("/api/edits", json={"revision": 0, "edit": {"kind": "label", "ids": [1], "label": "a"}})
    found = client.post("/api/spread", json={}).json()
    assert "there is only one label, 'a'" in found["warning"]
    client.post("/api/edits", json={"revision": 1, "edit": {"kind": "label", "ids": [2], "label": "b"}})
    found = client.post("/api/spread", json={}).json()
    assert found["warning"] is None
    assert len(found["codes"]) == 240
    assert [found["codes"].count(code) for code in (0, 1)] == found["counts"]
    assert set(found["codes"]) <= {-1, 0, 1}


def test_a_second_writer_is_refused_with_409(client, copied):
    client.post("/api/edits", json={"revision": 0, "edit": {"kind": "label", "ids": [1], "label": "a"}})
    with locked(copied):
        refused = client.post("/api/spread", json={})
    assert refused.status_code == 409
    assert "another latentmap is writing to this run" in refused.json()["error"]
    assert not (copied / "labels.parquet").exists()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
bodies = values | st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(["csv", "parquet", "folders", "issues-csv", "issues-parquet"]) | values,
        "ids": st.lists(st.integers(-2, 300), max_size=3) | values,
        "classes": st.sampled_from(["label"]) | values,
        "splits": st.sampled_from(["train=0.5,val=0.5"]) | values,
        "revision": st.integers(-1, 3) | values,
        "edit": st.dictionaries(
            st.sampled_from(["kind", "group", "groups", "ids", "name", "label", "n", "mark", "on"]),
            values | st.sampled_from(["name", "merge", "gather", "cut", "label", "mark"]),
        )
        | values,
    },
)


@FEW
@given(bodies, st.sampled_from(["/api/edits", "/api/export", "/api/selection"]))
def test_whatever_is_sent_is_answered_with_a_sentence(client, body, path):
    answer = client.post(path, content=json.dumps(body).encode(), headers={"Content-Type": "application/json"})
    assert answer.status_code in (200, 400, 409, 413)
    if answer.status_code != 200:
        assert len(answer.json()["error"]) > 10


def test_pictures_of_images_that_are_no_files_are_png_in_the_export(tmp_path, copied):

    images = np.random.default_rng(0).integers(0, 255, (8, 6, 6), np.uint8)
    make_run(images, tmp_path / "arrays", RunOptions(epochs=1, latent_dim=3, n_clusters=2))
    server = Server(tmp_path / "arrays")
    client = TestClient(make_app(server, [HOST]), base_url=f"http://{HOST}", headers={TOKEN: server.token})
    state = ended(client, client.post("/api/export", json={"kind": "folder", "ids": [2, 5]}).json()["job"])
    server.close()
    assert (state["links"], state["pngs"]) == (0, 2)
    assert "2 images with no original file" in state["notes"][1]
    (picture,) = Path(state["folder"]).rglob("0000005-*.png")
    np.testing.assert_array_equal(np.asarray(Image.open(picture)), images[5])
