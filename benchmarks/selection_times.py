"""Seconds that selecting 200 images takes, by strategy, of all digits and of a million drawn vectors.

Run with ``python -m benchmarks.selection_times``: the median of three rounds. Features and groups of the digits are
those of ``latentmap run``, and are not part of the times.
"""

import time
from dataclasses import replace
from statistics import median

import numpy as np

from benchmarks.record import save
from benchmarks.selection import Digits, load_digits, select_at_once
from latentmap.subsets import GroupedPoints

N_DIGITS, N_DRAWN, N_DRAWN_DIMENSIONS, N_DRAWN_GROUPS = 70_000, 1_000_000, 64, 20
N_SELECTED = 200
N_ROUNDS = 3
N_COMPILING = 5_000
STRATEGIES = ("mixed", "typical", "coverage", "doubt")


def main() -> None:
    """Measure and write the results."""
    digits = load_digits(N_DIGITS)
    seconds(of(digits, digits.data.points[:N_COMPILING], digits.data.groups[:N_COMPILING]))  # compiles
    results = {f"{N_DIGITS:,} digits": seconds(digits)}
    random = np.random.default_rng(0)
    groups = random.integers(0, N_DRAWN_GROUPS, N_DRAWN).astype(np.int32)
    points = random.standard_normal((N_DRAWN, N_DRAWN_DIMENSIONS), np.float32)
    points += 3 * random.standard_normal((N_DRAWN_GROUPS, N_DRAWN_DIMENSIONS), np.float32)[groups]
    results[f"{N_DRAWN:,} drawn vectors"] = seconds(of(digits, points, groups))
    print(save("selection_times", results, packages=("numpy",)))


def of(digits: Digits, points: np.ndarray, groups: np.ndarray) -> Digits:
    """Other points in the place of the digits, with doubts that are drawn."""
    doubts = np.random.default_rng(1).uniform(size=len(points)).astype(np.float32)
    return replace(digits, data=GroupedPoints.all_of(points, groups), doubts=doubts)


def seconds(digits: Digits) -> dict[str, float]:
    """Median of each strategy; they take turns."""
    times: dict[str, list[float]] = {strategy: [] for strategy in STRATEGIES}
    for _ in range(N_ROUNDS):
        for strategy in STRATEGIES:
            begun = time.perf_counter()
            select_at_once(digits, N_SELECTED, 0, np.empty(0, np.intp), strategy)
            times[strategy].append(time.perf_counter() - begun)
    found = {strategy: median(all_times) for strategy, all_times in times.items()}
    print(f"{len(digits.data.points):,} vectors", found, flush=True)
    return found


if __name__ == "__main__":
    main()
