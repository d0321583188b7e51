"""edits.jsonl: reading what was edited, adding to it, and who may when several do."""

import os
import threading
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, overload

import numpy as np

from latentmap.core.errors import ConflictError, EditError, RunError
from latentmap.run.edits.replay import Edited, Replay, read_base
from latentmap.run.edits.schema import GROUP_KINDS, MAX_LINE_BYTES, VERSION, as_line, checked, parse
from latentmap.run.lock import journal_locked

FILE = "edits.jsonl"
SKIP_BYTES = 2**20  # of a line that is too long, at once


class Entries(Sequence[dict[str, Any]]):
    """The entries of a journal, read from its file when they are asked for: a long journal takes little memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clear()

    def clear(self) -> None:
        """Forget the file."""
        self._starts = array("Q")
        self.end = 0  # of the whole lines that were read
        self.n_damaged = 0

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, number: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, number: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, number: int | slice) -> Any:
        """The entry, ids as a list."""
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        (entry,) = self.read([range(len(self))[number]])
        return entry | {"ids": entry["ids"].tolist()} if "ids" in entry else entry

    def read(self, numbers: Sequence[int]) -> Iterator[dict[str, Any]]:
        """Some entries in turn, ids as arrays."""
        if not numbers:
            return
        with self.path.open("rb") as file:
            for number in numbers:
                file.seek(self._starts[number])
                entry = parse(file.readline(MAX_LINE_BYTES + 1).rstrip(b"\n"))
                if entry is None:
                    raise RunError(f"{self.path}: changed while it was read: open the run again")
                yield entry

    def extend(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Take up the lines that were added to the file since the last time: number and entry of each good one.

        A last line without an end counts when it is an entry all the same, and else is left for the next time: it is
        being written, or was when all stopped.
        """
        with self.path.open("rb") as file:
            if os.fstat(file.fileno()).st_size < self.end:
                raise RunError(f"{self.path}: shorter than it was: open the run again")
            file.seek(self.end)
            while line := file.readline(MAX_LINE_BYTES + 1):
                is_whole = line.endswith(b"\n")
                entry = parse(line.removesuffix(b"\n"))
                if not is_whole and entry is None and (len(line) <= MAX_LINE_BYTES or not _skip_line(file)):
                    return
                start, self.end = self.end, file.tell()
                if entry is not None:
                    self.append(start)
                    yield len(self) - 1, entry
                elif line.strip():
                    self.n_damaged += 1

    def append(self, start: int) -> None:
        """Take up an entry by its place in the file."""
        self._starts.append(start)


def _skip_line(file: Any) -> bool:
    """Go behind the end of a line; False when it has none."""
    while part := file.readline(SKIP_BYTES):
        if part.endswith(b"\n"):
            return True
    return False


