"""Locks that let one process at a time write to a run."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from latentmap.core.errors import RunError

LOCK_FILE = ".lock"
JOURNAL_LOCK_FILE = ".edits-lock"
POLL_SECONDS = 0.01  # between two attempts to lock the journal, which is held for milliseconds


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a run. The operating system releases it when the process ends, even if it is killed.

    Parameters
    ----------
    folder : Path
        Folder of the run.

    Raises
    ------
    RunError
        If another process holds the lock, the folder does not exist or cannot be written to, or its file system has
        no locks.
    """
    with _held(folder, LOCK_FILE, wait=False):
        yield


@contextmanager
def journal_locked(folder: Path) -> Iterator[None]:
    """Hold the lock of the journal of edits while an entry is appended; wait while another process holds it.

    Parameters
    ----------
    folder : Path
        Folder of the run.

    Raises
    ------
    RunError
        If the folder does not exist or cannot be written to, or its file system has no locks.
    """
    with _held(folder, JOURNAL_LOCK_FILE, wait=True):
        yield


@contextmanager
def export_locked(folder: Path, out: Path) -> Iterator[None]:
    """Hold the lock of a folder in which an export is made.

    Parameters
    ----------
    folder : Path
        The folder.
    out : Path
        The name that the export will have, for the message.

    Raises
    ------
    RunError
        If another process holds the lock, or the folder cannot be written to or its file system has no locks.
    """
    busy = f"{out}: another latentmap is making it: wait for it, or name another folder"
    with _held(folder, LOCK_FILE, wait=False, busy=busy):
        yield


@contextmanager
def _held(folder: Path, name: str, *, wait: bool, busy: str = "") -> Iterator[None]:
    from filelock import lock_descriptor

    try:
        # opened here rather than by filelock.FileLock, so that the file is never removed and no link is followed
        descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
    except FileNotFoundError as error:
        raise RunError(f"{folder}: no such folder: pass a folder that `latentmap run` made") from error
    except OSError as error:
        raise RunError(
            f"{folder}: cannot be written to ({error.strerror}): copy the run to a folder that is yours"
        ) from error
    try:
        try:
            is_held = lock_descriptor(descriptor, blocking=wait, poll_interval=POLL_SECONDS)
        except OSError as error:
            raise RunError(
                f"{folder}: its file system has no locks ({error.strerror}), so that two processes could write to the "
                "run at once: make the run on a local disk, and copy it there when it is done"
            ) from error
        if not is_held:
            raise RunError(
                busy or f"{folder}: another latentmap is writing to this run: wait for it, or use another folder"
            )
        yield
    finally:
        os.close(descriptor)
