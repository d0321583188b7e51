"""The default network, with its defaults, on images of many kinds: error on new images, sleeping dimensions, time.

Run with ``python -m benchmarks.collections``. Icons, flags and glyphs come out of Debian packages, fetched by apt-get.
"""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

import latentmap as lm
from benchmarks.labelled.packages import debian
from benchmarks.record import save

CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
# A dimension whose standard deviation is below this share of the largest carries nothing.
ASLEEP = 1e-2
Images = NDArray[np.uint8]


def mnist() -> tuple[Images, Images]:
    """Its own split."""
    return lm.load_mnist("train")[0], lm.load_mnist("test")[0]


def digits() -> tuple[Images, Images]:
    """scikit-learn's 1,797 digits of 8×8."""
    return _split(np.round(load_digits().images * (255 / 16)).astype(np.uint8))


def flags() -> tuple[Images, Images]:
    """Flags of 16×11 pixels, in colour."""
    return _split(lm.open_images(debian("famfamfam-flag-png")).images)


def icons(side: int) -> tuple[Images, Images]:
    """Icons of the Oxygen theme, in colour."""
    folder = debian("oxygen-icon-theme") / "usr/share/icons/oxygen/base" / f"{side}x{side}"
    return _split(lm.open_images(folder, size=side).images)


def glyphs() -> tuple[Images, Images]:
    """Letters and figures of the Noto fonts, drawn in 32×32."""
    drawn = []
    for path in sorted(debian("fonts-noto-core").rglob("*.ttf")):
        font = ImageFont.truetype(str(path), 24)
        for character in CHARACTERS:
            picture = Image.new("L", (32, 32))
            ImageDraw.Draw(picture).text((16, 16), character, fill=255, font=font, anchor="mm")
            drawn.append(np.asarray(picture))
    return _split(np.stack(drawn))


COLLECTIONS = {
    "MNIST": mnist,
    "digits 8×8": digits,
    "flags": flags,
    "icons 32×32": lambda: icons(32),
    "icons 64×64": lambda: icons(64),
    "icons 256×256": lambda: icons(256),
    "glyphs": glyphs,
}


def main() -> None:
    results = {}
    for name, load in COLLECTIONS.items():
        train, test = load()
        results[name] = _measure(train, test)
        print(name, results[name], flush=True)
    print(save("collections", results))


def _measure(train: Images, test: Images) -> dict[str, Any]:
    lm.Autoencoder(epochs=1, random_state=0).fit(train[:100])  # whatever compiles, compiles here
    begun = time.perf_counter()
    model = lm.Autoencoder(random_state=0).fit(train)
    seconds = time.perf_counter() - begun
    spread = model.transform(test).std(axis=0)
    return {
        "n_train": len(train),
        "n_test": len(test),
        "image_shape": list(train.shape[1:]),
        "seconds": seconds,
        "epochs": model.n_epochs_,
        "train_mse": -model.score(train),
        "test_mse": -model.score(test),
        "pca_test_mse": _pca_error(train, test),
        "asleep": int((spread < ASLEEP * spread.max()).sum()),
    }


def _pca_error(train: Images, test: Images) -> float:
    """PCA with as many dimensions, its pictures cut to [0, 1]."""
    flat, new = ((images.reshape(len(images), -1) / np.float32(255)).astype(np.float32) for images in (train, test))
    if min(flat.shape) <= 64:
        return float("nan")
    pca = PCA(64, random_state=0).fit(flat)
    return float(((np.clip(pca.inverse_transform(pca.transform(new)), 0, 1) - new) ** 2).mean())


def _split(images: Images) -> tuple[Images, Images]:
    """Four fifths to train on and the rest to test on; no image twice."""
    _, unique = np.unique(images.reshape(len(images), -1), axis=0, return_index=True)
    order = np.random.default_rng(0).permutation(np.sort(unique))
    n = len(order) * 4 // 5
    return images[order[:n]], images[order[n:]]


if __name__ == "__main__":
    main()
