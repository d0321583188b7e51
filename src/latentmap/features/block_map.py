"""Map of a block of features to a few components, whose distances are compared."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentmap.features.kernel import N_LANDMARKS, LocalKernel
from latentmap.features.reduction import Reduction

N_PRINCIPAL = 64  # components that the kernel compares


@dataclass(frozen=True)
class BlockMap:
    """Half-whitened principal components of a block, and then those of a kernel with local scales.

    Attributes
    ----------
    reduction : Reduction
    kernel : LocalKernel or None
        None if the landmarks are equal.
    """

    reduction: Reduction
    kernel: LocalKernel | None

    @classmethod
    def fit(cls, rows: NDArray[np.float32], n_components: int) -> "BlockMap":
        """Fit both steps to a block (m, p), float32, of images in random order."""
        reduction = Reduction.fit(rows, N_PRINCIPAL)
        return cls(reduction, LocalKernel.fit(reduction.apply(rows[:N_LANDMARKS]), n_components))

    @property
    def n_components(self) -> int:
        """Number of components that come out."""
        last = self.reduction if self.kernel is None else self.kernel
        return int(last.axes.shape[1])

    def apply(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map rows (m, p) of the block to components (m, n_components), float32."""
        reduced = self.reduction.apply(rows)
        return reduced if self.kernel is None else self.kernel.apply(reduced)
