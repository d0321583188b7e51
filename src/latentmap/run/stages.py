"""The stages of a run. Each reads files of earlier stages, writes its own, and returns their names."""

import json
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from latentmap.autoencoder import Autoencoder
from latentmap.autoencoder.tangents import N_DEFORMATIONS
from latentmap.core.atomic_files import write_text
from latentmap.core.memory import give_back
from latentmap.core.missing import missing_mask
from latentmap.core.progress import Callback, Show
from latentmap.groups import GraphClustering
from latentmap.groups.graph import default_neighbors
from latentmap.images import ImageCollection
from latentmap.images.decode_options import DecodeOptions
from latentmap.images.listing import Listing
from latentmap.images.listing_decoder import decode_listing
from latentmap.images.named_labels import NamedLabels
from latentmap.images.store import PIXELS_FILE, copy_to_cache, remove_decoding_state
from latentmap.kmeans import KMeans
from latentmap.metrics import (
    clustering_report,
    density_validity,
    neighborhood_preservation,
    silhouette,
    trustworthiness,
)
from latentmap.neighbors import NeighborGraph, nearest_neighbors
from latentmap.run import tables
from latentmap.run.atlas import write_atlas
from latentmap.run.finding import N_NEAREST, duplicates, outliers
from latentmap.run.layout import (
    ATLAS,
    CACHE,
    CHECKPOINT,
    DUPLICATES,
    GROUPS,
    IMAGES,
    LATENTS,
    MAP,
    METRICS,
    MODEL,
    NEIGHBORS,
    OUTLIERS,
    SKIPPED,
    SUMMARY,
    TREE,
)
from latentmap.run.options import RunOptions
from latentmap.run.pending import begin, home_of
from latentmap.run.run import open_run_images
from latentmap.run.state import dependents, read_state
from latentmap.run.warmup import compiling_in_background
from latentmap.tsne import TSNE

KMEANS_CLUSTERS = 10  # the chapter's
# Beyond 512 MiB of tangents (300,000 images with 64 dimensions) neighbours are plain Euclidean ones.
MOST_TANGENT_VALUES = 2**27

# (folder of the run) → names of the files that it wrote below it. Draws the report; comes from the floor above.
Reporter = Callable[[Path], list[str]]


@dataclass
class Work:
    """The input of a stage."""

    folder: Path  # of the run, or of what is pending of a finished one
    options: RunOptions
    show: Show
    report: Reporter | None
    found: Listing | ImageCollection | None
    decoding: DecodeOptions
    labels: NDArray[Any] | NamedLabels | None = None
    is_finished: bool = False  # what is made anew is then made beside the run
    _images: ImageCollection | None = field(default=None, init=False, repr=False)
    _pixels: NDArray[np.uint8] | None = field(default=None, init=False, repr=False)

    @property
    def images(self) -> ImageCollection:
        """The images, once they are decoded."""
        if self._images is None:
            self._images = open_run_images(self.folder, read_state(self.folder))
        return self._images

    @images.setter
    def images(self, images: ImageCollection) -> None:
        self._images = images

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """Their pixels (n, *image_shape)."""
        if self._pixels is None:
            self._pixels = self.images.images
        return self._pixels

    @property
    def home(self) -> Path:
        """The folder of the run that the user knows."""
        return home_of(self.folder)

    def set_aside(self, state: dict[str, Any], stage: str) -> None:
        """Go on beside a finished run, so that it stays whole while a stage is made anew."""
        if self.is_finished and self.folder == self.home:
            self.folder = begin(self.folder, state, {stage, *dependents(stage)})

    def let_go(self) -> None:
        """Let go of the files of pixels, which some systems cannot rename while they are mapped."""
        self._pixels = self._images = None

    def keep_pixels_only(self) -> None:
        """Let go of the tables of the images, which are read again when they are needed."""
        self._pixels = self.pixels
        self._images = None


def decode(work: Work) -> list[str]:
    """Bring all images to one size: cache/pixels.u8, images.parquet and skipped.parquet."""
    folder, found = work.folder, work.found
    assert found is not None
    with work.show("decode") as callback:
        if isinstance(found, Listing):
            images = decode_listing(found, work.decoding, cache=folder / CACHE, callback=callback)
        else:
            images = copy_to_cache(found, folder / CACHE)
        if work.labels is not None:
            images = images.with_labels(work.labels)
    files = write_images(folder, images)
    remove_decoding_state(folder / CACHE)
    work.images = images
    return files


