"""The shape of an encoder's input, to which image files are decoded."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentmap.images.shape import Shape


@dataclass(frozen=True)
class InputShape(Shape):
    """Size of an encoder's input, and how an image is brought to it: resized to an edge, then cropped or padded.

    Parameters
    ----------
    edge : (int, int)
        Height and width that the image is resized to before it is cropped: exactly for ``fit="stretch"``, at least for
        ``"fill"``, at most for ``"fit"``.
    resample : int, default=3
        Filter: 0 nearest, 1 Lanczos, 2 bilinear, 3 bicubic, 4 box, 5 Hamming.
    **others
        See :class:`latentmap.images.Shape`.
    """

    edge: tuple[int, int] = (1, 1)
    resample: int = 3

    def resized(self, width: int, height: int) -> tuple[int, int]:
        """Compute the size that an image is resized to; see :meth:`latentmap.images.Shape.resized`."""
        edge_height, edge_width = self.edge
        if self.fit == "stretch":
            return edge_width, edge_height
        scales = edge_width / width, edge_height / height
        scale = min(scales) if self.fit == "fit" else max(scales)
        # whole pixels as image processors count them, against rounding of the side that fits exactly
        across, down = (max(1, int(length * scale + 1e-6)) for length in (width, height))
        if self.fit == "fill":  # no more than what is cropped is needed of a long and narrow image
            return max(across, edge_width), max(down, edge_height)
        return min(across, edge_width), min(down, edge_height)

    def apply(self, image: Image.Image, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """Convert an image to this shape; see :meth:`latentmap.images.Shape.apply`."""
        width, height = size or self.resized(*image.size)
        left, top = max(0, (width - self.width) // 2), max(0, (height - self.height) // 2)
        across, down = min(width, self.width), min(height, self.height)
        # only what is kept is computed, which bounds the memory that a long and narrow image takes
        scales = image.width / width, image.height / height
        box = (left * scales[0], top * scales[1], (left + across) * scales[0], (top + down) * scales[1])
        pixels = np.array(image.resize((across, down), Image.Resampling(self.resample), box=box))
        return pixels if (across, down) == (self.width, self.height) else self._on_canvas(pixels)
