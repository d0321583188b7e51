"""The journal of edits, edits.jsonl: reading it, appending to it, and conflicts between several writers."""

import os
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.errors import ConflictError, EditError, RunError
from latentmap.run.edits.edited_run import EditedRun
from latentmap.run.edits.effects import Effects
from latentmap.run.edits.entries import Entries
from latentmap.run.edits.replay import Replay
from latentmap.run.edits.schema import GROUP_KINDS, UNDO_KINDS, UNDO_VERSION, VERSION, as_line, checked
from latentmap.run.edits.unedited_run import read_unedited
from latentmap.run.edits.users import checked_user, current_user
from latentmap.run.edits.wording import in_words, summarized
from latentmap.run.lock import journal_locked

EDITS_FILE = "edits.jsonl"
HISTORY_LENGTH = 20  # latest entries whose summaries are kept


@dataclass
class Journal:
    """The journal of one run. It may be used from several threads and several processes at the same time.

    Lines that are not entries are set aside and counted.

    Parameters
    ----------
    folder : Path
        Folder of a finished run.
    user : str, optional
        Name by which edits are recorded; by default that of this user on the system.

    Attributes
    ----------
    entries : Entries
        The entries of the journal.

    Raises
    ------
    RunError
        If the run is not finished or is damaged, or its journal is not a regular file.
    EditError
        If the name of the user is no text of one line with at most 100 characters.
    """

    folder: Path
    user: str = field(default_factory=current_user)
    entries: Entries = field(init=False, repr=False)
    _threads: Any = field(default_factory=threading.RLock, init=False, repr=False)
    _effects: Effects = field(default_factory=Effects, init=False, repr=False)
    _latest: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=HISTORY_LENGTH), init=False, repr=False)
    _replay: Replay | None = field(default=None, init=False, repr=False)
    _edited: EditedRun | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self.user = checked_user(self.user)
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
        self._effects = Effects()
        self._latest.clear()
        self._replay = self._edited = None

    def _take(self, number: int, entry: dict[str, Any]) -> None:
        """Put an entry into effect, or undo the one that it undoes."""
        self._effects.take(number, entry, is_relevant=entry["about"] in self._base.keys.values())
        self._latest.append(summarized(number, entry))
        if entry["kind"] in UNDO_KINDS:
            self._replay = None

    def _replayed(self) -> Replay:
        """The run with all entries in effect applied."""
        replay = self._replay or Replay(self._base)
        self._replay = None  # if an entry cannot be read, start again next time
        self._replay = self._continue(replay, self._effects)
        return self._replay

    def _continue(self, replay: Replay, effects: Effects) -> Replay:
        """Apply the entries that a replay does not have yet."""
        numbers = effects.order[replay.n_applied :]
        for number, entry in zip(numbers, self.entries.read(numbers), strict=True):
            if number in effects.skipped:
                replay.skip(number, entry)
            else:
                replay.apply_or_note(number, entry)
            replay.n_applied += 1
        return replay

    def edited(self, user: str | None = None) -> EditedRun:
        """The run after all edits so far.

        Parameters
        ----------
        user : str, optional
            Whose edits ``can_undo`` and ``can_redo`` are about; by default the user of the journal.
        """
        with self._threads:
            if self._edited is None:
                replay = self._replayed()
                edited = replay.edited(len(self.entries))
                edited.n_set_aside = self.entries.n_damaged + self._effects.n_obsolete + len(replay.failed)
                self._edited = edited
            user = user or self.user
            undoable, redoable = self._effects.undoable(user), self._effects.redoable(user)
            return replace(self._edited, can_undo=undoable is not None, can_redo=redoable is not None)

    def history(self) -> list[dict[str, Any]]:
        """The last 20 entries, the latest first.

        Returns
        -------
        list of dict
            See :func:`latentmap.run.edits.wording.summarized`; and ``in_effect``, False for edits that were undone,
            that are about groups or images that are gone, or that cannot be applied.
        """
        with self._threads:
            failed = self._replayed().failed
            return [one | {"in_effect": self._is_in_effect(one, failed)} for one in reversed(self._latest)]

    def _is_in_effect(self, summary: dict[str, Any], failed: dict[int, str]) -> bool:
        number = summary["revision"] - 1
        return summary["kind"] in UNDO_KINDS or (self._effects.is_effective(number) and number not in failed)

    def add(self, edit: dict[str, Any], revision: int, user: str | None = None) -> EditedRun:
        """Append an entry; it is on disk when this returns.

        Parameters
        ----------
        edit : dict
            ``kind`` and its fields: name (``group``, ``name``), split (``group``), merge (``groups``, and optionally
            ``name``; the joined names by default), gather (``ids``, ``name``: the images become a group), cut (``n``:
            number of groups to cut the tree into), label (``ids``, ``label``; "" removes it), mark (``ids``, ``mark``,
            ``on``), review (``ids``, ``issue``, ``verdict``: open, accepted or dismissed), undo, redo. The last two
            are about the last edit of this user, even if others edited after it.
        revision : int
            The revision that the author saw.
        user : str, optional
            The author; by default the user of the journal.

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
            user = self.user if user is None else checked_user(user)
            entry = self._entry(edit, user)
            self._check_conflict(entry, revision)
            line = as_line(entry)
            replay = self._try(entry)
            self._replay = None  # the entry was applied to it
            self._write(line)
            number = len(self.entries)
            self.entries.append(self.entries.end)
            self.entries.end += len(line)
            self._take(number, entry)
            self._replay, self._edited = replay, None
            return self.edited(user)

    def _entry(self, edit: dict[str, Any], user: str) -> dict[str, Any]:
        """The entry of an edit; that of an undo or a redo names the edit that it is about."""
        kind = edit.get("kind")
        if kind in UNDO_KINDS:
            target = (self._effects.undoable if kind == "undo" else self._effects.redoable)(user)
            if target is None:
                raise EditError(f"there is nothing to {kind} that {user} did")
            edit = {"kind": kind, "of": target + 1}
        edit = checked(edit, len(self._base.group))
        kind = edit["kind"]
        about = "groups" if kind in GROUP_KINDS else "images"
        time = datetime.now(UTC).isoformat(timespec="seconds")
        version = UNDO_VERSION if kind in UNDO_KINDS else VERSION
        return {"v": version, "time": time, "user": user, "about": self._base.keys[about], **edit}

    def _try(self, entry: dict[str, Any]) -> Replay:
        """The replay after an entry that is not in the journal yet; raise EditError if that is not possible."""
        replay, number = self._replayed(), len(self.entries)
        if entry["kind"] not in UNDO_KINDS:
            replay.apply(number, entry)
            replay.n_applied += 1
            return replay
        effects = self._effects.copy()
        effects.take(number, entry, is_relevant=True)
        after = self._continue(Replay(self._base), effects)
        self._check_dependents(replay, after, entry)
        return after

    def _check_dependents(self, before: Replay, after: Replay, entry: dict[str, Any]) -> None:
        """Refuse an undo or a redo of an edit that later ones build on: they would fail, or mean other groups."""
        target = entry["of"] - 1
        failed = set(after.failed) - set(before.failed) - {target}
        groups = before.made.keys() | after.made.keys()
        other = {
            made[0]
            for made, now in ((before.made.get(group), after.made.get(group)) for group in groups)
            if made is not None and made != now and made[0] != target
        }
        is_impossible = entry["kind"] == "redo" and target in after.failed and target not in before.failed
        if failed or other:
            (later,) = self.entries.read([min(failed | other)])
            why = f"{in_words(summarized(min(failed | other), later))} and builds on it: that must be undone first"
        elif is_impossible:
            why = after.failed[target]
        else:
            return
        (mine,) = self.entries.read([target])
        words = "undone" if entry["kind"] == "undo" else "redone"
        raise EditError(f"this edit cannot be {words} ({in_words(summarized(target, mine))}): {why}")

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
        numbers = range(revision, len(self.entries))
        touched = self._touched(edit)
        for number, entry in zip(numbers, self.entries.read(numbers), strict=True):
            if edit["kind"] in UNDO_KINDS:  # it is about the user's own edits only
                is_conflict = entry["user"] in (None, edit["user"])
            else:
                other = self._touched(entry)
                is_conflict = touched is None or other is None or _is_same(touched, other)
            if is_conflict:
                by = summarized(number, entry)
                raise ConflictError(
                    f"changed elsewhere since revision {revision} (now {len(self.entries)}): {in_words(by)}: "
                    "check it, then repeat the edit",
                    by,
                )

    def _touched(self, edit: dict[str, Any]) -> tuple[str, Any] | None:
        """Target of an edit: its kind and the numbers; None if it can change anything."""
        if "of" in edit and 0 < edit["of"] <= len(self.entries):
            (edit,) = self.entries.read([edit["of"] - 1])
        return _touched(edit)


def _touched(edit: dict[str, Any]) -> tuple[str, Any] | None:
    """Target of an edit: its kind and the numbers; None if it can change anything."""
    kind = edit["kind"]
    if kind == "name":
        return "name", np.array([edit["group"]])
    if kind == "label":
        return "label", edit["ids"]
    if kind == "mark":
        return str(edit["mark"]), edit["ids"]
    if kind == "review":
        return f"review of {edit['issue']}", edit["ids"]
    return None


def _is_same(one: tuple[str, Any], other: tuple[str, Any]) -> bool:
    return one[0] == other[0] and bool(np.intersect1d(one[1], other[1], assume_unique=True).size)
