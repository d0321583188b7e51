"""Writes what a benchmark measured, with the machine and the versions that it was measured on."""

import json
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def save(name: str, results: Any, *, packages: tuple[str, ...] = ("numpy", "torch", "scikit-learn")) -> Path:
    """Write ``benchmarks/results/NAME.json``; return its path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    record = {
        "command": " ".join([f"python -m benchmarks.{name}", *sys.argv[1:]]),
        "machine": machine(),
        "versions": {"python": platform.python_version()} | {package: version(package) for package in packages},
        "results": results,
    }
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return path


def load(name: str) -> dict[str, Any]:
    """Read ``benchmarks/results/NAME.json``."""
    record: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return record


def machine() -> dict[str, Any]:
    """The processor, its cores, and the memory."""
    import psutil

    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
    }


def peak_memory() -> int:
    """The largest resident size of this process since it began, in bytes, as Linux gives it."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
