"""Runs of given vectors and places: what is written, kept, added to, resumed and refused; also without any images."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import adjusted_rand_score

from latentmap.core.errors import OptionError, RunError, SourceError
from latentmap.images.mnist import load_mnist
from latentmap.neighbors import nearest_neighbors
from latentmap.run import Run, RunOptions, add_images, export_run, make_run
from latentmap.run.findings import findings
from latentmap.run.labels import spread_labels
from latentmap.run.state import STAGES, STAGES_WITH_VECTORS

OPTIONS = RunOptions(n_clusters=3)
N = 60


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """70 images of three digits."""
    images, labels = load_mnist("test")
    rows = np.flatnonzero(labels < 3)[: N + 10]
    return images[rows], labels[rows]


@pytest.fixture(scope="module")
def vectors(digits) -> np.ndarray:
    """Vectors in five dimensions as a network or UMAP makes them: a place for each digit, and noise; (70, 5)."""
    random = np.random.default_rng(0)
    return random.normal(size=(10, 5))[digits[1]] * 4 + random.normal(size=(N + 10, 5))


@pytest.fixture(scope="module")
def made(digits, vectors, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("vectors") / "run"
    make_run(digits[0][:N], path, OPTIONS, labels=digits[1][:N], vectors=vectors[:N])
    return path


@pytest.fixture
def copy(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copy"))


@pytest.fixture(scope="module")
def points(vectors, tmp_path_factory) -> Path:
    """A run without images, of a table."""
    folder = tmp_path_factory.mktemp("points")
    columns = {"id": [f"p{i}" for i in range(N)], "emb": list(vectors[:N]), "label": ["a", "b"] * (N // 2)}
    pq.write_table(pa.table(columns | {"size": range(N)}), folder / "z.parquet")
    make_run(None, folder / "run", OPTIONS, vectors=folder / "z.parquet")
    return folder / "run"


def run_again(source, path: Path, options: RunOptions = OPTIONS, **given) -> list[str]:
    """The stages that are done again."""
    said: list[str] = []
    make_run(source, path, options, say=said.append, **given)
    return [line.partition(":")[0] for line in said if ": done in" in line]


# ---------------------------------------------------------------- what is written


def test_the_vectors_are_the_latent_vectors_and_there_are_no_errors(made, vectors):
    run = Run(made)
    np.testing.assert_array_equal(run.latents(), vectors[:N].astype(np.float32))
    np.testing.assert_array_equal(run.points(), run.latents())
    np.testing.assert_array_equal(np.load(made / "cache" / "vectors.npy"), run.latents())
    assert (run.has_vectors, run.has_decoder, run.has_encoder, run.has_features) == (True, False, False, False)
    atlas = pq.read_table(made / "atlas.parquet")
    assert {"latent", "image", "label", "outlier"} <= set(atlas.column_names)
    assert not {"error", "features"} & set(atlas.column_names)
    assert pq.read_schema(made / "latents.parquet").names == ["id", "latent"]
    assert not (made / "model").exists()


def test_groups_map_and_metrics_go_by_the_vectors(made, digits):
    run = Run(made)
    metrics = run.metrics()
    assert metrics["accuracy"] > 0.95
    assert metrics["trustworthiness"] > 0.9
    assert "reconstruction_error" not in metrics
    assert findings(run)[0].startswith("3 groups")
    near = nearest_neighbors(run.map(), 3).indices
    assert (digits[1][near] == digits[1][:N, None]).mean() > 0.9


def test_run_json_says_what_was_given(made, vectors):
    state = json.loads((made / "run.json").read_text())
    assert list(state["stages"]) == list(STAGES_WITH_VECTORS)
    assert state["options"]["features"] == "latent"
    found = state["vectors"]
    assert {"name": "array", "path": None, "n": N, "dimensions": 5, "matched_by": "row"}.items() <= found.items()
    assert len(found["sha256"]) == len(found["key"]) == 64


def test_a_run_without_vectors_has_no_such_stage(digits, tmp_path):
    run = make_run(digits[0][:20], tmp_path / "run", RunOptions(epochs=1, latent_dim=2))
    assert list(run.stages) == list(STAGES)
    assert "vectors" not in run.state


def test_cosine_vectors_are_compared_by_direction_only(digits, vectors, tmp_path):
    lengths = np.random.default_rng(1).uniform(0.1, 50, (N, 1))
    run = make_run(digits[0][:N], tmp_path / "a", RunOptions(n_clusters=3, metric="cosine"), vectors=vectors[:N])
    other = make_run(
        digits[0][:N], tmp_path / "b", RunOptions(n_clusters=3, metric="cosine"), vectors=vectors[:N] * lengths
    )
    np.testing.assert_allclose(np.linalg.norm(run.points(), axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(run.points(), other.points(), atol=1e-6)
    assert adjusted_rand_score(run.groups(), other.groups()) == 1
    np.testing.assert_allclose(other.latents(), vectors[:N] * lengths, rtol=1e-6)
    unit = run.points()
    found = other.similar(7, n=3)
    order = np.argsort(-(unit @ unit[7]), kind="stable")
    assert found["id"].to_pylist() == order[1:4].tolist()


def test_copies_are_found_by_their_files_and_isolated_images_by_their_vectors(digits, vectors, tmp_path):
    images, given = digits[0][:N].copy(), vectors[:N].copy()
    images[5], given[9] = images[3], 500
    run = make_run(images, tmp_path / "run", OPTIONS, vectors=given)
    assert [(row["id"], row["duplicate_of"]) for row in run.duplicates().to_pylist() if row["exact"]] == [(5, 3)]
    assert run.outliers()["is_outlier"].to_numpy(zero_copy_only=False)[9]


def test_what_needs_a_network_is_refused_with_a_sentence(made, digits, tmp_path):
    run = Run(made)
    for ask in (run.model, run.errors, lambda: export_run(made, "onnx", tmp_path / "onnx")):
        with pytest.raises(RunError, match="made from given vectors without a network"):
            ask()
    with pytest.raises(RunError, match="ask for an image of the run by its id"):
        run.similar(digits[0][0])
    with pytest.raises(RunError, match="made without features"):
        run.features()


def test_labels_are_spread_and_tables_exported(copy, tmp_path, digits):
    rows = "".join(f"{i},{digits[1][i]}\n" for i in range(6))
    (tmp_path / "labels.csv").write_text(f"id,label\n{rows}", encoding="utf-8")
    spread = pq.read_table(spread_labels(copy, tmp_path / "labels.csv"))
    assert len(set(digits[1][:6])) == 3
    assert (np.array(spread["label"].to_pylist()) == digits[1][:N].astype(str)).mean() > 0.95
    for kind in ("csv", "parquet", "projector", "imagefolder", "folders"):
        export_run(copy, kind, tmp_path / kind)
    assert pq.read_table(tmp_path / "parquet")["z4"].to_pylist() == Run(copy).latents()[:, 4].tolist()


# ---------------------------------------------------------------- what is kept and what is repeated


def test_the_same_vectors_keep_everything_and_others_repeat_what_depends_on_them(digits, vectors, copy, tmp_path):
    given = {"labels": digits[1][:N]}
    again = lambda options=OPTIONS, **more: run_again(digits[0][:N], copy, options, **given, **more)  # noqa: E731
    np.save(tmp_path / "z.npy", vectors[:N].astype(np.float32))
    assert again(vectors=tmp_path / "z.npy") == []
    cosine = RunOptions(n_clusters=3, metric="cosine")
    assert again(cosine, vectors=vectors[:N]) == ["map", "group", "find", "report"]
    later = [stage for stage in STAGES_WITH_VECTORS if stage not in ("decode", "features")]
    assert again(vectors=vectors[:N] + 1) == later
    np.testing.assert_allclose(Run(copy).latents(), vectors[:N] + 1, rtol=1e-5)


def test_vectors_come_and_go(digits, vectors, copy):
    plain = RunOptions(epochs=1, latent_dim=2, n_clusters=3)
    assert run_again(digits[0][:N], copy, plain, labels=digits[1][:N]) == [one for one in STAGES if one != "decode"]
    run = Run(copy)
    assert (run.has_vectors, run.has_decoder) == (False, True)
    assert not (copy / "cache" / "vectors.npy").exists()
    assert len(run.errors()) == N
    redone = run_again(digits[0][:N], copy, labels=digits[1][:N], vectors=vectors[:N])
    assert redone == [one for one in STAGES_WITH_VECTORS if one != "decode"]
    assert not Run(copy).has_decoder
    assert not (copy / "model" / "config.json").exists()


def test_a_cache_that_was_deleted_is_restored_from_the_tables(digits, vectors, copy):
    whole = (copy / "cache" / "vectors.npy").read_bytes()
    shutil.rmtree(copy / "cache")
    assert run_again(digits[0][:N], copy, labels=digits[1][:N], vectors=vectors[:N]) == []
    assert (copy / "cache" / "vectors.npy").read_bytes() == whole
    shutil.rmtree(copy / "cache")
    add_images(copy, digits[0][N:], vectors=vectors[N:])
    assert (copy / "cache" / "vectors.npy").read_bytes() == whole


KILLED = """
import os, signal, sys
import numpy as np
from latentmap.run import RunOptions, make_run
from latentmap.run.given import floats, vector_files

