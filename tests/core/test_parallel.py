"""Threads over chunks of rows, and compilation without a writable cache."""

import multiprocessing
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import joblib
import numpy as np
import pytest

import latentmap
from latentmap.core.parallel import Workers, balanced_chunk_bounds, chunk_bounds


@pytest.mark.parametrize("n_jobs", [1, 2, 5, None])
def test_each_chunk_is_processed_once(n_jobs):
    taken = []
    with Workers(n_jobs) as workers:
        workers.run(taken.append, 100)
        workers.run(taken.append, 0)
    assert sorted(taken) == list(range(100))


def test_an_error_in_a_chunk_is_raised_and_stops_the_rest():
    begun = []

    def kernel(chunk):
        begun.append(chunk)
        if chunk == 3:
            raise ZeroDivisionError

    with Workers(2) as workers, pytest.raises(ZeroDivisionError):
        workers.run(kernel, 10_000)
    assert len(begun) < 10_000
    assert not any(thread.name.startswith("ThreadPool") for thread in threading.enumerate())


@pytest.mark.parametrize(("n_rows", "n_chunks"), [(10, 3), (0, 2), (2, 5), (7, 1)])
def test_chunks_cover_all_rows(n_rows, n_chunks):
    edges = chunk_bounds(n_rows, n_chunks)
    assert edges[0] == 0
    assert edges[-1] == n_rows
    assert len(edges) == n_chunks + 1
    assert (np.diff(edges) >= 0).all()


def test_balanced_chunks_have_equally_many_entries():
    entries = np.array([100, *[1] * 100])
    edges = balanced_chunk_bounds(np.concatenate([[0], np.cumsum(entries)]), 2)
    assert edges == [0, 1, 101]


COPY = """
    import numpy as np, latentmap as lm
    X = np.random.default_rng(0).normal(size=(60, 4))
    lm.KMeans(3, n_init=1, random_state=0).fit(X)
    print(lm.TSNE(perplexity=5, max_iter=250, random_state=0).fit_transform(X).shape, lm.__file__)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="modes of folders mean something else there")
@pytest.mark.parametrize("home", ["writable", "none"])
def test_an_install_that_cannot_be_written_works_all_the_same(tmp_path, home):
    """The cache falls back to the user's folder, and to none at all where that cannot be written either."""
    package = tmp_path / "site" / "latentmap"
    source = Path(latentmap.__file__).parent
    names = [path.relative_to(source) for path in source.rglob("*.py")]
    for name in names:
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_bytes((source / name).read_bytes())
        # a file where the cache's folder would be: unlike a mode, it stops the superuser as well
        (package / name).parent.joinpath("__pycache__").touch()
    cache = tmp_path / "cache"
    cache.mkdir() if home == "writable" else cache.touch()
    environment = {key: value for key, value in os.environ.items() if key not in ("NUMBA_CACHE_DIR", "PYTHONPATH")}
    environment |= {"PYTHONPATH": str(tmp_path / "site"), "HOME": str(tmp_path), "XDG_CACHE_HOME": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(COPY)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "(60, 2)" in done.stdout
    assert str(tmp_path) in done.stdout
    kept = list(cache.rglob("*.nbi")) if home == "writable" else []
    assert bool(kept) == (home == "writable")


def test_threads_are_counted_as_jobs_are_and_also_in_a_process_that_may_begin_none():
    cores = joblib.cpu_count()
    assert [Workers(n).n_threads for n in (1, 3, None, -1, -cores - 5)] == [1, 3, cores, cores, 1]
    with pytest.raises(ValueError, match="n_jobs=0 has no meaning"):
        Workers(0)
    with multiprocessing.get_context("spawn").Pool(1) as pool:  # its process is daemonic
        assert pool.apply(n_threads, (2,)) == 2


def n_threads(n_jobs: int) -> int:
    return Workers(n_jobs).n_threads
