"""A run that changes while it is shown, one that is damaged, and the page that is saved."""

import base64
import json
import re
import shutil
import threading
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from explorer.conftest import pictures
from explorer.test_server import table
from latentmap.explorer import atlas_view, lessons
from latentmap.explorer import server as server_module
from latentmap.explorer.atlas_view import AtlasView
from latentmap.explorer.handlers import page_files
from latentmap.explorer.handlers.page_files import STATIC
from latentmap.explorer.one_file import nearest_others, one_file_parts
from latentmap.explorer.run_facts import facts_with_edits
from latentmap.run import RunError, add_images

QUESTIONS = ["/api/points", "/api/columns/path", "/api/columns/group", "/api/pages/0", "/api/images/3/facts"]
MORE = [*QUESTIONS, "/api/run", "/api/edits", "/api/edits/columns", "/api/images/3", "/api/images/3/neighbors"]


def replace_atlas(run, change) -> None:
    """Write another atlas in the place of that which is there, as an addition does."""
    atlas = change(pq.read_table(run / "atlas.parquet"))
    pq.write_table(atlas, run / "other")
    (run / "other").replace(run / "atlas.parquet")


@pytest.fixture(autouse=True)
def eager(monkeypatch):
    monkeypatch.setattr(server_module, "RETRY_SECONDS", 0.0)


def test_while_a_run_is_added_to_the_old_tables_are_served_and_then_the_page_is_told(client, copied, tmp_path):
    version = client.get("/api/run").json()["version"]
    client.get("/api/images/3/neighbors")
    folder = tmp_path / "more"
    folder.mkdir()
    for i, image in enumerate(pictures(10, 5)):
        Image.fromarray(image).save(folder / f"{i}.png")
    adding = threading.Thread(target=lambda: add_images(copied, folder))
    adding.start()
    seen = set()
    while adding.is_alive():
        for path in MORE:
            answer = client.get(path)
            assert answer.status_code == 200, (path, answer.text)
        found = client.get("/api/run").json()
        seen.add((found["n"], found["version"] == version))
    adding.join()
    assert seen <= {(240, True), (240, False), (250, False)}
    now = client.get("/api/run").json()
    assert now["n"] == 250
    assert client.get("/api/edits").json()["version"] == now["version"] != version
    assert len(table(client.get(f"/api/points?v={now['version']}"))) == 250
    for path in QUESTIONS[:4]:  # a page that knows the old version is told, and gets nothing of the new one
        answer = client.get(f"{path}?v={version}")
        assert answer.status_code == 409
        assert answer.json()["error"] == "the run has changed on disk: load the page again"


@pytest.mark.parametrize("broken", ["torn", "gone", "fewer columns", "more rows", "no places"])
def test_tables_that_are_not_whole_are_not_shown(client, copied, broken):
    before = client.get("/api/run").json()
    if broken == "torn":
        (copied / "atlas.parquet").write_bytes((copied / "atlas.parquet").read_bytes()[:-100])
    elif broken == "gone":
        (copied / "atlas.parquet").unlink()
    elif broken == "fewer columns":
        replace_atlas(copied, lambda atlas: atlas.drop_columns(["x"]))
    elif broken == "more rows":
        replace_atlas(copied, lambda atlas: pa.concat_tables([atlas, atlas]))
    else:
        nothing = pa.array(np.full(240, np.nan, np.float32))
        replace_atlas(copied, lambda atlas: atlas.set_column(atlas.column_names.index("y"), "y", nothing))
    with pytest.raises(RunError) as refused:
        AtlasView(copied)
    assert len(str(refused.value)) > 20
    for path in ["/api/run", "/api/points", "/api/columns/path", "/api/edits", "/api/images/3/facts"]:
        assert client.get(path).status_code == 200
    assert client.get("/api/run").json() == before


def test_a_damaged_model_is_answered_with_a_sentence(client, copied):
    (copied / "model" / "config.json").write_text("[]", encoding="utf-8")
    for path in ("/api/learn/training", "/api/decode?x=0&y=0", "/api/images/1/reconstruction"):
        answer = client.get(path)
        assert answer.status_code == 422, answer.text
        assert "config.json" in answer.json()["error"]
    assert client.get("/api/images/1").status_code == 200


def test_columns_of_odd_types_are_shown(copied, client):
    def change(atlas: pa.Table) -> pa.Table:
        listed = atlas.append_column("list", pa.array([[1, None]] * 240))
        return listed.append_column("when", pa.array([1_700_000_000_000_000_001] * 240, pa.timestamp("ns")))

    replace_atlas(copied, change)
    data = AtlasView(copied)
    assert data.facts(1)["list"] == "[1, None]"
    assert data.columns["when"].column.kind == "category"
    names = [column["name"] for column in client.get("/api/run").json()["columns"]]
    for name in names:
        assert client.get(f"/api/columns/{name}").status_code == 200


def test_a_column_of_the_run_that_is_there_twice_is_damage(copied):
    replace_atlas(copied, lambda atlas: atlas.append_column("error", atlas["x"]))
    with pytest.raises(RunError, match="2 columns 'error'"):
        AtlasView(copied)


COMPUTED = {
    "/api/points": "points",
    "/api/columns/path": "column",
    "/api/images/3": "png",
    "/api/images/3/reconstruction": "reconstruct",
    "/api/edits/columns": "edited_columns",
}


@pytest.mark.parametrize("path", COMPUTED)
def test_what_the_asker_has_is_not_computed_again(client, monkeypatch, path):
    tag = client.get(path).headers["etag"]
    monkeypatch.setattr(AtlasView, COMPUTED[path], lambda *_: pytest.fail("computed"))
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 304


