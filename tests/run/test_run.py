"""A run on disk: it goes on where it was, redoes what a change touches and nothing else, and refuses in sentences."""

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
from quick_runs import make_with_report

from latentmap.images import SourceError, open_images
from latentmap.report import write_report
from latentmap.run import STAGES, OptionError, Run, RunError, RunOptions, make_run
from latentmap.run.labels import spread_labels
from latentmap.run.lock import locked

TABLES = [
    *("images.parquet", "latents.parquet", "features.parquet", "groups.parquet", "map.parquet"),
    *("duplicates.parquet", "outliers.parquet", "quality.parquet", "issues.parquet", "atlas.parquet"),
]
KILLED = ("decode", "train", "report")
OPTIONS = {"epochs": 2, "latent_dim": 5, "n_clusters": 4, "perplexity": 10.0, "batch_size": 64}
FLAGS = [part for name, value in OPTIONS.items() for part in (f"--{name.replace('_', '-')}", str(value))]


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """400 pictures of four kinds of bars, in a file."""
    random = np.random.default_rng(0)
    images = random.integers(0, 60, (400, 12, 12), dtype=np.uint8)
    kinds = random.integers(0, 4, 400)
    for image, kind in zip(images, kinds, strict=True):
        image[3 * kind : 3 * kind + 3] += 180
    path = tmp_path_factory.mktemp("source") / "bars.npz"
    np.savez(path, images=images, labels=kinds)
    return path


@pytest.fixture(scope="module")
def whole(source, tmp_path_factory) -> Path:
    """A run of ``source`` that nothing interrupted, made by the command."""
    path = tmp_path_factory.mktemp("runs") / "whole"
    subprocess.run(command(source, path), check=True, env=environment())
    return path


def command(source: Path, path: Path) -> list[str]:
    return [sys.executable, "-m", "latentmap", "run", str(source), "-o", str(path), *FLAGS, "--quiet"]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "src")}


def stage_states(path: Path) -> dict[str, str]:
    try:
        return {name: record["state"] for name, record in json.loads((path / "run.json").read_text())["stages"].items()}
    except FileNotFoundError:
        return {}


def assert_equal_runs(path: Path, whole: Path) -> None:
    for name in ["model/weights.safetensors", "metrics.json", *TABLES]:
        assert (path / name).read_bytes() == (whole / name).read_bytes(), name
    figures = sorted(figure.name for figure in (whole / "figures").iterdir())
    assert sorted(figure.name for figure in (path / "figures").iterdir()) == figures
    assert (path / "report.html").stat().st_size > 50_000
    assert not list(path.rglob("*.tmp"))
    assert stage_states(path) == dict.fromkeys(STAGES, "done")


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
@pytest.mark.parametrize(
    "stage",
    # two runs each; the others in `make test-slow`, with kills at random moments
    [name if name in KILLED else pytest.param(name, marks=pytest.mark.slow) for name in STAGES],
)
def test_run_killed_in_any_stage_and_resumed_equals_an_uninterrupted_one(stage, source, whole, tmp_path):
    path = tmp_path / "run"
    process = subprocess.Popen(command(source, path), env=environment())
    deadline = time.monotonic() + 60
    while stage_states(path).get(stage) != "running":
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert stage_states(path)[stage] == "running"
    subprocess.run(command(source, path), check=True, env=environment())
    assert_equal_runs(path, whole)


def short_report(folder: Path) -> list[str]:
    """A report of one line and one figure, for tests of when it is drawn and not of what is in it."""
    (folder / "figures").mkdir(exist_ok=True)
    (folder / "figures" / "map.png").write_bytes(b"a map")
    (folder / "report.html").write_text("a report", encoding="utf-8")
    return ["figures/map.png", "report.html"]


def run_again(source: Path, path: Path, **changes: object) -> list[str]:
    """The stages that are done again."""
    said: list[str] = []
    labels = changes.pop("labels", None)
    report = changes.pop("report", short_report)
    make_with_report(source, path, RunOptions(**OPTIONS | changes), report, labels=labels, say=said.append)
    said = [line for line in said if not line.startswith(" ")]
    assert [line.split(":")[0] for line in said] == list(STAGES)
    return [line.split(":")[0] for line in said if not line.endswith("kept")]


