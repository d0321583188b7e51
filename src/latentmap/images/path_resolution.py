"""Resolution of the paths in a table to files."""

import os
import re
import unicodedata

import numpy as np

NO_PATH_REASON = "no path in this row"
ABSOLUTE_PATH = re.compile(r"^([A-Za-z]:)?[/\\]")
N_TESTED_PATHS = 100  # absolute paths, to find the folder that all of them share


def resolve_paths(
    root: str, given: list[str | None], table: str, encoding: str = "utf-8"
) -> tuple[list[str], dict[int, str]]:
    r"""Resolve the paths in a table to names of files.

    A path is kept if the file exists. Otherwise backslashes are tried as slashes, accented letters as one or as two
    characters (macOS), and non-ASCII names as bytes in the encoding of the table. Absolute paths of another machine,
    such as ``C:\data\cats\1.png``, are tried without their common folders, removing as few of them as possible.

    Parameters
    ----------
    root : str
        Folder that the names are relative to.
    given : list of str or None
        Paths in the table, (n,).
    table : str
        Name of the table.
    encoding : str, default="utf-8"
        Encoding of the table.

    Returns
    -------
    names : list of str
        Names relative to ``root``, (n,); the given path if no file is found.
    failures : dict of int to str
        Why rows name no file: the path is empty, or a previous row has the same file.
    """
    names: list[str] = []
    failures: dict[int, str] = {}
    missing = []
    for i, written in enumerate(given):
        if written is None or not written.strip():
            failures[i] = NO_PATH_REASON
            names.append(f"{table}[{i}]")
            continue
        name = _normalize(written)
        candidates = (
            [name]
            if _exists(root, name)
            else [candidate for candidate in _alternative_names(name, encoding) if _exists(root, candidate)]
        )
        if not candidates:
            missing.append(i)
        names.append(candidates[0] if candidates else name)
    for i, name in _strip_common_folders(root, {i: names[i] for i in missing if ABSOLUTE_PATH.match(names[i])}).items():
        names[i] = name
    return names, failures | find_repeated(names, failures)


def _normalize(name: str) -> str:
    """Remove ``./`` and repeated slashes from a path."""
    if os.sep == "\\":
        name = name.replace("\\", "/")
    if name.startswith("./") or "/./" in name or "//" in name[1:]:
        parts = [part for part in name.split("/") if part not in ("", ".")]
        return ("/" if name.startswith("/") else "") + "/".join(parts)
    return name


def _exists(root: str, name: str) -> bool:
    return os.path.lexists(os.path.join(root, name))  # noqa: PTH118 - names need not be valid paths


def _alternative_names(name: str, encoding: str) -> list[str]:
    """Alternative names of a file. Most names have none, so that a missing file costs one file system access."""
    found = [name.strip()]
    if "\\" in name:
        found.append(_normalize(name.strip().replace("\\", "/")))
    if not name.isascii():
        found += [unicodedata.normalize(form, one) for form in ("NFC", "NFD") for one in (name, found[-1])]
        if not encoding.startswith("utf"):
            found.append(name.encode(encoding, "replace").decode("utf-8", "surrogateescape"))
    return [candidate for candidate in dict.fromkeys(found) if candidate != name]


def _strip_common_folders(root: str, absolute: dict[int, str]) -> dict[int, str]:
    """Map absolute paths of another machine to files below ``root``, without their common folders."""
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
    tested = [rows[i] for i in np.unique(np.linspace(0, len(rows) - 1, min(len(rows), N_TESTED_PATHS)).astype(int))]
    for n_left_out in range(1, common + 1):
        if any(_exists(root, "/".join(parts[i][n_left_out:])) for i in tested):
            names = {i: "/".join(part[n_left_out:]) for i, part in parts.items()}
            return {i: name for i, name in names.items() if _exists(root, name)}
    return {}


def find_repeated(names: list[str], failures: dict[int, str]) -> dict[int, str]:
    """Find the rows that name the same file as an earlier row.

    Parameters
    ----------
    names : list of str
        Names of the files, (n,).
    failures : dict of int to str
        Why rows name no file.

    Returns
    -------
    dict of int to str
        The reason, by row.
    """
    seen: dict[str, int] = {}
    found = {}
    for i, name in enumerate(names):
        if i in failures:
            continue
        first = seen.setdefault(os.path.normcase(os.path.normpath(name) if ".." in name else name), i)
        if first != i:
            found[i] = f"row {first + 1} of the table has the same file"
    return found
