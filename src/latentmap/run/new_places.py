"""Places for files and folders that are made from runs: new ones, and none among the runs' own files."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from latentmap.core.atomic_files import resolved, user_path
from latentmap.core.errors import RunError
from latentmap.run.new_files import new_file, new_folder
from latentmap.run.resumed_folders import resumed_folder
from latentmap.run.run import Run
from latentmap.run.state import check_encodable

EXPORTS_FOLDER = "exports"  # of a run, where exports may lie inside it


@contextmanager
def new_place(out: str | Path, runs: Sequence[Run], *, is_file: bool, is_resumed: bool = False) -> Iterator[Path]:
    """Yield a temporary file or folder that is renamed to ``out`` if the block succeeds.

    Parameters
    ----------
    out : path
        A new file, or a new or empty folder.
    runs : sequence of Run
        Runs whose own files it must not be among; below their ``exports`` it may be.
    is_file : bool
    is_resumed : bool, default=False
        Keep a folder that is not finished for the next try; see :func:`latentmap.run.resumed_folders.resumed_folder`.

    Raises
    ------
    RunError
        When something is in the way.
    """
    out = user_path(out)
    target, called = place_of(out), "file" if is_file else "folder"
    for run in runs:
        check_place(run, out, target, is_file=is_file)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with (resumed_folder if is_resumed else new_file if is_file else new_folder)(target) as making:
            yield making
    except FileExistsError as error:
        raise RunError(f"{out}: appeared while it was made: name a new {called}") from error
    except OSError as error:
        if error.filename != str(target) or not target.is_dir():
            raise
        raise RunError(f"{out}: cannot be replaced ({error.strerror}): name a new folder in it") from error


def place_of(out: str | Path) -> Path:
    """The absolute path; for an existing folder that is a link, its target."""
    path = Path(out)
    return resolved(path) if path.is_dir() else resolved(path.parent) / path.name


def check_place(run: Run, out: Path, target: Path, *, is_file: bool) -> None:
    """Check that a place is free and not among the files of a run itself.

    Raises
    ------
    RunError
        If it is not.
    """
    called = "file" if is_file else "folder"
    if is_file:  # written by Arrow
        check_encodable(target)
    is_taken = target.is_symlink() or target.exists()
    if is_taken and (is_file or not target.is_dir() or any(target.iterdir())):
        raise RunError(f"{out}: there already: name a new {called}")
    own = run.path.resolve()
    if target.is_relative_to(own) and not target.parent.is_relative_to(own / EXPORTS_FOLDER):
        raise RunError(
            f"{out}: inside the run, where only the run's own files lie: name a {called} outside of it, or "
            f"{run.path / EXPORTS_FOLDER / target.name}"
        )
