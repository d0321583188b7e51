"""Tiles: square parts in a grid that covers an image."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.errors import InputError

MIN_TILE_SIDE, MAX_TILE_SIDE = 8, 2**15
DEFAULT_MAX_EMPTY = 0.99


@dataclass(frozen=True)
class Tiles:
    """Options of how images are cut into tiles.

    Parameters
    ----------
    side : int
        Side of a tile, 8 to 32,768 pixels.
    overlap : int, default=0
        Pixels that neighbouring tiles have in common, at most half of the side.
    max_empty : float, default=0.99
        Maximum fraction of a tile that is background; tiles with more are left out.

    Raises
    ------
    InputError
        If a value is not valid.
    """

    side: int
    overlap: int = 0
    max_empty: float = DEFAULT_MAX_EMPTY

    def __post_init__(self) -> None:
        if not MIN_TILE_SIDE <= self.side <= MAX_TILE_SIDE:
            raise InputError(f"tiles={self.side}: pass a side of {MIN_TILE_SIDE} to {MAX_TILE_SIDE:,} pixels")
        if not 0 <= self.overlap <= self.side // 2:
            raise InputError(
                f"overlap={self.overlap}: pass 0 to {self.side // 2} pixels, at most half of the side of a tile"
            )
        if not 0 <= self.max_empty <= 1:
            raise InputError(f"max_empty={self.max_empty:g}: pass a fraction from 0 to 1")

    def as_dict(self) -> dict[str, Any]:
        """The options by name, as JSON values."""
        return {"tiles": self.side, "overlap": self.overlap, "max_empty": self.max_empty}

    def count(self, width: int, height: int) -> int:
        """Count the tiles of an image."""
        return len(self._starts(width)) * len(self._starts(height))

    def grid(self, width: int, height: int) -> NDArray[np.int64]:
        """Compute the tiles of an image.

        All tiles have the full size: the last column and the last row are shifted inwards, so that they overlap those
        before them. Along a side on which the image is smaller than a tile, the tile is as small as the image.

        Parameters
        ----------
        width, height : int
            Upright size of the image, in pixels.

        Returns
        -------
        ndarray (n, 4), int64
            ``left``, ``top``, ``right`` and ``bottom`` of each tile, row by row.

        Examples
        --------
        >>> Tiles(256).grid(300, 100).tolist()
        [[0, 0, 256, 100], [44, 0, 300, 100]]
        """
        top, left = np.meshgrid(self._starts(height), self._starts(width), indexing="ij")
        right, bottom = left + min(self.side, width), top + min(self.side, height)
        return np.stack([left, top, right, bottom], axis=-1).reshape(-1, 4)

    def _starts(self, length: int) -> NDArray[np.int64]:
        """Where tiles begin along a side of an image."""
        last = max(0, length - self.side)
        return np.append(np.arange(0, last, self.side - self.overlap, dtype=np.int64), last)
