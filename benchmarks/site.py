"""A map as static files: how long the export takes, and how soon a plain file server has a map in Chromium.

Run with ``python -m benchmarks.site`` after ``make demo`` and ``python -m benchmarks.scale``, whose runs of MNIST and
of a million images it exports, or with other runs behind it; Chromium must be there, and it renders in software.
"""

import functools
import http.server
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.explorer import CHROMIUM, RUNS, SIZE, SWITCHES, Quiet, panning, until
from benchmarks.record import save
from latentmap.explorer import export_site
from latentmap.run import Run

ROUNDS = 5
FIRST = {
    "first_paint_ms": "first-contentful-paint",
    "interactive_ms": "interactive",
    "first_picture_ms": "first-picture",
}


@contextmanager
def file_server(folder: Path) -> Iterator[str]:
    """Address of a folder that the standard library's file server serves."""
    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign] - pages that are closed leave
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()


class Traffic:
    """Bytes of the bodies that a page has fetched."""

    def __init__(self, page: Any) -> None:
        self.n_bytes = 0
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.on("Network.loadingFinished", self._count)

    def _count(self, event: dict[str, Any]) -> None:
        self.n_bytes += int(event["encodedDataLength"])


def opening(browser: Any, url: str) -> dict[str, float]:
    """Milliseconds until the first picture and until all rows that the page loads; megabytes until each."""
    rounds = []
    for _ in range(ROUNDS):
        context = browser.new_context(viewport=SIZE)
        page = context.new_page()
        traffic = Traffic(page)
        page.goto(url)
        until(page, " && ".join(f"performance.getEntriesByName('{mark}').length" for mark in FIRST.values()))
        found = {name: moment_of(page, mark) for name, mark in FIRST.items()}
        found["megabytes_first"] = megabytes_before(page, found["first_picture_ms"])
        until(page, "performance.getEntriesByName('all-rows').length")
        rounds.append(found | {"all_rows_ms": moment_of(page, "all-rows"), "megabytes": traffic.n_bytes / 1e6})
        context.close()
    return {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}


def moment_of(page: Any, mark: str) -> float:
    """Milliseconds from the request of the page to a mark."""
    return float(page.evaluate("(mark) => performance.getEntriesByName(mark)[0].startTime", mark))


def megabytes_before(page: Any, moment: float) -> float:
    """Megabytes of the files, the page included, whose transfer had begun at a moment."""
    return float(
        page.evaluate(
            """(moment) => ['navigation', 'resource'].flatMap((kind) => performance.getEntriesByType(kind))
              .filter((one) => one.startTime <= moment).reduce((sum, one) => sum + one.encodedBodySize, 0) / 1e6""",
            moment,
        )
    )


def measure(run: Path, browser: Any) -> dict[str, Any]:
    """The export of one run, and its page."""
    n = len(Run.open(run).map())
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "site"
        begun = time.perf_counter()
        export_site(run, out)
        files = [file.stat().st_size for file in out.rglob("*") if file.is_file()]
        found: dict[str, Any] = {
            "n": n,
            "export_s": time.perf_counter() - begun,
            "files": len(files),
            "megabytes": sum(files) / 1e6,
            "largest_mb": max(files) / 1e6,
        }
        with file_server(out) as url:
            found["opening"] = opening(browser, url)
            found["panning"] = panning(browser, url)
    print(found, flush=True)
    return found


def main() -> None:
    """Measure each run and write the results."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        rows = [measure(Path(run), browser) for run in sys.argv[1:] or RUNS]
        print(save("site", {"chromium": browser.version, "rows": rows}, packages=("numpy", "pyarrow")))
        browser.close()


if __name__ == "__main__":
    main()
