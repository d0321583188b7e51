"""Writes the tables of README and docs again, from benchmarks/results/ and from the declared options.

A table stands between ``<!-- table: NAME -->`` and ``<!-- end -->``. Run with ``make docs``, or
``python -m benchmarks.tables --check`` to fail when a page is not what they give.
"""

import math
import re
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.record import load

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "README.ko.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Tools that the course chapter uses
CHAPTER_TOOLS = ("scikit-learn", "Keras")
KOREAN = {"pyramid (the default)": "pyramid (기본값)"}
MARKED_TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def reconstruction() -> str:
    """Test error of the chapter's networks and of the default."""
    record = load("reconstruction")
    rows = [
        [
            name,
            "" if result["published"] is None else f"{result['published']:.4f}",
            f"{result['median_test_mse']:.4f}",
            f"{result['worst_test_mse']:.4f}",
        ]
        for name, result in record["results"].items()
    ]
    pairs = [
        f"{result['rows'][0]['test_mse']:.4f} and {result['float32_test_mse']:.4f} ({name})"
        for name, result in record["results"].items()
        if "float32_test_mse" in result
    ]
    note = "The chapter publishes no error for the dense network; 0.0059 is what its code gives today.\n"
    if "incomplete" in record:
        note += f"Incomplete: {record['incomplete']}.\n"
    if pairs:
        note += f"Products are in bfloat16. Errors of the first seed in bfloat16 and in float32: {', '.join(pairs)}.\n"
    head = ["network", "published", "median of five seeds", "worst seed"]
    return _table(head, rows) + _source(record, "torch") + note


def reconstruction_korean() -> str:
    """The same table in Korean."""
    record = load("reconstruction")
    rows = [
        [
            KOREAN.get(name, name),
            "" if result["published"] is None else f"{result['published']:.4f}",
            f"{result['median_test_mse']:.4f}",
            f"{result['worst_test_mse']:.4f}",
        ]
        for name, result in record["results"].items()
    ]
    machine = record["machine"]
    note = (
        f"\n측정: `{record['command']}`, {machine['processor']} 코어 {machine['cores']}개, torch "
        f"{record['versions']['torch']}. 강의 자료에는 Dense 신경망의 오차가 없습니다. "
        "0.0059는 그 코드를 지금 실행해 얻은 값입니다.\n"
    )
    return _table(["신경망", "강의 자료", "시드 5개의 중앙값", "최댓값"], rows) + note


def scale() -> str:
    """Seconds and peak memory of a whole run, by the number of images."""
    record = load("scale")
    rows = record["results"]["rows"]
    stages = list(rows[0]["stages"])
    body = [
        [
            f"{row['n']:,}",
            *(f"{row['stages'][stage]['seconds']:.0f}" for stage in stages),
            f"{row['seconds']:.0f}",
            f"{row['peak_memory_mb'] / 1024:.2f}",
            f"{row['disk_mb'] / 1000:.2f}",
        ]
        for row in rows
    ]
    head = ["images of 32×32", *stages, "total", "peak memory, GiB", "on disk, GB"]
    note = f"Times are in seconds. Each network was trained for {rows[0]['epochs']} epochs. "
    note += "Neighbours were found by latent vectors (`--features latent`).\n"
    if "features" in record["results"]:
        found = record["results"]["features"]
        note += (
            f"Visual features of {found['n']:,} images of 28×28 take {found['processor_seconds']:.0f} s of processor "
            f"time and, in a process of their own, {found['peak_memory_mb'] / 1024:.2f} GiB.\n"
        )
    if "incomplete" in record:
        note += f"Incomplete: {record['incomplete']}.\n"
    return _table(head, body) + _source(record, "torch") + note


def interop() -> str:
    """Readers that open atlas.parquet unchanged."""
    record = load("interop")
    rows = [[name, result["version"], f"{result['rows']:,}"] for name, result in record["results"].items()]
    return _table(["reader", "version", "rows read"], rows) + _source(record)


