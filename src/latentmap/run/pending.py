"""Changes to a finished run. They are made in a folder of their own and then swapped in, so the run stays usable.

A finished run is never written to piece by piece. What a command makes of it goes into ``.pending``, a run of its own
whose unchanged files are links to those of the finished one. When all of it is whole, the folder is renamed to
``.swap``, its files are moved over the old ones, run.json as the last, and old files that the new run does not have are
removed. A command that is killed before the renaming leaves the old run, and the same command resumes; one that is
killed after it is completed by the next command that locks the run.
"""

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from latentmap.core.atomic_files import TEMPORARY, remove_leftovers, write_bytes
from latentmap.run.carrying import carry_over
from latentmap.run.edits import EDITS_FILE
from latentmap.run.layout import ADDED, CHECKPOINT
from latentmap.run.lock import journal_locked
from latentmap.run.state import STATE_FILE, added_folders, read_state, stages_of, write_state

PENDING, SWAP = ".pending", ".swap"
# Lines for the journal of edits that go in with the swap.
CARRIED = "carried.jsonl"


def is_finished(state: dict[str, Any]) -> bool:
    """Whether all stages of a run are done."""
    return all(state["stages"].get(stage, {}).get("state") == "done" for stage in stages_of(state))


def home_of(folder: Path) -> Path:
    """The folder of the run, from that folder or from the pending one inside it."""
    return folder.parent if folder.name == PENDING else folder


def settle(folder: Path) -> Path:
    """Complete what a killed process left in a run that is locked, and return the folder to continue in."""
    for inner in _own_folders(folder):
        remove_leftovers(inner)
    if (folder / SWAP).is_dir():
        _swap(folder)
    pending = folder / PENDING
    if pending.exists() and not (pending / STATE_FILE).exists():  # killed while it was begun
        shutil.rmtree(pending)
    return pending if pending.exists() else folder


def begin(folder: Path, state: dict[str, Any], redone: Iterable[str]) -> Path:
    """Begin a pending run beside a finished one, with all of its files but those of the stages that are redone."""
    pending = folder / PENDING
    pending.mkdir()
    for stage, record in state["stages"].items():
        if stage not in redone:
            take_over(folder, pending, record["files"])
    for part in added_folders(folder, state):
        take_over(folder, pending, [file.relative_to(folder).as_posix() for file in part.rglob("*") if file.is_file()])
    write_state(pending, state)
    return pending


def take_over(folder: Path, pending: Path, names: Iterable[str]) -> None:
    """Link files of the finished run into the pending one; copy them where there are no links."""
    for name in names:
        if not (folder / name).is_file():
            continue
        (pending / name).parent.mkdir(parents=True, exist_ok=True)
        (pending / name).unlink(missing_ok=True)
        try:
            os.link(folder / name, pending / name)
        except OSError:
            shutil.copyfile(folder / name, pending / name)


def discard(folder: Path) -> None:
    """Remove what is pending; the finished run stays as it is."""
    if (folder / PENDING).exists():
        shutil.rmtree(folder / PENDING)


def commit(folder: Path) -> list[str]:
    """Replace the run by the pending one and return messages. After the first renaming it can only be completed."""
    pending = folder / PENDING
    _remove_unused(pending, read_state(pending))
    if not (folder / EDITS_FILE).exists():
        pending.rename(folder / SWAP)
        _swap(folder)
        return []
    with journal_locked(folder):  # so that no edit comes between
        lines, said = carry_over(folder, pending)
        if lines:
            write_bytes(pending / CARRIED, lines)
        pending.rename(folder / SWAP)
        _swap(folder)
    return said


def _swap(folder: Path) -> None:
    """Move the files of a complete new run over the old ones. It may be interrupted and called again at any point."""
    swap = folder / SWAP
    if (swap / STATE_FILE).exists():
        new, old = read_state(swap), read_state(folder)
        _carry(folder, swap)
        names = sorted(_files_below(swap), key=_order)
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (swap / name).replace(folder / name)
        _remove_stale(folder, old, new)
        (swap / STATE_FILE).replace(folder / STATE_FILE)
    shutil.rmtree(swap)


def _order(name: str) -> tuple[bool, str]:
    """The atlas is moved last, so that a reader of the new atlas finds everything that it refers to."""
    return name == "atlas.parquet", name


def _files_below(swap: Path) -> list[str]:
    found = (path.relative_to(swap).as_posix() for path in swap.rglob("*") if path.is_file())
    return [name for name in found if name not in (STATE_FILE, CARRIED, CHECKPOINT) and not TEMPORARY.search(name)]


def _carry(folder: Path, swap: Path) -> None:
    """Append the transferred edits to the journal, once."""
    path = swap / CARRIED
    if not path.exists():
        return
    lines = path.read_bytes()
    journal = folder / EDITS_FILE
    held = journal.read_bytes() if journal.exists() else b""
    if lines not in held:
        held = held[: held.rfind(b"\n") + 1]  # without a torn line
        with journal.open("r+b" if journal.exists() else "wb") as file:
            file.truncate(len(held))
            file.seek(len(held))
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())


def _remove_stale(folder: Path, old: dict[str, Any], new: dict[str, Any]) -> None:
    """Remove files of the old run that the new one does not have."""
    kept = {name for record in new["stages"].values() for name in record["files"]}
    for record in old["stages"].values():
        for name in record["files"]:
            if name not in kept:
                (folder / name).unlink(missing_ok=True)
    _remove_unused(folder, new)
    (folder / CHECKPOINT).unlink(missing_ok=True)


def _remove_unused(folder: Path, state: dict[str, Any]) -> None:
    """Remove folders of additions that are not in run.json: those of a killed process or of an older run."""
    named = {part.name for part in added_folders(folder, state)}
    with suppress(FileNotFoundError):
        for part in list((folder / ADDED).iterdir()):
            if part.name not in named:
                shutil.rmtree(part)
        if not named:
            (folder / ADDED).rmdir()


def _own_folders(folder: Path) -> list[Path]:
    """The folders inside the run that stages write to."""
    own = []
    for run in (folder, folder / PENDING, folder / SWAP):
        parts = [part / inner for part in run.glob(f"{ADDED}/*") for inner in ("", "cache")]
        own += [run, *(run / name for name in ("cache", "model", "figures")), *parts]
    return [path for path in own if path.is_dir() and not path.is_symlink()]
