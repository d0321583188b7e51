"""Facility location: the picks of the plain greedy algorithm, its guarantee, and what the draws of many points keep."""

import importlib
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from latentmap.subsets import facility_location

module = importlib.import_module("latentmap.subsets.facility_location")


def random() -> np.random.RandomState:
    return np.random.RandomState(0)


def cloud(n: int, d: int, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def plain_greedy(distances: NDArray, covered: NDArray, n: int) -> tuple[list[int], list[float]]:
    """The algorithm without bounds: every gain is computed for every pick."""
    picks, gains, covered = [], [], covered.astype(np.float64)
    for _ in range(n):
        every = np.maximum(covered - distances, 0).sum(axis=1)
        every[picks] = -1
        picks.append(int(every.argmax()))
        gains.append(float(every.max()))
        covered = np.minimum(covered, distances[picks[-1]])
    return picks, gains


@pytest.mark.parametrize("seed", range(5))
def test_lazy_picks_are_those_of_the_plain_algorithm(seed):
    values = np.random.default_rng(seed).integers(0, 40, (60, 80)).astype(np.float32)  # with many equal gains
    covered = np.random.default_rng(seed + 1).integers(10, 40, 80).astype(np.float32)
    before = covered.copy()
    picks, gains = module.lazy_greedy(values, covered, 60)
    expected, expected_gains = plain_greedy(values, covered, 60)
    assert picks.tolist() == expected
    np.testing.assert_array_equal(gains, expected_gains)
    np.testing.assert_array_equal(covered, before)


@pytest.mark.parametrize("seed", range(4))
def test_picks_of_points_are_those_of_the_plain_algorithm(seed):
    points = cloud(150, 5, seed)
    distances = cdist(points, points)
    picks, gains = facility_location(points, 40, random())
    expected, expected_gains = plain_greedy(distances, np.full(150, distances.max()), 40)
    assert picks.tolist() == expected
    np.testing.assert_allclose(gains, np.array(expected_gains) / (150 * distances.max()), atol=1e-6)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("n_chosen", [0, 2])
def test_the_guarantee_holds_against_all_sets(seed, n_chosen):
    points = cloud(11, 2, seed)
    rows, chosen = np.arange(n_chosen, 11), np.arange(n_chosen)
    distances = cdist(points, points[rows])
    start = distances[chosen].min(axis=0) if n_chosen else np.full(11, distances.max())
    picks, gains = facility_location(points, 3, random(), rows=rows, chosen=chosen)

    def gain(subset):
        return (start - np.minimum(start, distances[list(subset)].min(axis=0))).sum() / start.sum()

    best = max(gain(subset) for subset in combinations(rows, 3))
    assert gain(picks) == pytest.approx(gains.sum(), abs=1e-5)
    assert (1 - 1 / np.e) * best <= gain(picks) <= best + 1e-9


def test_all_points_can_be_picked_each_once():
    points = cloud(30, 3, 0)
    picks, gains = facility_location(points, 30, random())
    assert sorted(picks.tolist()) == list(range(30))
    assert (np.diff(gains) <= 1e-7).all()  # gains never grow
    assert gains.sum() == pytest.approx(1, abs=1e-3)


def test_one_point_and_equal_points():
    picks, gains = facility_location(np.ones((1, 2), np.float32), 1, random())
    assert (picks.tolist(), gains.tolist()) == ([0], [0])
    picks, gains = facility_location(np.full((4, 2), 7, np.float32), 4, random())
    assert (sorted(picks.tolist()), gains.tolist()) == ([0, 1, 2, 3], [0] * 4)


def test_only_given_rows_are_picked_and_chosen_ones_cover():
    points = np.array([[0.0], [0.1], [0.2], [9.0], [9.1], [9.2], [50.0]], np.float32)
    rows = np.array([1, 2, 3, 4, 5])
    assert facility_location(points, 1, random(), rows=rows, chosen=np.array([0]))[0].tolist() == [4]
    assert facility_location(points, 1, random(), rows=rows, chosen=np.array([6]))[0].tolist() in ([3], [2])
    assert sorted(facility_location(points, 5, random(), rows=rows)[0].tolist()) == rows.tolist()


@pytest.fixture
def small_draws(monkeypatch):
    monkeypatch.setattr(module, "MIN_WITNESSES", 40)
    monkeypatch.setattr(module, "MAX_WITNESSES", 60)
    monkeypatch.setattr(module, "MAX_PICKS_PER_ROUND", 8)


def test_draws_of_many_points_cover_them_nearly_as_well(small_draws):
    points = np.random.default_rng(0).normal(size=(20, 4))[np.arange(2000) % 20] * 10 + cloud(2000, 4, 1)
    picks, gains = facility_location(points.astype(np.float32), 20, random())
    assert len(set((picks % 20).tolist())) >= 18  # nearly each of the twenty clusters
    assert len(gains) == 20


def test_rounds_pick_every_point_once(small_draws):
    points = cloud(300, 3, 2)
    picks, gains = facility_location(points, 300, random())
    assert sorted(picks.tolist()) == list(range(300))
    assert np.isfinite(gains).all()


def test_the_seed_decides(small_draws):
    points = cloud(500, 3, 3)
    first, again, other = (facility_location(points, 20, np.random.RandomState(seed))[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("factor", [1e-30, 1e30])
@pytest.mark.parametrize("n_jobs", [1, 3])
def test_scale_shift_and_threads_do_not_matter(factor, n_jobs):
    points = cloud(200, 4, 4)
    expected = facility_location(points, 10, random())
    found = facility_location((points * np.float32(factor)).astype(np.float32), 10, random(), n_jobs=n_jobs)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-4)
    shifted = facility_location(points + np.float32(100), 10, random())
    np.testing.assert_array_equal(shifted[0], expected[0])


def test_a_point_far_out_leaves_the_others_their_digits(small_draws):
    points = cloud(400, 2, 5)
    points[7] = 1e25
    picks, gains = facility_location(points, 12, random())
    assert len(set(picks.tolist())) == 12
    assert np.isfinite(gains).all()
