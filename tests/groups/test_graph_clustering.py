"""Groups on the neighbour graph, on data whose groups are known."""

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_blobs
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from latentmap import GraphClustering, ImageFeatures, KMeans, load_mnist, nearest_neighbors
from latentmap.metrics import clustering_accuracy


def blobs(sizes, d=10, distance=12.0, seed=0):
    """Gaussian groups of these sizes at random places at least ``distance`` apart."""
    random = np.random.default_rng(seed)
    centers = []
    while len(centers) < len(sizes):
        center = random.normal(scale=distance, size=d)
        if all(np.linalg.norm(center - other) >= distance for other in centers):
            centers.append(center)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return (np.array(centers)[labels] + random.normal(size=(len(labels), d))).astype(np.float32), labels


@parametrize_with_checks([GraphClustering()])
def test_keeps_scikit_learns_contract(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "sizes",
    [
        [100, 60, 40],
        [2000, 900, 30],  # 1 % of the points
        [50] * 60,
        [400, 20, 20, 20],
        [5000, 5000],
    ],
)
def test_finds_as_many_groups_as_there_are(sizes):
    X, labels = blobs(sizes)
    model = GraphClustering(random_state=0).fit(X)
    assert model.n_clusters_ == len(sizes)
    assert clustering_accuracy(labels, model.labels_) == 1.0
    assert np.bincount(model.labels_).tolist() == sorted(sizes, reverse=True)


def test_two_hundred_groups():
    X, labels = blobs([60] * 200, d=16)
    model = GraphClustering(random_state=1).fit(X)
    assert model.n_clusters_ == 200
    assert clustering_accuracy(labels, model.labels_) == 1.0


@pytest.mark.parametrize("d", [2, 5, 20])
@pytest.mark.parametrize("n", [200, 3000])
@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_a_single_cloud_is_one_group(n, d, kind):
    X = getattr(np.random.default_rng(n + d), kind)(size=(n, d))
    model = GraphClustering(random_state=0).fit(X)
    assert model.n_clusters_ == 1
    assert (model.labels_ == 0).all()
    assert (model.confidence_ == 1).all()


@pytest.mark.parametrize("n", [900, 1500])
def test_circles_and_crescents_are_groups(n):
    random = np.random.default_rng(n)
    labels = random.integers(3, size=n)
    turn, radius = random.uniform(0, 2 * np.pi, n), 1.0 + labels
    circles = np.column_stack([radius * np.cos(turn), radius * np.sin(turn)]) + random.normal(scale=0.05, size=(n, 2))
    assert adjusted_rand_score(labels, GraphClustering(random_state=0).fit_predict(circles)) == 1.0
    labels, turn = random.integers(2, size=n), random.uniform(0, np.pi, n)
    crescents = np.column_stack([np.cos(turn), np.sin(turn)])
    crescents[labels == 1] = [1, 0.5] - crescents[labels == 1]
    crescents += random.normal(scale=0.05, size=(n, 2))
    assert adjusted_rand_score(labels, GraphClustering(random_state=0).fit_predict(crescents)) == 1.0


@pytest.mark.parametrize(("n", "least"), [(300, 0.55), (1_000, 0.8), (3_000, 0.9)])
def test_digits_of_small_samples_are_found_without_their_number(n, least):
    """The aims are those for the median of five samples; here is one of them."""
    images, labels = load_mnist("test")
    rows = np.random.default_rng(0).choice(len(images), n, replace=False)
    features = ImageFeatures(random_state=0).fit_transform(images[rows])
    found = GraphClustering(random_state=0).fit(features)
    assert adjusted_rand_score(labels[rows], found.labels_) > least
    assert 8 <= found.n_clusters_ <= 13


def test_overlapping_groups_are_told_apart_better_than_by_kmeans_where_they_are_no_balls():
    random = np.random.default_rng(0)
    turn = random.uniform(0, np.pi, 4000)
    labels = np.repeat([0, 1], 2000)
    X = np.column_stack([np.cos(turn), np.sin(turn)])
    X[labels == 1] = [1, 0.5] - X[labels == 1]
    X += random.normal(scale=0.06, size=X.shape)
    found = GraphClustering(2, random_state=0).fit_predict(X)
    assert adjusted_rand_score(labels, found) > 0.99
    assert adjusted_rand_score(labels, KMeans(2, n_init=3, random_state=0).fit_predict(X)) < 0.6


