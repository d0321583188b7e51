"""Parts: how strongly small pieces of an image resemble those that are typical of the collection.

References
----------
Coates, Lee and Ng (2011), An analysis of single-layer networks in unsupervised feature learning.
Coates and Ng (2012), Learning feature representations with K-means.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.parallel import Array, compiled

PARTS_SIDE = 32  # pixels per side of the images
PATCH_SIDE = 6
N_PARTS = 256
N_PATCHES = 40_000  # from which the parts are learned
N_ROUNDS = 10  # of spherical K-means; later ones change little
MIN_VARIANCE = 1.5e-3  # added to the variance of a patch, so that noise in plain areas is not enlarged
WHITENING = 0.1  # added to the eigenvalues of the covariance of patches
THRESHOLD = 0.5  # similarity from which a part counts as seen


@dataclass(frozen=True)
class PartDictionary:
    """Typical patches of a collection.

    Attributes
    ----------
    filters : array (p, 256), float32
        Weights of the values of a patch in its similarity to each part.
    bias : array (256,), float32
        Similarity of an empty patch, which is subtracted.
    """

    filters: NDArray[np.float32]
    bias: NDArray[np.float32]

    @classmethod
    def learn(cls, images: NDArray[np.float32], random: np.random.RandomState) -> "PartDictionary":
        """Learn the parts of a collection by spherical K-means of whitened patches.

        Parameters
        ----------
        images : array (n, 32, 32, c), float32
            Values from 0 to 1.
        random : RandomState
            Generator for the patches and the initial parts.

        Returns
        -------
        PartDictionary
        """
        patches = _random_patches(images, random)
        center = patches.mean(axis=0)
        values, vectors = np.linalg.eigh(np.cov(patches - center, rowvar=False).astype(np.float64))
        whitening = (vectors / np.sqrt(np.maximum(values, 0) + WHITENING)) @ vectors.T
        whitened = ((patches - center) @ whitening).astype(np.float32)
        parts = whitened[random.choice(len(whitened), min(N_PARTS, len(whitened)), replace=False)]
        parts = _unit_length(parts)
        for _ in range(N_ROUNDS):
            nearest = (whitened @ parts.T).argmax(axis=1)
            sums = np.zeros_like(parts)
            np.add.at(sums, nearest, whitened)
            is_used = np.linalg.norm(sums, axis=1) > 0
            parts[is_used] = _unit_length(sums[is_used])
        filters = (whitening @ parts.T).astype(np.float32)
        return cls(np.ascontiguousarray(filters), (center @ filters).astype(np.float32))

    def activations(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Sum the similarities above the threshold to each part, in each quarter of the images.

        Parameters
        ----------
        images : array (n, 32, 32, c), float32

        Returns
        -------
        array (n, 4 · 256), float32
        """
        side = PARTS_SIDE - PATCH_SIDE + 1
        patches = np.empty((len(self.filters), side * side), np.float32)
        similarities = np.empty((side * side, len(self.bias)), np.float32)
        limits = self.bias + np.float32(THRESHOLD)
        found = np.zeros((len(images), 4, len(self.bias)), np.float32)
        for image, pooled in zip(images, found, strict=True):
            _gather_patches(image, patches)
            _pool(np.matmul(patches.T, self.filters, out=similarities), limits, side, pooled)
        return found.reshape(len(images), -1)


def _random_patches(images: NDArray[np.float32], random: np.random.RandomState) -> NDArray[np.float32]:
    n, side = len(images), PARTS_SIDE - PATCH_SIDE + 1
    per_image = -(-N_PATCHES // n) if n < N_PATCHES else 1
    per_image = min(per_image, side * side)
    chosen = random.choice(n, min(n, N_PATCHES), replace=False)
    patches = np.empty((PATCH_SIDE * PATCH_SIDE * images.shape[3], side * side), np.float32)
    found = []
    for image in images[chosen]:
        _gather_patches(image, patches)
        found.append(patches[:, random.randint(side * side, size=per_image)].T)
    return np.concatenate(found)


def _unit_length(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float32] = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return unit


@compiled
def _gather_patches(image: Array, patches: Array) -> None:
    """Copy each patch of an image (side, side, c), with mean 0 and about unit variance, into a column.

    The loops run along a row of the image, over neighbouring patches, so that they fill vector registers.
    """
    side, n_values = image.shape[0] - PATCH_SIDE + 1, len(patches)
    by_channel = np.ascontiguousarray(image.transpose(2, 0, 1))
    total, squares = np.empty(side, np.float32), np.empty(side, np.float32)
    for y in range(side):
        total[:] = 0
        squares[:] = 0
        row = patches[:, y * side : (y + 1) * side]
        at = 0
        for dy in range(PATCH_SIDE):
            for dx in range(PATCH_SIDE):
                for k in range(len(by_channel)):
                    for x in range(side):
                        value = by_channel[k, y + dy, x + dx]
                        row[at, x] = value
                        total[x] += value
                    at += 1
        for x in range(side):
            total[x] /= n_values
        for j in range(n_values):
            for x in range(side):
                value = row[j, x] - total[x]
                row[j, x] = value
                squares[x] += value * value
        for x in range(side):
            squares[x] = np.float32(1) / np.sqrt(squares[x] / n_values + np.float32(MIN_VARIANCE))
        for j in range(n_values):
            for x in range(side):
                row[j, x] *= squares[x]


@compiled
def _pool(similarities: Array, limits: Any, side: int, pooled: Array) -> None:
    """Add what similarities (side², parts) exceed the limits by to the quarter of the image (4, parts) of the patch."""
    half = side // 2
    for y in range(side):
        for x in range(side):
            row, quarter = y * side + x, 2 * int(y > half) + int(x > half)
            for part in range(similarities.shape[1]):
                pooled[quarter, part] += max(similarities[row, part] - limits[part], np.float32(0))