def write_images(folder: Path, images: ImageCollection) -> list[str]:
    """The tables of a collection: images.parquet, and skipped.parquet where files were skipped."""
    n = len(images)
    tables.write_table(folder / IMAGES, images.table.add_column(0, "id", pa.array(np.arange(n))))
    files = [f"{CACHE}/{PIXELS_FILE}", IMAGES]
    if images.skipped:
        tables.write_table(folder / SKIPPED, tables.skipped_columns(images.skipped))
        files.append(SKIPPED)
    else:
        (folder / SKIPPED).unlink(missing_ok=True)
    return files


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
        ).fit(work.pixels)
    model.save(work.folder / MODEL)
    checkpoint.unlink()
    return [f"{MODEL}/config.json", f"{MODEL}/weights.safetensors"]


def encode(work: Work) -> list[str]:
    """Take the latent vectors and reconstruction errors: latents.parquet."""
    model = Autoencoder.load(work.folder / MODEL)
    latents, errors = model.transform_and_score(work.pixels)
    columns = {"id": np.arange(len(latents)), "latent": tables.vectors(latents), "error": errors}
    tables.write_table(work.folder / LATENTS, columns)
    return [LATENTS]


def group(work: Work) -> list[str]:
    """Group the latent vectors: groups.parquet, and on the graph groups.json, tree.parquet and neighbors.parquet."""
    latents = tables.read_column(work.folder / LATENTS, "latent")
    with work.show("group") as callback:
        by_kmeans = work.options.groups == "kmeans"
        return _group_by_kmeans(work, latents, callback) if by_kmeans else _group_on_graph(work, latents, callback)


def _group_on_graph(work: Work, latents: NDArray[np.float32], callback: Callback) -> list[str]:
    options, folder = work.options, work.folder
    model = GraphClustering(
        options.n_clusters, min_confidence=options.min_confidence, random_state=options.seed, callback=callback
    )
    tangents = neighbors = None
    pixels = work.pixels
    if options.invariant and pixels.ndim > 2 and latents.size * N_DEFORMATIONS <= MOST_TANGENT_VALUES:
        tangents = Autoencoder.load(folder / MODEL).tangents(pixels)
    else:
        neighbors = nearest_neighbors(latents, default_neighbors(len(latents)))
    model.fit(latents, tangents=tangents, neighbors=neighbors)
    tree = model.tree_
    sizes = tree.totals(np.bincount(model.blocks_, minlength=tree.n_blocks).astype(float)).astype(np.int64)
    merges = {
        "node": tree.n_blocks + np.arange(len(tree.merges)),
        "left": tree.merges[:, 0],
        "right": tree.merges[:, 1],
        "association": tree.associations,
        "size": sizes[tree.n_blocks :],
    }
    tables.write_table(folder / TREE, merges)
    paths = np.array(tree.paths())[model.blocks_]
    _write_groups(folder, model.labels_, model.confidence_, model.blocks_, paths)
    graph = model.neighbors_
    near = {"neighbors": tables.vectors(graph.indices), "distances": tables.vectors(graph.distances)}
    tables.write_table(folder / NEIGHBORS, {"id": np.arange(len(latents)), **near})
    del neighbors, graph, near, model.neighbors_
    give_back()
    summary = [asdict(one) | {"group": number} for number, one in enumerate(model.describe())]
    for one in summary:
        one["separation"] = None if np.isnan(one["separation"]) else one["separation"]  # JSON has no NaN
    write_text(folder / SUMMARY, json.dumps({"stability": model.stability(), "groups": summary}, default=_plain))
    return [GROUPS, SUMMARY, TREE, NEIGHBORS]


def _group_by_kmeans(work: Work, latents: NDArray[np.float32], callback: Callback) -> list[str]:
    k = min(len(latents), work.options.n_clusters or KMEANS_CLUSTERS)
    kmeans = _kmeans(latents, k, 10, work.options.seed, callback)
    nearest = np.sort(kmeans.transform(latents), axis=1)[:, :2].astype(np.float64)
    sums = nearest.sum(axis=1)
    confidence = np.divide(nearest[:, -1], sums, out=np.ones(len(sums)), where=(sums > 0) & (k > 1))
    labels = kmeans.labels_
    _write_groups(work.folder, labels, confidence.astype(np.float32), labels, np.full(len(labels), ""))
    return [GROUPS]


