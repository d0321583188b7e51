"""Distances judged by what is usual around an image: principal components of a Gaussian kernel with local scales.

Half-whitened components measure all images with one scale, so images of a dense kind look more alike than those of a
sparse one, and a single very different property outweighs all that two images have in common. A kernel whose width
follows the distances to the nearest others corrects both: it compares distances with what is usual nearby, and is zero
for all that is far. The components come from some images, the landmarks, and are extended to all others.

References
----------
Schölkopf, Smola and Müller (1998), Nonlinear component analysis as a kernel eigenvalue problem.
Williams and Seeger (2001), Using the Nyström method to speed up kernel machines.
Zelnik-Manor and Perona (2004), Self-tuning spectral clustering.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentmap.features.eigenpairs import largest_eigenpairs

N_LANDMARKS = 500  # 2,000 name no better neighbours
N_NEAREST = 10  # the distance to this landmark is the scale
WIDTH = 3.0  # of the kernel, in products of two scales; 1 and 10 work alike
MIN_SCALE = 0.1  # of the median scale, so that many copies of an image do not make all others equally far
MIN_DISTANCE = 1e-2  # of vectors whose mean squared distance is 1; shorter ones are rounding errors between copies
MIN_EIGENVALUE = 1e-6  # of the largest; components below carry rounding errors only

Rows = NDArray[np.float32]


@dataclass(frozen=True)
class LocalKernel:
    """A map of vectors to principal components of the kernel exp(-d² / (3 s t)).

    d is the distance of two vectors, s and t are their distances to the tenth nearest landmark. The mean squared
    distance of two landmarks becomes 1.

    Attributes
    ----------
    landmarks : array (m, k), float32
    scales : array (m,), float32
        Distance of each landmark to the tenth nearest one.
    min_scale : array (), float32
        Smaller distances to the tenth nearest landmark count as this one.
    axes : array (m, p), float32
    offset : array (p,), float32
    """

    landmarks: Rows
    scales: Rows
    min_scale: Rows
    axes: Rows
    offset: Rows

    @classmethod
    def fit(cls, rows: Rows, n_components: int) -> "LocalKernel | None":
        """Find the map by landmarks.

        Parameters
        ----------
        rows : array (m, k), float32
            At least 2 vectors, with a mean squared distance of about 1.
        n_components : int
            Maximum number of components.

        Returns
        -------
        LocalKernel or None
            None if nearly all vectors are equal.
        """
        squares = _squared_distances(rows, rows)
        scales = np.sqrt(_nearest(squares))
        of_different = scales[scales > MIN_DISTANCE]
        if not len(of_different):
            return None
        min_scale = MIN_SCALE * np.float32(np.median(of_different))
        scales = np.maximum(scales, min_scale)
        kernel = np.exp(squares / (-WIDTH * scales[:, None] * scales)).astype(np.float64)
        means = kernel.mean(axis=0)
        values, vectors = largest_eigenpairs(kernel - means - means[:, None] + means.mean(), n_components)
        is_kept = values > MIN_EIGENVALUE * values[0]
        values, vectors = values[is_kept], vectors[:, is_kept]
        # the largest entry of each axis is positive: eigenvectors are known up to their sign only
        vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(len(values))])
        axes = vectors / np.sqrt(values) / np.sqrt(2 * values.sum() / len(rows))
        offset = (means @ axes).astype(np.float32)
        return cls(rows, scales.astype(np.float32), np.array(min_scale), np.ascontiguousarray(axes, np.float32), offset)

    def apply(self, rows: Rows) -> Rows:
        """Map vectors (n, k) to components (n, p), float32."""
        kernel = _squared_distances(rows, self.landmarks)
        scales = np.maximum(np.sqrt(_nearest(kernel)), self.min_scale)
        kernel /= (-WIDTH * scales)[:, None]
        kernel /= self.scales
        components: Rows = np.exp(kernel, out=kernel) @ self.axes
        components -= self.offset
        return components


def nearest_rank(n_landmarks: int) -> int:
    """Rank, from 0, of the landmark whose distance is the scale: the tenth beside one at distance zero, or fewer."""
    return min(N_NEAREST, (n_landmarks - 1) // 2)


def _squared_distances(rows: Rows, landmarks: Rows) -> Rows:
    """Squared distances (n, m), float32."""
    squares = rows @ landmarks.T
    squares *= -2
    squares += np.einsum("ij,ij->i", rows, rows)[:, None]
    squares += np.einsum("ij,ij->i", landmarks, landmarks)
    np.maximum(squares, 0, out=squares)
    return squares


def _nearest(squares: Rows) -> Rows:
    """Squared distance to the landmark that gives the scale."""
    rank = nearest_rank(squares.shape[1])
    found: Rows = np.partition(squares, rank, axis=1)[:, rank]
    return found