@pytest.fixture(scope="module")
def short(source, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("short") / "run"
    make_with_report(source, path, RunOptions(**OPTIONS), short_report)
    return path


@pytest.fixture
def copy(short, tmp_path) -> Path:
    return Path(shutil.copytree(short, tmp_path / "copy"))


def test_changed_options_redo_what_depends_on_them_and_nothing_else(source, copy, tmp_path):
    assert run_again(source, copy) == []
    assert run_again(source, copy, perplexity=20.0) == ["map", "report"]
    assert run_again(source, copy, perplexity=20.0, n_clusters=3) == ["group", "report"]
    assert run_again(source, copy, labels=["x", "y"] * 200) == ["decode", "map", "group", "report"]
    assert run_again(source, copy) == ["decode", "report"]
    assert run_again(source, copy, network="dense") == [one for one in STAGES if one not in ("decode", "features")]
    other = tmp_path / "other.npy"
    np.save(other, 255 - open_images(source).images)
    assert run_again(other, copy, network="dense") == list(STAGES)


@pytest.mark.parametrize(
    ("name", "redone"),
    [
        ("images.parquet", ["decode"]),
        ("model/weights.safetensors", ["train", "encode", "report"]),
        ("latents.parquet", ["encode"]),
        ("features.parquet", ["features"]),
        ("model/features.safetensors", ["features"]),
        ("groups.parquet", ["group"]),
        ("map.parquet", ["map"]),
        ("duplicates.parquet", ["find"]),
        ("figures/map.png", ["report"]),
    ],
)
def test_a_damaged_or_missing_file_is_made_again(name, redone, source, copy, whole):
    path = copy / name
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert run_again(source, copy) == redone
    path.unlink()
    assert run_again(source, copy) == redone
    assert path.read_bytes() == data


def test_what_was_made_from_other_files_is_made_again(source, copy):
    state = json.loads((copy / "run.json").read_bytes())
    state["stages"]["encode"]["files"]["latents.parquet"]["sha256"] = "0" * 64  # as of another machine
    (copy / "run.json").write_text(json.dumps(state))
    assert run_again(source, copy) == ["encode", "map", "group", "find", "report"]


def test_a_finished_run_stays_as_it_is_until_all_that_is_made_anew_is_whole(source, copy):
    def fail(_: Path) -> list[str]:
        raise OSError("the disk is full")

    before = {path.name: path.read_bytes() for path in copy.iterdir() if path.is_file()}
    with pytest.raises(OSError, match="the disk is full"):
        make_with_report(source, copy, RunOptions(**OPTIONS | {"n_clusters": 2}), fail)
    assert {path.name: path.read_bytes() for path in copy.iterdir() if path.is_file()} == before
    assert len(np.unique(Run.open(copy).groups())) == 4
    assert run_again(source, copy, n_clusters=2) == ["report"]
    assert len(np.unique(Run.open(copy).groups())) == 2
    assert not (copy / ".pending").exists()


def test_atlas_joins_everything(whole, source):
    table = pq.read_table(whole / "atlas.parquet")
    assert table.column_names == [
        *("id", "path", "image", "latent", "features", "error", "group", "confidence", "tree", "x", "y"),
        *("outlier", "duplicate_of", "added", "sharpness", "brightness", "shadows", "highlights", "contrast"),
        *("difference", "wrong_label", "label", "source", "frame"),
    ]
    assert table.num_rows == 400
    run, collection = Run.open(whole), open_images(source)
    np.testing.assert_array_equal(run.images().images, collection.images)
    np.testing.assert_array_equal(run.images().labels, collection.labels)
    assert run.images().paths == collection.paths
    np.testing.assert_array_equal(np.array(table["latent"].to_pylist(), np.float32), run.latents())
    np.testing.assert_array_equal(np.array(table["features"].to_pylist(), np.float32), run.points())
    np.testing.assert_array_equal(table["group"].to_numpy(), run.groups())
    np.testing.assert_allclose(run.model().score_samples(collection.images), run.errors(), rtol=1e-5)
    assert str(table.schema.field("latent").type) == "fixed_size_list<element: float>[5]"
    assert str(table.schema.field("image").type) == "struct<bytes: binary, path: string>"


def test_every_image_is_on_the_map(whole):
    run = Run.open(whole)
    assert run.map().shape == (400, 2)
    assert np.isfinite(run.map()).all()
    table = pq.read_table(whole / "atlas.parquet")
    np.testing.assert_array_equal(np.column_stack([table["x"], table["y"]]), run.map())


def test_options_of_an_older_version_are_left_out(whole):
    run = Run.open(whole)
    run.state["options"]["an_option_that_is_gone"] = 3
    assert run.options == RunOptions(**OPTIONS)


def test_run_json_tells_how_the_run_was_made(whole):
    state = Run.open(whole).state
    assert state["options"] == RunOptions(**OPTIONS).as_dict()
    assert state["source"]["n"] == 400
    assert {"latentmap", "python", "torch", "numpy"} <= set(state["versions"])
    for record in state["stages"].values():
        assert record["seconds"] > 0
        assert record["peak_memory_mb"] > 50
        assert all(len(file["sha256"]) == 64 for file in record["files"].values())


def test_groups_their_tree_and_what_is_said_of_them(whole):
    run = Run.open(whole)
    groups, summary, tree = run.groups(), run.group_summary(), run.tree()
    assert len(np.unique(groups)) == len(summary) == 4
    assert [one["size"] for one in summary] == np.bincount(groups).tolist()
    assert (run.confidence() > 0).all()
    pairs = set(zip(run.cut(4).tolist(), groups.tolist(), strict=True))
    assert len(pairs) == 4
    assert len(np.unique(run.cut(tree.n_blocks))) == tree.n_blocks
    with pytest.raises(ValueError, match="n_clusters=0: the tree can be cut into 1 to"):
        run.cut(0)
    metrics = run.metrics()
    assert metrics["n_groups"] == 4
    assert {"stability", "density_validity", "kmeans_accuracy", "accuracy"} <= metrics.keys()


def test_groups_by_kmeans_and_without_invariance(source, copy):
    assert run_again(source, copy, groups="kmeans", n_clusters=None) == ["group", "report"]
    run = Run.open(copy)
    assert len(np.unique(run.groups())) == 10
    assert ((run.confidence() >= 0.5) & (run.confidence() <= 1)).all()
    assert not (copy / "tree.parquet").exists()
    assert run_again(source, copy, invariant=False, report=write_report) == ["group", "report"]
    assert "--no-invariant" in (copy / "report.html").read_text(encoding="utf-8")


def test_a_few_labels_are_spread_to_all_images(source, copy, tmp_path):
    run, truth = Run.open(copy), open_images(source).labels
    file = tmp_path / "labels.csv"
    paths = run.atlas()["path"].to_pylist()
    some = [int(np.flatnonzero(truth == label)[i]) for label in np.unique(truth) for i in range(3)]
    file.write_text("path,label\n" + "".join(f"{paths[i]},kind {truth[i]}\n" for i in some), encoding="utf-8")
    table = pq.read_table(spread_labels(copy, file)).to_pydict()
    assert [label for label in table["given"] if label] == [f"kind {truth[i]}" for i in sorted(some)]
    right = np.array(table["label"]) == np.char.add("kind ", truth.astype(str))
    assert right.mean() > 1.5 / len(np.unique(truth))
    assert right[some].all()
    assert all(0 <= value <= 1 for value in table["confidence"])
    file.write_text("id,label\n400,a\n", encoding="utf-8")
    with pytest.raises(RunError, match="id '400' is not in the run"):
        spread_labels(copy, file)
    file.write_text("name,label\n", encoding="utf-8")
    with pytest.raises(RunError, match="columns name, label: give `label`, and `path` or `id`"):
        spread_labels(copy, file)


def test_unsure_images_are_in_no_group(source, copy):
    assert run_again(source, copy, min_confidence=0.95, n_clusters=9) == ["group", "report"]  # four are too clear
    run = Run.open(copy)
    np.testing.assert_array_equal(run.groups() < 0, run.confidence() < 0.95)
    assert run.metrics()["unsure"] == (run.groups() < 0).mean() > 0


@pytest.mark.parametrize("n", [5, 11])
def test_the_smallest_collections_run(n, tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (n, 8, 8, 3), dtype=np.uint8)
    run = make_with_report(images, tmp_path / "run", RunOptions(epochs=1, n_clusters=2), write_report)
    assert run.map().shape == (n, 2)
    assert len(np.unique(run.map(), axis=0)) == n  # no two images in one place
    assert sorted(set(run.groups())) == [0, 1]
    assert len(set(run.cut(3))) == 3
    assert run.neighbors().indices.shape == (n, 4)
    np.testing.assert_array_equal([np.asarray(run.image(i)) for i in range(n)], images)
    assert run.metrics()["n_groups"] == 2
    assert 0 < run.metrics()["reconstruction_error"] < 1
    figures = sum(path.suffix == ".png" for path in (run.path / "figures").iterdir())
    html = (run.path / "report.html").read_text(encoding="utf-8")
    assert html.count('src="data:image/png;base64,') == figures >= 14


def test_skipped_files_are_listed(tmp_path):
    from PIL import Image

    folder = tmp_path / "<b>folder"
    folder.mkdir()
    for i in range(6):
        Image.fromarray(np.full((8, 8), 20 * i, np.uint8)).save(folder / f"{i}.png")
    (folder / "<script>alert(1)<.png").write_text("no image")
    run = make_with_report(folder, tmp_path / "run", RunOptions(epochs=1, n_clusters=2), write_report)
    assert [path for path, _ in run.skipped()] == ["<script>alert(1)<.png"]
    html = (run.path / "report.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)" in html
    assert "<script" not in html


@pytest.mark.parametrize("n_kinds", [1, 2])
def test_the_report_says_when_nothing_divides_the_images(tmp_path, n_kinds):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 60, (240, 8, 8), dtype=np.uint8)
    images[::n_kinds, :, :4] += 150
    run = make_with_report(images, tmp_path / "run", RunOptions(epochs=2, invariant=False), write_report)
    share = np.bincount(run.groups()).max() / 240
    assert (share > 0.8) == (n_kinds == 1)
    html = (run.path / "report.html").read_text(encoding="utf-8")
    assert ("form one group of 240 images" in " ".join(html.split())) == (n_kinds == 1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"latent_dim": 0}, "latent_dim=0: ask for at least 1"),
        ({"n_clusters": 0}, "n_clusters=0: ask for at least 1"),
        ({"perplexity": 0}, "perplexity=0: ask for more than 0"),
        ({"groups": "dbscan"}, "groups='dbscan': choose among graph, kmeans"),
        ({"min_confidence": 1.5}, "min_confidence=1.5: ask for one from 0 to 1"),
        ({"learning_rate": float("nan")}, "learning_rate=nan: ask for more than 0"),
        ({"seed": -1}, "seed=-1: ask for one from 0"),
        ({"network": "resnet"}, "network='resnet': choose among auto, pyramid, variational, dense, conv"),
        ({"activation": "rellu"}, "activation='rellu' is not in torch.nn: did you mean"),
    ],
)
def test_wrong_option_is_met_with_a_sentence(options, words):
    with pytest.raises(OptionError, match=words):
        RunOptions(**options)


