"""Issues that the audit found, by kind, as queues of images on which nothing was decided yet."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from latentmap.run.edits import VERDICTS, EditedRun

MAX_SENT = 2_000  # images of a queue that are sent at once; more follow when some of them are decided on


class IssueQueues:
    """The issues of one run, each image once in each kind.

    Parameters
    ----------
    issues : pyarrow.Table
        See :meth:`latentmap.run.Run.issues`.
    """

    def __init__(self, issues: pa.Table) -> None:
        self._tables: dict[str, pa.Table] = {}
        for kind in issues["issue"].unique().to_pylist():
            table = issues.filter(pc.equal(issues["issue"], kind))
            _, first = np.unique(table["id"].to_numpy(), return_index=True)
            self._tables[kind] = table.take(np.sort(first))

    @property
    def kinds(self) -> list[str]:
        """The kinds of issues that were found."""
        return list(self._tables)

    def counts(self, edited: EditedRun) -> dict[str, int]:
        """Number of images of each kind on which nothing was decided yet."""
        return {kind: int(self._is_open(kind, edited).sum()) for kind in self._tables}

    def queue(self, kind: str, edited: EditedRun) -> dict[str, Any]:
        """The open issues of a kind, the worst first, and the ids of the images whose issue was accepted."""
        table = self._tables[kind]
        is_open = self._is_open(kind, edited)
        ids = table["id"].to_numpy()
        accepted = ids[self._is_accepted(kind, edited)]
        columns = table.take(np.flatnonzero(is_open)[:MAX_SENT]).select(["id", "score", "related", "note"])
        return {"open": columns.to_pylist(), "accepted": accepted.tolist()}

    def accepted(self, edited: EditedRun) -> list[int]:
        """The ids of the images with an accepted issue of any kind, ascending."""
        found = [table["id"].to_numpy()[self._is_accepted(kind, edited)] for kind, table in self._tables.items()]
        return np.unique(np.concatenate(found)).tolist() if found else []

    def _is_accepted(self, kind: str, edited: EditedRun) -> Any:
        ids = self._tables[kind]["id"].to_numpy()
        accepted = VERDICTS.index("accepted")
        return edited.verdicts[kind][ids] == accepted if kind in edited.verdicts else np.zeros(len(ids), bool)

    def _is_open(self, kind: str, edited: EditedRun) -> Any:
        ids = self._tables[kind]["id"].to_numpy()
        return edited.verdicts[kind][ids] == 0 if kind in edited.verdicts else np.ones(len(ids), bool)
