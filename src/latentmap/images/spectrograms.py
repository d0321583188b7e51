"""Log-mel spectrograms of sounds as images: width is time, low frequencies are at the bottom."""

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentmap.images.boxes import Box
from latentmap.images.high_bit_depth import HighBitDepthImage
from latentmap.images.reading_options import ReadingOptions
from latentmap.images.value_range import Range

MIN_WINDOW_SECONDS = 0.032
HOPS_PER_WINDOW = 2
N_FRAMES_AT_ONCE = 256
MAX_FFT_LENGTH = 2**18
SMALLEST_POWER = 1e-30


@dataclass(frozen=True)
class SpectrogramPart(HighBitDepthImage):
    """A spectrogram, or a part of one.

    Attributes
    ----------
    values : ndarray (bands, frames), float32
        Power of each band in dB; 0 dB is about the power of a sine of full scale.
    options : ReadingOptions
    """

    options: ReadingOptions = field(default_factory=ReadingOptions)

    def range(self) -> Range:
        """The floor of the collection, and the largest of these values."""
        return self.options.audio_floor, max(float(self.values.max()), self.options.audio_floor)


@dataclass(frozen=True)
class Spectrogram(SpectrogramPart):
    """A spectrogram, with the samples that it was computed from.

    Attributes
    ----------
    values, options
        See :class:`SpectrogramPart`.
    samples : ndarray (n,), float32
        Mean of all channels, in [-1, 1].
    rate : int
        Samples per second.
    """

    samples: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    rate: int = 1

    @classmethod
    def of(cls, samples: NDArray[np.float32], rate: int, options: ReadingOptions) -> "Spectrogram":
        """Compute the spectrogram of a piece of a sound.

        Parameters
        ----------
        samples : ndarray (n,), float32
            At most ``options.audio_seconds`` of sound; shorter pieces are silent at the end.
        rate : int
            Samples per second.
        options : ReadingOptions

        Returns
        -------
        Spectrogram
        """
        return cls(log_mel_spectrogram(samples, rate, options), samples=samples, rate=rate, options=options)

    def cropped(self, box: Box) -> SpectrogramPart:
        """Return a part of the image, which has no sound of its own unless it is all of it."""
        if tuple(box) == (0, 0, *self.size):
            return self
        return SpectrogramPart(self.values[box.top : box.bottom, box.left : box.right], options=self.options)

    def digest(self, _: Image.Transpose | None) -> bytes:
        """SHA-256 of the samples, which do not depend on rounding in the Fourier transform."""
        return hashlib.sha256(f"sound {self.rate}".encode() + self.samples.astype("<f4").tobytes()).digest()


def log_mel_spectrogram(samples: NDArray[np.float32], rate: int, options: ReadingOptions) -> NDArray[np.float32]:
    """Compute the power of a sound in bands of the mel scale over time.

    Frames are Hann windows of two hops, and at least 32 ms. Bands are triangles of equal width on the mel scale from 0
    Hz to ``options.audio_max_frequency``. They lie at the same frequencies for all sample rates. Bands above half the
    sample rate are silent.

    Parameters
    ----------
    samples : ndarray (n,), float32
    rate : int
        Samples per second.
    options : ReadingOptions

    Returns
    -------
    ndarray (bands, frames), float32
        In dB, at least ``options.audio_floor``. The first row is the highest band.
    """
    from scipy.fft import rfft

    hop, n_frames = options.hop, options.n_frames
    length = max(1, round(max(HOPS_PER_WINDOW * hop, MIN_WINDOW_SECONDS) * rate))
    n_fft, filters = _mel_filters(rate, length, options.audio_bands, options.audio_max_frequency)
    window = np.hanning(length + 2)[1:-1].astype(np.float32)  # without the zeros at both ends
    scale = np.float32(4 / float(window.sum()) ** 2)
    centers = ((np.arange(n_frames) + 0.5) * hop * rate).astype(np.int64)
    padded = np.pad(samples, (length // 2, max(0, int(centers[-1]) + length - len(samples))))
    bands = np.empty((n_frames, options.audio_bands), np.float32)
    for begin in range(0, n_frames, N_FRAMES_AT_ONCE):
        part = slice(begin, begin + N_FRAMES_AT_ONCE)
        frames = padded[centers[part, None] + np.arange(length)] * window
        spectrum = rfft(frames, n_fft, axis=1)
        bands[part] = (spectrum.real**2 + spectrum.imag**2) @ filters.T * scale
    decibels = 10 * np.log10(np.maximum(bands, SMALLEST_POWER))
    return np.ascontiguousarray(np.maximum(decibels, options.audio_floor).T[::-1], np.float32)


@lru_cache(maxsize=8)
def _mel_filters(rate: int, length: int, n_bands: int, highest: float) -> tuple[int, NDArray[np.float32]]:
    """The length of the Fourier transform, and the weights of its frequencies in each band: (n_bands, n_frequencies).

    The transform is padded until the lowest band, which is the narrowest, contains several frequencies.
    """
    from scipy.fft import next_fast_len

    edges = _from_mel(np.linspace(0, _to_mel(highest), n_bands + 2))
    n_fft: int = next_fast_len(min(max(length, int(4 * rate / edges[1])), max(MAX_FFT_LENGTH, length)), real=True)
    frequencies = np.arange(n_fft // 2 + 1) * (rate / n_fft)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (frequencies - low) / (middle - low), (high - frequencies) / (high - middle)
    weights = np.minimum(rising, falling).clip(0)
    return n_fft, (weights * (length / n_fft)).astype(np.float32)  # padding repeats what the window holds


def _to_mel(frequency: float) -> float:
    return float(2595 * np.log10(1 + frequency / 700))


def _from_mel(mel: NDArray[Any]) -> NDArray[np.float64]:
    frequencies: NDArray[np.float64] = 700 * (10 ** (mel / 2595) - 1)
    return frequencies
