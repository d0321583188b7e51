"""Coresets: the cost of any centres on them is that on all points, and they lead to as good a result."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn import cluster
from sklearn.datasets import make_blobs

from latentmap.kmeans import KMeans
from latentmap.kmeans.coreset import coreset_size, draw_coreset


def cost(X, weights, centers):
    return float((cdist(X, centers, "sqeuclidean").min(1) * weights).sum())


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_cost_of_centres_is_that_on_all_points(weighted, dtype):
    random = np.random.RandomState(0)
    X = (random.standard_t(3, (20_000, 5))).astype(dtype)
    X -= X.mean(0)
    weights = (random.uniform(0, 3, len(X)) if weighted else np.ones(len(X))).astype(dtype)
    points, masses = draw_coreset(X, weights, 4000, random)
    assert points.dtype == masses.dtype == dtype
    assert len(points) <= 4000
    assert masses.sum() == pytest.approx(weights.sum(), rel=0.02)
    for k in (1, 5, 40):
        centers = X[random.choice(len(X), k)]
        assert cost(points, masses, centers) == pytest.approx(cost(X, weights, centers), rel=0.05)


def test_points_without_weight_are_not_drawn_and_few_far_points_are():
    random = np.random.RandomState(0)
    X = random.normal(size=(30_000, 3))
    X[:3] += 1000
    weights = np.ones(len(X))
    weights[10_000:] = 0
    points, masses = draw_coreset(X, weights, 500, random)
    assert (masses > 0).all()
    assert (points[:, 0] > 900).sum() == 3
    assert set(map(tuple, points)) <= set(map(tuple, X[:10_000]))


def test_equal_points_give_a_coreset():
    points, masses = draw_coreset(np.zeros((10_000, 2)), np.ones(10_000), 2000, np.random.RandomState(0))
    assert masses.sum() == pytest.approx(10_000)
    assert not points.any()


@pytest.mark.parametrize(
    ("n", "k", "size"), [(5999, 2, None), (6000, 2, 2000), (59_999, 1000, None), (10**6, 3, 125_000)]
)
def test_only_large_data_have_one(n, k, size):
    assert coreset_size(n, k) == size


@pytest.mark.parametrize(("k", "kinds"), [(10, 10), (10, 40), (100, 40)])
def test_results_are_as_good_as_from_all_points(k, kinds):
    X, _ = make_blobs(12_000, n_features=6, centers=kinds, cluster_std=2.0, random_state=1)
    assert coreset_size(len(X), k) is not None
    ours, theirs = (
        np.median([Model(k, n_init=1, random_state=seed).fit(X).inertia_ for seed in range(11)])
        for Model in (KMeans, cluster.KMeans)
    )
    assert ours <= 1.01 * theirs


def test_a_small_cluster_far_away_is_found():
    random = np.random.default_rng(0)
    X = np.concatenate(
        [random.normal(size=(20_000, 4)), random.normal(size=(3, 4)) + 500, random.normal(size=(2, 4)) - 900]
    )
    labels = KMeans(3, random_state=0).fit_predict(X)
    assert sorted(np.bincount(labels).tolist()) == [2, 3, 20_000]


def test_the_same_seed_gives_the_same_result():
    X = np.random.default_rng(0).normal(size=(9000, 4)).astype(np.float32)
    first, second = (KMeans(5, n_init=3, random_state=3).fit(X) for _ in range(2))
    np.testing.assert_array_equal(first.cluster_centers_, second.cluster_centers_)