@pytest.mark.parametrize("k", [1, 2, 5, 12, 60])
def test_as_many_groups_as_asked_for(k):
    X, _ = blobs([50] * 5)
    model = GraphClustering(k, random_state=0).fit(X)
    assert model.n_clusters_ == len(np.unique(model.labels_)) == k
    assert model.probabilities_.shape == (250, k)
    np.testing.assert_allclose(model.probabilities_.sum(axis=1), 1, rtol=1e-5)


def test_the_tree_gives_the_groups_and_nests():
    X, labels = blobs([120] * 6)
    model = GraphClustering(random_state=0).fit(X)
    assert adjusted_rand_score(model.cut(6), labels) == 1.0
    for k in range(1, model.tree_.n_blocks):
        coarse, fine = model.cut(k), model.cut(k + 1)
        assert len(np.unique(coarse)) == k
        assert len(np.unique(np.stack([coarse, fine]), axis=1).T) == k + 1  # one group is split, the others stay
    assert (np.diff(model.tree_.associations) <= 0).all()
    with pytest.raises(ValueError, match=f"the tree can be cut into 1 to {model.tree_.n_blocks} groups"):
        model.cut(model.tree_.n_blocks + 1)


def test_the_path_of_a_block_tells_its_groups():
    X, _ = blobs([80, 70, 60])
    model = GraphClustering(random_state=0).fit(X)
    paths = np.array(model.tree_.paths())[model.blocks_]
    for group in range(3):
        rows = paths[model.labels_ == group]
        begin = min(rows, key=len)
        while not all(path.startswith(begin) for path in rows):
            begin = begin[:-1]
        assert not any(path.startswith(begin) for path in paths[model.labels_ != group])


def test_what_is_said_of_each_group():
    X, _ = blobs([90, 60, 30], distance=6.0, d=4)
    model = GraphClustering(3, random_state=0).fit(X)
    described = model.describe(5)
    assert [group.size for group in described] == np.bincount(model.labels_).tolist()
    for number, group in enumerate(described):
        assert (model.labels_[group.typical] == number).all()
        assert model.confidence_[group.typical].min() >= model.confidence_[group.boundary].max()
        assert number not in [other for other, _ in group.neighbors]
        assert group.merge is not None
        assert group.merge[1] in (1, 2)
        merged = model.cut(group.merge[1])
        assert len(np.unique(merged[(model.labels_ == number) | (model.labels_ == group.merge[0])])) == 1
        apart = model.cut(group.merge[1] + 1)
        assert len(np.unique(apart[(model.labels_ == number) | (model.labels_ == group.merge[0])])) == 2
        if group.split:
            assert sum(group.split) == group.size


def test_unsure_points_are_left_out_on_request():
    labels = np.repeat([0, 1], 500)
    X = np.random.default_rng(0).normal(size=(1000, 2)) + 4 * labels[:, None] * [1, 0]
    sure = GraphClustering(2, min_confidence=0.9, random_state=0).fit(X)
    every = GraphClustering(2, random_state=0).fit(X)
    left = sure.labels_ >= 0
    assert 0 < (~left).sum() < 500
    np.testing.assert_array_equal(left, sure.confidence_ >= 0.9)
    np.testing.assert_array_equal(sure.labels_[left], every.labels_[left])
    assert clustering_accuracy(labels[left], every.labels_[left]) > clustering_accuracy(labels, every.labels_)


def test_new_points_get_the_group_of_their_neighbours():
    X, labels = blobs([200, 150, 100])
    new, new_labels = blobs([200, 150, 100], seed=0)[0][::7] + 0.1, labels[::7]
    model = GraphClustering(random_state=0).fit(X)
    assert clustering_accuracy(new_labels, model.predict(new)) == 1.0
    assert model.predict_proba(new).shape == (len(new), 3)


def test_tangents_join_what_differs_only_along_them():
    """Two groups, each smeared far along a direction of its own: only with tangents do they hold together."""
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1], 400)
    X = random.normal(scale=0.3, size=(800, 6))
    X[labels == 1, 0] += 3
    X[:, 5] += random.integers(0, 8, 800) * 2.0  # pieces far apart
    tangents = np.zeros((800, 1, 6), np.float32)
    tangents[:, 0, 5] = 10
    apart = GraphClustering(2, random_state=0).fit(X)
    joined = GraphClustering(2, random_state=0).fit(X, tangents=tangents)
    assert clustering_accuracy(labels, apart.labels_) < 0.9
    assert clustering_accuracy(labels, joined.labels_) == 1.0
    assert clustering_accuracy(labels, joined.predict(X, tangents=tangents)) == 1.0


