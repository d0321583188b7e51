"""The data of the lessons: maps of several perplexities, K-means step by step, ReLU and ELU."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes
from sklearn.datasets import make_blobs

from latentmap.autoencoder import Autoencoder
from latentmap.core.atomic_files import write_bytes, write_text
from latentmap.core.progress import Progress
from latentmap.explorer.atlas_view import AtlasView, as_stream
from latentmap.explorer.picture_files import strip
from latentmap.explorer.sprite_sheets import FOLDER
from latentmap.images.pixel_types import as_pixels, full_range
from latentmap.kmeans import KMeans
from latentmap.run import tables
from latentmap.run.state import key_of
from latentmap.tsne import TSNE

SWEEP_PERPLEXITIES = (5, 10, 15, 25, 50, 100)
MAX_MAPPED = 100_000  # points of a sweep; the first in zoom order
MAX_CLUSTERED = 20_000  # points of K-means step by step; the first in zoom order
MAX_KMEANS_STEPS = 60
MAX_TRAINED, EPOCHS, N_SHOWN = 5_000, 5, 12  # images and epochs of the two networks; images that are shown
N_NEAREST_TO_CENTER = 5  # images whose mean place is that of a centre on the map


# ---------------------------------------------------------------- the sweep


def sweep_folder(data: AtlasView) -> Path:
    """The folder of the maps of several perplexities; its name has a hash of their latent vectors."""
    key = key_of([data.run.stages["map"]["key"], data.n, SWEEP_PERPLEXITIES, MAX_MAPPED])
    return data.path / FOLDER / f"sweep-{key[:12]}"


def ready_perplexities(data: AtlasView) -> list[int]:
    """The perplexities whose maps are made."""
    return [p for p in possible_perplexities(data) if (sweep_folder(data) / f"{p}.parquet").exists()]


def possible_perplexities(data: AtlasView) -> list[int]:
    """The perplexities that the number of points allows."""
    return [p for p in SWEEP_PERPLEXITIES if p < min(data.n, MAX_MAPPED) / 3]


def read_sweep_map(data: AtlasView, perplexity: int) -> bytes:
    """One of the maps: x, y of the first points in zoom order as an Arrow stream.

    Raises
    ------
    KeyError
        If it is not made yet.
    """
    if perplexity not in ready_perplexities(data):
        raise KeyError(perplexity)
    table = pq.read_table(sweep_folder(data) / f"{perplexity}.parquet")
    return as_stream({name: table[name] for name in "xy"})


def make_sweep(data: AtlasView) -> None:
    """Map the latent vectors with each perplexity, and align each map with that of the run."""
    m = min(data.n, MAX_MAPPED)
    points, base = data.vectors[data.order[:m]], data.xy[:m].astype(np.float64)
    folder = sweep_folder(data)
    folder.mkdir(parents=True, exist_ok=True)
    perplexities = possible_perplexities(data)
    for number, perplexity in enumerate(perplexities):
        path = folder / f"{perplexity}.parquet"
        if path.exists():
            continue
        print(f"{number + 1}/{len(perplexities)} perplexity {perplexity}", flush=True)
        tsne = TSNE(perplexity=perplexity, init=(base / base.std() * 1e-4).astype(np.float32), random_state=0)
        xy = align(tsne.fit_transform(points), base)
        tables.write_table(path, {"x": xy[:, 0], "y": xy[:, 1]})


def align(xy: NDArray[np.floating[Any]], base: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Translate, rotate, reflect and scale a map (n, 2) onto another one with least squares (Procrustes)."""
    moved, target = xy - xy.mean(axis=0), base - base.mean(axis=0)
    rotation, _ = orthogonal_procrustes(moved, target)
    size = np.sqrt((target**2).sum() / max((moved**2).sum(), 1e-300))
    found: NDArray[np.float32] = (moved @ rotation * size + base.mean(axis=0)).astype(np.float32)
    return found


# ---------------------------------------------------------------- K-means


