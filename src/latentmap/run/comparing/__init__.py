"""Comparison of two runs: common images, groups and neighbourhoods."""

from latentmap.run.comparing.comparison import Comparison, compare_runs

__all__ = ["Comparison", "compare_runs"]
