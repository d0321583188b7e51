"""The whole run of MNIST, from the command to the finished report: every stage, with and without compiled kernels.

Run with ``python -m benchmarks.whole``. Each run is a process of its own. The first one has an empty cache of kernels;
the others find them compiled.
"""

import os
import tempfile
from pathlib import Path

from benchmarks.processes import timed_run
from benchmarks.record import save

N_WARM = 3


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"NUMBA_CACHE_DIR": f"{folder}/kernels"}
        cold, *warm = [timed_run("mnist", Path(folder) / f"run-{k}", environment) for k in range(1 + N_WARM)]
    warm.sort(key=lambda one: one["seconds"])
    for name, found in (("cold", cold), ("warm", warm[N_WARM // 2])):
        print(name, found, flush=True)
    rounds = [one["seconds"] for one in warm]
    print(save("whole", {"cold": cold, "warm": warm[N_WARM // 2] | {"rounds": rounds}}))


if __name__ == "__main__":
    main()
