"""Answers of the explorer's server."""

import csv
import io
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from explorer.conftest import HOSTILE, pictures
from latentmap.explorer.answers import ARROW
from latentmap.explorer.atlas_view import AtlasView
from latentmap.explorer.sprite_sheets import SheetLayout, SpriteSheets
from latentmap.explorer.zoom_order import bounding_square, order_for_zoom
from latentmap.run import Run, RunError, add_images, tables


def table(response) -> pa.Table:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == ARROW
    return pa.ipc.open_stream(response.content).read_all()


def picture(response) -> np.ndarray:
    assert response.status_code == 200, response.text
    return np.asarray(Image.open(io.BytesIO(response.content)))


# ---------------------------------------------------------------- the order


@pytest.mark.parametrize("n", [1, 2, 7, 500, 20_000])
def test_each_level_of_detail_is_an_even_beginning_of_the_order(n):
    random = np.random.default_rng(n)
    xy = random.normal(size=(n, 2)) * [3, 1] + 100
    order, ends = order_for_zoom(xy)
    assert sorted(order.tolist()) == list(range(n))
    assert ends[-1] == n
    left, bottom, side = bounding_square(xy)
    for level, end in enumerate(ends[:-1]):
        cells = np.clip(np.floor((xy - [left, bottom]) / side * 2**level), 0, 2**level - 1)
        taken = np.unique(cells[order[:end]], axis=0)
        assert len(taken) == len(np.unique(cells, axis=0))  # no cell is without one
        assert end <= 4**level


def test_points_at_one_place_are_all_in_the_order():
    order, ends = order_for_zoom(np.ones((9, 2)))
    assert sorted(order.tolist()) == list(range(9))
    assert ends[0] == 1


@pytest.mark.parametrize("shape", [(28, 28), (32, 32, 3), (200, 300), (1, 1), (1, 900), (64, 17, 3)])
def test_sprite_sheets_hold_all_thumbnails(shape):
    layout = SheetLayout.of(shape, 5000)
    assert max(layout.width, layout.height) <= 64
    assert min(layout.width, layout.height) >= 1
    assert layout.columns * layout.width <= 1024
    assert layout.n_sheets * layout.per_sheet >= 5000 > (layout.n_sheets - 1) * layout.per_sheet


# ---------------------------------------------------------------- answers


def test_points_and_pages_show_each_image_at_its_place(client, copied):
    facts = client.get("/api/run").json()
    points = table(client.get("/api/points"))
    atlas = pq.read_table(copied / "atlas.parquet")
    ids = points["id"].to_numpy()
    assert sorted(ids.tolist()) == list(range(facts["n"]))
    for name in "xy":
        assert (points[name].to_numpy() == atlas[name].to_numpy()[ids]).all()
    layout = facts["pages"]
    sheet = picture(client.get("/api/pages/0"))
    images = Run.open(copied).images().images
    for place in (0, 1, 57, 239):
        top, left = place // layout["columns"] * layout["height"], place % layout["columns"] * layout["width"]
        assert (sheet[top : top + 12, left : left + 10] == images[ids[place]]).all()
    assert len(list((copied / "explorer").glob("pages-*/00000.png"))) == 1
    assert (picture(client.get("/api/pages/0")) == sheet).all()  # now from the file


def test_columns_come_in_the_order_of_the_points(client, copied):
    facts = client.get("/api/run").json()
    atlas = pq.read_table(copied / "atlas.parquet")
    order = table(client.get("/api/points"))["id"].to_numpy()
    kinds = {column["name"]: column for column in facts["columns"]}
    assert {name: column["kind"] for name, column in kinds.items()} == {
        **{"path": "text", "error": "number", "group": "category", "confidence": "number", "tree": "category"},
        **{"outlier": "number", "duplicate_of": "category", "added": "category", "label": "category"},
        **dict.fromkeys(("sharpness", "brightness", "shadows", "highlights", "contrast", "difference"), "number"),
        **{"bytes": "number", "weight": "number", "taken": "category", "sharp": "category"},
    }
    for name, column in kinds.items():
        values = table(client.get(f"/api/columns/{name}"))["values"].to_pylist()
        wanted = [atlas[name][int(i)].as_py() for i in order]
        if column["kind"] == "category":
            found = [None if code < 0 else column["categories"][code] for code in values]
            assert found == [
                None
                if value is None
                else str(value).lower()
                if value in (True, False) and name == "sharp"
                else str(value)
                for value in wanted
            ], name
        elif column["kind"] == "number":
            assert np.allclose(values, np.array(wanted, float), equal_nan=True), name
        else:
            assert values == wanted


