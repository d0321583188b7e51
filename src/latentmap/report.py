"""report.html of a run: one self-contained file that tells what went in and what came out."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
from scipy import sparse
from scipy.sparse import csgraph

from latentmap import plots
from latentmap.files import whole, write_text
from latentmap.images.sources import Decoding
from latentmap.memory import give_back
from latentmap.pages import render
from latentmap.run import Run, RunOptions, files, tables
from latentmap.run.run import nearest_rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from pyarrow import Table

FILE = "report.html"
FIGURES = "figures"
# Pairs shown beside each other, and skipped files listed.
N_PAIRS = 8
N_SKIPPED = 50
# Unusual images shown, and how many strips of how many steps for what the decoder draws by itself.
N_UNUSUAL = 8
N_STRIPS, N_STEPS = 4, 9
# Sets of duplicates, images shown with their neighbours, and images looked at of those that were added.
N_DUPLICATES, N_NEIGHBORS, N_ADDED = 12, 6, 2000
# Groups in the table and the sheets.
MOST_GROUPS = 40
# What each measured figure is, in words.
METRICS = {
    "reconstruction_error": ("Reconstruction error", "mean squared error of a pixel, in units of [0, 1]"),
    "n_groups": ("Groups", "found, or as many as were asked for"),
    "unsure": ("Unsure", "share of images that no group is given, for they are less sure than was asked"),
    "stability": (
        "Stability of the groups",
        "agreement with groups found on random parts of the images; 1 is the same",
    ),
    "density_validity": ("Density validity", "of the groups, on a sample; 1 is denser inside than between them"),
    "kmeans_silhouette": ("K-means: silhouette", "of as many groups by K-means on the same latent vectors"),
    "kmeans_accuracy": ("K-means: accuracy", "the same for K-means"),
    "kmeans_nmi": ("K-means: mutual information", "the same for K-means"),
    "kmeans_ari": ("K-means: adjusted Rand index", "the same for K-means"),
    "kmeans_purity": ("K-means: purity", "the same for K-means"),
    "silhouette": ("Silhouette", "of the groups in latent space, on a sample; 1 is tight and far apart"),
    "trustworthiness": ("Trustworthiness of the map", "1 when all neighbours on the map are neighbours in truth"),
    "neighborhood_preservation": ("Neighbours kept", "share of the 15 nearest in latent space that are so on the map"),
    "accuracy": ("Clustering accuracy", "share of images in the right group, groups and labels matched at best"),
    "nmi": ("Normalised mutual information", "of groups and labels; 1 when they are the same"),
    "ari": ("Adjusted Rand index", "agreement on pairs beyond chance; 1 when they are the same"),
    "purity": ("Purity", "share of images with the commonest label of their group"),
}


def write_report(folder: Path) -> list[str]:
    """Draw the figures of a run and write ``report.html``.

    Parameters
    ----------
    folder : Path
        A run whose other stages are done.

    Returns
    -------
    list of str
        The files written, below ``folder``.
    """
    run = Run.open(folder)
    (folder / FIGURES).mkdir(exist_ok=True)
    written = []
    for name, figure in _figures(run):
        written.append(f"{FIGURES}/{name}.png")
        with whole(folder / written[-1]) as temporary:
            figure.savefig(temporary, dpi=120, format="png")
        del figure
        give_back()
    write_text(folder / FILE, render("report.html.j2", folder=folder, **_facts(run)))
    return [*written, FILE]


def _figures(run: Run) -> "Iterator[tuple[str, Figure]]":
    """One after the other, since those of a large map take much memory."""
    collection, groups, xy = run.images(), run.groups(), run.map()
    images, labels = collection.images, collection.labels
    yield "first", plots.first_image(images[0], label=None if labels is None else str(labels[0]))
    yield from _network_figures(run, images)
    yield "groups", plots.cluster_sheet(images, groups, scores=-run.confidence())
    colored_by = groups if labels is None or len(np.unique(labels)) > 20 else labels
    yield "map", plots.image_map(xy, images, colored_by, n_images=400)
    yield "map-groups", plots.scatter(xy, groups, title="coloured by group")
    if labels is not None:
        yield "map-labels", plots.scatter(xy, labels, title="coloured by label")
    yield from _group_figures(run, images)
    yield from _standing_out(run, images)
    yield from _added(run, xy)


def _network_figures(run: Run, images: "NDArray[Any]") -> "Iterator[tuple[str, Figure]]":
    """What the network learned, and what it draws."""
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
    summary = run.group_summary()[:MOST_GROUPS]
    borders = [one["boundary"] for one in summary]
    rows = np.concatenate([np.array(rows, int) for rows in borders])
    of_row = np.repeat(np.arange(len(borders)), [len(rows) for rows in borders])
    yield "borders", plots.cluster_sheet(images[rows], of_row, show_sizes=False)
    n_groups = len(run.group_summary())
    if n_groups > 1:
        first = [one["typical"][0] for one in run.group_summary()]
        blocks = tables.read_column(run.path / "groups.parquet", "block")
        yield "tree", plots.group_tree(run.tree(), min(n_groups, MOST_GROUPS), images[first], blocks[first])


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
    table = pq.read_table(run.path / files.ATLAS, columns=names).slice(len(xy))
    places = np.column_stack([table["x"], table["y"]])
    some = np.concatenate(run.added_images())[:N_ADDED]
    yield "map-added", plots.added_map(xy, places, some)


def _facts(run: Run) -> dict[str, Any]:
    groups = run.groups()
    sizes = np.bincount(groups[groups >= 0], minlength=1)
    skipped = run.skipped()
    model = run.model()
    layers = model.layer_table()
    return {
        "source": run.state["source"],
        "options": run.state["options"],
        "command": _command(run),
        "layers": layers,
        "n_parameters": sum(layer.n_parameters for layer in layers),
        "loss": model.history_["loss"],
        "recipe": model.recipe_,
        "precision": model.precision_,
        "threshold": model.outlier_threshold(),
        "summary": [] if run.options.groups == "kmeans" else run.group_summary()[:MOST_GROUPS],
        "n_groups": int((sizes > 0).sum()),
        "n_grouped": int(sizes.sum()),
        "smallest": int(sizes[sizes > 0].min(initial=sizes.max())),
        "largest": int(sizes.max()),
        "metrics": [(*METRICS[name], value) for name, value in run.metrics().items()],
        "stages": [(name, record) for name, record in run.stages.items() if record["state"] == "done"],
        "skipped": skipped[:N_SKIPPED],
        "shape": None if run.state["source"]["shape"] is None else str(run.shape()),
        "n_exact": int(np.sum(run.duplicates()["exact"].to_numpy(zero_copy_only=False))),
        "n_near": int(np.sum(~run.duplicates()["exact"].to_numpy(zero_copy_only=False))),
        "n_outliers": int(np.sum(run.outliers()["is_outlier"].to_numpy(zero_copy_only=False))),
        "added": run.state["added"],
        "n_skipped": len(skipped),
        "versions": run.state["versions"],
        "threads": run.state["threads"],
        "platform": run.state["platform"],
    }


def _command(run: Run) -> str:
    """The command that makes the same run, with those options that are not the defaults."""
    source, defaults = run.state["source"], RunOptions().as_dict()
    options = {name: value for name, value in run.options.as_dict().items() if value != defaults[name]}
    usual = Decoding().as_dict()
    options |= {name: value for name, value in source["decoding"].items() if value != usual[name]}
    options |= {"labels": source["labels"]} if source["labels"] is not None else {}
    if "augmentation" in options:
        options["augmentation"] = options["augmentation"] or ["none"]
    values = [(name, one) for name, value in options.items() for one in (value if isinstance(value, list) else [value])]
    flags = []
    for name, value in values:
        option = name.replace("_", "-")
        flags += [f"--{'' if value else 'no-'}{option}"] if isinstance(value, bool) else [f"--{option}", str(value)]
    sources = source["path"] if isinstance(source["path"], list) else [source["path"] or "SOURCE"]
    return shlex.join(["latentmap", "run", *sources, "-o", str(run.home), *flags])


def draw_similar(run: Run, asked: str | int, found: "Table", path: Path) -> None:
    """Draw an image and those that are like it, with their distances, as a PNG file."""
    first = np.asarray(run.image(asked)) if isinstance(asked, int) else run.pixels(asked)
    pictures = [first, *(np.asarray(run.image(row)) for row in found["id"].to_pylist())]
    names = ["asked for", *(f"{row['id']}\n{row['distance']:.2f}" for row in found.to_pylist())]
    with whole(path) as temporary:
        plots.row(np.stack(pictures), names).savefig(temporary, dpi=120, format="png")
