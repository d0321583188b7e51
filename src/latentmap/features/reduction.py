"""Reduction of a block of features to few dimensions of comparable weight."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentmap.features.eigenpairs import largest_eigenpairs

MIN_EIGENVALUE = 1e-7  # of the largest; directions below carry rounding errors only


@dataclass(frozen=True)
class Reduction:
    """An affine map to principal components that are whitened by half.

    The variances of the components become their square roots, so that the first ones do not drown the others, and their
    noise is not raised to the level of the first. The mean squared distance of two rows becomes 1.

    Attributes
    ----------
    center : array (p,), float32
    axes : array (p, k), float32
    """

    center: NDArray[np.float32]
    axes: NDArray[np.float32]

    @classmethod
    def fit(cls, rows: NDArray[np.float32], n_components: int) -> "Reduction":
        """Fit the map to rows (m, p), float32. If all rows are equal, the only component is the mean."""
        center = rows.mean(axis=0, dtype=np.float64)
        centered = rows - center.astype(np.float32)
        values, vectors = _principal_axes(centered, n_components)
        is_kept = values > max(MIN_EIGENVALUE * values[0], np.finfo(np.float32).tiny)
        values, vectors = values[is_kept][: len(rows) - 1], vectors[:, is_kept][:, : len(rows) - 1]
        if not len(values):  # all rows are equal: other rows differ from them by their mean
            return cls(center.astype(np.float32), np.full((rows.shape[1], 1), 1 / rows.shape[1], np.float32))
        # the largest entry of each axis is positive: eigenvectors are known up to their sign only
        vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(len(values))])
        scale = np.sqrt(2 * np.sqrt(values).sum())
        axes = np.ascontiguousarray(vectors / values**0.25 / scale, np.float32)
        return cls(center.astype(np.float32), axes)

    def apply(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map rows (m, p) to components (m, k), float32."""
        components: NDArray[np.float32] = np.matmul(rows - self.center, self.axes, dtype=np.float32)
        return components


def _principal_axes(
    centered: NDArray[np.float32], n_components: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Variances of rows (m, p) along at most n_components axes, the largest first, and the axes (p, k)."""
    m, p = centered.shape
    if m >= p:
        return largest_eigenpairs((centered.T @ centered).astype(np.float64) / m, n_components)
    # the smaller matrix has the same eigenvalues
    values, rows = largest_eigenpairs((centered @ centered.T).astype(np.float64) / m, n_components)
    return values, centered.T @ rows / np.sqrt(np.maximum(values, np.finfo(float).tiny) * m)
