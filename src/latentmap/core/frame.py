"""Where arithmetic on vectors is safe, whatever their unit and their distance from the origin."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Frame:
    """The mean at zero, the largest entry near one.

    Squares then neither overflow nor vanish, and products lose nothing to what all points have in common. The scale is
    a power of two, so nothing is rounded.
    """

    mean: NDArray[Any]
    exponent: int

    @classmethod
    def around(cls, X: NDArray[Any]) -> Self:
        """The frame of X (n, d)."""
        mean = X.mean(axis=0, dtype=np.float64)
        mean = np.where(np.isfinite(mean), mean, 0).astype(X.dtype)
        largest = float(max(np.abs(X.max(axis=0) - mean).max(), np.abs(X.min(axis=0) - mean).max()))
        return cls(mean, int(np.frexp(largest)[1]) if 0 < largest < np.inf else 0)

    def into(self, X: NDArray[Any]) -> NDArray[Any]:
        """Rows of the data, as they are in the frame: a copy."""
        moved: NDArray[Any] = X - self.mean
        np.ldexp(moved, -self.exponent, out=moved)
        return moved

    def out_of(self, X: NDArray[Any]) -> NDArray[Any]:
        """Rows in the frame, as they are in the data: a copy."""
        moved: NDArray[Any] = np.ldexp(X, self.exponent) + self.mean
        return moved

    def area(self, value: float) -> float:
        """A squared distance in the data's own unit."""
        return float(np.ldexp(value, 2 * self.exponent))
