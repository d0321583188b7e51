"""Convolutions with kernel 2×2 and stride 2, as products of matrices on pixels kept patch by patch.

Such patches do not overlap. When an image is arranged once into blocks of 2^levels × 2^levels pixels, each made of four
smaller blocks down to the pixel, every level's patches lie in one row, and no layer has to move pixels again.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDE = 2


class PatchConv(nn.Linear):
    """A convolution whose kernel is 2×2 and whose stride is 2: (m, 4·in) → (m, out).

    That is twice as fast on a CPU as a general convolution, with the same weights.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(STRIDE**2 * in_channels, out_channels)


class PatchConvTranspose(nn.Module):
    """The transpose of :class:`PatchConv`: each pixel becomes a patch of 2×2. (m, in) → (m, 4·out).

    Its bias belongs to the channel, not to the place in the patch, so it has ``out`` values and not 4·out.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(STRIDE**2 * out_channels, in_channels))
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, pixels: Tensor) -> Tensor:
        return functional.linear(pixels, self.weight, self.bias.repeat(STRIDE**2))


def n_blocks(side: int, levels: int) -> int:
    """Blocks along a side, the last one padded where it must be."""
    return -(-side // (1 << levels))


def arrange(images: Tensor, levels: int) -> Tensor:
    """(n, h, w, c) → (n, size): block by block, in it patch by patch of each smaller level, in the last pixel by pixel.

    Sides that 2^levels does not divide are padded with zeros below and to the right.
    """
    n, height, width, channels = images.shape
    rows, columns = n_blocks(height, levels), n_blocks(width, levels)
    below, right = (rows << levels) - height, (columns << levels) - width
    if below or right:
        images = functional.pad(images, (0, 0, 0, right, 0, below))
    halves = [STRIDE] * levels
    blocks = images.reshape(n, rows, *halves, columns, *halves, channels)
    column = levels + 2  # the dimension of the columns of blocks
    pairs = [dim for level in range(1, levels + 1) for dim in (1 + level, column + level)]
    return blocks.permute(0, 1, column, *pairs, 2 * levels + 3).reshape(n, -1)


def restore(pixels: Tensor, image_shape: tuple[int, ...], levels: int) -> Tensor:
    """The way back from :func:`arrange`, cropped: (n, size) → (n, h, w, c)."""
    height, width, channels = image_shape
    rows, columns = n_blocks(height, levels), n_blocks(width, levels)
    blocks = pixels.reshape(-1, rows, columns, *[STRIDE] * (2 * levels), channels)
    down, across = range(3, 2 * levels + 3, 2), range(4, 2 * levels + 3, 2)
    images = blocks.permute(0, 1, *down, 2, *across, 2 * levels + 3)
    images = images.reshape(-1, (rows << levels), (columns << levels), channels)
    return images[:, :height, :width]