def loaders() -> str:
    """Tools that load exports as they are."""
    record = load("loaders")
    rows = [
        [
            name,
            result["version"],
            f"{result['images']:,}",
            ", ".join(f"{part} {n:,}" for part, n in result["parts"].items()),
            str(result["classes"]),
        ]
        for name, result in record["results"].items()
    ]
    note = (
        "Parts, classes and pixels (of tables, labels) are compared with what was exported, image by image. "
        "Ultralytics also trained for an epoch, with a torchvision whose compiled operators `nms` and `qnms`, which "
        "classifiers do not call, were only declared. FiftyOne was read by the importers that `Dataset.from_dir` "
        "calls, without its database.\n"
    )
    return _table(["tool and export", "version", "images read", "parts", "classes"], rows) + _source(record) + note


def _frame(found: dict[str, float] | None) -> str:
    return "" if found is None else f"{found['median_ms']:.0f} ({found['p95_ms']:.0f})"


Lines: TypeAlias = dict[str, Callable[[dict[str, Any]], str]]  # cells by the name of their row
OPENING: Lines = {
    "first paint, ms": lambda run: f"{run['opening']['first_paint_ms']:.0f}",
    "map responds, ms": lambda run: f"{run['opening']['interactive_ms']:.0f}",
    "first pictures, ms": lambda run: f"{run['opening']['first_picture_ms']:.0f}",
}
PANNING: Lines = {
    "frame, whole map panning, ms (95th percentile)": lambda run: _frame(run["panning"]["whole map"]),
    "frame, zoomed in, ms (95th percentile)": lambda run: _frame(run["panning"]["zoomed in 8 times"]),
}


def _by_run(record: dict[str, Any], lines: Lines, note: str) -> str:
    """A table with a column for each run, and how Chromium drew the pages."""
    runs = record["results"]["rows"]
    body = [[name, *(line(run) for run in runs)] for name, line in lines.items()]
    drawn = f"Chromium {record['results']['chromium']} at 1400 × 900, with software rendering on the same two cores. "
    return _table(["", *(f"{run['n']:,} images" for run in runs)], body) + _source(record) + drawn + note


def explorer() -> str:
    """Start-up time, frame times and server load of the explorer."""

    def call(found: dict[str, float]) -> str:
        return f"{found['median_ms']:.0f} ({found['p99_ms']:.0f})"

    lines: Lines = {
        "server ready, s": lambda run: f"{run['server_ready_s']:.1f}",
        **OPENING,
        "sent by then, MB": lambda run: f"{run['opening']['megabytes']:.1f}",
        **PANNING,
        "frame, whole map, alternating with deck.gl, ms (95th percentile)": lambda run: _frame(
            run.get("beside_deckgl")
        ),
        "frame, deck.gl, dots without pictures, ms (95th percentile)": lambda run: _frame(run.get("deckgl")),
        "neighbours of an image, ms (99th percentile)": lambda run: call(run["calls"]["neighbours"]),
        "decoding a position, ms (99th percentile)": lambda run: call(run["calls"]["decode"]),
        "200 concurrent readers: errors": lambda run: f"{run['readers']['errors']} of {run['readers']['requests']:,}",
        "200 concurrent readers: ms (99th percentile)": lambda run: call(run["readers"]),
        "as one HTML file, MB": lambda run: f"{run['one_file']['megabytes']:.0f}" if "one_file" in run else "",
        "server memory at the end, MiB": lambda run: f"{run['server_mb']:,.0f}",
    }
    note = "The first rows are times since the page was requested: medians of five, each in a new profile.\n"
    return _by_run(load("explorer"), lines, note)


def site() -> str:
    """Start-up time and size of maps exported as static files."""
    lines: Lines = {
        "export, s": lambda run: f"{run['export_s']:.0f}",
        "files": lambda run: f"{run['files']:,}",
        "size of the folder, MB": lambda run: f"{run['megabytes']:,.0f}",
        **OPENING,
        "sent by then, MB": lambda run: f"{run['opening']['megabytes_first']:.1f}",
        "all points loaded, ms": lambda run: f"{run['opening']['all_rows_ms']:,.0f}",
        "sent by then in all, MB": lambda run: f"{run['opening']['megabytes']:.1f}",
        **PANNING,
    }
    note = (
        "The files are served by Python's file server. Times since the page was requested are medians of five, each in "
        "a new profile.\n"
    )
    return _by_run(load("site"), lines, note)


