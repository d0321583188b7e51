"""Devices by name, what is said of one that is not here, and chunks that become smaller when memory runs out."""

import numpy as np
import psutil
import pytest
import torch

from latentmap.core import devices
from latentmap.core.devices import accelerator, choose_device, free_memory, full_precision, rows_that_fit, run_in_chunks
from latentmap.core.errors import InputError

CPU = torch.device("cpu")


@pytest.fixture
def one_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device=None: "NVIDIA X1")


def test_auto_chooses_the_gpu_that_torch_sees(one_gpu):
    assert choose_device("auto") == torch.device("cuda")
    assert accelerator("auto") == torch.device("cuda")
    assert accelerator("cpu") is None
    assert devices.describe_device(torch.device("cuda")) == "cuda (NVIDIA X1)"


def test_auto_is_the_cpu_where_torch_sees_nothing_else(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto") == CPU
    assert accelerator("auto") is None
    assert devices.describe_device(CPU) == "cpu"


def test_auto_uses_mps_for_networks_only(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device("auto") == torch.device("mps")
    assert accelerator("auto") is None


@pytest.mark.skipif(torch.cuda.is_available(), reason="has CUDA")
@pytest.mark.parametrize("name", ["cuda", "cuda:2", "mps"])
def test_a_device_that_is_not_here_says_what_torch_sees(name):
    with pytest.raises(InputError, match=f"^device='{name}' cannot be used: torch .* sees only cpu"):
        choose_device(name)


def test_the_gpus_that_there_are_stand_in_the_message(one_gpu):
    with pytest.raises(InputError, match=r"sees cpu, cuda:0 \(NVIDIA X1\): pass one of these, or auto"):
        choose_device("cuda:5")


@pytest.mark.parametrize("name", ["gpu", "cuda:", "; rm"])
def test_an_unknown_name_says_which_there_are(name):
    with pytest.raises(InputError, match="choose auto, cpu, cuda, cuda:N"):
        choose_device(name)
    assert devices.usable_device(name) == "auto"
    assert devices.usable_device("cpu") == "cpu"


def test_the_free_memory_bounds_the_rows(monkeypatch):
    assert 0 < free_memory(CPU) <= psutil.virtual_memory().total
    monkeypatch.setattr(devices, "free_memory", lambda device: 1000)
    assert rows_that_fit(100, CPU, 99) == 5
    assert rows_that_fit(100, CPU, 3) == 3
    assert rows_that_fit(10**6, CPU, 99) == 1


def run(n_rows, n_chunk, n_fitting, error):
    done = np.zeros(n_rows, int)

    def work(rows):
        if rows.stop - rows.start > n_fitting:
            raise error
        done[rows] += 1

    run_in_chunks(work, n_rows, n_chunk, "things")
    return done


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
        RuntimeError("MPS backend out of memory"),
    ],
)
def test_chunks_are_halved_until_they_fit(error):
    with pytest.warns(UserWarning, match="out of memory: things are now processed in chunks of 3") as said:
        assert run(11, 10, 4, error).tolist() == [1] * 11
    assert [str(one.message)[-2:].strip() for one in said] == ["5", "3"]


@pytest.mark.filterwarnings("ignore:out of memory")
def test_one_row_that_does_not_fit_is_an_error():
    with pytest.raises(MemoryError), pytest.warns(UserWarning, match="chunks of 1"):
        run(3, 3, 0, MemoryError())


def test_other_errors_are_not_taken_for_a_shortage():
    with pytest.raises(RuntimeError, match="shapes differ"):
        run(3, 3, 0, RuntimeError("shapes differ"))
    assert run(0, 5, 5, MemoryError()).tolist() == []


def test_full_precision_is_restored():
    torch.set_float32_matmul_precision("high")
    try:
        with full_precision():
            assert torch.get_float32_matmul_precision() == "highest"
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision("highest")
