"""Choice of the resolution at which a dendrogram is cut: the number of groups.

A good cut is stable: random parts of the points give the same groups, more surely than in a cloud without structure,
and over a range of resolutions. The stability is therefore averaged over neighbouring resolutions and rescaled, so that
0 is that of a cloud and 1 is perfect. Among stable cuts, finer ones are preferred, because a group too many can be
merged, whereas one too few hides its parts. The sampling error of a stability is about n^(-1/2); a cut may lose six
times this for each doubling of the number of groups, up to resolution 1. Above it, two nodes are kept apart although
they have more edges between them than in a random graph: a collection of many small kinds has its groups there, and
they must be as stable as they are, without a preference. Groups that are split at random keep much of their stability.
Therefore the parts of the groups of the most stable cut must be found again at least half as surely as these groups.

References
----------
Ben-Hur, Elisseeff and Guyon (2002), A stability based method for discovering structure in clustered data.
Lange, Roth, Braun and Buhmann (2004), Stability-based validation of clustering solutions.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

# Ascending. The nodes of a cut at 1 have no more edges between them than in a random graph.
RESOLUTIONS = 1.25 ** np.arange(-32.0, 10.0)
N_SMOOTHED = 2  # resolutions on either side over which stabilities are averaged
LOSS_PER_DOUBLING = 6.0  # of stability, in units of n^(-1/2)
MIN_EXCESS = 0.3  # of the stability over that of a cloud, below which there are no groups
MIN_WITHIN = 0.5  # of the stability within the groups of the most stable cut, as a fraction of the excess of this cut
MAX_OTHER_CUTS = 3  # that are offered beside the chosen one


@dataclass(frozen=True)
class CutPoints:
    """Groups of points at ascending resolutions.

    Attributes
    ----------
    rows : array (n,), int
        Rows of the points.
    blocks : array (n,), int32
        Block of each point.
    groups : list of m arrays (B,), int32
        Group of each block at each resolution.
    """

    rows: NDArray[np.intp]
    blocks: NDArray[np.int32]
    groups: list[NDArray[np.int32]]

    def labels(self, number: int) -> NDArray[np.int32]:
        """Group of each point, (n,), at the resolution of this number."""
        return self.groups[number][self.blocks]


@dataclass(frozen=True)
class Stabilities:
    """Cuts at ascending resolutions.

    Attributes
    ----------
    counts : array (m,), int64
        Number of groups.
    means : array (m,), float64
        Mean adjusted Rand index with the cuts of random parts at the same resolution; 0 for a single group.
    """

    counts: NDArray[np.int64]
    means: NDArray[np.float64]


@dataclass(frozen=True)
class Cut:
    """A number of groups that the data support.

    Attributes
    ----------
    n_clusters : int
        Number of groups.
    stability : float
        Mean adjusted Rand index with the groups of random parts of the points.
    """

    n_clusters: int
    stability: float


def splits_further(counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each of the cuts is at a resolution up to that with most groups, (m,).

    Above it groups become smaller than the minimum size, and fall apart.

    Parameters
    ----------
    counts : array (m,), int64
        Number of groups at ascending resolutions.
    """
    found: NDArray[np.bool_] = np.arange(len(counts)) <= int(counts.argmax())
    return found


def excess_stability(
    found: Stabilities, expected: NDArray[np.float64], n_smoothed: int = N_SMOOTHED
) -> NDArray[np.float64]:
    """Rescale and average stabilities.

    Parameters
    ----------
    found : Stabilities
    expected : array (m,), float64
        Stability of as many groups of a cloud without structure, below 1.
    n_smoothed : int, default=2
        Number of resolutions on either side that are averaged, if they have more than one group.

    Returns
    -------
    array (m,), float64
        0 is as stable as the cloud, 1 is perfect; 0 for a single group, and above the resolution with most groups.
    """
    is_cut = ((found.counts > 1) & splits_further(found.counts)).astype(float)
    excess = is_cut * (found.means - expected) / (1 - expected)
    window = np.ones(2 * n_smoothed + 1)
    sums, numbers = (np.convolve(values, window, "same") for values in (excess, is_cut))
    mean: NDArray[np.float64] = is_cut * sums / np.maximum(numbers, 1)
    return mean