def curation() -> str:
    """Seconds of the audit, and how quickly the grid answers."""
    lines: Lines = {
        "audit, s": lambda run: f"{run['audit_s']:.1f}",
        "grid opened, ms": lambda run: f"{run['grid']['opened']:,.0f}",
        "sorted by a column, ms": lambda run: f"{run['grid']['sorted']:,.0f}",
        "scrolled to the middle at once, ms": lambda run: f"{run['grid']['moved to the middle']:,.0f}",
        "frame while it is scrolled, median, ms": lambda run: f"{run['grid']['scrolled, median_ms']:.0f}",
        "elements of the page for images": lambda run: f"{run['grid']['elements']:.0f}",
    }
    note = (
        "The audit takes the measures of pictures and the neighbours from the run; only the digits have labels, which "
        "it judges. Times of the grid are medians of five and end when all pictures in view are there.\n"
    )
    return _by_run(load("curation"), lines, note)


def explorer_load() -> str:
    """Waiting times of one reader while the explorer is abused."""
    record = load("explorer_load")
    results = record["results"]
    rows = [
        [
            one["abuse"],
            f"{one['median_ms']:.0f}",
            f"{one['p99_ms']:.0f}",
            f"{one['max_ms']:.0f}",
            f"{one['n_failed']} of {one['n_requests']:,}",
            f"{one['memory_mb']:.0f}",
            f"{one['threads']}",
        ]
        for one in results["rows"]
    ]
    head = ["meanwhile", "median, ms", "99th percentile, ms", "longest, ms", "failed", "memory, MB", "threads"]
    note = f"Each for {results['seconds']:.0f} s, with the other clients on the same cores.\n"
    return _table(head, rows) + _source(record) + note


def training() -> str:
    """Seconds per epoch, by network and engine."""
    record = load("training")
    results = record["results"]
    rows, fractions = [], []
    for network, measured in results["epochs"].items():
        engines = measured["engines"]
        ours = engines["latentmap, bfloat16"]["seconds"]
        for engine, found in engines.items():
            rows.append([f"{network}: {engine}", f"{found['seconds']:.2f}", f"{found['seconds'] / ours:.1f}"])
        for precision in ("bfloat16", "float32"):
            fraction = measured["floor"][f"{precision}_seconds"] / engines[f"latentmap, {precision}"]["seconds"]
            fractions.append(f"{fraction:.0%} ({network}, {precision})")
    streaming, encoding = results["streaming"], results["encoding"]
    ratio = streaming["disk_images_per_second"] / streaming["memory_images_per_second"]
    rates = ", ".join(f"{rate:,.0f} ({network})" for network, rate in encoding.items())
    note = (
        "60,000 images of MNIST, batches of 256, medians of five runs, each engine in its own process. Fraction of the "
        "speed limit, which is the matrix products alone at the best rate measured on this machine: "
        f"{', '.join(fractions)}. Training from a file that the system has not cached runs at {ratio:.0%} of the speed "
        f"from memory. Images encoded per second: {rates}.\n"
    )
    head = ["network: engine", "seconds per epoch", "× latentmap"]
    return _table(head, rows) + _source(record, "torch", "keras", "tensorflow-cpu") + note


def collections() -> str:
    """The default network on images of many kinds."""
    record = load("collections")
    rows = [
        [
            f"{name}, {' × '.join(map(str, found['image_shape']))}",
            f"{found['n_train']:,}",
            f"{found['seconds']:.0f}",
            f"{found['test_mse']:.5f}",
            "" if math.isnan(found["pca_test_mse"]) else f"{found['pca_test_mse']:.5f}",
            str(found["asleep"]),
        ]
        for name, found in record["results"].items()
    ]
    note = (
        "64 latent dimensions and default settings. Errors are on images that were not trained on. PCA has as many "
        "dimensions. A dimension is inactive when its standard deviation is below a hundredth of the largest.\n"
    )
    head = ["images", "trained on", "seconds", "error", "error of PCA", "inactive dimensions"]
    return _table(head, rows) + _source(record, "torch", "scikit-learn") + note


