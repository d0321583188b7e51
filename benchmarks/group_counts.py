"""Groups of collections of all sizes and kinds by visual features, with no label used, and how many are found.

Run with ``python -m benchmarks.group_counts`` after ``pip install -c constraints.txt -r benchmarks/requirements.txt``,
or with names of collections behind it to measure these alone and keep earlier results of the others. The collections
are those of benchmarks.features, samples of MNIST and all of it. ``best_cut`` is the adjusted Rand index of the cut of
our own tree that agrees most with the categories.
"""

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import umap  # type: ignore[import-untyped]
from evoc import EVoC  # type: ignore[import-untyped]
from numpy.typing import NDArray
from sklearn.cluster import HDBSCAN
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.mixture import GaussianMixture

import latentmap as lm
from benchmarks.features import collections
from benchmarks.record import load, save
from latentmap.core.parallel import one_blas_thread
from latentmap.metrics import clustering_accuracy

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
Reader = Callable[[], tuple[Images, Labels]]

GIVEN = ", K given"  # ends the names of the methods that are told the number of categories


def main() -> None:
    """Measure the collections, and keep the results after each."""
    warnings.filterwarnings("ignore", category=UserWarning, module="umap")
    sets = _sets()
    chosen = _chosen(list(sets))
    results = _known_results()
    for name in chosen:
        results[name] = []
        for read in sets[name]:
            results[name].append(measure(*read()))
            print(name, results[name][-1], flush=True)
        ordered = {one: results[one] for one in sets if one in results}
        save("group_counts", ordered, packages=("numpy", "scikit-learn", "umap-learn", "evoc"))


def _chosen(known: list[str]) -> list[str]:
    """Names of the collections to measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.group_counts")
    parser.add_argument("collections", nargs="*", help="by default all")
    named: list[str] = parser.parse_args().collections
    unknown = sorted(set(named) - set(known))
    if unknown:
        parser.error(f"{', '.join(unknown)}: choose among {', '.join(known)}")
    return named or known


def _known_results() -> dict[str, list[dict[str, Any]]]:
    """Earlier results, which are kept where they are not measured again."""
    try:
        found: dict[str, list[dict[str, Any]]] = load("group_counts")["results"]
    except FileNotFoundError:
        return {}
    return found


def _sets() -> dict[str, list[Reader]]:
    """The sets of images to group, by the name of the collection."""
    samples = {f"{n:,} of MNIST": [_sample(n, seed) for seed in range(N_SAMPLES)] for n in SAMPLES}
    others = {name: [read] for name, read in collections().items() if name != "MNIST"}
    return samples | {"70,000 of MNIST": [lambda: lm.load_mnist("all")]} | others


def _sample(n: int, seed: int) -> Reader:
    def read() -> tuple[Images, Labels]:
        images, labels = lm.load_mnist("all")
        rows = np.random.RandomState(seed).choice(len(images), n, replace=False)
        return images[rows], labels[rows]

    return read


def measure(images: Images, labels: Labels) -> dict[str, Any]:
    """Agreement of the groups of each method with the categories, and what ours finds."""
    k = len(np.unique(labels))
    features = lm.ImageFeatures(random_state=0).fit_transform(images)
    begun = time.perf_counter()
    ours = lm.GraphClustering(random_state=0).fit(features)
    seconds = time.perf_counter() - begun
    given = lm.GraphClustering(k, random_state=0).fit(features).labels_
    cuts = [ours.cut(count) for count in CUTS if count <= ours.tree_.n_blocks]
    groupings = {"latentmap, K found": ours.labels_, f"latentmap{GIVEN}": given} | _others(images, features, k)
    return {
        "n": len(images),
        "categories": k,
        "found": int(ours.n_clusters_),
        "stability": ours.stability(),
        "seconds": seconds,
        "ari": {name: _ari(labels, groups) for name, groups in groupings.items()},
        "nmi": {name: float(normalized_mutual_info_score(labels, groups)) for name, groups in groupings.items()},
        "accuracy": {
            name: clustering_accuracy(labels, groups) for name, groups in groupings.items() if name.endswith(GIVEN)
        },
        "best_cut": max(_ari(labels, cut) for cut in [ours.labels_, *cuts]),
    }


def _others(images: Images, features: Rows, k: int) -> dict[str, Labels]:
    """Groups of other methods; what HDBSCAN and EVoC leave out is one more group."""
    pixels = images.reshape(len(images), -1).astype(np.float32) / 255
    latents = lm.Autoencoder(random_state=0).fit(images).transform(images)
    embedded = umap.UMAP(n_components=10, n_neighbors=15, min_dist=0.0, random_state=0).fit_transform(features)
    with one_blas_thread():
        mixture = GaussianMixture(k, n_init=1, random_state=0, reg_covar=1e-4).fit_predict(embedded)
    return {
        f"K-means on pixels{GIVEN}": _kmeans(PCA(min(64, *pixels.shape), random_state=0).fit_transform(pixels), k),
        f"K-means on latents{GIVEN}": _kmeans(latents, k),
        f"K-means on features{GIVEN}": _kmeans(features, k),
        f"UMAP and mixture on features{GIVEN}": mixture,
        "HDBSCAN on UMAP of features": HDBSCAN(max(5, len(images) // 100), copy=True, n_jobs=-1).fit_predict(embedded),
        "EVoC on features": EVoC(random_state=0).fit_predict(features),
    }


def _ari(labels: Labels, groups: Labels) -> float:
    return float(adjusted_rand_score(labels, groups))


def _kmeans(rows: Rows, k: int) -> Labels:
    return np.asarray(lm.KMeans(k, n_init=10, random_state=0).fit_predict(rows))


if __name__ == "__main__":
    main()
