"""Facility location in each group on its own."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentmap.subsets.facility_location import facility_location


@dataclass(frozen=True)
class GroupedPoints:
    """Points in groups, of which some can be picked and others count as picked before the first pick.

    Attributes
    ----------
    points : array (m, d), float32
    groups : array (m,), int32
        Group of each point, -1 for none.
    rows : array of int
        Points to pick from, each once.
    chosen : array of int
        Points that count as picked, none of them among ``rows``.
    """

    points: NDArray[np.float32]
    groups: NDArray[np.int32]
    rows: NDArray[np.intp]
    chosen: NDArray[np.intp]

    @classmethod
    def all_of(cls, points: NDArray[np.float32], groups: NDArray[np.int32]) -> "GroupedPoints":
        """Points that can all be picked."""
        return cls(points, groups, np.arange(len(points)), np.empty(0, np.intp))

    def numbers(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Numbers of points to pick from and of chosen points, with group -1 first, then group 0, 1, …"""
        n_groups = int(self.groups.max(initial=-1)) + 2
        sizes, taken = (np.bincount(self.groups[part] + 1, minlength=n_groups) for part in (self.rows, self.chosen))
        return sizes, taken

    def pick(
        self,
        order: NDArray[np.intp],
        pool: Callable[[NDArray[np.intp], int], NDArray[np.intp]],
        random: np.random.RandomState,
        n_jobs: int | None,
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Pick points of each group by :func:`facility_location`, as if there were no other groups.

        Parameters
        ----------
        order : array (n,), int
            Group of each pick.
        pool : callable
            From the rows of a group and the number of its picks to the rows that are picked from and covered.
        random : RandomState
            Generator for the draws.
        n_jobs : int, optional
            Number of threads; all CPUs by default.

        Returns
        -------
        picks : array (n,), int
            Rows of the picks, in order.
        gains : array (n,), float64
            Gain of each pick in the pool of its group.
        """
        picks, gains = np.empty(len(order), np.intp), np.empty(len(order))
        for group in np.unique(order):
            places = np.flatnonzero(order == group)
            own, near = (part[self.groups[part] == group] for part in (self.rows, self.chosen))
            rows = pool(own, len(places))
            picks[places], gains[places] = facility_location(
                self.points, len(places), random, rows=rows, chosen=near, n_jobs=n_jobs
            )
        return picks, gains
