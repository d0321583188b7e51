"""The points that the kernels are measured on: latent vectors of MNIST, and more of them drawn by the decoder.

They are made once, in benchmarks/data/, by the chapter's ELU network after its ten epochs.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import latentmap as lm

FOLDER = Path(__file__).parent / "data"
BLOCK = 20_000


def mnist_latents() -> NDArray[np.float32]:
    """Latent vectors of MNIST's 60,000 training images and 10,000 test images: (70000, 64)."""
    return _kept("latents", lambda: _model().transform(lm.load_mnist("all")[0]))


def drawn_latents(n: int) -> NDArray[np.float32]:
    """Latent vectors of n images that the decoder draws from perturbed latent vectors of MNIST: (n, 64)."""

    def draw() -> NDArray[np.float32]:
        model, latents = _model(), mnist_latents()
        random = np.random.default_rng(0)
        blocks = []
        for begin in range(0, n, BLOCK):
            m = min(BLOCK, n - begin)
            seeds = latents[random.integers(0, len(latents), m)]
            noise = random.normal(scale=0.3 * latents.std(axis=0), size=seeds.shape).astype(np.float32)
            drawn = np.round(255 * model.inverse_transform(seeds + noise)).astype(np.uint8)
            blocks.append(model.transform(drawn))
        return np.concatenate(blocks)

    return _kept(f"drawn-{n}", draw)


def _model() -> lm.Autoencoder:
    if not (FOLDER / "model").exists():
        lm.Autoencoder("conv", activation="elu", random_state=0).fit(lm.load_mnist("train")[0]).save(FOLDER / "model")
    return lm.Autoencoder.load(FOLDER / "model")


def _kept(name: str, make: Any) -> NDArray[np.float32]:
    path = FOLDER / f"{name}.npy"
    if not path.exists():
        FOLDER.mkdir(exist_ok=True)
        np.save(path, make())
    return np.load(path)
