"""Pictures that are blurry, too dark, too bright or nearly empty, compared with their collection."""

import numpy as np
from numpy.typing import NDArray

from latentmap.audit.issues import IssueList
from latentmap.audit.robust import low_threshold, low_threshold_of_ratios

# For each measure: the smallest deviation that collections are taken to have (of logarithms for all but sharpness), and
# the largest threshold.
BLURRY = 0.03, 0.5
DARK = 0.1, 0.35
BRIGHT = 0.1, 0.5
LOW_CONTRAST = 0.2, 0.08
LEAST_LEVEL = 1 / 255  # of brightness and contrast that is told from 0


def find_bad_pictures(issues: IssueList, measured: dict[str, NDArray[np.float32]]) -> None:
    """Find blurry, dark, bright and low-contrast pictures.

    A picture is listed if a measure is below an absolute threshold and more than four robust deviations from the median
    of the collection, by the logarithm of brightness and contrast: in a collection of night scenes, none is too dark
    for being one. Black, white and empty ones are always listed, unless many are nearly so.

    Parameters
    ----------
    issues : IssueList
        Receives what is found. The score is the measure: ``sharpness``; ``highlights``, of dark pictures; 1 -
        ``shadows``, of bright ones; ``contrast``.
    measured : dict of arrays (n,)
        See :func:`latentmap.audit.quality.measure_quality`.
    """
    issues.add_low("blurry", measured["sharpness"], low_threshold(measured["sharpness"], *BLURRY))
    for issue, scores, (spread, ceiling) in (
        ("dark", measured["highlights"], DARK),
        ("bright", 1 - measured["shadows"], BRIGHT),
        ("low_contrast", measured["contrast"], LOW_CONTRAST),
    ):
        issues.add_low(issue, scores, low_threshold_of_ratios(scores, spread, ceiling, LEAST_LEVEL))
