"""The page of a comparison of two runs, as one HTML file, and the files of a comparison."""

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq
from markupsafe import Markup

from latentmap.core.atomic_files import user_path
from latentmap.report.comparison_drawing import CHANGED_SIDE, MAX_CHANGED, ComparisonDrawing, as_url
from latentmap.report.html import render
from latentmap.run.comparing import Comparison
from latentmap.run.comparing.comparison import described
from latentmap.run.flat import as_csv
from latentmap.run.new_places import new_place

PAGE, TABLE, FACTS = "comparison.html", "comparison.parquet", "comparison.json"
SUFFIXES = (".html", ".parquet", ".csv", ".json")
# Groups of a run that the table of groups shows, the largest; the others are one row or column.
MAX_GROUPS_SHOWN = 30
N_LISTED = 20  # images of one run only


def write_comparison(comparison: Comparison, out: str | Path) -> list[Path]:
    """Write a comparison as a folder with the page, the table and the measures, or one of them as a file.

    Parameters
    ----------
    comparison : Comparison
    out : path
        A new or empty folder, or a new file: .html for the page, .parquet or .csv for the table, .json for the
        measures.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    RunError
        When something is in the way, or the place is inside one of the runs and not below its ``exports``.
    """
    out = user_path(out)
    suffix = out.suffix.lower() if out.suffix.lower() in SUFFIXES else None
    runs = [comparison.a.run, comparison.b.run]
    with new_place(out, runs, is_file=suffix is not None) as making:
        if suffix is not None:
            _write(comparison, making, suffix)
            return [out]
        for name in (PAGE, TABLE, FACTS):
            _write(comparison, making / name, Path(name).suffix)
    return [out / name for name in (PAGE, TABLE, FACTS)]


def _write(comparison: Comparison, path: Path, suffix: str) -> None:
    if suffix == ".html":
        path.write_text(comparison_page(comparison), encoding="utf-8", errors="backslashreplace")
    elif suffix == ".json":
        path.write_text(json.dumps(comparison.facts(), indent=2) + "\n", encoding="utf-8")
    elif suffix == ".csv":
        pyarrow.csv.write_csv(as_csv(comparison.table()), path)
    else:
        pq.write_table(comparison.table(), path, compression="zstd")


def comparison_page(comparison: Comparison) -> str:
    """The page: measures, both maps, the groups beside each other and the images that changed most.

    It needs no network, and is smaller than 10 MB: of more than 20,000 images a sample is drawn. Numbers are those of
    all images.

    Parameters
    ----------
    comparison : Comparison

    Returns
    -------
    str
        HTML.
    """
    drawing = ComparisonDrawing(comparison)
    data = drawing.data() | {"sheet": drawing.sheet()}
    a, b = comparison.a.run, comparison.b.run
    n_all = len(comparison.a.group) + len(comparison.only_b)
    return render(
        "comparison.html.j2",
        folder=a.path,
        data=_as_script(data),
        runs=[{"name": name, "folder": str(run.path.resolve())} for name, run in zip("AB", (a, b), strict=True)],
        sources=[run.state["source"]["name"] for run in (a, b)],
        measures=comparison.measures,
        described=described(comparison.measures, comparison.common.matched_by),
        noun="image" if drawing.has_pictures else "point",
        n_drawn=len(drawing.rows),
        n_all=n_all,
        is_aligned=not b.has_places,
        table=_group_table(comparison, drawing.groups()),
        changed=_changed_images(comparison, drawing),
        max_changed=MAX_CHANGED,
        only=[_listed(comparison, name) for name in "ab"],
        command=shlex.join(["latentmap", "compare", str(a.path.resolve()), str(b.path.resolve()), "-o", "FOLDER"]),
    )


def _as_script(data: dict[str, Any]) -> Markup:
    """JSON that can be inside a script element."""
    text = json.dumps(data, separators=(",", ":")).replace("&", "\\u0026").replace("<", "\\u003c")
    return Markup(text.replace(">", "\\u003e"))


