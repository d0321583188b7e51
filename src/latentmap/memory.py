"""Giving memory back to the system between stages, which allocators put off."""

import ctypes
import gc
import sys

import pyarrow as pa


def give_back() -> None:
    """Return what was freed, as far as the allocators of Python, Arrow and the C library can."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    if sys.platform == "linux":
        library = ctypes.CDLL(None)
        if hasattr(library, "malloc_trim"):  # glibc
            library.malloc_trim(0)
