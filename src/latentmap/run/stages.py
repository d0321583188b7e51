"""What each stage of a run does: it reads what earlier stages wrote, writes its own files, and names them."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from latentmap.autoencoder import Autoencoder
from latentmap.files import write_text
from latentmap.images import ImageCollection
from latentmap.kmeans import KMeans
from latentmap.metrics import clustering_report, neighborhood_preservation, silhouette, trustworthiness
from latentmap.neighbors import NeighborGraph, nearest_neighbors
from latentmap.progress import Callback
from latentmap.run import tables
from latentmap.run.options import RunOptions
from latentmap.tsne import TSNE
from latentmap.warmup import compiling_in_background

MODEL = "model"
CHECKPOINT = "training.safetensors"
LATENTS = "latents.parquet"
GROUPS = "groups.parquet"
MAP = "map.parquet"
ATLAS = "atlas.parquet"
SKIPPED = "skipped.parquet"
METRICS = "metrics.json"

# (folder of the run) → names of the files that it wrote below it. Draws the report; comes from the floor above.
Reporter = Callable[[Path], list[str]]


@dataclass
class Work:
    """What a stage is given."""

    folder: Path
    images: ImageCollection
    options: RunOptions
    show: Callable[[str], AbstractContextManager[Callback]]
    report: Reporter | None
    _graph: NeighborGraph | None = field(default=None, init=False, repr=False)

    def neighbors(self, n_neighbors: int) -> NeighborGraph:
        """At least that many nearest neighbours of each latent vector, searched once for all stages."""
        if self._graph is None or self._graph.n_neighbors < n_neighbors:
            self._graph = nearest_neighbors(tables.read_column(self.folder / LATENTS, "latent"), n_neighbors)
        return self._graph


def train(work: Work) -> list[str]:
    """Fit the autoencoder: model/. After a kill it goes on where the last epoch ended."""
    options = work.options
    checkpoint = work.folder / CHECKPOINT
    with compiling_in_background(), work.show("train") as callback:
        model = Autoencoder(
            options.network,
            latent_dim=options.latent_dim,
            activation=options.activation,
            epochs=options.epochs or "auto",
            batch_size=options.batch_size or "auto",
            learning_rate=options.learning_rate or "auto",
            beta=options.beta,
            denoising=options.denoising,
            noise_level=options.noise_level,
            augmentation="auto" if options.augmentation is None else options.augmentation,
            precision=options.precision,
            random_state=options.seed,
            checkpoint=checkpoint,
            callback=callback,
        ).fit(work.images.images)
    model.save(work.folder / MODEL)
    checkpoint.unlink()
    return [f"{MODEL}/config.json", f"{MODEL}/weights.safetensors"]


def encode(work: Work) -> list[str]:
    """Take the latent vectors and reconstruction errors: latents.parquet."""
    model = Autoencoder.load(work.folder / MODEL)
    latents = model.transform(work.images.images)
    errors = model.score_samples(work.images.images)
    columns = {"id": np.arange(len(latents)), "latent": tables.vectors(latents), "error": errors}
    tables.write_table(work.folder / LATENTS, columns)
    return [LATENTS]


def group(work: Work) -> list[str]:
    """Group the latent vectors: groups.parquet."""
    latents = tables.read_column(work.folder / LATENTS, "latent")
    options = work.options
    with work.show("group") as callback:
        kmeans = KMeans(options.n_clusters, n_init=10, random_state=options.seed, callback=callback).fit(latents)
    distances = np.linalg.norm(latents - kmeans.cluster_centers_[kmeans.labels_], axis=1)
    columns = {
        "id": np.arange(len(latents)),
        "group": kmeans.labels_.astype(np.int32),
        "distance": distances.astype(np.float32),
    }
    tables.write_table(work.folder / GROUPS, columns)
    return [GROUPS]


def map_(work: Work) -> list[str]:
    """Lay the latent vectors out in the plane: map.parquet."""
    latents = tables.read_column(work.folder / LATENTS, "latent")
    n = len(latents)
    perplexity = min(work.options.perplexity, max(1.0, (n - 1) / 3))
    with work.show("map") as callback:
        tsne = TSNE(perplexity=perplexity, random_state=work.options.seed, callback=callback)
        xy = tsne.fit_transform(latents, neighbors=work.neighbors(tsne.n_neighbors_for(n)))
    columns = {"id": np.arange(n), "x": xy[:, 0], "y": xy[:, 1]}
    tables.write_table(work.folder / MAP, columns)
    return [MAP]


def report(work: Work) -> list[str]:
    """Join all into atlas.parquet, measure, and have the report drawn."""
    folder, images = work.folder, work.images
    files = [ATLAS, METRICS]
    with work.show("report"):
        tables.write_table(folder / ATLAS, _atlas(folder, images))
        write_text(folder / METRICS, json.dumps(_measure(folder, images), indent=1))
        if images.skipped:
            tables.write_table(folder / SKIPPED, tables.skipped_columns(images.skipped))
            files.append(SKIPPED)
        drawn = work.report(folder) if work.report is not None else []
    return files + drawn


def _atlas(folder: Path, images: ImageCollection) -> dict[str, Any]:
    latents = tables.read_column(folder / LATENTS, "latent")
    columns = {
        "id": np.arange(len(images)),
        "path": tables.paths(images.paths),
        "image": tables.pictures(images),
        "latent": tables.vectors(latents),
        "error": tables.read_column(folder / LATENTS, "error"),
        "group": tables.read_column(folder / GROUPS, "group"),
        "x": tables.read_column(folder / MAP, "x"),
        "y": tables.read_column(folder / MAP, "y"),
    }
    if images.labels is not None:
        columns["label"] = images.labels
    return columns


def _measure(folder: Path, images: ImageCollection) -> dict[str, float | None]:
    latents = tables.read_column(folder / LATENTS, "latent")
    groups = tables.read_column(folder / GROUPS, "group")
    xy = np.column_stack([tables.read_column(folder / MAP, name) for name in "xy"])
    near = min(15, (len(xy) - 1) // 2)
    errors = tables.read_column(folder / LATENTS, "error")
    found = {
        "reconstruction_error": float(errors.mean(dtype=np.float64)),
        "silhouette": silhouette(latents, groups),
        "trustworthiness": trustworthiness(latents, xy, n_neighbors=near),
        "neighborhood_preservation": neighborhood_preservation(latents, xy, n_neighbors=near),
    }
    if images.labels is not None:
        found |= clustering_report(images.labels, groups)
    return {name: value if np.isfinite(value) else None for name, value in found.items()}
