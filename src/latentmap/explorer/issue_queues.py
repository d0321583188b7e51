"""Issues that the audit found, by kind, as queues of images on which nothing was decided yet."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from latentmap.run.edits import VERDICTS, EditedRun

OPEN, ACCEPTED = VERDICTS.index("open"), VERDICTS.index("accepted")
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
        return {kind: int((self._verdicts(kind, edited) == OPEN).sum()) for kind in self._tables}

    def queue(self, kind: str, edited: EditedRun) -> dict[str, Any]:
        """The open issues of a kind, the worst first, and the ids of the images whose issue was accepted."""
        table = self._tables[kind]
        verdicts = self._verdicts(kind, edited)
        accepted = table["id"].to_numpy()[verdicts == ACCEPTED]
        columns = table.take(np.flatnonzero(verdicts == OPEN)[:MAX_SENT]).select(["id", "score", "related", "note"])
        return {"open": columns.to_pylist(), "accepted": accepted.tolist()}

    def accepted(self, edited: EditedRun) -> list[int]:
        """The ids of the images with an accepted issue of any kind, ascending."""
        found = [one["id"].to_numpy()[self._verdicts(kind, edited) == ACCEPTED] for kind, one in self._tables.items()]
        return np.unique(np.concatenate(found)).tolist() if found else []

    def _verdicts(self, kind: str, edited: EditedRun) -> NDArray[np.int8]:
        """The verdict on each image of a queue, by its place in ``VERDICTS``."""
        ids = self._tables[kind]["id"].to_numpy()
        return edited.verdicts[kind][ids] if kind in edited.verdicts else np.full(len(ids), OPEN, np.int8)
