"""Scaling of vectors to a range in which single-precision arithmetic is safe."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PowerOfTwoScaler:
    """Centring and scaling of vectors: X ↦ (X - mean) / 2^exponent.

    Scaled squares neither overflow nor underflow, and products do not lose precision to a common offset. The scale is
    a power of two, so the division does not round.

    Attributes
    ----------
    mean : array (d,), of the type of the data
    exponent : int
        Exponent of the largest absolute entry of X - mean, which scaling moves into [0.5, 1).
    """

    mean: NDArray[Any]
    exponent: int

    @classmethod
    def fit(cls, X: NDArray[Any]) -> Self:
        """Compute the mean and the exponent of X (n, d), float32 or float64."""
        mean = X.mean(axis=0, dtype=np.float64)
        mean = np.where(np.isfinite(mean), mean, 0).astype(X.dtype)
        largest = float(max(np.abs(X.max(axis=0) - mean).max(), np.abs(X.min(axis=0) - mean).max()))
        return cls(mean, int(np.frexp(largest)[1]) if 0 < largest < np.inf else 0)

    def transform(self, X: NDArray[Any]) -> NDArray[Any]:
        """Centre and scale X (m, d); returns a copy."""
        scaled: NDArray[Any] = X - self.mean
        np.ldexp(scaled, -self.exponent, out=scaled)
        return scaled

    def inverse_transform(self, X: NDArray[Any]) -> NDArray[Any]:
        """Undo :meth:`transform` for X (m, d); returns a copy."""
        original: NDArray[Any] = np.ldexp(X, self.exponent) + self.mean
        return original

    def unscale_squared(self, value: float) -> float:
        """Convert a squared distance between scaled vectors to the unit of the data."""
        return float(np.ldexp(value, 2 * self.exponent))
