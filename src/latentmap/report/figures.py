"""Figures of a run for its report, and of images that are similar to a given one."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
from scipy import sparse
from scipy.sparse import csgraph

from latentmap import plots
from latentmap.core.atomic_files import atomic_write
from latentmap.images.pool import DecodingPool
from latentmap.report.report_data import N_STEPS, N_STRIPS, ReportData
from latentmap.run import Run, layout, tables
from latentmap.run.cut_runs import is_cut
from latentmap.run.overviews import Overviews
from latentmap.run.run import nearest_rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from pyarrow import Table

# Pairs shown beside each other.
N_PAIRS = 8
# Unusual images shown.
N_UNUSUAL = 8
# Sets of duplicates, images shown with their neighbours, and images looked at of those that were added.
N_DUPLICATES, N_NEIGHBORS, N_ADDED = 12, 6, 2000
# Whole images shown of a run of tiles or crops, and the side of their pictures in pixels.
N_WHOLE_IMAGES, WHOLE_SIDE = 3, 1000
# Images shown of each issue.
N_ISSUES = 10
# Groups in the sheets.
MAX_GROUPS = 40
# Labels up to which the map is coloured by them rather than by group.
MAX_LABEL_COLORS = 20


def figures(data: ReportData) -> "Iterator[tuple[str, Figure]]":
    """Yield the name and the figure of each, one at a time, since figures of large maps take much memory."""
    run, groups, xy = data.run, data.groups, data.run.map()
    images, labels, has_pictures = data.images, data.collection.labels, run.has_pictures
    if has_pictures:
        yield "first", plots.first_image(images[0], label=None if labels is None else str(labels[0]))
    if data.has_decoder:
        yield from _network_figures(data)
    if has_pictures and (groups >= 0).any():
        yield "groups", plots.cluster_sheet(images, groups, scores=-run.confidence())
    named: NDArray[Any] = groups
    if (groups < 0).any():  # images in no group have no colour
        named = groups.astype(object)
        named[groups < 0] = None
    n_labels = len(data.label_counts)
    colored_by = labels if 0 < n_labels <= MAX_LABEL_COLORS else named
    if has_pictures:
        yield "map", plots.image_map(xy, images, colored_by, n_images=400)
    else:
        yield "map", plots.scatter(xy, colored_by, missing="none", noun=run.noun)
    yield "map-groups", plots.scatter(xy, named, title="coloured by group", missing="no group", noun=run.noun)
    if n_labels:
        yield "map-labels", plots.scatter(xy, labels, title="coloured by label", noun=run.noun)
    if is_cut(run.state):
        yield "overviews", _overviews(run, groups)
    yield from _group_figures(data)
    if has_pictures:
        yield from _standing_out(data)
    # last: the others keep the interpreter from the results, and these do not
    if data.has_decoder and data.samples is not None:
        yield "samples", plots.strips(data.samples)


def figures_of_results(data: ReportData) -> "Iterator[tuple[str, Figure]]":
    """Yield the name and the figure of each that shows results of the last stage."""
    yield from _added(data.run, data.run.map())
    if data.issues and data.run.has_pictures:
        rows = [ids[:N_ISSUES] for ids in data.issues.values()]
        names = np.repeat(list(data.issues), [len(ids) for ids in rows])
        pictures = np.stack([np.asarray(data.run.image(row)) for row in np.concatenate(rows).tolist()])
        yield "issues", plots.cluster_sheet(pictures, names, show_sizes=False, title="")


def _network_figures(data: ReportData) -> "Iterator[tuple[str, Figure]]":
    """Figures of the network: its loss, reconstructions and generated images."""
    run, images = data.run, data.collection.images
    errors = run.errors()
    unusual = np.argsort(-errors, kind="stable")[:N_UNUSUAL]
    random = np.random.default_rng(run.options.seed)
    ends = random.choice(len(images), 2 * N_STRIPS)
    chosen = np.random.default_rng(run.options.seed).choice(len(images), min(N_PAIRS, len(images)), replace=False)
    yield "loss", plots.loss_curve(data.network.history_)
    shown, drawn = run.picture(images[chosen]), run.picture(data.reconstruct(chosen))
    yield "pairs", plots.reconstructions(shown, drawn, pairs_per_row=4)
    worst = [f"{error:.2g}" for error in errors[unusual]]
    shown, drawn = run.picture(images[unusual]), run.picture(data.reconstruct(unusual))
    yield "unusual", plots.residuals(shown, drawn, worst)
    ways = [data.interpolate(a, b) for a, b in ends.reshape(-1, 2)]
    yield "interpolations", plots.strips(run.picture(np.stack(ways)))
    if data.n_traversals:
        yield "traversals", plots.strips(run.picture(data.traversals()))


def _overviews(run: Run, groups: "NDArray[Any]") -> "Figure":
    """Whole images with their parts in the colours of groups: those whose parts are in most groups."""
    with DecodingPool(1) as decoders:
        drawn = Overviews(run, groups, decoders)
        n_groups = [len(np.unique(groups[one.ids])) for one in drawn.images]
        chosen = sorted(np.argsort(-np.array(n_groups), kind="stable")[:N_WHOLE_IMAGES].tolist())
        images = [drawn.images[i] for i in chosen]
        pictures = [drawn.picture(one, WHOLE_SIDE) for one in images]
    return plots.overviews(pictures, [one.path for one in images], len(drawn.colors))


def _group_figures(data: ReportData) -> "Iterator[tuple[str, Figure]]":
    """Figures of groups on the graph: their tree, and the images on the border of each group."""
    summary, images = data.summary, data.images
    if not summary:
        return
    if data.run.has_pictures:
        borders = [one["boundary"] for one in summary[:MAX_GROUPS]]
        rows = np.concatenate([np.array(rows, int) for rows in borders])
        of_row = np.repeat(np.arange(len(borders)), [len(rows) for rows in borders])
        yield "borders", plots.cluster_sheet(images[rows], of_row, show_sizes=False, title="lowest confidence")
    if len(summary) > 1:
        first = [one["typical"][0] for one in summary]
        blocks = tables.read_column(data.run.path / layout.GROUPS, "block")
        pictures = images[first] if data.run.has_pictures else None
        yield "tree", plots.group_tree(data.run.tree(), min(len(summary), MAX_GROUPS), pictures, blocks[first])


def _standing_out(data: ReportData) -> "Iterator[tuple[str, Figure]]":
    """Figures of duplicates, of isolated images, and of a few images beside those nearest to them."""
    run, images = data.run, data.images
    pairs = _duplicate_rows(data.duplicates, len(images))
    if len(pairs):
        rows, of_row = np.concatenate(pairs), np.repeat(np.arange(len(pairs)), [len(rows) for rows in pairs])
        yield "duplicates", plots.cluster_sheet(images[rows], of_row, show_sizes=False, title="")
    alone = np.argsort(-data.outliers["isolation"].to_numpy(), kind="stable")[:N_STRIPS]
    points = data.points
    yield "isolated", plots.strips(_with_nearest(images, points, alone))
    random = np.random.default_rng(run.options.seed)
    chosen = random.choice(len(images), min(N_NEIGHBORS, len(images)), replace=False)
    yield "neighbors", plots.strips(_with_nearest(images, points, chosen))


def _with_nearest(images: "NDArray[Any]", points: "NDArray[Any]", rows: "NDArray[Any]") -> "NDArray[Any]":
    """Rows of pictures: an image and those nearest to it."""
    followers = [nearest_rows(points, points[row], N_STEPS)[0] for row in rows]
    strips = [[row, *near[near != row]][: min(N_STEPS, len(points))] for row, near in zip(rows, followers, strict=True)]
    return images[np.array(strips)]


def _duplicate_rows(table: "Table", n: int) -> "list[NDArray[Any]]":
    """Sets of exact or near duplicates, each as an array of ids, the largest sets first."""
    edges = (np.ones(len(table)), (table["id"].to_numpy(), table["duplicate_of"].to_numpy()))
    _, pieces = csgraph.connected_components(sparse.coo_matrix(edges, shape=(n, n)), directed=False)
    members = np.flatnonzero(np.bincount(pieces)[pieces] > 1)
    by_piece = members[np.argsort(pieces[members], kind="stable")]
    sets = np.split(by_piece, np.flatnonzero(np.diff(pieces[by_piece])) + 1) if len(by_piece) else []
    return sorted(sets, key=lambda rows: (-len(rows), rows[0]))[:N_DUPLICATES]


def _added(run: Run, xy: "NDArray[Any]") -> "Iterator[tuple[str, Figure]]":
    """Places on the map of images that were added later."""
    if not run.state["added"] or not run.has_pictures:
        return
    names = ["x", "y", "added"]
    table = pq.read_table(run.path / layout.ATLAS, columns=names).slice(len(xy))
    places = np.column_stack([table["x"], table["y"]])
    some = run.picture(np.concatenate(run.added_images())[:N_ADDED])
    yield "map-added", plots.added_map(xy, places, some)


def draw_similar(run: Run, asked: str | int, found: "Table", path: Path) -> None:
    """Draw an image and the images similar to it, with their distances, as a PNG file."""
    first = np.asarray(run.image(asked)) if isinstance(asked, int) else run.picture(run.pixels(asked))
    pictures = [first, *(np.asarray(run.image(row)) for row in found["id"].to_pylist())]
    names = ["asked for", *(f"{row['id']}\n{row['distance']:.2f}" for row in found.to_pylist())]
    with atomic_write(path) as temporary:
        plots.row(np.stack(pictures), names).savefig(temporary, dpi=120, format="png")
