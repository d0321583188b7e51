"""Compilation of kernels with a cache on disk, and the threads that run them.

A kernel is a plain loop over arrays, compiled by numba without the interpreter's lock. Threads are Python's own: each
takes a share of the rows, so no threading layer has to be present, and a fork or an interrupt finds nothing stuck.
"""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeAlias, TypeVar

import joblib
import numba
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from latentmap.core.errors import InputError

Array: TypeAlias = NDArray[Any]
Function = TypeVar("Function", bound=Callable[..., Any])

# Sums may be reordered, so that they run on vector registers; NaN and infinity keep their meaning.
REORDER = {"reassoc", "contract", "arcp", "nsz"}


def compiled(function: Function) -> Function:
    """Compile a kernel at its first call, and keep the machine code on disk where there is a place that can be written.

    The places are, in this order: ``NUMBA_CACHE_DIR``, ``__pycache__`` beside the source, the user's cache folder.
    """
    options: dict[str, Any] = {"nogil": True, "fastmath": REORDER, "error_model": "numpy"}
    try:
        kernel: Function = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # none of these places can be written
        kernel = numba.njit(**options)(function)
    return kernel


class Workers:
    """Threads that run one kernel over several shares of its rows, the calling thread among them.

    Parameters
    ----------
    n_jobs : int or None
        Threads; None or -1 for as many as this process may use, -2 for one fewer, and so on.
    """

    def __init__(self, n_jobs: int | None = None) -> None:
        self.n_threads = _n_threads(-1 if n_jobs is None else n_jobs)
        self._pool = ThreadPoolExecutor(self.n_threads - 1) if self.n_threads > 1 else None

    def run(self, kernel: Callable[[int], object], n_shares: int) -> None:
        """Call ``kernel(share)`` for every share from 0 on, and return when all are done."""
        if n_shares == 0:
            return
        n_threads = min(self.n_threads, n_shares)
        shares = iter(range(n_threads, n_shares))

        def work(own: int) -> None:
            try:
                kernel(own)  # so that a thread meets the same share each time, in its own cache
                for share in shares:  # next() of a range's iterator is atomic: each share is taken once
                    kernel(share)
            finally:
                for _ in shares:  # after an error nobody begins another share
                    pass

        helpers = [self._pool.submit(work, own) for own in range(1, n_threads)] if self._pool else []
        try:
            work(0)
        finally:
            for helper in helpers:
                helper.result()

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the threads."""
        if self._pool:
            self._pool.shutdown()


def _n_threads(n_jobs: int) -> int:
    """As joblib counts jobs, but threads also where no further process may be begun."""
    if n_jobs == 0:
        raise InputError("n_jobs=0 has no meaning: ask for 1 or more, or -1 for as many threads as there are")
    return n_jobs if n_jobs > 0 else max(1, joblib.cpu_count() + 1 + n_jobs)


def bounds(n_rows: int, n_shares: int) -> list[int]:
    """Where the shares of the rows begin and end: ``n_shares + 1`` numbers from 0 to ``n_rows``."""
    return [n_rows * share // n_shares for share in range(n_shares + 1)]


def balanced_bounds(indptr: NDArray[Any], n_shares: int) -> list[int]:
    """The same for rows of a sparse matrix, each share with about as many entries as the others."""
    wanted = [int(indptr[-1]) * share // n_shares for share in range(n_shares)]
    return [*(int(row) for row in indptr.searchsorted(wanted)), len(indptr) - 1]


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep BLAS to the thread that calls it: inside, several threads each multiply matrices of their own."""
    with _blas().limit(limits=1, user_api="blas"):
        yield


@cache
def _blas() -> ThreadpoolController:
    import scipy.linalg  # noqa: F401 - numba multiplies with SciPy's BLAS, which must be loaded to be found

    return ThreadpoolController()
