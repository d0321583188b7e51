# ruff: noqa: E402 - the stand-in for torchvision comes before what imports it
"""Groups of MNIST's 70,000 images and of scikit-learn's digits, with no label used: ours beside what others do.

Run with ``python -m benchmarks.groups`` after ``pip install -c constraints.txt -r benchmarks/requirements.txt``. Ours
and what works on our latent vectors begin with images: each of five seeds trains a network of its own. ``seconds`` are
all of a method's, training included; ``grouping`` those after features, or latent vectors and tangents. ``--resume``
goes on with the seeds that are missing in the results, and ``--ours`` measures our methods again and keeps the others.

Deep embedded clustering (ClustPy's DEC and IDEC) and N2D's recipe take many minutes here, so they have one seed and
fewer epochs than published on MNIST, as said beside each.
"""

import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

# ClustPy brings torchvision along, of which nothing is used here, and which does not load beside a CPU build of torch.
for _name in ("", ".transforms", ".models", ".models._api", ".models.resnet", ".datasets"):
    sys.modules[f"torchvision{_name}"] = MagicMock()

import numpy as np
import torch
import umap
from clustpy import deep
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.cluster import HDBSCAN
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

import latentmap as lm
from benchmarks.record import load, save
from latentmap.core.parallel import one_blas_thread
from latentmap.metrics import clustering_report

SEEDS = range(5)
DEEP_EPOCHS = {"MNIST": 10, "digits": 100}
N2D_EPOCHS = {"MNIST": 20, "digits": 100}

PICTURE = Path(__file__).parent.parent / "docs" / "images" / "groups.png"
# Where the names of methods stand that would cover each other.
PLACES = {
    "latentmap, K found": (-10, 6),
    "latentmap, K given": (-6, 18),
    "latentmap by latent vectors, K found": (4, -18),
    "latentmap by latent vectors, K given": (0, 14),
    "latentmap by latent vectors without invariance, K given": (0, -32),
    "N2D's recipe, K given": (8, -3),
    "UMAP and mixture, K given, chapter's latents": (-8, -14),
    "HDBSCAN on UMAP, chapter's latents": (-8, -4),
    "K-means on latentmap's latents": (0, -16),
    "K-means on the chapter's latents": (0, 10),
    "K-means on pixels": (-4, 10),
    "K-means on PCA-64": (0, -16),
    "ClustPy DEC, K given": (-8, -12),
}

# The last method of each seed.
LAST = "K-means on latentmap's latents"

Found = tuple[str, NDArray[Any], dict[str, Any]]


def main() -> None:
    warnings.filterwarnings("ignore", category=UserWarning, module="umap")
    lm.GraphClustering().fit(np.random.default_rng(0).normal(size=(500, 4)), tangents=np.ones((500, 1, 4)))  # compiled
    digits = load_digits()
    sets = {
        "digits": ((digits.images * 15.9375).astype(np.uint8), digits.target),
        "MNIST": lm.load_mnist("all"),
    }
    only_ours, resumes = "--ours" in sys.argv, "--resume" in sys.argv
    results: dict[str, Any] = load("groups")["results"] if only_ours or resumes else {}
    for name, (images, labels) in sets.items():
        runs: dict[str, list[dict[str, float]]] = results.get(name, {}).get("methods", {})
        if only_ours and not resumes:
            runs = {method: rows for method, rows in runs.items() if "latentmap" not in method}
        done = {int(row["seed"]) for row in runs.get(LAST, [])}
        if done.issuperset(SEEDS):
            continue
        if done:  # seeds that were interrupted begin again
            runs = {
                method: [row for row in rows if row["seed"] in done or (only_ours and "latentmap" not in method)]
                for method, rows in runs.items()
            }
        chapter = None if only_ours else _chapter_latents(images)
        for seed in sorted(set(SEEDS) - done):
            found = _ours(images, seed) if chapter is None else _methods(name, images, chapter, seed)
            for method, groups, facts in found:
                measured = _measured(groups, labels, facts.pop("confidence", None))
                row = {"seed": seed, **facts, **measured}
                runs.setdefault(method, []).append(row)
                print(name, method, row, flush=True)
                results[name] = {"n": len(images), "epochs": DEEP_EPOCHS[name], "methods": runs}
                save("groups", results, packages=("numpy", "torch", "scikit-learn", "umap-learn", "clustpy"))
    _draw(results["MNIST"]["methods"])
    print("benchmarks/results/groups.json")


def _chapter_latents(images: NDArray[np.uint8]) -> tuple[NDArray[Any], float]:
    """Latent vectors of the chapter's network, and the seconds that they took."""
    begun = time.perf_counter()
    latents = lm.Autoencoder("conv", activation="elu", random_state=0).fit(images).transform(images)
    return latents, time.perf_counter() - begun


def _draw(methods: dict[str, list[dict[str, float]]]) -> None:
    """Accuracy against time, as docs/images/groups.png."""
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    axes = figure.add_subplot()
    for name, rows in methods.items():
        color = "#0072b2" if name.startswith("latentmap") else "#57606a"
        x, y = (statistics.median(row[key] for row in rows) for key in ("seconds", "accuracy"))
        axes.plot([row["seconds"] for row in rows], [row["accuracy"] for row in rows], ".", color=color, markersize=4)
        axes.plot(x, y, "o", color=color, markersize=7)
        side = PLACES.get(name, (8, -3))
        where = "right" if side[0] < 0 else "left"
        axes.annotate(name, (x, y), side, textcoords="offset points", fontsize=8, color=color, ha=where)
    axes.set(xlabel="seconds, training included", ylabel="fraction of the digits in the right group", xscale="log")
    axes.set_ylim(0.45, 1.05)
    axes.set_xlim(right=2000)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(PICTURE, dpi=120)


