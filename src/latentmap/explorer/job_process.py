"""The process of a job: ``python -m latentmap.explorer.job_process RUN NAME [ARGUMENT]``. It prints its progress."""

import os
import sys
import threading
from collections.abc import Callable

from latentmap.explorer.atlas_view import AtlasView
from latentmap.explorer.lessons import JOBS as LESSONS
from latentmap.explorer.reweighted_map import make_reweighted_map

JOBS: dict[str, Callable[..., None]] = {**LESSONS, "reweighted-map": make_reweighted_map}
NICENESS = 10  # so that the page stays responsive


def _end_with_parent() -> None:
    """End this process when its standard input is closed, which is when the server ends."""

    def wait() -> None:
        os.read(0, 1)  # not through sys.stdin, whose lock would be held when this process ends by itself
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    _end_with_parent()
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    path, name, *arguments = sys.argv[1:]
    JOBS[name](AtlasView(path), *arguments)
