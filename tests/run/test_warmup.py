"""Compilation ahead of time: what a run calls later is on disk already, and nobody waits for it."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from latentmap.run import warmup

USE = """
import numba
from numba.core.dispatcher import _FunctionCompiler

compiled, compile = [], _FunctionCompiler.compile

def record(self, *arguments):
    compiled.append(self.py_func.__name__)
    return compile(self, *arguments)

_FunctionCompiler.compile = record

@numba.njit
def new(x):
    return x

import numpy as np
from latentmap import Autoencoder, KMeans, TSNE

new(1)
X = np.random.default_rng(1).normal(size=(2500, 6)).astype(np.float32)
KMeans(5, n_init=3, random_state=0).fit(X)
for few in (X, X[:300]):
    TSNE(perplexity=4, max_iter=250, random_state=0).fit(few)
pixels = np.random.default_rng(0).integers(0, 255, (70, 30, 9, 3), dtype=np.uint8)
for images, precision in ((pixels, "float32"), (pixels, "bfloat16"), (pixels / 255, "bfloat16")):
    Autoencoder(latent_dim=3, epochs=1, batch_size=65, precision=precision, denoising="gaussian").fit(images)
    Autoencoder(latent_dim=3, epochs=1, batch_size=65, precision=precision, activation="tanh").fit(images)
print(*compiled)
"""


@pytest.mark.slow
def test_nothing_is_left_to_compile(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-m", "latentmap.run.warmup"], env=environment, check=True)
    done = subprocess.run([sys.executable, "-c", USE], env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "new"


def test_no_process_is_started_when_all_kernels_are_compiled(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    started = []
    real = subprocess.Popen
    monkeypatch.setattr(
        warmup.subprocess, "Popen", lambda *_, **__: started.append(1) or real([sys.executable, "-c", ""])
    )
    for expected, signature in ((1, None), (1, warmup._signature()), (2, "of other sources")):
        if signature is not None:
            (tmp_path / warmup.MARKER_FILE).write_text(signature)
        with warmup.compiling_in_background():
            pass
        assert len(started) == expected


def test_the_signature_follows_the_sources(tmp_path, monkeypatch):
    monkeypatch.setattr(warmup, "PACKAGE", tmp_path)
    (tmp_path / "kernel.py").write_text("a")
    before = warmup._signature()
    assert before == warmup._signature()
    (tmp_path / "kernel.py").write_text("ab")
    assert before != warmup._signature()


def test_it_ends_with_the_work_beside_it():
    begun = time.monotonic()
    with warmup.compiling_in_background():
        np.zeros(3)
    assert time.monotonic() - begun < 1


def test_it_is_done_without_where_no_process_can_be_made(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))

    def refuse(*_, **__):
        raise OSError

    monkeypatch.setattr(warmup.subprocess, "Popen", refuse)
    with warmup.compiling_in_background():
        pass
