"""A run on disk: its stages, what it keeps, how it goes on after an interruption, and how it grows."""

from latentmap.core.errors import OptionError, RunError
from latentmap.run.adding import add_images
from latentmap.run.export import EXPORTS, export_run
from latentmap.run.make import bring_up_to_date, describe_images, make_run
from latentmap.run.options import RunOptions
from latentmap.run.run import Run
from latentmap.run.state import STAGES

__all__ = [
    "EXPORTS",
    "STAGES",
    "OptionError",
    "Run",
    "RunError",
    "RunOptions",
    "add_images",
    "bring_up_to_date",
    "describe_images",
    "export_run",
    "make_run",
]
