"""Writes the tables of README and docs anew from benchmarks/results/.

A table stands between ``<!-- table: NAME -->`` and ``<!-- end -->``. Run with ``make docs``, or
``python -m benchmarks.tables --check`` to fail when a page is not what the results give.
"""

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
    return _table(["network", "published", "median of five seeds", "worst"], rows) + _source(record) + note


TABLES: dict[str, Callable[[], str]] = {"reconstruction": reconstruction}


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


def _source(record: dict[str, Any]) -> str:
    machine, versions = record["machine"], record["versions"]
    return (
        f"\nMeasured with `{record['command']}` on {machine['cores']} cores of {machine['processor']}, "
        f"torch {versions['torch']}.\n"
    )


if __name__ == "__main__":
    main()
