"""Writes the tables of README and docs anew from benchmarks/results/.

A table stands between ``<!-- table: NAME -->`` and ``<!-- end -->``. Run with ``make docs``, or
``python -m benchmarks.tables --check`` to fail when a page is not what the results give.
"""

import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.record import load

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "README.ko.md", *sorted((ROOT / "docs").rglob("*.md"))]
MARKED = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def reconstruction() -> str:
    """Test error of the chapter's networks."""
    record = load("reconstruction")
    rows = [
        [
            name,
            f"{result['published']:.4f}",
            f"{result['median_test_mse']:.4f}",
            f"{result['worst_test_mse']:.4f}",
        ]
        for name, result in record["results"].items()
    ]
    note = "The chapter prints none for the dense network; 0.0059 is what its code gives today.\n"
    return _table(["network", "published", "median of five seeds", "worst"], rows) + _source(record, "torch") + note


def speed() -> str:
    """The same work by latentmap and by the others, in a few lines."""
    tsne, kmeans = load("tsne"), load("kmeans")
    case, grouped = next(iter(kmeans["results"]["cases"].items()))
    works = {
        "t-SNE, 5,000": tsne["results"]["few"],
        "t-SNE, 70,000": tsne["results"]["many"],
        f"K-means, {case}": grouped["sides"],
    }
    rows = []
    for work, sides in works.items():
        others = {name: side for name, side in sides.items() if name != "latentmap"}
        fastest = min(others, key=lambda name: others[name]["seconds"])
        theirs = _seconds(sides["scikit-learn"]) if "scikit-learn" in sides else "not tried"
        rows.append([work, _seconds(sides["latentmap"]), f"{_seconds(others[fastest])} ({fastest})", theirs])
    head = ["latent vectors of 64 numbers", "latentmap", "fastest other", "scikit-learn"]
    commands = {"command": f"{tsne['command']}` and `{kmeans['command']}"}
    return _table(head, rows) + _source(tsne | commands, "scikit-learn", "openTSNE")


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
    neighbors, most = results["neighbors"], results["neighbors_of_most"]
    note = (
        "Each with its defaults, but for the perplexity; medians of three turns. KL divergence by one exact formula "
        f"for all. Compiling all kernels, once on a machine, takes {results['compile_seconds']:.0f} s more. At the "
        "best rates measured on this machine the arithmetic and the memory traffic of 70,000 points would take "
        f"{floor:.1f} s: {floor / ours:.0%} of that is reached. The neighbour search takes "
        f"{neighbors['seconds']:.1f} s and finds {neighbors['recall']:.1%} of the true ones, "
        f"{most['recall']:.1%} among a million points.\n"
    )
    head = ["points", "seconds", "× latentmap", "KL divergence", "trustworthiness"]
    return _table(head, rows) + _source(record, "numba", "scikit-learn", "openTSNE") + note


def tsne_growth() -> str:
    """Time and memory of t-SNE against the number of points."""
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
    note = (
        "Perplexity 30, a process for each; the memory is all of the process, its libraries and the points included.\n"
    )
    return _table(head, rows) + _source(record, "numba") + note


def kmeans() -> str:
    """Time and inertia of the same groupings."""
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
        "Medians of turns with as many seeds. Without bounds, Lloyd's algorithm compares every point with every centre "
        "in each iteration; these products alone, at the best rate measured on this machine, would take "
        f"{', '.join(floors)} s. FAISS makes as many iterations as it is told: 100, and 50 for k=1,000.\n"
    )
    packages = ("scikit-learn", "scikit-learn-intelex", "faiss-cpu")
    head = ["points of 64 numbers", "seconds", "× latentmap", "inertia above the best"]
    return _table(head, rows) + _source(record, *packages) + note


TABLES: dict[str, Callable[[], str]] = {
    "reconstruction": reconstruction,
    "speed": speed,
    "tsne": tsne,
    "tsne_growth": tsne_growth,
    "kmeans": kmeans,
}


def main() -> None:
    stale = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        fresh = MARKED.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], text)
        if fresh != text:
            stale.append(str(page.relative_to(ROOT)))
            if "--check" not in sys.argv:
                page.write_text(fresh, encoding="utf-8")
    if stale and "--check" in sys.argv:
        sys.exit(f"{', '.join(stale)}: not what benchmarks/results gives; run `make docs`")


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _source(record: dict[str, Any], *packages: str) -> str:
    machine = record["machine"]
    versions = ", ".join(f"{package} {record['versions'][package]}" for package in packages)
    return f"\nMeasured with `{record['command']}` on {machine['cores']} cores of {machine['processor']}, {versions}.\n"


def _seconds(side: dict[str, Any]) -> str:
    return f"{side['seconds']:.2g} s" if side["seconds"] < 10 else f"{side['seconds']:.0f} s"


if __name__ == "__main__":
    main()
