"""The journal of edits, edits.jsonl: reading it, appending to it, and conflicts between several writers."""

import os
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.errors import ConflictError, EditError, RunError
from latentmap.run.edits.edited_run import EditedRun
from latentmap.run.edits.entries import Entries
from latentmap.run.edits.replay import Replay
from latentmap.run.edits.schema import GROUP_KINDS, VERSION, as_line, checked
from latentmap.run.edits.unedited_run import read_unedited
from latentmap.run.lock import journal_locked

EDITS_FILE = "edits.jsonl"


@dataclass
class Journal:
    """The journal of one run. It may be used from several threads and several processes at the same time.

    Lines that are not entries are set aside and counted.

    Parameters
    ----------
    folder : Path
        Folder of a finished run.

    Attributes
    ----------
    entries : Entries
        The entries of the journal.

    Raises
    ------
    RunError
        If the run is not finished or is damaged, or its journal is not a regular file.
    """

    folder: Path
    entries: Entries = field(init=False, repr=False)
    _threads: Any = field(default_factory=threading.RLock, init=False, repr=False)
    # Numbers of the entries in effect, oldest first, and of those that were undone
    _effective: list[int] = field(default_factory=list, init=False, repr=False)
    _undone: list[int] = field(default_factory=list, init=False, repr=False)
    _n_obsolete: int = field(default=0, init=False, repr=False)  # entries about groups or images that are gone
    _replay: Replay | None = field(default=None, init=False, repr=False)
    _edited: EditedRun | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self._base = read_unedited(self.folder)
        self.entries = Entries(self.path)
        self.refresh()

    @property
    def path(self) -> Path:
        """Path of edits.jsonl."""
        return self.folder / EDITS_FILE

    @property
    def n_blocks(self) -> int:
        """Largest number of groups that the tree can be cut into; 0 without a tree."""
        return len(self._base.trees) if any(self._base.trees) else 0

    def preview_cut(self, n_groups: int) -> NDArray[np.int32]:
        """Return the group of each image (n,), -1 for none, as a cut of the tree would make it.

        Raises
        ------
        EditError
            If there is no tree, or it has fewer blocks.
        """
        return self._base.cut_images(n_groups)[0]

    def refresh(self) -> None:
        """Read what other processes have appended.

        Raises
        ------
        RunError
            If the journal is not a regular file, or was changed while it was read.
        """
        with self._threads:
            if not os.path.lexists(self.path):
                self._forget()
                return
            # a link in a run from somebody else could name any file
            if self.path.is_symlink() or not self.path.is_file():
                raise RunError(f"{self.path}: not a file of this run: remove it to continue without the edits")
            if self.path.stat().st_size < self.entries.end:  # another file took its place
                self._forget()
            before = self.entries.end
            for number, entry in self.entries.extend():
                self._take(number, entry)
            if self.entries.end != before:
                self._edited = None

    def _forget(self) -> None:
        self.entries.clear()
        self._effective, self._undone, self._n_obsolete = [], [], 0
        self._replay = self._edited = None

    def _take(self, number: int, entry: dict[str, Any]) -> None:
        """Put an entry into effect, or undo the one that it undoes."""
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
            self._n_obsolete += 1

    def _replayed(self) -> Replay:
        """The run with all entries in effect applied."""
        replay = self._replay or Replay(self._base)
        self._replay = None  # if an entry cannot be read, start again next time
        for entry in self.entries.read(self._effective[replay.n_applied :]):
            try:
                replay.apply(entry)
            except EditError:
                replay.n_failed += 1
            replay.n_applied += 1
        self._replay = replay
        return replay

    def edited(self) -> EditedRun:
        """The run after all edits so far."""
        with self._threads:
            if self._edited is None:
                replay = self._replayed()
                edited = replay.edited(len(self.entries))
                edited.can_undo, edited.can_redo = bool(self._effective), bool(self._undone)
                edited.n_set_aside = self.entries.n_damaged + self._n_obsolete + replay.n_failed
                self._edited = edited
            return self._edited

    def add(self, edit: dict[str, Any], revision: int) -> EditedRun:
        """Append an entry; it is on disk when this returns.

        Parameters
        ----------
        edit : dict
            ``kind`` and its fields: name (``group``, ``name``), split (``group``), merge (``groups``, and optionally
            ``name``; the joined names by default), gather (``ids``, ``name``: the images become a group), cut (``n``:
            number of groups to cut the tree into), label (``ids``, ``label``; "" removes it), mark (``ids``, ``mark``,
            ``on``), undo, redo.
        revision : int
            The revision that the author saw.

        Returns
        -------
        EditedRun
            The run after the edit.

        Raises
        ------
        EditError
            If the edit is not possible in this run.
        ConflictError
            If what it edits was changed after ``revision``.
        RunError
            If the journal cannot be locked or read.
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
                self._replay = None  # the entry was applied to it
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
        """Apply an entry that is not in the journal yet; raise EditError if that is not possible."""
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
            file.truncate(self.entries.end)  # an incomplete line
            file.seek(max(0, self.entries.end - 1))
            try:
                if file.read(1) not in (b"", b"\n"):  # the last entry has no line break
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
                    "check it, then repeat the edit"
                )


def _touched(edit: dict[str, Any]) -> tuple[str, Any] | None:
    """Target of an edit: its kind and the numbers; None if it can change anything."""
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
