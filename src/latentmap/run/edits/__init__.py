"""Edits of a run: names, splits and merges of groups, labels and marks of images.

Edits are kept in a journal, edits.jsonl, with one entry a line, to which lines are only appended. Replaying the entries
gives the edited run, so an undo is one more entry. An entry holds the hash of what it is about: entries about groups
have no effect after other groups were made, and entries about images after the images have changed.
"""

from latentmap.core.errors import ConflictError, EditError
from latentmap.run.edits.edited_run import EditedRun
from latentmap.run.edits.journal import EDITS_FILE, Journal
from latentmap.run.edits.schema import MARKS, VERDICTS
from latentmap.run.edits.users import checked_user, current_user

__all__ = [
    "EDITS_FILE",
    "MARKS",
    "VERDICTS",
    "ConflictError",
    "EditError",
    "EditedRun",
    "Journal",
    "checked_user",
    "current_user",
]