def test_the_page_itself_is_not_sent_again(client):
    first = client.get("/")
    assert first.headers["cache-control"] == "no-cache"
    assert first.headers["content-type"].startswith("text/html")
    again = client.get("/", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_column_is_classified_once(client, copied, monkeypatch):
    prepared = []
    real = atlas_view.prepare
    monkeypatch.setattr(atlas_view, "prepare", lambda name, values: prepared.append(name) or real(name, values))
    replace_atlas(copied, lambda atlas: atlas)  # the run is opened again
    names = [column["name"] for column in client.get("/api/run").json()["columns"]]
    for name in names:
        assert client.get(f"/api/columns/{name}").status_code == 200
    assert prepared == names


def test_the_run_is_described_while_kmeans_is_computed(client, monkeypatch):
    begun, go = threading.Event(), threading.Event()
    real = lessons._kmeans_on_map

    def wait(*arguments):
        begun.set()
        assert go.wait(60)
        return real(*arguments)

    monkeypatch.setattr(lessons, "_kmeans_on_map", wait)
    with ThreadPoolExecutor(1) as pool:
        steps = pool.submit(client.get, "/api/learn/kmeans?k=3")
        assert begun.wait(60)
        for path in ("/api/run", "/api/edits", "/api/points", "/api/images/3/neighbors"):
            assert client.get(path).status_code == 200
        go.set()
        assert steps.result().status_code == 200


def test_search_knows_labels_and_every_form_of_unicode(client, copied):
    def change(atlas: pa.Table) -> pa.Table:
        paths = ["가나/Ére.png", *atlas["path"].to_pylist()[1:]]
        paths[0] = unicodedata.normalize("NFD", paths[0])
        return atlas.set_column(atlas.column_names.index("path"), "path", pa.array(paths))

    replace_atlas(copied, change)
    client.get("/api/run")
    for text in ("가나", "ére", "ÉRE"):
        found = client.get("/api/search", params={"q": text}).json()
        assert found["ids"] == [0]
        assert found["first"][0]["path"].endswith(".png")
    edit = {"kind": "label", "ids": [7, 9], "label": "Straße"}
    assert client.post("/api/edits", json={"revision": 0, "edit": edit}).status_code == 200
    assert client.get("/api/search", params={"q": "STRA"}).json()["ids"] == [7, 9]
    many = client.get("/api/search", params={"q": "bar"}).json()
    assert many["count"] == len(many["ids"]) == 239
    assert len(many["first"]) == 50


def test_an_image_that_is_sent_lands_on_the_map_at_its_nearest(client, copied):
    found = client.post("/api/similar", content=client.get("/api/images/11").content).json()
    points = table(client.get("/api/points")).to_pydict()
    row = points["id"].index(11)
    assert found["at"] == 11
    assert (found["x"], found["y"]) == (points["x"][row], points["y"][row])
    assert base64.b64decode(found["png"]) == client.get("/api/images/11").content


# ---------------------------------------------------------------- the page that is saved


def embedded(page: str) -> dict:
    return json.loads(re.search(r'id="embedded">(.*?)</script>', page, re.S)[1])


def test_the_saved_page_has_neighbours_and_no_token(client, server):
    answer = client.get("/page.html")
    assert answer.headers["content-disposition"] == 'attachment; filename="bars.html"'
    found = embedded(answer.text)
    assert server.token not in answer.text
    near = pa.ipc.open_stream(base64.b64decode(found["streams"]["neighbors"])).read_all()
    ids = near["neighbors"].to_numpy().reshape(240, 8)
    for image in (0, 17, 239):
        wanted = [one["distance"] for one in client.get(f"/api/images/{image}/neighbors?n=8").json()["neighbors"]]
        got = near["distances"].to_numpy().reshape(240, 8)[image]
        assert np.allclose(got, wanted, rtol=1e-3, atol=1e-3)
        assert image not in ids[image]
    assert len(found["pages"]) == found["run"]["pages"]["n"]


def test_one_page_is_made_at_a_time_and_the_next_one_when_it_is_done(client, server):
    assert server.saving.acquire(blocking=False)
    refused = client.get("/page.html")
    assert refused.status_code == 503
    assert "already being made" in refused.json()["error"]
    server.saving.release()
    assert client.get("/page.html").status_code == 200
    assert client.get("/page.html").status_code == 200  # a finished one lets the next begin


def test_a_page_that_fails_lets_the_next_one_begin(client, server, monkeypatch):
    monkeypatch.setattr(page_files, "one_file_parts", lambda *_: iter([]))
    assert client.get("/page.html").status_code == 500
    monkeypatch.undo()
    assert client.get("/page.html").status_code == 200


def test_the_page_comes_in_parts(server):
    opened = server.opened
    facts = facts_with_edits(opened.data, opened.facts)
    parts = one_file_parts(opened.data, facts, STATIC)
    assert next(parts).startswith(b"<!doctype html>")  # before anything is computed


@pytest.mark.parametrize(("n", "copies"), [(2, 0), (30, 0), (30, 20)])
def test_nearest_others_never_have_the_image_itself(n, copies):
    latents = np.random.default_rng(n).normal(size=(n, 4)).astype(np.float32)
    latents[:copies] = latents[0]
    k = min(8, n - 1)
    ids, distances = nearest_others(latents, k)
    assert ids.shape == distances.shape == (n, k)
    assert not (ids == np.arange(n)[:, None]).any()
    assert (np.diff(distances, axis=1) >= -1e-6).all()


def test_a_copy_of_a_run_is_shown_from_its_own_folder(copied, tmp_path):
    other = shutil.copytree(copied, tmp_path / "moved")
    shutil.rmtree(copied)
    assert AtlasView(other).n == 240
