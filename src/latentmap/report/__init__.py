"""The report of a run as one HTML file, and the figures in it."""

from latentmap.report.figures import draw_similar
from latentmap.report.page import report_stage, write_report

__all__ = ["draw_similar", "report_stage", "write_report"]
