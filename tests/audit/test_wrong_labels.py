"""Wrong labels that are put into known ones are found, and their probabilities are right."""

import numpy as np
import pytest

from latentmap.audit.classes import find_merged_classes, find_split_classes
from latentmap.audit.issues import IssueList
from latentmap.audit.opinions import neighbor_opinions
from latentmap.audit.wrong_labels import MIN_LABELLED, find_wrong_labels, fit_noise, label_probabilities
from latentmap.neighbors import nearest_neighbors


def clusters(n_classes: int, n: int, spread: float) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    centers = 6 * np.eye(n_classes, 8)
    classes = np.repeat(np.arange(n_classes), n)
    return (centers[classes] + random.normal(0, spread, (len(classes), 8))).astype(np.float32), classes


def with_noise(classes: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    random, n_classes = np.random.default_rng(1), classes.max() + 1
    wrong = random.random(len(classes)) < rate
    return np.where(wrong, (classes + random.integers(1, n_classes, len(classes))) % n_classes, classes), wrong


@pytest.mark.parametrize("rate", [0.03, 0.1])
def test_wrong_labels_are_found(rate):
    points, classes = clusters(5, 300, 1.0)
    given, wrong = with_noise(classes, rate)
    graph = nearest_neighbors(points, 15)
    opinions = neighbor_opinions(given, graph.indices, graph.distances)
    right = label_probabilities(opinions)
    found = right < 0.5
    assert wrong[found].mean() > 0.95
    assert found[wrong].mean() > 0.95
    assert fit_noise(opinions).rate == pytest.approx(rate, rel=0.4)
    issues = IssueList()
    find_wrong_labels(issues, opinions, list("abcde"), right)
    first = issues.table().slice(0, 1).to_pylist()[0]
    assert first["note"] == f"{'abcde'[given[first['id']]]} → {'abcde'[classes[first['id']]]}"
    assert first["score"] == pytest.approx(right.min())


def test_probabilities_are_calibrated_where_classes_overlap():
    points, classes = clusters(4, 1500, 2.6)
    given, wrong = with_noise(classes, 0.15)
    graph = nearest_neighbors(points, 15)
    right = label_probabilities(neighbor_opinions(given, graph.indices, graph.distances))
    for low, high in ((0, 0.3), (0.3, 0.6), (0.6, 0.9), (0.9, 1.01)):
        part = (right >= low) & (right < high)
        assert part.sum() > 20
        assert (~wrong)[part].mean() == pytest.approx(right[part].mean(), abs=0.13)


def test_two_classes_and_unknown_labels():
    points, classes = clusters(2, 100, 1.0)
    given = classes.copy()
    given[7] = 1
    given[20:60] = -1
    graph = nearest_neighbors(points, 10)
    right = label_probabilities(neighbor_opinions(given, graph.indices, graph.distances))
    assert np.flatnonzero(right < 0.5).tolist() == [7]
    assert np.isnan(right[20:60]).all()
    assert np.isfinite(np.delete(right, np.arange(20, 60))).all()


def test_clean_labels_few_labels_one_class_and_random_ones_are_not_judged_wrong():
    points, classes = clusters(3, 60, 1.0)
    graph = nearest_neighbors(points, 15)

    def probabilities(codes):
        return label_probabilities(neighbor_opinions(codes, graph.indices, graph.distances))

    assert (probabilities(classes) > 0.9).all()
    few = np.full(180, -1)
    few[: MIN_LABELLED - 1] = np.arange(MIN_LABELLED - 1) % 2
    assert np.isnan(probabilities(few)).all()
    assert np.isnan(probabilities(np.zeros(180, int))).all()
    assert np.isnan(probabilities(np.full(180, -1))).all()
    assert np.isnan(probabilities(np.random.default_rng(0).integers(0, 3, 180))).all()


def test_votes_leave_out_the_own_label_and_are_weighted_by_nearness():
    indices = np.array([[0, 1, 2], [0, 2, 1], [1, 0, 2]])
    opinions = neighbor_opinions(np.array([0, 1, 0]), indices, np.array([[0, 1, 2.0], [1, 1, 1], [1, 2, 4]]))
    assert opinions.classes[0].tolist() == [-1, 1, 0]
    assert opinions.votes[0][1] > opinions.votes[0][2] > 0
    np.testing.assert_allclose(opinions.votes.sum(axis=1), 1, atol=1e-6)
    assert opinions.best_other().tolist() == [1, 0, 1]


def test_classes_that_are_one_look_merged():
    points, classes = clusters(3, 80, 1.0)
    given = classes.copy()
    given[classes == 2] = np.where(np.random.default_rng(0).random(80) < 0.5, 2, 3)
    graph = nearest_neighbors(points, 10)
    opinions = neighbor_opinions(given, graph.indices, graph.distances)
    issues = IssueList()
    find_merged_classes(issues, opinions, list("abcd"), classes)
    (row,) = issues.table().to_pylist()
    assert row["note"] == "c + d"
    assert (given[row["id"]], given[row["related"]]) == (2, 3)
    assert 0 <= row["score"] < 0.3
    apart = IssueList()
    find_merged_classes(apart, opinions, list("abcd"), given)  # two groups: the collection tells them apart
    assert apart.table().num_rows == 0


def test_a_class_in_two_groups_without_links_looks_split():
    points, classes = clusters(4, 60, 1.0)
    given = np.where(classes == 3, 2, classes)
    graph = nearest_neighbors(points, 10)
    opinions = neighbor_opinions(given, graph.indices, graph.distances)
    issues = IssueList()
    find_split_classes(issues, opinions, list("abc"), classes, graph.indices)
    (row,) = issues.table().to_pylist()
    assert row["note"] == "c: groups 2 and 3"
    assert (classes[row["related"]], classes[row["id"]]) == (2, 3)
    one = IssueList()
    find_split_classes(one, opinions, list("abc"), given, graph.indices)
    assert one.table().num_rows == 0
