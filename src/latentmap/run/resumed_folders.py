"""Folders that take long to make: they are made under a hidden name, resumed if that was interrupted, and renamed."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from latentmap.core.atomic_files import TEMPORARY, write_text
from latentmap.core.errors import LatentmapError, RunError
from latentmap.run.lock import LOCK_FILE, export_locked
from latentmap.run.new_files import errors_about, rename_folder

UNFINISHED = ".unfinished"  # the file by which such a folder is known; its text says what is made in it
OWN = (LOCK_FILE, UNFINISHED)


@contextmanager
def resumed_folder(path: Path) -> Iterator[Path]:
    """Yield a folder beside ``path`` that is renamed to it if the block succeeds, and else kept for the next try.

    The next try for the same path gets the folder as it was left: the block calls :func:`begin_in`, and writes each
    file atomically. One process at a time makes it. An empty folder of that name is replaced. If the block raises a
    :class:`~latentmap.core.errors.LatentmapError`, which a further try would meet too, what was made is removed.

    Raises
    ------
    RunError
        If another process makes it, or something else has the hidden name.
    OSError
        If something has the name by then, or an empty folder cannot be replaced.
    """
    making = hidden_folder(path)
    with errors_about(path):
        making.mkdir(exist_ok=True)
        is_known = (making / UNFINISHED).is_file() or not any(map(_is_foreign, making.iterdir()))
        if making.is_symlink() or not is_known:
            raise RunError(f"{making}: in the way of {path.name}, and not made by latentmap: move it elsewhere")
    with export_locked(making, path):
        try:
            yield making
        except LatentmapError:
            shutil.rmtree(making, ignore_errors=True)
            raise
    with errors_about(path):
        rename_folder(making, path)
    for name in OWN:
        (path / name).unlink(missing_ok=True)


def hidden_folder(path: Path) -> Path:
    """Where :func:`resumed_folder` makes a folder."""
    return path.with_name(f".latentmap-{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]}.part")


def begin_in(making: Path, text: str) -> int:
    """Begin or resume what is made in a folder of :func:`resumed_folder`.

    Parameters
    ----------
    making : Path
        The folder.
    text : str
        Identifies what is made, in one line. If the folder has the files of something else, they are removed.

    Returns
    -------
    int
        Number of files that are there already.
    """
    try:
        is_same = (making / UNFINISHED).read_text(encoding="utf-8").rstrip("\n") == text
    except (OSError, ValueError):
        is_same = False
    if not is_same:
        _empty(making)
        write_text(making / UNFINISHED, text)
    n_files = 0
    for file in [file for file in making.rglob("*") if file.is_file() and file.name not in OWN]:
        if TEMPORARY.fullmatch(file.name):  # of a process that was killed: only this one has the lock
            file.unlink()
        else:
            n_files += 1
    return n_files


def _is_foreign(entry: Path) -> bool:
    return entry.name != LOCK_FILE and TEMPORARY.fullmatch(entry.name) is None


def _empty(folder: Path) -> None:
    """Remove all but the lock."""
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != LOCK_FILE:
            entry.unlink()
