"""Bad input of every command is met with a sentence; a bug keeps its traceback and asks to be reported."""

import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from latentmap import map_images
from latentmap.cli import app
from latentmap.core.errors import LatentmapError, SourceError

SRC = Path(__file__).parents[1] / "src"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A finished run, copies of it with a damaged file each, and files that no reader takes."""
    folder = tmp_path_factory.mktemp("errors")
    random = np.random.default_rng(0)
    images = random.integers(0, 255, (12, 8, 8), np.uint8)
    map_images(images, folder / "run", epochs=1, latent_dim=2, features="latent", quiet=True)
    map_images(images, folder / "no-features", epochs=1, latent_dim=2, quiet=True)
    (folder / "no-features" / "model" / "features.safetensors").write_bytes(b"junk")
    for name, file in (("no-atlas", "atlas.parquet"), ("no-model", "model/config.json"), ("no-state", "run.json")):
        shutil.copytree(folder / "run", folder / name)
        (folder / name / file).write_bytes(b"\xff" * 100)
    for name, file in (("cut-atlas", "atlas.parquet"), ("cut-weights", "model/weights.safetensors")):
        shutil.copytree(folder / "run", folder / name)
        data = bytearray((folder / name / file).read_bytes())
        data[len(data) // 3 : len(data) // 3 + 60] = b"\xff" * 60
        (folder / name / file).write_bytes(bytes(data) if "atlas" in file else bytes(data[:-9]))
    np.save(folder / "good.npy", images)
    Image.fromarray(images[0]).save(folder / "good.png")
    np.save(folder / "objects.npy", np.array([{}, 1], object), allow_pickle=True)
    np.savez(folder / "arrays.npz", a=np.zeros(3), b=np.zeros((2, 2)))
    pq.write_table(pa.table({"x": [1, 2]}), folder / "numbers.parquet")
    pq.write_table(pa.table({"image": [{"bytes": b"x", "path": "a"}] * 6}), folder / "pictures.parquet")
    files = {
        "junk.npy": b"\x93NUMPY\x01\x00junk",
        "junk.npz": b"PK\x03\x04junk",
        "junk.zip": b"PK\x03\x04junk",
        "junk.tar.gz": gzip.compress(bytes(2000))[:-4],
        "junk.parquet": b"PAR1junkjunkPAR1",
        "junk.png": b"\x89PNG\r\n\x1a\njunk",
        "junk.tif": b"II*\x00" + bytes(range(100)),
        "junk.csv": b"path,label\n\x00\x00\xff\n",
        "empty.csv": b"",
        "junk.idx3-ubyte": b"\x00\x00\x08\x03junk",
        "junk.xlsx": b"PK\x03\x04",
        "junk.json": b"{",
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "empty").mkdir()
    (folder / "loop").symlink_to(folder / "loop")
    return folder


SOURCES = [
    *("junk.npy", "junk.npz", "junk.zip", "junk.tar.gz", "junk.parquet", "junk.png", "junk.tif", "junk.csv"),
    *("empty.csv", "junk.idx3-ubyte", "junk.xlsx", "junk.json", "objects.npy", "arrays.npz", "numbers.parquet"),
    *("pictures.parquet", "empty", "loop", "nowhere", "nowhere-*.png"),
]
LABELS = ["junk.npy", "junk.parquet", "junk.csv", "empty.csv", "objects.npy", "junk.xlsx", "empty", "loop", "nowhere"]
OPTIONS = {
    **{"network": "x", "activation": "x", "latent-dim": "0", "epochs": "0", "batch-size": "-1", "learning-rate": "nan"},
    **{"beta": "-1", "denoising": "x", "noise-level": "2", "augmentation": "x", "precision": "x", "groups": "x"},
    **{"n-clusters": "13", "min-confidence": "7", "perplexity": "nan", "size": "0", "fit": "x", "color": "x"},
    **{"background": "x", "cache-limit": "nan", "seed": "-1"},
}
BAD = [
    *(["run", source, "-o", "new"] for source in SOURCES),
    *(["add", "run", source] for source in SOURCES),
    *(["similar", "run", source] for source in SOURCES),
    *(["run", "good.npy", "-o", "new", "--labels", labels] for labels in LABELS),
    *(["label", "run", labels] for labels in LABELS),
    *(["run", "good.npy", "-o", "new", f"--{name}", value] for name, value in OPTIONS.items()),
    *(["run", "good.npy", "-o", "new", f"--{name}", str(10**30)] for name in ("latent-dim", "batch-size", "seed")),
    *(["run", "good.npy", "-o", out] for out in ("good.npy", "loop", "empty.csv/run", "no-state")),
    *(["info", run] for run in ("empty", "nowhere", "loop", "no-state", "no-atlas")),
    *(["similar", run, "3"] for run in ("empty", "nowhere", "no-state", "no-atlas")),
    *(["similar", run, "good.png"] for run in ("no-model", "cut-weights", "no-features")),
    *(["similar", "run", "3", "-o", out] for out in ("empty", "nowhere/found.png", "good.npy/found.png")),
    *(["similar", "run", image] for image in ("99", "-99")),
    *(["export", "run", kind, "good.npy"] for kind in ("csv", "folders", "onnx", "x")),
    *(["export", "run", "csv", out] for out in ("good.npy/x", "loop/x", "run/x")),
    *(["export", "cut-atlas", kind, f"new-{kind}"] for kind in ("csv", "parquet", "folders", "projector")),
    *(["export", "cut-weights", "onnx", "new-onnx"], ["export", "no-state", "csv", "new.csv"]),
    *(["select", run, "-n", "2", "-o", "new.csv"] for run in ("empty", "nowhere", "no-state", "no-atlas", "cut-atlas")),
    *(["select", "run", "-n", "2", "-o", out] for out in ("good.npy", "empty", "loop/x.csv", "run/x.csv", "junk.csv")),
    *(["explore", run, "--no-browser"] for run in ("empty", "nowhere", "no-state", "no-atlas")),
    *(["explore", "run", "--port", "70000"], ["explore", "run", "--no-browser", "--allow-host", "a b/c"]),
    *(["reproduce", "S99"], ["reproduce", "S1", "-o", "good.npy"]),
]


@pytest.mark.parametrize("arguments", BAD, ids=" ".join)
def test_bad_input_is_met_with_a_sentence(folder, arguments, monkeypatch):
    monkeypatch.chdir(folder)
    # a number below 0 would be taken for an option
    given = [*arguments[:2], "--", *arguments[2:]] if arguments[-1] == "-99" else arguments
    result = CliRunner().invoke(app, given)
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code == 2
    last = result.stderr.splitlines()[-1]
    assert last.startswith("latentmap: ")
    assert "[Errno" not in last
    assert not (folder / "new" / "atlas.parquet").exists()


BUGS = [
    ("latentmap.api.map_images", ["run", "good.npy", "-o", "run"]),
    ("latentmap.api.add_images", ["add", "run", "good.npy"]),
    ("latentmap.run.Run.open", ["info", "run"]),
    ("latentmap.run.Run.similar", ["similar", "run", "3"]),
    ("latentmap.run.export_run", ["export", "run", "csv", "new.csv"]),
    ("latentmap.run.labels.spread_labels", ["label", "run", "labels.csv"]),
    ("latentmap.run.selecting.write_selection", ["select", "run", "-n", "2", "-o", "new.csv"]),
    ("latentmap.explorer.explore", ["explore", "run"]),
    ("latentmap.chapter.reproduce", ["reproduce", "S1", "-o", "run"]),
]


@pytest.mark.parametrize(("place", "arguments"), BUGS, ids=[arguments[0] for _, arguments in BUGS])
@pytest.mark.parametrize("error", [ValueError, TypeError, KeyError, ImportError, RuntimeError])
def test_a_bug_asks_to_be_reported(folder, place, arguments, error, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise error("an array with a sequence")

    monkeypatch.chdir(folder)
    monkeypatch.setattr(place, fail)
    result = CliRunner().invoke(app, arguments)
    assert type(result.exception) is error
    assert result.exit_code == 1
    (line,) = result.exception.__notes__
    state = Path("run", "run.json")
    assert line == f"latentmap: this is a bug in latentmap: please report it with the lines above and {state}"


def test_a_bug_keeps_its_traceback_above_the_line(folder):
    code = (
        "import numpy as np, latentmap.run.run, latentmap.cli\n"
        "latentmap.run.run.nearest_rows = lambda *_: np.zeros(2) @ np.zeros(3)\n"
        "latentmap.cli.main()"
    )
    line = [sys.executable, "-c", code, "similar", folder / "run", "3"]
    environment = os.environ | {"PYTHONPATH": str(SRC)}
    done = subprocess.run(line, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-2].startswith("ValueError: matmul: ")
    assert lines[-1].startswith("latentmap: this is a bug in latentmap: please report it with the lines above and ")
    assert lines[-1].endswith(str(folder / "run" / "run.json"))


@pytest.mark.parametrize(
    "error", [SourceError("the sentence"), LatentmapError("the sentence"), OSError("the sentence")]
)
def test_errors_of_the_tree_and_of_the_system_are_sentences(folder, error, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("latentmap.run.Run.open", fail)
    result = CliRunner().invoke(app, ["info", str(folder / "run")])
    assert (result.exit_code, result.stderr) == (2, "latentmap: the sentence\n")


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_names_that_are_not_utf_8_do_no_harm(folder):
    odd = Path(os.fsdecode(os.fsencode(folder) + b"/na\xffme.npy"))
    shutil.copy(folder / "good.npy", odd)
    options = ["--epochs", "1", "--latent-dim", "2", "--quiet"]
    line = [sys.executable, "-m", "latentmap"]
    environment = os.environ | {"PYTHONPATH": str(SRC)}
    made = [*line, "run", odd, "-o", folder / "odd", *options]
    done = subprocess.run(made, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    refused = [*line, "run", folder / "good.npy", "-o", odd.with_suffix(""), *options]
    done = subprocess.run(refused, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 2
    assert done.stderr.endswith("the path is not UTF-8: name another place\n")


def test_weights_that_training_breaks_are_a_sentence(folder):
    arguments = ["run", str(folder / "good.npy"), "-o", str(folder / "broken"), "--epochs", "1", "--latent-dim", "2"]
    result = CliRunner().invoke(app, [*arguments, "--learning-rate", "1e30", "--quiet"])
    assert result.exit_code == 2
    assert "try a learning_rate below 1e+30" in result.stderr
