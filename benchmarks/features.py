"""How often an image's nearest others are of its own category, by the features that name them.

Run with ``python -m benchmarks.features`` to measure all but the slow candidates, or with names behind it to measure
these alone: ``python -m benchmarks.features latents scattering SimCLR``. Earlier results of the others are kept.
``--missing`` goes on where a run was interrupted. The collections are those of benchmarks.labelled_collections, and
MNIST and scikit-learn's digits.
"""

import argparse
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
from benchmarks.scattering import scattering
from benchmarks.simclr import contrastive_features
from latentmap.features.color import color_histograms
from latentmap.features.estimator import BLOCKS
from latentmap.features.resampling import resample

N_NEAREST = 5
N_MNIST = 2_500
MAX_EXACT = 2_000  # dimensions above which the principal components are approximate, in a tenth of the time
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


def scattered(images: Images) -> Rows:
    """64 principal components, whitened by half, of the roots of scattering coefficients of 32×32 grey values."""
    return _half_whitened(_pca(np.sqrt(scattering(_resized(images, 32).mean(axis=3)))))


def contrastive(images: Images) -> Rows:
    """Directions of 64 principal components, whitened by half, of the features of SimCLR, trained at 32×32."""
    rows = _half_whitened(_pca(contrastive_features(_resized(images, 32))))
    unit: Rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


OURS = "ours"
BASELINES = {
    "pixels": pixels,
    "colours": colors,
    "HOG": gradients,
    "HOG and colours": gradients_and_colors,
}
SLOW = {"latents": latents, "scattering": scattered, "SimCLR": contrastive}


def main() -> None:
    """Measure the candidates on all collections, and keep the results after each."""
    named, only_missing = _arguments()
    if OURS in named:  # whatever compiles, compiles here
        lm.ImageFeatures(random_state=0).fit_transform(np.zeros((10, 8, 8, 3), np.uint8))
    results = _known_results()
    for name, read in collections().items():
        found = results.setdefault(name, {"scores": {}})
        candidates = [one for one in named if not (only_missing and one in found["scores"])]
        if not candidates:
            continue
        images, labels = read()
        found |= {"n": len(images), "image_shape": list(images.shape[1:]), "categories": len(np.unique(labels))}
        for candidate in candidates:
            _measure(candidate, found, images, labels)
        print(name, {key: np.round(value, 3).tolist() for key, value in found["scores"].items()}, flush=True)
        save("features", results, packages=("numpy", "scikit-learn", "scikit-image", "torch"))


def _arguments() -> tuple[list[str], bool]:
    """Names of the candidates, and whether only figures that are missing are measured."""
    known = [*BASELINES, OURS, *SLOW]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.features")
    parser.add_argument("candidates", nargs="*", help=f"by default all but {', '.join(SLOW)}")
    parser.add_argument("--missing", action="store_true", help="leave out what has been measured")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.candidates) - set(known))
    if unknown:
        parser.error(f"{', '.join(unknown)}: choose among {', '.join(known)}")
    return arguments.candidates or [*BASELINES, OURS], arguments.missing


def _measure(candidate: str, found: dict[str, Any], images: Images, labels: NDArray[Any]) -> None:
    if candidate == OURS:
        _measure_ours(found, images, labels)
    else:
        found["scores"][candidate] = agreement((BASELINES | SLOW)[candidate](images), labels)


def _measure_ours(found: dict[str, Any], images: Images, labels: NDArray[Any]) -> None:
    features = lm.ImageFeatures(random_state=0)
    begun = time.perf_counter()
    rows = features.fit_transform(images)
    found["seconds"] = time.perf_counter() - begun
    found["weights"] = features.weights_
    found["scores"][OURS] = agreement(rows, labels)
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
    """Earlier results, which are kept where they are not measured again."""
    try:
        found: dict[str, Any] = load("features")["results"]
    except FileNotFoundError:
        return {}
    return found


def _resized(images: Images, side: int) -> Rows:
    values = images.astype(np.float32) / np.float32(255)
    resized: Rows = resample(values if values.ndim == 4 else values[..., None], side, side)
    return resized


def _pca(rows: Rows) -> Rows:
    solver = "covariance_eigh" if rows.shape[1] <= MAX_EXACT else "randomized"
    model = PCA(min(64, *rows.shape), svd_solver=solver, random_state=0)
    components: Rows = model.fit_transform(rows).astype(np.float32)
    return components


def _half_whitened(rows: Rows) -> Rows:
    """Rows whose variances have become their square roots."""
    whitened: Rows = rows / np.sqrt(rows.std(axis=0))
    return whitened


def _scaled(rows: Rows) -> Rows:
    scaled: Rows = rows / np.sqrt(2 * rows.var(axis=0).sum())
    return scaled


if __name__ == "__main__":
    main()