def _group_table(comparison: Comparison, groups: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Rows of groups of A, columns of groups of B: partners on the diagonal, and the small ones together at the end."""
    found = comparison.groups
    sizes_a, sizes_b = found.counts.sum(axis=1), found.counts.sum(axis=0)
    rows = sorted(range(len(sizes_a)), key=lambda i: (found.numbers_a[i] < 0, -sizes_a[i]))
    column_of = {int(number): j for j, number in enumerate(found.numbers_b)}
    partner = [found.partners.get(int(found.numbers_a[i]), -1 if found.numbers_a[i] < 0 else -2) for i in rows]
    first = [column_of[number] for number in partner if number in column_of]
    rest = sorted(set(range(len(sizes_b))) - set(first), key=lambda j: (found.numbers_b[j] < 0, -sizes_b[j]))
    columns = [*first, *rest]
    shown_rows, shown_columns = rows[:MAX_GROUPS_SHOWN], columns[:MAX_GROUPS_SHOWN]
    of_a, of_b = ({one["number"]: one | {"code": i} for i, one in enumerate(groups[name])} for name in "ab")
    heads = [of_b[int(found.numbers_b[j])] | {"size": int(sizes_b[j])} for j in shown_columns]
    lines = []
    for i in shown_rows:
        number = int(found.numbers_a[i])
        same = found.partners.get(number, -1 if number < 0 else None)
        cells = [
            {"n": int(found.counts[i, j]), "fraction": float(found.counts[i, j] / sizes_a[i]), "code": head["code"]}
            | {"is_partner": same == head["number"]}
            for j, head in zip(shown_columns, heads, strict=True)
        ]
        kept = int(found.counts[i, column_of[same]]) if same in column_of else 0
        others = int(sizes_a[i] - sum(cell["n"] for cell in cells))
        lines.append(of_a[number] | {"size": int(sizes_a[i]), "cells": cells, "others": others, "kept": kept})
    hidden = rows[MAX_GROUPS_SHOWN:]
    below = found.counts[hidden].sum(axis=0) if hidden else None
    return {
        "heads": heads,
        "lines": lines,
        "n_more_a": len(hidden),
        "n_more_b": len(columns) - len(shown_columns),
        "below": [] if below is None else below[shown_columns].tolist(),
        "below_others": 0 if below is None else int(below.sum() - below[shown_columns].sum()),
    }


def _changed_images(comparison: Comparison, drawing: ComparisonDrawing) -> list[dict[str, Any]]:
    """The images that changed most: picture, name and group in each run."""
    rows = drawing.changed[comparison.is_changed[drawing.changed]]
    shared = comparison.shared_neighbors[rows]
    pictures = drawing.pictures(np.arange(len(rows)), CHANGED_SIDE) if drawing.has_pictures and len(rows) else []
    groups = drawing.groups()
    by_number = {name: {one["number"]: one for one in groups[name]} for name in "ab"}
    found = []
    for position, row in enumerate(rows.tolist()):
        image_a, image_b = int(comparison.common.ids_a[row]), int(comparison.common.ids_b[row])
        picture = pictures[position] if pictures else None
        found.append(
            {
                "position": position,
                "url": None if picture is None else as_url(picture),
                "size": (1, 1) if picture is None else picture.size,
                "path": comparison.a.paths[image_a].as_py(),
                "a": by_number["a"][int(comparison.a.group[image_a])],
                "b": by_number["b"][int(comparison.b.group[image_b])],
                "shared": None if np.isnan(shared[position]) else float(shared[position]),
            }
        )
    return found


def _listed(comparison: Comparison, name: str) -> dict[str, Any]:
    """The number and the first paths of the images that are only in one run."""
    run, ids = (comparison.a, comparison.only_a) if name == "a" else (comparison.b, comparison.only_b)
    return {"run": name.upper(), "n": len(ids), "paths": run.paths.take(ids[:N_LISTED]).to_pylist()}
