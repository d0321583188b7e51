"""report.html of a run: one self-contained file with its sources, results and figures."""

import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latentmap.core.atomic_files import atomic_write, write_text
from latentmap.core.memory import release_memory
from latentmap.core.parallel import one_blas_thread
from latentmap.images import Skipped
from latentmap.images.decode_options import DecodeOptions
from latentmap.images.mnist import is_mnist
from latentmap.report.figures import MAX_GROUPS, figures, figures_of_results
from latentmap.report.html import render
from latentmap.report.report_data import ReportData
from latentmap.run import Run, RunOptions
from latentmap.run.cut_runs import describe_cut, is_cut
from latentmap.run.stages import write_results
from latentmap.run.work import Work

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REPORT_FILE = "report.html"
FIGURES = "figures"
# Reasons of skipped files, names listed for each, and labels listed with their counts.
N_REASONS, N_SKIPPED, N_LABELS = 20, 10, 30
# The name and the meaning of each figure in metrics.json.
METRIC_TEXTS = {
    "reconstruction_error": ("Reconstruction error", "Mean squared error per pixel value, in units of [0, 1]."),
    "n_groups": ("Groups", "Number of groups found or asked for."),
    "unsure": ("Unsure images", "Fraction of images in no group, because their confidence is below the one asked for."),
    "stability": (
        "Stability of the groups",
        "Agreement with the groups found on random parts of the images; 1 means that they are the same.",
    ),
    "silhouette": (
        "Silhouette",
        "Silhouette of the groups by the distances of neighbours, on a sample; 1 means tight and far apart.",
    ),
    "density_validity": (
        "Density validity",
        "Density validity of the groups, on a sample; 1 means denser inside than between them.",
    ),
    "trustworthiness": (
        "Trustworthiness of the map",
        "1 when all neighbours on the map are neighbours before it.",
    ),
    "neighborhood_preservation": (
        "Neighbourhood preservation",
        "Fraction of the 15 nearest neighbours of each image that are among the 15 nearest on the map.",
    ),
    "accuracy": (
        "Clustering accuracy",
        "Fraction of images in the right group, with groups and labels matched at best.",
    ),
    "nmi": ("Normalised mutual information", "Mutual information of groups and labels; 1 when they are the same."),
    "ari": (
        "Adjusted Rand index",
        "Agreement on pairs of images beyond chance; 1 when groups and labels are the same.",
    ),
    "purity": ("Purity", "Fraction of images with the most frequent label of their group."),
    "kmeans_silhouette": ("K-means: silhouette", "Silhouette of as many groups by K-means on the same vectors."),
    "kmeans_accuracy": ("K-means: accuracy", "The same metric of the groups by K-means."),
    "kmeans_nmi": ("K-means: mutual information", "The same metric of the groups by K-means."),
    "kmeans_ari": ("K-means: adjusted Rand index", "The same metric of the groups by K-means."),
    "kmeans_purity": ("K-means: purity", "The same metric of the groups by K-means."),
}
# Figures that compare groups with labels or with K-means, which mean nothing when there is one group.
COMPARISONS = {"accuracy", "nmi", "ari", "purity", *(name for name in METRIC_TEXTS if name.startswith("kmeans_"))}


def report_stage(work: Work) -> list[str]:
    """Run the last stage of a run: join its tables, measure, and write the report.

    Parameters
    ----------
    work : Work
        Work on a run whose other stages are done; see :func:`latentmap.run.executor.run_stage`.

    Returns
    -------
    list of str
        The files written, below the folder of the work.
    """
    data = ReportData(Run.open(work.folder), work.points)
    # matplotlib keeps the interpreter, but only one core, busy; BLAS has one limit for all threads, set by one of them
    with work.show("report"), one_blas_thread(), ThreadPoolExecutor(1) as pool:
        results = pool.submit(write_results, work)
        drawn = _draw(data, figures(data))
        return [*results.result(), *drawn, *_finish(data)]


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
    data = ReportData(Run.open(folder))
    return [*_draw(data, figures(data)), *_finish(data)]


def _draw(data: ReportData, drawn: "Iterator[tuple[str, Figure]]") -> list[str]:
    """Write figures as PNG files, one at a time; return their names below the folder of the run."""
    folder = data.run.path
    (folder / FIGURES).mkdir(exist_ok=True)
    written = []
    for name, figure in drawn:
        written.append(f"{FIGURES}/{name}.png")
        with atomic_write(folder / written[-1]) as temporary:
            figure.savefig(temporary, dpi=120, format="png")
        del figure
        release_memory()
    return written


def _finish(data: ReportData) -> list[str]:
    """Draw the figures of the results and write the page."""
    folder, written = data.run.path, _draw(data, figures_of_results(data))
    write_text(folder / REPORT_FILE, render("report.html.j2", folder=folder, **_facts(data)))
    return [*written, REPORT_FILE]


