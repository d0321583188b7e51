"""The table of issues: one row for each image and each thing that is wrong with it."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

# Categories, in the order in which they are listed.
ISSUES = (
    "exact_duplicate",
    "near_duplicate",
    "outlier",
    "blurry",
    "dark",
    "bright",
    "low_contrast",
    "odd_size",
    "odd_aspect",
    "odd_file_size",
    "odd_mode",
    "wrong_label",
    "merged_classes",
    "split_class",
    "leak",
)
SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("issue", pa.string()),
        ("score", pa.float32()),
        ("threshold", pa.float32()),
        ("related", pa.int64()),
        ("note", pa.string()),
    ]
)


@dataclass
class IssueList:
    """Issues that are found, to be joined to one table."""

    _tables: dict[str, list[pa.Table]] = field(default_factory=dict)

    def add(
        self,
        issue: str,
        ids: NDArray[np.integer[Any]],
        scores: Any,
        threshold: float,
        related: NDArray[np.integer[Any]] | None = None,
        notes: list[str] | None = None,
    ) -> None:
        """Add the images of one category.

        Parameters
        ----------
        issue : str
            One of ``ISSUES``.
        ids : array (m,), int
        scores : array-like of shape (m,), or float
            From 0, the worst, to 1.
        threshold : float
            Score at or below which an image is listed.
        related : array (m,), int, optional
            Another image that each issue is about.
        notes : list of str, optional
            Text about each issue.
        """
        n = len(ids)
        columns = {
            "id": pa.array(np.asarray(ids, np.int64)),
            "issue": pa.array([issue] * n, pa.string()),
            "score": pa.array(np.broadcast_to(np.asarray(scores, np.float32), n).copy()),
            "threshold": pa.array(np.full(n, threshold, np.float32)),
            "related": pa.nulls(n, pa.int64()) if related is None else pa.array(np.asarray(related, np.int64)),
            "note": pa.nulls(n, pa.string()) if notes is None else pa.array(notes, pa.string()),
        }
        self._tables.setdefault(issue, []).append(pa.table(columns, SCHEMA))

    def add_low(self, issue: str, scores: NDArray[np.floating[Any]], threshold: float) -> None:
        """Add the images whose score is at or below a threshold; NaN is no issue."""
        ids = np.flatnonzero(scores <= threshold)
        self.add(issue, ids, scores[ids], threshold)

    def table(self) -> pa.Table:
        """All issues: by category in the order of ``ISSUES``, the worst first."""
        found = [pa.concat_tables(self._tables[name]) for name in ISSUES if name in self._tables]
        sorted_ = [table.sort_by([("score", "ascending"), ("id", "ascending")]) for table in found]
        return pa.concat_tables(sorted_) if sorted_ else SCHEMA.empty_table()


def count_issues(table: pa.Table) -> dict[str, int]:
    """Number of rows of each category that occurs, in the order of ``ISSUES``."""
    counted = {one["values"]: int(one["counts"]) for one in table["issue"].value_counts().to_pylist()}
    return {name: counted[name] for name in ISSUES if name in counted}
