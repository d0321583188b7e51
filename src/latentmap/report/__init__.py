"""The report of a run and the page of a comparison, each as one HTML file, and the figures of reports."""

from latentmap.report.comparison_page import write_comparison
from latentmap.report.figures import draw_similar
from latentmap.report.page import report_stage, write_report

__all__ = ["draw_similar", "report_stage", "write_comparison", "write_report"]
