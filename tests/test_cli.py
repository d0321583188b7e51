"""The command: quick to answer, sentences instead of tracebacks, and every part of the chapter within reach."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import latentmap
from latentmap.cli import app
from latentmap.run import STAGES, Run

SRC = Path(__file__).parents[1] / "src"


def command(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(SRC), "COLUMNS": "100"}
    line = [sys.executable, "-m", "latentmap", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, env=environment, check=False, **options)


def test_help_is_drawn_without_loading_what_computes():
    heavy = "torch", "sklearn", "scipy", "numpy", "matplotlib", "pyarrow", "PIL"
    code = (
        "import sys, latentmap.cli\nfrom typer.testing import CliRunner\n"
        "assert CliRunner().invoke(latentmap.cli.app, ['--help']).exit_code == 0\n"
        f"found = [name for name in {heavy!r} if name in sys.modules]\n"
        "assert not found, found"
    )
    environment = os.environ | {"PYTHONPATH": str(SRC)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


@pytest.mark.parametrize("name", ["run", "add", "similar", "compare", "export", "label", "select", "info", "reproduce"])
def test_every_command_has_help(name):
    result = CliRunner().invoke(app, [name, "--help"])
    assert result.exit_code == 0
    assert name in result.output


def test_version():
    assert command("--version").stdout == f"latentmap {latentmap.__version__}\n"


def test_demo_maps_digits_and_the_same_command_resumes(tmp_path):
    first = command("demo", "-n", 80, "--no-explore", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "report  latentmap-demo/report.html" in first.stdout
    run = Run.open(tmp_path / "latentmap-demo")
    assert (len(run.map()), run.state["source"]["name"]) == (80, "mnist:80")
    again = command("demo", "-n", 80, "--no-explore", cwd=tmp_path)
    assert again.stderr.splitlines() == ["reading mnist:80", *(f"{stage}: kept" for stage in STAGES)]


def test_demo_opens_the_report_and_the_explorer(tmp_path, monkeypatch):
    opened: list[str] = []
    monkeypatch.setattr("latentmap.api.map_images", lambda source, out, quiet: opened.append(source))
    monkeypatch.setattr("latentmap.run.findings.findings", lambda run: ["nothing"])
    monkeypatch.setattr("latentmap.cli._say_results", lambda *_: None)
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr("latentmap.explorer.explore", lambda out: opened.append(str(out)))
    assert CliRunner().invoke(app, ["demo", "-o", str(tmp_path / "it")]).exit_code == 0
    assert opened == ["mnist:10000", (tmp_path / "it" / "report.html").as_uri(), str(tmp_path / "it")]


def test_demo_of_more_digits_than_there_are(tmp_path):
    found = command("demo", "-n", 70_001, "-o", tmp_path / "run", "--no-explore")
    assert found.returncode == 2
    assert "there are 70,000 digits" in found.stderr


def test_doctor_says_what_it_found():
    found = command("doctor")
    assert found.returncode == 0, found.stderr
    names = [line.split()[0] for line in found.stdout.splitlines() if not line.startswith(" ")]
    assert names == ["latentmap", "packages", "extras", "cores", "memory", "gpu", "precision", "kernels", "disk"]


def test_run_then_info(tmp_path):
    np.save(tmp_path / "images.npy", np.random.default_rng(0).integers(0, 255, (60, 8, 8), dtype=np.uint8))
    arguments = ["run", tmp_path / "images.npy", "-o", tmp_path / "run", "--epochs", 1, "--n-clusters", 3]
    first = command(*arguments)
    assert first.returncode == 0, first.stderr
    assert f"report  {tmp_path / 'run' / 'report.html'}" in first.stdout
    assert "train: done in" in first.stderr
    again = command(*arguments)
    assert again.stderr.splitlines() == [f"reading {arguments[1]}", *(f"{stage}: kept" for stage in STAGES)]
    assert command(*arguments, "--quiet").stderr == ""
    info = command("info", tmp_path / "run")
    assert "60 images of 8×8 from images" in info.stdout
    assert "trustworthiness" in info.stdout
    assert "trained with products in" in info.stdout


def test_vectors_are_mapped_with_and_without_images(tmp_path):
    random = np.random.default_rng(0)
    np.save(tmp_path / "images.npy", random.integers(0, 255, (40, 8, 8), dtype=np.uint8))
    lines = "\n".join(f"{i},{x:.4f},{y:.4f}" for i, (x, y) in enumerate(random.normal(size=(40, 2))))
    (tmp_path / "z.csv").write_text(f"id,a,b\n{lines}\n", encoding="utf-8")
    given = ["--vectors", f"{tmp_path / 'z.csv'}:a,b", "--metric", "cosine", "--n-clusters", 3]
    made = command("run", tmp_path / "images.npy", "-o", tmp_path / "run", *given)
    assert made.returncode == 0, made.stderr
    assert made.stdout.splitlines()[-1].endswith("run MORE_IMAGES --vectors THEIR_VECTORS")
    described = f"  40 vectors of 2 numbers from {tmp_path / 'z.csv'}:a,b, matched by id"
    assert described in made.stderr.splitlines()
    info = command("info", tmp_path / "run").stdout
    assert described in info.splitlines()
    assert "reconstruction_error" not in info
    report = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "neighbours go by their cosine distance" in report
    assert "Interpolations" not in report
    assert f"--vectors {tmp_path / 'z.csv'}:a,b" in report.replace("&#39;", "")
    refused = command("similar", tmp_path / "run", tmp_path / "picture.png")
    assert refused.returncode == 2
    assert "its vectors were given" in refused.stderr
    alone = command("run", "-o", tmp_path / "points", *given)
    assert alone.returncode == 0, alone.stderr
    assert "40 points from z" in command("info", tmp_path / "points").stdout
    nothing = command("run", "-o", tmp_path / "none")
    assert nothing.returncode == 2
    assert "latentmap: no images: a source is" in nothing.stderr


def test_a_run_grows_is_asked_and_is_exported(tmp_path):
    random = np.random.default_rng(0)
    for name, n in (("first", 40), ("second", 6)):
        (tmp_path / name).mkdir()
        for i in range(n):
            Image.fromarray(random.integers(0, 255, (9, 9), dtype=np.uint8)).save(tmp_path / name / f"{i:02d}.png")
    (tmp_path / "first" / "broken.png").touch()
    run = tmp_path / "run"
    made = command("run", tmp_path / "first", "-o", run, "--epochs", 1, "--latent-dim", 4)
    assert made.returncode == 0, made.stderr
    assert "9 × 9 pixels, grey: the size of 40 of the images" in made.stderr
    assert "1 file skipped, listed with their reasons in skipped.parquet" in made.stderr
    added = command("add", run, tmp_path / "second", "--quiet")
    assert "added   6 images; 0 known already, 0 skipped" in added.stdout
    assert "drift   " in added.stdout
    assert "6 images added from second" in command("info", run).stdout
    found = command("similar", run, tmp_path / "first" / "07.png", "-n", 2, "-o", tmp_path / "found.png")
    assert found.stdout.splitlines()[1].startswith("7\t")
    assert (tmp_path / "found.png").exists()
    picks = tmp_path / "picks.csv"
    selected = command("select", run, "-n", 5, "-o", picks, "--strategy", "coverage", "--balance", "added", "--seed", 1)
    assert selected.stdout.splitlines() == [
        f"picks   {picks}",
        "        5 of 46 images that could be selected",
        f"label   fill in its column label, then: latentmap label {run} {picks}",
    ]
    assert len(picks.read_text(encoding="utf-8").splitlines()) == 6
    exported = command("export", run, "csv", tmp_path / "all.csv")
    assert exported.stdout == f"csv         {tmp_path / 'all.csv'}\n"
    assert len((tmp_path / "all.csv").read_text(encoding="utf-8").splitlines()) == 47
    strict = command("run", tmp_path / "first", "-o", run, "--epochs", 1, "--latent-dim", 4, "--strict")
    assert strict.returncode == 2
    assert "1 file cannot be decoded, the first is 'broken.png'" in strict.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["run", "mnist", "-o", "{}/run", "--network", "resnet"],
            "network='resnet': choose among auto, pyramid, variational, dense, conv",
        ),
        (["run", "mnist", "-o", "{}/run", "--latent-dim", "0"], "latent_dim=0: ask for at least 1"),
        (["run", "{}/nan.npy", "-o", "{}/run"], "NaN or infinite pixels in 2 images, the first is number 3"),
        (["run", "{}/good.npy", "-o", "{}/run", "--labels", "{}/labels.txt"], "2 labels for 6 images"),
        (["run", "{}/empty", "-o", "{}/run"], "no images in it"),
        (["run", "{}/nowhere", "-o", "{}/run"], "no such file or folder: a source is 'mnist'"),
        (["run", "{}/good.npy", "-o", "{}/labels.txt/run"], "cannot be written to (Not a directory)"),
        (["run", "{}/good.npy", "-o", "{}/old"], "format version 0, this latentmap reads version 2"),
        (["info", "{}/empty"], "no run.json in it"),
        (["reproduce", "S99", "-o", "{}/chapter"], "no row S99 in the chapter: choose among S1, S2"),
    ],
)
def test_a_wrong_call_is_met_with_a_sentence(arguments, words, tmp_path):
    images = np.zeros((6, 4, 4))
    np.save(tmp_path / "good.npy", images)
    images[3:5, 0, 0] = np.nan
    np.save(tmp_path / "nan.npy", images)
    (tmp_path / "labels.txt").write_text("a\nb\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "run.json").write_text('{"format_version": 0}')
    result = CliRunner().invoke(app, [argument.format(tmp_path) for argument in arguments])
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stderr.splitlines()[-1].startswith("latentmap: ")


def test_a_process_that_is_called_wrongly_prints_one_sentence(tmp_path):
    result = command("run", tmp_path / "nowhere", "-o", tmp_path / "run")
    assert result.returncode == 2
    reading, sentence = result.stderr.splitlines()
    assert reading == f"reading {tmp_path / 'nowhere'}"
    assert sentence.startswith("latentmap: ")


@pytest.mark.parametrize("name", ["run", "add"])
def test_what_is_read_is_said_before_heavy_modules_are_imported(name, tmp_path):
    heavy = "torch", "numba", "sklearn", "matplotlib", "numpy"
    code = (
        "import sys\n"
        "from latentmap import cli\n"
        "def say(line):\n"
        f"    print(line, [name for name in {heavy!r} if name in sys.modules])\n"
        "    sys.exit(0)\n"
        "cli.say = say\n"
        "cli.main()\n"
    )
    arguments = [name, *([tmp_path] if name == "add" else []), "a.zip", "b.zip"]
    options = ["-o", tmp_path] if name == "run" else []
    environment = os.environ | {"PYTHONPATH": str(SRC)}
    line = [sys.executable, "-c", code, *arguments, *options]
    done = subprocess.run(line, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "reading a.zip and 1 other source []\n"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a user whom permissions bind")
def test_an_unwritable_folder_is_met_with_a_sentence(tmp_path):
    np.save(tmp_path / "images.npy", np.zeros((6, 4, 4)))
    (tmp_path / "locked").mkdir(mode=0o555)
    result = command("run", tmp_path / "images.npy", "-o", tmp_path / "locked" / "run")
    assert result.returncode == 2
    assert "cannot be written to (Permission denied)" in result.stderr


def test_label_wants_a_table_of_labels(tmp_path):
    done = CliRunner().invoke(app, ["label", str(tmp_path), str(tmp_path / "labels.csv")])
    assert done.exit_code == 2
    assert "no run.json in it" in done.stderr


def test_a_full_disk_is_a_sentence_and_costs_no_finished_stage(tmp_path, monkeypatch):
    np.save(tmp_path / "images.npy", np.random.default_rng(0).integers(0, 255, (40, 8, 8), dtype=np.uint8))
    arguments = ["run", str(tmp_path / "images.npy"), "-o", str(tmp_path / "run"), "--epochs", "1", "--quiet"]
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if (tmp_path / "run" / "latents.parquet").exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", fsync)
        result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "No space left on device: the disk is full; make room, and the same command resumes" in result.stderr
    states = {name: record["state"] for name, record in Run.open(tmp_path / "run").stages.items()}
    assert states["train"] == "done"
    assert Run.open(tmp_path / "run").latents().shape == (40, 64)
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert not list((tmp_path / "run").rglob("*.tmp"))
