"""The explorer's answers about a run of given vectors: facts, neighbours, and sentences for what needs a network."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from latentmap.explorer.atlas_view import AtlasView
from latentmap.explorer.lessons import run_kmeans
from latentmap.explorer.one_file import nearest_others
from latentmap.run import RunOptions, make_run

IMAGES = np.random.default_rng(1).integers(0, 255, (60, 12, 10, 3), dtype=np.uint8)
OPTIONS = RunOptions(n_clusters=3, metric="cosine")


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(60, 5))


@pytest.fixture(scope="module")
def made(vectors, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("given") / "run"
    make_run(IMAGES, path, OPTIONS, vectors=vectors)
    return path


@pytest.fixture(scope="module")
def asked(made, opened) -> TestClient:
    return opened(made)


def test_facts_say_what_the_run_has(asked, opened, vectors, tmp_path):
    facts = asked.get("/api/run").json()
    assert [facts[name] for name in ("hasDecoder", "hasEncoder", "hasPictures")] == [False, False, True]
    make_run(None, tmp_path / "points", OPTIONS, vectors=vectors)
    client = opened(tmp_path / "points")
    facts = client.get("/api/run").json()
    assert [facts[name] for name in ("hasDecoder", "hasEncoder", "hasPictures")] == [False, False, False]
    assert client.get("/page.html").status_code == 200


def test_neighbours_are_those_of_the_cosine_distance(asked, made, vectors):
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    order = np.argsort(-(unit @ unit[7]), kind="stable")[1:6]
    found = asked.get("/api/images/7/neighbors?n=5").json()["neighbors"]
    assert [one["id"] for one in found] == order.tolist()
    np.testing.assert_allclose(
        [one["distance"] for one in found], np.linalg.norm(unit[order] - unit[7], axis=1), rtol=1e-4
    )
    view = AtlasView(made)
    np.testing.assert_array_equal(nearest_others(view.vectors, 5)[0][7], order)
    steps = run_kmeans(view, "map", 3, 0)
    assert steps.inertias[-1] <= 60


@pytest.mark.parametrize(
    "address", ["/api/decode?x=0&y=0", "/api/interpolation?a=0&b=1", "/api/images/3/reconstruction"]
)
def test_what_needs_a_decoder_is_answered_with_a_sentence(asked, address):
    answer = asked.get(address)
    assert 400 <= answer.status_code < 500
    assert "nothing can be decoded" in answer.json()["error"]


def test_a_picture_that_is_sent_is_answered_with_a_sentence(asked):
    file = io.BytesIO()
    Image.fromarray(IMAGES[0]).save(file, "PNG")
    answer = asked.post("/api/similar", content=file.getvalue())
    assert 400 <= answer.status_code < 500
    assert "its vectors were given" in answer.json()["error"]
    assert asked.get("/api/learn/training").status_code == 404
