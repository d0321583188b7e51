"""Whole runs of the command, each in a process of its own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def timed_run(source: str | Path, run: Path, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Seconds of ``latentmap run`` and of its stages, the processor time of all, and the figures of the run."""
    before, begun = os.times(), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "latentmap", "run", str(source), "--out", str(run), "--quiet"],
        check=True,
        stdout=subprocess.DEVNULL,
        env=environment,
    )
    seconds, after = time.perf_counter() - begun, os.times()
    stages = json.loads((run / "run.json").read_text(encoding="utf-8"))["stages"]
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    kept = ("reconstruction_error", "n_groups", "accuracy", "stability", "trustworthiness")
    return {
        "seconds": seconds,
        "processor_seconds": processor,
        "stages": {name: record["seconds"] for name, record in stages.items()},
        "metrics": {name: metrics[name] for name in kept if name in metrics},
    }
