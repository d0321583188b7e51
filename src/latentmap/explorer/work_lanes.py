"""Bounds on expensive requests: how many are computed and wait at a time, and how much memory their bodies take."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

T = TypeVar("T")
SMALL_BODY_BYTES = 2**16  # bodies up to this size are always taken
MAX_BODIES_BYTES = 2**27  # of all larger bodies together
RETRY_SECONDS = "5"


class WorkLane:
    """Threads of one kind of expensive requests. More requests wait without a thread, and more than that are refused.

    Parameters
    ----------
    name : str
    n_threads : int
        Number of requests that are computed at a time.
    max_waiting : int
        Number of further requests that may wait.
    """

    def __init__(self, name: str, n_threads: int, max_waiting: int) -> None:
        self._threads = ThreadPoolExecutor(n_threads, thread_name_prefix=name)
        self._max = n_threads + max_waiting
        self._n = 0

    async def run(self, request: Request, act: Callable[[], T]) -> T:
        """Call a function in a thread of the lane. The body of the request must have been read, or be not needed.

        Raises
        ------
        HTTPException
            503 if too many wait.
        ClientDisconnect
            If the client is gone before the call has begun.
        """
        if self._n >= self._max:
            sentence = "the explorer is busy with many requests of this kind: ask again in a few seconds"
            raise HTTPException(503, sentence, headers={"Retry-After": RETRY_SECONDS})
        self._n += 1
        work = asyncio.wrap_future(self._threads.submit(act))
        gone = asyncio.ensure_future(_disconnected(request))
        either: list[asyncio.Future[Any]] = [work, gone]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise ClientDisconnect
            return work.result()
        finally:
            self._n -= 1
            gone.cancel()
            work.cancel()  # has an effect while it waits

    def close(self) -> None:
        """Begin no further call."""
        self._threads.shutdown(wait=False, cancel_futures=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class BodyBudget:
    """Memory for the larger bodies of all requests together."""

    def __init__(self) -> None:
        self._n_bytes = 0

    @contextlib.asynccontextmanager
    async def body(self, request: Request, max_bytes: int) -> AsyncIterator[bytes]:
        """Read a body; its memory counts until the context ends.

        Raises
        ------
        HTTPException
            413 if it is larger than ``max_bytes``, 503 if other bodies take all the memory.
        """
        held = 0
        parts, size = [], 0
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and int(announced[:20]) > max_bytes:
            raise _too_large(max_bytes)
        try:
            async for part in request.stream():
                size += len(part)
                if size > max_bytes:
                    raise _too_large(max_bytes)
                if size > SMALL_BODY_BYTES:
                    self._take(size - held)
                    held = size
                parts.append(part)
            yield b"".join(parts)
        finally:
            self._n_bytes -= held

    def _take(self, n_bytes: int) -> None:
        if self._n_bytes + n_bytes > MAX_BODIES_BYTES:
            sentence = "the explorer is busy with other uploads: send it again in a few seconds"
            raise HTTPException(503, sentence, headers={"Retry-After": RETRY_SECONDS})
        self._n_bytes += n_bytes


def _too_large(max_bytes: int) -> HTTPException:
    size = f"{max_bytes // 2**20} MiB" if max_bytes >= 2**20 else f"{max_bytes:,} bytes"
    return HTTPException(413, f"the body is too large: send at most {size}")
