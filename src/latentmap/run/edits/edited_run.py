"""A run after its edits: groups, labels and marks of all images."""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from latentmap.run.edits.schema import VERDICTS


@dataclass
class EditedGroup:
    """A group after the edits.

    Attributes
    ----------
    number : int
        Identifies the group.
    tree : str
        Node of the tree that it lies below, as the path from the root (0: left, 1: right); "" without a tree.
    name : str
        Given name, or "".
    """

    number: int
    tree: str
    name: str = ""


@dataclass
class EditedRun:
    """A run after its edits.

    Attributes
    ----------
    revision : int
        Number of entries of the journal.
    groups : list of EditedGroup
        Groups in the order in which they are shown.
    group : array (n,), int32
        Group number of each image, added ones included; -1 where it is unsure.
    labels : list of str
        Labels that were given.
    label : array (n,), int32
        Index of each image's label in ``labels``; -1 without a label.
    marks : dict of arrays (n,), bool
        Which images are marked as outlier, duplicate or hidden.
    verdicts : dict of arrays (n,), int8
        For each kind of issue that was reviewed, what was decided on each image: its place in ``VERDICTS``.
    can_undo, can_redo : bool
        Whether there is an edit to undo, or to redo.
    n_set_aside : int
        Number of lines of the journal without effect: damaged ones, and entries about groups or images that this run
        no longer has.
    """

    revision: int
    groups: list[EditedGroup]
    group: NDArray[np.int32]
    labels: list[str]
    label: NDArray[np.int32]
    marks: dict[str, NDArray[np.bool_]]
    verdicts: dict[str, NDArray[np.int8]] = field(default_factory=dict)
    can_undo: bool = False
    can_redo: bool = False
    n_set_aside: int = 0

    def verdicts_on(self, issues: pa.Table) -> pa.Array:
        """The verdict on each row of a table of issues: "open", "accepted" or "dismissed"."""
        pairs = zip(issues["issue"].to_pylist(), issues["id"].to_pylist(), strict=True)
        found = [self.verdicts[kind][image] if kind in self.verdicts else 0 for kind, image in pairs]
        return pa.array([VERDICTS[verdict] for verdict in found], pa.string())

    def table(self) -> pa.Table:
        """Table of all images: id, group, group_name, given_label, and a column for each mark."""
        names = pa.array([*(one.name or None for one in self.groups), None], pa.string())
        place = np.full(max([-1, *(one.number for one in self.groups)]) + 2, len(self.groups))
        place[[one.number for one in self.groups]] = np.arange(len(self.groups))
        labels = pa.array([*self.labels, None], pa.string())
        return pa.table(
            {
                "id": np.arange(len(self.group)),
                "group": self.group,
                "group_name": names.take(pa.array(place[self.group])),  # the last name, None, is that of group -1
                "given_label": labels.take(pa.array(np.where(self.label < 0, len(self.labels), self.label))),
                **{f"marked_{name}": values for name, values in self.marks.items()},
            }
        )
