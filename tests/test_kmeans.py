"""K-means: scikit-learn's contract, and a history that tells how the result came about."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import cluster
from sklearn.datasets import make_blobs
from sklearn.utils.estimator_checks import parametrize_with_checks

from latentmap.kmeans import KMeans

# Checks that cannot hold, and why: scikit-learn's own KMeans fails them for the same reason.
RANDOM_STARTS = "starts are drawn from the points, so repeating a point and weighting it draw different ones"
EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": RANDOM_STARTS,
    "check_sample_weight_equivalence_on_sparse_data": RANDOM_STARTS,
}


@parametrize_with_checks([KMeans(n_clusters=3, n_init=2)], expected_failed_checks=lambda _: EXPECTED_FAILURES)
def test_scikit_learn_contract_holds(estimator, check):
    check(estimator)


@settings(max_examples=30, deadline=None)
@given(k=st.integers(1, 6), n=st.integers(6, 60), seed=st.integers(0, 1000), weighted=st.booleans())
def test_recorded_steps_lead_where_scikit_learn_ends(k, n, seed, weighted):
    X = np.random.default_rng(seed).normal(size=(n, 3))
    weights = np.random.default_rng(seed + 1).uniform(0.5, 2, n) if weighted else None
    options = {"n_clusters": k, "init": X[:k], "n_init": 1, "tol": 0}
    recorded = KMeans(**options, record_history=True).fit(X, sample_weight=weights)
    reference = cluster.KMeans(**options).fit(X, sample_weight=weights)
    np.testing.assert_array_equal(recorded.labels_, reference.labels_)
    np.testing.assert_allclose(recorded.cluster_centers_, reference.cluster_centers_)
    assert recorded.inertia_ == pytest.approx(reference.inertia_)
    assert recorded.n_iter_ == reference.n_iter_


def test_history_begins_with_the_given_centres_and_ends_with_the_result():
    X, _ = make_blobs(random_state=6)
    start = X[[0, 1, 2]]
    model = KMeans(3, init=start, n_init=1, tol=0, record_history=True).fit(X)
    np.testing.assert_array_equal(model.history_[0].centers, start)
    np.testing.assert_array_equal(model.history_[-1].centers, model.cluster_centers_)
    np.testing.assert_array_equal(model.history_[-1].labels, model.labels_)
    np.testing.assert_array_equal(model.history_[-2].labels, model.labels_)
    assert np.all(np.diff([step.inertia for step in model.history_]) <= 1e-9)
    for before, after in zip(model.history_, model.history_[1:], strict=False):
        means = [X[before.labels == j].mean(0) for j in range(3)]
        np.testing.assert_allclose(after.centers, means)


@pytest.mark.parametrize("init", ["k-means++", "random", lambda X, k, random_state: X[:k]])
def test_recorded_fit_finds_the_blobs(init):
    X, y = make_blobs(300, centers=[[0, 0], [9, 0], [0, 9]], random_state=0)
    model = KMeans(3, init=init, n_init=5, random_state=0, record_history=True).fit(X)
    assert len({tuple(sorted(set(model.labels_[y == blob]))) for blob in range(3)}) == 3
    np.testing.assert_array_equal(model.predict(X), model.labels_)
    again = KMeans(3, init=init, n_init=5, random_state=0, record_history=True).fit(X)
    np.testing.assert_array_equal(again.cluster_centers_, model.cluster_centers_)


def test_iteration_limit_and_single_precision_hold():
    X = np.random.default_rng(0).normal(size=(500, 4)).astype(np.float32)
    model = KMeans(8, init="random", n_init=1, max_iter=2, random_state=0, record_history=True).fit(X)
    assert model.n_iter_ == 2
    assert len(model.history_) == 3
    assert model.cluster_centers_.dtype == np.float32


def test_an_empty_cluster_gets_the_farthest_point():
    X = np.array([[0.0], [1.0], [2.0], [50.0]])
    model = KMeans(3, init=np.array([[1.0], [1000.0], [-1000.0]]), n_init=1, record_history=True).fit(X)
    assert len(set(model.labels_.tolist())) == 3
    assert model.history_[1].centers.max() == 50.0


def test_without_record_there_is_no_history():
    assert not hasattr(KMeans(2, random_state=0).fit(np.arange(8.0).reshape(4, 2)), "history_")


def test_too_many_clusters_are_met_with_a_sentence():
    with pytest.raises(ValueError, match="n_samples=4 should be >= n_clusters=10"):
        KMeans(10, record_history=True).fit(np.zeros((4, 2)))
