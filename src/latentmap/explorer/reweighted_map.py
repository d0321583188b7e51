"""A map and groups by other weights of the kinds of features, kept beside the tables of the run."""

from pathlib import Path

import numpy as np

from latentmap.core.progress import Callback, Progress
from latentmap.explorer.atlas_view import AtlasView, as_stream
from latentmap.explorer.lessons import MAX_MAPPED, align
from latentmap.explorer.sprite_sheets import FOLDER
from latentmap.explorer.weight_requests import parse_weights
from latentmap.groups import GraphClustering
from latentmap.groups.graph import default_neighbors
from latentmap.groups.stability import neighbors_to_search
from latentmap.neighbors import nearest_neighbors
from latentmap.run import tables
from latentmap.run.state import key_of
from latentmap.tsne import TSNE

TABLE = "map-and-groups.parquet"
COLUMNS = ("x", "y", "group")
INITIAL_DEVIATION = 1e-4  # of the initial map, as t-SNE takes it


def reweighted_map_path(data: AtlasView, weights: str) -> Path:
    """The file of a map; the name of its folder has a hash of the weights and of what else the map depends on.

    Parameters
    ----------
    data : AtlasView
        The run.
    weights : str
        The weights, as :func:`latentmap.explorer.weight_requests.format_weights` writes them.
    """
    keys = [data.run.stages[name]["key"] for name in ("map", "group")]
    key = key_of([*keys, data.n, MAX_MAPPED, weights])
    return data.path / FOLDER / f"reweighted-{key[:12]}" / TABLE


def read_reweighted_map(data: AtlasView, weights: str) -> bytes:
    """x, y and group (-1: none) of the first points in zoom order as an Arrow stream.

    Raises
    ------
    KeyError
        If it is not made yet.
    RunError
        If the file is damaged.
    """
    path = reweighted_map_path(data, weights)
    if not path.exists():
        raise KeyError(weights)
    table = tables.read(path, list(COLUMNS))
    return as_stream({name: table[name] for name in COLUMNS})


def make_reweighted_map(data: AtlasView, weights: str) -> None:
    """Map and group the images by other weights, with the options of the run, and align the map with that of the run.

    The parameters are those of :func:`reweighted_map_path`.
    """
    path, options = reweighted_map_path(data, weights), data.run.options
    if path.exists():
        return
    m = min(data.n, MAX_MAPPED)
    points, base = data.reweighted(data.order[:m], parse_weights(weights)), data.xy[:m].astype(np.float64)
    tsne = TSNE(
        perplexity=options.perplexity_for(m),
        init=(base / base.std() * INITIAL_DEVIATION).astype(np.float32),
        random_state=options.seed,
        callback=_report("map"),
    )
    print("neighbours", flush=True)
    n_grouped = neighbors_to_search(default_neighbors(m), m)
    graph = nearest_neighbors(points, max(tsne.n_neighbors_for(m), n_grouped))
    xy = align(tsne.fit_transform(points, neighbors=graph), base)
    groups = GraphClustering(
        options.n_clusters, min_confidence=options.min_confidence, random_state=options.seed, callback=_report("groups")
    ).fit(points, neighbors=graph.nearest(n_grouped))
    path.parent.mkdir(parents=True, exist_ok=True)
    tables.write_table(path, {"x": xy[:, 0], "y": xy[:, 1], "group": groups.labels_.astype(np.int32)})


def _report(what: str) -> Callback:
    def report(progress: Progress) -> None:
        print(f"{what} {progress.done}/{progress.total}", flush=True)

    return report