def _facts(data: ReportData) -> dict[str, Any]:
    """The values that the template shows."""
    run, groups, labels = data.run, data.groups, data.label_counts
    sizes = np.bincount(groups[groups >= 0], minlength=1)
    n_groups = int((sizes > 0).sum())
    exact = data.duplicates["exact"].to_numpy(zero_copy_only=False)
    return {
        "source": run.state["source"],
        "options": run.state["options"],
        "command": _command(run),
        "run_folder": str(run.home.resolve()),
        "shell_folder": shlex.quote(str(run.home.resolve())),
        "has_decoder": data.has_decoder,
        "network": _network_facts(data) if data.has_decoder else {},
        "vectors": run.state.get("vectors"),
        "encoder": (run.state.get("vectors") or {}).get("encoder"),
        "places": run.state.get("places"),
        "has_pictures": run.has_pictures,
        "image": run.noun,
        "summary": data.summary[:MAX_GROUPS],
        "cuts": data.run.cuts(),
        "n_groups": n_groups,
        "n_grouped": int(sizes.sum()),
        "n_unsure": int((groups < 0).sum()),
        "smallest": int(sizes[sizes > 0].min(initial=sizes.max())),
        "largest": int(sizes.max()),
        "is_cut": is_cut(run.state),
        "cut": [line.strip() for line in describe_cut(run.state["source"])],
        "metrics": _metrics(run, n_groups),
        "labels": list(labels.items())[:N_LABELS],
        "n_labels": len(labels),
        "n_labelled": sum(labels.values()),
        "stages": [(name, record) for name, record in run.stages.items() if record["state"] == "done"],
        "skipped": _skipped_by_reason(data.collection.skipped),
        "shape": None if run.state["source"]["shape"] is None else str(run.shape()),
        "channels": _channels(run),
        "n_exact": int(exact.sum()),
        "n_near": int((~exact).sum()),
        "n_outliers": int(np.sum(data.outliers["is_outlier"].to_numpy(zero_copy_only=False))),
        "issues": ", ".join(f"{name} ({len(ids):,})" for name, ids in data.issues.items()),
        "weights": run.features().weights_ if run.has_features else {},
        "added": run.state["added"],
        "n_skipped": len(data.collection.skipped),
        "versions": run.state["versions"],
        "threads": run.state["threads"],
        "platform": run.state["platform"],
    }


def _network_facts(data: ReportData) -> dict[str, Any]:
    """The values that the template shows of the network."""
    model = data.network
    layers = model.layer_table()
    return {
        "layers": layers,
        "n_parameters": sum(layer.n_parameters for layer in layers),
        "loss": model.history_["loss"],
        "recipe": model.recipe_,
        "precision": model.precision_,
        "threshold": data.threshold,
        "detail": data.detail,
        "has_samples": data.has_samples,
        "n_traversals": data.n_traversals,
    }


def _channels(run: Run) -> list[dict[str, Any]]:
    """Name, range, look and mean reconstruction error of each channel; empty for grey and RGB."""
    metrics = run.metrics()
    found: list[dict[str, Any]] = run.state["source"].get("channels", [])
    return [one | {"error": metrics.get(f"reconstruction_error_{one['name']}")} for one in found]


def _metrics(run: Run, n_groups: int) -> list[tuple[str, str, float | None]]:
    """Name, meaning and value of each metric that applies, in the order of ``METRIC_TEXTS``."""
    found = run.metrics()
    shown = [name for name in METRIC_TEXTS if name in found and (n_groups > 1 or name not in COMPARISONS)]
    return [(*METRIC_TEXTS[name], found[name]) for name in shown]


def _skipped_by_reason(skipped: list[Skipped]) -> list[tuple[str, int, list[str]]]:
    """For each reason, the most frequent first: the number of skipped files and the first of their names."""
    by_reason: dict[str, list[str]] = {}
    for path, reason in skipped:
        by_reason.setdefault(str(reason), []).append(str(path))
    found = sorted(by_reason.items(), key=lambda one: -len(one[1]))
    return [(reason, len(paths), paths[:N_SKIPPED]) for reason, paths in found[:N_REASONS]]


def _command(run: Run) -> str:
    """The command that makes the same run, with the options that are not the defaults; Python for arrays."""
    source, defaults, vectors = run.state["source"], RunOptions().as_dict(), run.state.get("vectors")
    if vectors is not None:
        defaults["features"] = "latent"
    options = {name: value for name, value in run.options.as_dict().items() if value != defaults[name]}
    usual = DecodeOptions().as_dict()
    options |= {name: value for name, value in source.get("decoding", {}).items() if value != usual.get(name)}
    options |= {"labels": source["labels"]} if source.get("labels") is not None else {}
    given_values = {"vectors": vectors, "map": run.state.get("places")}
    if vectors is not None and "encoder" in vectors:
        del given_values["vectors"]
        options |= vectors["encoder"]["settings"]
    options |= {name: record["path"] for name, record in given_values.items() if record is not None}
    folder = str(run.home.resolve())
    given = source.get("path") if source.get("pictures", True) else []
    arrays = {"vectors": "vectors", "map": "places"}
    if given is None or any(options.get(name, "") is None for name in arrays):  # made from Python, of arrays in memory
        values = "".join(
            f", {name}={arrays.get(name, value) if value is None else repr(value)}" for name, value in options.items()
        )
        images = "images" if given is None else repr(given or None)
        return f"latentmap.map_images({images}, {folder!r}{values})"
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
    names = [*sources, *(str(options[name]) for name in ("labels", "crops", *arrays) if name in options)]
    where = run.state.get("working_folder")
    relative = any(not Path(name).is_absolute() and not name.startswith("~") for name in names if not is_mnist(name))
    return f"cd {shlex.quote(where)}\n{line}" if where is not None and relative else line