def stop_after_one(*given):
    yield next(floats.float_blocks(*given))
    os.kill(os.getpid(), signal.SIGKILL)

floats.MAPPED_BLOCK_BYTES = 100
vector_files.float_blocks = stop_after_one
folder = sys.argv[1]
make_run(folder + "/x.npy", folder + "/run", RunOptions(n_clusters=3), vectors=folder + "/z.npy")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_run_killed_while_vectors_are_written_resumes(digits, vectors, made, tmp_path):
    np.save(tmp_path / "x.npy", digits[0][:N])
    np.save(tmp_path / "z.npy", vectors[:N])
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path], check=False, env=environment)
    assert killed.returncode == -signal.SIGKILL
    path = tmp_path / "run"
    assert json.loads((path / "run.json").read_text())["stages"]["vectors"]["state"] == "running"
    assert list((path / "cache").glob(".latentmap-*"))
    redone = run_again(tmp_path / "x.npy", path, vectors=tmp_path / "z.npy")
    assert redone == [one for one in STAGES_WITH_VECTORS if one != "decode"]
    for name in ("latents.parquet", "map.parquet", "groups.parquet", "cache/vectors.npy"):
        assert (path / name).read_bytes() == (made / name).read_bytes(), name
    assert not list(path.rglob("*.tmp"))


