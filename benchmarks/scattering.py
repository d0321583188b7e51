"""Scattering coefficients of two orders (Bruna and Mallat 2013): averaged moduli of Morlet wavelet transforms.

The filters are those of kymatio, whose release 0.3.0 cannot be imported with scipy 1.17.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SCALES = 3
ANGLES = 8
CELL = 2**SCALES
PADDING = CELL
CHUNK = 64


def scattering(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Coefficients of square grey images (n, side, side): 217 for each cell of 8×8 pixels."""
    side = images.shape[1]
    wavelets = _wavelets(side + 2 * PADDING)
    average = _averages(side)
    padded = np.pad(images, ((0, 0), (PADDING, PADDING), (PADDING, PADDING)), mode="reflect")
    with torch.inference_mode():
        chunks = [_coefficients(part, wavelets, average) for part in torch.split(torch.from_numpy(padded), CHUNK)]
    return torch.cat(chunks).numpy()


def _coefficients(images: Tensor, wavelets: list[Tensor], average: Tensor) -> Tensor:
    """Averages of the images, of their moduli at each scale, and of the moduli of these at each coarser scale."""
    found = [_averaged(images, average)]
    for scale, wavelet in enumerate(wavelets):
        first = _moduli(images[:, None], wavelet)
        found.append(_averaged(first, average))
        for coarser in wavelets[scale + 1 :]:
            found.append(_averaged(_moduli(first[:, :, None], coarser), average))
    return torch.cat(found, dim=1)


def _moduli(images: Tensor, wavelets: Tensor) -> Tensor:
    moduli: Tensor = torch.fft.ifft2(torch.fft.fft2(images) * wavelets).abs()
    return moduli


def _averaged(images: Tensor, average: Tensor) -> Tensor:
    return (average @ images @ average.T).flatten(1)


def _wavelets(side: int) -> list[Tensor]:
    """For each scale, the Fourier transforms (angles, side, side) of its wavelets."""
    return [
        torch.from_numpy(np.stack([_wavelet(side, 2.0**scale, np.pi * k / ANGLES) for k in range(ANGLES)]))
        for scale in range(SCALES)
    ]


def _wavelet(side: int, scale: float, angle: float) -> NDArray[np.float32]:
    """Fourier transform of a Morlet wavelet: a Gaussian around a frequency, without its part at frequency 0."""
    centre = 3 / 4 * np.pi / scale
    gabor, envelope = _gaussian(side, scale, angle, centre), _gaussian(side, scale, angle, 0)
    wavelet: NDArray[np.float32] = (gabor - gabor[0, 0] / envelope[0, 0] * envelope).astype(np.float32)
    return wavelet


def _gaussian(side: int, scale: float, angle: float, centre: float) -> NDArray[np.float64]:
    """A Gaussian on the discrete frequencies, around one in the direction of the angle."""
    along, across = np.cos(angle), np.sin(angle)
    frequencies = 2 * np.pi * np.fft.fftfreq(side)
    found = np.zeros((side, side))
    for shift in np.ndindex(3, 3):  # the transform of a sampled signal is periodic
        v, u = (frequencies + 2 * np.pi * (part - 1) for part in shift)
        forward = along * u[None, :] + across * v[:, None] - centre
        sideways = along * v[:, None] - across * u[None, :]
        found += np.exp(-((0.8 * scale) ** 2) / 2 * (forward**2 + (sideways * ANGLES / 4) ** 2))
    return found


def _averages(side: int) -> Tensor:
    """Matrix (cells, padded side) of Gaussian averages around the centres of the cells."""
    centres = PADDING + CELL * np.arange(side // CELL) + (CELL - 1) / 2
    distances = np.arange(side + 2 * PADDING) - centres[:, None]
    weights = np.exp(-np.square(distances / (0.8 * CELL / 2)) / 2)
    return torch.from_numpy((weights / weights.sum(axis=1, keepdims=True)).astype(np.float32))
