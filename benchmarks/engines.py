"""The course chapter's networks by Keras, by plain PyTorch, and by latentmap: each trains an epoch whenever called."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import latentmap as lm

BATCH = 256
# name: network, activation, and the multiply-adds of one image going forward, and of them those of the first layer
NETWORKS = {
    "dense": ("dense", "relu", 784 * 784 + 2 * 784 * 64, 784 * 784),
    "conv": ("conv", "elu", 2 * (196 * 4 * 32 + 49 * 128 * 64 + 3136 * 64), 196 * 4 * 32),
}
Epoch = Callable[[], float]


def floor_flops(name: str, n: int) -> float:
    """Operations in the products of one epoch: forward, gradients of weights, and of all inputs but the images."""
    _, _, forward, first = NETWORKS[name]
    return n * 2.0 * (3 * forward - first)


def keras_epoch(name: str) -> Epoch:
    """The chapter's own code; the mean loss of the epoch."""
    model, x = _keras_model(name)
    return lambda: float(model.fit(x, x, epochs=1, batch_size=BATCH, verbose=0).history["loss"][0])


def keras_curve() -> Callable[[], tuple[float, float]]:
    """An epoch of the chapter's ELU network by its own code: the seconds that it took, and the test error after it."""
    import time

    model, x = _keras_model("conv")
    test = (lm.load_mnist("test")[0] / 255.0)[..., None]

    def epoch() -> tuple[float, float]:
        begun = time.perf_counter()
        model.fit(x, x, epochs=1, batch_size=BATCH, verbose=0)
        seconds = time.perf_counter() - begun
        return seconds, float(((model.predict(test, verbose=0) - test) ** 2).mean())

    return epoch


def _keras_model(name: str) -> tuple[Any, NDArray[np.float64]]:
    """The chapter's model, compiled, and the images in the shape that it takes."""
    import os

    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    import keras
    from keras import layers

    images = lm.load_mnist("train")[0] / 255.0
    if name == "dense":
        x = images.reshape(-1, 784)
        stack = [
            layers.Input((784,)),
            layers.Dense(784, activation="relu"),
            layers.Dense(64, activation="relu"),
            layers.Dense(784, activation="sigmoid"),
        ]
    else:
        x = images.reshape(-1, 28, 28, 1)
        stack = [
            layers.Input((28, 28, 1)),
            layers.Conv2D(32, 2, (2, 2), activation="elu"),
            layers.Conv2D(64, 2, (2, 2), activation="elu"),
            layers.Flatten(),
            layers.Dense(64, activation="elu"),
            layers.Dense(7 * 7 * 64, activation="elu"),
            layers.Reshape((7, 7, 64)),
            layers.Conv2DTranspose(32, 2, (2, 2), padding="same", activation="elu"),
            layers.Conv2DTranspose(1, 2, (2, 2), padding="same", activation="sigmoid"),
        ]
    model = keras.Sequential(stack)
    model.compile(optimizer="adam", loss="mse")
    return model, x


def torch_epoch(name: str, compiled: bool) -> Epoch:
    """Plain PyTorch, float32: torch's own layers, images as floats in memory."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    x = torch.from_numpy(lm.load_mnist("train")[0]).float() / 255
    if name == "dense":
        x = x.flatten(1)
        model = nn.Sequential(
            nn.Linear(784, 784), nn.ReLU(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 784), nn.Sigmoid()
        )
    else:
        x = x[:, None]
        model = nn.Sequential(
            *(nn.Conv2d(1, 32, 2, 2), nn.ELU(), nn.Conv2d(32, 64, 2, 2), nn.ELU(), nn.Flatten()),
            *(nn.Linear(3136, 64), nn.ELU(), nn.Linear(64, 3136), nn.ELU(), nn.Unflatten(1, (64, 7, 7))),
            *(nn.ConvTranspose2d(64, 32, 2, 2), nn.ELU(), nn.ConvTranspose2d(32, 1, 2, 2), nn.Sigmoid()),
        )
    optimizer = torch.optim.Adam(model.parameters())
    forward = torch.compile(model) if compiled else model

    def epoch() -> float:
        total = 0.0
        for rows in torch.randperm(len(x)).split(BATCH):
            batch = x[rows]
            loss = nn.functional.mse_loss(forward(batch), batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        return total / len(x)

    return epoch


def latentmap_epoch(name: str, precision: str) -> Epoch:
    """The steps of ``Autoencoder.fit``, uint8 images in memory."""
    import torch

    from latentmap.autoencoder.networks import build_network
    from latentmap.autoencoder.training import Batches, Recipe
    from latentmap.autoencoder.training.loop import make_engine
    from latentmap.autoencoder.training.pixels import PixelScale
    from latentmap.autoencoder.training.precision import PRECISIONS

    images = lm.load_mnist("train")[0][..., None]
    network, activation, _, _ = NETWORKS[name]
    model = build_network(network, images.shape[1:], 64, activation)
    generator = torch.Generator().manual_seed(0)
    model.initialize(generator, torch.from_numpy(images[:1024]).float() / 255)
    engine = make_engine(model, PRECISIONS[precision], Recipe(1, 1e-3, "constant"))
    batches = Batches(images, np.arange(len(images)), PixelScale(0, 255), BATCH, 0)
    numbers = iter(range(10**6))

    def epoch() -> float:
        losses = [engine.step(batch, batch, 1e-3, 0.0) * len(batch) for batch in batches.epoch(next(numbers))]
        return sum(losses) / len(images)

    return epoch