def test_vectors_that_do_not_fit_leave_the_run_as_it_is(digits, vectors, copy):
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    with pytest.raises(SourceError, match="70 vectors for 60 images, row 60 is of no image"):
        make_run(digits[0][:N], copy, OPTIONS, labels=digits[1][:N], vectors=vectors)
    with pytest.raises(OptionError, match="epochs=2: with given vectors no network is trained"):
        make_run(digits[0][:N], copy, RunOptions(epochs=2), vectors=vectors[:N])
    with pytest.raises(OptionError, match="metric='cosine'"):
        make_run(digits[0][:N], copy, RunOptions(metric="cosine"))
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


# ---------------------------------------------------------------- what is added


def test_added_images_bring_their_vectors(digits, vectors, copy, tmp_path):
    images, labels = digits
    with pytest.raises(OptionError, match="made from given vectors: pass those of the images to add"):
        add_images(copy, images[N:])
    with pytest.raises(OptionError, match="vectors of 4 numbers, those of the run have 5"):
        add_images(copy, images[N:], vectors=vectors[N:, :4])
    with pytest.raises(SourceError, match="9 vectors for 10 images, image 9"):
        add_images(copy, images[N:], vectors=vectors[N + 1 :])
    keys = [f"array[{i}]" for i in range(9, -1, -1)]
    pq.write_table(pa.table({"path": keys, "emb": list(vectors[:-11:-1])}), tmp_path / "more.parquet")
    done = add_images(copy, images[N:], vectors=tmp_path / "more.parquet")
    assert (done.n_added, done.is_due) == (10, False)
    run, atlas = Run(copy), pq.read_table(copy / "atlas.parquet")
    assert atlas.num_rows == N + 10
    found = np.array(atlas["latent"].to_pylist(), np.float32)[N:]
    np.testing.assert_array_equal(found, vectors[N:].astype(np.float32))
    group_of = {digit: np.bincount(run.groups()[labels[:N] == digit]).argmax() for digit in range(3)}
    assert atlas["group"].to_pylist()[N:] == [group_of[digit] for digit in labels[N:]]
    assert add_images(copy, images[N:], vectors=vectors[N:]).n_known == 10


