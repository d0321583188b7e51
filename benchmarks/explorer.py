"""The explorer in Chromium: how soon a map is there, how smoothly it moves, and what its server holds out.

Run with ``python -m benchmarks.explorer`` after ``make demo`` and ``python -m benchmarks.scale``, whose runs of MNIST
and of a million images it opens, or with other runs behind it; Chromium, Node and npm must be there. deck.gl draws the
same points for comparison, as dots without pictures. Chromium renders in software here, so that frames cost processor
time.
"""

import asyncio
import functools
import http.server
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import psutil

from benchmarks.record import save
from latentmap.explorer.one_file import MAX_IMAGES
from latentmap.run import Run

RUNS = ("demo", "benchmarks/data/run-1000000")
ROUNDS = 5
N_FRAMES = 150
N_READERS, N_READS = 200, 10
N_CALLS = 300
PEER = Path(__file__).parent / "deckgl"
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
SWITCHES = [
    *("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"),
]
SIZE = {"width": 1400, "height": 900}
# Frames are asked for as fast as they come, for twelve seconds at most.
PAN = """
async (pan, n) => {
  const times = [];
  const begun = performance.now();
  let before = begun;
  for (let frame = 0; frame < n; frame++) {
    pan(frame % 60 < 30 ? 4 : -4, frame % 40 < 20 ? 3 : -3);
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    times.push(now - before);
    before = now;
    if (now - begun > 12_000 && times.length > 12) break;
  }
  return times.slice(5);
}
"""


@contextmanager
def served(run: Path) -> Iterator[tuple[str, psutil.Process, float]]:
    """An explorer; its address, its process and the seconds until it answered."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "latentmap", "explore", str(run), "--no-browser", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8")
    assert process.stdout is not None
    url = process.stdout.readline().split()[1]
    httpx.get(**asking(url, "/api/run"), timeout=120)
    seconds = time.perf_counter() - begun
    try:
        yield url, psutil.Process(process.pid), seconds
    finally:
        process.terminate()
        process.wait()


def asking(url: str, path: str = "") -> dict[str, Any]:
    """An address of an explorer, and the header with the token that it printed."""
    base, _, token = url.partition("/#token=")
    return {"url": base + path, "headers": {"X-Latentmap-Token": token}}


def until(page: Any, expression: str) -> None:
    """Wait for the page."""
    end = time.monotonic() + 120
    while not page.evaluate(expression):
        if time.monotonic() > end:
            raise TimeoutError(expression)
        time.sleep(0.01)


def opening(browser: Any, url: str) -> dict[str, float]:
    """Milliseconds until something is painted, the map answers, and pictures are on it; megabytes until then."""
    rounds = []
    for _ in range(ROUNDS):
        context = browser.new_context(viewport=SIZE)
        page = context.new_page()
        page.goto(url)
        marks = ("first-contentful-paint", "interactive", "first-picture")
        until(page, " && ".join(f"performance.getEntriesByName('{mark}').length" for mark in marks))
        rounds.append(
            page.evaluate(
                """() => ({
                  first_paint_ms: performance.getEntriesByName('first-contentful-paint')[0].startTime,
                  interactive_ms: performance.getEntriesByName('interactive')[0].startTime,
                  first_picture_ms: performance.getEntriesByName('first-picture')[0].startTime,
                  megabytes: performance.getEntriesByType('resource').reduce((s, e) => s + e.encodedBodySize, 0) / 1e6,
                })"""
            )
        )
        context.close()
    return {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}


def frames(times: list[float]) -> dict[str, float]:
    """Median and 95th percentile of frames, in milliseconds."""
    return {"median_ms": statistics.median(times), "p95_ms": float(np.quantile(times, 0.95))}


def middle(rounds: list[dict[str, float]]) -> dict[str, float]:
    """The round with the median of the medians."""
    return sorted(rounds, key=lambda one: one["median_ms"])[len(rounds) // 2]


def panning(browser: Any, url: str) -> dict[str, dict[str, float]]:
    """Frames while the map moves, from afar and from near."""
    page = browser.new_page(viewport=SIZE)
    page.goto(url)
    until(page, "performance.getEntriesByName('first-picture').length > 0")
    time.sleep(1)
    found = {}
    for name, zoom in (("whole map", 0), ("zoomed in 8 times", 3)):
        page.evaluate(f"latentmap.camera.set(latentmap.camera.x, latentmap.camera.y, {zoom})")
        time.sleep(1)
        pan = "(dx, dy) => { latentmap.view.noteMovement(); latentmap.camera.pan(dx, dy); }"
        found[name] = frames(page.evaluate(f"({PAN})({pan}, {N_FRAMES})"))
    page.close()
    return found


@contextmanager
def peer(run: Path) -> Iterator[str]:
    """deck.gl with the same points, built and served; its address."""
    if not (PEER / "node_modules").exists():
        subprocess.run(["npm", "install", "--silent"], cwd=PEER, check=True)
    subprocess.run(["npx", "vite", "build", "--base", "./", "--logLevel", "error"], cwd=PEER, check=True)
    Run.open(run).map().astype("<f4").tofile(PEER / "dist" / "points.bin")
    handler = functools.partial(Quiet, directory=str(PEER / "dist"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Says nothing."""

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def peers_panning(browser: Any, url: str) -> dict[str, float]:
    """Frames of deck.gl while the whole map moves."""
    page = browser.new_page(viewport={"width": SIZE["width"] - 540, "height": SIZE["height"] - 41})  # of our map
    page.goto(url)
    until(page, "window.ready && window.drawn > 0")
    time.sleep(1)
    found = frames(page.evaluate(f"({PAN})(window.pan, {N_FRAMES})"))
    page.close()
    return found


