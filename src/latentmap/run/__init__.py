"""A run on disk: its stages and files, resuming, additions, comparisons, exports and edits.

The names are loaded when they are first used, so that the command line reads the options without loading torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

_MODULES = {
    "Comparison": "latentmap.run.comparing",
    "EXPORTS": "latentmap.run.export",
    "STAGES": "latentmap.run.state",
    "OptionError": "latentmap.core.errors",
    "Run": "latentmap.run.run",
    "RunError": "latentmap.core.errors",
    "RunOptions": "latentmap.run.options",
    "SourceOptions": "latentmap.run.options",
    "add_images": "latentmap.run.adding",
    "compare_runs": "latentmap.run.comparing",
    "describe_images": "latentmap.run.make",
    "export_run": "latentmap.run.export",
    "make_run": "latentmap.run.make",
}

__all__ = [
    "EXPORTS",
    "STAGES",
    "Comparison",
    "OptionError",
    "Run",
    "RunError",
    "RunOptions",
    "SourceOptions",
    "add_images",
    "compare_runs",
    "describe_images",
    "export_run",
    "make_run",
]

if TYPE_CHECKING:
    from latentmap.core.errors import OptionError, RunError
    from latentmap.run.adding import add_images
    from latentmap.run.comparing import Comparison, compare_runs
    from latentmap.run.export import EXPORTS, export_run
    from latentmap.run.make import describe_images, make_run
    from latentmap.run.options import RunOptions, SourceOptions
    from latentmap.run.run import Run
    from latentmap.run.state import STAGES


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'latentmap.run' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])
