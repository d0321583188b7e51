"""Audio files, by libsndfile: pieces of equal duration, each as a spectrogram."""

import io
import wave
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.errors import DecodingError
from latentmap.images.pictures import Picture
from latentmap.images.reading_options import ReadingOptions
from latentmap.images.spectrograms import Spectrogram

MIN_RATE, MAX_RATE = 100, 1_000_000  # samples per second
MAX_PIECES = 100_000  # of one file
N_VALUES_READ = 2**18  # in one step, of all channels
LARGEST_SAMPLE = 2.0**15  # of floats; 1 is full scale


class AudioPieces:
    """The pieces of a sound. A rest of less than half a piece at the end is left out.

    Parameters
    ----------
    file : file object
    reading : ReadingOptions

    Raises
    ------
    OSError
        If the file is damaged, or of a kind that is not read.
    """

    def __init__(self, file: IO[bytes], reading: ReadingOptions) -> None:
        import soundfile

        self._reading = reading
        try:
            file.seek(0)
            self._sound = soundfile.SoundFile(file)
        except (soundfile.SoundFileError, TypeError, ValueError) as error:
            raise DecodingError(_reason(error)) from None
        self._rate = int(self._sound.samplerate)
        if not MIN_RATE <= self._rate <= MAX_RATE:
            raise DecodingError(f"a sound of {self._rate:,} samples per second")
        self._n_samples = self._count_samples()
        if not self._n_samples:
            raise DecodingError("a sound without samples")
        self._length = max(1, round(reading.audio_seconds * self._rate))

    def close(self) -> None:
        """Close the decoder."""
        self._sound.close()

    def count(self, _: bool) -> int:
        """Count the pieces."""
        whole, rest = divmod(self._n_samples, self._length)
        n = max(1, whole + (2 * rest >= self._length))
        if n > MAX_PIECES:
            raise DecodingError(f"more than {MAX_PIECES:,} pieces: make them longer with --audio-seconds")
        return n

    def columns(self) -> dict[str, list[Any]]:
        """The time at which each piece begins, in seconds."""
        return {"seconds": [i * self._length / self._rate for i in range(self.count(True))]}

    def picture(self, number: int | None) -> Picture:
        """Compute the spectrogram of a piece.

        Raises
        ------
        OSError
            If its samples are damaged.
        """
        samples = self._read((number or 0) * self._length)
        if not len(samples):
            raise DecodingError("the sound ends before this piece")
        return Picture(Spectrogram.of(samples, self._rate, self._reading), 1)

    def _read(self, begin: int) -> NDArray[np.float32]:
        """The samples of a piece, as the mean of all channels."""
        parts, missing = [], self._length
        step = max(1, N_VALUES_READ // self._sound.channels)
        try:
            self._sound.seek(begin)
            while missing and len(part := self._sound.read(min(step, missing), "float32", always_2d=True)):
                parts.append(part.mean(axis=1))
                missing -= len(part)
        except (RuntimeError, ValueError) as error:
            raise DecodingError(_reason(error)) from None
        samples = np.concatenate(parts) if parts else np.zeros(0, np.float32)
        return np.nan_to_num(samples, posinf=0, neginf=0).clip(-LARGEST_SAMPLE, LARGEST_SAMPLE)

    def _count_samples(self) -> int:
        """The number of samples by channel. A header that states more than there is, or nothing, is not trusted."""
        stated = int(self._sound.frames)
        try:
            if 0 < stated < 2**48:
                self._sound.seek(stated - 1)
                if len(self._sound.read(1)) == 1:
                    return stated
        except (RuntimeError, ValueError):
            pass
        found, step = 0, max(1, N_VALUES_READ // self._sound.channels)
        try:
            self._sound.seek(0)
            while n := len(self._sound.read(step, "float32", always_2d=True)):
                found += n
        except (RuntimeError, ValueError) as error:
            if not found:
                raise DecodingError(_reason(error)) from None
        return found


def _reason(error: Exception) -> str:
    """The message of libsndfile, without the name of the file."""
    message = getattr(error, "error_string", "") or "of a kind that is not read"
    return f"a sound that cannot be decoded ({message.strip().rstrip('.')})"


def as_wav(samples: NDArray[np.float32], rate: int) -> bytes:
    """Encode a sound as a WAV file of 16 bits and one channel.

    Parameters
    ----------
    samples : ndarray (n,), float32
        In [-1, 1]; louder samples are clipped.
    rate : int
        Samples per second.

    Returns
    -------
    bytes
    """
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(np.rint(samples.clip(-1, 1) * 32767).astype("<i2").tobytes())
    return file.getvalue()
