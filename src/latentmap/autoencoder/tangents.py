"""Tangent vectors: how latent vectors change under small affine deformations of the images.

The content of an image stays the same when it is shifted, rotated, sheared or stretched a little. The six entries of
an affine map span a plane through the latent vector, and distances between such planes do not depend on these
deformations (Simard et al. 1993, Efficient pattern recognition using a new transformation distance, there on pixels).
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

N_DEFORMATIONS = 6
# Change of an entry of the affine map, in units of half a side. Central differences are used: one-sided differences
# would include the curvature of the latent space.
STRETCH, SHIFT = 0.12, 0.07


def tangents(encode: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Compute the change of latent vectors under six small deformations of the images.

    Parameters
    ----------
    encode : callable
        Encoder: Tensor of shape (m, height, width, channels) → Tensor of shape (m, d).
    images : Tensor of shape (m, height, width, channels), float
        Images.

    Returns
    -------
    Tensor of shape (m, 6, d)
        One change for each entry of the affine map, row by row: horizontal stretch, horizontal shear, horizontal
        shift, vertical shear, vertical stretch, vertical shift. Each is the change that the deformation makes, not a
        derivative.
    """
    changes = []
    for row in range(2):
        for column, size in enumerate((STRETCH, STRETCH, SHIFT)):
            change = torch.zeros(2, 3, device=images.device)
            change[row, column] = size
            changes.append((encode(_warp(images, change)) - encode(_warp(images, -change))) / 2)
    return torch.stack(changes, dim=1)


def _warp(images: Tensor, change: Tensor) -> Tensor:
    """Resample images under the affine map identity + change; the border is repeated."""
    n, height, width, channels = images.shape
    theta = (torch.eye(2, 3, device=images.device) + change).expand(n, 2, 3)
    grid = functional.affine_grid(theta, [n, channels, height, width], align_corners=False)
    planes = images.permute(0, 3, 1, 2)
    return functional.grid_sample(planes, grid, padding_mode="border", align_corners=False).permute(0, 2, 3, 1)
