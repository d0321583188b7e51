"""Words spoken by espeak-ng, as spectrograms."""

import subprocess

import numpy as np
from numpy.typing import NDArray

from benchmarks.labelled.packages import tool
from benchmarks.labelled.pictures import LabelledCollection, Pixels, collected

RATE = 22050
WINDOW = 512
WORDS = (
    *("apple", "bridge", "candle", "dragon", "eleven", "forest", "garden", "hammer", "island", "jacket"),
    *("kitchen", "lemon", "mountain", "needle", "orange", "pepper", "question", "river", "silver", "table"),
    *("umbrella", "village", "window", "yellow", "zebra", "bottle", "chicken", "doctor", "engine", "feather"),
    *("guitar", "honey", "insect", "journey", "kettle", "ladder", "music", "number", "ocean", "pencil"),
)
ACCENTS = ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbcwmd", "en-029")
SPEAKERS = ("m1", "m2", "m3", "m4", "m5", "m6", "m7", "f1", "f2", "f3", "f4", "f5", "croak", "klatt", "whisper")


def spectrograms() -> LabelledCollection:
    """Forty words, each spoken 25 times: by other voices, faster or slower, higher or lower."""
    random = np.random.default_rng(0)
    return collected("spectrograms", ((word, _spectrogram(word, random)) for word in WORDS for _ in range(25)))


def _spectrogram(word: str, random: np.random.Generator) -> Pixels:
    """Loudness over 64 bands from 100 to 8,000 Hz (upwards, each as wide on the ear's scale) and 64 times in 0.7 s."""
    sound = _spoken(word, random)
    sound += random.normal(0, 10 ** random.uniform(-4, -2.5), len(sound))
    begins = np.linspace(0, len(sound) - WINDOW, 64).astype(int)
    frames = sound[begins[:, None] + np.arange(WINDOW)] * np.hanning(WINDOW)
    loudness = np.log10(_bands() @ (np.abs(np.fft.rfft(frames)) ** 2).T + 1e-9)
    decibels = 10 * (loudness - loudness.max())
    return np.round(255 * np.clip(1 + decibels[::-1] / 60, 0, 1)).astype(np.uint8)


def _spoken(word: str, random: np.random.Generator) -> NDArray[np.float64]:
    """0.7 s of sound that begins a little before the word."""
    voice = f"{random.choice(ACCENTS)}+{random.choice(SPEAKERS)}"
    speed, pitch = random.integers(130, 210), random.integers(20, 80)
    command = [tool("espeak-ng", "espeak-ng"), "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdout", word]
    output = subprocess.run(command, check=True, capture_output=True).stdout
    sound = np.frombuffer(output[44:], "<i2") / 2**15
    (loud,) = np.nonzero(np.abs(sound) > 0.05 * np.abs(sound).max())
    begin = max(0, loud[0] - int(random.uniform(0, 0.06) * RATE))
    length = int(0.7 * RATE)
    return np.pad(sound[begin : begin + length], (0, max(0, length - len(sound) + begin)))


def _bands() -> NDArray[np.float64]:
    """Triangles over the frequencies of a spectrum."""
    scale = np.linspace(np.log1p(100 / 700), np.log1p(8000 / 700), 66)
    edges, frequencies = 700 * np.expm1(scale), np.fft.rfftfreq(WINDOW, 1 / RATE)
    # A low band is narrower than the step between frequencies: it is made as wide as that step.
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    width = np.maximum((high - low) / 2, RATE / WINDOW)
    return np.clip(1 - np.abs(frequencies - middle) / width, 0, None)
