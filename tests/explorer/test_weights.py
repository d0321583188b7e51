"""Neighbours, maps and groups by other weights of the kinds of features."""

import io
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from starlette.testclient import TestClient

from explorer.conftest import HOST, pictures
from latentmap.explorer.app import make_app
from latentmap.explorer.atlas_view import AtlasView
from latentmap.explorer.guard import TOKEN
from latentmap.explorer.reweighted_map import make_reweighted_map, reweighted_map_path
from latentmap.explorer.server import Server
from latentmap.explorer.weight_requests import format_weights, parse_weights
from latentmap.run import Run, RunOptions, make_run, tables
from latentmap.run.edits import EDITS_FILE

SHAPE_AND_PARTS = {"shape": 0.25, "parts": 0.75}
TEXT = "parts:3,shape:1"


def squared_distances(run: Run, query: np.ndarray, weights: dict[str, float]) -> dict[str, np.ndarray]:
    """Squared distances of features (d,) to all images by kind, each with its new weight, in double precision."""
    model, features = run.features(), run.points()
    parts = model.distance_fractions(np.repeat(query[None], len(features), axis=0), features)
    total = ((features.astype(float) - query) ** 2).sum(axis=1)
    return {kind: new * parts[kind] * total / model.weights_[kind] for kind, new in weights.items()}


@pytest.fixture(scope="module")
def latent_client(tmp_path_factory):
    """The explorer of a run whose neighbours are those of latent vectors."""
    path = tmp_path_factory.mktemp("latent") / "run"
    options = RunOptions(epochs=1, latent_dim=4, n_clusters=2, perplexity=5.0, features="latent")
    make_run(pictures(60, 2), path, options)
    server = Server(path)
    yield TestClient(make_app(server, [HOST]), base_url=f"http://{HOST}", headers={TOKEN: server.token})
    server.close()


def wait_for_map(client, text: str) -> dict:
    while (state := client.get("/api/reweighted", params={"weights": text}).json())["running"]:
        time.sleep(0.05)
    return state


# ---------------------------------------------------------------- neighbours


def test_neighbours_are_those_by_the_reweighted_features(client, copied):
    run = Run.open(copied)
    for image in (0, 7, 200):
        parts = squared_distances(run, run.points()[image], SHAPE_AND_PARTS)
        squares = sum(parts.values())
        squares[image] = np.inf
        nearest = np.argsort(squares, kind="stable")[:9]
        found = client.get(f"/api/images/{image}/neighbors", params={"n": 9, "weights": TEXT}).json()["neighbors"]
        assert [one["id"] for one in found] == nearest.tolist()
        assert [one["distance"] for one in found] == pytest.approx(np.sqrt(squares[nearest]), rel=1e-4)
        for one in found:
            assert {kind for kind, fraction in one["fractions"].items() if fraction} <= {"shape", "parts"}
            assert one["fractions"]["parts"] == pytest.approx(parts["parts"][one["id"]] / squares[one["id"]], abs=1e-3)
            assert sum(one["fractions"].values()) == pytest.approx(1, abs=1e-3)


def test_the_distances_to_all_images_are_those_of_the_neighbours(client, copied):
    data = AtlasView(copied)
    for query, weights in (("", None), (f"?weights={TEXT}", SHAPE_AND_PARTS)):
        answer = client.get(f"/api/images/7/distances{query}")
        distances = pa.ipc.open_stream(answer.content).read_all()["distance"].to_numpy()[data.place]
        assert distances.dtype == np.float32
        assert distances[7] == 0
        for one in data.neighbors(7, 20, weights):
            assert distances[one["id"]] == pytest.approx(one["distance"], rel=1e-4)
        assert (
            np.argsort(distances, kind="stable")[1:21] == [one["id"] for one in data.neighbors(7, 20, weights)]
        ).all()
    assert client.get("/api/images/7/distances?v=0").status_code == 409
    assert client.get("/api/images/7000/distances").status_code == 400


