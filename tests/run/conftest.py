"""Fixtures of the tests of runs."""

import os
from contextlib import nullcontext

import pytest
from quick_runs import OPTIONS, images, place, quick_stages

from latentmap.run import add_images, executor, make, make_run, placing


def make_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the stages by quick ones."""
    for stage, function in quick_stages().items():
        monkeypatch.setitem(make.FUNCTIONS, stage, function)
    monkeypatch.setattr(placing, "place_images", place)
    # what takes time and has no part in this
    for module in (make, executor):
        monkeypatch.setattr(module, "release_memory", lambda: None)
    monkeypatch.setattr(executor, "peak_memory", lambda: nullcontext([0]))
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(make, "describe_environment", lambda: {"versions": {}, "platform": "", "threads": 1})


@pytest.fixture
def quick(monkeypatch):
    make_quick(monkeypatch)


@pytest.fixture(scope="module")
def quick_module():
    """The quick stages for a whole file of tests."""
    with pytest.MonkeyPatch.context() as patch:
        make_quick(patch)
        yield


@pytest.fixture(scope="session")
def quick_base(tmp_path_factory):
    """A finished run of eight images, to which two were added."""
    folder = tmp_path_factory.mktemp("quick") / "run"
    with pytest.MonkeyPatch.context() as patch:
        make_quick(patch)
        make_run(images(8, 0), folder, OPTIONS)
        add_images(folder, images(3, 1)[:2])
    return folder