def small() -> str:
    """Whole runs of small collections."""
    record = load("small")
    rows = [
        [
            name,
            f"{found['seconds']:.0f}",
            f"{found['stages']['train']:.0f}",
            f"{found['stages']['features']:.0f}",
            f"{found['stages']['report']:.0f}",
            f"{found['processor_seconds']:.0f}",
        ]
        for name, found in record["results"].items()
    ]
    note = (
        "From the command to the finished report, in seconds; medians of three whole processes. Start-up, latent "
        "vectors, map and groups take the rest.\n"
    )
    head = ["images", "seconds", "training", "features", "report", "processor time"]
    return _table(head, rows) + _source(record, "torch") + note


def whole() -> str:
    """The whole run of MNIST, stage by stage."""
    record = load("whole")
    found = record["results"]
    stages = list(found["warm"]["stages"])
    rows = [
        [
            name,
            *(f"{one['stages'][stage]:.1f}" for stage in stages),
            f"{one['seconds']:.0f}",
            f"{one['processor_seconds']:.0f}",
        ]
        for name, one in (("compiled", found["warm"]), ("nothing compiled", found["cold"]))
    ]
    metrics = found["warm"]["metrics"]
    note = (
        f"70,000 images of 28×28 from the command to the report, in seconds; median of {len(found['warm']['rounds'])} "
        f"processes, and one without compiled kernels. Reconstruction error {metrics['reconstruction_error']:.4f}, "
        f"{metrics['n_groups']} groups with an accuracy of {metrics['accuracy']:.3f}.\n"
    )
    head = ["kernels", *stages, "seconds", "processor time"]
    return _table(head, rows) + _source(record, "torch") + note


def anomaly() -> str:
    """Area under the ROC curve, for each digit."""
    record = load("anomaly")
    names = [name for name in record["results"][0] if name != "digit"]
    rows = [[str(row["digit"]), *(f"{row[name]['auroc']:.3f}" for name in names)] for row in record["results"]]
    means = [statistics.mean(row[name]["auroc"] for row in record["results"]) for name in names]
    rows.append(["mean", *(f"{mean:.3f}" for mean in means)])
    note = (
        "Trained on 6,000 images of the nine other digits, for ten epochs and without mixup. PCA has 64 dimensions, "
        "PyOD its defaults.\n"
    )
    return _table(["held out", *names], rows) + _source(record, "torch", "scikit-learn", "pyod") + note


def audit() -> str:
    """Precision and recall of the issues that were put into collections."""
    record = load("audit")
    peers = ["latentmap", "cleanlab", "cleanvision"]

    def shown(found: dict[str, Any], name: str) -> str:
        return f"{found[name]['precision']:.2f} / {found[name]['recall']:.2f}" if name in found else ""

    rows = [
        [collection, issue.replace("_", " "), *(shown(found, name) for name in peers)]
        for collection, result in record["results"].items()
        for issue, found in result["issues"].items()
    ]
    sizes = " and ".join(f"{result['n']:,} images ({name})" for name, result in record["results"].items())
    at_recall = "; ".join(
        f"{name}: latentmap {result['labels']['latentmap']:.2f}, cleanlab {result['labels']['cleanlab']:.2f}"
        for name, result in record["results"].items()
    )
    note = (
        f"Precision / recall of issues that were put into {sizes}; issues that the collections have of "
        f"themselves count as false ones. Precision of wrong labels where nine of ten are found: {at_recall}.\n"
    )
    return _table(["collection", "issue", *peers], rows) + _source(record, "cleanlab", "cleanvision") + note


