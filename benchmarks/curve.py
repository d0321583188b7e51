"""Test error on MNIST against seconds of training: the chapter's Keras code, its network by latentmap, and the default.

Run with ``python -m benchmarks.curve`` after ``pip install -c constraints.txt -r benchmarks/requirements.txt``. Draws
docs/images/curve.png as well. PCA with as many dimensions is the floor that a network should leave behind.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from sklearn.decomposition import PCA

import latentmap as lm
from benchmarks.engines import keras_curve
from benchmarks.record import save
from benchmarks.workers import Worker
from latentmap.autoencoder.networks import build_network
from latentmap.autoencoder.training import Batches, train
from latentmap.autoencoder.training.defaults import choose_batch_size, choose_recipe
from latentmap.autoencoder.training.pixels import PixelScale
from latentmap.autoencoder.training.precision import choose_precision

PICTURE = Path(__file__).parent.parent / "docs" / "images" / "curve.png"
EPOCHS = 10
COLORS = {"Keras, the chapter's code": "#d55e00", "latentmap, the chapter's network": "#0072b2"}


def main() -> None:
    worker = Worker(keras_curve)
    keras = [worker() for _ in range(EPOCHS)]
    worker.close()
    curves = {
        "Keras, the chapter's code": _cumulated([seconds for seconds, _ in keras], [error for _, error in keras]),
        "latentmap, the chapter's network": _ours("conv"),
        "latentmap, the default": _ours("pyramid"),
    }
    results = {"curves": curves, "pca_test_mse": _pca_error()}
    print(save("curve", results, packages=("numpy", "torch", "keras", "tensorflow-cpu", "scikit-learn")))
    _draw(results)


def _ours(name: str) -> dict[str, list[float]]:
    images, test = (lm.load_mnist(part)[0][..., None] for part in ("train", "test"))
    network = build_network(name, images.shape[1:], 64)
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    sample = images[:1024]
    network.initialize(generator, torch.from_numpy(sample).float() / 255)
    batch_size = choose_batch_size("auto", name, len(images))
    recipe = choose_recipe(name, len(images), batch_size, "auto", "auto", "auto", "auto", "auto")
    batches = Batches(images, np.arange(len(images)), PixelScale(0, 255), batch_size, 0)
    history = train(network, batches, recipe, dtype=choose_precision("auto", network, sample), validation=test)
    return _cumulated(history["seconds"], history["val_loss"])


def _cumulated(seconds: list[float], errors: list[float]) -> dict[str, list[float]]:
    return {"seconds": np.cumsum(seconds).tolist(), "test_mse": errors}


def _pca_error() -> float:
    images, test = (lm.load_mnist(part)[0].reshape(-1, 784) / np.float32(255) for part in ("train", "test"))
    pca = PCA(64, random_state=0).fit(images)
    return float(((np.clip(pca.inverse_transform(pca.transform(test)), 0, 1) - test) ** 2).mean())


def _draw(results: dict[str, Any]) -> None:
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for name, curve in results["curves"].items():
        axes.plot(
            curve["seconds"], curve["test_mse"], "o-", markersize=4, color=COLORS.get(name, "#009e73"), label=name
        )
    axes.axhline(results["pca_test_mse"], color="#57606a", linestyle="--", linewidth=1, label="PCA, 64 dimensions")
    axes.set(xlabel="seconds of training", ylabel="mean squared error on the test images", yscale="log")
    ticks = [0.002, 0.003, 0.005, 0.01, 0.02]
    axes.set_yticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_xlim(left=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(PICTURE, dpi=120)


if __name__ == "__main__":
    main()
