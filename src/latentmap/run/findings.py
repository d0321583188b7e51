"""Summary of a finished run, in a few sentences."""

import numpy as np

from latentmap.audit.issues import count_issues
from latentmap.run.layout import ISSUES
from latentmap.run.run import Run

NAMED_APART = {"exact_duplicate", "near_duplicate", "outlier"}


def findings(run: Run) -> list[str]:
    """Groups and how sure they are, duplicates, outliers and skipped files.

    Parameters
    ----------
    run : Run
        A finished run.

    Returns
    -------
    list of str
        A sentence each, without a full stop.
    """
    exact = run.duplicates()["exact"].to_numpy(zero_copy_only=False).astype(bool)
    n_outliers = int(run.outliers()["is_outlier"].to_numpy(zero_copy_only=False).sum())
    found = [
        _groups(run),
        *_other_cuts(run),
        f"{_counted(int(exact.sum()), 'exact duplicate')} and {_counted(int((~exact).sum()), 'near duplicate')}",
        f"{_counted(n_outliers, 'outlier')}",
        *_other_issues(run),
    ]
    n_skipped = len(run.skipped())
    return [*found, f"{_counted(n_skipped, 'file')} skipped, with reasons in the report"] if n_skipped else found


def _groups(run: Run) -> str:
    groups = run.groups()
    sizes = np.unique(groups[groups >= 0], return_counts=True)[1]
    if not len(sizes):
        return f"no groups: all {run.noun}s have a confidence below {run.options.min_confidence:g}"
    if len(sizes) == 1:
        return "one group"
    stability = run.metrics().get("stability")
    sure = "" if stability is None else f", stability {stability:.2f}: {_in_words(stability)} {run.noun}s"
    return f"{len(sizes)} groups of {sizes.min():,} to {sizes.max():,} {run.noun}s{sure}"


def _other_cuts(run: Run) -> list[str]:
    others = [f"{cut.n_clusters} groups (stability {cut.stability:.2f})" for cut in run.cuts()[1:]]
    return [f"the {run.noun}s also support {' or '.join(others)}"] if others else []


def _other_issues(run: Run) -> list[str]:
    """What the audit found beside duplicates and outliers."""
    if not (run.path / ISSUES).exists():  # made by an earlier version
        return []
    counts = count_issues(run.issues())
    others = [f"{number:,} {name}" for name, number in counts.items() if name not in NAMED_APART]
    return [f"issues of images: {', '.join(others)}"] if others else []


def _in_words(stability: float) -> str:
    how = "nearly the same" if stability >= 0.9 else "mostly the same" if stability >= 0.7 else "often others"
    return f"{how} in random parts of the"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