def test_added_images_are_placed_again_by_the_vectors_that_they_came_with(digits, vectors, copy):
    add_images(copy, digits[0][N:], vectors=vectors[N:])
    shutil.rmtree(copy / "added" / "0001" / "cache")
    given = {"labels": digits[1][:N], "vectors": vectors[:N]}
    assert "group" in run_again(digits[0][:N], copy, RunOptions(n_clusters=2), **given)
    found = pq.read_table(copy / "atlas.parquet")["latent"].to_pylist()[N:]
    np.testing.assert_array_equal(np.array(found, np.float32), vectors[N:].astype(np.float32))
    with pytest.raises(RunError, match="images were added to it with other vectors"):
        make_run(digits[0][:N], copy, OPTIONS, labels=digits[1][:N], vectors=vectors[:N] + 1)


def test_vectors_are_refused_by_a_run_that_computes_its_own(quick, quick_base, tmp_path):
    from quick_runs import images

    path = Path(shutil.copytree(quick_base, tmp_path / "run"))
    with pytest.raises(OptionError, match="computes the vectors of its images: add images without vectors"):
        add_images(path, images(3, 5), vectors=np.zeros((3, 3)))


# ---------------------------------------------------------------- places


def test_places_are_taken_and_added_images_lie_among_their_neighbours(digits, vectors, tmp_path):
    random = np.random.default_rng(3)
    xy = np.array([[0, 0], [1000, 0], [0, 1000]])[digits[1][:N]] + random.normal(size=(N, 2))
    order = random.permutation(N)
    columns = {"id": order, "x": xy[order, 0], "y": xy[order, 1]}
    pq.write_table(pa.table(columns), tmp_path / "xy.parquet")
    given = {"vectors": vectors[:N], "places": tmp_path / "xy.parquet"}
    run = make_run(digits[0][:N], tmp_path / "run", OPTIONS, **given)
    np.testing.assert_allclose(run.map(), xy, rtol=1e-6)
    assert run.has_places
    assert run.state["places"]["matched_by"] == "id"
    assert run_again(digits[0][:N], run.path, **given) == []
    add_images(run.path, digits[0][N:], vectors=vectors[N:])
    atlas = pq.read_table(run.path / "atlas.parquet")
    placed = np.column_stack([atlas["x"], atlas["y"]])[N:]
    np.testing.assert_allclose(placed, np.array([[0, 0], [1000, 0], [0, 1000]])[digits[1][N:]], atol=10)
    moved = given | {"places": xy + 1}
    assert run_again(digits[0][:N], run.path, **moved) == ["map", "report"]
    np.testing.assert_allclose(Run(run.path).map(), xy + 1, rtol=1e-6)
    assert run_again(digits[0][:N], run.path, vectors=vectors[:N]) == ["map", "report"]
    assert not Run(run.path).has_places


def test_places_of_a_run_that_trains_a_network(digits, tmp_path):
    xy = np.random.default_rng(0).normal(size=(20, 2))
    run = make_run(digits[0][:20], tmp_path / "run", RunOptions(epochs=1, latent_dim=2), places=xy)
    np.testing.assert_allclose(run.map(), xy, rtol=1e-6)
    assert run.has_decoder
    assert run.has_features
    with pytest.raises(OptionError, match="perplexity=5: with given places there is no t-SNE"):
        make_run(digits[0][:20], tmp_path / "run", RunOptions(perplexity=5), places=xy)


# ---------------------------------------------------------------- points without pictures


def test_points_without_pictures_are_named_by_their_table(points):
    run = Run(points)
    assert run.state["source"]["pictures"] is False
    assert not run.has_pictures
    atlas = pq.read_table(points / "atlas.parquet")
    assert "image" not in atlas.column_names
    assert atlas["path"].to_pylist()[:2] == ["p0", "p1"]
    assert atlas["label"].to_pylist()[:2] == ["a", "b"]
    assert atlas["size"].to_pylist() == list(range(N))
    assert run.metrics()["n_groups"] == 3
    assert "images" not in findings(run)[0]
    assert run.similar(3, n=2)["path"].to_pylist()[0].startswith("p")


