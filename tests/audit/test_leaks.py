"""Duplicates in different parts of a collection."""

import numpy as np

from latentmap.audit.issues import IssueList
from latentmap.audit.leaks import find_leaks


def leaks(parts: list[int], copies: list[int], pairs: list[tuple[int, int]] = [], differences=()) -> list:  # noqa: B006
    issues = IssueList()
    near = np.array(pairs, int).reshape(-1, 2)
    find_leaks(issues, np.array(parts), ["train", "test"], np.array(copies), near, np.array(differences), 0.02)
    return [(row["id"], row["related"], round(row["score"], 3), row["note"]) for row in issues.table().to_pylist()]


def test_copies_within_a_part_are_no_leak():
    assert leaks([0, 0, 1, 1], [0, 0, 2, 2]) == []


def test_each_copy_in_another_part_is_a_leak():
    assert leaks([0, 1, 1, 0], [0, 0, 0, 0]) == [
        (1, 0, 0, "test, train"),
        (2, 0, 0, "test, train"),
        (3, 1, 0, "train, test"),
    ]


def test_images_in_no_part_do_not_leak():
    assert leaks([-1, 1, 0], [0, 0, 2]) == []


def test_near_duplicates_leak_with_their_difference_and_through_copies():
    assert leaks([0, 1], [0, 1], [(1, 0)], [0.01]) == [(0, 1, 0.01, "train, test")]
    # 2 is a copy of 0 in the other part, and near to 1 through it
    found = leaks([0, 0, 1], [0, 1, 0], [(1, 0)], [0.01])
    assert (2, 0, 0, "test, train") in found
