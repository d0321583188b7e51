"""One process at a time in a run's folder."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from latentmap.core.errors import RunError

FILE = ".lock"
JOURNAL = ".edits-lock"
# Errors of operating systems when another process holds the lock; EDEADLK is Windows' after waiting.
IN_USE = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK}


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder. The operating system lets go of it when the process ends, however it ends.

    Raises
    ------
    RunError
        If another process holds it, or the file system has no locks.
    """
    with _held(folder, FILE, wait=False):
        yield


@contextmanager
def journal_locked(folder: Path) -> Iterator[None]:
    """Hold the journal of edits for the moment that an entry takes, and wait for it if need be.

    Raises
    ------
    RunError
        If the file system has no locks.
    """
    with _held(folder, JOURNAL, wait=True):
        yield


@contextmanager
def _held(folder: Path, name: str, *, wait: bool) -> Iterator[None]:
    try:
        # a stranger's link is not followed
        descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
    except FileNotFoundError as error:
        raise RunError(f"{folder}: no such folder: pass a folder that `latentmap run` made") from error
    except OSError as error:
        raise RunError(
            f"{folder}: cannot be written to ({error.strerror}): copy the run to a folder that is yours"
        ) from error
    try:
        try:
            _lock(descriptor, wait=wait)
        except OSError as error:
            if error.errno in IN_USE:
                raise RunError(
                    f"{folder}: another latentmap is writing to this run: wait for it, or use another folder"
                ) from error
            raise RunError(
                f"{folder}: its file system has no locks ({error.strerror}), so that two processes could write to the "
                "run at once: make the run on a local disk, and copy it there when it is done"
            ) from error
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, *, wait: bool) -> None:
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