def test_points_without_pictures_are_exported_as_far_as_they_can_be(points, tmp_path):
    export_run(points, "csv", tmp_path / "all.csv")
    export_run(points, "projector", tmp_path / "projector")
    assert not (tmp_path / "projector" / "sprite.png").exists()
    for kind in ("folders", "imagefolder"):
        with pytest.raises(RunError, match="its points have no pictures"):
            export_run(points, kind, tmp_path / kind)
    with pytest.raises(RunError, match="its points have no pictures"):
        Run(points).image(0)


def test_points_are_added_by_their_vectors_alone(points, vectors, digits, tmp_path):
    path = Path(shutil.copytree(points, tmp_path / "run"))
    shutil.rmtree(path / "cache")
    with pytest.raises(SourceError, match="made from vectors alone: add vectors"):
        add_images(path, digits[0][N:], vectors=vectors[N:])
    new = np.vstack([vectors[N:], vectors[:1]])  # the last one is known
    done = add_images(path, None, vectors=new)
    assert (done.n_added, done.n_known) == (10, 1)
    assert pq.read_table(path / "atlas.parquet").num_rows == N + 10
    assert run_again(None, path, vectors=points.parent / "z.parquet") == []


def test_equal_vectors_are_exact_duplicates(vectors, tmp_path):
    given = vectors[:N].copy()
    given[7] = given[2]
    found = make_run(None, tmp_path / "run", OPTIONS, vectors=given).duplicates().to_pylist()
    assert [(row["id"], row["duplicate_of"], row["exact"]) for row in found] == [(7, 2, True)]


def test_without_images_there_must_be_vectors(tmp_path, digits, made):
    with pytest.raises(SourceError, match=r"no images: a source is .*; without one, pass vectors"):
        make_run(None, tmp_path / "run")
    path = Path(shutil.copytree(made, tmp_path / "copy"))
    with pytest.raises(SourceError, match="no images to add"):
        add_images(path, None, vectors=digits[0][:3])
    with pytest.raises(SourceError, match="4 points: a map needs at least 5"):
        make_run(None, tmp_path / "run", vectors=np.eye(4))


# ---------------------------------------------------------------- a run as the source


def test_a_run_gives_its_images_to_another(made, vectors, digits, tmp_path, monkeypatch):
    monkeypatch.setattr("latentmap.images.listing_decoder.decode_listing", None)
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*")}
    run = make_run(made, tmp_path / "run", OPTIONS, vectors=-vectors[:N])
    np.testing.assert_array_equal(run.images().images, digits[0][:N])
    assert run.images().labels.tolist() == digits[1][:N].tolist()
    assert run.images().paths == Run(made).images().paths
    assert run.state["source"]["path"] == str(made)
    assert {path: path.stat().st_mtime_ns for path in made.rglob("*")} == before
    assert run_again(made, run.path, vectors=-vectors[:N]) == []
    with pytest.raises(OptionError, match="is a run, whose images keep their size"):
        from latentmap.images import ShapeOptions
        from latentmap.images.decode_options import DecodeOptions

        make_run(made, tmp_path / "other", OPTIONS, vectors=vectors[:N], decoding=DecodeOptions(ShapeOptions(8)))


def test_a_run_gives_also_the_images_that_were_added_to_it(copy, vectors, digits, tmp_path):
    add_images(copy, digits[0][N:], vectors=vectors[N:])
    run = make_run(copy, tmp_path / "run", OPTIONS, vectors=vectors)
    np.testing.assert_array_equal(run.images().images, digits[0])
    assert len(run.images().sources) == 2
    np.testing.assert_array_equal(run.latents(), vectors.astype(np.float32))


def test_a_run_without_pictures_gives_its_points(points, vectors, tmp_path):
    with pytest.raises(SourceError, match="a run without pictures: pass the vectors"):
        make_run(points, tmp_path / "run")
    run = make_run(points, tmp_path / "run", OPTIONS, vectors=vectors[:N] * 2)
    assert not run.has_pictures
    assert run.images().paths[0] == "p0"
