"""A run on disk: its stages, what it keeps, and how it goes on after an interruption."""

from latentmap.run.options import OptionError, RunOptions
from latentmap.run.run import Run, make_run
from latentmap.run.state import STAGES, RunError

__all__ = ["STAGES", "OptionError", "Run", "RunError", "RunOptions", "make_run"]
