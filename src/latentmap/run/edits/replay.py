"""A run with the entries of its journal applied, one after the other."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from latentmap.core.atomic_files import sha256
from latentmap.core.errors import EditError, RunError
from latentmap.groups.tree import Dendrogram
from latentmap.run import layout, tables
from latentmap.run.checking import check_table, damaged, reading
from latentmap.run.edits.schema import LONGEST_NAME, MARKS
from latentmap.run.state import read_state

JOINT = " + "  # between the names of groups that were merged


@dataclass
class Group:
    """A group after the edits: its number, its name, and where it hangs in the tree ("" where there is none)."""

    number: int
    tree: str
    name: str = ""


@dataclass
class Edited:
    """A run after its edits.

    Attributes
    ----------
    revision : int
        Entries of the journal.
    groups : list of Group
        In the order in which they are shown.
    group : array (n,), int32
        Of each image, those that were added included; -1 where it is unsure.
    labels : list of str
        Those that were given.
    label : array (n,), int32
        Index into ``labels``; -1 where none was given.
    marks : dict of arrays (n,), bool
        outlier, duplicate, hidden.
    can_undo, can_redo : bool
    n_set_aside : int
        Lines of the journal that have no effect: damaged ones, and entries about groups or images that this run no
        longer has.
    """

    revision: int
    groups: list[Group]
    group: NDArray[np.int32]
    labels: list[str]
    label: NDArray[np.int32]
    marks: dict[str, NDArray[np.bool_]]
    can_undo: bool = False
    can_redo: bool = False
    n_set_aside: int = 0

    def table(self) -> pa.Table:
        """id, group, group_name, given_label, and a column for each mark."""
        names = pa.array([*(one.name or None for one in self.groups), None], pa.string())
        place = np.full(max([-1, *(one.number for one in self.groups)]) + 2, len(self.groups))
        place[[one.number for one in self.groups]] = np.arange(len(self.groups))
        labels = pa.array([*self.labels, None], pa.string())
        return pa.table(
            {
                "id": np.arange(len(self.group)),
                "group": self.group,
                "group_name": names.take(pa.array(place[self.group])),  # the last place stands for -1
                "given_label": labels.take(pa.array(np.where(self.label < 0, len(self.labels), self.label))),
                **{f"marked_{name}": values for name, values in self.marks.items()},
            }
        )

    def label_counts(self) -> list[int]:
        """How many images have each label."""
        counts: list[int] = np.bincount(self.label[self.label >= 0], minlength=len(self.labels)).tolist()
        return counts


@dataclass
class Base:
    """The starting point of the edits: the groups as the run made them, and the place of each image in the tree.

    Attributes
    ----------
    group : array (n,), int32
    trees : list of str
        The ways from the root to the blocks.
    block : array (n,), int32
        Index into ``trees``; -1 for images that were added to no group.
    groups : list of Group
    keys : dict
        The hash of what entries are about: "groups" and "images".
    """

    folder: Path
    group: NDArray[np.int32]
    trees: list[str]
    block: NDArray[np.int32]
    groups: list[Group]
    keys: dict[str, str]

    def check_tree(self, kind: str) -> None:
        """Raise EditError unless there is a tree to split, merge or cut."""
        if any(self.trees):
            return
        if (self.folder / layout.TREE).exists():
            raise EditError(f"the tree is a single block: there is nothing to {kind}")
        raise EditError(f"groups by K-means have no tree to {kind} along: make the run with --groups graph")

    @cached_property
    def _tree(self) -> tuple[Dendrogram, NDArray[np.int32]]:
        """The tree, and the leaf of it that each way leads to."""
        path = self.folder / layout.TREE
        check_table(path, 0, len(self.group))
        table = tables.read(path, ["left", "right", "association"])
        tree = Dendrogram(
            np.column_stack([table["left"].to_numpy(), table["right"].to_numpy()]), table["association"].to_numpy()
        )
        leaves = {way: leaf for leaf, way in enumerate(tree.paths())}
        return tree, np.array([leaves[way] for way in self.trees], np.int32)

    def cut(self, n_groups: int) -> tuple[NDArray[np.int32], list[str]]:
        """The tree cut into ``n_groups``: the group of each way in ``trees``, and the way to each group.

        Raises
        ------
        EditError
            If it has fewer blocks.
        """
        try:
            tree, leaf = self._tree
        except (RunError, KeyError) as error:  # KeyError where it is the tree of other groups
            raise EditError(
                f"{self.folder / layout.TREE}: cannot be read ({error}): run the same command again"
            ) from error
        if n_groups > tree.n_blocks:
            raise EditError(f"n={n_groups}: the tree can be cut into 1 to {tree.n_blocks} groups")
        of_leaf = tree.cut(n_groups)
        ways = np.array(tree.paths(), object)
        return of_leaf[leaf], [stem(ways[of_leaf == group].tolist()) for group in range(n_groups)]


def read_base(folder: Path) -> Base:
    """Read what the edits of a run start from.

    Raises
    ------
    RunError
        If the run is not finished, or its tables are damaged.
    """
    state = read_state(folder)
    path = folder / layout.ATLAS
    if not path.exists():
        raise RunError(f"{path}: not there yet: finish the run with the command that began it")
    table = tables.read(path, ["group", "tree"])
    with reading(path):
        group = table["group"].to_numpy().astype(np.int32)
        codes = table["tree"].combine_chunks().dictionary_encode()
        trees = [str(way) for way in codes.dictionary.to_pylist()]
        block = codes.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
        if group.max(initial=-1) >= len(group) or group.min(initial=-1) < -1:
            raise damaged(path, "there are more groups than images")
    with reading(folder / layout.GROUPS):
        digest = sha256(folder / layout.GROUPS)[:16]
    keys = {"groups": digest, "images": state["source"]["fingerprint"][:16]}
    return Base(folder, group, trees, block, _first_groups(group, block, trees), keys)


def _first_groups(group: NDArray[np.int32], block: NDArray[np.int32], trees: list[str]) -> list[Group]:
    """The groups of the run. Images that were added later join the largest block of their group."""
    found = []
    order = np.argsort(group, kind="stable")
    numbers, starts = np.unique(group[order], return_index=True)
    members = dict(zip(numbers.tolist(), np.split(order, starts[1:]), strict=True))
    for number in range(int(group.max(initial=-1)) + 1):
        rows = members.get(number, np.empty(0, np.intp))
        known, counts = np.unique(block[rows][block[rows] >= 0], return_counts=True)
        ways = [trees[one] for one in known]
        if len(known):
            block[rows[block[rows] < 0]] = known[counts.argmax()]
        found.append(Group(number, stem(ways) if ways else ""))
    return found


def stem(ways: list[str]) -> str:
    """The part of the way from the root that all have in common."""
    low, high = min(ways), max(ways)
    length = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    return low[:length]


@dataclass
class Replay:
    """A run half way through its journal. An entry that cannot be applied changes nothing."""

    base: Base
    n_applied: int = 0
    n_failed: int = 0
    groups: list[Group] = field(init=False)
    group: NDArray[np.int32] = field(init=False)
    label: NDArray[np.int32] = field(init=False)
    marks: dict[str, NDArray[np.bool_]] = field(init=False)
    _labels: dict[str, int] = field(default_factory=dict, init=False)
    _next: int = field(init=False)

    def __post_init__(self) -> None:
        n = len(self.base.group)
        self.groups = [Group(one.number, one.tree) for one in self.base.groups]
        self.group = self.base.group.copy()
        self.label = np.full(n, -1, np.int32)
        self.marks = {name: np.zeros(n, bool) for name in MARKS}
        self._next = len(self.groups)

    def edited(self, revision: int) -> Edited:
        """The run as it is now, apart from what comes after."""
        groups = [Group(one.number, one.tree, one.name) for one in self.groups]
        marks = {name: values.copy() for name, values in self.marks.items()}
        return Edited(revision, groups, self.group.copy(), list(self._labels), self.label.copy(), marks)

    def apply(self, entry: dict[str, Any]) -> None:
        """Apply one entry.

        Raises
        ------
        EditError
            If the run has not what the entry names.
        """
        if "ids" in entry and entry["ids"][-1] >= len(self.group):
            raise EditError(
                f"ids: there is no image {entry['ids'][-1]}: pass a list of ids, from 0 to {len(self.group) - 1}"
            )
        how: dict[str, Callable[[dict[str, Any]], None]] = {
            "name": self._name,
            "split": self._split,
            "merge": self._merge if entry.get("v") != 1 else self._merge_along_tree,
            "gather": self._gather,
            "cut": self._cut,
            "label": self._label,
            "mark": self._mark,
        }
        how[entry["kind"]](entry)

    # ---------------------------------------------------------------- groups

    def _find(self, number: int) -> Group:
        for one in self.groups:
            if one.number == number:
                return one
        raise EditError(f"there is no group {number} (any more): load the run again")

    def _new(self, tree: str, name: str = "") -> Group:
        made = Group(self._next, tree, name)
        self._next += 1
        return made

    def _ways(self, rows: NDArray[Any]) -> list[str]:
        """The ways of the tree that lead to some images."""
        blocks = np.unique(self.base.block[rows])
        return [self.base.trees[block] for block in blocks[blocks >= 0]]

    def _stem(self, rows: NDArray[Any]) -> str:
        ways = self._ways(rows)
        return stem(ways) if ways else ""

    def _name(self, entry: dict[str, Any]) -> None:
        self._find(entry["group"]).name = entry["name"]

    def _split(self, entry: dict[str, Any]) -> None:
        """Divide a group where the ways to its images part."""
        self.base.check_tree("split")
        group = self._find(entry["group"])
        rows = np.flatnonzero(self.group == group.number)
        old = entry.get("v") == 1  # by all blocks below, even those whose images are all unsure
        below = [way for way in self.base.trees if way.startswith(group.tree)] if old else self._ways(rows)
        if len(below) < 2:
            raise EditError(f"group {group.number} is one block of the tree: it cannot be split further")
        way = stem(below)
        parts = [self._new(way + side) for side in "01"]
        is_right = np.array([tree.startswith(way + "1") for tree in self.base.trees])
        blocks = self.base.block[rows]
        self.group[rows] = np.where(is_right[blocks] & (blocks >= 0), parts[1].number, parts[0].number)
        at = self.groups.index(group)
        self.groups[at : at + 1] = parts

    def _merge(self, entry: dict[str, Any]) -> None:
        """Join just the groups that are named."""
        parts = [self._find(number) for number in entry["groups"]]
        names = list(dict.fromkeys(one.name for one in parts if one.name))
        name = entry.get("name") or _shortened(JOINT.join(names))
        self._join(parts, name)

    def _merge_along_tree(self, entry: dict[str, Any]) -> None:
        """Join groups under the lowest node that has them all, with others below it, as entries of version 1 do."""
        self.base.check_tree("merge")
        way = stem([self._find(number).tree for number in entry["groups"]])
        parts = [one for one in self.groups if one.tree.startswith(way)]
        names = {one.name for one in parts if one.name}
        self._join(parts, names.pop() if len(names) == 1 else "")

    def _join(self, parts: list[Group], name: str) -> None:
        at = min(self.groups.index(one) for one in parts)
        merged = self._new(stem([one.tree for one in parts]), name)
        self.group[np.isin(self.group, [one.number for one in parts])] = merged.number
        self.groups = [one for one in self.groups if one not in parts]
        self.groups.insert(at, merged)

    def _gather(self, entry: dict[str, Any]) -> None:
        """Make a group of some images, whatever groups they were in; groups that are left empty are gone."""
        rows = entry["ids"]
        before = set(np.unique(self.group[rows]).tolist())
        made = self._new(self._stem(rows), entry.get("name") or "")
        self.group[rows] = made.number
        emptied = before - set(np.unique(self.group).tolist())
        self.groups = [*(one for one in self.groups if one.number not in emptied), made]

    def _cut(self, entry: dict[str, Any]) -> None:
        """Cut the tree into another number of groups. A group that was there already, with a name, keeps the name."""
        self.base.check_tree("cut")
        of_way, ways = self.base.cut(entry["n"])
        # unsure images stay unsure, and images of a block that nothing is known of with them
        is_member = (self.base.group >= 0) & (self.base.block >= 0)
        cut = np.where(is_member, of_way[self.base.block], np.int32(-1))
        named = {self._members(self.group == one.number): one.name for one in self.groups if one.name}
        groups = []
        for number, way in enumerate(ways):
            groups.append(self._new(way, named.get(self._members(cut == number), "") if named else ""))
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


def _shortened(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
