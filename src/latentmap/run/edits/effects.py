"""Which edits of a journal are in effect: undo and redo of several users."""

from bisect import insort
from dataclasses import dataclass, field
from typing import Any

from latentmap.run.edits.schema import UNDO_KINDS


@dataclass
class Effects:
    """Which edits are in effect, and which of them each user can undo or redo.

    Users undo and redo their own edits. Edits of unknown users, who wrote before journals had users, may be undone by
    all.

    Attributes
    ----------
    order : list of int
        Numbers of the edits in effect and of those in ``skipped``, oldest first.
    skipped : set of int
        Numbers of the edits that were undone and whose groups keep their numbers.
    undone : list of (int, str or None)
        Numbers of the edits that can be redone, and who undid them, the last undone one last.
    n_obsolete : int
        Number of entries about groups, images or edits that are gone.
    """

    order: list[int] = field(default_factory=list)
    skipped: set[int] = field(default_factory=set)
    undone: list[tuple[int, str | None]] = field(default_factory=list)
    n_obsolete: int = 0
    _authors: dict[int, str | None] = field(default_factory=dict)  # of the edits in ``order``

    def copy(self) -> "Effects":
        """A copy that entries can be tried on."""
        return Effects(
            self.order.copy(), self.skipped.copy(), self.undone.copy(), self.n_obsolete, self._authors.copy()
        )

    def is_effective(self, number: int) -> bool:
        """Whether an edit is in effect."""
        return number in self._authors and number not in self.skipped

    def undoable(self, user: str | None) -> int | None:
        """The last edit in effect that a user may undo; None if there is none."""
        effective = (number for number in reversed(self.order) if number not in self.skipped)
        return next((number for number in effective if self._may(user, self._authors[number])), None)

    def redoable(self, user: str | None) -> int | None:
        """The last edit that a user has undone and may redo; None if there is none."""
        return next((n for n, undoer in reversed(self.undone) if self._may(user, undoer)), None)

    @staticmethod
    def _may(user: str | None, author: str | None) -> bool:
        return author is None or author == user

    def take(self, number: int, entry: dict[str, Any], *, is_relevant: bool) -> None:
        """Put an entry into effect, or undo or redo the edit that it is about.

        Parameters
        ----------
        number : int
            Number of the entry.
        entry : dict
        is_relevant : bool
            Whether it is about groups or images of this run; that of an undo is not considered.
        """
        kind, user = entry["kind"], entry["user"]
        if kind in UNDO_KINDS:
            change = self._undo if kind == "undo" else self._redo
            self.n_obsolete += not change(entry["of"] - 1 if "of" in entry else None, user)
        elif is_relevant:
            self.order.append(number)
            self._authors[number] = user
            self.undone = [(one, undoer) for one, undoer in self.undone if not self._may(user, undoer)]
        else:
            self.n_obsolete += 1

    def _undo(self, number: int | None, user: str | None) -> bool:
        if number is not None:
            if not self.is_effective(number):
                return False
            self.skipped.add(number)
        else:  # before users, an edit that was undone left no trace, and its groups' numbers were given again
            number = next((one for one in reversed(self.order) if one not in self.skipped), None)
            if number is None:
                return True
            self.order.remove(number)
            del self._authors[number]
        self.undone.append((number, user))
        return True

    def _redo(self, number: int | None, user: str | None) -> bool:
        known = [one for one, _ in self.undone]
        if number is None:
            if not known:
                return True
            number = known[-1]
        if number not in known:
            return False
        del self.undone[known.index(number)]
        if number in self.skipped:
            self.skipped.remove(number)
        else:
            insort(self.order, number)
            self._authors[number] = user
        return True
