"""Doing one stage of a run, and recording it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from latentmap.core.memory import release_memory, shortage
from latentmap.run.stages import Work
from latentmap.run.state import RunMemoryError, dependents, describe_files, write_state

SECONDS_BETWEEN_LOOKS = 0.05


def do(stage: str, key: str, function: Callable[[Work], list[str]], work: Work, state: dict[str, Any]) -> float:
    """Run one stage, and record it. What was made from an older version of it is removed first."""
    for stale in (stage, *dependents(stage)):
        record = state["stages"].pop(stale, None)
        for name in record["files"] if record else ():
            (work.folder / name).unlink(missing_ok=True)
    state["stages"][stage] = {"state": "running", "key": key, "files": {}}
    write_state(work.folder, state)
    begun = time.perf_counter()
    with peak_memory() as peak, memory_in_words(work.home, stage):
        files = function(work)
        release_memory()
    seconds = time.perf_counter() - begun
    state["stages"][stage] = {
        "state": "done",
        "key": key,
        "seconds": round(seconds, 3),
        "peak_memory_mb": round(peak[0] / 2**20),
        "files": describe_files(work.folder, files),
    }
    write_state(work.folder, state)
    return seconds


@contextmanager
def memory_in_words(folder: Path, what: str) -> Iterator[None]:
    """Turn whatever a library raises when memory runs out into a RunMemoryError that says how much is missing."""
    try:
        yield
    except RunMemoryError:
        raise
    except (MemoryError, OSError, RuntimeError) as error:
        said = shortage(error)
        if said is None:
            raise
        raise RunMemoryError(
            f"{folder}: {what} {said}: close other programs, or make images smaller (size), the latent vectors "
            "shorter (latent_dim) or the collection smaller"
        ) from error


@contextmanager
def peak_memory() -> Iterator[list[int]]:
    """Watch the resident memory of this process and its children; the list holds the largest sum seen, in bytes."""
    process = psutil.Process()
    peak = [_resident(process)]
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(SECONDS_BETWEEN_LOOKS):
            peak[0] = max(peak[0], _resident(process))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()


def _resident(process: psutil.Process) -> int:
    total = int(process.memory_info().rss)
    with suppress(psutil.Error):
        for child in process.children():
            with suppress(psutil.Error):
                total += int(child.memory_info().rss)
    return total
