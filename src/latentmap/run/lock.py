"""One process at a time in a run's folder."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from latentmap.run.state import RunError

FILE = ".lock"


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
            _lock(file.fileno())
        except OSError as error:
            raise RunError(
                f"{folder}: another latentmap is writing to this run: wait for it, or use another folder"
            ) from error
        yield


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
