"""Thresholds from the distribution of a collection itself, which a few bad images do not move."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

N_SPREADS = 4.0  # robust standard deviations between the median and a threshold
MAD_TO_DEVIATION = 1.4826
CLEARLY_LARGER = 4


def median_and_spread(values: NDArray[np.floating[Any]], least_spread: float) -> tuple[float, float]:
    """Median and robust standard deviation of values, of which NaN are left out.

    Parameters
    ----------
    values : array (n,)
    least_spread : float
        Smallest standard deviation that is returned, for collections whose values are all nearly the same.
    """
    known = values[np.isfinite(values)].astype(np.float64)
    if not len(known):
        return 0.0, least_spread
    middle = float(np.median(known))
    return middle, max(least_spread, MAD_TO_DEVIATION * float(np.median(np.abs(known - middle))))


def low_threshold(values: NDArray[np.floating[Any]], least_spread: float, ceiling: float) -> float:
    """Threshold below which values are unusually low: four deviations below the median, and at most ``ceiling``.

    Examples
    --------
    >>> low_threshold(np.array([0.9, 1.0, 1.0, 1.0]), least_spread=0.05, ceiling=0.5)
    0.5
    >>> low_threshold(np.array([0.1, 0.1, 0.1, 0.1]), least_spread=0.05, ceiling=0.5)
    -0.1
    """
    middle, spread = median_and_spread(values, least_spread)
    return min(ceiling, middle - N_SPREADS * spread)


def low_threshold_of_ratios(
    values: NDArray[np.floating[Any]], least_spread: float, ceiling: float, least_gap: float, least: float
) -> float:
    """The same on a logarithmic scale, for values whose ratios matter: brightness, contrast.

    Parameters
    ----------
    values : array (n,)
    least_spread : float
        Of the logarithms.
    ceiling : float
    least_gap : float
        Smallest difference between the median and the threshold.
    least : float
        Smallest value that is told from 0. Where the threshold is below it, it takes its place if the median is much
        larger, and else the threshold is -1, below all values.
    """
    middle = median_and_spread(values, 0.0)[0]
    logs = np.log(np.maximum(values, least))
    threshold = min(middle - least_gap, float(np.exp(low_threshold(logs, least_spread, float(np.log(ceiling))))))
    if threshold >= least:
        return threshold
    return least if middle > CLEARLY_LARGER * least else -1.0


def deviation_scores(values: NDArray[np.floating[Any]], least: float) -> NDArray[np.float64]:
    """Scores of how usual values are: 1 at the median, 0.5 at the limit, towards 0 beyond it, on both sides.

    Parameters
    ----------
    values : array (n,)
    least : float
        Smallest distance of the limit from the median, which otherwise is four robust standard deviations.

    Returns
    -------
    array (n,)
        1 where a value is NaN.
    """
    middle, spread = median_and_spread(values, least / N_SPREADS)
    distance = (np.asarray(values, np.float64) - middle) / (N_SPREADS * spread)
    return np.where(np.isfinite(distance), 1 / (1 + distance**2), 1.0)
