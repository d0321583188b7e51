"""The explorer under load and abuse: how long a polite reader waits meanwhile, and what memory and threads it costs.

Run with ``python -m benchmarks.explorer_load`` after ``make demo``; ``python -m benchmarks.explorer_load RUN SECONDS``
takes another run, and another time for each abuse. The abusers are in a process of their own, and have the token.
"""

import asyncio
import json
import multiprocessing
import random
import statistics
import sys
import threading
import time
import zlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from struct import pack
from typing import Any
from urllib.parse import urlsplit

import httpx2 as httpx
import numpy as np
import psutil

from benchmarks.explorer import asking, served
from benchmarks.record import save

RUN, SECONDS = "demo", 60.0
PAUSE_SECONDS = 0.1  # of the polite reader between two requests
WARM_UP_SECONDS = 2.0  # until the abuse is in full course
N_IMAGES_ASKED = 200
TIMEOUT_SECONDS = 120.0
MEBIBYTE = 2**20


class Abuser:
    """Sends requests to an explorer, as raw bytes where no client would send them."""

    def __init__(self, url: str) -> None:
        base, _, self.token = url.partition("/#token=")
        parts = urlsplit(base)
        self.host, self.port = parts.hostname or "", parts.port or 80

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection."""
        return await asyncio.open_connection(self.host, self.port)

    def head(self, method: str, path: str, length: int | None = None, kind: str = "application/json") -> bytes:
        """The head of a request; with a length, that of its body."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}:{self.port}", f"X-Latentmap-Token: {self.token}"]
        if length is not None:
            lines += [f"Content-Length: {length}", f"Content-Type: {kind}"]
        return "\r\n".join([*lines, "", ""]).encode()

    async def ask(self, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> int:
        """Send a request and read the answer to its end; its status."""
        reader, writer = await self.connect()
        try:
            head = self.head(method, path, None if body is None else len(body), kind)
            writer.write(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + (body or b""))
            await writer.drain()
            status = int((await reader.readline()).split()[1])
            while await reader.read(MEBIBYTE):
                pass
            return status
        finally:
            writer.close()


async def many(n: int, act: Callable[[int], Awaitable[Any]]) -> None:
    """Repeat an act without end, ``n`` of them at a time."""

    async def repeat(number: int) -> None:
        while True:
            with suppress(OSError, IndexError, ValueError):
                await act(number)
            await asyncio.sleep(0)

    await asyncio.gather(*map(repeat, range(n)))


async def nobody(_: Abuser) -> None:
    """The polite reader alone."""
    await asyncio.Event().wait()


async def readers(abuser: Abuser) -> None:
    """300 readers that load the map and look at images."""
    paths = ["/api/run", "/api/points", "/api/pages/0", "/api/columns/group", "/api/edits"]

    async def read(_: int) -> None:
        await abuser.ask("GET", random.choice([*paths, *(f"/api/images/{random.randrange(N_IMAGES_ASKED)}",) * 10]))
        await asyncio.sleep(random.uniform(0, 2))

    await many(300, read)


async def streams(abuser: Abuser) -> None:
    """300 pages that wait for events."""

    async def follow(_: int) -> None:
        await abuser.ask("GET", "/api/events")

    await many(300, follow)


async def idle_connections(abuser: Abuser) -> None:
    """3,000 connections on which nothing is sent."""

    async def wait(_: int) -> None:
        reader, writer = await abuser.connect()
        await reader.read()
        writer.close()

    await many(3000, wait)


async def slow_bodies(abuser: Abuser) -> None:
    """500 bodies of which a byte comes each second."""

    async def send(_: int) -> None:
        _, writer = await abuser.connect()
        writer.write(abuser.head("POST", "/api/similar", MEBIBYTE, "image/png"))
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(1)

    await many(500, send)


async def endless_bodies(abuser: Abuser) -> None:
    """100 bodies of 31 MiB, of which the last byte does not come."""

    async def send(_: int) -> None:
        reader, writer = await abuser.connect()
        writer.write(abuser.head("POST", "/api/similar", 31 * MEBIBYTE, "image/png"))
        for _ in range(30):
            writer.write(bytes(MEBIBYTE))
            await writer.drain()
        await reader.read()
        writer.close()

    await many(100, send)


async def large_json(abuser: Abuser) -> None:
    """20 bodies of 30 MiB of JSON at a time."""
    body = b'{"ids":[' + b"1," * (15 * MEBIBYTE - 10) + b"1]}"
    await many(20, lambda _: abuser.ask("POST", "/api/selection", body))


async def expensive_requests(abuser: Abuser) -> None:
    """100 requests at a time for K-means, neighbours, interpolations, tables and spread labels."""

    async def ask(number: int) -> None:
        seed, image = random.randrange(2**31), random.randrange(N_IMAGES_ASKED)
        gets = [
            f"/api/learn/kmeans?k=50&seed={seed}",
            f"/api/images/{image}/neighbors?n=100",
            f"/api/interpolation?a={image}&b=0&steps=64&format=gif",
            f"/api/images/{image}/original",
            "/page.html",
        ]
        if number % 7 < len(gets):
            await abuser.ask("GET", gets[number % 7])
        elif number % 7 == len(gets):
            await abuser.ask("POST", "/api/export", b'{"kind":"csv"}')
        else:
            await abuser.ask("POST", "/api/spread", b"{}")

    await many(100, ask)


async def jobs(abuser: Abuser) -> None:
    """The sweep, the comparison of networks and the export of a folder, asked for again and again."""
    paths = ["/api/learn/sweep", "/api/learn/activations", "/api/export"]
    await many(30, lambda number: abuser.ask("POST", paths[number % 3], b'{"kind":"folder"}'))


async def image_bombs(abuser: Abuser) -> None:
    """50 uploads at a time of a small PNG file that claims and holds 30,000 × 30,000 pixels."""
    bomb = png_bomb(30_000)
    await many(50, lambda _: abuser.ask("POST", "/api/similar", bomb, "image/png"))


def png_bomb(side: int) -> bytes:
    """A black PNG file of so many pixels a side."""
    packer = zlib.compressobj(9)
    row = bytes(side + 1)
    data = b"".join([*(packer.compress(row) for _ in range(side)), packer.flush()])

    def chunk(kind: bytes, content: bytes) -> bytes:
        return pack(">I", len(content)) + kind + content + pack(">I", zlib.crc32(kind + content))

    header = pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


ABUSES: dict[str, Callable[[Abuser], Awaitable[None]]] = {
    "nobody else": nobody,
    "300 readers": readers,
    "300 event streams": streams,
    "3,000 idle connections": idle_connections,
    "500 slow bodies": slow_bodies,
    "100 endless bodies": endless_bodies,
    "20 bodies of 30 MiB of JSON": large_json,
    "100 expensive requests": expensive_requests,
    "jobs, again and again": jobs,
    "50 image bombs": image_bombs,
}


def abuse(name: str, url: str, has_begun: Any) -> None:
    """Abuse an explorer until the process is ended."""
    has_begun.set()
    asyncio.run(ABUSES[name](Abuser(url)))  # type: ignore[arg-type]


@contextmanager
def abused(name: str, url: str) -> Iterator[None]:
    """An abuser in a process of its own."""
    context = multiprocessing.get_context("spawn")
    has_begun = context.Event()
    process = context.Process(target=abuse, args=(name, url, has_begun), daemon=True)
    process.start()
    has_begun.wait()
    time.sleep(WARM_UP_SECONDS)
    try:
        yield
    finally:
        process.kill()
        process.join()


class Watch:
    """Notes the largest memory and number of threads of a process while it works, and the memory of its children."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._is_over = threading.Event()
        self.peak = {"memory_mb": 0.0, "children_mb": 0.0, "threads": 0, "connections": 0}
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._is_over.wait(0.1):
            children = 0.0
            for child in self._process.children(recursive=True):
                with suppress(psutil.Error):
                    children += child.memory_info().rss / 1e6
            now = {
                "memory_mb": self._process.memory_info().rss / 1e6,
                "children_mb": children,
                "threads": self._process.num_threads(),
                "connections": len(self._process.net_connections("tcp")),
            }
            self.peak = {what: max(value, now[what]) for what, value in self.peak.items()}

    def stop(self) -> dict[str, float]:
        """End; the largest values."""
        self._is_over.set()
        self._thread.join()
        return self.peak


def polite(url: str, seconds: float) -> dict[str, float]:
    """Milliseconds that a reader waits who asks ten times a second for one thing after the other."""
    where = asking(url)
    times, n_failed, end = [], 0, time.monotonic() + seconds
    with httpx.Client(base_url=where["url"], headers=where["headers"], timeout=TIMEOUT_SECONDS) as client:
        while time.monotonic() < end:
            image = random.randrange(N_IMAGES_ASKED)
            path = random.choice(
                ["/api/run", "/api/edits", f"/api/images/{image}", f"/api/images/{image}/facts", "/api/pages/0"]
            )
            begun = time.perf_counter()
            try:
                asked(client, path)
            except httpx.HTTPError:
                n_failed += 1
            times.append(1e3 * (time.perf_counter() - begun))
            time.sleep(PAUSE_SECONDS)
    return {
        "median_ms": statistics.median(times),
        "p99_ms": float(np.quantile(times, 0.99)),
        "max_ms": max(times),
        "n_requests": len(times),
        "n_failed": n_failed,
    }


def asked(client: httpx.Client, path: str) -> None:
    """Ask for something, and once more if the connection was closed while it was idle, as browsers do."""
    try:
        client.get(path).raise_for_status()
    except httpx.RemoteProtocolError:
        client.get(path).raise_for_status()


def measured(run: Path, name: str, seconds: float) -> dict[str, float]:
    """A polite reader's times during an abuse of an explorer of its own, and what the explorer took."""
    with served(run) as (url, process, _):
        polite(url, 1)
        watch = Watch(process)
        with abused(name, url):
            found = polite(url, seconds)
        return found | watch.stop()


def main(run: str = RUN, seconds: float = SECONDS) -> None:
    """Measure each abuse and write the results."""
    rows = []
    for name in ABUSES:
        rows.append({"abuse": name} | measured(Path(run), name, seconds))
        print(json.dumps(rows[-1]), flush=True)
    results = {"run": Path(run).name, "seconds": seconds, "rows": rows}
    print(save("explorer_load", results, packages=("starlette", "uvicorn", "numpy")))


if __name__ == "__main__":
    main(*(sys.argv[1:2]), *map(float, sys.argv[2:3]))