def stability_within(whole: CutPoints, parts: list[CutPoints], coarse: int, fine: int) -> float:
    """Measure how well the groups of a cut are found again within those groups of a coarser cut that it splits.

    Parameters
    ----------
    whole : CutPoints
        Cuts of all points.
    parts : list of CutPoints
        Cuts of random parts of the points.
    coarse, fine : int
        Numbers of the resolutions.

    Returns
    -------
    float
        Mean adjusted Rand index within each group that is split, weighted by size; 1 if none is.
    """
    score = weight = 0.0
    above, below = whole.labels(coarse), whole.labels(fine)
    for part in parts:
        found = part.labels(fine)
        for group in range(int(above.max()) + 1):
            is_inside = above[part.rows] == group
            expected = below[part.rows][is_inside]
            if len(expected) and (expected != expected[0]).any():
                score += len(expected) * adjusted_rand_score(expected, found[is_inside])
                weight += len(expected)
    return score / weight if weight else 1.0


def best_resolution(
    counts: NDArray[np.int64],
    excess: NDArray[np.float64],
    n: int,
    within: Callable[[int, int], float],
    resolutions: NDArray[np.float64] = RESOLUTIONS,
) -> int | None:
    """Choose a cut.

    Parameters
    ----------
    counts : array (m,), int64
        Number of groups of each cut.
    excess : array (m,), float64
        Stability of each cut; see :func:`excess_stability`.
    n : int
        Number of points.
    within : callable
        Stability of a finer cut within the groups of a coarser one, by their numbers; see :func:`stability_within`.
    resolutions : array (m,), float64
        Ascending resolutions of the cuts.

    Returns
    -------
    int or None
        Index of the cut; None if no cut has groups.
    """
    is_possible = (counts > 1) & (excess >= MIN_EXCESS)
    if not is_possible.any():
        return None
    surest = int(np.where(is_possible, excess, -np.inf).argmax())
    preferred = counts.copy()
    if (resolutions <= 1).any():
        at_1 = counts[resolutions <= 1][-1]
        preferred[resolutions > 1] = np.minimum(counts[resolutions > 1], at_1)
    scores = excess + LOSS_PER_DOUBLING / np.sqrt(n) * np.log2(preferred)
    for number in np.argsort(-scores, kind="stable"):
        is_finer = counts[number] > counts[surest]
        if is_possible[number] and (not is_finer or within(surest, int(number)) >= MIN_WITHIN * excess[surest]):
            return int(number)
    return surest


def supported_cuts(found: Stabilities, excess: NDArray[np.float64], chosen: int) -> list[Cut]:
    """List the cuts that the data support: the chosen one, and others that are more stable than those next to them.

    Parameters
    ----------
    found : Stabilities
    excess : array (m,), float64
        See :func:`excess_stability`.
    chosen : int
        Index of the chosen cut.

    Returns
    -------
    list of Cut
        The chosen one first, and then at most three others by descending excess.
    """
    counts = np.unique(found.counts)
    best = [int(np.where(found.counts == count, excess, -np.inf).argmax()) for count in counts]
    heights = np.concatenate([[-np.inf], excess[best], [-np.inf]])
    is_peak = (heights[1:-1] >= heights[:-2]) & (heights[1:-1] >= heights[2:]) & (heights[1:-1] >= MIN_EXCESS)
    others = [
        index
        for index, count, peak in zip(best, counts, is_peak, strict=True)
        if peak and count > 1 and count != found.counts[chosen]
    ]
    others = sorted(others, key=lambda index: -excess[index])[:MAX_OTHER_CUTS]
    return [Cut(int(found.counts[index]), float(found.means[index])) for index in (chosen, *others)]
