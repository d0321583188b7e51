"""The kinds of edits, their fields, and the text of an entry."""

import json
import re
import unicodedata
from collections.abc import Callable
from typing import Any

import numpy as np

from latentmap.audit.issues import ISSUES
from latentmap.core.errors import EditError

MARKS = ("outlier", "duplicate", "hidden")
VERDICTS = ("open", "accepted", "dismissed")  # of an issue that the audit found
MAX_NAME_LENGTH = 200
MAX_USER_LENGTH = 100
# Version of the rules by which an entry is replayed. Entries of version 1 have no version and merge along the tree.
VERSION = 2
# Undo and redo say from version 3 on which edit they are about. Before, they are about the last one.
UNDO_VERSION = 3
UNDO_KINDS = ("undo", "redo")
# Longer lines of the journal are set aside unread; 64 MiB hold the ids of seven million images.
MAX_LINE_BYTES = 2**26
# Limit of an entry without its ids, so that parsing it makes few Python objects, whatever it holds.
MAX_REST_BYTES = 2**18
GROUP_KINDS = ("name", "split", "merge", "gather", "cut")
# Line breaks, control characters and lone surrogates are not allowed; joiners and directional marks are.
NOT_IN_NAMES = {"Cc", "Zl", "Zp", "Cs"}
# Only a key of the entry can look like this, since quotes inside JSON strings are escaped.
_IDS = re.compile(rb'"ids" ?: ?\[([0-9, ]*)\]')


def checked(edit: dict[str, Any], n_images: int | None = None) -> dict[str, Any]:
    """Check an edit.

    Parameters
    ----------
    edit : dict
        The edit, as :meth:`Journal.add` takes it.
    n_images : int, optional
        Number of images in the run; without it ids of any size are accepted.

    Returns
    -------
    dict
        The edit with only the fields that its kind has; ids as an int64 array, each once, in ascending order.

    Raises
    ------
    EditError
        If the kind is unknown, or a field is missing or has a wrong value.
    """
    kind = edit.get("kind")
    wanted = FIELDS.get(kind) if isinstance(kind, str) else None
    if wanted is None:
        raise EditError(f"kind={str(kind)[:40]!r}: choose among {', '.join(FIELDS)}")
    found: dict[str, Any] = {"kind": kind}
    for name, check in wanted.items():
        if name in edit:
            found[name] = check(name, edit[name], n_images)
        elif name not in OPTIONAL.get(str(kind), ()):
            raise EditError(f"{kind}: {name} is missing")
    return found


def parse(line: bytes) -> dict[str, Any] | None:
    """An entry from its line in the journal, ids as an int64 array; None if the line is not an entry."""
    if len(line) > MAX_LINE_BYTES:
        return None
    try:
        found = _parse_json(line)
        if not isinstance(found, dict) or not _is_known_version(found):
            return None
        texts = {name: found[name] for name in ("about", "time") if isinstance(found.get(name), str)}
        user = plain_text(found.get("user"), MAX_USER_LENGTH) or None
        return {"about": None, "user": user, "v": found.get("v", 1)} | texts | checked(found)
    except (ValueError, RecursionError):  # EditError is one of them
        return None


def _is_known_version(found: dict[str, Any]) -> bool:
    version = found.get("v", 1)
    if not isinstance(version, int):
        return False
    return version in (1, VERSION) or (version == UNDO_VERSION and found.get("kind") in UNDO_KINDS and "of" in found)


def _parse_json(line: bytes) -> Any:
    """JSON, with ids parsed into an array: there can be millions, too many for Python objects."""
    matches = list(_IDS.finditer(line))
    if len(matches) != 1:
        return _parse_small(line)
    ids = _parse_ids(matches[0][1])
    found = _parse_small(line[: matches[0].start()] + b'"ids":[]' + line[matches[0].end() :])
    if isinstance(found, dict) and found.get("ids") == []:
        found["ids"] = ids
    return found


def _parse_small(line: bytes) -> Any:
    if len(line) > MAX_REST_BYTES:
        raise ValueError("too long for an entry")
    return json.loads(line)


