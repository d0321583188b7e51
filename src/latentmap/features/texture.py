"""Texture: mean and deviation of the responses of log-Gabor filters of several scales and orientations.

References
----------
Field (1987), Relations between the statistics of natural images and the response properties of cortical cells.
Manjunath and Ma (1996), Texture features for browsing and retrieval of image data.
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from latentmap.core.parallel import Array, compiled

MARGIN = 8  # pixels that are mirrored at each side, so that opposite borders do not touch
N_ORIENTATIONS = 8
FINEST_FREQUENCY = 0.35  # cycles per pixel of the first scale; each further one has half of it
BANDWIDTH = 0.6  # ratio of the deviation of the filter's logarithmic profile to its frequency
CROPPED_SIDES = (48, 36, 24, 12)  # of the spectrum of each scale, since it is next to empty outside
MIN_RESPONSE = 1e-3


def texture_statistics(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the logarithms of mean and deviation of each filter's response.

    Parameters
    ----------
    grey : array (n, 32, 32), float32
        Values from 0 to 1.

    Returns
    -------
    array (n, 64), float32
    """
    padded = np.pad(grey, ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)), mode="reflect")
    spectrum = fft.fftshift(fft.fft2(padded, workers=1), axes=(1, 2))
    side, found = padded.shape[1], []
    for scale, cropped in enumerate(CROPPED_SIDES):
        begin = (side - cropped) // 2
        part = fft.ifftshift(spectrum[:, begin : begin + cropped, begin : begin + cropped], axes=(1, 2))
        margin, filtered = MARGIN * cropped // side, np.empty_like(part)  # the system is slow to give new memory
        for orientation in range(N_ORIENTATIONS):
            np.multiply(part, log_gabor_filter(side, cropped, scale, orientation), out=filtered)
            response = fft.ifft2(filtered, workers=1, norm="forward", overwrite_x=True)
            statistics = np.empty((len(grey), 2), np.float32)
            _measure_response(response, margin, 1 / side**2, statistics)
            found.append(statistics)
    logarithms: NDArray[np.float32] = np.log(np.concatenate(found, axis=1) + np.float32(MIN_RESPONSE))
    return logarithms


@compiled
def _measure_response(responses: Array, margin: int, scale: float, statistics: Array) -> None:
    """Mean and standard deviation of the absolute values inside the margin of each response (n, side, side)."""
    n, side, _ = responses.shape
    n_values = (side - 2 * margin) ** 2
    for i in range(n):
        total, squares = np.float32(0), np.float32(0)
        for y in range(margin, side - margin):
            for x in range(margin, side - margin):
                value = responses[i, y, x]
                squared = value.real * value.real + value.imag * value.imag
                total += np.sqrt(squared)
                squares += squared
        mean = total / n_values
        statistics[i, 0] = mean * scale
        statistics[i, 1] = np.sqrt(max(squares / n_values - mean * mean, np.float32(0))) * scale


@cache
def log_gabor_filter(side: int, cropped: int, scale: int, orientation: int) -> NDArray[Any]:
    """Values of a log-Gabor filter (cropped, cropped), float32, by frequency, the zero frequency first."""
    frequency = (np.arange(side) - side // 2) / side
    radius = np.hypot(frequency[:, None], frequency[None])
    radius[side // 2, side // 2] = 1
    center = FINEST_FREQUENCY / 2**scale
    profile = np.exp(-(np.log(radius / center) ** 2) / (2 * np.log(BANDWIDTH) ** 2))
    profile[side // 2, side // 2] = 0
    angle = np.arctan2(frequency[:, None], frequency[None]) - orientation * np.pi / N_ORIENTATIONS
    apart = np.abs(np.arctan2(np.sin(angle), np.cos(angle)))
    width = np.pi / N_ORIENTATIONS
    begin = (side - cropped) // 2
    values = (profile * np.exp(-(apart**2) / (2 * width**2)))[begin : begin + cropped, begin : begin + cropped]
    found: NDArray[Any] = fft.ifftshift(values).astype(np.float32)
    return found
