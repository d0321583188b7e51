"""Division of images into parts for training and testing: by class, and without copies in two parts."""

import math
import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

from latentmap.core.errors import RunError
from latentmap.images.boxes import without_box
from latentmap.run import layout, tables
from latentmap.run.cut_runs import is_cut
from latentmap.run.export_names import plain_name
from latentmap.run.run import Run

EXAMPLE = "train=0.8,val=0.1,test=0.1"


def parse_splits(given: str | Mapping[str, float]) -> dict[str, float]:
    """The name and the fraction of each part.

    Parameters
    ----------
    given : str or mapping of str to float
        Such as ``"train=0.8,val=0.1,test=0.1"``, or a dict of the same.

    Raises
    ------
    RunError
        If a name cannot be that of a folder or occurs twice, or the fractions are not above 0 with the sum 1.

    Examples
    --------
    >>> parse_splits("train=0.8,test=0.2")
    {'train': 0.8, 'test': 0.2}
    """
    if isinstance(given, str):
        parts = [part.partition("=") for part in given.split(",")]
        pairs = [(name.strip(), text.strip()) for name, _, text in parts]
    else:
        pairs = [(str(name), str(value)) for name, value in given.items()]
    found: dict[str, float] = {}
    for name, text in pairs:
        if not re.fullmatch(r"[0-9]*\.?[0-9]+([eE]-?[0-9]+)?", text) or not 0 < float(text) <= 1:
            raise RunError(f"splits={given!r}: {name}={text}: give each part a fraction, such as {EXAMPLE}")
        if not name or plain_name(name) != name:
            raise RunError(f"splits={given!r}: {name!r} cannot be the name of a folder: such as {EXAMPLE}")
        if name.casefold() in {other.casefold() for other in found}:
            raise RunError(f"splits={given!r}: {name!r} is there twice: such as {EXAMPLE}")
        found[name] = float(text)
    if not math.isclose(sum(found.values()), 1, abs_tol=1e-6):
        raise RunError(f"splits={given!r}: the fractions sum to {sum(found.values()):g}, not 1: such as {EXAMPLE}")
    return found


def related_images(run: Run) -> NDArray[np.int32]:
    """Sets of images that must be in the same part: exact and near duplicates, and the parts of one whole image.

    Parameters
    ----------
    run : Run

    Returns
    -------
    array (n,), int32
        A number for each image of the atlas, equal for related ones.

    Raises
    ------
    RunError
        If a table is damaged.
    """
    path = run.path / layout.ATLAS
    copy_of = tables.read(path, ["duplicate_of"])["duplicate_of"]
    n = len(copy_of)
    has_copy = np.flatnonzero(copy_of.is_valid().to_numpy())
    pairs = run.duplicates()
    left = [has_copy, pairs["id"].to_numpy()]
    right = [copy_of.drop_null().to_numpy(), pairs["duplicate_of"].to_numpy()]
    if is_cut(run.state):
        first: dict[str, int] = {}
        wholes = (without_box(part) for part in tables.read(path, ["path"])["path"].to_pylist())
        left.append(np.arange(n))
        right.append(np.array([first.setdefault(whole, image) for image, whole in enumerate(wholes)]))
    rows, columns = (np.concatenate(one).astype(np.int64) for one in (left, right))
    edges = sparse.coo_matrix((np.ones(len(rows), np.int8), (rows, columns)), shape=(n, n))
    found: NDArray[np.int32] = csgraph.connected_components(edges, directed=False)[1]
    return found


def split_images(
    classes: NDArray[np.integer], related: NDArray[np.integer], fractions: NDArray[np.float64], seed: int
) -> NDArray[np.int64]:
    """Divide images at random so that each class is divided as the whole, as nearly as the related images allow.

    Parameters
    ----------
    classes : array (m,), int
        Class of each image, from 0.
    related : array (m,), int
        Set of each image; a set is never divided.
    fractions : array (k,)
        Of the parts.
    seed : int

    Returns
    -------
    array (m,), int64
        Part of each image, the same for the same seed.
    """
    random = np.random.default_rng(seed)
    shuffled = random.permutation(len(classes))
    sizes = np.bincount(related)[related]
    wanted = np.outer(np.bincount(classes), fractions)
    found = np.full(len(classes), -1, np.int64)
    for rows in _sets(shuffled[sizes[shuffled] > 1], related):
        missing = wanted[np.bincount(classes[rows]).argmax()]
        part = int(np.lexsort((-wanted.sum(axis=0), -missing))[0])
        found[rows] = part
        np.subtract.at(wanted[:, part], classes[rows], 1)
    alone = shuffled[sizes[shuffled] == 1]
    by_class = alone[np.argsort(classes[alone], kind="stable")]
    ends = np.cumsum(np.bincount(classes[alone], minlength=len(wanted)))
    for number, rows in enumerate(np.split(by_class, ends[:-1])):
        counts = _rounded(len(rows), wanted[number], wanted.sum(axis=0))
        found[rows] = np.repeat(np.arange(len(fractions)), counts)
        wanted[number] -= counts
    return found


def _sets(rows: NDArray[np.intp], related: NDArray[np.integer]) -> list[NDArray[np.intp]]:
    """The rows of each set, the largest sets first."""
    if not len(rows):
        return []
    ordered = rows[np.argsort(related[rows], kind="stable")]
    sets = np.split(ordered, np.flatnonzero(np.diff(related[ordered])) + 1)
    return sorted(sets, key=lambda one: -len(one))


def _rounded(n: int, wanted: NDArray[np.float64], of_all: NDArray[np.float64]) -> NDArray[np.int64]:
    """Whole numbers that sum to n, in the proportions that are wanted; what is left goes where most is missing."""
    positive = np.maximum(wanted, 0)
    exact = n * positive / positive.sum() if positive.sum() > 0 else np.full(len(wanted), n / len(wanted))
    counts = np.floor(exact + 1e-9).astype(np.int64)
    order = np.lexsort((-of_all, -np.round(exact - counts, 9)))
    counts[order[: n - counts.sum()]] += 1
    return counts