def speed() -> str:
    """Times of the same task in latentmap and in other libraries, in short."""
    tsne, kmeans, training = load("tsne"), load("kmeans"), load("training")
    case, grouped = next(iter(kmeans["results"]["cases"].items()))
    epochs = training["results"]["epochs"]
    tasks = {
        "training, 60,000 digits, dense, one epoch": _named(epochs["dense"]["engines"]),
        "training, 60,000 digits, conv, one epoch": _named(epochs["conv"]["engines"]),
        "t-SNE, 5,000 vectors": tsne["results"]["few"],
        "t-SNE, 70,000 vectors": tsne["results"]["many"],
        f"K-means, {case.replace('60,000', '60,000 vectors')}": grouped["sides"],
    }
    rows = []
    for task, sides in tasks.items():
        others = {name: side for name, side in sides.items() if name != "latentmap"}
        fastest = min(others, key=lambda name: others[name]["seconds"])
        chapters = next((name for name in CHAPTER_TOOLS if name in sides), None)
        theirs = f"{_seconds(sides[chapters])} ({chapters})" if chapters else "not measured"
        rows.append([task, _seconds(sides["latentmap"]), f"{_seconds(others[fastest])} ({fastest})", theirs])
    head = ["task", "latentmap", "fastest other", "the chapter's tool"]
    commands = {"command": "`, `".join(record["command"] for record in (training, tsne, kmeans))}
    versions = {"versions": tsne["versions"] | training["versions"]}
    return _table(head, rows) + _source(tsne | commands | versions, "torch", "keras", "scikit-learn", "openTSNE")


def _named(engines: dict[str, Any]) -> dict[str, Any]:
    """The engines by shorter names; latentmap is in its default precision."""
    renamed = {"latentmap, bfloat16": "latentmap", "Keras (TensorFlow)": "Keras"}
    return {renamed.get(name, name): found for name, found in engines.items() if name != "latentmap, float32"}


def tsne() -> str:
    """Time, divergence and trustworthiness of the same maps."""
    record = load("tsne")
    results = record["results"]
    rows = []
    for title, compared in (("5,000, perplexity 15", results["few"]), ("70,000, perplexity 30", results["many"])):
        ours = compared["latentmap"]["seconds"]
        for name, side in compared.items():
            figures = [f"{side['seconds']:.1f}", f"{side['seconds'] / ours:.1f}"]
            rows.append([f"{title}: {name}", *figures, f"{side['divergence']:.3f}", f"{side['trustworthiness']:.4f}"])
    floor = sum(results["floor"].values())
    ours = results["many"]["latentmap"]["seconds"]
    neighbors, neighbors_of_million = results["neighbors"], results["neighbors_of_most"]
    note = (
        "Default settings except for the perplexity; medians of three runs. The KL divergence is computed by the same "
        f"exact formula for all. Compiling all kernels, once per machine, takes {results['compile_seconds']:.0f} s "
        "more. At the best rates measured on this machine, the arithmetic and memory traffic of 70,000 points would "
        f"take {floor:.1f} s; latentmap reaches {floor / ours:.0%} of that speed. The neighbour search takes "
        f"{neighbors['seconds']:.1f} s and finds {neighbors['recall']:.1%} of the true neighbours, and "
        f"{neighbors_of_million['recall']:.1%} among a million points.\n"
    )
    head = ["points", "seconds", "× latentmap", "KL divergence", "trustworthiness"]
    return _table(head, rows) + _source(record, "numba", "scikit-learn", "openTSNE") + note


def tsne_growth() -> str:
    """Time and memory of t-SNE by the number of points."""
    record = load("tsne")
    rows = [
        [
            f"{size['n']:,}",
            f"{size['seconds']:.1f}",
            f"{1e6 * size['seconds'] / (size['n'] * math.log2(size['n'])):.2f}",
            f"{size['peak_gib']:.1f}",
        ]
        for size in record["results"]["growth"]
    ]
    head = ["points", "seconds", "µs / (n log₂ n)", "peak memory, GiB"]
    note = "Perplexity 30, a process for each. The memory is that of the process, with its libraries and the points.\n"
    return _table(head, rows) + _source(record, "numba") + note


def kmeans() -> str:
    """Time and inertia of K-means on the same data."""
    record = load("kmeans")
    rows, floors = [], []
    for title, case in record["results"]["cases"].items():
        sides = case["sides"]
        ours, best = sides["latentmap"]["seconds"], min(side["inertia"] for side in sides.values())
        for name, side in sides.items():
            figures = [f"{side['seconds']:.2f}", f"{side['seconds'] / ours:.1f}"]
            rows.append([f"{title}: {name}", *figures, f"+{side['inertia'] / best - 1:.3%}"])
        floors.append(f"{case['floor']['products_seconds']:.2g}")
    note = (
        "Medians of runs with different seeds. Without bounds, Lloyd's algorithm compares each point with each centre "
        "in each iteration. The matrix products of that alone, at the best rate measured on this machine, would take "
        f"{', '.join(floors)} s in the four cases. FAISS makes a fixed number of iterations: 100, and 50 for k=1,000.\n"
    )
    packages = ("scikit-learn", "scikit-learn-intelex", "faiss-cpu")
    head = ["points of 64 dimensions", "seconds", "× latentmap", "inertia above the best"]
    return _table(head, rows) + _source(record, *packages) + note


