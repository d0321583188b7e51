"""A finished run stays whole while it is made anew, and a command that stops anywhere is completed by the same one."""

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from quick_runs import OPTIONS, images

from latentmap.core import atomic_files
from latentmap.images import SourceError
from latentmap.run import STAGES, Run, RunError, RunOptions, add_images, make_run
from latentmap.run.edits import Journal

FILE_CALLS = [
    *[(os, name) for name in ("fsync", "replace", "unlink", "rename", "rmdir", "link", "remove", "mkdir", "truncate")],
]


class Killed(BaseException):
    """Stands for a kill: from then on nothing in the process reaches the disk."""


def killed_at(call: int, work: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> bool:
    """Do some work and kill it before so many calls that change the disk; whether it came to that."""
    n_calls = 0

    def counted(function: Callable, *arguments: object, **named: object) -> object:
        nonlocal n_calls
        n_calls += 1
        if n_calls > call:
            raise Killed
        return function(*arguments, **named)

    with monkeypatch.context() as patch:
        for module, name in FILE_CALLS:
            patch.setattr(module, name, partial(counted, getattr(module, name)))
        try:
            work()
        except Killed:
            atomic_files._own_temporaries.clear()  # as in another process
            return True
    return n_calls > call


def contents(folder: Path) -> dict[str, bytes]:
    """What a run says, by file; not the times that stages took."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in ("run.json", ".lock", ".edits-lock"):
            found[name] = path.read_bytes()
    return found


def check_usable(folder: Path, states: list[int]) -> None:
    """A reader finds the run whole: all of the old, or all of the new."""
    run = Run.open(folder)
    atlas = run.atlas()
    assert atlas.num_rows in states
    assert len(run.images()) + sum(map(len, run.added_images())) == atlas.num_rows
    assert run.stages.keys() == set(STAGES)
    assert run.groups().max() < 5
    np.testing.assert_array_equal(atlas["x"].to_numpy()[: len(run.map())], run.map()[:, 0])


CHANGES = {
    "run with another number of groups": (
        lambda folder: make_run(images(8, 0), folder, RunOptions(epochs=1, n_clusters=2)),
        [10],
    ),
    "run with more images, two of them added before": (
        lambda folder: make_run(np.concatenate([images(8, 0), images(3, 1)]), folder, OPTIONS),
        [10, 11],
    ),
    "add": (
        lambda folder: add_images(folder, images(4, 2)),
        [10, 14],
    ),
}


@pytest.fixture
def finished(quick, quick_base, tmp_path) -> Path:
    return Path(shutil.copytree(quick_base, tmp_path / "run"))


@pytest.mark.parametrize("step", [11, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("change", CHANGES)
def test_a_finished_run_stays_whole_wherever_a_command_is_killed_and_the_same_command_completes_it(
    change, step, finished, tmp_path, monkeypatch
):
    command, rows = CHANGES[change]
    shutil.copytree(finished, tmp_path / "whole")
    command(tmp_path / "whole")
    wanted = contents(tmp_path / "whole")
    for call in range(0, 10_000, step):
        folder = tmp_path / "killed"
        shutil.copytree(finished, folder)
        was_killed = killed_at(call, partial(command, folder), monkeypatch)
        if (folder / ".swap").exists():  # files are being moved; the next command that locks the run completes this
            with pytest.raises(SourceError):
                make_run(folder / "no such source", folder, OPTIONS)
        check_usable(folder, rows)
        command(folder)
        found = contents(folder)
        assert found.keys() == wanted.keys(), call
        assert [name for name in wanted if found[name] != wanted[name]] == [], call
        shutil.rmtree(folder)
        if not was_killed:
            break
    assert call > 20


def test_a_first_run_that_is_killed_in_its_first_writes_is_resumed(quick, tmp_path, monkeypatch):
    command = partial(make_run, images(8, 0), tmp_path / "run", OPTIONS)
    for call in range(12):
        assert killed_at(call, command, monkeypatch)
        command()
        assert sorted(path.name for path in (tmp_path / "run").glob(".*")) == [".lock"]
        shutil.rmtree(tmp_path / "run")


def test_a_folder_with_a_file_of_the_user_beside_our_lock_is_left_alone(quick, tmp_path):
    (tmp_path / "run").mkdir()
    for name in (".lock", f".latentmap-1-{'0' * 16}.tmp", ".latentmap-mine.tmp"):
        (tmp_path / "run" / name).touch()
    with pytest.raises(RunError, match="not empty and not a run"):
        make_run(images(8, 0), tmp_path / "run", OPTIONS)
    (tmp_path / "run" / ".latentmap-mine.tmp").unlink()
    make_run(images(8, 0), tmp_path / "run", OPTIONS)


@pytest.mark.parametrize("gone", ["cache", "added/0001/cache", "both"])
def test_the_cache_may_be_deleted(gone, finished):
    before = Run.open(finished).atlas()
    for name in ["cache", "added/0001/cache"] if gone == "both" else [gone]:
        shutil.rmtree(finished / name)
    run = Run.open(finished)
    assert [len(run.images()), *map(len, run.added_images())] == [8, 2]
    np.testing.assert_array_equal(run.added_images()[0], images(3, 1)[:2])
    done = add_images(finished, images(4, 2))
    assert done.n_added == 4
    after = Run.open(finished).atlas()
    assert after.slice(0, 10).equals(before)
    for name in ["cache", "added/0001/cache"] if gone == "both" else [gone]:
        shutil.rmtree(finished / name)
    said: list[str] = []
    make_run(images(8, 0), finished, OPTIONS, say=said.append)
    assert said == [f"{stage}: kept" for stage in STAGES]
    assert (finished / "cache" / "pixels.u8").stat().st_size == 8 * 36


@pytest.mark.parametrize("name", ["cache/pixels.u8", "added/0001/cache/pixels.u8"])
def test_a_damaged_cache_does_not_get_into_the_atlas(name, finished):
    before = Run.open(finished).atlas()
    data = (finished / name).read_bytes()
    (finished / name).write_bytes(bytes([data[0] ^ 1]) + data[1:])
    add_images(finished, images(4, 2))
    assert Run.open(finished).atlas().slice(0, 10).equals(before)
    assert (finished / name).read_bytes() == data


def test_images_that_are_nowhere_any_more_are_met_with_a_sentence_and_nothing_is_changed(finished):
    (finished / "atlas.parquet").unlink()
    shutil.rmtree(finished / "cache")
    before = contents(finished)
    with pytest.raises(RunError, match="neither cache nor atlas"):
        add_images(finished, images(4, 2))
    assert contents(finished) == before


def test_options_taken_back_after_a_kill_need_nothing_to_be_done_again(finished, monkeypatch):
    def fail(_: Path) -> list[str]:
        raise KeyboardInterrupt

    from latentmap.run import make

    with monkeypatch.context() as patch:
        patch.setitem(make.FUNCTIONS, "report", fail)
        with pytest.raises(KeyboardInterrupt):
            make_run(images(8, 0), finished, RunOptions(epochs=1, n_clusters=2, seed=5))
    said: list[str] = []
    make_run(images(8, 0), finished, OPTIONS, say=said.append)
    assert [line for line in said if "placed" not in line] == [f"{stage}: kept" for stage in STAGES]


def test_what_cannot_be_run_leaves_the_finished_run_and_nothing_pending(finished):
    before = contents(finished)
    with pytest.raises(SourceError, match="a map needs at least 5"):
        make_run(images(3, 0), finished, OPTIONS)
    with pytest.raises(RunError, match=r"images of shape \(6, 6\) were added to it"):
        make_run(images(8, 0)[:, :5], finished, OPTIONS)
    assert contents(finished) == before
    make_run(images(8, 0), finished, OPTIONS)
    assert contents(finished) == before


def test_labels_and_marks_are_carried_over_to_the_same_images(finished):
    journal = Journal(finished)
    journal.add({"kind": "label", "ids": [1, 2, 9], "label": "a cat"}, 0)
    journal.add({"kind": "mark", "ids": [0, 8], "mark": "hidden", "on": True}, 1)
    journal.add({"kind": "name", "group": 0, "name": "first"}, 2)
    kept = (finished / "edits.jsonl").read_bytes()
    said: list[str] = []
    # one image fewer before the others; image 8, the first that was added, is now among those of the run
    new = np.concatenate([images(8, 0)[1:], images(3, 1)[:1], images(2, 7)])
    make_run(new, finished, OPTIONS, say=said.append)
    table = Run.open(finished).edits()
    assert table.filter(table["given_label"].is_valid())["id"].to_pylist() == [0, 1, 10]
    assert table.filter(table["marked_hidden"])["id"].to_pylist() == [7]
    assert any("4 of 5 labels and marks are carried over to the new images" in line for line in said)
    assert (finished / "edits.jsonl").read_bytes().startswith(kept)