def calls(url: str, n: int) -> dict[str, dict[str, float]]:
    """Milliseconds of single questions, one after the other."""
    random = np.random.default_rng(0)
    where = asking(url)
    with httpx.Client(base_url=where["url"], headers=where["headers"], timeout=60) as client:
        facts = client.get("/api/run").json()
        left, bottom, side = facts["square"]

        def place() -> float:
            return float(random.uniform(0.2, 0.8))

        asked = {
            "neighbours": lambda: f"/api/images/{random.integers(n)}/neighbors?n=8",
            "decode": lambda: f"/api/decode?x={left + side * place()}&y={bottom + side * place()}",
        }
        found = {}
        for name, path in asked.items():
            client.get(path())
            times = []
            for _ in range(N_CALLS):
                begun = time.perf_counter()
                client.get(path()).raise_for_status()
                times.append(1000 * (time.perf_counter() - begun))
            found[name] = {"median_ms": statistics.median(times), "p99_ms": float(np.quantile(times, 0.99))}
    return found


async def readers(url: str, n: int) -> dict[str, float]:
    """Many readers at once, each asking for pages, images, their neighbours and columns, and edits."""
    where = asking(url)
    limits = httpx.Limits(max_connections=N_READERS)
    times: list[float] = []
    errors = 0
    async with httpx.AsyncClient(base_url=where["url"], headers=where["headers"], timeout=120, limits=limits) as client:
        facts = (await client.get("/api/run")).json()

        async def read(reader: int) -> None:
            nonlocal errors
            random = np.random.default_rng(reader)
            for step in range(N_READS):
                image = int(random.integers(n))
                paths = [
                    f"/api/pages/{random.integers(min(20, facts['pages']['n']))}",
                    f"/api/images/{image}",
                    f"/api/images/{image}/neighbors?n=8",
                    f"/api/images/{image}/facts",
                    "/api/edits",
                ]
                begun = time.perf_counter()
                try:
                    answer = await client.get(paths[(reader + step) % len(paths)])
                    errors += answer.status_code != 200
                except httpx.HTTPError:
                    errors += 1
                times.append(1000 * (time.perf_counter() - begun))

        begun = time.perf_counter()
        await asyncio.gather(*(read(reader) for reader in range(N_READERS)))
        seconds = time.perf_counter() - begun
    return {
        "readers": N_READERS,
        "requests": len(times),
        "errors": errors,
        "requests_per_second": len(times) / seconds,
        "median_ms": statistics.median(times),
        "p99_ms": float(np.quantile(times, 0.99)),
    }


def measure(run: Path, browser: Any) -> dict[str, Any]:
    """All of it for one run."""
    n = len(Run.open(run).map())
    with served(run) as (url, process, seconds):
        found: dict[str, Any] = {"n": n, "server_ready_s": seconds, "opening": opening(browser, url)}
        found["server_mb_open"] = process.memory_info().rss / 2**20
        print(f"{n:,} images: opened, {found['opening']}", flush=True)
        found["panning"] = panning(browser, url)
        print(f"{n:,} images: moved, {found['panning']}", flush=True)
        found["calls"] = calls(url, n)
        with ThreadPoolExecutor(1) as threads:  # the browser's own loop runs in this thread
            found["readers"] = threads.submit(lambda: asyncio.run(readers(url, n))).result()
        if n <= MAX_IMAGES:
            begun = time.perf_counter()
            size = len(httpx.get(**asking(url, "/page.html"), timeout=300).content)
            found["one_file"] = {"megabytes": size / 1e6, "seconds": time.perf_counter() - begun}
        found["server_mb"] = process.memory_info().rss / 2**20
        print(f"{n:,} images: {found}", flush=True)
        if n <= MAX_IMAGES:
            with peer(run) as address:  # turn by turn
                ours, theirs = [], []
                for _ in range(3):
                    ours.append(panning(browser, url)["whole map"])
                    theirs.append(peers_panning(browser, address))
            found["deckgl"] = middle(theirs)
            found["beside_deckgl"] = middle(ours)
    return found


def main() -> None:
    """Measure each run and write the results."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        rows: list[dict[str, Any]] = []
        for run in sys.argv[1:] or RUNS:
            rows.append(measure(Path(run), browser))
            results = {"chromium": browser.version, "rows": rows}
            save("explorer", results, packages=("starlette", "uvicorn"))
        browser.close()


if __name__ == "__main__":
    main()