@dataclass(frozen=True)
class KMeansSteps:
    """K-means from random centres: places of the points, and at each step centres, labels and inertia."""

    xy: NDArray[np.float32]
    labels: NDArray[np.int16]  # (n_steps, n)
    centers: list[list[list[float]]]
    inertias: list[float]

    def labels_stream(self) -> bytes:
        """Labels as an Arrow stream with a column for each step."""
        return as_stream({f"step{t}": row for t, row in enumerate(self.labels)})

    def points_stream(self) -> bytes:
        """x, y of the points as an Arrow stream."""
        return as_stream({"x": self.xy[:, 0], "y": self.xy[:, 1]})

    def as_dict(self) -> dict[str, Any]:
        """Everything except the points and labels, as JSON can hold it."""
        return {"n": len(self.xy), "centers": self.centers, "inertias": self.inertias}


def run_kmeans(data: AtlasView, where: str, n_clusters: int, seed: int) -> KMeansSteps:
    """K-means step by step, on the latent vectors of the run ("map") or on blobs ("blobs")."""
    return _kmeans_on_map(data, n_clusters, seed) if where == "map" else _kmeans_on_blobs(n_clusters, seed)


def _kmeans_on_map(data: AtlasView, k: int, seed: int) -> KMeansSteps:
    """Steps on the latent vectors of the first points in zoom order, shown on the map.

    A centre has no place on the map, so it is drawn at the mean place of the images nearest to it.
    """
    rows = data.order[: min(data.n, MAX_CLUSTERED)]
    latents, xy = data.run.as_points(data.latents[rows]), data.xy[: len(rows)]
    steps = _kmeans_history(latents, min(k, len(rows)), seed)
    squares = (latents**2).sum(axis=1)
    centers = []
    for step in steps:
        near = np.argsort(squares[:, None] - 2 * latents @ step.centers.T, axis=0)[:N_NEAREST_TO_CENTER]
        centers.append(xy[near].mean(axis=0).astype(float).tolist())
    return KMeansSteps(xy, np.stack([step.labels for step in steps]).astype(np.int16), centers, _inertias(steps))


def _kmeans_on_blobs(k: int, seed: int) -> KMeansSteps:
    """Steps on the blobs of the course chapter."""
    xy, _ = make_blobs(random_state=6)
    steps = _kmeans_history(xy, k, seed)
    centers = [step.centers.astype(float).tolist() for step in steps]
    labels = np.stack([step.labels for step in steps]).astype(np.int16)
    return KMeansSteps(xy.astype(np.float32), labels, centers, _inertias(steps))


def _kmeans_history(X: NDArray[np.floating[Any]], k: int, seed: int) -> list[Any]:
    model = KMeans(k, init="random", n_init=1, max_iter=MAX_KMEANS_STEPS, random_state=seed, record_history=True)
    history: list[Any] = model.fit(X).history_
    return history


def _inertias(steps: list[Any]) -> list[float]:
    return [float(step.inertia) for step in steps]


# ---------------------------------------------------------------- ReLU and ELU


def activations_folder(data: AtlasView) -> Path:
    """The folder of the pictures of the two networks; its name has a hash of their images."""
    key = key_of([data.run.state["source"]["fingerprint"], MAX_TRAINED, EPOCHS])
    return data.path / FOLDER / f"activations-{key[:12]}"


def compare_activations(data: AtlasView) -> None:
    """Train the network of the course chapter with ReLU and with ELU, and reconstruct the same images with both."""
    rows = np.sort(data.order[: min(data.n, MAX_TRAINED)])
    images = np.stack([data.pixels(int(row)) for row in rows])
    folder = activations_folder(data)
    folder.mkdir(parents=True, exist_ok=True)
    shown = images[np.linspace(0, len(images) - 1, min(N_SHOWN, len(images))).astype(int)]
    pixel_range = full_range(images)
    strips, losses = [shown], {}
    for name in ("relu", "elu"):

        def report(progress: Progress, name: str = name) -> None:
            print(f"{name} {progress.done}/{progress.total}", flush=True)

        model = Autoencoder("conv", activation=name, epochs=EPOCHS, random_state=0, callback=report)
        model.fit(images, pixel_range=pixel_range)
        strips.append(as_pixels(model.reconstruct(shown), images.dtype))
        losses[name] = [float(loss) for loss in model.history_["loss"]]
    for name, images_ in zip(("original", "relu", "elu"), strips, strict=True):
        write_bytes(folder / f"{name}.png", strip(data.run.picture(images_)))
    write_text(folder / "losses.json", json.dumps(losses))


JOBS = {"sweep": make_sweep, "activations": compare_activations}
