"""Votes of the neighbours of each image on its class, without its own label."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.groups.graph import edge_weights

ROWS_AT_ONCE = 2**14
PRIOR = 0.05  # weight of classes that no neighbour has, together, against that of all neighbours


@dataclass(frozen=True)
class Opinions:
    """Votes of the neighbours of the images, in the classes that they have.

    Attributes
    ----------
    codes : array (n,), int32
        Class of each image; -1 where it is not known.
    n_classes : int
    classes : array (n, k), int32
        The classes that the neighbours have; -1 where there is none, or where it is listed before.
    votes : array (n, k), float32
        The fraction of the weight of the neighbours that have each class.
    """

    codes: NDArray[np.int32]
    n_classes: int
    classes: NDArray[np.int32]
    votes: NDArray[np.float32]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which images have a label, and a neighbour with one."""
        return np.asarray((self.codes >= 0) & (self.classes >= 0).any(axis=1))

    def best_other(self) -> NDArray[np.int32]:
        """The class that most neighbours have, other than that of the image itself; -1 where there is none."""
        others = np.where((self.classes >= 0) & (self.classes != self.codes[:, None]), self.votes, -1)
        best = others.argmax(axis=1)
        rows = np.arange(len(best))
        return np.where(others[rows, best] >= 0, self.classes[rows, best], -1).astype(np.int32)

    def own_probability(self, temperature: float, rows: NDArray[np.intp] | None = None) -> NDArray[np.float64]:
        """Probability of the class that each image has, by a softmax of the logarithms of the votes.

        Parameters
        ----------
        temperature : float
            Below 1 the probabilities are sharper than the votes.
        rows : array (m,), int, optional
            Images to take; all by default.

        Returns
        -------
        array (m,), float64
            Of no meaning for images that are not ``known``.
        """
        which = slice(None) if rows is None else rows
        classes, codes = self.classes[which], self.codes[which]
        floor = PRIOR / self.n_classes
        is_class = classes >= 0
        powers = np.where(is_class, (self.votes[which].astype(np.float64) + floor) ** (1 / temperature), 0)
        unseen = floor ** (1 / temperature)
        total = powers.sum(axis=1) + (self.n_classes - is_class.sum(axis=1)) * unseen
        is_own = is_class & (classes == codes[:, None])
        own = np.where(is_own.any(axis=1), (powers * is_own).sum(axis=1), unseen)
        return np.asarray(own / total, np.float64)


def neighbor_opinions(
    codes: NDArray[np.integer[Any]], indices: NDArray[np.integer[Any]], distances: NDArray[np.floating[Any]]
) -> Opinions:
    """Weighted votes of the neighbours of each image, which leave out its own label.

    Parameters
    ----------
    codes : array (n,), int
        Class of each image, from 0; -1 where it is not known.
    indices, distances : array (n, k)
        Neighbours of each image, nearest first. An image that is its own neighbour has no vote there.

    Examples
    --------
    >>> found = neighbor_opinions(np.array([0, 1, 1]), np.array([[1, 2], [0, 2], [0, 1]]), np.ones((3, 2)))
    >>> found.votes.tolist(), found.best_other().tolist()
    ([[1.0, 0.0], [0.5, 0.5], [0.5, 0.5]], [1, 0, 0])
    """
    n, k = indices.shape
    own = np.asarray(codes, np.int32)
    classes, votes = np.full((n, k), -1, np.int32), np.zeros((n, k), np.float32)
    for begin in range(0, n, ROWS_AT_ONCE):
        rows = slice(begin, min(n, begin + ROWS_AT_ONCE))
        near = np.where(indices[rows] == np.arange(n)[rows, None], -1, own[indices[rows]])
        weights = np.where(near >= 0, edge_weights(distances[rows]), 0)
        weights /= np.maximum(weights.sum(axis=1, keepdims=True), np.finfo(float).tiny)
        same = near[:, :, None] == near[:, None, :]
        is_first = (near >= 0) & (same.argmax(axis=2) == np.arange(k))
        votes[rows] = np.where(is_first, (same * weights[:, None, :]).sum(axis=2), 0)
        classes[rows] = np.where(is_first, near, -1)
    return Opinions(own, int(own.max(initial=-1)) + 1, classes, votes)
