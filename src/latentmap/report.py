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
from latentmap.missing import missing_mask
from latentmap.pages import render
from latentmap.run import Run, RunOptions, files, tables
from latentmap.run.run import nearest_rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from pyarrow import Table

FILE = "report.html"
FIGURES = "figures"
# Pairs shown beside each other; reasons of skipped files, and names listed for each.
N_PAIRS = 8
N_REASONS, N_SKIPPED = 20, 10
# Unusual images shown, and how many strips of how many steps for what the decoder draws by itself.
N_UNUSUAL = 8
N_STRIPS, N_STEPS = 4, 9
# Sets of duplicates, images shown with their neighbours, and images looked at of those that were added.
N_DUPLICATES, N_NEIGHBORS, N_ADDED = 12, 6, 2000
# Groups in the table and the sheets.
MOST_GROUPS = 40
# Labels up to which the map is coloured by them rather than by group, and labels listed with their counts.
MOST_LABEL_COLORS, N_LABELS = 20, 30
# The name and the meaning of each figure in metrics.json.
METRICS = {
    "reconstruction_error": ("Reconstruction error", "Mean squared error per pixel value, in units of [0, 1]."),
    "n_groups": ("Groups", "Number of groups found or asked for."),
    "unsure": ("Unsure images", "Fraction of images in no group, because their confidence is below the one asked for."),
    "stability": (
        "Stability of the groups",
        "Agreement with the groups found on random parts of the images; 1 means that they are the same.",
    ),
    "silhouette": ("Silhouette", "Of the groups in latent space, on a sample; 1 means tight and far apart."),
    "density_validity": ("Density validity", "Of the groups, on a sample; 1 means denser inside than between them."),
    "trustworthiness": (
        "Trustworthiness of the map",
        "1 when all neighbours on the map are neighbours in latent space.",
    ),
    "neighborhood_preservation": (
        "Neighbourhood preservation",
        "Fraction of the 15 nearest neighbours in latent space that are among the 15 nearest on the map.",
    ),
    "accuracy": (
        "Clustering accuracy",
        "Fraction of images in the right group, with groups and labels matched at best.",
    ),
    "nmi": ("Normalised mutual information", "Of groups and labels; 1 when they are the same."),
    "ari": (
        "Adjusted Rand index",
        "Agreement on pairs of images beyond chance; 1 when groups and labels are the same.",
    ),
    "purity": ("Purity", "Fraction of images with the most frequent label of their group."),
    "kmeans_silhouette": ("K-means: silhouette", "Of as many groups by K-means on the same latent vectors."),
    "kmeans_accuracy": ("K-means: accuracy", "The same, of these groups."),
    "kmeans_nmi": ("K-means: mutual information", "The same, of these groups."),
    "kmeans_ari": ("K-means: adjusted Rand index", "The same, of these groups."),
    "kmeans_purity": ("K-means: purity", "The same, of these groups."),
}
# Figures that compare groups with labels or with K-means, which mean nothing when there is one group.
COMPARISONS = {"accuracy", "nmi", "ari", "purity", *(name for name in METRICS if name.startswith("kmeans_"))}


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
    if (groups >= 0).any():
        yield "groups", plots.cluster_sheet(images, groups, scores=-run.confidence())
    named: NDArray[Any] = groups
    if (groups < 0).any():  # images in no group have no colour
        named = groups.astype(object)
        named[groups < 0] = None
    n_labels = len(_label_counts(run))
    colored_by = labels if 0 < n_labels <= MOST_LABEL_COLORS else named
    yield "map", plots.image_map(xy, images, colored_by, n_images=400)
    yield "map-groups", plots.scatter(xy, named, title="coloured by group", missing="no group")
    if n_labels:
        yield "map-labels", plots.scatter(xy, labels, title="coloured by label")
    yield from _group_figures(run, images)
    yield from _standing_out(run, images)
    yield from _added(run, xy)


