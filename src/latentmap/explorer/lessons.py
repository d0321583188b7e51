"""The data of the page's lessons: maps of several perplexities, K-means step by step, ReLU and ELU."""

import json
import os
import sys
import threading
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
from latentmap.explorer.atlas_view import Explored, as_bytes, as_stream, strip
from latentmap.explorer.sprite_sheets import FOLDER
from latentmap.kmeans import KMeans
from latentmap.run import tables
from latentmap.run.state import key_of
from latentmap.tsne import TSNE

PERPLEXITIES = (5, 10, 15, 25, 50, 100)
MOST_MAPPED = 100_000  # points of a sweep; the first of the order
MOST_STEPPED = 20_000  # points of K-means step by step
MOST_STEPS = 60
MOST_TRAINED, EPOCHS, N_SHOWN = 5_000, 5, 12  # of the two networks that are compared
NEAREST_TO_CENTER = 5  # images whose mean place stands for a centre's on the map


# ---------------------------------------------------------------- the sweep


def sweep_folder(data: Explored) -> Path:
    """Where the maps of several perplexities are kept, under the name of the latent vectors that they show."""
    key = key_of([data.run.stages["map"]["key"], data.n, PERPLEXITIES, MOST_MAPPED])
    return data.path / FOLDER / f"sweep-{key[:12]}"


def swept(data: Explored) -> list[int]:
    """The perplexities that are ready."""
    return [p for p in possible(data) if (sweep_folder(data) / f"{p}.parquet").exists()]


def possible(data: Explored) -> list[int]:
    """The perplexities that so many points allow."""
    return [p for p in PERPLEXITIES if p < min(data.n, MOST_MAPPED) / 3]


def swept_map(data: Explored, perplexity: int) -> bytes:
    """One of the maps: x, y of the first points of the order as an Arrow stream.

    Raises
    ------
    KeyError
        If it is not ready.
    """
    if perplexity not in swept(data):
        raise KeyError(perplexity)
    table = pq.read_table(sweep_folder(data) / f"{perplexity}.parquet")
    return as_stream({name: table[name] for name in "xy"})


def make_sweep(data: Explored) -> None:
    """Lay the latent vectors out with each perplexity, and turn each map so that it lies on that of the run."""
    m = min(data.n, MOST_MAPPED)
    latents, base = data.latents[data.order[:m]], data.xy[:m].astype(np.float64)
    folder = sweep_folder(data)
    folder.mkdir(parents=True, exist_ok=True)
    for number, perplexity in enumerate(possible(data)):
        path = folder / f"{perplexity}.parquet"
        if path.exists():
            continue
        print(f"{number + 1}/{len(possible(data))} perplexity {perplexity}", flush=True)
        tsne = TSNE(perplexity=perplexity, init=(base / base.std() * 1e-4).astype(np.float32), random_state=0)
        xy = onto(tsne.fit_transform(latents), base)
        tables.write_table(path, {"x": xy[:, 0], "y": xy[:, 1]})


def onto(xy: NDArray[np.floating[Any]], base: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Move, turn, mirror and scale a map so that its points lie as near as can be to those of another."""
    moved, target = xy - xy.mean(axis=0), base - base.mean(axis=0)
    rotation, _ = orthogonal_procrustes(moved, target)
    size = np.sqrt((target**2).sum() / max((moved**2).sum(), 1e-300))
    found: NDArray[np.float32] = (moved @ rotation * size + base.mean(axis=0)).astype(np.float32)
    return found


# ---------------------------------------------------------------- K-means


@dataclass(frozen=True)
class Steps:
    """K-means from random centres: places of points, and for each step places of centres, labels and inertia."""

    xy: NDArray[np.float32]
    labels: NDArray[np.int16]  # (steps, n)
    centers: list[list[list[float]]]
    inertias: list[float]

    def labels_stream(self) -> bytes:
        """A column of labels a step."""
        return as_stream({f"step{t}": row for t, row in enumerate(self.labels)})

    def points_stream(self) -> bytes:
        """x, y."""
        return as_stream({"x": self.xy[:, 0], "y": self.xy[:, 1]})

    def as_dict(self) -> dict[str, Any]:
        """All but the points, as JSON can hold it."""
        return {"n": len(self.xy), "centers": self.centers, "inertias": self.inertias}


def kmeans_on_map(data: Explored, k: int, seed: int) -> Steps:
    """Steps on the latent vectors of the first points of the order, seen on the map.

    A centre is drawn at the mean place of the images nearest to it, since the map has no place for it.
    """
    rows = data.order[: min(data.n, MOST_STEPPED)]
    latents, xy = data.latents[rows], data.xy[: len(rows)]
    steps = _steps(latents, min(k, len(rows)), seed)
    squares = (latents**2).sum(axis=1)
    centers = []
    for step in steps:
        near = np.argsort(squares[:, None] - 2 * latents @ step.centers.T, axis=0)[:NEAREST_TO_CENTER]
        centers.append(xy[near].mean(axis=0).astype(float).tolist())
    return Steps(xy, np.stack([step.labels for step in steps]).astype(np.int16), centers, _inertias(steps))


def kmeans_on_blobs(k: int, seed: int) -> Steps:
    """Steps on the chapter's blobs."""
    xy, _ = make_blobs(random_state=6)
    steps = _steps(xy, k, seed)
    centers = [step.centers.astype(float).tolist() for step in steps]
    labels = np.stack([step.labels for step in steps]).astype(np.int16)
    return Steps(xy.astype(np.float32), labels, centers, _inertias(steps))


def _steps(X: NDArray[np.floating[Any]], k: int, seed: int) -> list[Any]:
    model = KMeans(k, init="random", n_init=1, max_iter=MOST_STEPS, random_state=seed, record_history=True)
    history: list[Any] = model.fit(X).history_
    return history


def _inertias(steps: list[Any]) -> list[float]:
    return [float(step.inertia) for step in steps]


# ---------------------------------------------------------------- ReLU and ELU


def activations_folder(data: Explored) -> Path:
    """Where the two networks' pictures are kept."""
    key = key_of([data.run.state["source"]["fingerprint"], MOST_TRAINED, EPOCHS])
    return data.path / FOLDER / f"activations-{key[:12]}"


def compare_activations(data: Explored) -> None:
    """Train the chapter's network with ReLU and with ELU, and draw the same images with both."""
    rows = np.sort(data.order[: min(data.n, MOST_TRAINED)])
    images = np.stack([data.pixels(int(row)) for row in rows])
    folder = activations_folder(data)
    folder.mkdir(parents=True, exist_ok=True)
    shown = images[np.linspace(0, len(images) - 1, min(N_SHOWN, len(images))).astype(int)]
    strips, losses = [shown], {}
    for name in ("relu", "elu"):

        def tell(progress: Progress, name: str = name) -> None:
            print(f"{name} {progress.done}/{progress.total}", flush=True)

        model = Autoencoder("conv", activation=name, epochs=EPOCHS, random_state=0, callback=tell).fit(images)
        strips.append(as_bytes(model.reconstruct(shown)))
        losses[name] = [float(loss) for loss in model.history_["loss"]]
    for name, images_ in zip(("original", "relu", "elu"), strips, strict=True):
        write_bytes(folder / f"{name}.png", strip(images_))
    write_text(folder / "losses.json", json.dumps(losses))


JOBS = {"sweep": make_sweep, "activations": compare_activations}


def _end_with_parent() -> None:
    def wait() -> None:
        os.read(0, 1)  # not through sys.stdin, whose lock would be held when this process ends by itself
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    _end_with_parent()
    JOBS[sys.argv[2]](Explored(sys.argv[1]))