def groups_in_short() -> str:
    """Accuracy and time on MNIST, for the best method of each kind."""
    record = load("groups")
    rows = []
    for method, runs in record["results"]["MNIST"]["methods"].items():
        if "without" in method or "PCA" in method or "latentmap's" in method:
            continue
        accuracy, seconds = (statistics.median(run[key] for run in runs) for key in ("accuracy", "seconds"))
        counts = sorted({int(run["n_groups"]) for run in runs})
        rows.append([method, f"{accuracy:.3f}", ", ".join(map(str, counts)), f"{seconds:.0f} s"])
    rows.sort(key=lambda row: row[1], reverse=True)
    return _table(["method", "accuracy", "groups", "time"], rows) + _source(record, "torch", "umap-learn")


def groups() -> str:
    """Accuracy, NMI, ARI and time of unsupervised grouping."""
    record = load("groups")
    rows = []
    for name, found in record["results"].items():
        for method, runs in found["methods"].items():
            middle = {key: statistics.median(run[key] for run in runs) for key in ("nmi", "ari", "seconds", "grouping")}
            accuracies = [run["accuracy"] for run in runs]
            counts = sorted({int(run["n_groups"]) for run in runs})
            covered = [run["accuracy_at_95"] for run in runs if "accuracy_at_95" in run]
            rows.append(
                [
                    f"{name}: {method}",
                    f"{statistics.median(accuracies):.3f}",
                    f"{min(accuracies):.3f}",
                    f"{statistics.median(covered):.3f}" if covered else "",
                    f"{middle['nmi']:.3f}",
                    f"{middle['ari']:.3f}",
                    ", ".join(map(str, counts)),
                    f"{middle['seconds']:.0f}" if middle["seconds"] >= 10 else f"{middle['seconds']:.1f}",
                    f"{middle['grouping']:.1f}",
                    str(len(runs)),
                ]
            )
    epochs = record["results"]["MNIST"]["epochs"]
    note = (
        "Medians over the seeds. Accuracy is that of the best matching of groups to labels; images in no group count "
        "as wrong. `at 95 %` is the accuracy of the 95 % with the highest confidence. To save time, DEC and IDEC have "
        f"{epochs} epochs of pretraining and {epochs} of clustering on MNIST, and N2D's recipe has 20. Published "
        "are 0.84 to 0.88 for DEC and IDEC and 0.979 for N2D.\n"
    )
    head = [
        "images: method",
        "accuracy",
        "worst seed",
        "at 95 %",
        "NMI",
        "ARI",
        "groups",
        "seconds",
        "of which grouping",
        "seeds",
    ]
    return _table(head, rows) + _source(record, "torch", "scikit-learn", "umap-learn", "clustpy") + note


def run_options() -> str:
    """The options of ``latentmap run``, with their defaults."""
    from typer.main import get_command

    from latentmap.cli import app
    from latentmap.run.options import RUN_OPTIONS, SOURCE_OPTIONS

    choices = {one.name: one.choices for one in (*RUN_OPTIONS, *SOURCE_OPTIONS)}

    def default(value: Any) -> str:
        if isinstance(value, bool):
            return "on" if value else "off"
        return f"{value:g}" if isinstance(value, float) else "" if value is None else str(value)

    rows = []
    for option in get_command(app).commands["run"].params:  # type: ignore[attr-defined]
        if option.name == "source":
            continue
        flags = sorted([*option.opts, *option.secondary_opts], key=lambda flag: flag.startswith("--"))
        text = option.help.removesuffix(".")
        for name in choices.get(option.name, ()):
            text = re.sub(rf"\b{name}\b", f"`{name}`", text)
        value = None if option.required or option.name == "quiet" else option.default
        rows.append([", ".join(f"`{flag}`" for flag in flags), default(value), text])
    head = ["option", "default", "meaning"]
    return "".join("| " + " | ".join(line) + " |\n" for line in [head, ["---"] * len(head), *rows])


