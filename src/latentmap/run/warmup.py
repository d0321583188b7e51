"""Compile the kernels before their first use, in a separate process.

``python -m latentmap.run.warmup`` does it once and for all on a machine: the machine code is kept on disk.
"""

import hashlib
import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from latentmap.core.subprocesses import python_command, python_environment

PACKAGE = Path(__file__).parents[1]
MARKER_FILE = "latentmap-kernels.txt"  # in numba's cache directory, once all kernels are in it


@contextmanager
def compiling_in_background() -> Iterator[None]:
    """Compile the kernels of the later stages while the body runs.

    A process and not a thread: the compiler would keep the interpreter's lock from the body. What is compiled when
    the body ends is on disk; the rest is compiled at its first call. Nothing is started if all of it is on disk.
    """
    if are_kernels_compiled():
        yield
        return
    try:
        process = subprocess.Popen(
            python_command("-m", "latentmap.run.warmup"),
            env=python_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError:  # no further process may be made: the first call compiles
        yield
        return
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def are_kernels_compiled() -> bool:
    """Return whether the machine code of all kernels is on disk."""
    with suppress(OSError):
        return _marker().read_text(encoding="utf-8") == _signature()
    return False


def kernel_folder() -> Path:
    """The first folder in which machine code is kept."""
    return Path(os.environ.get("NUMBA_CACHE_DIR") or PACKAGE / "__pycache__")


def _marker() -> Path:
    return kernel_folder() / MARKER_FILE


def _signature() -> str:
    """A hash over what numba's cache depends on: the processor, versions, and size and time of the source files."""
    from llvmlite.binding import get_host_cpu_name

    parts = [platform.machine(), get_host_cpu_name(), platform.python_version(), version("numba")]
    for path in sorted(PACKAGE.rglob("*.py")):
        status = path.stat()
        parts += [str(path), f"{status.st_mtime_ns} {status.st_size}"]
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


def compile_kernels() -> None:
    """Run every kernel once, with the array types of a run, and mark the cache as complete."""
    import numpy as np

    from latentmap.autoencoder import Autoencoder
    from latentmap.autoencoder.training.precision import PRECISIONS
    from latentmap.features import ImageFeatures
    from latentmap.groups import GraphClustering
    from latentmap.kmeans import KMeans
    from latentmap.metrics import map_report
    from latentmap.tsne import TSNE
    from latentmap.tsne.repulsion import MAX_EXACT_POINTS

    X = np.random.default_rng(0).normal(size=(MAX_EXACT_POINTS + 1, 2)).astype(np.float32)
    KMeans(4, n_init=2, random_state=0).fit(X)
    for shape in ((4, 8, 8), (4, 8, 8, 3)):
        model = ImageFeatures(random_state=0)
        features = model.fit_transform(np.zeros(shape, np.uint8))
        model.nearest(features, features[0], model.weights_, 1)
    GraphClustering(random_state=0).fit(X[:300], tangents=np.ones((300, 1, X.shape[1]), np.float32))
    map_report(X, X)
    for few in (X[:50], X):  # all pairs, and the grid
        TSNE(perplexity=2, max_iter=250, random_state=0, device="cpu").fit(few).transform(few[:2] + 1)
    for pixels in (np.zeros((2, 4, 4), np.uint8), np.zeros((2, 4, 4), np.float32)):
        for precision in PRECISIONS:
            settings: dict[str, Any] = {"epochs": 1, "precision": precision, "max_grad_norm": 1.0, "device": "cpu"}
            Autoencoder("conv", latent_dim=1, **settings).fit(pixels)
    with suppress(OSError):  # numba keeps its cache elsewhere then
        _marker().parent.mkdir(parents=True, exist_ok=True)
        _marker().write_text(_signature(), encoding="utf-8")


if __name__ == "__main__":
    if hasattr(os, "nice"):
        os.nice(10)  # whoever trains comes first
    compile_kernels()
