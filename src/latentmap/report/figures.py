"""Figures of a run for its report, and of the images that are like one."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
from scipy import sparse
from scipy.sparse import csgraph

from latentmap import plots
from latentmap.core.atomic_files import atomic_write
from latentmap.core.missing import missing_mask
from latentmap.run import Run, layout, tables
from latentmap.run.run import nearest_rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from pyarrow import Table

# Pairs shown beside each other.
N_PAIRS = 8
# Unusual images shown, and how many strips of how many steps for what the decoder draws by itself.
N_UNUSUAL = 8
N_STRIPS, N_STEPS = 4, 9
# Sets of duplicates, images shown with their neighbours, and images looked at of those that were added.
N_DUPLICATES, N_NEIGHBORS, N_ADDED = 12, 6, 2000
# Groups in the sheets.
MAX_GROUPS = 40
# Labels up to which the map is coloured by them rather than by group.
MAX_LABEL_COLORS = 20


def figures(run: Run) -> "Iterator[tuple[str, Figure]]":
    """One after the other, since those of a large map take much memory."""
    collection, groups, xy = run.images(), run.groups(), run.map()
    images, labels = collection.images, collection.labels
    yield "first", plots.first_image(images[0], label=None if labels is None else str(labels[0]))
    yield from _network_figures(run, images)
    if (groups >= 0).any():
        yield "groups", plots.cluster_sheet(images, groups, scores=-run.confidence())
    named: NDArray[Any] = groups
    if (groups < 0).any():  # images in no group have no colour
        named = groups.astype(object)
        named[groups < 0] = None
    n_labels = len(label_counts(run))
    colored_by = labels if 0 < n_labels <= MAX_LABEL_COLORS else named
    yield "map", plots.image_map(xy, images, colored_by, n_images=400)
    yield "map-groups", plots.scatter(xy, named, title="coloured by group", missing="no group")
    if n_labels:
        yield "map-labels", plots.scatter(xy, labels, title="coloured by label")
    yield from _group_figures(run, images)
    yield from _standing_out(run, images)
    yield from _added(run, xy)


def label_counts(run: Run) -> "dict[Any, int]":
    """Labels with the number of images that have them, the most frequent first; missing ones are none."""
    labels = run.images().labels
    if labels is None:
        return {}
    names, counts = np.unique(labels[~missing_mask(labels)], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return dict(zip(names[order].tolist(), counts[order].tolist(), strict=True))


def _network_figures(run: Run, images: "NDArray[Any]") -> "Iterator[tuple[str, Figure]]":
    """Figures of the network: its loss, reconstructions and generated images."""
    model = run.model()
    errors = run.errors()
    unusual = np.argsort(-errors, kind="stable")[:N_UNUSUAL]
    random = np.random.default_rng(run.options.seed)
    ends = random.choice(len(images), 2 * N_STRIPS)
    varied = np.argsort(-model.reference_latents_.std(0))[:N_STRIPS]
    chosen = np.random.default_rng(run.options.seed).choice(len(images), min(N_PAIRS, len(images)), replace=False)
    yield "loss", plots.loss_curve(model.history_)
    yield "pairs", plots.reconstructions(images[chosen], model.reconstruct(images[chosen]), pairs_per_row=4)
    worst = [f"{error:.2g}" for error in errors[unusual]]
    yield "unusual", plots.residuals(images[unusual], model.reconstruct(images[unusual]), worst)
    ways = [model.interpolate(images[a], images[b], N_STEPS) for a, b in ends.reshape(-1, 2)]
    yield "interpolations", plots.strips(np.stack(ways))
    lines = [model.traverse(int(dimension), steps=N_STEPS) for dimension in varied]
    yield "traversals", plots.strips(np.stack(lines), [str(dimension) for dimension in varied])
    drawn = model.sample(N_STRIPS * N_STEPS, run.options.seed)
    yield "samples", plots.strips(drawn.reshape(N_STRIPS, N_STEPS, *images.shape[1:]))


def _group_figures(run: Run, images: "NDArray[Any]") -> "Iterator[tuple[str, Figure]]":
    """Of groups on the graph: the tree, and the images on the border of each group."""
    if run.options.groups == "kmeans":
        return
    summary = run.group_summary()[:MAX_GROUPS]
    borders = [one["boundary"] for one in summary]
    rows = np.concatenate([np.array(rows, int) for rows in borders])
    of_row = np.repeat(np.arange(len(borders)), [len(rows) for rows in borders])
    yield "borders", plots.cluster_sheet(images[rows], of_row, show_sizes=False, title="lowest confidence")
    n_groups = len(run.group_summary())
    if n_groups > 1:
        first = [one["typical"][0] for one in run.group_summary()]
        blocks = tables.read_column(run.path / "groups.parquet", "block")
        yield "tree", plots.group_tree(run.tree(), min(n_groups, MAX_GROUPS), images[first], blocks[first])


def _standing_out(run: Run, images: "NDArray[Any]") -> "Iterator[tuple[str, Figure]]":
    """Duplicates, images that are like no other, and a few images beside those nearest to them."""
    pairs = _duplicate_rows(run)
    if len(pairs):
        rows, of_row = np.concatenate(pairs), np.repeat(np.arange(len(pairs)), [len(rows) for rows in pairs])
        yield "duplicates", plots.cluster_sheet(images[rows], of_row, show_sizes=False, title="")
    alone = np.argsort(-run.outliers()["isolation"].to_numpy(), kind="stable")[:N_STRIPS]
    latents = run.latents()
    yield "isolated", plots.strips(_with_nearest(images, latents, alone))
    random = np.random.default_rng(run.options.seed)
    chosen = random.choice(len(images), min(N_NEIGHBORS, len(images)), replace=False)
    yield "neighbors", plots.strips(_with_nearest(images, latents, chosen))


def _with_nearest(images: "NDArray[Any]", latents: "NDArray[Any]", rows: "NDArray[Any]") -> "NDArray[Any]":
    """Rows of pictures: an image and those nearest to it."""
    followers = [nearest_rows(latents, latents[row], N_STEPS)[0] for row in rows]
    strips = [
        [row, *near[near != row]][: min(N_STEPS, len(latents))] for row, near in zip(rows, followers, strict=True)
    ]
    return images[np.array(strips)]


def _duplicate_rows(run: Run) -> "list[NDArray[Any]]":
    """Images that are the same or nearly, each set as an array of ids, the largest sets first."""
    table = run.duplicates()
    n = run.state["source"]["n"]
    edges = (np.ones(len(table)), (table["id"].to_numpy(), table["duplicate_of"].to_numpy()))
    _, pieces = csgraph.connected_components(sparse.coo_matrix(edges, shape=(n, n)), directed=False)
    members = np.flatnonzero(np.bincount(pieces)[pieces] > 1)
    by_piece = members[np.argsort(pieces[members], kind="stable")]
    sets = np.split(by_piece, np.flatnonzero(np.diff(pieces[by_piece])) + 1) if len(by_piece) else []
    return sorted(sets, key=lambda rows: (-len(rows), rows[0]))[:N_DUPLICATES]


def _added(run: Run, xy: "NDArray[Any]") -> "Iterator[tuple[str, Figure]]":
    """Where images that were added later lie on the map."""
    if not run.state["added"]:
        return
    names = ["x", "y", "added"]
    table = pq.read_table(run.path / layout.ATLAS, columns=names).slice(len(xy))
    places = np.column_stack([table["x"], table["y"]])
    some = np.concatenate(run.added_images())[:N_ADDED]
    yield "map-added", plots.added_map(xy, places, some)


def draw_similar(run: Run, asked: str | int, found: "Table", path: Path) -> None:
    """Draw an image and those that are like it, with their distances, as a PNG file."""
    first = np.asarray(run.image(asked)) if isinstance(asked, int) else run.pixels(asked)
    pictures = [first, *(np.asarray(run.image(row)) for row in found["id"].to_pylist())]
    names = ["asked for", *(f"{row['id']}\n{row['distance']:.2f}" for row in found.to_pylist())]
    with atomic_write(path) as temporary:
        plots.row(np.stack(pictures), names).savefig(temporary, dpi=120, format="png")
