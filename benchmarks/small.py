"""Whole runs of small collections: from the command to the finished report, with all defaults.

Run with ``python -m benchmarks.small``. Each run is a process of its own on files of pixels; the kernels are compiled
before. The coloured pictures are those of benchmarks.labelled_collections, brought to one size.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import latentmap as lm
from benchmarks.labelled_collections import load
from benchmarks.processes import timed_run
from benchmarks.record import save
from latentmap.run.warmup import compile_kernels

N_ROUNDS = 3
Images = NDArray[np.uint8]


def digits(n: int) -> Images:
    """Digits of MNIST with a border, 32×32."""
    images = lm.load_mnist("train")[0]
    chosen = np.random.default_rng(0).choice(len(images), n, replace=False)
    return np.pad(images[chosen], ((0, 0), (2, 2), (2, 2)))


def pictures(n: int, side: int) -> Images:
    """Clip art and emoji, in colour."""
    sources = [load(name).images for name in ("clip art by folder", "emoji across vendors")]
    resized = [np.asarray(Image.fromarray(image).resize((side, side))) for images in sources for image in images]
    return np.stack(resized[:n])


COLLECTIONS: dict[str, Callable[[], Images]] = {
    "300 of 32×32": lambda: digits(300),
    "1,000 of 32×32": lambda: digits(1_000),
    "3,000 of 32×32": lambda: digits(3_000),
    "3,000 of 128×128×3": lambda: pictures(3_000, 128),
    "1,000 of 256×256×3": lambda: pictures(1_000, 256),
}


def main() -> None:
    compile_kernels()
    results = {}
    for name, draw in COLLECTIONS.items():
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "images.npy"
            np.save(source, draw())
            rounds = [timed_run(source, Path(folder) / f"run-{k}") for k in range(N_ROUNDS)]
        rounds.sort(key=lambda one: one["seconds"])
        results[name] = rounds[N_ROUNDS // 2] | {"rounds": [one["seconds"] for one in rounds]}
        print(name, results[name], flush=True)
    print(save("small", results))


if __name__ == "__main__":
    main()