def test_one_image_its_facts_reconstruction_and_neighbours(client, copied):
    run = Run.open(copied)
    assert (picture(client.get("/api/images/7")) == run.images().images[7]).all()
    facts = client.get("/api/images/0/facts").json()
    assert facts["path"] == HOSTILE
    assert facts["error"] == pytest.approx(float(run.errors()[0]))
    drawn = picture(client.get("/api/images/7/reconstruction"))
    wanted = run.model().reconstruct(run.images().images[7:8])[0]
    assert np.abs(drawn / 255 - wanted).max() < 0.01
    found = client.get("/api/images/7/neighbors?n=5").json()["neighbors"]
    similar = run.similar(7, 5)
    assert [one["id"] for one in found] == similar["id"].to_pylist()
    assert [one["distance"] for one in found] == pytest.approx(similar["distance"].to_pylist())


def test_many_that_ask_first_load_the_vectors_once(copied, monkeypatch):
    data = AtlasView(copied)
    read, reads = tables.read_column, []

    def slow(path: Path, name: str) -> np.ndarray:
        reads.append(name)
        time.sleep(0.05)
        return read(path, name)

    monkeypatch.setattr(tables, "read_column", slow)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda image: data.neighbors(image, 3), range(8)))
    assert reads == ["features"]
    assert [len(one) for one in found] == [3] * 8


def test_search_finds_parts_of_names(client):
    found = client.get("/api/search", params={"q": "ONERROR"}).json()
    assert found == {"count": 1, "ids": [0], "more": False, "first": [{"id": 0, "path": HOSTILE}]}
    assert client.get("/api/search", params={"q": "bar 23"}).json()["ids"] == [23, *range(230, 240)]
    assert client.get("/api/search", params={"q": "%_.*"}).json()["ids"] == []


def test_the_decoder_draws_places_ways_and_paths(client, copied):
    run = Run.open(copied)
    xy = run.map()
    x, y = xy[3].tolist()
    drawn = picture(client.get(f"/api/decode?x={x}&y={y}"))
    assert drawn.shape == (12, 10, 3)
    near = np.abs(drawn.astype(float) - run.images().images[3]).mean()
    far = np.abs(drawn.astype(float) - run.images().images[np.argmax(((xy - xy[3]) ** 2).sum(1))]).mean()
    assert near < far
    way = picture(client.get("/api/interpolation?a=3&b=9&steps=5"))
    assert way.shape == (12, 50, 3)
    assert Image.open(io.BytesIO(client.get("/api/interpolation?a=3&b=9&format=gif").content)).n_frames == 14
    assert client.get("/api/interpolation?a=3&b=9&format=bmp").status_code == 400
    asked = {"places": xy[:6].tolist(), "format": "gif"}
    animation = Image.open(io.BytesIO(client.post("/api/strip", json=asked).content))
    assert animation.format == "GIF"
    assert animation.n_frames == 10  # there and back
    assert picture(client.post("/api/strip", json={"places": xy[:6].tolist()})).shape == (12, 60, 3)


def test_an_image_that_is_sent_finds_itself(client, copied):
    file = io.BytesIO()
    Run.open(copied).image(11).save(file, "PNG")
    found = client.post("/api/similar", content=file.getvalue()).json()
    assert found["neighbors"][0]["id"] == 11
    assert found["neighbors"][0]["distance"] == pytest.approx(0, abs=1e-3)
    refused = client.post("/api/similar", content=b"no image")
    assert refused.status_code == 400
    assert "cannot be decoded" in refused.json()["error"]


