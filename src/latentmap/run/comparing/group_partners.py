"""The groups of two runs beside each other: how many images they have in common, and which are the same group."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

UNSURE = -1  # the group of images that are in none


@dataclass(frozen=True)
class GroupPartners:
    """The groups of two runs on their common images.

    Attributes
    ----------
    numbers_a, numbers_b : array, int64
        Numbers of the groups of each run that have common images, ascending; -1 for images in no group.
    counts : array (len(numbers_a), len(numbers_b)), int64
        Number of common images in a group of the one and a group of the other run.
    partners : dict of int to int
        Group of the second run that stands for a group of the first.
    """

    numbers_a: NDArray[np.int64]
    numbers_b: NDArray[np.int64]
    counts: NDArray[np.int64]
    partners: dict[int, int]

    @classmethod
    def of(cls, groups_a: NDArray[np.integer], groups_b: NDArray[np.integer]) -> "GroupPartners":
        """Match the groups of two runs, one to one, so that as many images as possible stay in their group.

        Images in no group are a group that only stands for itself. Groups without a common image have no partner.

        Parameters
        ----------
        groups_a, groups_b : array (m,), int
            Groups of the common images in each run; -1 for none.
        """
        numbers_a, rows = np.unique(groups_a, return_inverse=True)
        numbers_b, columns = np.unique(groups_b, return_inverse=True)
        counts = np.zeros((len(numbers_a), len(numbers_b)), np.int64)
        np.add.at(counts, (rows, columns), 1)
        own_a, own_b = np.flatnonzero(numbers_a != UNSURE), np.flatnonzero(numbers_b != UNSURE)
        overlap = counts[np.ix_(own_a, own_b)]
        chosen = zip(*linear_sum_assignment(overlap, maximize=True), strict=True)
        partners = {int(numbers_a[own_a[i]]): int(numbers_b[own_b[j]]) for i, j in chosen if overlap[i, j]}
        return cls(numbers_a.astype(np.int64), numbers_b.astype(np.int64), counts, partners)

    def is_changed(self, groups_a: NDArray[np.integer], groups_b: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Whether each image (m,) is in another group than the partner of its group in the first run."""
        nowhere = UNSURE - 1
        wanted = np.array(
            [UNSURE if number == UNSURE else self.partners.get(number, nowhere) for number in self.numbers_a.tolist()]
        )
        found: NDArray[np.bool_] = wanted[np.searchsorted(self.numbers_a, groups_a)] != groups_b
        return found


def group_agreement(groups_a: NDArray[np.integer], groups_b: NDArray[np.integer]) -> dict[str, float | None]:
    """Adjusted Rand index and normalised mutual information of the images that are in a group in both runs.

    Returns
    -------
    dict
        ``ari`` and ``nmi``; None without such an image.
    """
    in_both = (groups_a != UNSURE) & (groups_b != UNSURE)
    if not in_both.any():
        return {"ari": None, "nmi": None}
    pair = groups_a[in_both], groups_b[in_both]
    return {"ari": float(adjusted_rand_score(*pair)), "nmi": float(normalized_mutual_info_score(*pair))}