def test_the_weights_of_the_run_are_told_and_give_its_neighbours(client, copied):
    own = client.get("/api/run").json()["weights"]
    known = Run.open(copied).features().weights_
    assert own == pytest.approx({kind: weight for kind, weight in known.items() if weight > 0})
    text = ",".join(f"{kind}:{weight}" for kind, weight in own.items())
    plain = client.get("/api/images/3/neighbors?n=20").json()["neighbors"]
    same = client.get("/api/images/3/neighbors", params={"n": 20, "weights": text}).json()["neighbors"]
    assert [one["id"] for one in same] == [one["id"] for one in plain]
    assert [one["distance"] for one in same] == pytest.approx([one["distance"] for one in plain], rel=1e-4)
    other = client.get("/api/images/3/neighbors", params={"n": 20, "weights": "color:1"}).json()["neighbors"]
    assert [one["id"] for one in other] != [one["id"] for one in plain]


def test_images_that_are_sent_are_compared_by_the_weights_too(client, copied):
    run = Run.open(copied)
    file = io.BytesIO()
    run.image(11).save(file, "PNG")
    squares = sum(squared_distances(run, run.points()[11], SHAPE_AND_PARTS).values())
    found = client.post("/api/similar", params={"weights": TEXT}, content=file.getvalue()).json()["neighbors"]
    assert found[0]["id"] == 11
    assert [one["distance"] for one in found] == pytest.approx(np.sqrt(np.sort(squares)[:12]), abs=2e-3)
    plain = client.post("/api/similar", content=file.getvalue()).json()["neighbors"]
    assert [one["id"] for one in plain] != [one["id"] for one in found]
    assert client.post("/api/similar?weights=smell:1", content=file.getvalue()).status_code == 400


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("smell:1", ["'smell'", "shape"]),
        ("shape:1,<b>:2", ["'<b>'", "shape"]),
        ("shape:-0.5", ["-0.5", "at least 0"]),
        ("shape:nan", ["nan", "finite"]),
        ("shape:1e999", ["inf", "finite"]),
        ("shape:0,color:0", ["no weight is above 0"]),
        ("shape:half", ["'half'", "no number", "shape:0.6,color:0.4"]),
        ("shape", ["'shape'", "no weight", "shape:0.6,color:0.4"]),
        ("", ["''", "shape:0.6,color:0.4"]),
        ("shape:1,shape:2", ["twice"]),
        ("shape:1," * 100, ["characters"]),
        ("../../x:1", ["'../../x'"]),
    ],
)
def test_what_is_no_weight_is_refused_with_a_sentence(client, copied, text, words):
    before = sorted(copied.rglob("*"))
    for method, path in [
        ("GET", "/api/images/3/neighbors"),
        ("POST", "/api/similar"),
        ("GET", "/api/reweighted"),
        ("GET", "/api/reweighted/map"),
        ("POST", "/api/reweighted"),
    ]:
        answer = client.request(method, path, params={"weights": text})
        assert answer.status_code == 400, path
        assert all(word in answer.json()["error"] for word in words), answer.json()
    assert sorted(copied.rglob("*")) == before


def test_runs_by_latent_vectors_have_no_weights(latent_client):
    assert latent_client.get("/api/run").json()["weights"] == {}
    assert len(latent_client.get("/api/images/3/neighbors").json()["neighbors"]) == 8
    for method, path in [("GET", "/api/images/3/neighbors"), ("POST", "/api/similar"), ("POST", "/api/reweighted")]:
        answer = latent_client.request(method, path, params={"weights": "shape:1"})
        assert answer.status_code == 400
        assert "latent vectors" in answer.json()["error"]


def test_equal_weights_have_one_text():
    assert format_weights(parse_weights("shape:0.25,parts:0.75")) == "shape:0.250000,parts:0.750000"
    assert format_weights({"shape": 1e-9, "parts": 1.0}) == "parts:1.000000"


# ---------------------------------------------------------------- the map and the groups


