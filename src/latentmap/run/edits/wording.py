"""Edits in words, for messages and histories."""

from collections.abc import Callable
from typing import Any

UNKNOWN = "somebody"
MAX_LISTED = 10  # groups that a sentence names


def summarized(number: int, entry: dict[str, Any]) -> dict[str, Any]:
    """An entry as JSON can hold it, with the number of its images instead of their ids.

    Parameters
    ----------
    number : int
        Number of the entry, from 0.
    entry : dict
        The entry, as it is read from the journal.

    Returns
    -------
    dict
        ``revision`` (the one that it made), ``user`` (None if unknown), ``time`` (ISO 8601, or None), ``kind`` and its
        fields; ``n_images`` instead of ``ids``.
    """
    fields = {name: value for name, value in entry.items() if name not in ("v", "about", "ids", "user", "time")}
    if "ids" in entry:
        fields["n_images"] = len(entry["ids"])
    return {"revision": number + 1, "user": entry.get("user"), "time": entry.get("time")} | fields


def in_words(summary: dict[str, Any]) -> str:
    """Who changed what and when, such as "ann named group 3 'cats' at 2026-01-31T10:00:00+00:00".

    Parameters
    ----------
    summary : dict
        An entry as :func:`summarized` returns it.
    """
    when = f" at {summary['time']}" if summary["time"] else ""
    return f"{summary['user'] or UNKNOWN} {_what(summary)}{when}"


def _what(summary: dict[str, Any]) -> str:
    return _WORDS[summary["kind"]](summary)


def _images(summary: dict[str, Any]) -> str:
    n = summary["n_images"]
    return f"{n:,} image{'s' * (n != 1)}"


def _numbers(groups: list[int]) -> str:
    return ", ".join(map(str, groups[:MAX_LISTED])) + ", …" * (len(groups) > MAX_LISTED)


def _target(summary: dict[str, Any]) -> str:
    return f"edit {summary['of']}" if "of" in summary else "the last edit"


_REVIEWED = {"open": "reopened", "accepted": "accepted", "dismissed": "dismissed"}
_WORDS: dict[str, Callable[[dict[str, Any]], str]] = {
    "name": lambda one: f"named group {one['group']} {one['name']!r}",
    "split": lambda one: f"split group {one['group']}",
    "merge": lambda one: f"merged groups {_numbers(one['groups'])}",
    "gather": lambda one: f"made a group of {_images(one)}",
    "cut": lambda one: f"cut the tree into {one['n']} groups",
    "label": lambda one: (
        f"labelled {_images(one)} {one['label']!r}" if one["label"] else f"removed the label of {_images(one)}"
    ),
    "mark": lambda one: f"{'marked' if one['on'] else 'unmarked'} {_images(one)} as {one['mark']}",
    "review": lambda one: f"{_REVIEWED[one['verdict']]} {one['issue']} of {_images(one)}",
    "undo": lambda one: f"undid {_target(one)}",
    "redo": lambda one: f"redid {_target(one)}",
}
