"""Two runs side by side: which images changed their group, and how well groups and neighbourhoods agree."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from latentmap.core.errors import RunError
from latentmap.core.progress import Progress, Show, counted, silent
from latentmap.run import layout, tables
from latentmap.run.comparing.common_images import CommonImages, find_common
from latentmap.run.comparing.group_partners import GroupPartners, group_agreement
from latentmap.run.comparing.neighbor_overlap import map_overlap, shared_neighbors
from latentmap.run.edits import EditedRun, Journal
from latentmap.run.run import Run

N_STEPS = 3  # of the progress
Measures = dict[str, float | int | None]


@dataclass(frozen=True)
class ComparedRun:
    """What a comparison needs of one run, added images included.

    Attributes
    ----------
    run : Run
    edited : EditedRun
        Groups, names and labels as they are after the edits.
    paths : pyarrow.ChunkedArray (n,)
    places : array (n, 2), float32
        On the map.
    confidence : array (n,), float32
    """

    run: Run
    edited: EditedRun
    paths: pa.ChunkedArray
    places: NDArray[np.float32]
    confidence: NDArray[np.float32]

    @classmethod
    def open(cls, run: Run) -> "ComparedRun":
        """Read the parts of a run.

        Raises
        ------
        RunError
            If the run is not finished, or a table is damaged.
        """
        path = run.path / layout.ATLAS
        if not path.exists():
            raise RunError(f"{run.path}: no {layout.ATLAS} in it yet: finish the run with the command that began it")
        places = np.column_stack([tables.read_column(path, name) for name in "xy"])
        paths = tables.read(path, ["path"])["path"]
        return cls(run, Journal(run.path).edited(), paths, places, tables.read_column(path, "confidence"))

    @property
    def group(self) -> NDArray[np.int32]:
        """Group of each image (n,) after the edits; -1 for none."""
        return self.edited.group

    def names(self) -> dict[int, str]:
        """The names of groups that have one."""
        return {one.number: one.name for one in self.edited.groups if one.name}


@dataclass(frozen=True)
class Comparison:
    """Two runs on the images that they have in common.

    Attributes
    ----------
    a, b : ComparedRun
        The runs.
    common : CommonImages
        Pairs of images, one of each run.
    only_a, only_b : array, int64
        Ids of images that are in one run only.
    groups : GroupPartners
        The groups of the common images, and which groups are the same.
    is_changed : array (m,), bool
        Whether a common image is in another group than the partner of its group in the first run.
    shared_neighbors : array (m,), float32
        Fraction of the nearest neighbours of a common image that both runs have; NaN where it is not known.
    measures : dict
        Numbers of images, and how well the runs agree; see :meth:`describe`.
    """

    a: ComparedRun
    b: ComparedRun
    common: CommonImages
    only_a: NDArray[np.int64]
    only_b: NDArray[np.int64]
    groups: GroupPartners
    is_changed: NDArray[np.bool_]
    shared_neighbors: NDArray[np.float32]
    measures: Measures

    def table(self) -> pa.Table:
        """The comparison as a table.

        Returns
        -------
        pyarrow.Table
            A row an image: ``id_a`` and ``id_b`` (null in the run that does not have it), ``path`` (in the first run
            where it has the image), ``group_a`` and ``group_b`` (-1 for none), ``is_changed`` and
            ``shared_neighbors`` (null for images of one run, and where they are not known). Common images come first.
        """
        a, b, common = self.a, self.b, self.common
        ids_a = pa.array(np.concatenate([common.ids_a, self.only_a]))
        ids_b = pa.array(np.concatenate([common.ids_b, self.only_b]))
        no_a, no_b = len(self.only_b), len(self.only_a)
        m = len(common.ids_a)
        columns = {
            "id_a": _joined(ids_a, pa.nulls(no_a, pa.int64())),
            "id_b": _joined(ids_b.slice(0, m), pa.nulls(no_b, pa.int64()), ids_b.slice(m)),
            "path": _joined(a.paths.take(ids_a), b.paths.take(pa.array(self.only_b))),
            "group_a": _joined(pa.array(a.group).take(ids_a), pa.nulls(no_a, pa.int32())),
            "group_b": _joined(
                pa.array(b.group[common.ids_b]), pa.nulls(no_b, pa.int32()), pa.array(b.group[self.only_b])
            ),
            "is_changed": _joined(pa.array(self.is_changed), pa.nulls(no_a + no_b, pa.bool_())),
            "shared_neighbors": _joined(
                pa.array(self.shared_neighbors, mask=np.isnan(self.shared_neighbors)),
                pa.nulls(no_a + no_b, pa.float32()),
            ),
        }
        return pa.table(columns)

    def most_changed(self, n: int) -> NDArray[np.intp]:
        """Rows of the common images that changed most.

        Images that changed their group come first; among them those that share the fewest neighbours, and then those
        that both runs are surest of.

        Parameters
        ----------
        n : int
            Number of rows.

        Returns
        -------
        array (at most n,), int
            Positions in ``common``.
        """
        shared = np.where(np.isnan(self.shared_neighbors), 1.0, self.shared_neighbors)
        sure = self.a.confidence[self.common.ids_a] * self.b.confidence[self.common.ids_b]
        return np.lexsort((-np.nan_to_num(sure), shared, ~self.is_changed))[:n]

    def describe(self) -> list[str]:
        """The measures in lines of a name and a value."""
        return [f"{name:<32}{text}" for name, text, _ in described(self.measures, self.common.matched_by)]

    def facts(self) -> dict[str, Any]:
        """The measures, and which groups are the same, as JSON can hold them."""
        pairs = [{"a": a, "b": b} for a, b in sorted(self.groups.partners.items())]
        runs = {"a": str(self.a.run.path), "b": str(self.b.run.path)}
        return {"runs": runs, "matched_by": self.common.matched_by, "measures": self.measures, "same_groups": pairs}

    def _repr_html_(self) -> str:
        """The measures in a notebook."""
        rows = (
            f"<tr><td>{name}</td><td>{text}</td></tr>"
            for name, text, _ in described(self.measures, self.common.matched_by)
        )
        return f"<table>{''.join(rows)}</table>"


def compare_runs(a: str | Path | Run, b: str | Path | Run, *, show: Show = silent) -> Comparison:
    """Compare the groups and the neighbourhoods of two runs on the images that they have in common.

    Parameters
    ----------
    a, b : path or Run
        Finished runs.
    show : callable, optional
        From the name of the work to a context with a progress callback: pass
        :func:`latentmap.core.progress.show_progress`.

    Returns
    -------
    Comparison

    Raises
    ------
    RunError
        If both are the same folder, one is no finished run or damaged, or they have no image in common.
    """
    run_a, run_b = (one if isinstance(one, Run) else Run.open(one) for one in (a, b))
    if run_a.path.resolve() == run_b.path.resolve():
        raise RunError(f"{run_a.path}: both runs are this folder: pass two different runs")
    first, second = ComparedRun.open(run_a), ComparedRun.open(run_b)
    with show("compare") as callback:
        return _compare(first, second, callback)


def _compare(a: ComparedRun, b: ComparedRun, callback: Callable[[Progress], None]) -> Comparison:
    common = find_common(a.run, b.run)
    callback(Progress(1, N_STEPS))
    groups_a, groups_b = a.group[common.ids_a], b.group[common.ids_b]
    groups = GroupPartners.of(groups_a, groups_b)
    is_changed = groups.is_changed(groups_a, groups_b)
    shared = shared_neighbors(a.run, b.run, common)
    callback(Progress(2, N_STEPS))
    only_a, only_b = (
        np.setdiff1d(np.arange(len(run.group)), ids, assume_unique=True)
        for run, ids in ((a, common.ids_a), (b, common.ids_b))
    )
    known = shared[~np.isnan(shared)]
    m = len(common.ids_a)
    measures: Measures = {
        **{"n_a": len(a.group), "n_b": len(b.group), "n_common": m, "n_only_a": len(only_a), "n_only_b": len(only_b)},
        **{"n_groups_a": int(np.sum(groups.numbers_a >= 0)), "n_groups_b": int(np.sum(groups.numbers_b >= 0))},
        **{"n_changed": int(is_changed.sum()), "changed": float(is_changed.mean())},
        **group_agreement(groups_a, groups_b),
        **{"shared_neighbors": float(known.mean()) if len(known) else None, "n_neighbors_known": len(known)},
        "shared_on_map": map_overlap(a.places[common.ids_a], b.places[common.ids_b]),
        **{f"trustworthiness_{name}": _metric(one.run, "trustworthiness") for name, one in (("a", a), ("b", b))},
    }
    callback(Progress(N_STEPS, N_STEPS))
    return Comparison(a, b, common, only_a, only_b, groups, is_changed, shared, measures)


def _metric(run: Run, name: str) -> float | None:
    return run.metrics().get(name) if (run.path / layout.METRICS).exists() else None


def _joined(*parts: pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
    chunks = [chunk for part in parts for chunk in (part.chunks if isinstance(part, pa.ChunkedArray) else [part])]
    return pa.chunked_array(chunks)


MATCHED_BY = {
    "content": "by the SHA-256 of their files or pixels",
    "path": "by their paths",
    "vector": "by the SHA-256 of their vectors",
    "id": "by their ids, since neither paths nor vectors are equal",
}


def described(measures: Measures, matched_by: str) -> list[tuple[str, str, str]]:
    """Name, value and meaning of each measure, for people."""

    def fraction(name: str) -> str:
        value = measures[name]
        return "undefined" if value is None else f"{value:.4f}"

    n_common, n_changed, n_known = (int(measures[name] or 0) for name in ("n_common", "n_changed", "n_neighbors_known"))
    only = f"{counted(int(measures['n_only_a'] or 0), 'image')} only in A, {measures['n_only_b']:,} only in B"
    of = "" if n_known == n_common else f" (of {counted(n_known, 'image')})"
    return [
        ("Images in both runs", f"{n_common:,}", f"Matched {MATCHED_BY[matched_by]}; {only}."),
        ("Groups", f"{measures['n_groups_a']} in A, {measures['n_groups_b']} in B", "Groups of these images."),
        (
            "Images that changed group",
            f"{n_changed:,} ({100 * float(measures['changed'] or 0):.1f} %)",
            "In another group of B than the one that stands for their group of A. Groups are matched one to one, so "
            "that as many images as possible keep theirs.",
        ),
        (
            "Adjusted Rand index",
            fraction("ari"),
            "Agreement of the groups on pairs of images beyond chance; 1 when they are the same.",
        ),
        ("Normalised mutual information", fraction("nmi"), "Of the groups; 1 when they are the same."),
        (
            "Neighbours in both runs",
            fraction("shared_neighbors") + of,
            "Mean fraction of the nearest neighbours of an image, up to 15, that both runs find.",
        ),
        (
            "Neighbours on both maps",
            fraction("shared_on_map"),
            "The same for the 15 nearest on the maps, on a sample of up to 1,000 images.",
        ),
        ("Trustworthiness of map A", fraction("trustworthiness_a"), "As the report of the run has it."),
        ("Trustworthiness of map B", fraction("trustworthiness_b"), "As the report of the run has it."),
    ]
