"""Checks of a machine: versions, cores, memory, GPU and folders, and advice where latentmap would be slow."""

import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import latentmap
from latentmap.core.devices import devices_in_words
from latentmap.core.memory import format_bytes
from latentmap.core.progress import counted

PACKAGES = ("numpy", "numba", "scikit-learn", "torch", "pyarrow", "pillow")
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
NOT_FOR_USERS = {"dev", "site"}  # extras of those who work on latentmap
LOW_BYTES = 2 * 10**9  # of free memory or disk space
LOW_GFLOPS = 10.0  # of one core, in products of float32 matrices
MATRIX_SIDE = 1024
MEASURE_SECONDS = 0.2
BUSY_FRACTION = 0.5  # of the cores that other programs use


@dataclass(frozen=True)
class Check:
    """The result of checking one part of a machine.

    Attributes
    ----------
    name : str
        The part, such as ``memory``.
    found : str
        What was found.
    advice : tuple of str, default=()
        What makes latentmap slow or fail there, and what to do.
    """

    name: str
    found: str
    advice: tuple[str, ...] = ()


def examine() -> Iterator[Check]:
    """Check this machine, part by part.

    Yields
    ------
    Check

    Examples
    --------
    >>> [check.name for check in examine()]
    ['latentmap', 'packages', 'extras', 'cores', 'memory', 'gpu', 'precision', 'kernels', 'disk']
    """
    checks: tuple[Callable[[], Check], ...] = (
        *(check_version, check_packages, check_extras, check_cores, check_memory),
        *(check_gpu, check_precision, check_kernels, check_disk),
    )
    for check in checks:
        yield check()


def check_version() -> Check:
    """Version of latentmap and of Python, and the operating system."""
    return Check(
        "latentmap",
        f"{latentmap.__version__} in {Path(latentmap.__file__).parent}, Python {platform.python_version()}, "
        f"{platform.platform(terse=True)} on {platform.machine()}",
    )


def check_packages() -> Check:
    """Versions of the packages that results and speed depend on."""
    return Check("packages", ", ".join(f"{name} {version(name)}" for name in PACKAGES))


def check_extras() -> Check:
    """Extras whose packages are all installed, and those that are missing."""
    needed = _packages_by_extra()
    missing = {extra: [name for name in names if not _is_installed(name)] for extra, names in needed.items()}
    installed = [extra for extra, names in missing.items() if not names]
    absent = [extra for extra, names in missing.items() if names]
    found = ", ".join(installed) or "none"
    if absent:
        found += f"; not installed: {', '.join(absent)} (pip install 'latentmap[{','.join(absent)}]')"
    return Check("extras", found)


def _packages_by_extra() -> dict[str, list[str]]:
    """Names of the packages of each extra for users."""
    found: dict[str, list[str]] = {}
    for requirement in requires("latentmap") or ():
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", requirement)
        name = re.match(r"[\w.-]+", requirement)
        if extra and name and extra[1] not in NOT_FOR_USERS:
            found.setdefault(extra[1], []).append(name[0])
    return found


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def check_cores() -> Check:
    """Cores that this process may use, what limits their threads, and how fast they multiply."""
    import joblib

    n_all, n_usable = os.cpu_count() or 1, joblib.cpu_count()
    gflops = measure_gflops()
    found = f"{n_usable} of {n_all} usable, {gflops:.0f} GFLOP/s in products of float32 matrices"
    advice = [
        f"{name}={value} limits the threads on {n_usable} cores: unset it"
        for name in THREAD_VARIABLES
        if (value := os.environ.get(name, "")).isdecimal() and int(value) < n_usable
    ]
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load > BUSY_FRACTION * n_all:
        advice.append(f"the load is {load:.1f} on {counted(n_all, 'core')}: other programs are using them")
    elif gflops < LOW_GFLOPS * n_usable and not advice:
        advice.append("the cores multiply slowly: a processor with AVX2 or NEON is several times as fast")
    return Check("cores", found, tuple(advice))


def measure_gflops() -> float:
    """Measure products of float32 matrices on all usable cores, in 10⁹ operations per second."""
    import numpy as np

    matrix = np.ones((MATRIX_SIDE, MATRIX_SIDE), np.float32)
    matrix @ matrix  # starts the threads
    n_products, begun = 0, time.perf_counter()
    while (seconds := time.perf_counter() - begun) < MEASURE_SECONDS or not n_products:
        matrix @ matrix
        n_products += 1
    return 2e-9 * MATRIX_SIDE**3 * n_products / seconds


def check_memory() -> Check:
    """Memory that is free."""
    import psutil

    memory = psutil.virtual_memory()
    found = f"{format_bytes(memory.available)} of {format_bytes(memory.total)} free"
    advice = ("close other programs: runs of many images need more memory",) if memory.available < LOW_BYTES else ()
    return Check("memory", found, advice)


def check_gpu() -> Check:
    """Devices that torch sees."""
    import torch

    has_unused = torch.version.cuda is None and torch.version.hip is None and shutil.which("nvidia-smi") is not None
    advice = "this machine has an NVIDIA driver, but torch is built without CUDA: install a build of torch with CUDA"
    return Check("gpu", devices_in_words(), (advice,) if has_unused else ())


def check_precision() -> Check:
    """Precision of products in training."""
    from latentmap.autoencoder.training.precision import has_fast_bfloat16
    from latentmap.core.devices import choose_device

    device = choose_device("auto")
    if has_fast_bfloat16(device):
        return Check("precision", f"bfloat16 where the gradient allows it: {device} multiplies it faster than float32")
    return Check("precision", f"float32: {device} has no fast products of bfloat16")


def check_kernels() -> Check:
    """Folder of the compiled kernels."""
    from latentmap.run.warmup import are_kernels_compiled, kernel_folder

    folder = kernel_folder()
    if are_kernels_compiled():
        return Check("kernels", f"compiled, in {folder}")
    if _is_writable(folder):
        command = f"{Path(sys.executable).name} -m latentmap.run.warmup"
        return Check("kernels", f"not compiled yet; {folder} is writable", (f"the first run compiles them: {command}",))
    return Check(
        "kernels",
        f"{folder} is not writable",
        ("every command may compile kernels again: set NUMBA_CACHE_DIR to a folder that you can write",),
    )


def _is_writable(folder: Path) -> bool:
    existing = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            return True
    except OSError:
        return False


def check_disk() -> Check:
    """Space in the folder of temporary files and in the current folder."""
    found, advice = [], []
    for folder, use in ((Path(tempfile.gettempdir()), "temporary files"), (Path.cwd(), "the current folder")):
        free = shutil.disk_usage(folder).free
        found.append(f"{format_bytes(free)} free in {folder} ({use})")
        if free < LOW_BYTES:
            advice.append(f"{folder} has little space: a run keeps its images and tables on disk")
    return Check("disk", ", ".join(found), tuple(advice))