def _methods(name: str, images: NDArray[np.uint8], chapter: tuple[NDArray[Any], float], seed: int) -> Iterator[Found]:
    pixels = (images.reshape(len(images), -1) / 255).astype(np.float32)
    yield _timed("K-means on pixels", lambda: _kmeans(pixels, seed))
    yield _timed(
        "K-means on PCA-64",
        lambda: _kmeans(PCA(min(64, pixels.shape[1] - 1), random_state=seed).fit_transform(pixels), seed),
    )
    latents, seconds = chapter
    yield _timed("K-means on the chapter's latents", lambda: _kmeans(latents, seed), seconds)
    begun = time.perf_counter()
    embedded = umap.UMAP(n_components=10, n_neighbors=15, min_dist=0.0, random_state=None, n_jobs=-1).fit_transform(
        latents
    )
    seconds += time.perf_counter() - begun
    yield _timed("UMAP and mixture, K given, chapter's latents", lambda: _mixture(embedded, seed), seconds)
    least = max(5, len(images) // 100)
    yield _timed("HDBSCAN on UMAP, chapter's latents", lambda: HDBSCAN(least, n_jobs=-1).fit_predict(embedded), seconds)
    if seed == 0:
        yield _timed("N2D's recipe, K given", lambda: _n2d(name, pixels))
        for method in ("DEC", "IDEC"):
            yield _timed(f"ClustPy {method}, K given", lambda method=method: _deep(method, name, pixels))
    yield from _ours(images, seed)


def _ours(images: NDArray[np.uint8], seed: int) -> Iterator[Found]:
    begun = time.perf_counter()
    features = lm.ImageFeatures(random_state=seed).fit_transform(images)
    seconds = time.perf_counter() - begun
    yield _grouped("latentmap, K found", features, None, None, seed, seconds)
    yield _grouped("latentmap, K given", features, None, 10, seed, seconds)
    begun = time.perf_counter()
    model = lm.Autoencoder(random_state=seed).fit(images)
    latents = model.transform(images)
    tangents = model.tangents(images)
    seconds = time.perf_counter() - begun
    yield _grouped("latentmap by latent vectors, K found", latents, tangents, None, seed, seconds)
    yield _grouped("latentmap by latent vectors, K given", latents, tangents, 10, seed, seconds)
    yield _grouped("latentmap by latent vectors without invariance, K given", latents, None, 10, seed, seconds)
    yield _timed(LAST, lambda: _kmeans(latents, seed), seconds)


def _grouped(
    method: str, vectors: NDArray[Any], tangents: NDArray[Any] | None, k: int | None, seed: int, before: float
) -> Found:
    begun = time.perf_counter()
    found = lm.GraphClustering(k, random_state=seed).fit(vectors, tangents=tangents)
    grouping = time.perf_counter() - begun
    return method, found.labels_, {"seconds": before + grouping, "grouping": grouping, "confidence": found.confidence_}


def _measured(groups: NDArray[Any], labels: NDArray[Any], confidence: Any) -> dict[str, float]:
    """Figures of all images, and the accuracy of the surest 95 %."""
    sure = groups >= 0
    row = {"n_groups": float(len(np.unique(groups[sure]))), "unsure": float((~sure).mean())}
    row |= clustering_report(labels, groups)
    if confidence is not None:
        surest = np.argsort(-confidence, kind="stable")[: round(0.95 * len(labels))]
        row["accuracy_at_95"] = clustering_report(labels[surest], groups[surest])["accuracy"]
    return row


def _timed(name: str, group: Callable[[], NDArray[Any]], before: float = 0.0) -> Found:
    begun = time.perf_counter()
    groups = np.asarray(group())
    grouping = time.perf_counter() - begun
    return name, groups, {"seconds": before + grouping, "grouping": grouping}


def _kmeans(X: NDArray[Any], seed: int) -> NDArray[Any]:
    return np.asarray(lm.KMeans(10, n_init=10, random_state=seed).fit_predict(X))


def _mixture(X: NDArray[Any], seed: int) -> NDArray[Any]:
    with one_blas_thread():
        return np.asarray(GaussianMixture(10, n_init=5, random_state=seed).fit_predict(X))


def _n2d(name: str, pixels: NDArray[np.float32]) -> NDArray[Any]:
    """McConville et al. 2021: a dense autoencoder to ten values, UMAP with 20 neighbours, a Gaussian mixture."""
    torch.manual_seed(0)
    widths = [pixels.shape[1], 500, 500, 2000, 10]
    layers: list[torch.nn.Module] = []
    for into, out in [*pairwise(widths), *pairwise(reversed(widths))]:
        layers += [torch.nn.Linear(into, out), torch.nn.ReLU()]
    encoder = torch.nn.Sequential(*layers[:7])
    decoder = torch.nn.Sequential(*layers[8:-1])
    X = torch.from_numpy(pixels)
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()])
    for _ in range(N2D_EPOCHS[name]):
        for rows in torch.randperm(len(X)).split(256):
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(decoder(encoder(X[rows])), X[rows]).backward()
            optimizer.step()
    with torch.no_grad():
        latents = encoder(X).numpy()
    embedded = umap.UMAP(n_components=10, n_neighbors=20, min_dist=0.0, random_state=None, n_jobs=-1).fit_transform(
        latents
    )
    return _mixture(embedded, 0)


def _deep(method: str, name: str, pixels: NDArray[np.float32]) -> NDArray[Any]:
    epochs = DEEP_EPOCHS[name]
    model = getattr(deep, method)(10, pretrain_epochs=epochs, clustering_epochs=epochs, random_state=0)
    return np.asarray(model.fit(pixels).labels_)


if __name__ == "__main__":
    main()