def _label_counts(run: Run) -> "dict[Any, int]":
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
    summary = run.group_summary()[:MOST_GROUPS]
    borders = [one["boundary"] for one in summary]
    rows = np.concatenate([np.array(rows, int) for rows in borders])
    of_row = np.repeat(np.arange(len(borders)), [len(rows) for rows in borders])
    yield "borders", plots.cluster_sheet(images[rows], of_row, show_sizes=False, title="lowest confidence")
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
    model = run.model()
    layers = model.layer_table()
    n_groups = int((sizes > 0).sum())
    labels = _label_counts(run)
    exact = run.duplicates()["exact"].to_numpy(zero_copy_only=False)
    return {
        "source": run.state["source"],
        "options": run.state["options"],
        "command": _command(run),
        "run_folder": str(run.home.resolve()),
        "shell_folder": shlex.quote(str(run.home.resolve())),
        "layers": layers,
        "n_parameters": sum(layer.n_parameters for layer in layers),
        "loss": model.history_["loss"],
        "recipe": model.recipe_,
        "precision": model.precision_,
        "threshold": model.outlier_threshold(),
        "summary": [] if run.options.groups == "kmeans" else run.group_summary()[:MOST_GROUPS],
        "n_groups": n_groups,
        "n_grouped": int(sizes.sum()),
        "n_unsure": int((groups < 0).sum()),
        "smallest": int(sizes[sizes > 0].min(initial=sizes.max())),
        "largest": int(sizes.max()),
        "metrics": _metrics(run, n_groups),
        "labels": list(labels.items())[:N_LABELS],
        "n_labels": len(labels),
        "n_labelled": sum(labels.values()),
        "stages": [(name, record) for name, record in run.stages.items() if record["state"] == "done"],
        "skipped": _skipped_by_reason(run),
        "shape": None if run.state["source"]["shape"] is None else str(run.shape()),
        "n_exact": int(exact.sum()),
        "n_near": int((~exact).sum()),
        "n_outliers": int(np.sum(run.outliers()["is_outlier"].to_numpy(zero_copy_only=False))),
        "added": run.state["added"],
        "n_skipped": len(run.skipped()),
        "versions": run.state["versions"],
        "threads": run.state["threads"],
        "platform": run.state["platform"],
    }


def _metrics(run: Run, n_groups: int) -> list[tuple[str, str, float | None]]:
    """Name, meaning and value of each figure that means something, in the order of ``METRICS``."""
    found = run.metrics()
    shown = [name for name in METRICS if name in found and (n_groups > 1 or name not in COMPARISONS)]
    return [(*METRICS[name], found[name]) for name in shown]


def _skipped_by_reason(run: Run) -> list[tuple[str, int, list[str]]]:
    """Reasons, the most frequent first: how many files were skipped for it, and the names of the first of them."""
    by_reason: dict[str, list[str]] = {}
    for path, reason in run.skipped():
        by_reason.setdefault(str(reason), []).append(str(path))
    found = sorted(by_reason.items(), key=lambda one: -len(one[1]))
    return [(reason, len(paths), paths[:N_SKIPPED]) for reason, paths in found[:N_REASONS]]


def _command(run: Run) -> str:
    """The command that makes the same run, with the options that are not the defaults; Python for arrays."""
    source, defaults = run.state["source"], RunOptions().as_dict()
    options = {name: value for name, value in run.options.as_dict().items() if value != defaults[name]}
    usual = Decoding().as_dict()
    options |= {name: value for name, value in source.get("decoding", {}).items() if value != usual.get(name)}
    options |= {"labels": source["labels"]} if source.get("labels") is not None else {}
    folder, given = str(run.home.resolve()), source.get("path")
    if given is None:  # it was made from Python, of images in memory
        values = "".join(f", {name}={value!r}" for name, value in options.items())
        return f"latentmap.map_images(images, {folder!r}{values})"
    if "augmentation" in options:
        options["augmentation"] = options["augmentation"] or ["none"]
    pairs = [(name, one) for name, value in options.items() for one in (value if isinstance(value, list) else [value])]
    flags = []
    for name, value in pairs:
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            flags.append(option if value else f"--no-{option[2:]}")
        else:  # a value that begins with - would be taken for an option
            flags += [f"{option}={value}"] if str(value).startswith("-") else [option, str(value)]
    sources = [str(one) for one in given] if isinstance(given, list) else [str(given)]
    dashes = ["--"] if any(name.startswith("-") for name in sources) else []
    line = shlex.join(["latentmap", "run", "-o", folder, *flags, *dashes, *sources])
    names = [*sources, *([str(source["labels"])] if source.get("labels") is not None else [])]
    where = run.state.get("working_folder")
    relative = any(not Path(name).is_absolute() and not name.startswith("~") for name in names if name != "mnist")
    return f"cd {shlex.quote(where)}\n{line}" if where is not None and relative else line


def draw_similar(run: Run, asked: str | int, found: "Table", path: Path) -> None:
    """Draw an image and those that are like it, with their distances, as a PNG file."""
    first = np.asarray(run.image(asked)) if isinstance(asked, int) else run.pixels(asked)
    pictures = [first, *(np.asarray(run.image(row)) for row in found["id"].to_pylist())]
    names = ["asked for", *(f"{row['id']}\n{row['distance']:.2f}" for row in found.to_pylist())]
    with whole(path) as temporary:
        plots.row(np.stack(pictures), names).savefig(temporary, dpi=120, format="png")
