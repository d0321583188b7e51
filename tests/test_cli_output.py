"""Output ends nothing: other encodings, closed pipes, odd names, and errors that users can mend."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from latentmap import map_images
from latentmap.cli import app

SRC = Path(__file__).parents[1] / "src"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose images have names that few encodings hold."""
    folder = tmp_path_factory.mktemp("runs") / "прогон [bold]"
    images = np.random.default_rng(0).integers(0, 255, (8, 4, 4), np.uint8)
    return map_images(images, folder, epochs=1, latent_dim=2, quiet=True)


def command(*arguments, tail="", **environment):
    line = " ".join([f'"{sys.executable}"', "-m", "latentmap", *(f'"{argument}"' for argument in arguments), tail])
    known = os.environ | {"PYTHONPATH": str(SRC)} | environment
    return subprocess.run(line, shell=True, capture_output=True, check=False, env=known)


def test_names_reach_a_pipe_of_another_encoding(run):
    done = command("info", run.path, PYTHONIOENCODING="cp1252")
    assert done.returncode == 0
    assert b"\\u043f\\u0440" in done.stdout
    assert b"[bold]: 8 images" in done.stdout
    assert done.stderr == b""


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
def test_a_reader_that_goes_away_is_no_error(run):
    done = command("similar", run.path, 3, tail="| true")
    assert (done.returncode, done.stderr) == (0, b"")
    closed = command("similar", run.path, 3, tail=">&-")
    assert (closed.returncode, closed.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["similar", "RUN", "8"], "no image 8: ids are 0 to 7"),
        (["similar", "RUN", "--", "-1"], "no image -1: ids are 0 to 7"),
        (["similar", "RUN", "3", "-n", "0"], "number=0: ask for at least 1 image"),
        (["similar", "RUN", "3", "-n", "-2"], "number=-2: ask for at least 1 image"),
        (["explore", "RUN", "--port", "70000"], "--port 70000: pass one from 1 to 65535, or 0"),
        (["explore", "RUN", "--port", "-4"], "--port -4: pass one from 1 to 65535, or 0"),
        (["export", "RUN", "docx", "RUN/x"], "kind='docx': choose among csv"),
        (["select", "RUN", "-n", "0", "-o", "x.csv"], "n=0: ask for at least 1 image"),
        (["select", "RUN", "-n", "9", "-o", "x.csv"], "n=9: 8 images can be selected: ask for at most 8"),
        (["select", "RUN", "-n", "3", "-o", "x.txt"], "x.txt: the suffix says what is written: name a .csv or a .parq"),
        (["select", "RUN", "-n", "3", "-o", "RUN/x.csv"], "inside the run, where only the run's own files lie"),
        (["select", "RUN", "-n", "3", "-o", "x.csv", "--strategy", "best"], "choose among mixed, typical, coverage"),
        (["select", "RUN", "-n", "3", "-o", "x.csv", "--within", "sea"], "there is no such group: groups are 0"),
        (["select", "RUN", "-n", "3", "-o", "x.csv", "--within", "sea=1"], "'sea' is no column: choose among id, path"),
        (["select", "RUN", "-n", "3", "-o", "x.csv", "--balance", "sea"], "choose 'group' or a column: id, path"),
        (["label", "RUN", "RUN/none.csv"], "none.csv: there is no such file of labels"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(run, arguments, words):
    result = CliRunner().invoke(app, [argument.replace("RUN", str(run.path)) for argument in arguments])
    assert result.exit_code == 2
    assert result.stderr.startswith("latentmap: ")
    assert words in result.stderr
    assert "[Errno" not in result.stderr


def test_a_file_called_by_digits_is_named_with_its_folder(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run.image(2).save("7", "PNG")
    by_id = CliRunner().invoke(app, ["similar", str(run.path), "7", "-n", "1"]).stdout
    by_file = CliRunner().invoke(app, ["similar", str(run.path), "./7", "-n", "1"]).stdout
    assert by_file.splitlines()[1].startswith("2\t")
    assert not by_id.splitlines()[1].startswith("7\t")


@pytest.mark.parametrize(
    "error", [MemoryError(), pa.ArrowMemoryError("malloc of size 99 failed"), RuntimeError("can't allocate memory")]
)
def test_little_memory_is_a_sentence(run, monkeypatch, error):
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("latentmap.run.Run.similar", fail)
    result = CliRunner().invoke(app, ["similar", str(run.path), "3"])
    assert result.exit_code == 2
    assert "latentmap: the command needs" in result.stderr
    assert "close other programs" in result.stderr


def test_a_bug_keeps_its_traceback(run, monkeypatch):
    monkeypatch.setattr("latentmap.run.Run.similar", lambda *_: {}["x"])
    assert isinstance(CliRunner().invoke(app, ["similar", str(run.path), "3"]).exception, KeyError)


def test_tilde_is_the_home_folder(run, monkeypatch):
    monkeypatch.setenv("HOME", str(run.path.parent))
    monkeypatch.setenv("USERPROFILE", str(run.path.parent))
    assert CliRunner().invoke(app, ["similar", f"~/{run.path.name}", "3"]).exit_code == 0


def test_a_warning_is_a_sentence(tmp_path):
    names = ["Müller", "Größe", "Süß", "Übung", "Äpfel"]
    table = "path,label\n" + "".join(f"{i}.png,{name}\n" for i, name in enumerate(names))
    (tmp_path / "t.csv").write_bytes(table.encode("cp1252"))
    done = command("run", tmp_path / "t.csv", "-o", tmp_path / "run", "-q")
    assert done.returncode == 2
    first = done.stderr.decode().splitlines()[0]
    assert first == f"latentmap: {tmp_path / 't.csv'}: not UTF-8, read as cp1252: save it as UTF-8 if names look wrong"
