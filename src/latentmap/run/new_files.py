"""New files and folders: they are made under a hidden name and renamed without replacing anything."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from latentmap.core.atomic_files import hidden_name


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a temporary file beside ``path``, which is flushed and renamed to it if the block succeeds.

    Raises
    ------
    FileExistsError
        If something has the name by then.
    """
    temporary = hidden_name(path)
    with errors_about(path):
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        with errors_about(path):
            _give_name(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``, which is renamed to it if the block succeeds.

    An empty folder of that name is replaced.

    Raises
    ------
    OSError
        If something has the name by then, or an empty folder cannot be replaced.
    """
    making = hidden_name(path)
    with errors_about(path):
        making.mkdir()
    try:
        yield making
        with errors_about(path):
            rename_folder(making, path)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def rename_folder(making: Path, path: Path) -> None:
    """Give a folder its name, in the place of an empty folder if there is one."""
    if os.name == "nt" and path.is_dir():  # where renaming replaces nothing
        path.rmdir()
    making.rename(path)


@contextmanager
def errors_about(path: Path) -> Iterator[None]:
    """Replace the hidden name in errors by the path that the user knows."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise


def _give_name(temporary: Path, path: Path) -> None:
    """Rename without replacing anything."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):  # a file system without hard links
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        temporary.replace(path)
