"""A finished run grows, is asked, and is written in other forms."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from quick_runs import add_with_report, make_with_report

from latentmap.images import ShapeOptions, SourceError
from latentmap.images.sources import DecodeOptions
from latentmap.report import draw_similar, write_report
from latentmap.run import (
    EXPORTS,
    STAGES,
    Run,
    RunError,
    RunOptions,
    add_images,
    export_run,
    make_run,
)
from latentmap.run.finding import duplicates, exact_copies, outliers

OPTIONS = RunOptions(epochs=3, latent_dim=6, n_clusters=4, perplexity=10.0, batch_size=32)


def bars(n: int, seed: int) -> np.ndarray:
    """Pictures with a bright bar in one of four places."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 60, (n, 12, 12), dtype=np.uint8)
    for image, kind in zip(images, random.integers(0, 4, n), strict=True):
        image[3 * kind : 3 * kind + 3] += 180
    return images


def write(folder: Path, images: np.ndarray, first: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i, image in enumerate(images, start=first):
        Image.fromarray(image).save(folder / f"{i:04d}.png")
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A run of 300 files, two of them the same, one nearly the same as another, one broken, one strange."""
    path = tmp_path_factory.mktemp("made")
    images = bars(300, 0)
    images[17] = images[5]
    images[18] = np.clip(images[6].astype(int) + 1, 0, 255)
    images[30] = np.random.default_rng(9).integers(0, 255, (12, 12))
    write(path / "files", images)
    (path / "files" / "broken.png").write_text("broken")
    make_with_report(path / "files", path / "run", OPTIONS, write_report)
    return path


@pytest.fixture
def run(made, tmp_path) -> Path:
    shutil.copytree(made / "run", tmp_path / "run")
    return tmp_path / "run"


def test_what_stands_out_is_found(made):
    found = Run.open(made / "run")
    pairs = {(row["id"], row["duplicate_of"], row["exact"]) for row in found.duplicates().to_pylist()}
    assert (17, 5, True) in pairs
    assert (18, 6, False) in pairs
    assert len(pairs) < 6
    atlas = found.atlas()
    assert atlas["duplicate_of"][17].as_py() == 5
    assert atlas["duplicate_of"][5].as_py() is None
    scores = atlas["outlier"].to_numpy()
    assert scores.argmax() == 30
    html = (made / "run" / "report.html").read_text(encoding="utf-8")
    assert "1 exact duplicate and" in html
    assert "broken.png" in html


def test_duplicates_and_outliers_of_arrays():
    images = np.random.default_rng(0).integers(0, 255, (50, 4, 4), dtype=np.uint8)
    images[[10, 20]] = images[3]
    assert exact_copies(images)[[3, 10, 20, 21]].tolist() == [3, 3, 3, 21]
    indices = np.tile(np.arange(1, 3, dtype=np.int32), (50, 1))
    indices[:, 0] = (np.arange(50) + 1) % 50
    found = duplicates(images, indices, np.ones((50, 2), np.float32))
    assert found["id"].tolist() == [10, 20]
    assert found["exact"].all()
    errors = np.exp(np.random.default_rng(1).normal(size=1000))
    errors[7] = 1e6
    far = outliers(errors, np.ones((1000, 5)))
    assert far["outlier"].argmax() == 7
    assert far["is_outlier"].sum() <= 3


def test_added_images_find_their_places_and_nothing_moves(run, tmp_path):
    before, n = Run.open(run).atlas(), 300
    new = bars(80, 5)
    folder = write(tmp_path / "new", new)
    Image.fromarray(Run.open(run).images().images[4]).save(folder / "known.png")
    shutil.copy(folder / "0003.png", folder / "twice.png")
    (folder / "broken.png").touch()
    known = hash_of(run, 4)
    done = add_with_report(run, folder, write_report)
    assert (done.n_added, done.n_skipped) == (80 + (known not in files_of(folder)), 1)
    assert done.n_known == 1 + (known in files_of(folder))
    assert done.drift < 0.3
    atlas = Run.open(run).atlas()
    assert atlas.slice(0, n) == before
    added = atlas.slice(n)
    assert added["id"].to_pylist() == list(range(n, n + done.n_added))
    assert set(added["added"].to_pylist()) == {1}
    # of the same kind: near on the map, and in the same group
    kinds = np.array([image[1::3].mean(axis=1).argmax() for image in [*Run.open(run).images().images, *new]])
    groups = atlas["group"].to_numpy()[: n + 80]
    places = np.column_stack([atlas["x"], atlas["y"]])[: n + 80]
    for kind in range(4):
        old, later = np.flatnonzero(kinds[:n] == kind), n + np.flatnonzero(kinds[n:] == kind)
        common = np.bincount(groups[old][groups[old] >= 0]).argmax()
        assert (groups[later] == common).mean() >= (groups[old] == common).mean() - 0.2
        spread = places[old].std()
        assert np.abs(np.median(places[later], axis=0) - np.median(places[old], axis=0)).max() < 2 * spread
    again = add_with_report(run, folder, write_report)
    assert again.n_added == 0  # and no report is drawn for it
    assert "added" in (run / "report.html").read_text(encoding="utf-8")
    assert (run / "figures" / "map-added.png").exists()
    second = add_images(run, write(tmp_path / "more", bars(5, 6)))
    assert second.n_added == 5
    assert Run.open(run).atlas()["added"].to_pylist()[-6:] == [1, 2, 2, 2, 2, 2]
    assert np.asarray(Run.open(run).image(n + done.n_added)).tolist() == bars(5, 6)[0].tolist()


def hash_of(run: Path, row: int) -> bytes:
    return pq.read_table(run / "images.parquet")["sha256"][row].as_py()


def files_of(folder: Path) -> set[bytes]:
    import hashlib

    return {hashlib.sha256(path.read_bytes()).digest() for path in folder.iterdir()}


def test_strange_images_call_for_a_fresh_run(run, tmp_path):
    noise = np.random.default_rng(3).integers(0, 255, (40, 12, 12), dtype=np.uint8)
    done = add_images(run, write(tmp_path / "noise", noise))
    assert done.drift > 0.9
    assert done.is_due


def test_the_same_command_keeps_what_was_added_and_places_it_anew_when_the_map_changes(run, made, tmp_path):
    add_images(run, write(tmp_path / "new", bars(20, 7)))
    said: list[str] = []
    make_run(made / "files", run, OPTIONS, say=said.append)
    assert said == [f"{stage}: kept" for stage in STAGES]
    changed = RunOptions(**OPTIONS.as_dict() | {"perplexity": 15.0, "augmentation": None})
    before = Run.open(run).atlas()
    make_run(made / "files", run, changed, say=said.append)
    assert "added/0001: placed again" in said
    after = Run.open(run).atlas()
    assert len(after) == len(before) == 320
    assert after["x"].to_pylist()[-20:] != before["x"].to_pylist()[-20:]


def test_adding_that_stops_before_its_report_is_done_by_the_same_call(run, tmp_path):
    folder = write(tmp_path / "new", bars(20, 8))

    def stop(_: Path) -> list[str]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add_with_report(run, folder, stop)
    assert (run / "report.html").exists()  # the one that was there
    assert len(Run.open(run).atlas()) == 300
    again = add_with_report(run, folder, write_report)
    assert (again.n_added, again.n_known) == (20, 0)
    assert 0 <= again.drift <= 1
    assert len(Run.open(run).atlas()) == 320
    assert (run / "report.html").exists()


def test_another_size_is_refused_where_images_were_added(run, made, tmp_path):
    add_images(run, write(tmp_path / "new", bars(6, 7)))
    smaller = DecodeOptions(ShapeOptions(size=8))
    with pytest.raises(RunError, match=r"images of shape \(12, 12\) were added to it, and it would now have \(8, 8\)"):
        make_run(made / "files", run, OPTIONS, decoding=smaller)
    make_run(made / "files", run, OPTIONS)
    assert len(Run.open(run).atlas()) == 306


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
@pytest.mark.parametrize("delay", [2.5, 4.0])
def test_adding_that_is_killed_is_done_by_the_same_command(run, tmp_path, delay):
    folder = write(tmp_path / "new", bars(40, 8))
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    command = [sys.executable, "-m", "latentmap", "add", str(run), str(folder), "--quiet"]
    process = subprocess.Popen(command, env=environment)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run(command, env=environment, check=True)
    assert (run / "report.html").exists()
    atlas = Run.open(run).atlas()
    assert len(atlas) == 340
    assert not list(run.rglob("*.tmp"))


def test_wrong_additions_are_met_with_a_sentence(run, tmp_path):
    with pytest.raises(SourceError, match=r"images of shape \(9, 9\), but the run has \(12, 12\)"):
        add_images(run, np.zeros((5, 9, 9), np.uint8))
    state = json.loads((run / "run.json").read_text())
    state["stages"]["map"]["state"] = "running"
    (run / "run.json").write_text(json.dumps(state))
    with pytest.raises(RunError, match="map not done yet: finish the run, then add to it"):
        add_images(run, tmp_path)
    assert not list((run / "added").glob("*"))


def test_similar_images(made, tmp_path):
    run = Run.open(made / "run")
    assert run.similar(17, 1)["id"].to_pylist() == [5]
    path = made / "files" / "0040.png"
    found = run.similar(path, 3)
    assert found["id"][0].as_py() == 40
    assert found["distance"][0].as_py() < 1e-3
    assert found.column_names == ["id", "path", "group", "distance"]
    np.testing.assert_array_equal(
        run.similar(bars(1, 99)[0], 5)["distance"], sorted(run.similar(bars(1, 99)[0], 5)["distance"].to_pylist())
    )
    draw_similar(run, str(path), found, tmp_path / "similar.png")
    assert Image.open(tmp_path / "similar.png").width > 300
    with pytest.raises(RunError, match="no image 300: ids are 0 to 299"):
        run.similar(300)
    with pytest.raises(RunError, match=r"broken\.png: cannot be decoded \(not an image"):
        run.similar(made / "files" / "broken.png")


def test_a_notebook_shows_the_run(made):
    run = Run.open(made / "run")
    html = run._repr_html_()
    assert "300 images of 12 × 12 from files" in html
    assert "data:image/png;base64," in html
    assert run.figure("map").width > 500
    with pytest.raises(RunError, match="no figure 'mop': choose among borders, duplicates"):
        run.figure("mop")
    pandas = pytest.importorskip("pandas")
    frame = run.frame()
    assert isinstance(frame, pandas.DataFrame)
    assert len(frame) == 300
    assert frame.index.name == "id"
    assert {"path", "group", "x", "y", "error"} <= set(frame.columns)


def test_images_come_from_the_atlas_when_the_cache_is_gone(run):
    held = np.array(Run.open(run).images().images)
    shutil.rmtree(run / "cache")
    np.testing.assert_array_equal(Run.open(run).images().images, held)


@pytest.mark.parametrize("kind", [kind for kind in EXPORTS if kind not in ("issues", "onnx", "overviews", "coco")])
def test_exports(made, tmp_path, kind):
    run, out = Run.open(made / "run"), tmp_path / "out"
    assert export_run(made / "run", kind, out) == out
    assert not list(tmp_path.glob("*.tmp"))
    atlas = run.atlas()
    if kind == "csv":
        rows = list(csv.DictReader(out.open(encoding="utf-8")))
        assert [row["path"] for row in rows] == atlas["path"].to_pylist()
        latents = np.array([[float(row[f"z{i}"]) for i in range(6)] for row in rows])
        np.testing.assert_allclose(latents, run.latents(), rtol=1e-5)
    elif kind == "parquet":
        table = pq.read_table(out)
        np.testing.assert_array_equal(table["z3"], run.latents()[:, 3])
        assert "image" not in table.column_names
    elif kind == "projector":
        latents = np.fromfile(out / "tensors.bytes", "<f4").reshape(300, 6)
        np.testing.assert_array_equal(latents, run.latents())
        lines = (out / "metadata.tsv").read_text(encoding="utf-8").splitlines()
        assert len(lines) == 301
        assert lines[0].startswith("id\tpath\terror")
        assert Image.open(out / "sprite.png").size == (18 * 12, 18 * 12)
        projector = pytest.importorskip("tensorboard.plugins.projector.projector_config_pb2")
        text_format = pytest.importorskip("google.protobuf.text_format")
        config = text_format.Parse((out / "projector_config.pbtxt").read_text(), projector.ProjectorConfig())
        (embedding,) = config.embeddings
        assert list(embedding.tensor_shape) == [300, 6]
        assert list(embedding.sprite.single_image_dim) == [12, 12]
        assert all((out / name).exists() for name in (embedding.tensor_path, embedding.metadata_path))
    else:
        files = sorted(path for path in out.rglob("*.png"))
        assert len(files) == 300
        assert {path.parent.name for path in files} == {f"group-{g:02d}" for g in set(run.groups().tolist())}
        for path in files[::50]:
            number = int(path.name.split("-")[0])
            np.testing.assert_array_equal(np.asarray(Image.open(path)), run.images().images[number])
            assert path.parent.name == f"group-{run.groups()[number]:02d}"
            assert path.is_symlink() == (kind == "folders")
    if kind == "imagefolder":
        rows = list(csv.DictReader((out / "metadata.csv").open(encoding="utf-8")))
        assert all((out / row["file_name"]).exists() for row in rows)
    with pytest.raises(RunError, match="there already: name a new"):
        export_run(made / "run", kind, out)


def test_copies_instead_of_links_and_pictures_where_there_are_no_files(made, tmp_path):
    export_run(made / "run", "folders", tmp_path / "copies", copy=True)
    assert not any(path.is_symlink() for path in (tmp_path / "copies").rglob("*"))
    make_run(bars(30, 1), tmp_path / "run", RunOptions(epochs=1, latent_dim=3, n_clusters=2))
    export_run(tmp_path / "run", "folders", tmp_path / "pictures")
    assert len(list((tmp_path / "pictures").rglob("*.png"))) == 30


def test_onnx_export(made, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    export_run(made / "run", "onnx", tmp_path / "out")
    run = Run.open(made / "run")
    session = runtime.InferenceSession(tmp_path / "out" / "encoder.onnx")
    images = run.images().images[:4].astype(np.float32) / 255
    (latents,) = session.run(None, {session.get_inputs()[0].name: images})
    np.testing.assert_allclose(latents, run.latents()[:4], atol=1e-3)


def test_wrong_exports_are_met_with_a_sentence(made, tmp_path):
    with pytest.raises(RunError, match="kind='xml': choose among csv, parquet, issues, folders"):
        export_run(made / "run", "xml", tmp_path / "out")
    (tmp_path / "run").mkdir()
    shutil.copy(made / "run" / "run.json", tmp_path / "run")
    with pytest.raises(RunError, match=r"no atlas\.parquet in it yet"):
        export_run(tmp_path / "run", "csv", tmp_path / "out")
