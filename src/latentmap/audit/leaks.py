"""Leaks: images of one part of a collection, such as the training set, that are also in another part."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.audit.issues import IssueList


def find_leaks(
    issues: IssueList,
    parts: NDArray[np.integer[Any]],
    names: list[str],
    copies: NDArray[np.integer[Any]],
    similar: NDArray[np.integer[Any]],
    differences: NDArray[np.floating[Any]],
    threshold: float,
) -> None:
    """Find duplicates that lie in different parts of a collection.

    Parameters
    ----------
    issues : IssueList
        Receives one row for each image that has a duplicate in another part. The score is 0 for exact ones, else the
        difference of the pixels, and the note has the names of the parts.
    parts : array (n,), int
        Part of each image, from 0; -1 for none.
    names : list of str
        Names of the parts.
    copies : array (n,), int
        For each image the first one with equal pixels, the image itself if it is the first.
    similar : array (m, 2), int
        Pairs of near duplicates, among the first ones.
    differences : array (m,)
        Difference of each pair.
    threshold : float
        Largest difference of near duplicates.

    Examples
    --------
    >>> found = IssueList()
    >>> parts, pairs = np.array([0, 0, 1]), np.empty((0, 2), int)
    >>> find_leaks(found, parts, ["train", "test"], np.array([0, 1, 1]), pairs, np.empty(0), 0.02)
    >>> found.table().select(["id", "related", "note"]).to_pylist()
    [{'id': 2, 'related': 1, 'note': 'test, train'}]
    """
    members = _first_of_parts(parts, copies)
    scores: dict[int, tuple[float, int]] = {}
    for image in np.flatnonzero((copies != np.arange(len(copies))) & (parts >= 0)).tolist():
        _note_others(scores, image, members.get(int(copies[image]), {}), parts, 0.0)
    for (left, right), difference in zip(similar, differences, strict=True):
        here, there = (members.get(int(one), {}) for one in (left, right))
        for other in there.values():
            _note_others(scores, other, here, parts, float(difference))
    ids = np.array(sorted(scores), np.int64)
    related = np.array([scores[i][1] for i in ids.tolist()], np.int64)
    notes = [f"{names[parts[one]]}, {names[parts[other]]}" for one, other in zip(ids, related, strict=True)]
    issues.add("leak", ids, np.array([scores[i][0] for i in ids.tolist()]), threshold, related, notes)


def _first_of_parts(parts: NDArray[Any], copies: NDArray[Any]) -> dict[int, dict[int, int]]:
    """For each first image, the first of its copies in each part: {first: {part: image}}."""
    members: dict[int, dict[int, int]] = {}
    for image in np.flatnonzero(parts >= 0).tolist():
        members.setdefault(int(copies[image]), {}).setdefault(int(parts[image]), image)
    return members


def _note_others(
    scores: dict[int, tuple[float, int]], image: int, others: dict[int, int], parts: NDArray[Any], score: float
) -> None:
    """Note the first image of another part that an image leaks from, unless it has a better match."""
    for part, other in others.items():
        if part != parts[image] and (image not in scores or scores[image][0] > score):
            scores[image] = score, other