def test_a_job_makes_the_map_and_the_groups_and_changes_nothing_else(client, copied):
    kept = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}
    assert client.get("/api/reweighted", params={"weights": TEXT}).json()["ready"] is False
    assert client.get("/api/reweighted/map", params={"weights": TEXT}).status_code == 404
    started = client.post("/api/reweighted", params={"weights": TEXT}).json()
    assert started["running"]
    busy = client.post("/api/reweighted", params={"weights": "color:1"})
    assert busy.status_code == 409
    assert "other weights" in busy.json()["error"]
    assert client.get("/api/reweighted?weights=color:1").json() == {
        **{"running": False, "queued": False, "failed": False, "cancelled": False, "said": None, "ready": False}
    }
    state = wait_for_map(client, "shape:10,parts:30")  # the same weights
    assert state["ready"], state
    assert state["said"].startswith("groups ")
    answer = client.get("/api/reweighted/map", params={"weights": TEXT})
    table = pa.ipc.open_stream(answer.content).read_all()
    data = AtlasView(copied)
    xy = np.column_stack([table["x"], table["y"]])
    assert xy.shape == (240, 2)
    assert np.abs(xy - data.xy).mean() < 0.25 * data.square[2]  # turned onto the map of the run
    assert not np.allclose(xy, data.xy)
    assert set(table["group"].to_pylist()) == {0, 1, 2, 3}
    new = {path for path in copied.rglob("*") if path.is_file()} - set(kept)
    assert [path.name for path in new] == ["map-and-groups.parquet"]
    assert {path: path.read_bytes() for path in kept} == kept
    assert not (copied / EDITS_FILE).exists()
    again = client.post("/api/reweighted", params={"weights": TEXT}).json()
    assert again["ready"]
    assert not again["running"]


def test_the_map_shows_neighbours_by_the_weights_and_the_groups_follow_the_options_of_the_run(copied):
    data = AtlasView(copied)
    data.run.state["options"]["n_clusters"] = 2
    make_reweighted_map(data, "color:1.000000")
    table = tables.read(reweighted_map_path(data, "color:1.000000"))
    xy = np.column_stack([table["x"], table["y"]])[data.place]  # in the order of the ids
    features = data.reweighted(np.arange(data.n), {"color": 1.0})
    overlaps = []
    for image in range(0, data.n, 10):
        by_color = np.argsort(((features - features[image]) ** 2).sum(axis=1))[1:16]
        on_map = np.argsort(((xy - xy[image]) ** 2).sum(axis=1))[1:16]
        on_own_map = np.argsort(((data.xy[data.place] - data.xy[data.place[image]]) ** 2).sum(axis=1))[1:16]
        overlaps.append([np.isin(on_map, by_color).mean(), np.isin(on_own_map, by_color).mean()])
    new, own = np.mean(overlaps, axis=0)
    assert new > own + 0.1, (new, own)
    assert set(table["group"].to_pylist()) == {0, 1}  # as many as the run was asked for


def test_maps_of_other_weights_and_other_runs_have_other_files(copied):
    data = AtlasView(copied)
    path = reweighted_map_path(data, "shape:1.000000")
    assert path.parent.parent == copied / "explorer"
    assert path != reweighted_map_path(data, "color:1.000000")
    for stage in ("map", "group"):
        key = data.run.stages[stage]["key"]
        data.run.stages[stage]["key"] = "another"
        assert path != reweighted_map_path(data, "shape:1.000000")
        data.run.stages[stage]["key"] = key
    assert path == reweighted_map_path(data, "shape:1.000000")


def test_the_weights_reach_the_job_as_one_checked_argument(server, client, monkeypatch):
    started: list[tuple[str, ...]] = []
    monkeypatch.setattr(server.jobs, "start", lambda *job: started.append(job) or True)
    client.post("/api/reweighted", params={"weights": "parts:3,shape: 1e0,color:0"})
    assert started == [("reweighted-map", "shape:0.250000,parts:0.750000")]


def test_a_damaged_map_is_met_with_a_sentence(client, copied):
    path = reweighted_map_path(AtlasView(copied), "shape:1.000000")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"nothing")
    answer = client.get("/api/reweighted/map?weights=shape:1")
    assert answer.status_code < 500
    assert Path(path).name in answer.json()["error"]
