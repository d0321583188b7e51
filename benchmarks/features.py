"""How often an image's nearest others are of its own category, by the features that name them.

Run with ``python -m benchmarks.features``. The collections are those of benchmarks.labelled_collections, and MNIST and
scikit-learn's digits. ``--latents`` also trains the default network on each.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.feature import hog
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

import latentmap as lm
from benchmarks.labelled_collections import COLLECTIONS
from benchmarks.labelled_collections import load as load_collection
from benchmarks.record import load, save
from latentmap.features.color import color_histograms
from latentmap.features.estimator import BLOCKS
from latentmap.features.resampling import resample

N_NEAREST = 5
N_MNIST = 2_500
Images = NDArray[np.uint8]
Rows = NDArray[np.float32]


def collections() -> dict[str, Callable[[], tuple[Images, NDArray[Any]]]]:
    """Images and categories by the name of the collection."""

    def labelled(name: str) -> Callable[[], tuple[Images, NDArray[Any]]]:
        def read() -> tuple[Images, NDArray[Any]]:
            found = load_collection(name)
            return found.images, found.labels

        return read

    def digits() -> tuple[Images, NDArray[Any]]:
        found = load_digits()
        return np.round(found.images * (255 / 16)).astype(np.uint8), found.target

    def mnist() -> tuple[Images, NDArray[Any]]:
        images, labels = lm.load_mnist("test")
        return images[:N_MNIST], labels[:N_MNIST]

    return {name: labelled(name) for name in COLLECTIONS} | {"digits 8×8": digits, "MNIST": mnist}


def pixels(images: Images) -> Rows:
    """64 principal components of the pixels at 32×32."""
    return _pca(_resized(images, 32).reshape(len(images), -1))


def colors(images: Images) -> Rows:
    """A histogram of 6×6×6 colours in CIELAB, or of 32 grey values."""
    return color_histograms(_resized(images, 32))


def gradients(images: Images) -> Rows:
    """64 principal components of scikit-image's histograms of oriented gradients, in cells of 8×8 pixels of 64×64."""
    found = [hog(one, 9, (8, 8), (2, 2), channel_axis=-1, feature_vector=True) for one in _resized(images, 64)]
    return _pca(np.array(found, np.float32))


def gradients_and_colors(images: Images) -> Rows:
    """Both, with equal mean squared distances."""
    return np.concatenate([_scaled(gradients(images)), _scaled(colors(images))], axis=1)


def latents(images: Images) -> Rows:
    """Latent vectors of the default network, trained on the images."""
    return lm.Autoencoder(random_state=0).fit(images).transform(images)


BASELINES = {
    "pixels": pixels,
    "colours": colors,
    "HOG": gradients,
    "HOG and colours": gradients_and_colors,
}


def main() -> None:
    lm.ImageFeatures(random_state=0).fit_transform(
        np.zeros((10, 8, 8, 3), np.uint8)
    )  # whatever compiles, compiles here
    results = _known_results()
    for name, read in collections().items():
        images, labels = read()
        found = results.setdefault(name, {"scores": {}})
        found |= {"n": len(images), "image_shape": list(images.shape[1:]), "categories": len(np.unique(labels))}
        for candidate, compute in BASELINES.items():
            found["scores"][candidate] = agreement(compute(images), labels)
        if "--latents" in sys.argv:
            found["scores"]["latents"] = agreement(latents(images), labels)
        _measure_ours(found, images, labels)
        print(name, {key: np.round(value, 3).tolist() for key, value in found["scores"].items()}, flush=True)
        save("features", results, packages=("numpy", "scikit-learn", "scikit-image"))


def _measure_ours(found: dict[str, Any], images: Images, labels: NDArray[Any]) -> None:
    features = lm.ImageFeatures(random_state=0)
    begun = time.perf_counter()
    rows = features.fit_transform(images)
    found["seconds"] = time.perf_counter() - begun
    found["weights"] = features.weights_
    found["scores"]["ours"] = agreement(rows, labels)
    begin = 0
    for block, mapped in zip(BLOCKS, features._maps, strict=True):
        end = begin + mapped.n_components
        if end > begin:
            found["scores"][block.name] = agreement(rows[:, begin:end], labels)
        begin = end


def agreement(rows: Rows, labels: NDArray[Any]) -> tuple[float, float]:
    """Fraction of the nearest others, and of the five nearest, that are of the category of the image."""
    near = lm.nearest_neighbors(rows, N_NEAREST).indices
    same = labels[near] == labels[:, None]
    return float(same[:, 0].mean()), float(same.mean())


def _known_results() -> dict[str, Any]:
    """Earlier results: latents are kept where they are not measured again."""
    try:
        found: dict[str, Any] = load("features")["results"]
    except FileNotFoundError:
        return {}
    return found


def _resized(images: Images, side: int) -> Rows:
    values = images.astype(np.float32) / 255
    return resample(values if values.ndim == 4 else values[..., None], side, side)


def _pca(rows: Rows) -> Rows:
    return PCA(min(64, *rows.shape), svd_solver="covariance_eigh").fit_transform(rows).astype(np.float32)


def _scaled(rows: Rows) -> Rows:
    return rows / np.sqrt(2 * rows.var(axis=0).sum())


if __name__ == "__main__":
    main()