def _parse_ids(text: bytes) -> Any:
    text = text.replace(b", ", b",")
    if not text or b" " in text or b",," in text or text.startswith(b",") or text.endswith(b","):
        raise ValueError("ids are no list of numbers")
    return np.fromstring(text.decode(), np.int64, sep=",")  # numbers that are too large become the largest


def as_line(entry: dict[str, Any]) -> bytes:
    """The line of an entry.

    Raises
    ------
    EditError
        If the line is longer than the limit.
    """
    plain = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in entry.items()}
    line = json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    if parse(line[:-1]) is None:
        raise EditError(f"an edit of {len(line):,} bytes is too long for the journal: edit fewer images at once")
    return line


def _group(name: str, value: Any, _: int | None = None) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**31:
        raise EditError(f"{name}: pass the number of a group")
    return value


def _groups(name: str, value: Any, _: int | None = None) -> list[int]:
    if not isinstance(value, list) or len(value) < 2:
        raise EditError(f"{name}: pass the numbers of at least two groups")
    numbers = list(dict.fromkeys(_group(name, one) for one in value))
    if len(numbers) < 2:
        raise EditError(f"{name}: group {numbers[0]} cannot be merged with itself: pass at least two different groups")
    return numbers


def _group_count(name: str, value: Any, _: int | None = None) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value < 2**31:
        raise EditError(f"{name}: pass the number of groups to cut the tree into, at least 1")
    return value


def plain_text(value: Any, max_length: int) -> str | None:
    """A text of one line without white space at its ends; None if it is none, or is too long."""
    if not isinstance(value, str) or len(value) > max_length:
        return None
    return None if NOT_IN_NAMES.intersection(map(unicodedata.category, value)) else value.strip()


def _text(name: str, value: Any, _: int | None = None) -> str:
    found = plain_text(value, MAX_NAME_LENGTH)
    if found is None:
        raise EditError(f"{name}: pass a text of one line and at most {MAX_NAME_LENGTH} characters")
    return found


def _revision(name: str, value: Any, _: int | None = None) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value < 2**62:
        raise EditError(f"{name}: pass the revision that an edit made")
    return value


def _ids(name: str, value: Any, n_images: int | None) -> Any:
    """Ids in ascending order, each once, as int64."""
    highest = "" if n_images is None else f" to {n_images - 1}"
    error = EditError(f"{name}: pass a list of ids, from 0{highest}")
    if isinstance(value, np.ndarray):  # from a line of the journal
        ids = value
    elif isinstance(value, list) and all(type(one) is int and 0 <= one < 2**62 for one in value):
        ids = np.array(value, np.int64)
    else:
        raise error
    if not len(ids) or ids.min() < 0 or (n_images is not None and ids.max() >= n_images):
        raise error
    return np.unique(ids)


def _mark(name: str, value: Any, _: int | None = None) -> str:
    if not isinstance(value, str) or value not in MARKS:
        raise EditError(f"{name}: choose among {', '.join(MARKS)}")
    return value


def _issue(name: str, value: Any, _: int | None = None) -> str:
    if not isinstance(value, str) or value not in ISSUES:
        raise EditError(f"{name}: choose among {', '.join(ISSUES)}")
    return value


def _verdict(name: str, value: Any, _: int | None = None) -> str:
    if not isinstance(value, str) or value not in VERDICTS:
        raise EditError(f"{name}: choose among {', '.join(VERDICTS)}")
    return value


def _flag(name: str, value: Any, _: int | None = None) -> bool:
    if not isinstance(value, bool):
        raise EditError(f"{name}: pass true or false")
    return value


FieldCheck = Callable[[str, Any, int | None], Any]
FIELDS: dict[str, dict[str, FieldCheck]] = {
    "name": {"group": _group, "name": _text},
    "split": {"group": _group},
    "merge": {"groups": _groups, "name": _text},
    "gather": {"ids": _ids, "name": _text},
    "cut": {"n": _group_count},
    "label": {"ids": _ids, "label": _text},
    "mark": {"ids": _ids, "mark": _mark, "on": _flag},
    "review": {"ids": _ids, "issue": _issue, "verdict": _verdict},
    "undo": {"of": _revision},
    "redo": {"of": _revision},
}
OPTIONAL = {"merge": ("name",), "gather": ("name",), "undo": ("of",), "redo": ("of",)}
