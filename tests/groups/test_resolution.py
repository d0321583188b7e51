"""The choice of a cut by its stability."""

import numpy as np

from latentmap.groups.resolution import (
    MIN_EXCESS,
    Cut,
    Stabilities,
    best_resolution,
    excess_stability,
    supported_cuts,
)


def test_the_excess_is_zero_for_a_cloud_and_one_for_perfect_groups():
    found = Stabilities(np.array([1, 3, 5, 9]), np.array([0, 1, 0.6, 0.2]))
    excess = excess_stability(found, np.array([0, 0.5, 0.6, 0.6]), n_smoothed=0)
    np.testing.assert_allclose(excess, [0, 1, 0, -1])


def test_the_excess_is_averaged_over_neighbouring_cuts_with_groups():
    found = Stabilities(np.array([1, 2, 3, 4]), np.array([0, 0.2, 0.4, 0.9]))
    np.testing.assert_allclose(excess_stability(found, np.zeros(4), n_smoothed=1), [0, 0.3, 0.5, 0.65])


def test_the_finest_of_equally_stable_cuts_is_chosen():
    assert best_resolution(np.array([1, 2, 8, 8]), np.array([0, 0.9, 0.9, 0.8]), 10_000) == 2


def test_few_points_prefer_finer_cuts_and_many_the_most_stable():
    counts, excess = np.array([5, 10]), np.array([0.9, 0.7])
    assert best_resolution(counts, excess, 300) == 1
    assert best_resolution(counts, excess, 70_000) == 0


def test_no_cut_is_chosen_where_none_is_more_stable_than_a_cloud():
    assert best_resolution(np.array([1, 4]), np.array([1.0, MIN_EXCESS - 0.01]), 100) is None


def test_the_chosen_cut_comes_first_and_other_peaks_follow():
    found = Stabilities(np.array([1, 2, 4, 4, 6, 9]), np.array([0, 0.95, 0.5, 0.6, 0.9, 0.7]))
    excess = np.array([0, 0.9, 0.3, 0.5, 0.8, 0.45])
    assert supported_cuts(found, excess, 4) == [Cut(6, 0.9), Cut(2, 0.95)]
    assert supported_cuts(found, excess, 1) == [Cut(2, 0.95), Cut(6, 0.9)]
