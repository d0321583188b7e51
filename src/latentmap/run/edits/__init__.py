"""Edits of a run: names, splits and merges of groups, labels and marks of images.

Edits are kept in a journal, edits.jsonl, one entry a line, to which lines are only ever added. Replaying it gives the
run as it is after them, so that undo is one more line. An entry holds the hash of what it is about: entries about
groups have no effect once other groups were made, and entries about images once there are other images.
"""

from latentmap.core.errors import ConflictError, EditError
from latentmap.run.edits.journal import FILE, Journal
from latentmap.run.edits.replay import Edited, Group
from latentmap.run.edits.schema import LONGEST_NAME, MARKS

__all__ = ["FILE", "LONGEST_NAME", "MARKS", "ConflictError", "EditError", "Edited", "Group", "Journal"]