FEATURE_COLUMNS = ("pixels", "latents", "SimCLR", "colours", "HOG", "HOG and colours", "scattering", "ours")
NOT_IN_MEAN = {"MNIST", "digits 8×8"}


def group_counts() -> str:
    """Number of groups found and agreement with the categories, by collection."""
    record = load("group_counts")
    methods = _methods(record["results"], "ari")
    rows = []
    for name, measured in record["results"].items():
        cells = _medians(measured, "ari", methods)
        found = ", ".join(map(str, sorted({row["found"] for row in measured})))
        stability = statistics.median(row["stability"] for row in measured)
        best = statistics.median(row["best_cut"] for row in measured)
        rows.append([name, str(measured[0]["categories"]), found, f"{stability:.2f}", *cells, f"{best:.2f}"])
    head = ["collection", "categories", "groups found", "stability", *methods, "best cut of our tree"]
    note = (
        "Adjusted Rand index; medians of five samples where several numbers were found. Images that HDBSCAN and EVoC "
        "leave out count as one more group.\n"
    )
    return _table(head, rows) + _source(record, "scikit-learn", "umap-learn", "evoc") + note


def group_accuracies() -> str:
    """Normalized mutual information with the categories and, with the number given, accuracy, by collection."""
    record = load("group_counts")
    results = {name: measured for name, measured in record["results"].items() if "nmi" in measured[0]}
    methods = _methods(results, "nmi")
    rows = []
    for name, measured in results.items():
        pairs = zip(_medians(measured, "nmi", methods), _medians(measured, "accuracy", methods), strict=True)
        rows.append([name, str(measured[0]["categories"]), *(" / ".join(filter(None, pair)) for pair in pairs)])
    note = (
        "Normalized mutual information and, where K is given, accuracy of the best matching of groups to categories; "
        "medians of five samples of MNIST.\n"
    )
    head = ["collection", "categories", *methods]
    return _table(head, rows) + _source(record, "scikit-learn", "umap-learn", "evoc") + note


def _methods(results: dict[str, list[dict[str, Any]]], score: str) -> list[str]:
    """The methods of which a score is known for a collection."""
    return list(dict.fromkeys(method for measured in results.values() for row in measured for method in row[score]))


def _medians(measured: list[dict[str, Any]], score: str, methods: list[str]) -> list[str]:
    """Median of a score for each method, the best in bold; nothing where it is not known."""
    known = [[row[score][method] for row in measured if method in row[score]] for method in methods]
    cells = [f"{statistics.median(values):.2f}" if values else "" for values in known]
    best = max(cells, key=lambda cell: float(cell or "-inf"))
    return [f"**{cell}**" if cell and cell == best else cell for cell in cells]


def features() -> str:
    """Fractions of neighbours of the same category, by collection and by features."""
    record = load("features")
    results = record["results"]

    def cells(found: dict[str, Any]) -> list[str]:
        best = [max(found["scores"][name][i] for name in FEATURE_COLUMNS) for i in (0, 1)]
        return [
            " / ".join(
                f"**{value:.3f}**" if value == most else f"{value:.3f}" for value, most in zip(pair, best, strict=True)
            )
            for pair in (found["scores"][name] for name in FEATURE_COLUMNS)
        ]

    rows = [[name, f"{found['n']:,}", str(found["categories"]), *cells(found)] for name, found in results.items()]
    rows.append(["mean without digits", "", "", *cells({"scores": _mean_scores(results)})])
    head = ["collection", "images", "categories", *FEATURE_COLUMNS]
    note = "The networks of the latent vectors and of SimCLR are trained on the images of the collection.\n"
    return _table(head, rows) + _source(record, "scikit-learn", "scikit-image", "torch") + note


