"""Fifty kills at random moments, from the first file to the report: the tables are those of an uninterrupted run."""

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

N_KILLS = 50
SHARE = 0.6  # of a whole run, within which an attempt is killed
KILLS_A_RUN = 7  # then it is left to finish
TABLES = [
    *("images.parquet", "skipped.parquet", "latents.parquet", "groups.parquet", "tree.parquet", "neighbors.parquet"),
    *("map.parquet", "duplicates.parquet", "outliers.parquet", "atlas.parquet", "metrics.json", "groups.json"),
    *("model/weights.safetensors", "cache/pixels.u8"),
]


def start(source: Path, path: Path) -> subprocess.Popen[bytes]:
    options = ["--epochs", "10", "--latent-dim", "8", "--quiet"]
    command = [sys.executable, "-m", "latentmap", "run", str(source), "-o", str(path), *options]
    return subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "src")})


def finished_in(process: subprocess.Popen[bytes]) -> float:
    begun = time.monotonic()
    assert process.wait() == 0
    return time.monotonic() - begun


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_killed_fifty_times_and_resumed(tmp_path):
    source = tmp_path / "source"
    random = np.random.default_rng(0)
    for kind in range(4):
        (source / f"kind {kind}").mkdir(parents=True)
        for i in range(150):
            image = random.integers(0, 60, (16, 16), dtype=np.uint8)
            image[4 * kind : 4 * kind + 4] += 180
            Image.fromarray(image).save(source / f"kind {kind}" / f"{i:03d}.png")
    for i in range(30):
        (source / "kind 0" / f"broken {i}.png").write_bytes(b"broken" * i)
    whole = tmp_path / "whole"
    start(source, whole).wait()
    shutil.rmtree(whole)
    seconds = finished_in(start(source, whole))  # warm
    n_kills = n_runs = 0
    while n_kills < N_KILLS:
        path = tmp_path / f"run {n_runs}"
        for _ in range(KILLS_A_RUN):
            process = start(source, path)
            try:
                process.wait(timeout=random.uniform(0.2, SHARE * seconds))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                n_kills += 1
        assert start(source, path).wait() == 0
        for name in TABLES:
            assert (path / name).read_bytes() == (whole / name).read_bytes(), name
        assert not list(path.rglob("*.tmp"))
        shutil.rmtree(path)
        n_runs += 1
        print(f"{n_kills} kills over {n_runs} runs of {seconds:.0f} s each", flush=True)
