"""SimCLR (Chen, Kornblith, Norouzi and Hinton 2020): a network that learns to tell two views of an image from others.

A view is a crop of the image with other colours or less sharp. Views are not mirrored: mirrored letters are others.
"""

from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

EPOCHS = 40
BATCH_SIZE = 128
TEMPERATURE = 0.1
LEARNING_RATE = 2e-3
WEIGHT_DECAY = 1e-4
WIDTHS = (32, 64, 128, 256)
N_PROJECTED = 64
SMALLEST_CROP = 0.3  # fraction of the area
JITTER = 0.4
BLUR = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16


def contrastive_features(images: NDArray[np.float32], seed: int = 0) -> NDArray[np.float32]:
    """Features (n, 256) of images (n, side, side, channels) by an encoder trained on them, before the projection."""
    torch.manual_seed(seed)
    pixels = torch.from_numpy(images).movedim(-1, 1).contiguous()
    encoder = _encoder(pixels.shape[1])
    _train(encoder, pixels)
    encoder.eval()
    with torch.inference_mode():
        return torch.cat([encoder(part) for part in torch.split(pixels, BATCH_SIZE)]).numpy()


def _encoder(channels: int) -> nn.Sequential:
    """Convolutions of which all but the last halve the image, and a mean over what remains."""
    layers: list[nn.Module] = []
    for before, width in pairwise((channels, *WIDTHS)):
        stride = 1 if width == WIDTHS[-1] else 2
        layers += [nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def _train(encoder: nn.Module, pixels: Tensor) -> None:
    projection = nn.Sequential(nn.Linear(WIDTHS[-1], WIDTHS[-1]), nn.ReLU(), nn.Linear(WIDTHS[-1], N_PROJECTED))
    model = nn.Sequential(encoder, projection)
    n_batches = len(pixels) // BATCH_SIZE
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, EPOCHS * n_batches, pct_start=0.1)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(pixels))[: n_batches * BATCH_SIZE].view(n_batches, BATCH_SIZE):
            views = torch.cat([_view(pixels[rows]), _view(pixels[rows])])
            optimizer.zero_grad()
            _loss(model(views.contiguous(memory_format=torch.channels_last))).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()


def _loss(projected: Tensor) -> Tensor:
    """NT-Xent: cross-entropy of finding the other view of the image among all views of the batch."""
    unit = functional.normalize(projected)
    similarities = (unit @ unit.T / TEMPERATURE).fill_diagonal_(-torch.inf)
    others = torch.arange(len(unit)).roll(len(unit) // 2)
    return functional.cross_entropy(similarities, others)


def _view(images: Tensor) -> Tensor:
    return _blurred(_recoloured(_cropped(images)))


def _cropped(images: Tensor) -> Tensor:
    """A random part of each image, of at most 4:3, scaled to the size of the image."""
    n = len(images)
    area = torch.empty(n).uniform_(SMALLEST_CROP, 1)
    ratio = torch.empty(n).uniform_(-1, 1).mul(np.log(4 / 3) / 2).exp()
    width, height = (area.sqrt() * ratio).clamp(max=1), (area.sqrt() / ratio).clamp(max=1)
    maps = torch.zeros(n, 2, 3)
    for axis, size in enumerate((width, height)):
        maps[:, axis, axis] = size
        maps[:, axis, 2] = (1 - size) * torch.empty(n).uniform_(-1, 1)
    grid = functional.affine_grid(maps, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def _recoloured(images: Tensor) -> Tensor:
    """Images of other brightness and contrast and, where they have colours, of other saturation and tint, or grey."""
    n, channels = images.shape[:2]

    def factors(count: int = 1) -> Tensor:
        return torch.empty(n, count, 1, 1).uniform_(1 - JITTER, 1 + JITTER)

    means = images.mean(dim=(1, 2, 3), keepdim=True)
    changed = means * factors() + (images - means) * factors()
    if channels > 1:
        grey = changed.mean(dim=1, keepdim=True)
        saturation = factors() * (torch.rand(n, 1, 1, 1) > 0.2)
        changed = (grey + (changed - grey) * saturation) * (1 + (factors(channels) - 1) / 2)
    return torch.where(torch.rand(n, 1, 1, 1) < 0.8, changed, images)


def _blurred(images: Tensor) -> Tensor:
    channels = images.shape[1]
    kernel = BLUR.expand(channels, 1, 1, -1)
    rows = functional.conv2d(functional.pad(images, (2, 2, 2, 2), mode="reflect"), kernel, groups=channels)
    blurred = functional.conv2d(rows, kernel.mT, groups=channels)
    return torch.where(torch.rand(len(images), 1, 1, 1) < 0.5, blurred, images)
