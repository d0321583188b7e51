"""What is said about a machine: values that this process sees, and advice where something is slow."""

import os
from types import SimpleNamespace

import numba
import psutil
import pytest
import torch

import latentmap
from latentmap import doctor


def test_versions_are_those_that_are_imported():
    assert doctor.check_version().found.startswith(f"{latentmap.__version__} in ")
    found = doctor.check_packages().found
    assert f"torch {torch.__version__.partition('+')[0]}" in found
    assert f"numba {numba.__version__}" in found


def test_an_extra_with_a_missing_package_is_named_with_its_command(monkeypatch):
    needed = ["numpy>=2", 'numpy; extra == "here"', 'no-such-package>=1; extra == "absent"', 'x; extra == "dev"']
    monkeypatch.setattr(doctor, "requires", lambda _: needed)
    assert doctor.check_extras().found == "here; not installed: absent (pip install 'latentmap[absent]')"


def test_no_extra_is_installed(monkeypatch):
    monkeypatch.setattr(doctor, "requires", lambda _: None)
    assert doctor.check_extras().found == "none"


@pytest.fixture
def two_free_cores(monkeypatch):
    for name in doctor.THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("joblib.cpu_count", lambda: 2)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(os, "getloadavg", lambda: (0.1, 0.1, 0.1), raising=False)
    monkeypatch.setattr(doctor, "measure_gflops", lambda: 80.4)
    return monkeypatch


def test_cores_in_order_have_no_advice(two_free_cores):
    two_free_cores.setenv("OMP_NUM_THREADS", "2")
    check = doctor.check_cores()
    assert check.found == "2 of 4 usable, 80 GFLOP/s in products of float32 matrices"
    assert check.advice == ()


def test_fewer_threads_than_cores_are_advised_against(two_free_cores):
    two_free_cores.setenv("OMP_NUM_THREADS", "1")
    two_free_cores.setenv("MKL_NUM_THREADS", "many")
    assert doctor.check_cores().advice == ("OMP_NUM_THREADS=1 limits the threads on 2 cores: unset it",)


def test_slow_cores_and_busy_cores_are_told_apart(two_free_cores):
    two_free_cores.setattr(doctor, "measure_gflops", lambda: 6.0)
    assert doctor.check_cores().advice[0].startswith("the cores multiply slowly")
    two_free_cores.setattr(os, "getloadavg", lambda: (3.5, 1.0, 1.0))
    assert doctor.check_cores().advice == ("the load is 3.5 on 4 cores: other programs are using them",)


def test_the_speed_of_products_is_measured():
    assert 0.05 < doctor.measure_gflops() < 1e6


@pytest.mark.parametrize(("available", "n"), [(10**9, 1), (8 * 10**9, 0)])
def test_little_memory_is_said(monkeypatch, available, n):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=available, total=16 * 10**9))
    check = doctor.check_memory()
    assert check.found.endswith("of 16 GB free")
    assert len(check.advice) == n


def test_a_driver_without_a_torch_for_it_is_said(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(doctor.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    assert "without CUDA" in doctor.check_gpu().advice[0]
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    assert doctor.check_gpu().advice == ()


def test_kernels_are_compiled_to_compile_or_cannot_be_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "new" / "folder"))
    monkeypatch.setattr("latentmap.run.warmup.are_kernels_compiled", lambda: True)
    assert doctor.check_kernels() == doctor.Check("kernels", f"compiled, in {tmp_path / 'new' / 'folder'}")
    monkeypatch.setattr("latentmap.run.warmup.are_kernels_compiled", lambda: False)
    check = doctor.check_kernels()
    assert check.found.startswith("not compiled yet")
    assert "latentmap.run.warmup" in check.advice[0]
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    assert "NUMBA_CACHE_DIR" in doctor.check_kernels().advice[0]
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_little_disk_space_is_said(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(doctor.tempfile, "gettempdir", lambda: "/")
    sizes = {str(tmp_path): 10**9, "/": 10**12}
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: SimpleNamespace(free=sizes[str(folder)]))
    check = doctor.check_disk()
    assert check.found == f"1 TB free in / (temporary files), 1 GB free in {tmp_path} (the current folder)"
    assert check.advice == (f"{tmp_path} has little space: a run keeps its images and tables on disk",)
