"""A run with the entries of its journal applied, one after the other."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.errors import EditError
from latentmap.run.edits.edited_run import EditedGroup, EditedRun
from latentmap.run.edits.schema import MARKS, MAX_NAME_LENGTH, VERDICTS
from latentmap.run.edits.unedited_run import UneditedRun, common_prefix

JOINT = " + "  # between the names of merged groups


@dataclass
class Replay:
    """A run to which entries of its journal are applied. An entry that cannot be applied changes nothing.

    Attributes
    ----------
    base : UneditedRun
        The starting point.
    n_applied : int
        Number of entries that were applied, tried or skipped.
    failed : dict of int to str
        Entries that could not be applied, with the reasons.
    made : dict of int to (int, str or None)
        The entry that made each new group, and the group's node of the tree; None for groups of skipped entries.
    """

    base: UneditedRun
    n_applied: int = 0
    failed: dict[int, str] = field(default_factory=dict)
    made: dict[int, tuple[int, str | None]] = field(default_factory=dict)
    groups: list[EditedGroup] = field(init=False)
    group: NDArray[np.int32] = field(init=False)
    label: NDArray[np.int32] = field(init=False)
    marks: dict[str, NDArray[np.bool_]] = field(init=False)
    verdicts: dict[str, NDArray[np.int8]] = field(default_factory=dict, init=False)
    _labels: dict[str, int] = field(default_factory=dict, init=False)
    _next: int = field(init=False)
    _number: int = field(default=-1, init=False)  # of the entry that is applied

    def __post_init__(self) -> None:
        n = len(self.base.group)
        self.groups = [EditedGroup(one.number, one.tree) for one in self.base.groups]
        self.group = self.base.group.copy()
        self.label = np.full(n, -1, np.int32)
        self.marks = {name: np.zeros(n, bool) for name in MARKS}
        self._next = len(self.groups)

    def edited(self, revision: int) -> EditedRun:
        """A copy of the run as it is now, which later entries do not change."""
        groups = [EditedGroup(one.number, one.tree, one.name) for one in self.groups]
        marks = {name: values.copy() for name, values in self.marks.items()}
        verdicts = {name: values.copy() for name, values in self.verdicts.items()}
        return EditedRun(revision, groups, self.group.copy(), list(self._labels), self.label.copy(), marks, verdicts)

    def apply_or_note(self, number: int, entry: dict[str, Any]) -> None:
        """Apply one entry by its number, or note why it cannot be applied."""
        try:
            self.apply(number, entry)
        except EditError as error:
            self.failed[number] = str(error)

    def skip(self, number: int, entry: dict[str, Any]) -> None:
        """Leave out an entry that was undone; the numbers of its groups stay taken, since later entries have theirs."""
        n_cut = entry["n"] if entry["kind"] == "cut" and entry["n"] <= len(self.base.trees) else 0
        n_made = {"split": 2, "merge": 1, "gather": 1}.get(entry["kind"], n_cut)
        self.made |= dict.fromkeys(range(self._next, self._next + n_made), (number, None))
        self._next += n_made

    def apply(self, number: int, entry: dict[str, Any]) -> None:
        """Apply one entry by its number.

        Raises
        ------
        EditError
            If the run does not have what the entry names, or the edit cannot be made.
        """
        if "ids" in entry and entry["ids"][-1] >= len(self.group):
            raise EditError(
                f"ids: there is no image {entry['ids'][-1]}: pass a list of ids, from 0 to {len(self.group) - 1}"
            )
        methods: dict[str, Callable[[dict[str, Any]], None]] = {
            "name": self._name,
            "split": self._split,
            "merge": self._merge if entry.get("v") != 1 else self._merge_along_tree,
            "gather": self._gather,
            "cut": self._cut,
            "label": self._label,
            "mark": self._mark,
            "review": self._review,
        }
        self._number = number
        methods[entry["kind"]](entry)

    # ---------------------------------------------------------------- groups

    def _find(self, number: int) -> EditedGroup:
        for one in self.groups:
            if one.number == number:
                return one
        raise EditError(f"there is no group {number} (any more): load the run again")

    def _new(self, tree: str, name: str = "") -> EditedGroup:
        made = EditedGroup(self._next, tree, name)
        self.made[self._next] = self._number, tree
        self._next += 1
        return made

    def _paths(self, rows: NDArray[Any]) -> list[str]:
        """Paths from the root of the tree to the blocks of some images."""
        blocks = np.unique(self.base.block[rows])
        return [self.base.trees[block] for block in blocks[blocks >= 0]]

    def _node(self, rows: NDArray[Any]) -> str:
        """The lowest node of the tree that is above some images, as the path from the root."""
        paths = self._paths(rows)
        return common_prefix(paths) if paths else ""

    def _name(self, entry: dict[str, Any]) -> None:
        self._find(entry["group"]).name = entry["name"]

    def _split(self, entry: dict[str, Any]) -> None:
        """Divide a group at the lowest node of the tree that is above its images."""
        self.base.check_tree("split")
        group = self._find(entry["group"])
        rows = np.flatnonzero(self.group == group.number)
        # version 1 goes by all blocks below the group, even those whose images are all unsure
        is_old = entry.get("v") == 1
        below = [path for path in self.base.trees if path.startswith(group.tree)] if is_old else self._paths(rows)
        if len(below) < 2:
            raise EditError(f"group {group.number} is one block of the tree: it cannot be split further")
        node = common_prefix(below)
        parts = [self._new(node + side) for side in "01"]
        is_right = np.array([tree.startswith(node + "1") for tree in self.base.trees])
        blocks = self.base.block[rows]
        self.group[rows] = np.where(is_right[blocks] & (blocks >= 0), parts[1].number, parts[0].number)
        at = self.groups.index(group)
        self.groups[at : at + 1] = parts

    def _merge(self, entry: dict[str, Any]) -> None:
        """Join exactly the groups that are named."""
        parts = [self._find(number) for number in entry["groups"]]
        names = list(dict.fromkeys(one.name for one in parts if one.name))
        name = entry.get("name") or _shortened(JOINT.join(names))
        self._join(parts, name)

    def _merge_along_tree(self, entry: dict[str, Any]) -> None:
        """Join all groups below the lowest node that is above the named ones, as entries of version 1 do."""
        self.base.check_tree("merge")
        node = common_prefix([self._find(number).tree for number in entry["groups"]])
        parts = [one for one in self.groups if one.tree.startswith(node)]
        names = {one.name for one in parts if one.name}
        self._join(parts, names.pop() if len(names) == 1 else "")

    def _join(self, parts: list[EditedGroup], name: str) -> None:
        at = min(self.groups.index(one) for one in parts)
        merged = self._new(common_prefix([one.tree for one in parts]), name)
        self.group[np.isin(self.group, [one.number for one in parts])] = merged.number
        self.groups = [one for one in self.groups if one not in parts]
        self.groups.insert(at, merged)

    def _gather(self, entry: dict[str, Any]) -> None:
        """Make a group of some images, whatever groups they are in; groups that become empty are removed."""
        rows = entry["ids"]
        before = set(np.unique(self.group[rows]).tolist())
        made = self._new(self._node(rows), entry.get("name") or "")
        self.group[rows] = made.number
        emptied = before - set(np.unique(self.group).tolist())
        self.groups = [*(one for one in self.groups if one.number not in emptied), made]

    def _cut(self, entry: dict[str, Any]) -> None:
        """Cut the tree into another number of groups. A group with the same images as a named one keeps the name."""
        cut, nodes = self.base.cut_images(entry["n"])
        named = {self._members(self.group == one.number): one.name for one in self.groups if one.name}
        groups = []
        for number, node in enumerate(nodes):
            groups.append(self._new(node, named.get(self._members(cut == number), "") if named else ""))
        first = groups[0].number
        self.group = np.where(cut >= 0, cut + np.int32(first), np.int32(-1)).astype(np.int32)
        self.groups = groups

    def _members(self, which: NDArray[np.bool_]) -> bytes:
        """A key that identifies a set of images."""
        return hashlib.blake2b(np.packbits(which).tobytes(), digest_size=16).digest()

    # ---------------------------------------------------------------- images

    def _label(self, entry: dict[str, Any]) -> None:
        label = entry["label"]
        self.label[entry["ids"]] = self._labels.setdefault(label, len(self._labels)) if label else -1

    def _mark(self, entry: dict[str, Any]) -> None:
        self.marks[entry["mark"]][entry["ids"]] = entry["on"]

    def _review(self, entry: dict[str, Any]) -> None:
        """Decide on issues of the audit; the run may have been audited anew since, so any image may have a verdict."""
        verdicts = self.verdicts.setdefault(entry["issue"], np.zeros(len(self.group), np.int8))
        verdicts[entry["ids"]] = VERDICTS.index(entry["verdict"])


def _shortened(name: str) -> str:
    return name if len(name) <= MAX_NAME_LENGTH else name[: MAX_NAME_LENGTH - 1] + "…"