def features_in_short() -> str:
    """Means of the same fractions."""
    record = load("features")
    means = _mean_scores(record["results"])
    rows = [[name, *(f"{value:.3f}" for value in means[name])] for name in reversed(FEATURE_COLUMNS)]
    head = ["features", "nearest", "five nearest"]
    names = {
        "ours": "latentmap",
        "latents": "latent vectors of the default network",
        "SimCLR": "SimCLR, trained on the collection",
        "scattering": "scattering coefficients, 64 components",
        "HOG": "HOG, 64 components",
        "pixels": "pixels, 64 components",
    }
    return _table(head, [[names.get(name, name), *values] for name, *values in rows]) + _source(record, "scikit-image")


def _mean_scores(results: dict[str, Any]) -> dict[str, list[float]]:
    chosen = [found["scores"] for name, found in results.items() if name not in NOT_IN_MEAN]
    return {name: [statistics.mean(scores[name][i] for scores in chosen) for i in (0, 1)] for name in FEATURE_COLUMNS}


SELECTION_TARGETS = (0.95, 0.98, 0.99)


def selection() -> str:
    """Labels needed for a fraction of right labels, by strategy."""
    record = load("selection")
    results = record["results"]
    rows = []
    for name, curve in results["curves"].items():
        needed = [_labels_needed(results["budgets"], curve, target) for target in SELECTION_TARGETS]
        rows.append([name, *("" if n is None else f"{n:,}" for n in needed)])
    head = ["strategy", *(f"labels for {100 * target:g} %" for target in SELECTION_TARGETS)]
    note = (
        f"Smallest measured number of labels from which on so many of the other labels stay right, on {results['n']:,} "
        "digits of MNIST.\n"
    )
    return _table(head, rows) + _source(record, "scikit-learn") + note


def _labels_needed(budgets: list[int], curve: list[float], target: float) -> int | None:
    """The smallest number of labels from which on the accuracy stays at a target; None if there is none."""
    below = [place for place, value in enumerate(curve) if value < target]
    first = below[-1] + 1 if below else 0
    return budgets[first] if first < len(budgets) else None


def selection_seconds() -> str:
    """Seconds that a selection of 200 takes, by strategy."""
    record = load("selection_times")
    seconds = record["results"]
    names = list(next(iter(seconds.values())))
    rows = [[name, *(f"{seconds[name][strategy]:.1f}" for strategy in names)] for name in seconds]
    return _table(["seconds for 200 of", *names], rows) + _source(record)


TABLES: dict[str, Callable[[], str]] = {
    "run_options": run_options,
    "group_counts": group_counts,
    "group_accuracies": group_accuracies,
    "features": features,
    "features_in_short": features_in_short,
    "selection": selection,
    "selection_seconds": selection_seconds,
    "reconstruction": reconstruction,
    "reconstruction_korean": reconstruction_korean,
    "scale": scale,
    "interop": interop,
    "loaders": loaders,
    "explorer": explorer,
    "explorer_load": explorer_load,
    "curation": curation,
    "site": site,
    "training": training,
    "collections": collections,
    "small": small,
    "whole": whole,
    "anomaly": anomaly,
    "audit": audit,
    "groups": groups,
    "groups_in_short": groups_in_short,
    "speed": speed,
    "tsne": tsne,
    "tsne_growth": tsne_growth,
    "kmeans": kmeans,
}


def main() -> None:
    stale = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        fresh = MARKED_TABLE.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], text)
        if fresh != text:
            stale.append(str(page.relative_to(ROOT)))
            if "--check" not in sys.argv:
                page.write_text(fresh, encoding="utf-8")
    if stale and "--check" in sys.argv:
        sys.exit(f"{', '.join(stale)}: not what benchmarks/results and the options give; run `make docs`")


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _source(record: dict[str, Any], *packages: str) -> str:
    machine = record["machine"]
    known = record.get("versions", {})
    versions = "".join(f", {package} {known[package]}" for package in packages if package in known)
    return f"\nMeasured with `{record['command']}` on {machine['cores']} cores of {machine['processor']}{versions}.\n"


def _seconds(side: dict[str, Any]) -> str:
    return f"{side['seconds']:.2g} s" if side["seconds"] < 10 else f"{side['seconds']:.0f} s"


if __name__ == "__main__":
    main()