def test_digits_are_told_apart_better_than_by_kmeans():
    digits = load_digits()
    found = GraphClustering(10, random_state=0).fit_predict(digits.data)
    by_kmeans = KMeans(10, n_init=10, random_state=0).fit_predict(digits.data)
    assert adjusted_rand_score(digits.target, found) > adjusted_rand_score(digits.target, by_kmeans)


def test_known_neighbours_give_the_same_groups_and_threads_change_nothing():
    X, _ = make_blobs(900, n_features=6, centers=7, cluster_std=2.0, random_state=0)
    reference = GraphClustering(random_state=3).fit(X)
    neighbors = nearest_neighbors(X, 20)
    np.testing.assert_array_equal(
        reference.labels_, GraphClustering(random_state=3).fit(X, neighbors=neighbors).labels_
    )
    np.testing.assert_array_equal(reference.labels_, GraphClustering(random_state=3, n_jobs=1).fit(X).labels_)


def test_identical_points_and_islands_do_no_harm():
    X, labels = blobs([150, 100])
    X = np.concatenate([X, np.repeat(X[:1], 40, axis=0), X.max() + 500 + np.arange(3)[:, None] * np.ones(10)])
    model = GraphClustering(random_state=0).fit(X.astype(np.float32))
    assert clustering_accuracy(labels, model.labels_[:250]) == 1.0
    assert GraphClustering(random_state=0).fit(np.ones((50, 3))).labels_.shape == (50,)


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("n_copies", [20, 400])
def test_copies_stay_in_the_group_of_their_original(n_copies, known):
    X, labels = blobs([150, 120, 80])
    rounding = np.random.default_rng(0).normal(scale=1e-5, size=(n_copies, X.shape[1]))
    copies = (X[-1:] + rounding).astype(np.float32)  # what differs by rounding is a copy, too
    X = np.concatenate([X[:50], copies, X[50:]])
    labels = np.concatenate([labels[:50], np.repeat(labels[-1:], n_copies), labels[50:]])
    neighbors = nearest_neighbors(X, 30) if known else None
    model = GraphClustering(random_state=0).fit(X, neighbors=neighbors)
    assert model.n_clusters_ == 3
    assert clustering_accuracy(labels, model.labels_) == 1.0
    assert (np.diff(np.bincount(model.labels_)) <= 0).all()
    described = model.describe(5)
    assert [group.size for group in described] == np.bincount(model.labels_).tolist()
    for number, group in enumerate(described):
        assert (model.labels_[group.typical] == number).all()
        assert group.split is None or sum(group.split) == group.size
    assert len(model.cut(2)) == len(model.probabilities_) == len(model.neighbors_.indices) == len(X)
    assert (model.predict(copies) == model.labels_[-1]).all()


@pytest.mark.parametrize("n", [250, 4_000])
@pytest.mark.parametrize("d", [2, 5, 10, 30])
def test_two_balls_are_two_groups(n, d):
    X, labels = blobs([3 * n // 5, 2 * n // 5], d=d)
    model = GraphClustering(random_state=0).fit(X)
    assert model.n_clusters_ == 2
    assert clustering_accuracy(labels, model.labels_) == 1.0


def test_stability_is_high_where_there_are_groups_and_low_where_there_are_none():
    X, _ = blobs([200] * 4)
    cloud = np.random.default_rng(0).normal(size=(800, 10))
    assert GraphClustering(random_state=0).fit(X).stability() > 0.99
    assert GraphClustering(4, random_state=0).fit(cloud).stability() < 0.7


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"n_clusters": 0}, "n_clusters=0: ask for a whole number of at least 1"),
        ({"n_clusters": 2.5}, "n_clusters=2.5: ask for a whole number"),
        ({"n_clusters": 300}, "n_clusters=300 exceeds n_samples=30: ask for at most 30"),
        ({"n_neighbors": -1}, "n_neighbors=-1: ask for a whole number"),
        ({"min_confidence": 2}, "min_confidence=2: ask for one from 0 to 1"),
    ],
)
def test_wrong_parameters_are_met_with_a_sentence(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        GraphClustering(**options).fit(np.random.default_rng(0).normal(size=(30, 2)))


def test_tangents_and_neighbours_of_other_points_are_met_with_a_sentence():
    X = np.random.default_rng(0).normal(size=(30, 2))
    with pytest.raises(ValueError, match=r"tangents of shape \(29, 1, 2\) for points of shape \(30, 2\)"):
        GraphClustering().fit(X, tangents=np.zeros((29, 1, 2)))
    with pytest.raises(ValueError, match="neighbors has 2 of 30 points: pass at least 7 of 30"):
        GraphClustering().fit(X, neighbors=nearest_neighbors(X, 2))
