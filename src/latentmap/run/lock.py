"""One process at a time in a run's folder."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from latentmap.run.state import RunError

FILE = ".lock"
JOURNAL = ".edits-lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder. The operating system lets go of it when the process ends, however it ends.

    Raises
    ------
    RunError
        If another process holds it.
    """
    with (folder / FILE).open("a+b") as file:
        try:
            _lock(file.fileno(), wait=False)
        except OSError as error:
            raise RunError(
                f"{folder}: another latentmap is writing to this run: wait for it, or use another folder"
            ) from error
        yield


@contextmanager
def journal_locked(folder: Path) -> Iterator[None]:
    """Hold the journal of edits for the moment that an entry takes, and wait for it if need be."""
    with (folder / JOURNAL).open("a+b") as file:
        _lock(file.fileno(), wait=True)
        yield


def _lock(descriptor: int, *, wait: bool) -> None:
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
