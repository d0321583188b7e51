"""Atomic writing of files: a file is either complete or unchanged."""

import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path

import psutil

# Name of a temporary file: the process that creates it, and a random part that cannot be predicted.
TEMPORARY = re.compile(r"\.latentmap-(?P<process>\d+)-[0-9a-f]{16}\.tmp")
# Temporary files that this process is writing.
_own_temporaries: set[str] = set()


def user_path(path: str | os.PathLike[str]) -> Path:
    """Convert a path from a user to a Path, with ``~`` expanded to the home folder."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser raises for an unknown user


def resolved(path: str | os.PathLike[str]) -> Path:
    """An absolute path without links. A link that leads to itself is kept, where ``Path.resolve`` raises."""
    return Path(os.path.realpath(path))


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Context manager for atomic writing: yield a temporary file that replaces ``path`` if the block succeeds.

    The temporary file lies in the folder of ``path``, has a hidden name that cannot be predicted, and the permissions
    that ``open`` would give it. It is flushed to disk before it is renamed, and removed if the block fails.

    Parameters
    ----------
    path : Path
        File to create or replace.

    Yields
    ------
    Path
        Empty temporary file to write to.

    Raises
    ------
    OSError
        If the file cannot be created, written or renamed.
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
        _own_temporaries.discard(temporary.name)


def write_bytes(path: Path, data: bytes) -> None:
    """Write bytes to a file atomically; see :func:`atomic_write`."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write text to a file atomically, as UTF-8 with exactly one newline at the end.

    Names of files need not be UTF-8. What cannot be encoded is written as an escape, which JSON reads back.
    """
    write_bytes(path, (text.rstrip("\n") + "\n").encode(errors="backslashreplace"))


def sha256(path: Path) -> str:
    """Compute the SHA-256 digest of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hidden_name(path: Path) -> Path:
    """Name for a temporary file or folder in the folder of ``path``, with a random part that cannot be predicted."""
    return path.with_name(f".latentmap-{os.getpid()}-{secrets.token_hex(8)}.tmp")


def numbered(name: str) -> Iterator[str]:
    """Iterate over a name and its numbered variants: scans, scans-2, scans-3, …"""
    return chain([name], (f"{name}-{number}" for number in count(2)))


def is_leftover(name: str) -> bool:
    """Whether a name is that of a temporary file of :func:`atomic_write` that no process is writing any more."""
    found = TEMPORARY.fullmatch(name)
    if found is None or name in _own_temporaries:
        return False
    process = int(found["process"])
    return process == os.getpid() or not psutil.pid_exists(process)


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files that killed processes left in a folder."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if is_leftover(entry.name)]
    for name in names:
        with suppress(OSError):  # another process may remove it too
            (folder / name).unlink(missing_ok=True)


def _make_temporary(path: Path) -> Path:
    """Create a new empty file in the folder of ``path``."""
    temporary = hidden_name(path)
    _own_temporaries.add(temporary.name)
    try:
        # not tempfile.mkstemp, whose files only their owner can read
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except OSError as error:
        _own_temporaries.discard(temporary.name)
        error.filename = str(path)  # the user knows this name, not the temporary one
        raise
    return temporary
