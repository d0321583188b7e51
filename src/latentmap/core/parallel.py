"""Compilation of kernels with a cache on disk, and the threads that run them.

A kernel is a plain loop over arrays that numba compiles to code that releases the global interpreter lock. Threads are
Python threads, and each processes chunks of the rows. No threading layer of numba is needed, and neither a fork nor an
interrupt leaves a thread pool in an undefined state.
"""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeAlias, TypeVar

import joblib
import numba
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController, threadpool_limits

from latentmap.core.errors import InputError

Array: TypeAlias = NDArray[Any]
Function = TypeVar("Function", bound=Callable[..., Any])
Result = TypeVar("Result")

# Sums may be reordered for vector registers; NaN and infinity keep their meaning.
FASTMATH_FLAGS = {"reassoc", "contract", "arcp", "nsz"}


def compiled(function: Function) -> Function:
    """Compile a kernel on its first call, and cache the machine code on disk if a cache directory is writable.

    The cache directory is the first of these that is writable: ``NUMBA_CACHE_DIR``, ``__pycache__`` beside the source
    file, the user's cache directory.

    Parameters
    ----------
    function : callable
        A function that numba can compile in nopython mode.

    Returns
    -------
    callable
        The compiled function, which releases the global interpreter lock while it runs.
    """
    options: dict[str, Any] = {"nogil": True, "fastmath": FASTMATH_FLAGS, "error_model": "numpy"}
    try:
        kernel: Function = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no cache directory is writable
        kernel = numba.njit(**options)(function)
    return kernel


class Workers:
    """Threads that run a kernel over chunks of rows. The calling thread is one of them.

    Parameters
    ----------
    n_jobs : int, optional
        Number of threads. None or -1 uses all CPUs available to this process, -2 all but one, and so on.

    Attributes
    ----------
    n_threads : int
        Number of threads, the calling thread included.

    Raises
    ------
    InputError
        If ``n_jobs`` is 0.
    """

    def __init__(self, n_jobs: int | None = None) -> None:
        self.n_threads = _n_threads(-1 if n_jobs is None else n_jobs)
        self._pool = ThreadPoolExecutor(self.n_threads - 1) if self.n_threads > 1 else None

    def run(self, kernel: Callable[[int], object], n_chunks: int) -> None:
        """Call ``kernel(chunk)`` for each chunk from 0 to ``n_chunks - 1``, and return when all calls have returned.

        An exception raised by a call is raised again here; chunks that have not started are then skipped.
        """
        if n_chunks == 0:
            return
        n_threads = min(self.n_threads, n_chunks)
        remaining = iter(range(n_threads, n_chunks))

        def work(first: int) -> None:
            try:
                kernel(first)  # each thread gets the same first chunk on every call, which is then in its cache
                for chunk in remaining:  # next() of a range iterator is atomic, so each chunk is taken once
                    kernel(chunk)
            finally:
                for _ in remaining:  # after an error no thread starts another chunk
                    pass

        others = [self._pool.submit(work, first) for first in range(1, n_threads)] if self._pool else []
        try:
            work(0)
        finally:
            for other in others:
                other.result()

    def map(self, function: Callable[[int], Result], n: int) -> list[Result]:
        """Call ``function(number)`` for each number from 0 to ``n - 1``; return the results in this order."""
        results: dict[int, Result] = {}

        def keep(number: int) -> None:
            results[number] = function(number)

        self.run(keep, n)
        return [results[number] for number in range(n)]

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the threads."""
        if self._pool:
            self._pool.shutdown()


def _n_threads(n_jobs: int) -> int:
    """Number of threads for ``n_jobs``, counted as joblib does, but without its limits on nested processes."""
    if n_jobs == 0:
        raise InputError("n_jobs=0 has no meaning: pass 1 or more, or -1 for all CPUs")
    return n_jobs if n_jobs > 0 else max(1, joblib.cpu_count() + 1 + n_jobs)


def chunk_bounds(n_rows: int, n_chunks: int) -> list[int]:
    """Boundaries of ``n_chunks`` chunks of about equally many rows: ``n_chunks + 1`` row numbers from 0 to ``n_rows``.

    Examples
    --------
    >>> chunk_bounds(10, 4)
    [0, 2, 5, 7, 10]
    """
    return [n_rows * chunk // n_chunks for chunk in range(n_chunks + 1)]


def balanced_chunk_bounds(indptr: NDArray[Any], n_chunks: int) -> list[int]:
    """Boundaries of chunks of the rows of a CSR matrix with about equally many entries each: ``n_chunks + 1`` rows.

    Parameters
    ----------
    indptr : array (n + 1,), int
        Row pointers of the CSR matrix.
    n_chunks : int
    """
    wanted = [int(indptr[-1]) * chunk // n_chunks for chunk in range(n_chunks)]
    return [*(int(row) for row in indptr.searchsorted(wanted)), len(indptr) - 1]


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to the calling thread within a ``with`` block, in which several threads multiply matrices."""
    with _blas().limit(limits=1, user_api="blas"):
        yield


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Limit BLAS and OpenMP to the calling thread within a ``with`` block, for computations in many small steps."""
    with threadpool_limits(1):
        yield


@cache
def _blas() -> ThreadpoolController:
    import scipy.linalg  # noqa: F401 - numba uses SciPy's BLAS, which must be loaded before it can be found

    return ThreadpoolController()
