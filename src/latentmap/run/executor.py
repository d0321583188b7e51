"""Running one stage of a run, and recording it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from latentmap.core.errors import RunMemoryError
from latentmap.core.memory import release_memory, shortage
from latentmap.run import pending
from latentmap.run.state import (
    dependents,
    describe_files,
    is_done,
    read_state,
    stages_of,
    write_state,
)
from latentmap.run.work import Work

SECONDS_BETWEEN_SAMPLES = 0.05


def run_stage(work: Work, stage: str, function: Callable[[Work], list[str]]) -> bool:
    """Run one stage and record it in run.json, unless it is done already.

    Parameters
    ----------
    work : Work
        Work on a run that is locked; ``keys`` has the key of the stage.
    stage : str
        One of the stages of the run.
    function : callable
        Takes the work, writes the files of the stage, and returns their names below the folder of the work.

    Returns
    -------
    bool
        Whether the stage was run. It is kept if it was done with the same key, and its files are unchanged.

    Raises
    ------
    RunMemoryError
        If the stage needs more memory than there is.
    """
    key = work.keys[stage]
    if _is_kept(work, stage, key):
        work.say(f"{stage}: kept")
        return False
    work.set_aside(stage)
    seconds = _run(work, stage, key, function)
    work.say(f"{stage}: done in {seconds:.1f} s")
    return True


def drop_stages(work: Work) -> None:
    """Remove stages that the run had with other options, and their files."""
    records = work.state["stages"]
    for stage in [one for one in records if one not in stages_of(work.state)]:
        work.set_aside(stage)
        for name in records.pop(stage)["files"]:
            (work.folder / name).unlink(missing_ok=True)
        write_state(work.folder, work.state)


def _run(work: Work, stage: str, key: str, function: Callable[[Work], list[str]]) -> float:
    """Run a stage and return the seconds it took. The files of an older version of it are removed first."""
    records = work.state["stages"]
    for stale in (stage, *dependents(stage, stages_of(work.state))):
        record = records.pop(stale, None)
        for name in record["files"] if record else ():
            (work.folder / name).unlink(missing_ok=True)
    records[stage] = {"state": "running", "key": key, "files": {}}
    write_state(work.folder, work.state)
    begun = time.perf_counter()
    with peak_memory() as peak, memory_in_words(work.home, stage):
        files = function(work)
        release_memory()
    seconds = time.perf_counter() - begun
    records[stage] = {
        "state": "done",
        "key": key,
        "seconds": round(seconds, 3),
        "peak_memory_mb": round(peak[0] / 2**20),
        "files": describe_files(work.folder, files),
    }
    write_state(work.folder, work.state)
    return seconds


def _is_kept(work: Work, stage: str, key: str) -> bool:
    """Whether a stage is done already: in this folder, or in the finished run beside which it is made again."""
    state = work.state
    if is_done(work.folder, state["stages"].get(stage), key):
        return True
    if work.folder == work.home:
        return False
    finished = read_state(work.home)
    record = finished["stages"].get(stage)
    if record is None or not is_done(work.home, record, key) or not _has_same_needs(stage, state, finished):
        return False
    for name in state["stages"].get(stage, {"files": {}})["files"]:
        (work.folder / name).unlink(missing_ok=True)
    pending.take_over(work.home, work.folder, record["files"])
    state["stages"][stage] = record
    if stage == "decode":
        state["source"] = finished["source"]
    write_state(work.folder, state)
    return True


def _has_same_needs(stage: str, state: dict[str, Any], finished: dict[str, Any]) -> bool:
    """Whether the stages that a stage needs, if they were done again, gave the files that it was made from."""
    stages = stages_of(state)
    needs = [one for one in stages if one != stage] if stage == "report" else stages[stage]  # it shows all of them
    return all(
        state["stages"].get(need, {}).get("files") == finished["stages"].get(need, {}).get("files") for need in needs
    )


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
        while not ended.wait(SECONDS_BETWEEN_SAMPLES):
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
