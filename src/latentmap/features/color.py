"""Colour: a histogram in the CIELAB space, in which equal distances look about equally different.

Of images whose channels are not colours: a histogram of each channel, and which channels coincide.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.parallel import Array, compiled

N_BINS = 6  # of each axis
N_GREY_BINS = 32
N_RGB = 3
N_CHANNEL_BINS = 16  # of each of several channels
MAX_BANDS = 8  # channels that are described one by one; more become as many means of neighbouring ones
MIN_VARIANCE = 1e-4  # added to the variance of a channel, so that noise in empty channels does not correlate
MAX_CHROMA = 80.0  # of the axes a and b, which larger values are limited to


def color_histograms(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the square roots of a histogram of colours, each shared by the nearest bins.

    Parameters
    ----------
    images : array (n, h, w, c), float32
        sRGB values from 0 to 1, or grey ones.

    Returns
    -------
    array (n, 216), (n, 32) or (n, 16 b + b (b - 1) / 2), float32
        216 bins of colours, or 32 of grey values; of c other channels 16 bins of each of b = min(c, 8) bands, and the
        correlations of the bands.
    """
    n, h, w, c = images.shape
    if c not in (1, N_RGB):
        return _band_statistics(bands(images))
    if c != N_RGB:
        histograms = np.zeros((n, N_GREY_BINS), np.float32)
        _bin_grey(images.reshape(n, -1), histograms)
    else:
        histograms = np.zeros((n, N_BINS**3), np.float32)
        _bin_colors(images.reshape(n, h * w, 3), histograms)
    found: NDArray[np.float32] = np.sqrt(histograms)
    return found


def bands(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """At most eight channels of images (n, h, w, c): more are averaged in that many runs of neighbouring ones."""
    c = images.shape[3]
    if c <= MAX_BANDS:
        return images
    found: NDArray[np.float32] = images @ band_weights(c)
    return found


def band_weights(n_channels: int) -> NDArray[np.float32]:
    """Weights (c, 8) of channels in the means of eight runs of neighbouring ones."""
    of_channel = np.arange(n_channels) * MAX_BANDS // n_channels
    weights = (of_channel[:, None] == np.arange(MAX_BANDS)).astype(np.float32)
    found: NDArray[np.float32] = weights / weights.sum(axis=0)
    return found


def _band_statistics(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Roots of the histograms of bands (n, h, w, b), and their correlations."""
    n, h, w, b = images.shape
    by_band = np.ascontiguousarray(images.transpose(0, 3, 1, 2)).reshape(n, b, h * w)
    histograms = np.zeros((n * b, N_CHANNEL_BINS), np.float32)
    _bin_grey(by_band.reshape(n * b, h * w), histograms)
    centered = by_band - by_band.mean(axis=2, keepdims=True)
    covariances = centered @ centered.transpose(0, 2, 1) / (h * w)
    deviations = np.sqrt(np.einsum("nbb->nb", covariances) + np.float32(MIN_VARIANCE))
    first, second = np.triu_indices(b, 1)
    correlations = covariances[:, first, second] / (deviations[:, first] * deviations[:, second])
    roots = np.sqrt(histograms / b).reshape(n, b * N_CHANNEL_BINS)
    return np.concatenate([roots, correlations / np.float32(np.sqrt(b))], axis=1)


@compiled
def _bin_grey(values: Array, histograms: Array) -> None:
    n_bins = histograms.shape[1]
    for i in range(len(values)):
        for p in range(values.shape[1]):
            at, fraction = _bin(values[i, p], n_bins)
            histograms[i, at] += (1 - fraction) / values.shape[1]
            histograms[i, at + 1] += fraction / values.shape[1]


@compiled
def _bin_colors(pixels: Array, histograms: Array) -> None:
    n, n_pixels, _ = pixels.shape
    for i in range(n):
        for p in range(n_pixels):
            lightness, a, b = _lab(pixels[i, p, 0], pixels[i, p, 1], pixels[i, p, 2])
            i0, f0 = _bin(lightness / 100, N_BINS)
            i1, f1 = _bin((a + MAX_CHROMA) / (2 * MAX_CHROMA), N_BINS)
            i2, f2 = _bin((b + MAX_CHROMA) / (2 * MAX_CHROMA), N_BINS)
            for s in range(8):
                weight = (f0 if s & 1 else 1 - f0) * (f1 if s & 2 else 1 - f1) * (f2 if s & 4 else 1 - f2)
                at = ((i0 + (s & 1)) * N_BINS + i1 + ((s >> 1) & 1)) * N_BINS + i2 + ((s >> 2) & 1)
                histograms[i, at] += weight / n_pixels


@compiled
def _bin(value: Any, n_bins: int) -> Any:
    """The lower of the two nearest of n bins, and the fraction that belongs to the upper one."""
    place = min(max(value * n_bins - 0.5, 0.0), n_bins - 1.000001)
    at = int(place)
    return at, place - at


@compiled
def _lab(red: Any, green: Any, blue: Any) -> Any:
    """CIELAB of an sRGB colour (IEC 61966-2-1), for the white point D65."""
    r, g, b = _linear(red), _linear(green), _linear(blue)
    x = _lab_curve((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047)
    y = _lab_curve(0.2126 * r + 0.7152 * g + 0.0722 * b)
    z = _lab_curve((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@compiled
def _linear(value: Any) -> Any:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


@compiled
def _lab_curve(value: Any) -> Any:
    return value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116
