"""Pictures that are blurry, too dark, too bright or nearly empty, compared with their collection."""

import numpy as np
from numpy.typing import NDArray

from latentmap.audit.issues import IssueList
from latentmap.audit.robust import low_threshold, low_threshold_of_ratios

# For each measure: the smallest deviation that collections are taken to have (of logarithms for all but sharpness), the
# largest threshold, and (for all but sharpness) the smallest difference between the median and the threshold.
BLURRY = 0.03, 0.5
DARK = 0.1, 0.35, 0.1
BRIGHT = 0.1, 0.5, 0.1
LOW_CONTRAST = 0.2, 0.08, 0.02
LEAST_LEVEL = 1 / 255  # of brightness and contrast that is told from 0


def find_bad_pictures(issues: IssueList, measured: dict[str, NDArray[np.float32]]) -> None:
    """Find blurry, dark, bright and low-contrast pictures.

    A picture is listed if a measure is below an absolute threshold and more than four robust deviations from the median
    of the collection, by the logarithm of brightness and contrast: in a collection of night scenes, none is too dark
    for being one. Pictures of one colour are always listed, as ``low_contrast``, unless many are nearly so. Dark and
    bright ones are not listed as ``low_contrast`` as well.

    Parameters
    ----------
    issues : IssueList
        Receives what is found. The score is the measure: ``sharpness``; ``highlights``, of dark pictures; 1 -
        ``shadows``, of bright ones; ``contrast``.
    measured : dict of arrays (n,)
        See :func:`latentmap.audit.quality.measure_quality`.
    """
    contrasts, sharpness = measured["contrast"], measured["sharpness"]
    issues.add_low("blurry", sharpness, low_threshold(sharpness, *BLURRY))
    is_empty = contrasts < LEAST_LEVEL
    is_told = np.zeros(len(contrasts), bool)
    for issue, scores, limits in (("dark", measured["highlights"], DARK), ("bright", 1 - measured["shadows"], BRIGHT)):
        threshold = low_threshold_of_ratios(scores, *limits, LEAST_LEVEL)
        is_told |= (scores <= threshold) & ~is_empty
        issues.add_low(issue, np.where(is_empty, np.nan, scores), threshold)
    threshold = low_threshold_of_ratios(contrasts, *LOW_CONTRAST, LEAST_LEVEL)
    issues.add_low("low_contrast", np.where(is_told, np.nan, contrasts), threshold)
