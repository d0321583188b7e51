"""Metrics: by hand where that is possible, and equal to scikit-learn's where it has them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn import manifold
from sklearn.metrics import silhouette_score

from latentmap import metrics
from latentmap.neighbors import ranks

labels = st.lists(st.integers(0, 4), min_size=1, max_size=30)


def test_accuracy_by_hand():
    assert metrics.clustering_accuracy(list("aabbc"), [1, 1, 0, 0, 0]) == 0.8
    assert metrics.clustering_accuracy([0, 0, 0, 0], [0, 1, 2, 3]) == 0.25  # one group stands for the label
    assert metrics.purity([0, 0, 0, 0], [0, 1, 2, 3]) == 1.0
    assert metrics.purity([0, 1, 0, 1], [0, 0, 0, 0]) == 0.5


@pytest.mark.parametrize("missing", ["", None, np.nan])
def test_samples_without_a_label_take_no_part(missing):
    true = ["a", missing, "b", missing, "a", "b", missing]
    groups = [0, 0, 1, 1, 0, 0, 2]
    known = [0, 2, 4, 5]
    expected = metrics.clustering_report([true[i] for i in known], [groups[i] for i in known])
    assert metrics.clustering_report(true, groups) == expected
    assert metrics.clustering_report(np.array(true, object), groups) == expected
    assert expected["accuracy"] == 0.75


def test_labels_of_one_class_of_several_types_and_of_none():
    assert metrics.clustering_report(["a", "a"], [0, 0])["accuracy"] == 1.0
    assert metrics.clustering_accuracy([1, "1", 1, "1"], [0, 1, 0, 1]) == 1.0
    with pytest.raises(ValueError, match="no sample has a label"):
        metrics.clustering_report(["", None], [0, 1])


@given(labels, st.permutations(range(5)))
def test_renaming_groups_changes_nothing(values, names):
    renamed = [names[value] for value in values]
    report = metrics.clustering_report(values, renamed)
    assert report == pytest.approx({"accuracy": 1.0, "nmi": 1.0, "ari": 1.0, "purity": 1.0})


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40))
def test_accuracy_is_at_most_purity(pairs):
    true, predicted = zip(*pairs, strict=True)
    assert metrics.clustering_accuracy(true, predicted) <= metrics.purity(true, predicted) + 1e-12


@pytest.mark.parametrize("n_neighbors", [1, 5, 15])
def test_trustworthiness_equals_scikit_learns(n_neighbors):
    X = np.random.default_rng(0).normal(size=(120, 6))
    embedding = X[:, :2] + 0.1 * np.random.default_rng(1).normal(size=(120, 2))
    ours = metrics.trustworthiness(X, embedding, n_neighbors=n_neighbors)
    assert ours == pytest.approx(manifold.trustworthiness(X, embedding, n_neighbors=n_neighbors), abs=1e-9)


def test_sampled_map_quality_is_near_the_whole():
    X = np.random.default_rng(0).normal(size=(1500, 5)).astype(np.float32)
    for metric in (metrics.trustworthiness, metrics.neighborhood_preservation):
        whole = metric(X, X[:, :2])
        assert metric(X, X[:, :2], sample_size=500) == pytest.approx(whole, abs=0.02)
        assert metric(X, X[:, :2], sample_size=500) != whole


def test_a_perfect_map_keeps_all_neighbours():
    X = np.random.default_rng(0).normal(size=(200, 2))
    assert metrics.neighborhood_preservation(X, 3 * X) == 1.0
    assert metrics.trustworthiness(X, 3 * X) == 1.0
    assert metrics.neighborhood_preservation(X, np.random.default_rng(1).normal(size=(200, 2))) < 0.3


def test_blocks_change_nothing(monkeypatch):
    X = np.random.default_rng(0).normal(size=(300, 4))
    expected = metrics.map_report(X, X[:, :2])
    monkeypatch.setattr(ranks, "MAX_BLOCK_DISTANCES", 300 * 26)
    assert metrics.map_report(X, X[:, :2]) == pytest.approx(expected, abs=1e-12)


def test_the_report_on_a_map_has_both_metrics():
    X = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    found = metrics.map_report(X, X[:, :2], n_neighbors=7, sample_size=50)
    assert found == {
        "trustworthiness": metrics.trustworthiness(X, X[:, :2], n_neighbors=7, sample_size=50),
        "neighborhood_preservation": metrics.neighborhood_preservation(X, X[:, :2], n_neighbors=7, sample_size=50),
    }


def test_neighbours_on_a_map_are_counted_by_hand():
    random = np.random.default_rng(0)
    X, xy = random.normal(size=(60, 5)), random.normal(size=(60, 2))
    high, low = cdist(X, X), cdist(xy, xy)
    np.fill_diagonal(low, np.inf)
    near = np.argsort(low, axis=1)[:, :6]
    of_near = np.take_along_axis(high, near, axis=1)
    expected = (high[:, None] < of_near[:, :, None]).sum(2) - 1  # without the point itself
    assert np.array_equal(ranks.map_neighbor_ranks(X, xy, np.arange(60), 6), expected)
    preserved = [set(a) & set(b) for a, b in zip(near, np.argsort(high, axis=1)[:, 1:7], strict=True)]
    assert np.array_equal((expected < 6).sum(1), [len(both) for both in preserved])


def test_silhouette_equals_scikit_learns():
    X = np.concatenate([np.random.default_rng(i).normal(5 * i, 1, (50, 3)) for i in range(3)])
    groups = np.repeat([0, 1, 2], 50)
    assert metrics.silhouette(X, groups) == pytest.approx(silhouette_score(X, groups))
    assert np.isnan(metrics.silhouette(X, np.zeros(150)))


def test_wrong_input_is_met_with_a_sentence():
    with pytest.raises(ValueError, match="3 in y_true, but 2 in y_pred"):
        metrics.clustering_accuracy([0, 1, 2], [0, 1])
    with pytest.raises(ValueError, match="with n at least 1"):
        metrics.purity([], [])
    with pytest.raises(ValueError, match="4 in X, but 3 in embedding"):
        metrics.trustworthiness(np.zeros((4, 2)), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="n_neighbors=15 with 20 points"):
        metrics.neighborhood_preservation(np.zeros((20, 2)), np.zeros((20, 2)))


def test_density_validity_of_tight_and_of_mixed_groups():
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 100)
    X = random.normal(size=(300, 2)) + 30 * labels[:, None]
    assert metrics.density_validity(X, labels) > 0.8
    assert metrics.density_validity(X, random.permutation(labels)) < 0
    noisy = np.where(np.arange(300) % 2, labels, -1)
    assert metrics.density_validity(X, noisy) < 0.55  # points in no group count against it
    assert np.isnan(metrics.density_validity(X, np.zeros(300, int)))
    assert np.isfinite(metrics.density_validity(np.repeat(X[::50], 50, axis=0), labels))


def test_density_validity_of_three_points_a_group_by_hand():
    X, labels = np.array([0.0, 1, 2, 10, 11, 12])[:, None], np.repeat([0, 1], 3)
    cores = np.array([1 / ((1 + 1 / 2) / 2), 1.0, 1 / ((1 + 1 / 2) / 2)])  # reciprocal mean of reciprocal distances
    sparseness = np.maximum(1, cores).max()
    separation = 8.0
    assert metrics.density_validity(X, labels) == pytest.approx((separation - sparseness) / separation)
