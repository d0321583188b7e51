"""Runs whose neighbours are found by visual features: what is stored, found, added and refused."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from latentmap.core.errors import OptionError, RunError
from latentmap.explorer.atlas_view import AtlasView
from latentmap.neighbors import nearest_neighbors
from latentmap.run import Run, RunOptions, add_images, export_run, make_run

OPTIONS = {"epochs": 1, "latent_dim": 3, "n_clusters": 2}


def signs(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rings and crosses in any colour at any place: (n, 24, 24, 3)."""
    random = np.random.default_rng(seed)
    kinds = np.arange(n) % 2
    images = np.empty((n, 24, 24, 3), np.uint8)
    y, x = np.mgrid[:24, :24]
    for image, kind in zip(images, kinds, strict=True):
        u, v = x - random.integers(9, 15), y - random.integers(9, 15)
        radius = np.hypot(u, v)
        ring = (radius < 8) & (radius > 5)
        cross = (np.maximum(abs(u), abs(v)) < 8) & ((abs(u) < 2) | (abs(v) < 2))
        image[:] = np.where(
            (cross if kind else ring)[..., None], random.integers(140, 255, 3), random.integers(0, 90, 3)
        )
    return images, kinds


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Run, np.ndarray, np.ndarray]:
    images, kinds = signs(120, 0)
    said: list[str] = []
    run = make_run(
        images, tmp_path_factory.mktemp("runs") / "run", RunOptions(features="visual", **OPTIONS), say=said.append
    )
    assert any(line.startswith("  neighbours by shape ") for line in said)
    return run, images, kinds


def test_groups_and_neighbours_are_those_of_the_shapes(made):
    run, _, kinds = made
    groups = run.groups()
    assert max((groups == kinds).mean(), (groups != kinds).mean()) > 0.95
    near = nearest_neighbors(run.points(), 3).indices
    assert (kinds[near] == kinds[:, None]).mean() > 0.95
    assert run.points().shape == (120, run.features().n_features_out_)


def test_features_are_in_the_table_of_all(made):
    run, images, _ = made
    table = pq.read_table(run.path / "atlas.parquet")
    assert {"latent", "features"} <= set(table.column_names)
    np.testing.assert_allclose(run.features().transform(images[:5]), run.points()[:5], atol=1e-5)
    assert "features" not in run.frame().columns


def test_similar_images_are_found_by_features(made):
    run, images, kinds = made
    found = run.similar(7, n=5)
    assert (kinds[found["id"].to_numpy()] == kinds[7]).all()
    expected = np.linalg.norm(run.points()[found["id"].to_numpy()] - run.points()[7], axis=1)
    np.testing.assert_allclose(found["distance"].to_numpy(), expected, rtol=1e-5)
    assert run.similar(images[7], n=1)["id"].to_pylist() == [7]


def test_the_explorer_finds_the_same(made):
    run, images, _ = made
    view = AtlasView(run.path)
    assert [one["id"] for one in view.neighbors(7, 5)] == run.similar(7, n=5)["id"].to_pylist()
    assert view.nearest(view.vectors_of(images[7:8])[0], 1)[0]["id"] == 7
    for one in view.neighbors(7, 5):
        assert set(one["fractions"]) == {"shape", "texture", "parts", "color"}
        assert sum(one["fractions"].values()) == pytest.approx(1, abs=1e-3)


def test_the_features_are_exported_beside_the_network(made, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    run, images, _ = made
    out = export_run(run.path, "onnx", tmp_path / "out")
    assert {path.name for path in out.iterdir()} == {"encoder.onnx", "decoder.onnx", "features.onnx", "shape.json"}
    assert json.loads((out / "shape.json").read_text())["n_features"] == run.points().shape[1]
    session = onnxruntime.InferenceSession(out / "features.onnx")
    (found,) = session.run(None, {"images": images[:9].astype(np.float32) / 255})
    np.testing.assert_allclose(found, run.points()[:9], atol=1e-3)


def test_added_images_are_placed_by_their_features(made, tmp_path):
    import shutil

    run, _, kinds = made
    path = Path(shutil.copytree(run.path, tmp_path / "run"))
    new, new_kinds = signs(10, 1)
    add_images(path, new)
    grown = Run(path)
    placed = pq.read_table(path / "added" / "0001" / "placed.parquet")
    group_of_kind = [np.bincount(run.groups()[kinds == kind]).argmax() for kind in (0, 1)]
    assert (placed["group"].to_numpy() == np.array(group_of_kind)[new_kinds]).mean() >= 0.9
    assert pq.read_table(path / "atlas.parquet").num_rows == 130
    assert grown.similar(125, n=3)["id"].to_pylist() != []
    export_run(path, "csv", tmp_path / "all.csv")
    assert "features" not in (tmp_path / "all.csv").read_text().splitlines()[0]


def test_another_choice_of_features_keeps_the_network(made, tmp_path):
    import shutil

    run, images, _ = made
    path = Path(shutil.copytree(run.path, tmp_path / "run"))
    said: list[str] = []
    make_run(images, path, RunOptions(features="latent", **OPTIONS), say=said.append)
    kept = [line.split(":")[0] for line in said if line.endswith("kept")]
    assert kept == ["decode", "train", "encode"]
    latent = Run(path)
    assert not latent.has_features
    assert not (path / "features.parquet").exists()
    assert "features" not in pq.read_schema(path / "atlas.parquet").names
    np.testing.assert_array_equal(latent.points(), latent.latents())
    with pytest.raises(RunError, match="made without features"):
        latent.features()


def test_equal_images_have_a_run(tmp_path):
    run = make_run(np.full((12, 6, 6), 9, np.uint8), tmp_path / "run", RunOptions(features="visual", **OPTIONS))
    assert np.isfinite(run.map()).all()
    assert len(run.duplicates()) == 11
    add_images(run.path, np.full((1, 6, 6), 200, np.uint8))
    assert pq.read_table(run.path / "atlas.parquet")["duplicate_of"].to_pylist()[-1] is None


def test_unknown_features_are_met_with_a_sentence():
    with pytest.raises(OptionError, match="features='x': choose among visual, latent"):
        RunOptions(features="x")


def test_runs_from_before_there_were_features_are_read_as_ever(made, tmp_path):
    images = made[1]
    run = make_run(images, tmp_path / "run", RunOptions(features="latent", **OPTIONS))
    state = json.loads((run.path / "run.json").read_text())
    del state["options"]["features"], state["stages"]["features"]
    (run.path / "run.json").write_text(json.dumps(state))
    older = Run(run.path)
    assert not older.has_features
    assert older.similar(7, n=2).equals(run.similar(7, n=2))
    add_images(run.path, signs(4, 3)[0])
    assert pq.read_table(run.path / "atlas.parquet").num_rows == 124