def test_what_is_asked_again_is_not_sent_again(client):
    version = client.get("/api/run").json()["version"]
    first = client.get("/api/points")
    assert first.headers["cache-control"] == "private, no-cache"
    again = client.get("/api/points", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""
    assert "immutable" in client.get(f"/api/points?v={version}").headers["cache-control"]
    part = client.get("/api/points", headers={"Range": "bytes=10-19"})
    assert part.status_code == 206
    assert part.content == first.content[10:20]
    assert part.headers["content-range"] == f"bytes 10-19/{len(first.content)}"
    assert client.get("/api/points", headers={"Range": "bytes=-5"}).content == first.content[-5:]
    assert client.get("/api/points", headers={"Range": f"bytes={len(first.content)}-"}).status_code == 416
    for odd in ("bytes=5-2", "bytes=-", "lines=1-2", "bytes=1-2,4-5", "bytes=x-y"):
        assert client.get("/api/points", headers={"Range": odd}).content == first.content
    stale = {"Range": "bytes=0-4", "If-Range": '"other"'}
    assert client.get("/api/points", headers=stale).content == first.content


def test_edits_by_the_page_are_in_the_run(client, copied):
    edits = client.get("/api/edits").json()
    assert edits["revision"] == 0
    answer = client.post("/api/edits", json={"revision": 0, "edit": {"kind": "name", "group": 2, "name": "two"}})
    assert [one["name"] for one in answer.json()["groups"]] == ["", "", "two", ""]
    late = client.post("/api/edits", json={"revision": 0, "edit": {"kind": "name", "group": 2, "name": "late"}})
    assert late.status_code == 409
    labelled = {"kind": "label", "ids": [1, 2, 3], "label": "L"}
    assert client.post("/api/edits", json={"revision": 1, "edit": labelled}).json()["revision"] == 2
    hidden = {"kind": "mark", "ids": [5], "mark": "hidden", "on": True}
    assert client.post("/api/edits", json={"revision": 2, "edit": hidden}).json()["marked"]["hidden"] == 1
    columns = table(client.get("/api/edits/columns"))
    ids = table(client.get("/api/points"))["id"].to_numpy()
    assert sorted(ids[columns["label"].to_numpy() == 0].tolist()) == [1, 2, 3]
    assert ids[columns["marks"].to_numpy() == 4].tolist() == [5]
    spread = client.post("/api/spread", json={}).json()
    assert spread["labels"] == ["L"]
    assert pq.read_table(copied / "labels.parquet")["given"].to_pylist().count("L") == 3


def test_a_cut_is_previewed_without_an_edit(client, copied):
    ids = table(client.get("/api/points"))["id"].to_numpy()
    n_blocks = client.get("/api/run").json()["nBlocks"]
    for n in (1, 2, n_blocks):
        of_image = np.empty(len(ids), int)
        of_image[ids] = table(client.get(f"/api/edits/cut?n={n}"))["group"].to_numpy()
        np.testing.assert_array_equal(of_image, Run.open(copied).cut(n))
    assert client.get("/api/edits").json()["revision"] == 0
    assert client.get("/api/edits/cut?n=0").status_code == 400
    assert client.get(f"/api/edits/cut?n={n_blocks + 1}").status_code == 400


def exported_folder(client, ids) -> dict:
    """The state of an export of a folder when it has ended."""
    started = client.post("/api/export", json={"kind": "folder", "ids": ids})
    assert started.status_code == 202
    while (state := client.get(f"/api/export/{started.json()['job']}").json())["state"] == "running":
        time.sleep(0.01)
    return state


def test_exports_hold_the_columns_and_the_edits(client, copied):
    client.post("/api/edits", json={"revision": 0, "edit": {"kind": "label", "ids": [0, 9], "label": "a/b"}})
    answer = client.post("/api/export", json={"kind": "csv", "ids": [9, 0, 4]})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["id"] for row in rows] == ["0", "4", "9"]
    assert [row["given_label"] for row in rows] == ["a/b", "", "a/b"]
    assert rows[0]["path"] == HOSTILE
    whole = pq.read_table(io.BytesIO(client.post("/api/export", json={"kind": "parquet"}).content))
    assert whole.num_rows == 240
    folder = Path(exported_folder(client, [0, 4])["folder"])
    assert folder.parent == copied / "exports"
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert len(names) == 2
    assert any(name.startswith("a_b/0000000-") for name in names)


