"""Distances by features whose kinds are given other weights than the data chose."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.errors import InputError
from latentmap.core.parallel import Array, compiled

MIN_WEIGHT = 1e-12  # of a kind that can be given another weight: the features of the others are 0


def weighted_kinds(own: Mapping[str, float]) -> dict[str, float]:
    """The kinds of features that can be given other weights, with those that the data chose; they sum to 1.

    Parameters
    ----------
    own : mapping of str to float
        Weight of each kind, from ``ImageFeatures.weights_``.
    """
    total = sum(own.values())
    return {kind: weight / total for kind, weight in own.items() if weight > MIN_WEIGHT * total}


def normalized_weights(weights: Mapping[str, float], own: Mapping[str, float]) -> dict[str, float]:
    """Check weights, and scale them so that they sum to 1.

    Parameters
    ----------
    weights : mapping of str to float
        New weight of each kind; kinds that are left out get 0.
    own : mapping of str to float
        Weight of each kind, from ``ImageFeatures.weights_``.

    Returns
    -------
    dict of str to float
        The kinds with a weight above 0, in the order of ``own``.

    Raises
    ------
    InputError
        For a weight of a kind that has none in ``own``, a negative, infinite or missing number, or no weight above 0.
    """
    known = weighted_kinds(own)
    for kind, weight in weights.items():
        if kind not in own or (weight != 0 and kind not in known):
            raise InputError(f"weight of {kind[:100]!r}, which is no kind of these features: use {', '.join(known)}")
        if not (np.isfinite(weight) and weight >= 0):
            raise InputError(f"weight {weight} of {kind}: pass a finite number of at least 0")
    largest = max(weights.values(), default=0.0)
    if not largest > 0:
        raise InputError(f"no weight is above 0: give at least one of {', '.join(known)} a weight")
    scaled = {kind: weights.get(kind, 0.0) / largest for kind in known}  # a sum of large numbers could be infinite
    total = sum(scaled.values())
    return {kind: weight / total for kind, weight in scaled.items() if weight > 0}


def column_factors(
    kinds_of_columns: NDArray[Any], weights: Mapping[str, float], own: Mapping[str, float]
) -> NDArray[np.float32]:
    """Factor of each column of the features in squared distances by other weights.

    Parameters
    ----------
    kinds_of_columns : array (d,), str
        The kind that each column belongs to.
    weights, own : mapping of str to float
        As for :func:`normalized_weights`.

    Returns
    -------
    array (d,), float32
        1 for the weights in ``own``.

    Raises
    ------
    InputError
        As for :func:`normalized_weights`.
    """
    factors = np.zeros(len(kinds_of_columns), np.float32)
    known = weighted_kinds(own)
    for kind, weight in normalized_weights(weights, own).items():
        factors[kinds_of_columns == kind] = weight / known[kind]
    return factors


def nearest_by_factors(
    features: NDArray[np.float32], query: NDArray[np.float32], factors: NDArray[np.float32], n: int
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The rows nearest to one vector by weighted Euclidean distance, in one pass and without a copy of the features.

    Parameters
    ----------
    features : array (n_rows, d), float32
    query : array (d,), float32
    factors : array (d,), float32
        Factor of each column in squared distances.
    n : int
        Number of rows to find.

    Returns
    -------
    rows : array (n,), int
        Nearest first; of rows that are equally far, the first ones first.
    distances : array (n,), float32
    """
    squares = np.empty(len(features), np.float32)
    _weighted_squares(features, query, factors, squares)
    n = min(n, len(squares))
    limit = np.partition(squares, n - 1)[n - 1]
    candidates = np.flatnonzero(squares <= limit)
    rows = candidates[np.argsort(squares[candidates], kind="stable")[:n]]
    return rows, np.sqrt(squares[rows])


def distances_by_factors(
    features: NDArray[np.float32], query: NDArray[np.float32], factors: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Weighted Euclidean distances of all rows to one vector, in one pass and without a copy of the features.

    Parameters
    ----------
    features : array (n_rows, d), float32
    query : array (d,), float32
    factors : array (d,), float32
        Factor of each column in squared distances.

    Returns
    -------
    distances : array (n_rows,), float32
    """
    squares = np.empty(len(features), np.float32)
    _weighted_squares(features, query, factors, squares)
    return np.sqrt(squares, out=squares)


@compiled
def _weighted_squares(features: Array, query: Array, factors: Array, squares: Array) -> None:
    n, d = features.shape
    for i in range(n):
        total = np.float32(0)
        for j in range(d):
            difference = features[i, j] - query[j]
            total += factors[j] * difference * difference
        squares[i] = total
