"""Stability of clouds without structure."""

import numpy as np
import pytest

from latentmap import nearest_neighbors
from latentmap.groups import GraphClustering, null_model
from latentmap.groups.null_model import MAX_DIMENSION, MAX_STABILITY, intrinsic_dimension, null_stabilities


@pytest.mark.parametrize("d", [1, 2, 5, 8])
def test_the_dimension_of_a_cloud_in_a_space_of_more_dimensions(d):
    random = np.random.default_rng(d)
    X = random.uniform(size=(3000, d)) @ np.linalg.qr(random.normal(size=(30, 30)))[0][:d]
    assert abs(intrinsic_dimension(nearest_neighbors(X, 15).distances) - d) <= d // 4


def test_copies_and_equal_distances_have_a_dimension():
    assert intrinsic_dimension(np.zeros((5, 4))) == 1
    assert intrinsic_dimension(np.ones((5, 1))) == 1
    assert intrinsic_dimension(np.ones((5, 4))) == MAX_DIMENSION
    assert intrinsic_dimension(np.array([[0, 0, 0, 1.0], [1, 2, 3, 4.0]])) == 1


def test_planes_are_more_stable_than_spaces_of_many_dimensions():
    counts = np.array([1, 2, 5, 10, 50])
    plane, space = (null_stabilities(counts, 500, 15, d) for d in (2, 16))
    assert (plane >= 0).all() and (plane <= MAX_STABILITY).all()
    assert (np.diff(plane) >= 0).all()
    assert plane[3] > 0.4
    assert space[3] < 0.25
    np.testing.assert_array_equal(plane, null_stabilities(counts, 500, 15, 2))


def test_flat_data_is_also_compared_with_threads(monkeypatch):
    drawn = []

    def draw(kind, *arguments):
        drawn.append(kind)
        return draw_cloud(kind, *arguments)

    draw_cloud = null_model._draw_cloud
    monkeypatch.setattr(null_model, "_draw_cloud", draw)
    counts = np.array([1, 5, 10])
    for n, dimension, kinds in ((203, 2, {"normal", "uniform", "thread"}), (204, 3, {"normal", "uniform"})):
        drawn.clear()
        null_stabilities(counts, n, 15, dimension)
        assert set(drawn) == kinds


@pytest.mark.parametrize("n", [300, 1000])
def test_rings_and_spirals_are_one_group(n):
    random = np.random.default_rng(n)
    turn = random.uniform(0, 2 * np.pi, n)
    ring = np.column_stack([np.cos(turn), np.sin(turn)]) + random.normal(scale=0.02, size=(n, 2))
    spiral = np.column_stack([np.cos(3 * turn), np.sin(3 * turn), turn])
    for X in (ring, spiral):
        assert GraphClustering(random_state=0).fit(X).n_clusters_ == 1