@dataclass
class Journal:
    """The journal of one run. Safe to use from many threads, and from many processes.

    Lines that are no entries, for whatever reason, are set aside and counted; all others have their effect.

    Parameters
    ----------
    folder : Path
        Of a finished run.

    Raises
    ------
    RunError
        If the run is not finished or damaged, or its journal is no file of its own.
    """

    folder: Path
    entries: Entries = field(init=False, repr=False)
    _threads: Any = field(default_factory=threading.RLock, init=False, repr=False)
    # Entries that count, oldest first, and those that were undone, by number
    _effective: list[int] = field(default_factory=list, init=False, repr=False)
    _undone: list[int] = field(default_factory=list, init=False, repr=False)
    _n_strange: int = field(default=0, init=False, repr=False)  # about groups or images that are gone
    _replay: Replay | None = field(default=None, init=False, repr=False)
    _edited: Edited | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self._base = read_base(self.folder)
        self.entries = Entries(self.path)
        self.refresh()

    @property
    def path(self) -> Path:
        """edits.jsonl."""
        return self.folder / FILE

    @property
    def n_blocks(self) -> int:
        """Into how many groups the tree can be cut at most; 0 without a tree."""
        return len(self._base.trees) if any(self._base.trees) else 0

    def refresh(self) -> None:
        """Read what others have added."""
        with self._threads:
            if not os.path.lexists(self.path):
                self._forget()
                return
            if self.path.is_symlink() or not self.path.is_file():  # a stranger's run could name any file
                raise RunError(f"{self.path}: not a file of this run: remove it to go on without the edits")
            if self.path.stat().st_size < self.entries.end:  # another file took its place
                self._forget()
            before = self.entries.end
            for number, entry in self.entries.extend():
                self._take(number, entry)
            if self.entries.end != before:
                self._edited = None

    def _forget(self) -> None:
        self.entries.clear()
        self._effective, self._undone, self._n_strange = [], [], 0
        self._replay = self._edited = None

    def _take(self, number: int, entry: dict[str, Any]) -> None:
        """Let an entry count, or take back what it undoes."""
        if entry["kind"] == "undo":
            if self._effective:
                self._undone.append(self._effective.pop())
                if self._replay is not None and self._replay.n_applied > len(self._effective):
                    self._replay = None
        elif entry["kind"] == "redo":
            if self._undone:
                self._effective.append(self._undone.pop())
        elif entry["about"] in self._base.keys.values():
            self._effective.append(number)
            self._undone = []
        else:
            self._n_strange += 1

    def _replayed(self) -> Replay:
        """The run with all entries applied that count."""
        replay = self._replay or Replay(self._base)
        self._replay = None  # unless all goes well
        for entry in self.entries.read(self._effective[replay.n_applied :]):
            try:
                replay.apply(entry)
            except EditError:
                replay.n_failed += 1
            replay.n_applied += 1
        self._replay = replay
        return replay

    def edited(self) -> Edited:
        """The run after all edits so far."""
        with self._threads:
            if self._edited is None:
                replay = self._replayed()
                edited = replay.edited(len(self.entries))
                edited.can_undo, edited.can_redo = bool(self._effective), bool(self._undone)
                edited.n_set_aside = self.entries.n_damaged + self._n_strange + replay.n_failed
                self._edited = edited
            return self._edited

    def add(self, edit: dict[str, Any], revision: int) -> Edited:
        """Add an entry, which is on the disk when this returns.

        Parameters
        ----------
        edit : dict
            ``kind`` and what goes with it: name (``group``, ``name``), split (``group``), merge (``groups``, and
            ``name`` or else the names of all), gather (``ids``, ``name``: the images become a group), cut (``n``: the
            tree is cut into as many groups), label (``ids``, ``label``; "" takes it away), mark (``ids``, ``mark``,
            ``on``), undo, redo.
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
            edit = checked(edit, len(self._base.group))
            self._check_conflict(edit, revision)
            about = "groups" if edit["kind"] in GROUP_KINDS else "images"
            time = datetime.now(UTC).isoformat(timespec="seconds")
            entry = {"v": VERSION, "time": time, "about": self._base.keys[about], **edit}
            line = as_line(entry)
            self._try(entry)
            try:
                self._write(line)
            except BaseException:
                self._replay = None  # it has the entry already
                raise
            number = len(self.entries)
            self.entries.append(self.entries.end)
            self.entries.end += len(line)
            if entry["kind"] not in ("undo", "redo") and self._replay is not None:
                self._replay.n_applied += 1
            self._take(number, entry)
            self._edited = None
            return self.edited()

    def _try(self, entry: dict[str, Any]) -> None:
        """Apply an entry that is not in the journal yet, or raise EditError."""
        replay = self._replayed()
        kind = entry["kind"]
        if kind not in ("undo", "redo"):
            replay.apply(entry)
        elif not (self._effective if kind == "undo" else self._undone):
            raise EditError(f"there is nothing to {kind}")

    def _write(self, line: bytes) -> None:
        descriptor = os.open(
            self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0), 0o666
        )
        with os.fdopen(descriptor, "r+b") as file:
            file.truncate(self.entries.end)  # a line without an end
            file.seek(max(0, self.entries.end - 1))
            try:
                if file.read(1) not in (b"", b"\n"):  # the last entry has none either
                    file.write(b"\n")
                    self.entries.end += 1
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            except BaseException:
                with suppress(OSError):
                    file.truncate(self.entries.end)
                raise

    def _check_conflict(self, edit: dict[str, Any], revision: int) -> None:
        if not 0 <= revision <= len(self.entries):
            raise EditError(f"revision {revision}: the run has {len(self.entries)}: load it again")
        touched = _touched(edit)
        for entry in self.entries.read(range(revision, len(self.entries))):
            other = _touched(entry)
            if touched is None or other is None or (touched[0] == other[0] and _overlap(touched[1], other[1])):
                raise ConflictError(
                    f"changed elsewhere since revision {revision} (now {len(self.entries)}): "
                    "look at it, then do it again"
                )


def _touched(edit: dict[str, Any]) -> tuple[str, Any] | None:
    """The target of an edit: its kind and the numbers; None if it can change anything."""
    kind = edit["kind"]
    if kind == "name":
        return "name", np.array([edit["group"]])
    if kind == "label":
        return "label", edit["ids"]
    if kind == "mark":
        return str(edit["mark"]), edit["ids"]
    return None


def _overlap(some: Any, others: Any) -> bool:
    return bool(np.intersect1d(some, others, assume_unique=True).size)
