"""Is the reconstruction error of a digit that was never seen larger? Ten digits, each held out once.

Run with ``python -m benchmarks.anomaly`` after ``pip install -c constraints.txt -r benchmarks/requirements.txt``. Each
model learns 6,000 images of the nine other digits in ten epochs, not mixed, and scores the 10,000 test images. The
figure is the area under the ROC curve of the held-out digit against the others, beside PCA and PyOD's autoencoder with
its defaults.
"""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyod.models.auto_encoder import AutoEncoder
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score

import latentmap as lm
from benchmarks.record import save

N_TRAIN = 6_000
EPOCHS = 10


def main() -> None:
    train, train_digits = lm.load_mnist("train")
    test, test_digits = lm.load_mnist("test")
    rows: list[dict[str, Any]] = []
    for digit in range(10):
        known = train[train_digits != digit][:N_TRAIN]
        row: dict[str, Any] = {"digit": digit}
        for name, score in (("latentmap", _ours), ("PCA", _pca), ("PyOD autoencoder", _pyod)):
            begun = time.perf_counter()
            scores = score(known, test)
            row[name] = {
                "auroc": float(roc_auc_score(test_digits == digit, scores)),
                "seconds": time.perf_counter() - begun,
            }
        rows.append(row)
        print(row, flush=True)
    print(save("anomaly", rows, packages=("numpy", "torch", "scikit-learn", "pyod")))


def _ours(known: NDArray[np.uint8], test: NDArray[np.uint8]) -> NDArray[Any]:
    return lm.Autoencoder(epochs=EPOCHS, augmentation=(), random_state=0).fit(known).score_samples(test)


def _pca(known: NDArray[np.uint8], test: NDArray[np.uint8]) -> NDArray[Any]:
    flat, new = (images.reshape(len(images), -1) / 255 for images in (known, test))
    pca = PCA(64, random_state=0).fit(flat)
    return ((pca.inverse_transform(pca.transform(new)) - new) ** 2).mean(axis=1)


def _pyod(known: NDArray[np.uint8], test: NDArray[np.uint8]) -> NDArray[Any]:
    flat, new = (images.reshape(len(images), -1) / 255 for images in (known, test))
    model = AutoEncoder(random_state=0, verbose=0)
    return np.asarray(model.fit(flat).decision_function(new))


if __name__ == "__main__":
    main()
