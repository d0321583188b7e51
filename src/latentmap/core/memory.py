"""Memory: what was freed is given back to the system, and what there is too little of is said in words."""

import ctypes
import errno
import gc
import re
import sys

import psutil
import pyarrow as pa

# How libraries word that there is too little, and the number that they wanted with its unit.
_SIGNS = re.compile(
    r"(not enough memory|out of memory|can't allocate memory|cannot allocate memory|unable to allocate|"
    r"malloc of size|realloc of size|bad_alloc|can't start new thread)",
    re.IGNORECASE,
)
_WANTED = re.compile(
    r"(?:allocate|size)\s+([\d.,]+)\s*(bytes|[KMGTPE]i?B)?",
    re.IGNORECASE,
)
_UNITS = {"": 1, "bytes": 1, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40, "pib": 2**50, "eib": 2**60}
_UNITS |= {"kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}


# Resident memory below which nothing is given back: a collection takes a quarter of a second with torch loaded.
LITTLE = 2**30  # bytes


def give_back() -> None:
    """Return what was freed, as far as the allocators of Python, Arrow and the C library can."""
    if psutil.Process().memory_info().rss < LITTLE:
        return
    gc.collect()
    pa.default_memory_pool().release_unused()
    if sys.platform == "linux":
        library = ctypes.CDLL(None)
        if hasattr(library, "malloc_trim"):  # glibc
            library.malloc_trim(0)


def in_units(n_bytes: float) -> str:
    """A number of bytes as people read it: 3.2 GB, 20 MB, 512 bytes."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= 0.9995 * size:
            return f"{n_bytes / size:.3g} {unit}" if n_bytes < 999.5 * size else f"{n_bytes / size:,.0f} {unit}"
    return f"{n_bytes:.0f} bytes"


def shortage(error: BaseException) -> str | None:
    """How much memory an error says is missing, and how much there is; None for an error about something else."""
    said = str(error)
    is_about_memory = (
        isinstance(error, MemoryError)
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
        or (isinstance(error, RuntimeError) and _SIGNS.search(said) is not None)
    )
    if not is_about_memory:
        return None
    found = _WANTED.search(said)
    wanted = "more memory than there is"
    if found is not None and found[1].strip(".,"):
        size = float(found[1].strip(".,").replace(",", "")) * _UNITS.get((found[2] or "").lower(), 1)
        wanted = f"another {in_units(size)} of memory"
    return f"needs {wanted}; this process holds {in_units(psutil.Process().memory_info().rss)}{_free()}"


def _free() -> str:
    """The free memory of the machine, and the limit of the process if one is set."""
    free = f", the machine has {in_units(psutil.virtual_memory().available)} free"
    if sys.platform != "win32":
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            free += f", and the process may address {in_units(limit)}"
    return free
