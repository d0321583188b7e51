"""Groups of collections of all sizes and kinds by visual features, with no label used, and how many are found.

Run with ``python -m benchmarks.group_counts`` after ``pip install -c constraints.txt -r benchmarks/requirements.txt``.
The collections are those of benchmarks.features, samples of MNIST and all of it. ``best_cut`` is the agreement of the
cut of our own tree that agrees most with the categories.
"""

import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import umap
from numpy.typing import NDArray
from sklearn.cluster import HDBSCAN
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

import latentmap as lm
from benchmarks.features import collections
from benchmarks.record import save
from latentmap.core.parallel import one_blas_thread

SAMPLES = (300, 1_000, 3_000)
N_SAMPLES = 5
CUTS = (
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    12,
    13,
    14,
    16,
    18,
    20,
    25,
    30,
    40,
    50,
    60,
    80,
    100,
    150,
    200,
    250,
    300,
    400,
    500,
)

Images = NDArray[np.uint8]
Labels = NDArray[Any]
Rows = NDArray[np.float32]


def main() -> None:
    """Measure all collections, and keep the results after each."""
    warnings.filterwarnings("ignore", category=UserWarning, module="umap")
    results: dict[str, list[dict[str, Any]]] = {}
    for name, read in _sets():
        images, labels = read()
        row = measure(images, labels)
        results.setdefault(name, []).append(row)
        print(name, row, flush=True)
        save("group_counts", results, packages=("numpy", "scikit-learn", "umap-learn"))


def _sets() -> Iterator[tuple[str, Callable[[], tuple[Images, Labels]]]]:
    images, labels = lm.load_mnist("all")
    for n in SAMPLES:
        for seed in range(N_SAMPLES):
            rows = np.random.RandomState(seed).choice(len(images), n, replace=False)
            yield f"{n:,} of MNIST", lambda rows=rows: (images[rows], labels[rows])
    yield "70,000 of MNIST", lambda: (images, labels)
    for name, read in collections().items():
        if name != "MNIST":
            yield name, read


def measure(images: Images, labels: Labels) -> dict[str, Any]:
    """Adjusted Rand index of each method with the categories, and what ours finds."""
    k = len(np.unique(labels))
    features = lm.ImageFeatures(random_state=0).fit_transform(images)
    begun = time.perf_counter()
    ours = lm.GraphClustering(random_state=0).fit(features)
    seconds = time.perf_counter() - begun
    given = lm.GraphClustering(k, random_state=0).fit(features).labels_
    cuts = [ours.cut(count) for count in CUTS if count <= ours.tree_.n_blocks]
    pixels = images.reshape(len(images), -1).astype(np.float32) / 255
    embedded = umap.UMAP(n_components=10, n_neighbors=15, min_dist=0.0, random_state=0).fit_transform(features)
    with one_blas_thread():
        mixture = GaussianMixture(k, n_init=1, random_state=0, reg_covar=1e-4).fit_predict(embedded)
    groupings = {
        "latentmap, K found": ours.labels_,
        "latentmap, K given": given,
        "K-means on pixels, K given": _kmeans(PCA(min(64, *pixels.shape), random_state=0).fit_transform(pixels), k),
        "K-means on features, K given": _kmeans(features, k),
        "UMAP and mixture on features, K given": mixture,
        "HDBSCAN on UMAP of features": HDBSCAN(max(5, len(images) // 100), n_jobs=-1).fit_predict(embedded),
    }
    return {
        "n": len(images),
        "categories": k,
        "found": int(ours.n_clusters_),
        "stability": ours.stability(),
        "seconds": seconds,
        "ari": {name: float(adjusted_rand_score(labels, groups)) for name, groups in groupings.items()},
        "best_cut": max(float(adjusted_rand_score(labels, cut)) for cut in [ours.labels_, *cuts]),
    }


def _kmeans(rows: Rows, k: int) -> Labels:
    return np.asarray(lm.KMeans(k, n_init=10, random_state=0).fit_predict(rows))


if __name__ == "__main__":
    main()
