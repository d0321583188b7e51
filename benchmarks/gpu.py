"""CPU and GPU turn by turn: training, encoding, neighbours, t-SNE and the whole run of MNIST.

Run with ``python -m benchmarks.gpu``. Without a GPU it prints a sentence and ends. Each part is saved when it is done,
so that an interrupted benchmark keeps the parts before.
"""

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import latentmap as lm
from benchmarks.processes import timed_run
from benchmarks.record import save
from benchmarks.rounds import in_turns
from latentmap.core.devices import describe_device, devices_in_words
from latentmap.tsne.device_descent import DeviceDescent  # noqa: F401 - loaded before anything is timed

DEVICES = ("cpu", "cuda")
N_POINTS, N_FEATURES, N_NEIGHBORS = 70_000, 64, 90
EPOCHS = 1
NETWORKS = ("pyramid", "conv", "variational")
ROUNDS = 2


def main() -> None:
    if not torch.cuda.is_available():
        print(f"benchmarks.gpu needs a GPU, and {devices_in_words()}: nothing is measured")
        return
    images = lm.load_mnist("train")[0]
    results: dict[str, Any] = {"card": describe_device(torch.device("cuda"))}
    parts: dict[str, Callable[[], Any]] = {
        "neighbors": lambda: _neighbors(_points()),
        "tsne": lambda: _tsne(_points()),
        "encoding": lambda: _encoding(images),
        "training": lambda: {network: _training(network, images) for network in NETWORKS},
        "whole": _whole,
    }
    for name in sys.argv[1:] or parts:
        print(name, flush=True)
        results[name] = parts[name]()
        print(save("gpu", results, packages=("numpy", "torch", "numba", "scikit-learn")), flush=True)


def _points() -> NDArray[np.float32]:
    """Points in ten groups, whose neighbours and map take as long as those of latent vectors."""
    random = np.random.default_rng(0)
    centers = 3 * random.normal(size=(10, N_FEATURES))
    return (centers[np.arange(N_POINTS) % 10] + random.normal(size=(N_POINTS, N_FEATURES))).astype(np.float32)


def _neighbors(X: NDArray[np.float32]) -> dict[str, Any]:
    """Seconds of the search, and the fraction of the exact neighbours that the CPU finds."""
    for device in DEVICES:
        lm.nearest_neighbors(X[:2000], N_NEIGHBORS, device=device)
    found = _on_each(lambda device, _: lm.nearest_neighbors(X, N_NEIGHBORS, device=device))
    graphs = {device: found[device].pop("results")[0] for device in DEVICES}
    rows = np.random.default_rng(0).choice(len(X), 1000, replace=False)
    common = [len(np.intersect1d(*(graphs[device].indices[row] for device in DEVICES))) for row in rows]
    return found | {"common_fraction": float(np.mean(common)) / N_NEIGHBORS}


def _tsne(X: NDArray[np.float32]) -> dict[str, Any]:
    """Seconds of the map, neighbours included, and its divergence."""
    for device in DEVICES:
        lm.TSNE(random_state=0, max_iter=250, device=device).fit(X[:3000])
    found = _on_each(lambda device, seed: lm.TSNE(random_state=seed, device=device).fit(X).kl_divergence_)
    return _named(found, "divergences")


def _encoding(images: NDArray[np.uint8]) -> dict[str, Any]:
    """Seconds to encode 60,000 images with the default network."""
    with tempfile.TemporaryDirectory() as folder:
        lm.Autoencoder(epochs=1, device="cpu", random_state=0).fit(images[:1000]).save(folder)
        models = {device: lm.Autoencoder.load(folder, device=device) for device in DEVICES}
    for model in models.values():
        model.transform(images[:5000])
    sides = {device: (lambda _, model=model: len(model.transform(images))) for device, model in models.items()}
    return _rates(in_turns(sides, ROUNDS), len(images))


def _training(network: str, images: NDArray[np.uint8]) -> dict[str, Any]:
    """Seconds of a fit of one epoch, and its loss."""

    def fit(device: str, seed: int) -> float:
        return lm.Autoencoder(network, epochs=EPOCHS, device=device, random_state=seed).fit(images).history_["loss"][-1]

    for device in DEVICES:
        lm.Autoencoder(network, epochs=1, device=device, random_state=0).fit(images[:2000])
    found = _named(_on_each(fit), "losses")
    return _rates(found, EPOCHS * len(images))


def _whole() -> dict[str, Any]:
    """The whole run of MNIST on each device, stage by stage. A run before, on little, compiles the kernels."""
    with tempfile.TemporaryDirectory() as folder:
        few = Path(folder) / "few.npy"
        np.save(few, lm.load_mnist("test")[0][:300])
        timed_run(few, Path(folder) / "few")
        hidden = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
        return {
            "cuda": timed_run("mnist", Path(folder) / "cuda"),
            "cpu": timed_run("mnist", Path(folder) / "cpu", hidden),
        }


def _on_each(work: Callable[[str, int], Any]) -> dict[str, dict[str, Any]]:
    """Time the work on each device, turn by turn."""

    def on(device: str) -> Callable[[int], Any]:
        return lambda number: work(device, number)

    return in_turns({device: on(device) for device in DEVICES}, ROUNDS)


def _named(found: dict[str, dict[str, Any]], name: str) -> dict[str, dict[str, Any]]:
    """Give the results of the rounds a name."""
    for one in found.values():
        one[name] = one.pop("results")
    return found


def _rates(found: dict[str, dict[str, Any]], n: int) -> dict[str, dict[str, Any]]:
    """Add the images in a second."""
    for one in found.values():
        one.pop("results", None)
        one["images_per_second"] = n / one["seconds"]
    return found


if __name__ == "__main__":
    main()
