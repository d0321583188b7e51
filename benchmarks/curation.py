"""Curation of a collection: seconds of the audit, and how quickly the grid beside the map answers.

Run with ``python -m benchmarks.curation`` after ``make demo`` and ``python -m benchmarks.scale``, whose runs of MNIST
and of a million images it takes, or with other runs behind it; Chromium must be there, and it renders in software.
"""

import statistics
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.explorer import CHROMIUM, RUNS, SIZE, SWITCHES, frames, served, until
from benchmarks.record import save
from latentmap.run import Run
from latentmap.run.audit_inputs import AuditInputs
from latentmap.run.auditing import audit

ROUNDS = 5
N_FRAMES = 120
COLUMN = "confidence"
CELLS = "[...document.querySelectorAll('.cell')]"
ORDER = f"JSON.stringify({CELLS}.map((one) => one.dataset.image))"
LOADED = f"{CELLS}.length > 0 && {CELLS}.every((one) => one.querySelector('img')?.naturalWidth > 0)"
SCROLL = """
async ([n, step]) => {
  const list = document.querySelector(".grid-scroll"), times = [];
  let before = performance.now();
  for (let frame = 0; frame < n; frame++) {
    list.scrollTop += step;
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    times.push(now - before);
    before = now;
  }
  return times.slice(5);
}
"""


def grid(browser: Any, url: str) -> dict[str, Any]:
    """Milliseconds until the pictures of the grid are there after each step, and frames while it is scrolled."""
    rounds = []
    for _ in range(ROUNDS):
        page = browser.new_page(viewport=SIZE)
        page.goto(url)
        until(page, "performance.getEntriesByName('first-picture').length > 0")
        time.sleep(1)
        found = {"opened": after(page, lambda page=page: page.keyboard.press("g"), "true")}
        steps = {
            "sorted": lambda page=page: page.select_option(".grid-bar .sort", COLUMN),
            "moved to the middle": lambda page=page: page.evaluate(
                "() => { const list = document.querySelector('.grid-scroll'); list.scrollTop = list.scrollHeight / 2; }"
            ),
        }
        for name, step in steps.items():
            before = page.evaluate(ORDER)
            found[name] = after(page, step, f"{ORDER} !== {before!r}")
        found |= {f"scrolled, {key}": value for key, value in frames(page.evaluate(SCROLL, [N_FRAMES, 40])).items()}
        rounds.append(found | {"elements": page.evaluate(f"{CELLS}.length")})
        page.close()
    return {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}


def after(page: Any, step: Any, is_done: str) -> float:
    """Milliseconds from a step until something holds and all pictures in view are loaded."""
    begun = time.perf_counter()
    step()
    until(page, f"({is_done}) && {LOADED}")
    return 1000 * (time.perf_counter() - begun)


def seconds_of_audit(run: Path) -> float:
    """Median of three."""
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        audit(AuditInputs(Run.open(run)))
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def main() -> None:
    """Measure each run and write the results."""
    from playwright.sync_api import sync_playwright

    rows = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        for name in sys.argv[1:] or RUNS:
            run = Path(name)
            row: dict[str, Any] = {"n": len(Run.open(run).map()), "audit_s": seconds_of_audit(run)}
            print(row, flush=True)
            with served(run) as (url, _, _):
                row["grid"] = grid(browser, url)
            print(row, flush=True)
            rows.append(row)
        results = {"chromium": browser.version, "rows": rows}
        browser.close()
    print(save("curation", results, packages=("numpy",)))


if __name__ == "__main__":
    main()
