"""Messages about memory, and the release of it."""

import errno

import numpy as np
import pyarrow as pa
import pytest
import torch

from latentmap.core import memory
from latentmap.core.memory import format_bytes, shortage
from latentmap.run import RunError
from latentmap.run.executor import memory_in_words


@pytest.mark.parametrize(
    ("size", "words"),
    [
        *[(0, "0 bytes"), (512, "512 bytes"), (1000, "1 kB"), (20_400_000, "20.4 MB"), (999_999_999, "1 GB")],
        *[(1.5e9, "1.5 GB"), (64e9, "64 GB"), (2**62, "4,611,686 TB")],
    ],
)
def test_sizes_are_written_in_units_that_people_read(size, words):
    assert format_bytes(size) == words


def numpy_shortage() -> None:
    np.empty(2**62, np.uint8)


def torch_shortage() -> None:
    torch.empty(2**60, dtype=torch.uint8)


def arrow_shortage() -> None:
    pa.allocate_buffer(2**60)


@pytest.mark.parametrize("allocate", [numpy_shortage, torch_shortage, arrow_shortage])
def test_what_libraries_raise_when_memory_runs_out_becomes_a_sentence(allocate, tmp_path):
    with (
        pytest.raises(RunError, match=r"train needs another [\d,.]+ TB of memory; this process holds .*free.*: close"),
        memory_in_words(tmp_path, "train"),
    ):
        allocate()


def test_other_errors_stay_what_they_are(tmp_path):
    assert shortage(RuntimeError("shape mismatch")) is None
    assert shortage(OSError(errno.ENOSPC, "No space left on device")) is None
    assert "more memory than there is" in shortage(OSError(errno.ENOMEM, "Cannot allocate memory"))
    with pytest.raises(RuntimeError, match="shape"), memory_in_words(tmp_path, "train"):
        raise RuntimeError("shape mismatch")


def test_garbage_is_collected_once_memory_has_grown_that_is_not_merely_free(monkeypatch):
    resident, free, collected = [0], [0], []

    def collect() -> None:
        collected.append(resident[0])
        resident[0] -= 64

    def return_unused() -> None:
        resident[0] -= free[0]
        free[0] = 0

    monkeypatch.setattr(memory, "_resident_bytes", lambda: resident[0] * 2**20)
    monkeypatch.setattr(memory, "_return_unused", return_unused)
    monkeypatch.setattr(memory, "_resident_after_release", 0)
    monkeypatch.setattr(memory.gc, "collect", collect)
    for now, unused in ((1000, 0), (1100, 0), (1160, 0), (3000, 1840), (1170, 0), (1150, 150), (1140, 0)):
        resident[0], free[0] = now, unused
        memory.release_memory()
    assert collected == [1100, 1170, 1140]
