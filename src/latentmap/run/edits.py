"""What people did to a run: names, splits and merges of groups, labels and marks of images.

They are kept in a journal, edits.jsonl, an entry a line, to which lines are only ever added. What the run looks like
after them is found by going through it, so that undoing is one more line. An entry holds the hash of what it speaks of:
entries about groups have no effect once other groups were made, and those about images once there are other images.
"""

import hashlib
import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from latentmap.run import files
from latentmap.run.lock import journal_locked
from latentmap.run.state import RunError, read_state

FILE = "edits.jsonl"
MARKS = ("outlier", "duplicate", "hidden")
LONGEST_NAME = 200
GROUP_KINDS = ("name", "split", "merge")


class EditError(RunError):
    """An edit that makes no sense for this run."""


class ConflictError(EditError):
    """An edit of something that has changed since its author last looked."""


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
        By number.
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
        Entries about groups or images that this run no longer has.
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
        names = {one.number: one.name or None for one in self.groups}
        labels = pa.array([*self.labels, None], pa.string())
        return pa.table(
            {
                "id": np.arange(len(self.group)),
                "group": self.group,
                "group_name": pa.array([names.get(int(number)) for number in self.group], pa.string()),
                "given_label": labels.take(pa.array(np.where(self.label < 0, len(self.labels), self.label))),
                **{f"marked_{name}": values for name, values in self.marks.items()},
            }
        )


@dataclass
class _Base:
    """What the edits start from: the groups as the run made them, and where in the tree each image hangs."""

    group: NDArray[np.int32]
    trees: list[str]  # the ways to the blocks
    block: NDArray[np.int32]  # of each image
    groups: list[Group]
    keys: dict[str, str]  # what entries are about: "groups", "images" → hash


@dataclass
class Journal:
    """The journal of one run. Safe to use from many threads, and from many processes.

    Parameters
    ----------
    folder : Path
        Of a finished run.
    """

    folder: Path
    entries: list[dict[str, Any]] = field(default_factory=list, init=False)
    _read: int = field(default=0, init=False)
    _threads: Any = field(default_factory=threading.RLock, init=False, repr=False)
    _folded: Edited | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self._base = _read_base(self.folder)
        self.refresh()

    @property
    def path(self) -> Path:
        """edits.jsonl."""
        return self.folder / FILE

    def refresh(self) -> None:
        """Read what others have added."""
        with self._threads:
            if not self.path.exists():
                return
            with self.path.open("rb") as file:
                file.seek(self._read)
                data = file.read()
            whole, _, _ = data.rpartition(b"\n")  # a line without an end was being written when all stopped
            if whole:
                self.entries += [entry for line in whole.split(b"\n") if (entry := _parse(line)) is not None]
                self._read += len(whole) + 1
                self._folded = None

    def edited(self) -> Edited:
        """The run after all edits so far."""
        with self._threads:
            if self._folded is None:
                self._folded = _fold(self._base, self.entries)
            return self._folded

    def add(self, edit: dict[str, Any], revision: int) -> Edited:
        """Add an entry, which is on the disk when this returns.

        Parameters
        ----------
        edit : dict
            ``kind`` and what goes with it: name (``group``, ``name``), split (``group``), merge (``groups``), label
            (``ids``, ``label``; "" takes it away), mark (``ids``, ``mark``, ``on``), undo, redo.
        revision : int
            The revision that the author saw.

        Raises
        ------
        EditError
            If it makes no sense for this run.
        ConflictError
            If what it speaks of was changed after ``revision``.
        """
        with self._threads, journal_locked(self.folder):
            self.refresh()
            edit = _checked(edit, len(self._base.group))
            self._check_conflict(edit, revision)
            about = "groups" if edit["kind"] in GROUP_KINDS else "images"
            entry = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "about": self._base.keys[about], **edit}
            now = _fold(self._base, [*self.entries, entry], last_must_hold=True)
            line = json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
            with self.path.open("ab") as file:
                if file.tell() > self._read:  # a torn line
                    file.truncate(self._read)
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            self.entries.append(entry)
            self._read += len(line)
            self._folded = now
            return now

    def _check_conflict(self, edit: dict[str, Any], revision: int) -> None:
        if not 0 <= revision <= len(self.entries):
            raise EditError(f"revision {revision}: the run has {len(self.entries)}: load it again")
        later = self.entries[revision:]
        if not later:
            return
        touched = _touched(edit)
        if touched is None or any((other := _touched(entry)) is None or touched & other for entry in later):
            raise ConflictError(
                f"changed elsewhere since revision {revision} (now {len(self.entries)}): look at it, then do it again"
            )


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def _touched(edit: dict[str, Any]) -> set[tuple[str, Any]] | None:
    """What an edit changes; None for what can touch anything."""
    kind = edit.get("kind")
    if kind == "name":
        return {("group", edit["group"])}
    if kind == "label":
        return {("label", i) for i in edit["ids"]}
    if kind == "mark":
        return {(edit["mark"], i) for i in edit["ids"]}
    return None


