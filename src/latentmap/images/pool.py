"""Decoding in several processes, in order, with work waiting ahead of each."""

import subprocess
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import Any, Self

import joblib

from latentmap.core.subprocesses import python_command, python_environment
from latentmap.images.decoding import Failure, Item
from latentmap.images.worker import read_message, write_message

CHUNK = 32  # pictures in a job
CHUNK_BYTES = 2**23  # or as many of those that come as bytes
AHEAD = 3  # jobs in the making for each process
SECONDS = 120.0  # that one job, and then one picture, may take


class DecodingPool:
    """Processes that decode; a context.

    A picture that makes its process crash, or takes longer than two minutes, costs that picture and nothing else.

    Parameters
    ----------
    n_workers : int, optional
        As many as there are cores by default.
    """

    def __init__(self, n_workers: int | None = None) -> None:
        self._n_workers = n_workers or joblib.cpu_count()
        self._workers: list[_Worker] = []
        self._local = threading.local()
        self._closed = False
        self._threads = ThreadPoolExecutor(self._n_workers, thread_name_prefix="decoding")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        for worker in self._workers:
            worker.stop()
        self._threads.shutdown(cancel_futures=True)

    def map(self, task: str, items: Iterator[Item], argument: Any = None) -> Iterator[Any]:
        """Results of :func:`latentmap.images.worker.perform`, in the order of the items."""
        waiting: deque[Future[list[Any]]] = deque()
        for chunk in _chunks(items):
            waiting.append(self._threads.submit(self._do, task, chunk, argument))
            if len(waiting) >= AHEAD * self._n_workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()

    def _do(self, task: str, items: list[Item], argument: Any) -> list[Any]:
        try:
            return self._worker().ask(task, items, argument)
        except _Lost as lost:
            if len(items) == 1 or self._closed:
                return [Failure(str(lost))] * len(items)
        return [result for item in items for result in self._do(task, [item], argument)]

    def _worker(self) -> "_Worker":
        """The process of this thread."""
        worker: _Worker | None = getattr(self._local, "worker", None)
        if worker is None:
            worker = self._local.worker = _Worker()
            self._workers.append(worker)
        return worker


class _Lost(Exception):  # noqa: N818 - never leaves this module
    """The process is gone; why."""


class _Worker:
    """One process, started when it is needed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, task: str, items: list[Item], argument: Any) -> list[Any]:
        process = self._process = self._process or _start()
        assert process.stdin is not None and process.stdout is not None
        late = threading.Event()

        def give_up() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(SECONDS, give_up)
        timer.daemon = True
        timer.start()
        try:
            write_message(process.stdin, (task, items, argument))
            results: list[Any] = read_message(process.stdout)
        except (EOFError, OSError) as error:
            self.stop()
            what = (
                f"took longer than {SECONDS:.0f} s" if late.is_set() else f"the decoder crashed ({process.returncode})"
            )
            raise _Lost(what) from error
        finally:
            timer.cancel()
        return results

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):  # what was not written yet cannot be flushed any more
                    pipe.close()


def _start() -> "subprocess.Popen[bytes]":
    # not -m, which would import the module of the worker a second time under another name
    command = python_command("-c", "from latentmap.images.worker import main; main()")
    # one thread each: there is a worker for every core
    environment = python_environment(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, env=environment, **pipes)


def _chunks(items: Iterator[Item]) -> Iterator[list[Item]]:
    while True:
        chunk, size = [], 0
        for item in islice(items, CHUNK):
            chunk.append(item)
            size += len(item.source) if isinstance(item.source, bytes) else 0
            if size >= CHUNK_BYTES:
                break
        if not chunk:
            return
        yield chunk
