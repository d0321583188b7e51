"""Classes of labels that look merged, or split."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from latentmap.audit.issues import IssueList
from latentmap.audit.opinions import Opinions

MIN_CLASS_SIZE = 10
# Two classes look like one if at least this fraction of the votes within both goes to the other one.
CONFUSED = 0.25
# A part of a class: a group with at least this fraction of it, in which this fraction of the labelled images has it.
PART, PURE = 0.2, 0.8
MAX_LINKS = 0.02  # largest fraction of the links of the smaller part that lead to the other one


def find_merged_classes(
    issues: IssueList, opinions: Opinions, names: list[str], groups: NDArray[np.integer[Any]] | None = None
) -> None:
    """Find pairs of classes that their neighbours confuse, and that lie in one group.

    Parameters
    ----------
    issues : IssueList
        Receives one row for each pair: the image of one class that is most like the other, and the reverse as the
        related one. The score is 1 - twice the fraction of confused votes, and the note has the names.
    opinions : Opinions
    names : list of str
        Names of the classes.
    groups : array (n,), int, optional
        Group of each image; -1 for none.
    """
    known = np.flatnonzero(opinions.known)
    rows, columns = np.nonzero(opinions.classes[known] >= 0)
    own = opinions.codes[known][rows]
    other, votes = opinions.classes[known][rows, columns], opinions.votes[known][rows, columns].astype(np.float64)
    n = opinions.n_classes
    sizes = np.bincount(opinions.codes[known], minlength=n)
    received = sparse.csr_matrix((votes, (own, other)), shape=(n, n))
    inside = received.diagonal() / np.maximum(sizes, 1)
    means = (sparse.diags(1 / np.maximum(sizes, 1)) @ received).tocsr()
    pairs = sparse.triu(means + means.T, 1).tocoo()
    confused = pairs.data / (pairs.data + inside[pairs.row] + inside[pairs.col])
    main = None if groups is None else _main_groups(opinions.codes, groups, n)
    for a, b, fraction in zip(pairs.row, pairs.col, confused, strict=True):
        is_small = min(sizes[a], sizes[b]) < MIN_CLASS_SIZE
        if fraction < CONFUSED or is_small or (main is not None and main[a] != main[b]):
            continue
        ids = np.array([_most_like(opinions, a, b)])
        related = np.array([_most_like(opinions, b, a)])
        issues.add("merged_classes", ids, 1 - 2 * fraction, 1 - 2 * CONFUSED, related, [f"{names[a]} + {names[b]}"])


def _main_groups(codes: NDArray[np.int32], groups: NDArray[np.integer[Any]], n_classes: int) -> NDArray[np.intp]:
    """The group that most images of each class are in."""
    held = (codes >= 0) & (groups >= 0)
    counts = sparse.csr_matrix(
        (np.ones(int(held.sum())), (codes[held], groups[held])), shape=(n_classes, int(groups.max(initial=-1)) + 1 or 1)
    )
    return np.asarray(counts.argmax(axis=1)).ravel()


def _most_like(opinions: Opinions, own: int, other: int) -> int:
    """The image of a class whose neighbours vote most for another one."""
    rows = np.flatnonzero(opinions.codes == own)
    votes = np.where(opinions.classes[rows] == other, opinions.votes[rows], 0).sum(axis=1)
    return int(rows[votes.argmax()])


def find_split_classes(
    issues: IssueList,
    opinions: Opinions,
    names: list[str],
    groups: NDArray[np.integer[Any]],
    indices: NDArray[np.integer[Any]],
) -> None:
    """Find classes in two or more groups of their own that have hardly a link between them.

    Parameters
    ----------
    issues : IssueList
        Receives one row for each pair of such groups: an image of the smaller one, and one of the larger one as the
        related one. The score is the fraction of links that lead from the smaller part to the other, and the note has
        the names.
    opinions : Opinions
    names : list of str
        Names of the classes.
    groups : array (n,), int
        Group of each image; -1 for none.
    indices : array (n, k), int
        Neighbours of each image.
    """
    codes = opinions.codes
    labelled = (codes >= 0) & (groups >= 0)
    n_groups = int(groups.max(initial=-1)) + 1
    in_group = np.bincount(groups[labelled], minlength=n_groups)
    sizes = np.bincount(codes[labelled], minlength=opinions.n_classes)
    for code in np.flatnonzero(sizes >= MIN_CLASS_SIZE):
        of_class = np.bincount(groups[labelled & (codes == code)], minlength=n_groups)
        parts = np.flatnonzero((of_class >= PART * sizes[code]) & (of_class >= PURE * in_group))
        parts = parts[np.argsort(-of_class[parts], kind="stable")]
        for i, larger in enumerate(parts):
            for smaller in parts[i + 1 :]:
                rows = np.flatnonzero((codes == code) & (groups == smaller))
                links = np.isin(groups[indices[rows]], larger) & (codes[indices[rows]] == code)
                fraction = float(links.mean())
                if fraction > MAX_LINKS:
                    continue
                example = np.flatnonzero((codes == code) & (groups == larger))[:1]
                note = [f"{names[code]}: groups {larger} and {smaller}"]
                issues.add("split_class", rows[:1], fraction, MAX_LINKS, example, note)