def _checked(edit: dict[str, Any], n: int) -> dict[str, Any]:
    """The edit with just the fields that it needs, each of its type."""
    kind = edit.get("kind")
    wanted = FIELDS.get(kind) if isinstance(kind, str) else None
    if wanted is None:
        raise EditError(f"kind={str(kind)[:40]!r}: choose among {', '.join(FIELDS)}")
    found: dict[str, Any] = {"kind": kind}
    for name, check in wanted.items():
        if name not in edit:
            raise EditError(f"{kind}: {name} is missing")
        found[name] = check(name, edit[name], n)
    return found


def _number(name: str, value: Any, _: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**31:
        raise EditError(f"{name}: pass the number of a group")
    return value


def _numbers(name: str, value: Any, n: int) -> list[int]:
    if not isinstance(value, list) or len(value) < 2:
        raise EditError(f"{name}: pass the numbers of at least two groups")
    return [_number(name, one, n) for one in value]


def _text(name: str, value: Any, _: int) -> str:
    if not isinstance(value, str) or len(value) > LONGEST_NAME or not value.isprintable():
        raise EditError(f"{name}: pass a text of one line and at most {LONGEST_NAME} characters")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise EditError(f"{name}: pass Unicode text") from error
    return value.strip()


def _ids(name: str, value: Any, n: int) -> list[int]:
    whole = isinstance(value, list) and all(isinstance(one, int) and not isinstance(one, bool) for one in value)
    if not whole or not value or not all(0 <= one < n for one in value):
        raise EditError(f"{name}: pass a list of ids, from 0 to {n - 1}")
    return sorted(set(value))


def _mark(name: str, value: Any, _: int) -> str:
    if value not in MARKS:
        raise EditError(f"{name}: choose among {', '.join(MARKS)}")
    return str(value)


def _flag(name: str, value: Any, _: int) -> bool:
    if not isinstance(value, bool):
        raise EditError(f"{name}: pass true or false")
    return value


Check = Callable[[str, Any, int], Any]
FIELDS: dict[str, dict[str, Check]] = {
    "name": {"group": _number, "name": _text},
    "split": {"group": _number},
    "merge": {"groups": _numbers},
    "label": {"ids": _ids, "label": _text},
    "mark": {"ids": _ids, "mark": _mark, "on": _flag},
    "undo": {},
    "redo": {},
}


def _read_base(folder: Path) -> _Base:
    state = read_state(folder)
    path = folder / files.ATLAS
    if not path.exists():
        raise RunError(f"{path}: not there yet: finish the run with the command that began it")
    table = pq.read_table(path, columns=["group", "tree"])
    group = table["group"].to_numpy().astype(np.int32)
    codes = table["tree"].combine_chunks().dictionary_encode()
    trees = [str(way) for way in codes.dictionary.to_pylist()]
    block = codes.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    groups = _first_groups(group, block, trees)
    digest = hashlib.sha256((folder / files.GROUPS).read_bytes()).hexdigest()[:16]
    keys = {"groups": digest, "images": state["source"]["fingerprint"][:16]}
    return _Base(group, trees, block, groups, keys)


def _first_groups(group: NDArray[np.int32], block: NDArray[np.int32], trees: list[str]) -> list[Group]:
    """The groups of the run. Images that were added later join the largest block of their group."""
    found = []
    for number in range(int(group.max(initial=-1)) + 1):
        members = np.flatnonzero(group == number)
        blocks = block[members]
        known, counts = np.unique(blocks[blocks >= 0], return_counts=True)
        ways = [trees[one] for one in known]
        if len(known):
            block[members[blocks < 0]] = known[counts.argmax()]
        found.append(Group(number, _stem(ways) if ways else ""))
    return found


def _stem(ways: list[str]) -> str:
    """The part of the way from the root that all have in common."""
    low, high = min(ways), max(ways)
    length = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    return low[:length]


def _fold(base: _Base, entries: list[dict[str, Any]], *, last_must_hold: bool = False) -> Edited:
    """Go through the journal."""
    effective: list[dict[str, Any]] = []
    undone: list[dict[str, Any]] = []
    aside = 0
    for number, entry in enumerate(entries):
        kind = entry.get("kind")
        is_last = last_must_hold and number == len(entries) - 1
        if kind in ("undo", "redo"):
            source, target = (effective, undone) if kind == "undo" else (undone, effective)
            if source:
                target.append(source.pop())
            elif is_last:
                raise EditError(f"there is nothing to {kind}")
        elif entry.get("about") in base.keys.values():
            effective.append(entry)
            undone = []
        else:
            aside += 1
    n = len(base.group)
    edited = Edited(
        len(entries),
        [Group(one.number, one.tree) for one in base.groups],
        base.group,
        [],
        np.full(n, -1, np.int32),
        {name: np.zeros(n, bool) for name in MARKS},
        can_undo=bool(effective),
        can_redo=bool(undone),
        n_set_aside=aside,
    )
    state = _Folding(base, edited)
    for entry in effective:
        is_last = last_must_hold and entry is entries[-1]
        try:
            state.apply(entry)
        except (EditError, KeyError, TypeError, ValueError, IndexError):
            if is_last:
                raise
            edited.n_set_aside += 1
    state.assign()
    return edited


@dataclass
class _Folding:
    """The run half way through its journal."""

    base: _Base
    edited: Edited
    _n_groups: int = -1
    _regrouped: bool = False

    def __post_init__(self) -> None:
        self._n_groups = len(self.base.groups)

    def apply(self, entry: dict[str, Any]) -> None:
        {
            "name": self._name,
            "split": self._split,
            "merge": self._merge,
            "label": self._label,
            "mark": self._mark,
        }[entry["kind"]](entry)

    def _group(self, number: int) -> Group:
        for one in self.edited.groups:
            if one.number == number:
                return one
        raise EditError(f"there is no group {number} (any more): load the run again")

    def _name(self, entry: dict[str, Any]) -> None:
        self._group(entry["group"]).name = entry["name"]

    def _on_tree(self) -> None:
        if not any(self.base.trees):
            raise EditError("groups by K-means have no tree to split or merge along: run with --groups graph")

    def _split(self, entry: dict[str, Any]) -> None:
        self._on_tree()
        group = self._group(entry["group"])
        below = [way for way in self.base.trees if way.startswith(group.tree)]
        if len(below) < 2:
            raise EditError(f"group {group.number} is one block of the tree: it cannot be split further")
        stem = _stem(below)
        at = self.edited.groups.index(group)
        parts = [Group(self._n_groups + side, stem + str(side)) for side in (0, 1)]
        self._n_groups += 2
        self.edited.groups[at : at + 1] = parts
        self._regrouped = True

    def _merge(self, entry: dict[str, Any]) -> None:
        """Join groups under the lowest node that has them all; others below it come along."""
        self._on_tree()
        stem = _stem([self._group(number).tree for number in entry["groups"]])
        parts = [one for one in self.edited.groups if one.tree.startswith(stem)]
        at = min(self.edited.groups.index(one) for one in parts)
        names = {one.name for one in parts if one.name}
        merged = Group(self._n_groups, stem, names.pop() if len(names) == 1 else "")
        self._n_groups += 1
        self.edited.groups = [one for one in self.edited.groups if one not in parts]
        self.edited.groups.insert(at, merged)
        self._regrouped = True

    def _label(self, entry: dict[str, Any]) -> None:
        name, rows = entry["label"], np.asarray(entry["ids"], np.int64)
        if not name:
            self.edited.label[rows] = -1
            return
        if name not in self.edited.labels:
            self.edited.labels.append(name)
        self.edited.label[rows] = self.edited.labels.index(name)

    def _mark(self, entry: dict[str, Any]) -> None:
        self.edited.marks[entry["mark"]][np.asarray(entry["ids"], np.int64)] = entry["on"]

    def assign(self) -> None:
        """The group of each image, by its block."""
        if not self._regrouped:
            return
        of_block = np.full(len(self.base.trees) + 1, -1, np.int32)
        for group in self.edited.groups:
            for block, way in enumerate(self.base.trees):
                if way.startswith(group.tree):
                    of_block[block] = group.number
        self.edited.group = np.where(self.base.group < 0, np.int32(-1), of_block[self.base.block])
