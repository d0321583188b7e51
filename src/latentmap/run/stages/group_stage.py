"""The stage "group": groups of latent vectors or features, on the graph of neighbours or by K-means."""

import json
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from latentmap.autoencoder import Autoencoder
from latentmap.core.atomic_files import write_text
from latentmap.core.memory import release_memory
from latentmap.core.progress import Callback
from latentmap.groups import GraphClustering
from latentmap.groups.graph import default_neighbors
from latentmap.groups.stability import neighbors_to_search
from latentmap.kmeans import KMeans
from latentmap.neighbors import invariant_neighbors
from latentmap.run import tables
from latentmap.run.layout import GROUPS, MODEL, NEIGHBORS, SUMMARY, TREE
from latentmap.run.shared_neighbors import may_use_tangents
from latentmap.run.work import Work

N_KMEANS_CLUSTERS = 10  # the chapter's


def group(work: Work) -> list[str]:
    """Group the images: groups.parquet, and on the graph groups.json, tree.parquet and neighbors.parquet."""
    with work.show("group") as callback:
        by_kmeans = work.options.groups == "kmeans"
        return (_group_by_kmeans if by_kmeans else _group_on_graph)(work, work.points, callback)


def _group_on_graph(work: Work, points: NDArray[np.float32], callback: Callback) -> list[str]:
    options, folder = work.options, work.folder
    model = GraphClustering(
        options.n_clusters, min_confidence=options.min_confidence, random_state=options.seed, callback=callback
    )
    neighbors, k = work.neighbors.for_groups(points), default_neighbors(len(points))
    pixels = work.pixels
    by_network = options.features == "latent" and not work.has_vectors
    if by_network and options.invariant and pixels.ndim > 2 and may_use_tangents(points):
        tangents = Autoencoder.load(folder / MODEL, device=work.device).tangents(pixels)
        n_searched = neighbors_to_search(k, len(points))
        neighbors = invariant_neighbors(points, tangents, n_searched, candidates=neighbors)
        del tangents
    model.fit(points, neighbors=neighbors)
    release_memory()  # what the fit held
    stability = model.stability()
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
    tables.write_table(folder / NEIGHBORS, {"id": np.arange(len(points)), **near})
    summary = [asdict(one) | {"group": number} for number, one in enumerate(model.describe())]
    for one in summary:
        one["separation"] = None if np.isnan(one["separation"]) else one["separation"]  # JSON has no NaN
    cuts = [asdict(cut) for cut in model.cuts_]
    for chosen in cuts[:1]:  # known better than that of the cut, since the borders of the groups are refined
        chosen["stability"] = stability
    facts = {"stability": stability, "cuts": cuts, "groups": summary}
    write_text(folder / SUMMARY, json.dumps(facts, default=_as_json))
    return [GROUPS, SUMMARY, TREE, NEIGHBORS]


def _group_by_kmeans(work: Work, points: NDArray[np.float32], callback: Callback) -> list[str]:
    k = min(len(points), work.options.n_clusters or N_KMEANS_CLUSTERS)
    kmeans = fit_kmeans(points, k, 10, work.options.seed, callback)
    nearest = np.sort(kmeans.transform(points), axis=1)[:, :2].astype(np.float64)
    sums = nearest.sum(axis=1)
    confidence = np.divide(nearest[:, -1], sums, out=np.ones(len(sums)), where=(sums > 0) & (k > 1))
    labels = kmeans.labels_
    _write_groups(work.folder, labels, confidence.astype(np.float32), labels, np.full(len(labels), ""))
    return [GROUPS]


def fit_kmeans(points: NDArray[np.float32], k: int, n_init: int, seed: int, callback: Callback | None = None) -> KMeans:
    """Fit K-means to points (n, d). With fewer distinct vectors than k it makes as many groups as there are."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return KMeans(k, n_init=n_init, random_state=seed, callback=callback).fit(points)


def _write_groups(folder: Path, labels: Any, confidence: Any, blocks: Any, paths: Any) -> None:
    columns = {"id": np.arange(len(labels)), "group": labels.astype(np.int32), "confidence": confidence}
    tables.write_table(folder / GROUPS, columns | {"block": blocks.astype(np.int32), "tree": paths})


def _as_json(value: Any) -> Any:
    """A NumPy value as JSON can hold it."""
    return value.tolist()
