"""Pool of worker processes that decode images, with results in the order of the images."""

import subprocess
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import count, groupby, islice
from typing import Any, Self

import joblib

from latentmap.core.subprocesses import python_command, python_environment
from latentmap.images.decoding import EncodedImage, Failure
from latentmap.images.reading_options import DEFAULT_READING, ReadingOptions
from latentmap.images.shape import Shape
from latentmap.images.worker import read_message, write_message

MAX_JOB_IMAGES = 32
MAX_JOB_BYTES = 2**23  # of images that are passed as bytes
MAX_RESULT_BYTES = 2**26  # of the decoded images of a job
# Jobs of the largest results that are decoded or wait to be taken, besides one for each worker.
N_LARGE_JOBS_AHEAD = 2
MAX_JOB_PARTS = 2**12  # of one image
N_QUEUED_JOBS = 3  # for each worker
TIMEOUT_SECONDS = 120.0  # for a job, and then for each of its images


class DecodingPool:
    """Pool of worker processes that decode images; a context manager.

    An image that crashes its process, or takes longer than two minutes, becomes a :class:`Failure`; all other images
    are decoded. Consecutive parts of one image are in one job, so that the image is decoded once.

    Parameters
    ----------
    n_workers : int, optional
        Number of processes, by default one per core.
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

    def map(
        self,
        task: str,
        images: Iterator[EncodedImage],
        argument: Any = None,
        reading: ReadingOptions = DEFAULT_READING,
    ) -> Iterator[Any]:
        """Run a task on images.

        Parameters
        ----------
        task : {"decode", "probe", "measure", "sound", "count"}
            See :func:`latentmap.images.worker.run_task`.
        images : iterator of EncodedImage
        argument : object, optional
            Argument of the task.
        reading : ReadingOptions, optional
            Options of the formats that optional packages read.

        Yields
        ------
        Decoded, ImageProbe, MeasuredImage, Sound, FileContents or Failure
            One result per image, in the order of the images.
        """
        waiting: deque[tuple[Future[list[Any]], int]] = deque()
        image_bytes = argument.image_bytes if isinstance(argument, Shape) else 1
        max_bytes = (self._n_workers + N_LARGE_JOBS_AHEAD) * MAX_RESULT_BYTES
        for job in _split_into_jobs(images, max(1, MAX_RESULT_BYTES // image_bytes)):
            n_bytes = len(job) * image_bytes + _source_bytes(job)
            while waiting and (
                len(waiting) >= N_QUEUED_JOBS * self._n_workers or sum(n for _, n in waiting) + n_bytes > max_bytes
            ):
                yield from waiting.popleft()[0].result()
            waiting.append((self._threads.submit(self._run_job, task, job, argument, reading), n_bytes))
        while waiting:
            yield from waiting.popleft()[0].result()

    def _run_job(self, task: str, images: list[EncodedImage], argument: Any, reading: ReadingOptions) -> list[Any]:
        try:
            return self._worker().run((task, images, argument, reading))
        except _WorkerLostError as lost:
            together = [list(parts) for parts in _groups_of_parts(iter(images))]
            if len(together) == 1 or self._closed:
                return [Failure(str(lost))] * len(images)
        return [result for parts in together for result in self._run_job(task, parts, argument, reading)]

    def _worker(self) -> "_Worker":
        """The process of this thread."""
        worker: _Worker | None = getattr(self._local, "worker", None)
        if worker is None:
            worker = self._local.worker = _Worker()
            self._workers.append(worker)
        return worker


class _WorkerLostError(Exception):
    """The worker process has ended; the message says why."""


class _Worker:
    """One worker process, started at its first job."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, message: Any) -> list[Any]:
        process = self._process = self._process or _start_worker()
        assert process.stdin is not None and process.stdout is not None
        timed_out = threading.Event()

        def kill() -> None:
            timed_out.set()
            process.kill()

        timer = threading.Timer(TIMEOUT_SECONDS, kill)
        timer.daemon = True
        timer.start()
        try:
            write_message(process.stdin, message)
            results: list[Any] = read_message(process.stdout)
        except (EOFError, OSError) as error:
            self.stop()
            reason = (
                f"took longer than {TIMEOUT_SECONDS:.0f} s"
                if timed_out.is_set()
                else f"the decoder crashed ({process.returncode})"
            )
            raise _WorkerLostError(reason) from error
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
                with suppress(OSError):  # buffered data cannot be written any more
                    pipe.close()


def _start_worker() -> "subprocess.Popen[bytes]":
    # not -m, which would import the module of the worker a second time under another name
    command = python_command("-c", "from latentmap.images.worker import main; main()")
    # one thread each: there is a worker for every core
    environment = python_environment(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, env=environment, **pipes)


def _groups_of_parts(images: Iterator[EncodedImage]) -> Iterator[Iterator[EncodedImage]]:
    """Group consecutive parts of one image; an image that is not cut is a group of its own."""
    numbers = count()
    groups = groupby(images, lambda image: next(numbers) if image.box is None else image._replace(box=None))
    return (group for _, group in groups)


def _source_bytes(job: list[EncodedImage]) -> int:
    """Bytes of the files that are passed to the worker, each once for all of its parts."""
    return sum({id(one.source): len(one.source) for one in job if isinstance(one.source, bytes)}.values())


def _split_into_jobs(images: Iterator[EncodedImage], max_results: int) -> Iterator[list[EncodedImage]]:
    """Jobs of a limited number of images, whose results have room for ``max_results`` of them."""
    job: list[EncodedImage] = []
    size = 0
    max_parts, max_images = min(MAX_JOB_PARTS, max_results), min(MAX_JOB_IMAGES, max_results)
    for group in _groups_of_parts(images):
        while parts := list(islice(group, max_parts)):
            if job and len(job) + len(parts) > max_images:
                yield job
                job, size = [], 0
            job += parts
            size += len(parts[0].source) if isinstance(parts[0].source, bytes) else 0
            if size >= MAX_JOB_BYTES or len(job) >= max_images:
                yield job
                job, size = [], 0
    if job:
        yield job