def _kmeans(latents: NDArray[np.float32], k: int, n_init: int, seed: int, callback: Callback | None = None) -> KMeans:
    """K-means of latent vectors; among many copies it makes as many groups as there are distinct images."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return KMeans(k, n_init=n_init, random_state=seed, callback=callback).fit(latents)


def _write_groups(folder: Path, labels: Any, confidence: Any, blocks: Any, paths: Any) -> None:
    columns = {"id": np.arange(len(labels)), "group": labels.astype(np.int32), "confidence": confidence}
    tables.write_table(folder / GROUPS, columns | {"block": blocks.astype(np.int32), "tree": paths})


def _plain(value: Any) -> Any:
    """NumPy values as JSON can hold them."""
    return value.tolist()


def _contents(folder: Path) -> NDArray[np.void] | None:
    """A digest of what each image was made from: its pixels in their own size where all were decoded, else its file."""
    names = pq.read_schema(folder / IMAGES).names
    if "sha256" not in names:
        return None
    table = pq.read_table(folder / IMAGES, columns=[name for name in ("pixels_sha256", "sha256") if name in names])
    digests = pc.coalesce(*table.columns).combine_chunks()
    return np.frombuffer(digests.buffers()[1], "V32")[digests.offset : digests.offset + len(digests)]


def _neighbors(work: Work, n_neighbors: int) -> NeighborGraph:
    """The nearest neighbours of each latent vector. What the search held is given back."""
    graph = nearest_neighbors(tables.read_column(work.folder / LATENTS, "latent"), n_neighbors)
    give_back()
    return graph


def map_(work: Work) -> list[str]:
    """Lay the latent vectors out in the plane: map.parquet."""
    n = len(work.pixels)
    perplexity = min(work.options.perplexity, max(1.0, (n - 1) / 3))
    with work.show("map") as callback:
        tsne = TSNE(perplexity=perplexity, random_state=work.options.seed, callback=callback)
        # both are passed on without a name here, so that the fit can let go of them
        neighbors = [_neighbors(work, tsne.n_neighbors_for(n))]
        tsne.fit(tables.read_column(work.folder / LATENTS, "latent"), neighbors=neighbors.pop())
        xy = tsne.embedding_
    columns = {"id": np.arange(n), "x": xy[:, 0], "y": xy[:, 1]}
    tables.write_table(work.folder / MAP, columns)
    return [MAP]


def find(work: Work) -> list[str]:
    """Look for what stands out: duplicates.parquet and outliers.parquet."""
    folder = work.folder
    n = len(work.pixels)
    with work.show("find"):
        # not from the map's search, so that what is found does not hang on the perplexity
        graph = _neighbors(work, min(n - 1, N_NEAREST))
        pairs = duplicates(work.pixels, graph.indices, graph.distances, _contents(folder))
        tables.write_table(folder / DUPLICATES, pairs)
        errors = tables.read_column(folder / LATENTS, "error")
        tables.write_table(folder / OUTLIERS, {"id": np.arange(n)} | outliers(errors, graph.distances))
    return [DUPLICATES, OUTLIERS]


def report(work: Work) -> list[str]:
    """Join all into atlas.parquet, measure, and have the report drawn."""
    folder = work.folder
    with work.show("report"):
        write_atlas(folder, work.images)
        write_text(folder / METRICS, json.dumps(_measure(folder, work.images), indent=1))
        drawn = work.report(folder) if work.report is not None else []
    return [ATLAS, METRICS, *drawn]


def _measure(folder: Path, images: ImageCollection) -> dict[str, float | None]:
    latents = tables.read_column(folder / LATENTS, "latent")
    groups = tables.read_column(folder / GROUPS, "group")
    xy = np.column_stack([tables.read_column(folder / MAP, name) for name in "xy"])
    near = min(15, (len(xy) - 1) // 2)
    errors = tables.read_column(folder / LATENTS, "error")
    sure = groups >= 0 if (groups >= 0).any() else np.ones(len(groups), bool)
    found: dict[str, float] = {
        "reconstruction_error": float(errors.mean(dtype=np.float64)),
        "n_groups": len(np.unique(groups[groups >= 0])),
        "unsure": float((groups < 0).mean()),
        "silhouette": silhouette(latents[sure], groups[sure]),
        "density_validity": density_validity(latents, groups),
        "trustworthiness": trustworthiness(latents, xy, n_neighbors=near),
        "neighborhood_preservation": neighborhood_preservation(latents, xy, n_neighbors=near),
    }
    summary = folder / SUMMARY
    if summary.exists():
        found["stability"] = json.loads(summary.read_bytes())["stability"]
    labels = images.labels
    labelled = np.zeros(len(groups), bool) if labels is None else ~missing_mask(labels)
    if summary.exists() and found["n_groups"] > 1:  # as one group, K-means says nothing
        plain = _kmeans(latents, int(found["n_groups"]), 3, 0).labels_
        found["kmeans_silhouette"] = silhouette(latents, plain)
        if labels is not None and labelled.any():
            found |= {f"kmeans_{name}": value for name, value in clustering_report(labels, plain).items()}
    if labels is not None and (labelled & sure).any():
        found |= clustering_report(labels[sure], groups[sure])
    return {name: value if np.isfinite(value) else None for name, value in found.items()}