def test_options_that_do_not_fit_the_collection_are_met_with_a_sentence(source, tmp_path):
    with pytest.raises(OptionError, match="n_clusters=500 exceeds the 400 images: ask for at most 400"):
        make_run(source, tmp_path / "run", RunOptions(n_clusters=500))
    with pytest.raises(SourceError, match="array: 2 images: a map needs at least 5"):
        make_run(np.zeros((2, 4, 4), np.uint8), tmp_path / "run")


def test_wrong_folder_is_met_with_a_sentence_and_left_alone(source, tmp_path):
    file = tmp_path / "file"
    file.write_text("precious")
    with pytest.raises(RunError, match="a file is in the way"):
        make_run(source, file)
    with pytest.raises(RunError, match=r"cannot be written to \(Not a directory\)"):
        make_run(source, file / "below")
    with pytest.raises(RunError, match="not empty and not a run"):
        make_run(source, tmp_path)
    with pytest.raises(RunError, match=r"no run\.json in it"):
        Run.open(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert file.read_text() == "precious"


def test_a_run_of_another_version_is_left_alone(source, tmp_path):
    state = json.dumps({"format_version": 99, "stages": {}})
    (tmp_path / "run.json").write_text(state)
    for use in (lambda: make_run(source, tmp_path), lambda: Run.open(tmp_path)):
        with pytest.raises(RunError, match="format version 99, this latentmap reads version 2"):
            use()
    assert (tmp_path / "run.json").read_text() == state
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(RunError, match="damaged"):
        Run.open(tmp_path)


def test_a_second_writer_is_refused(source, copy):
    with locked(copy), pytest.raises(RunError, match="another latentmap is writing to this run"):
        make_run(source, copy, RunOptions(**OPTIONS))
    assert run_again(source, copy) == []


def test_unfinished_runs_say_what_is_missing(source, tmp_path):
    def fail(_: Path) -> list[str]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_with_report(source, tmp_path / "run", RunOptions(**OPTIONS), fail)
    run = Run.open(tmp_path / "run")
    (run.path / "atlas.parquet").unlink()
    with pytest.raises(RunError, match=r"atlas\.parquet: not there yet: finish the run"):
        run.atlas()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_training_that_was_killed_goes_on_at_its_last_epoch(source, tmp_path):
    options = ["--epochs", "12", "--latent-dim", "5", "--n-clusters", "4", "--batch-size", "16"]
    path, whole = tmp_path / "run", tmp_path / "whole"
    subprocess.run([*command(source, whole), *options], check=True, env=environment())
    process = subprocess.Popen([*command(source, path), *options], env=environment())
    deadline = time.monotonic() + 60
    while not (path / "training.safetensors").exists():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert stage_states(path)["train"] == "running"
    subprocess.run([*command(source, path), *options], check=True, env=environment())
    assert_equal_runs(path, whole)
    assert not (path / "training.safetensors").exists()
    losses = [Run.open(run).model().history_["loss"] for run in (path, whole)]
    assert losses[0] == losses[1]
