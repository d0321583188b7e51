"""Devices of torch: their choice, their free memory, and work in chunks that become smaller when memory runs out."""

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from latentmap.core.errors import InputError

if TYPE_CHECKING:
    import torch

DEVICE_NAME = re.compile(r"auto|cpu|cuda(:\d{1,3})?|mps")
ACCEPTED_NAMES = "auto, cpu, cuda, cuda:N (the GPU with number N, from 0) or mps"
# Fraction of the free memory that one chunk of work may take; the rest is left for temporary copies of the libraries.
MEMORY_FRACTION = 0.5


def is_device_name(name: str) -> bool:
    """Return whether a text is the name of a device that a run accepts.

    Examples
    --------
    >>> is_device_name("cuda:1"), is_device_name("gpu")
    (True, False)
    """
    return DEVICE_NAME.fullmatch(name) is not None


def choose_device(name: str) -> "torch.device":
    """Return the torch device of a name.

    Parameters
    ----------
    name : str
        Name of a torch device, or ``"auto"`` for CUDA, then MPS, then the CPU.

    Returns
    -------
    torch.device

    Raises
    ------
    InputError
        If there is no such device, or torch cannot use it.
    """
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except Exception as error:  # torch's errors differ by device
        wanted = "" if is_device_name(name) else f"choose {ACCEPTED_NAMES}; "
        raise InputError(
            f"device={name[:40]!r} cannot be used: {wanted}{devices_in_words()}: pass one of these, or auto"
        ) from error
    return device


def usable_device(name: str) -> str:
    """Return the name of a device, or "auto" if this machine does not have it.

    Parameters
    ----------
    name : str
        Name of a torch device, or ``"auto"``.

    Returns
    -------
    str
    """
    try:
        choose_device(name)
    except InputError:
        return "auto"
    return name


def accelerator(name: str) -> "torch.device | None":
    """Return the device for torch's operations, or None where the compiled kernels of the CPU do the work.

    Parameters
    ----------
    name : str
        Name of a torch device, or ``"auto"`` for CUDA, then the CPU. MPS is only used if it is named, since the kernels
        of the CPU do not lag far behind it.

    Returns
    -------
    torch.device or None

    Raises
    ------
    InputError
        If there is no such device, or torch cannot use it.
    """
    if name == "cpu":
        return None
    device = choose_device(name)
    return None if device.type == "cpu" or (name == "auto" and device.type != "cuda") else device


def devices_in_words() -> str:
    """Say which devices torch sees, and whether it could see others.

    Returns
    -------
    str
        Part of a sentence, such as ``torch 2.13.0+cpu sees only cpu and is built without CUDA``.
    """
    import torch

    names = [f"cuda:{number} ({torch.cuda.get_device_name(number)})" for number in range(torch.cuda.device_count())]
    names += ["mps"] if torch.backends.mps.is_available() else []
    seen = ", ".join(["cpu", *names]) if names else "only cpu"
    without = "" if names or torch.version.cuda else " and is built without CUDA"
    return f"torch {torch.__version__} sees {seen}{without}"


def describe_device(device: "torch.device") -> str:
    """Return the name of a device, with that of the card.

    Parameters
    ----------
    device : torch.device

    Returns
    -------
    str
        Such as ``cpu`` or ``cuda (NVIDIA H200)``.
    """
    import torch

    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)


def free_memory(device: "torch.device") -> int:
    """Return the memory of a device that can be allocated, in bytes.

    Parameters
    ----------
    device : torch.device

    Returns
    -------
    int
    """
    import psutil
    import torch

    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + unused
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return int(psutil.virtual_memory().available)


def rows_that_fit(row_bytes: int, device: "torch.device", max_rows: int) -> int:
    """Return the number of rows whose work fits in half of the free memory of a device.

    Parameters
    ----------
    row_bytes : int
        Memory that the work on one row takes, in bytes.
    device : torch.device
    max_rows : int
        Number of rows that is enough.

    Returns
    -------
    int
        From 1 to ``max_rows``.
    """
    return max(1, min(max_rows, int(MEMORY_FRACTION * free_memory(device)) // max(1, row_bytes)))


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that the memory of a device, or of the machine, has run out.

    Parameters
    ----------
    error : BaseException

    Returns
    -------
    bool
    """
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    # the CPU's allocator and MPS raise a plain RuntimeError
    text = str(error).lower()
    return isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)


def release_cached() -> None:
    """Return the memory that torch keeps for later allocations to the devices."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


def run_in_chunks(work: Callable[[slice], object], n_rows: int, n_chunk: int, subject: str) -> None:
    """Call ``work`` with chunks of rows. When memory runs out, the chunk is halved, with a warning, and tried again.

    Parameters
    ----------
    work : callable
        Takes a slice of rows. It may be called again with a part of the slice for which memory ran out.
    n_rows : int
        Number of rows in total.
    n_chunk : int
        Number of rows in a chunk.
    subject : str
        What a row is, in the plural, for the warning.

    Raises
    ------
    RuntimeError, MemoryError
        If memory does not suffice for one row, or ``work`` fails for another reason.
    """
    begin = 0
    while begin < n_rows:
        rows = slice(begin, min(begin + n_chunk, n_rows))
        if _fits(work, rows):
            begin = rows.stop
            continue
        # outside of the handler, whose traceback keeps the tensors of the failed call
        release_cached()
        n_chunk = -(-(rows.stop - rows.start) // 2)
        warnings.warn(f"out of memory: {subject} are now processed in chunks of {n_chunk:,}", stacklevel=2)


def _fits(work: Callable[[slice], object], rows: slice) -> bool:
    """Do the work on rows; return False if memory runs out and there is more than one row."""
    try:
        work(rows)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error) or rows.stop - rows.start == 1:
            raise
        return False
    return True


@contextmanager
def full_precision() -> Iterator[None]:
    """Multiply float32 matrices in float32 within a ``with`` block, whatever shorter format the program has allowed."""
    import torch

    allowed: Any = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(allowed)
