"""A few labels spread over the graph, held against scikit-learn."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn import semi_supervised
from sklearn.datasets import load_digits
from sklearn.metrics.pairwise import rbf_kernel

from latentmap import LabelSpreading
from latentmap.core.errors import InputError
from latentmap.groups.graph import affinity_graph
from latentmap.neighbors import nearest_neighbors


def test_equals_scikit_learns_on_the_same_graph():
    digits = load_digits()
    X, labels = digits.data[:400], digits.target[:400]
    y = np.where(np.arange(400) % 10 == 0, labels, -1)
    weights = rbf_kernel(X, gamma=0.002)
    np.fill_diagonal(weights, 0)
    theirs = semi_supervised.LabelSpreading(kernel=lambda *_: weights, alpha=0.6, max_iter=300, tol=1e-9).fit(X, y)
    ours = LabelSpreading(alpha=0.6, max_iter=300, tol=1e-9).fit(X, y, graph=csr_matrix(weights))
    np.testing.assert_allclose(ours.label_distributions_, theirs.label_distributions_, atol=1e-5)
    np.testing.assert_array_equal(ours.transduction_, theirs.transduction_)


def test_a_few_names_reach_all_points_and_new_ones():
    digits = load_digits()
    names = np.array([f"digit {label}" for label in digits.target], dtype=object)
    given = np.full(len(names), "", dtype=object)
    for label in range(10):
        given[np.flatnonzero(digits.target == label)[:5]] = f"digit {label}"
    model = LabelSpreading().fit(digits.data, given)
    assert (model.transduction_ == names).mean() > 0.9
    sure = model.confidence_ > np.median(model.confidence_)
    assert (model.transduction_ == names)[sure].mean() > (model.transduction_ == names).mean()
    assert (model.predict(digits.data + 0.01) == names).mean() > 0.9


def test_known_neighbours_and_islands_without_a_label():
    X = np.concatenate([np.arange(6.0), 100 + np.arange(6.0)])[:, None]
    y = [3, *[-1] * 11]
    model = LabelSpreading(n_neighbors=2).fit(X, y, neighbors=nearest_neighbors(X, 3))
    assert (model.confidence_[:6] == 1).all()
    assert (model.confidence_[6:] == 0).all()


def test_missing_labels_are_written_in_many_ways():
    X = np.arange(8.0)[:, None]
    expected = LabelSpreading().fit(X, [0, *[-1] * 6, 1]).label_distributions_
    for unknown in (np.nan, None, ""):
        y = np.array([0, *[unknown] * 6, 1], dtype=object)
        np.testing.assert_array_equal(LabelSpreading().fit(X, y).label_distributions_, expected)
    np.testing.assert_array_equal(LabelSpreading().fit(X, [0, *[np.nan] * 6, 1]).label_distributions_, expected)


@pytest.mark.parametrize(
    "unknown", [-1, -1.0, np.int8(-1), np.nan, np.float32("nan"), None, "", "NA", "masked", "series", "categorical"]
)
@pytest.mark.parametrize("given", [("cat", "dog"), (3, 5), ("3", 5), (True, False)])
def test_unknown_labels_never_become_a_class(given, unknown):
    pandas = pytest.importorskip("pandas")
    X = np.arange(8.0)[:, None]
    y = [given[0], *[pandas.NA if unknown == "NA" else None if isinstance(unknown, str) else unknown] * 6, given[1]]
    if unknown == "masked":
        y = np.ma.masked_array(np.array(y, object), mask=[0, *[1] * 6, 0])
    elif unknown == "series":
        y = pandas.Series(y)
    elif unknown == "categorical" and isinstance(given[0], type(given[1])):
        y = pandas.Categorical(y)
    model = LabelSpreading().fit(X, y)
    assert set(model.classes_.tolist()) == set(given)
    assert model.transduction_.tolist() == [given[0]] * 4 + [given[1]] * 4


def test_text_that_says_minus_one_is_a_class():
    model = LabelSpreading().fit(np.arange(8.0)[:, None], ["-1", *[None] * 6, "1"])
    assert model.classes_.tolist() == ["-1", "1"]


def test_far_new_points_have_shares_of_copies():
    model = LabelSpreading().fit(np.full((6, 2), 1e-30), [0, *[-1] * 4, 1])
    assert np.isfinite(model.predict_proba([[1.0, 1.0]])).all()


def test_weights_fall_with_distance_and_the_graph_is_symmetric():
    X = np.random.default_rng(0).normal(size=(50, 3))
    graph = affinity_graph(nearest_neighbors(X, 6), 6)
    assert abs(graph - graph.T).max() == 0
    assert graph.data.min() > 0
    assert graph.diagonal().max() == 0


@pytest.mark.parametrize(
    ("y", "options", "sentence"),
    [
        ([-1] * 10, {}, "no label is known: give at least one"),
        ([None] * 10, {}, "no label is known: give at least one"),
        (["", np.nan] * 5, {}, "no label is known: give at least one"),
        ([0] * 9, {}, r"labels of shape \(9,\) for 10 points"),
        ([0] * 10, {"alpha": 1.0}, "alpha=1.0: ask for one between 0 and 1"),
    ],
)
def test_wrong_calls_are_met_with_a_sentence(y, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        LabelSpreading(**options).fit(np.arange(10.0)[:, None], y)


def test_balanced_classes_take_no_points_from_each_other():
    digits = load_digits()
    rare, frequent = (np.flatnonzero(digits.target == label) for label in (4, 7))
    rows = np.sort(np.concatenate([rare, frequent]))
    X, labels = digits.data[rows], digits.target[rows]
    y = np.full(len(rows), -1)
    y[np.flatnonzero(labels == 4)[0]] = 4
    some = np.flatnonzero(labels == 7)[::2]
    y[some] = 7
    balanced = LabelSpreading(class_weight="balanced").fit(X, y)
    assert (balanced.transduction_ == labels).mean() > 0.98
    assert (LabelSpreading().fit(X, y).transduction_ == labels).mean() < 0.6  # the many labels take all
    twice = y.copy()
    twice[some[1:]] = -1  # one label of each class: nothing to balance
    np.testing.assert_allclose(
        LabelSpreading(class_weight="balanced").fit(X, twice).label_distributions_,
        LabelSpreading().fit(X, twice).label_distributions_,
        atol=1e-6,
    )
    with pytest.raises(InputError, match="class_weight='even': choose None or 'balanced'"):
        LabelSpreading(class_weight="even").fit(X, y)
