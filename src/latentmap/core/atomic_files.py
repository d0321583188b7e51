"""Files that are either whole or not there."""

import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path

import psutil

# Temporary files: the process that makes one and a random part, so that nobody can lay a file or a link in its way.
TEMPORARY = re.compile(r"\.latentmap-(?P<process>\d+)-[0-9a-f]{16}\.tmp")
# Those that this process is writing now.
_in_use: set[str] = set()


def user_path(path: str | os.PathLike[str]) -> Path:
    """A path that a user passes: ``~`` stands for the home folder, as it does in a shell."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path's own raises for ~ before the name of no user


def resolved(path: str | os.PathLike[str]) -> Path:
    """An absolute path without links. A link that leads to itself is kept, where ``Path.resolve`` raises."""
    return Path(os.path.realpath(path))


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a temporary file beside ``path``; what is written there is flushed and renamed when the block ends well.

    The file has a hidden name that nobody can foresee, is made by this call alone, and has the permissions that
    ``open`` would give it.
    """
    temporary = _make_temporary(path)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        try:
            temporary.replace(path)
        except OSError as error:
            error.filename, error.filename2 = str(path), None  # the name that the user knows
            raise
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        _in_use.discard(temporary.name)


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` so that ``path`` is whole or as it was."""
    with whole(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """:func:`write_bytes` of UTF-8 text with one newline at its end.

    The name of a file need not be UTF-8. What cannot be encoded is written as an escape, which JSON reads back.
    """
    write_bytes(path, (text.rstrip("\n") + "\n").encode(errors="backslashreplace"))


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hidden_name(path: Path) -> Path:
    """Name for a temporary file or folder beside ``path``, with a random part that nobody can foresee."""
    return path.with_name(f".latentmap-{os.getpid()}-{secrets.token_hex(8)}.tmp")


def numbered(name: str) -> Iterator[str]:
    """The name, then the name with 2, 3, … behind it: scans, scans-2, scans-3, …"""
    return chain([name], (f"{name}-{number}" for number in count(2)))


def is_leftover(name: str) -> bool:
    """Whether this is the name of a temporary file of :func:`whole` that no process is writing any more."""
    found = TEMPORARY.fullmatch(name)
    if found is None or name in _in_use:
        return False
    process = int(found["process"])
    return process == os.getpid() or not psutil.pid_exists(process)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that killed processes left in a folder."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if is_leftover(entry.name)]
    for name in names:
        with suppress(OSError):  # another process may be at the same
            (folder / name).unlink(missing_ok=True)


def _make_temporary(path: Path) -> Path:
    """An empty file beside ``path`` that was not there before."""
    temporary = hidden_name(path)
    _in_use.add(temporary.name)
    try:
        # not tempfile.mkstemp, whose files nobody else may read
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except OSError as error:
        _in_use.discard(temporary.name)
        error.filename = str(path)  # the name that the user knows
        raise
    return temporary