def test_learning(client):
    facts = client.get("/api/learn/kmeans?k=3&seed=1").json()
    labels = table(client.get("/api/learn/kmeans/labels?k=3&seed=1"))
    assert labels.num_columns == len(facts["inertias"]) == len(facts["centers"])
    assert labels.num_rows == facts["n"] == 240
    assert facts["inertias"] == sorted(facts["inertias"], reverse=True)
    blobs = client.get("/api/learn/kmeans?k=3&seed=1&on=blobs").json()
    points = table(client.get("/api/learn/kmeans/points?k=3&seed=1&on=blobs"))
    assert points.num_rows == blobs["n"] == 100
    # the last centres are the means of their points
    last = table(client.get("/api/learn/kmeans/labels?k=3&seed=1&on=blobs"))[
        f"step{len(blobs['centers']) - 1}"
    ].to_numpy()
    xy = np.column_stack([points["x"], points["y"]])
    means = [xy[last == k].mean(axis=0) for k in range(3)]
    assert np.allclose(means, blobs["centers"][-1], atol=1e-4)
    assert len(client.get("/api/learn/training").json()["history"]["loss"]) == 2
    sweep = client.get("/api/learn/sweep").json()
    assert sweep["possible"] == [5, 10, 15, 25, 50]  # a hundred is too many for 240 images
    assert sweep["ready"] == []
    assert client.get("/api/learn/sweep/5").status_code == 404


def test_jobs_run_once_and_end_with_the_server(copied, server, client):
    from latentmap.explorer import lessons

    data = AtlasView(copied)
    lessons.make_sweep(data)
    assert client.get("/api/learn/sweep").json()["ready"] == [5, 10, 15, 25, 50]
    swept = table(client.get("/api/learn/sweep/25"))
    places = np.column_stack([swept["x"], swept["y"]])
    # turned onto the map of the run: points lie nearer their own places than the map is wide
    assert np.abs(places - data.xy).mean() < 0.25 * data.square[2]
    assert client.post("/api/learn/activations", json={}).json()["running"]
    first = server.jobs._jobs["activations"].process
    client.post("/api/learn/activations", json={})
    assert server.jobs._jobs["activations"].process is first
    server.close()
    assert first.poll() is not None


def test_images_that_were_added_are_on_the_page(copied, tmp_path):
    folder = tmp_path / "more"
    folder.mkdir()
    for i, image in enumerate(pictures(10, 5)):
        Image.fromarray(image).save(folder / f"{i}.png")
    add_images(copied, folder)
    data = AtlasView(copied)
    assert data.n == 250
    assert (data.pixels(243) == np.asarray(Image.open(folder / "3.png"))).all()
    edited = data.journal.edited()
    before = int((edited.group == 0).sum())
    split = data.journal.add({"kind": "split", "group": 0}, 0)
    assert sum(int((split.group == one.number).sum()) for one in split.groups if one.number > 3) == before
    sheet = SpriteSheets(data).pixels(0)
    assert sheet.shape[2] == 3


def test_a_run_that_changes_is_opened_anew(client, copied):
    before = client.get("/api/run").json()["version"]
    shutil.copy(copied / "atlas.parquet", copied / "atlas.tmp")
    (copied / "atlas.tmp").replace(copied / "atlas.parquet")
    assert client.get("/api/edits").json()["version"] != before
    after = client.get("/api/run").json()["version"]
    assert after != before
    assert client.get("/api/edits").json()["version"] == after


def test_a_run_that_is_not_finished_is_refused_with_a_sentence(copied, tmp_path):
    (copied / "atlas.parquet").unlink()
    with pytest.raises(RunError, match=r"atlas.parquet: not there yet: finish the run"):
        AtlasView(copied)
    with pytest.raises(RunError, match="no run.json in it"):
        AtlasView(tmp_path)
