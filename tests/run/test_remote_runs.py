"""Runs whose images lie at an address or in memory: they resume, and keep secrets and strangers out."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from quick_runs import OPTIONS, make_with_report

from latentmap.core.errors import NoOriginalError, RunError
from latentmap.core.subprocesses import python_environment
from latentmap.run import Run, export_run
from latentmap.run.adding import add_images
from latentmap.run.originals import REMOTE, Originals
from remote_servers import WebServer, web_server

pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")

N = 40
SECRET = "se7ret"


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    random = np.random.default_rng(0)
    (tmp_path / "site" / "in").mkdir(parents=True)
    for i in range(N):
        picture = Image.fromarray(random.integers(0, 255, (8, 8), dtype=np.uint8))
        picture.save(tmp_path / "site" / "in" / f"{i:02}.png")
    with web_server(tmp_path / "site") as found:
        yield found


def test_downloads_of_an_addition_are_kept_where_the_user_says(server, tmp_path):
    made = make_with_report(str(tmp_path / "site" / "in"), tmp_path / "run", OPTIONS, draw=no_report)
    random = np.random.default_rng(1)
    (tmp_path / "site" / "more").mkdir()
    for i in range(3):
        picture = Image.fromarray(random.integers(0, 255, (8, 8), dtype=np.uint8))
        picture.save(tmp_path / "site" / "more" / f"{i:02}.png")
    kept = tmp_path / "kept"
    assert add_images(made.path, f"{server.address}/more/", downloads=kept).n_added == 3
    assert len(list(kept.rglob("*.png"))) == 3
    assert not (made.path / "cache" / "downloads").exists()


def no_report(folder: Path) -> list[str]:
    return []


def command(source: str, out: Path) -> "subprocess.Popen[str]":
    options = ["--epochs", "1", "--latent-dim", "3", "--features", "latent", "--out", str(out)]
    line = [sys.executable, "-m", "latentmap", "run", source, *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(line, text=True, env=python_environment(NO_PROXY="127.0.0.1"), **pipes)


def kill_when(process: "subprocess.Popen[str]", is_time) -> None:
    end = time.monotonic() + 60
    while not is_time():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()


def said_of(source: str, out: Path) -> str:
    said, _ = command(source, out).communicate(timeout=300)
    return said


def collection_of(source: str, out: Path) -> "subprocess.Popen[str]":
    """Decode the images of a source into a folder, in a process of its own."""
    line = f"from latentmap import open_images; print(len(open_images({source!r}, cache={str(out)!r})))"
    return subprocess.Popen([sys.executable, "-c", line], text=True, stdout=subprocess.PIPE, env=python_environment())


def test_a_killed_download_of_an_archive_is_resumed_and_holds_no_secret(server: WebServer, tmp_path):
    shutil.make_archive(str(tmp_path / "site" / "scans"), "tar", tmp_path / "site" / "in")
    with (tmp_path / "site" / "scans.tar").open("ab") as archive:
        archive.write(bytes(3_000_000))  # after the end of the archive
    address = server.address.replace("//", f"//me:{SECRET}@") + f"/scans.tar?X-Amz-Signature={SECRET}"
    run, server.seconds_per_chunk = tmp_path / "run", 0.02

    def parts() -> list[Path]:
        return [path for path in run.rglob(".part") if path.stat().st_size > 300_000]

    kill_when(command(address, run), parts)
    size = parts()[0].stat().st_size
    server.requests.clear()
    server.seconds_per_chunk = 0.0
    said = said_of(address, run)
    assert [begin for method, _, begin in server.requests if method == "GET"] == [size]
    assert Run(run).state["source"]["n"] == N and f"reading {server.address}/scans.tar\n" in said, said
    server.requests.clear()
    said += said_of(f"{server.address}/scans.tar?X-Amz-Signature=another", run)
    assert "decode: kept" in said and [method for method, _, _ in server.requests] == ["HEAD"]
    files = [path for path in run.rglob("*") if path.is_file()]
    assert SECRET not in said and not any(SECRET.encode() in path.read_bytes() for path in files)
    assert json.loads((run / "run.json").read_text())["source"]["path"] == [f"{server.address}/scans.tar"]
    assert not (run / "cache" / "downloads").exists()


def test_a_killed_decoding_downloads_no_file_again(server: WebServer, tmp_path):
    cache, server.seconds_per_chunk = tmp_path / "cache", 0.05
    kill_when(collection_of(f"{server.address}/in/", cache), lambda: len(list(cache.rglob("*.png"))) >= 15)
    first = server.counts()
    server.seconds_per_chunk = 0.0
    assert collection_of(f"{server.address}/in/", cache).communicate(timeout=300)[0] == f"{N}\n"
    again = [path for path, n in server.counts().items() if path.endswith("png") and n > 1]
    assert sum(path.endswith("png") for path in first) >= 15
    assert len(again) <= 8  # those that were on their way


def test_a_run_of_a_stranger_contacts_nobody(server: WebServer, tmp_path):
    make_with_report(f"{server.address}/in/", tmp_path / "run", OPTIONS, no_report)
    run = Run(tmp_path / "run")
    assert run.state["source"]["sources"] == [{"name": "in", "root": f"{server.address}/in"}]
    server.requests.clear()
    found = Originals.of(run)
    assert found.find(0) == found.holder(0) == (REMOTE, f"{server.address}/in")
    lines: list[str] = []
    export_run(tmp_path / "run", "folders", tmp_path / "out", copy=True, say=lines.append)
    assert f"40 files at {server.address}/in, such as 00.png, which is not contacted" in "\n".join(lines)
    assert server.requests == []


def test_full_size_of_an_original_at_an_address(server: WebServer, tmp_path):
    from latentmap.explorer.atlas_view import AtlasView
    from latentmap.explorer.full_size import FullSize
    from latentmap.images.pool import DecodingPool

    table = tmp_path / "table.csv"
    table.write_text("\n".join(["url", *(f"{server.address}/in/{i:02}.png" for i in range(N))]))
    make_with_report(str(table), tmp_path / "run", OPTIONS, no_report)
    server.requests.clear()
    with DecodingPool(1) as pool, pytest.raises(NoOriginalError, match="the explorer does not contact"):
        FullSize(AtlasView(tmp_path / "run"), pool).png(0)
    assert server.requests == []


def test_images_at_an_address_are_added(server: WebServer, tmp_path):
    images = [np.asarray(Image.open(path)) for path in sorted((tmp_path / "site" / "in").iterdir())]
    make_with_report(np.stack(images[:30]), tmp_path / "run", OPTIONS, no_report)
    added = add_images(tmp_path / "run", f"{server.address}/in/?token={SECRET}")
    assert added.n_added == N
    assert Run(tmp_path / "run").state["added"][0]["source"] == f"{server.address}/in/"
    assert not list((tmp_path / "run").rglob("downloads"))


def test_images_in_memory_resume_a_run(tmp_path):
    random = np.random.default_rng(0)
    pictures = [Image.fromarray(random.integers(0, 255, (8, 8), dtype=np.uint8)) for _ in range(N)]
    make_with_report(pictures, tmp_path / "run", OPTIONS, no_report)
    assert Run(tmp_path / "run").state["source"]["path"] is None
    said: list[str] = []
    make_with_report([one.copy() for one in pictures], tmp_path / "run", OPTIONS, no_report, say=said.append)
    assert "decode: kept" in said and "train: kept" in said
    said.clear()
    make_with_report([*pictures[:-1], pictures[0].rotate(90)], tmp_path / "run", OPTIONS, no_report, say=said.append)
    assert "decode: kept" not in said


def test_a_run_that_was_killed_before_it_was_written_is_begun_again(tmp_path):
    (tmp_path / "run" / "cache" / "downloads").mkdir(parents=True)
    (tmp_path / "run" / "cache" / "downloads" / "a.part").write_bytes(b"x")
    images = np.random.default_rng(0).integers(0, 255, (N, 8, 8), dtype=np.uint8)
    make_with_report(images, tmp_path / "run", OPTIONS, no_report)
    assert len(Run(tmp_path / "run").images()) == N
    (tmp_path / "other" / "cache" / "downloads").mkdir(parents=True)
    (tmp_path / "other" / "cache" / "mine.txt").write_text("x")
    with pytest.raises(RunError, match="not empty and not a run"):
        make_with_report(images, tmp_path / "other", OPTIONS, no_report)
