"""Which file each path of a table means."""

import os
import re
import unicodedata

import numpy as np

NO_PATH = "no path in this row"
ABSOLUTE = re.compile(r"^([A-Za-z]:)?[/\\]")
N_TRIED = 100  # of the absolute paths, for the folder that all of them lie below


def resolve(
    root: str, given: list[str | None], table: str, encoding: str = "utf-8"
) -> tuple[list[str], dict[int, str]]:
    r"""The names below ``root`` of files that a table names, and why some rows name none.

    A name is taken as it is when there is such a file. Else backslashes are read as slashes, letters with marks may be
    of one or of two characters, as those of macOS are, and names may be bytes in the encoding of the table. Absolute
    paths of another machine, ``C:\data\cats\1.png``, are looked for without the folders that all of them begin with,
    first with few of these left out, then with more.

    Returns
    -------
    names : list of str
        As it was given where no file is found.
    failures : dict of int to str
        Rows without a path, and rows whose file another row has named before.
    """
    names: list[str] = []
    failures: dict[int, str] = {}
    missing = []
    for i, written in enumerate(given):
        if written is None or not written.strip():
            failures[i] = NO_PATH
            names.append(f"{table}[{i}]")
            continue
        name = _tidy(written)
        ways = [name] if _exists(root, name) else [way for way in _other_ways(name, encoding) if _exists(root, way)]
        if not ways:
            missing.append(i)
        names.append(ways[0] if ways else name)
    for i, name in _without_common_folders(root, {i: names[i] for i in missing if ABSOLUTE.match(names[i])}).items():
        names[i] = name
    return names, failures | _named_before(names, failures)


def _tidy(name: str) -> str:
    """Without ``./`` and doubled slashes, as the name would be in a folder."""
    if os.sep == "\\":
        name = name.replace("\\", "/")
    if name.startswith("./") or "/./" in name or "//" in name[1:]:
        parts = [part for part in name.split("/") if part not in ("", ".")]
        return ("/" if name.startswith("/") else "") + "/".join(parts)
    return name


def _exists(root: str, name: str) -> bool:
    return os.path.lexists(os.path.join(root, name))  # noqa: PTH118 - names need not be valid paths


def _other_ways(name: str, encoding: str) -> list[str]:
    """Other names that a file may have; few names have any, so that a file that is not there costs one look."""
    found = [name.strip()]
    if "\\" in name:
        found.append(_tidy(name.strip().replace("\\", "/")))
    if not name.isascii():
        found += [unicodedata.normalize(form, one) for form in ("NFC", "NFD") for one in (name, found[-1])]
        if not encoding.startswith("utf"):
            found.append(name.encode(encoding, "replace").decode("utf-8", "surrogateescape"))
    return [way for way in dict.fromkeys(found) if way != name]


def _without_common_folders(root: str, absolute: dict[int, str]) -> dict[int, str]:
    """Absolute paths of another machine → names below ``root``, when so many can be found there."""
    parts = {
        i: re.sub(r"^[A-Za-z]:", "", name.replace("\\", "/")).strip("/").split("/") for i, name in absolute.items()
    }
    if not parts:
        return {}
    first, last = min(parts.values()), max(parts.values())
    common = 0
    for one, other in zip(first[:-1], last[:-1], strict=False):
        if one != other:
            break
        common += 1
    rows = list(parts)
    tried = [rows[i] for i in np.unique(np.linspace(0, len(rows) - 1, min(len(rows), N_TRIED)).astype(int))]
    for n_left_out in range(1, common + 1):
        if any(_exists(root, "/".join(parts[i][n_left_out:])) for i in tried):
            tails = {i: "/".join(part[n_left_out:]) for i, part in parts.items()}
            return {i: tail for i, tail in tails.items() if _exists(root, tail)}
    return {}


def _named_before(names: list[str], failures: dict[int, str]) -> dict[int, str]:
    seen: dict[str, int] = {}
    found = {}
    for i, name in enumerate(names):
        if i in failures:
            continue
        first = seen.setdefault(os.path.normcase(os.path.normpath(name) if ".." in name else name), i)
        if first != i:
            found[i] = f"row {first + 1} of the table names it too"
    return found
