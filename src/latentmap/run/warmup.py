"""Compile the kernels before their first use, in a separate process.

``python -m latentmap.run.warmup`` does it once and for all on a machine: the machine code is kept on disk.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from latentmap.core.subprocesses import python_command, python_environment


@contextmanager
def compiling_in_background() -> Iterator[None]:
    """Compile the kernels of the later stages while the body runs.

    A process and not a thread: the compiler would keep the interpreter's lock from the body. What is compiled when
    the body ends is on disk; the rest is compiled at its first call.
    """
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


def compile_kernels() -> None:
    """Run every kernel once, with the array types of a run."""
    import numpy as np

    from latentmap.autoencoder import Autoencoder
    from latentmap.autoencoder.training.precision import PRECISIONS
    from latentmap.groups import GraphClustering
    from latentmap.kmeans import KMeans
    from latentmap.tsne import TSNE
    from latentmap.tsne.repulsion import MAX_EXACT_POINTS

    X = np.random.default_rng(0).normal(size=(MAX_EXACT_POINTS + 1, 2)).astype(np.float32)
    KMeans(4, n_init=2, random_state=0).fit(X)
    GraphClustering(random_state=0).fit(X[:300], tangents=np.ones((300, 1, X.shape[1]), np.float32))
    for few in (X[:50], X):  # all pairs, and the grid
        TSNE(perplexity=2, max_iter=250, random_state=0).fit(few).transform(few[:2] + 1)
    for pixels in (np.zeros((2, 4, 4), np.uint8), np.zeros((2, 4, 4), np.float32)):
        for precision in PRECISIONS:
            Autoencoder("conv", latent_dim=1, epochs=1, precision=precision, max_grad_norm=1.0).fit(pixels)


if __name__ == "__main__":
    if hasattr(os, "nice"):
        os.nice(10)  # whoever trains comes first
    compile_kernels()
