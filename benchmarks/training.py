"""Seconds an epoch of the course chapter's networks takes, by engine; streaming from disk; images encoded in a second.

Run with ``python -m benchmarks.training`` after ``pip install -c constraints.txt -r benchmarks/requirements.txt``.
Every engine has a process of its own; they take turns, and each has made an epoch before the first that counts.
"""

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import latentmap as lm
from benchmarks.engines import NETWORKS, floor_flops, keras_epoch, latentmap_epoch, torch_epoch
from benchmarks.record import save
from benchmarks.rounds import in_turns, peaks
from benchmarks.workers import Worker
from latentmap.autoencoder.training import batches

ENGINES = {
    "latentmap, bfloat16": (latentmap_epoch, "bfloat16"),
    "latentmap, float32": (latentmap_epoch, "float32"),
    "PyTorch": (torch_epoch, False),
    "PyTorch, compiled": (torch_epoch, True),
    "Keras (TensorFlow)": (keras_epoch,),
}
ROUNDS = 5
N_STREAMED = 300_000


def main() -> None:
    best = peaks()
    results: dict[str, Any] = {"peaks": best, "epochs": {}}
    for name in NETWORKS:
        results["epochs"][name] = _epochs(name)
        flops = floor_flops(name, 60_000)
        results["epochs"][name]["floor"] = {
            "float32_seconds": flops / best["flops"],
            "bfloat16_seconds": flops / best["bfloat16_flops"],
        }
    results["streaming"] = _streaming()
    results["encoding"] = _encoding()
    packages = ("numpy", "torch", "numba", "keras", "tensorflow-cpu")
    print(save("training", results, packages=packages))


def _epochs(name: str) -> dict[str, Any]:
    workers = {engine: Worker(make, name, *rest) for engine, (make, *rest) in ENGINES.items()}
    for worker in workers.values():
        worker()
    found = in_turns(workers, ROUNDS)
    for engine, worker in workers.items():
        found[engine]["losses"] = found[engine].pop("results")
        worker.close()
    return {"engines": found}


def _streaming() -> dict[str, float]:
    """Images a second in training, from memory and from a file that the system has not cached."""
    images = np.resize(lm.load_mnist("train")[0], (N_STREAMED, 28, 28))
    batches.MAX_SHUFFLED_BYTES = 0  # so that this file is streamed as one beyond 2 GiB is
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npy"
        np.save(path, images)
        rates: dict[str, list[float]] = {"memory": [], "disk": []}
        for _ in range(3):
            rates["memory"].append(_rate(images))
            _forget(path)
            rates["disk"].append(_rate(np.load(path, mmap_mode="r")))
    return {"n": N_STREAMED} | {f"{name}_images_per_second": statistics.median(found) for name, found in rates.items()}


def _rate(images: Any) -> float:
    model = lm.Autoencoder("conv", epochs=1, random_state=0).fit(images)
    return len(images) / model.history_["seconds"][0]


def _forget(path: Path) -> None:
    """Have the system drop a file from its cache."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _encoding() -> dict[str, float]:
    """Images encoded in a second, by network."""
    images = lm.load_mnist("train")[0]
    rates = {}
    for network in ("dense", "conv", "pyramid"):
        model = lm.Autoencoder(network, epochs=1, random_state=0).fit(images[:1000])
        model.transform(images[:1000])
        taken = []
        for _ in range(3):
            begun = time.perf_counter()
            model.transform(images)
            taken.append(time.perf_counter() - begun)
        rates[network] = len(images) / statistics.median(taken)
    return rates


if __name__ == "__main__":
    main()
