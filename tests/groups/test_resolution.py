"""The choice of a cut by its stability."""

import numpy as np

from latentmap.groups.resolution import (
    MIN_EXCESS,
    Cut,
    CutPoints,
    Stabilities,
    best_resolution,
    excess_stability,
    stability_within,
    supported_cuts,
)

COARSE = np.full(4, 0.1)  # resolutions


def surely(coarse, fine):
    return 1.0


def test_the_excess_is_zero_for_a_cloud_and_one_for_perfect_groups():
    found = Stabilities(np.array([1, 3, 5, 9]), np.array([0, 1, 0.6, 0.2]))
    excess = excess_stability(found, np.array([0, 0.5, 0.6, 0.6]), n_smoothed=0)
    np.testing.assert_allclose(excess, [0, 1, 0, -1])


def test_the_excess_is_averaged_over_neighbouring_cuts_with_groups():
    found = Stabilities(np.array([1, 2, 3, 4]), np.array([0, 0.2, 0.4, 0.9]))
    np.testing.assert_allclose(excess_stability(found, np.zeros(4), n_smoothed=1), [0, 0.3, 0.5, 0.65])


def test_the_finest_of_equally_stable_cuts_is_chosen():
    assert best_resolution(np.array([1, 2, 8, 8]), np.array([0, 0.9, 0.9, 0.8]), 10_000, surely, COARSE) == 2


def test_few_points_prefer_finer_cuts_and_many_the_most_stable():
    counts, excess = np.array([5, 10]), np.array([0.9, 0.7])
    assert best_resolution(counts, excess, 300, surely, COARSE[:2]) == 1
    assert best_resolution(counts, excess, 70_000, surely, COARSE[:2]) == 0


def test_above_resolution_one_a_cut_must_be_as_stable_as_it_is():
    counts, resolutions = np.array([4, 8, 16]), np.array([0.8, 1.0, 1.25])
    assert best_resolution(counts, np.array([0.8, 0.7, 0.65]), 400, surely, resolutions) == 1
    assert best_resolution(counts, np.array([0.8, 0.7, 0.75]), 400, surely, resolutions) == 2


def test_resolutions_at_which_groups_fall_apart_do_not_count():
    found = Stabilities(np.array([1, 4, 8, 8, 4]), np.array([0, 0.5, 0.6, 1.0, 1.0]))
    np.testing.assert_allclose(excess_stability(found, np.zeros(5), n_smoothed=1), [0, 0.55, 0.55, 0, 0])


def test_no_cut_is_chosen_where_none_is_more_stable_than_a_cloud():
    assert best_resolution(np.array([1, 4]), np.array([1.0, MIN_EXCESS - 0.01]), 100, surely, COARSE[:2]) is None


def test_a_finer_cut_is_passed_over_where_its_parts_are_not_found_again():
    counts, excess = np.array([1, 2, 4, 8]), np.array([0, 0.9, 0.8, 0.8])
    asked = []

    def within(coarse, fine):
        asked.append((coarse, fine))
        return {2: 0.5, 3: 0.4}[fine]

    assert best_resolution(counts, excess, 100, within, COARSE) == 2  # at least half of 0.9
    assert asked == [(1, 3), (1, 2)]
    assert best_resolution(counts, excess, 100, lambda coarse, fine: 0.1, COARSE) == 1


def test_stability_within_groups_counts_only_those_that_are_split():
    everything, part = np.arange(8), np.array([0, 1, 2, 3, 6, 7])
    coarse, fine = np.array([0, 0, 0, 0, 1, 1, 1, 1]), np.array([0, 0, 1, 1, 2, 2, 2, 2])
    whole = CutPoints(everything, np.arange(8), [coarse, fine])
    same = CutPoints(part, np.arange(6), [coarse[part], fine[part] + 3])
    other = CutPoints(part, np.arange(6), [coarse[part], np.array([0, 1, 0, 1, 2, 2])])
    assert stability_within(whole, [same], 0, 1) == 1
    np.testing.assert_allclose(stability_within(whole, [same, other], 0, 1), (1 - 0.5) / 2)
    assert stability_within(whole, [other], 0, 0) == 1  # no group is split


def test_the_chosen_cut_comes_first_and_other_peaks_follow():
    found = Stabilities(np.array([1, 2, 4, 4, 6, 9]), np.array([0, 0.95, 0.5, 0.6, 0.9, 0.7]))
    excess = np.array([0, 0.9, 0.3, 0.5, 0.8, 0.45])
    assert supported_cuts(found, excess, 4) == [Cut(6, 0.9), Cut(2, 0.95)]
    assert supported_cuts(found, excess, 1) == [Cut(2, 0.95), Cut(6, 0.9)]
