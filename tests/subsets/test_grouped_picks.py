"""Typical, doubtful and mixed points of groups."""

import numpy as np
import pytest

from latentmap.subsets import GroupedPoints, doubtful_points, facility_location, mixed_points, typical_points
from latentmap.subsets.doubt import POOL_FACTOR
from latentmap.subsets.mixed import N_TYPICAL_FIRST


def random() -> np.random.RandomState:
    return np.random.RandomState(0)


@pytest.fixture
def data() -> GroupedPoints:
    """Three groups of 40, 40 and 8 points, and 12 points without a group."""
    groups = np.repeat([0, 1, 2, -1], [40, 40, 8, 12]).astype(np.int32)
    places = np.array([[0, 0], [20, 0], [0, 20], [20, 20]])
    return GroupedPoints.all_of(
        (places[groups] + np.random.default_rng(0).normal(size=(100, 2))).astype(np.float32), groups
    )


@pytest.fixture
def doubts() -> np.ndarray:
    return np.random.default_rng(1).uniform(size=100).astype(np.float32)


def counts(data: GroupedPoints, picks: np.ndarray) -> list[int]:
    """Numbers of picks without a group and in each group."""
    assert len(set(picks.tolist())) == len(picks)
    return np.bincount(data.groups[picks] + 1, minlength=4).tolist()


def test_typical_points_are_the_middles_of_all_groups_first(data):
    picks, gains = typical_points(data, 3, random())
    for group, pick in zip((0, 1, 2), picks, strict=True):
        own = data.points[data.groups == group]
        sums = np.linalg.norm(own[:, None] - own, axis=2).sum(axis=1)
        np.testing.assert_array_equal(data.points[pick], own[sums.argmin()])
    assert (gains > 0).all()


def test_typical_points_are_those_of_facility_location_in_each_group(data):
    picks, gains = typical_points(data, 12, random())
    for group in range(3):
        of_group = data.groups[picks] == group
        expected = facility_location(data.points, 4, random(), rows=np.flatnonzero(data.groups == group))
        np.testing.assert_array_equal(picks[of_group], expected[0])
        np.testing.assert_array_equal(gains[of_group], expected[1])


def test_small_groups_give_what_they_have_and_unsure_points_come_last(data):
    assert counts(data, typical_points(data, 30, random())[0]) == [0, 11, 11, 8]
    assert counts(data, typical_points(data, 88, random())[0]) == [0, 40, 40, 8]
    assert counts(data, typical_points(data, 95, random())[0]) == [7, 40, 40, 8]
    assert counts(data, typical_points(data, 100, random())[0]) == [12, 40, 40, 8]


def test_chosen_points_count_for_their_group(data):
    chosen = np.array([0, 1, 2, 40])
    rest = GroupedPoints(data.points, data.groups, np.setdiff1d(np.arange(100), chosen), chosen)
    picks, _ = typical_points(rest, 5, random())
    assert counts(data, picks) == [0, 0, 2, 3]
    assert not set(picks.tolist()) & set(chosen.tolist())


def test_doubtful_points_are_in_doubt_and_spread(data, doubts):
    picks, _ = doubtful_points(data, doubts, 8, random())
    assert counts(data, picks) == [2, 2, 2, 2]
    for group in range(-1, 3):
        own = np.flatnonzero(data.groups == group)
        pool = own[np.argsort(-doubts[own])][: 2 * POOL_FACTOR]
        chosen = picks[data.groups[picks] == group]
        np.testing.assert_array_equal(chosen, facility_location(data.points, 2, random(), rows=pool)[0])


def test_mixed_points_begin_with_five_of_each_group(data, doubts):
    picks, gains, is_typical = mixed_points(data, doubts, 25, random())
    assert is_typical.tolist() == [True] * (3 * N_TYPICAL_FIRST) + [True, False] * 5
    assert counts(data, picks[: 3 * N_TYPICAL_FIRST]) == [0, 5, 5, 5]
    np.testing.assert_array_equal(picks[is_typical], typical_points(data, 20, random())[0])
    assert len(set(picks.tolist())) == len(gains) == 25


def test_chosen_points_are_among_the_first_five(data, doubts):
    chosen = np.concatenate([np.arange(6), np.arange(40, 44)])
    rest = GroupedPoints(data.points, data.groups, np.setdiff1d(np.arange(100), chosen), chosen)
    picks, _, is_typical = mixed_points(rest, doubts, 8, random())
    assert is_typical.tolist() == [True] * 6 + [True, False]
    assert counts(data, picks[:6]) == [0, 0, 1, 5]


@pytest.mark.parametrize("n", [1, 2, 99, 100])
def test_mixed_points_of_any_number(data, doubts, n):
    picks, _, _ = mixed_points(data, doubts, n, random())
    assert sum(counts(data, picks)) == n


def test_points_without_groups_are_picked_all_the_same(doubts):
    points = np.random.default_rng(2).normal(size=(100, 2)).astype(np.float32)
    data = GroupedPoints.all_of(points, np.full(100, -1, np.int32))
    np.testing.assert_array_equal(typical_points(data, 5, random())[0], facility_location(points, 5, random())[0])
    picks, _, is_typical = mixed_points(data, doubts, 6, random())
    assert is_typical.tolist() == [True, False] * 3
    assert len(set(picks.tolist())) == 6
