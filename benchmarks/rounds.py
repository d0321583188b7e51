"""Timing turn by turn, and what this machine can do at most."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

ROUNDS = 3


def in_turns(sides: dict[str, Callable[[int], Any]], rounds: int = ROUNDS) -> dict[str, dict[str, Any]]:
    """Call each side with the number of the round, turn by turn; seconds of each round, their median, last results.

    Whatever compiles or allocates at its first call must have been called before.
    """
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    results: dict[str, list[Any]] = {name: [] for name in sides}
    for number in range(rounds):
        for name, side in sides.items():
            begun = time.perf_counter()
            results[name].append(side(number))
            seconds[name].append(time.perf_counter() - begun)
            print(f"{name:<24} {seconds[name][-1]:8.2f} s", flush=True)
    return {
        name: {"seconds": statistics.median(taken), "rounds": taken, "results": results[name]}
        for name, taken in seconds.items()
    }


def peaks() -> dict[str, float]:
    """Largest rates seen on all cores: products of matrices, flop/s, and reading memory, bytes/s."""
    a, b = torch.rand(3000, 3000), torch.rand(3000, 3000)
    narrow_a, narrow_b = a.bfloat16(), b.bfloat16()
    many = torch.rand(2**27)  # half a GiB, far more than the caches hold
    return {
        "flops": 2 * 3000**3 / _quickest(lambda: a @ b),
        "bfloat16_flops": 2 * 3000**3 / _quickest(lambda: narrow_a @ narrow_b),
        "bytes_per_second": many.numel() * 4 / _quickest(many.sum),
    }


def _quickest(work: Callable[[], Any], times: int = 7) -> float:
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return min(taken)
