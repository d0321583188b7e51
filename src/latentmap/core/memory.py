"""Release of freed memory to the system, and messages about a shortage of memory."""

import ctypes
import errno
import gc
import re
import sys

import psutil
import pyarrow as pa

# Words of the libraries for a shortage of memory, and the size that they tried to allocate.
_SHORTAGE_PATTERN = re.compile(
    r"(not enough memory|out of memory|can't allocate memory|cannot allocate memory|unable to allocate|"
    r"malloc of size|realloc of size|bad_alloc|can't start new thread)",
    re.IGNORECASE,
)
_SIZE_PATTERN = re.compile(
    r"(?:allocate|size)\s+([\d.,]+)\s*(bytes|[KMGTPE]i?B)?",
    re.IGNORECASE,
)
_UNIT_BYTES = {"": 1, "bytes": 1, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40, "pib": 2**50, "eib": 2**60}
_UNIT_BYTES |= {"kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}

# Nothing is released below this resident memory.
MIN_RESIDENT_BYTES = 2**30
# Garbage is collected if so much more is held than after the last collection: it takes 0.25 s with torch loaded, and
# seconds in a process that holds many objects.
MIN_GROWTH_BYTES = 2**27

_resident_after_release = 0


def release_memory() -> None:
    """Return freed memory to the system, as far as the allocators of Python, Arrow and the C library can."""
    global _resident_after_release  # noqa: PLW0603 - one number of the process
    if _resident_bytes() < MIN_RESIDENT_BYTES:
        return
    _return_unused()
    grown = _resident_bytes() >= max(MIN_RESIDENT_BYTES, _resident_after_release + MIN_GROWTH_BYTES)
    if grown:
        gc.collect()
        _return_unused()
    resident = _resident_bytes()
    _resident_after_release = resident if grown else min(_resident_after_release, resident)


def _return_unused() -> None:
    """Return memory that is free already; unlike collecting garbage, this is quick."""
    pa.default_memory_pool().release_unused()
    if sys.platform == "linux":
        library = ctypes.CDLL(None)
        if hasattr(library, "malloc_trim"):  # glibc
            library.malloc_trim(0)


def _resident_bytes() -> int:
    return int(psutil.Process().memory_info().rss)


def format_bytes(n_bytes: float) -> str:
    """Format a number of bytes for readers.

    Examples
    --------
    >>> format_bytes(3.2e9), format_bytes(512)
    ('3.2 GB', '512 bytes')
    """
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= 0.9995 * size:
            return f"{n_bytes / size:.3g} {unit}" if n_bytes < 999.5 * size else f"{n_bytes / size:,.0f} {unit}"
    return f"{n_bytes:.0f} bytes"


def shortage(error: BaseException) -> str | None:
    """Describe a shortage of memory.

    Parameters
    ----------
    error : BaseException

    Returns
    -------
    str or None
        How much memory the failed operation needs, and how much there is; None if the error has another cause.
    """
    said = str(error)
    is_about_memory = (
        isinstance(error, MemoryError)
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
        or (isinstance(error, RuntimeError) and _SHORTAGE_PATTERN.search(said) is not None)
    )
    if not is_about_memory:
        return None
    found = _SIZE_PATTERN.search(said)
    wanted = "more memory than there is"
    if found is not None and found[1].strip(".,"):
        size = float(found[1].strip(".,").replace(",", "")) * _UNIT_BYTES.get((found[2] or "").lower(), 1)
        wanted = f"another {format_bytes(size)} of memory"
    held = format_bytes(_resident_bytes())
    return f"needs {wanted}; this process holds {held}{_describe_free_memory()}"


def _describe_free_memory() -> str:
    """Describe the free memory of the machine, and the limit of the process if one is set."""
    free = f", the machine has {format_bytes(psutil.virtual_memory().available)} free"
    if sys.platform != "win32":
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            free += f", and the process may address {format_bytes(limit)}"
    return free
