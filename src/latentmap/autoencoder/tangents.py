"""Small deformations of images, and how a latent vector moves with them.

What an image shows stays the same when it is shifted, turned, sheared or stretched a little. The six ways in which an
affine map can do that span a plane through the latent vector; distances between such planes are blind to them
(Simard et al. 1993, Efficient pattern recognition using a new transformation distance, there on pixels).
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

N_DEFORMATIONS = 6
# Change of an entry of the affine map, in which half a side has the length 1. Both signs are tried and the halved
# difference is taken: one-sided differences carry the curvature of the latent space along.
STRETCH, SHIFT = 0.12, 0.07


def tangents(encode: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """How latent vectors move with the six deformations.

    Parameters
    ----------
    encode : function, (m, height, width, channels) → (m, d)
    images : tensor (m, height, width, channels), float

    Returns
    -------
    tensor (m, 6, d)
        For the entries of the affine map row by row: stretch across, shear across, shift across, shear down, stretch
        down, shift down. Each is the change that the deformation makes, not a rate.
    """
    moved = []
    for row in range(2):
        for column, size in enumerate((STRETCH, STRETCH, SHIFT)):
            change = torch.zeros(2, 3, device=images.device)
            change[row, column] = size
            moved.append((encode(_warped(images, change)) - encode(_warped(images, -change))) / 2)
    return torch.stack(moved, dim=1)


def _warped(images: Tensor, change: Tensor) -> Tensor:
    """Images sampled at places that an affine map near the identity gives; the border is repeated."""
    n, height, width, channels = images.shape
    theta = (torch.eye(2, 3, device=images.device) + change).expand(n, 2, 3)
    grid = functional.affine_grid(theta, [n, channels, height, width], align_corners=False)
    planes = images.permute(0, 3, 1, 2)
    return functional.grid_sample(planes, grid, padding_mode="border", align_corners=False).permute(0, 2, 3, 1)
