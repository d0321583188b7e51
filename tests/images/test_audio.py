"""Sounds as spectrograms: where a tone lies, how loud it is, pieces, and what damaged files end as."""

import io
import wave

import numpy as np
import pytest
import soundfile
from fuzzing import fuzz_files

from latentmap.core.errors import InputError, MissingPackageError, SourceError
from latentmap.images import open_images, optional_formats
from latentmap.images.decoding import EncodedImage, Failure, probe_images, read_contents, read_sounds
from latentmap.images.reading_options import ReadingOptions
from latentmap.images.spectrograms import log_mel_spectrogram

RATE = 16_000
SHORT = ReadingOptions(audio_seconds=0.5)


def tone(frequency: float, seconds: float = 0.5, rate: int = RATE, amplitude: float = 1.0) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    return (amplitude * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


def encoded(samples: np.ndarray, kind: str = "WAV", rate: int = RATE, subtype: str | None = None) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


def band_of(frequency: float, options: ReadingOptions) -> int:
    """The row of the band nearest to a frequency, the lowest at the bottom."""
    mel = 2595 * np.log10(1 + np.array([frequency, options.audio_max_frequency]) / 700)
    return options.audio_bands - 1 - round(float(mel[0] / mel[1]) * (options.audio_bands + 1) - 1)


@pytest.mark.parametrize("rate", [16_000, 44_100])
@pytest.mark.parametrize("frequency", [300, 1000, 4000])
def test_a_tone_lies_in_its_band_at_its_power(frequency, rate):
    values = log_mel_spectrogram(tone(frequency, rate=rate), rate, SHORT)
    assert values.shape == (64, 128)
    row = band_of(frequency, SHORT)
    middle = values[:, 16:-16]
    assert (abs(middle.argmax(axis=0) - row) <= 1).all()
    assert -2 < middle.max() < 3
    quiet = log_mel_spectrogram(tone(frequency, rate=rate, amplitude=0.01), rate, SHORT)
    np.testing.assert_allclose(quiet[row, 64], values[row, 64] - 40, atol=0.1)
    assert (values[:2] == -80).all() == (rate == 16_000), "bands above half the sample rate are silent"


def test_time_is_the_width():
    samples = np.zeros(RATE // 2, np.float32)
    samples[RATE // 8 : RATE // 8 + 20] = 1
    loudness = log_mel_spectrogram(samples, RATE, SHORT).mean(axis=0)
    assert abs(int(loudness.argmax()) - 32) <= 4
    assert (loudness[64:] == -80).all()
    sweep = tone(0, 0.5)
    time = np.arange(len(sweep)) / RATE
    sweep[:] = np.sin(2 * np.pi * (200 * time + 7000 * time**2))
    rows = log_mel_spectrogram(sweep, RATE, SHORT)[:, 8:-8].argmax(axis=0)
    assert (np.diff(rows) <= 1).all(), "a rising tone rises"
    assert rows[0] - rows[-1] > 30


def test_narrow_bands_are_not_empty():
    options = ReadingOptions(audio_seconds=0.25, audio_bands=256)
    noise = np.random.default_rng(0).normal(0, 0.1, RATE // 4).astype(np.float32)
    values = log_mel_spectrogram(noise, RATE, options)
    assert values[64:, 16:-16].max(axis=1).min() > -70


def test_sounds_are_cut_into_pieces(tmp_path):
    sound = np.concatenate([tone(500), tone(1000), tone(2000), tone(4000, 0.3)])
    (tmp_path / "a.wav").write_bytes(encoded(sound))
    (tmp_path / "b.flac").write_bytes(encoded(np.stack([tone(500, 0.7), tone(500, 0.7)], 1), "FLAC"))
    (tmp_path / "c.ogg").write_bytes(encoded(tone(500, 0.1), "OGG"))
    (tmp_path / "d.mp3").write_bytes(encoded(tone(500), "MP3"))
    (tmp_path / "e.txt").write_text("no sound")
    collection = open_images(tmp_path, audio_seconds=0.5)
    assert collection.paths == ["a.wav[0]", "a.wav[1]", "a.wav[2]", "a.wav[3]", "b.flac", "c.ogg", "d.mp3"]
    assert collection.table["seconds"].to_pylist() == [0, 0.5, 1, 1.5, 0, 0, 0]
    assert collection.image_shape == (64, 128)
    assert collection.n_ignored == 1
    rows = [int(image[:, 10:20].mean(axis=1).argmax()) for image in collection.images]
    for row, frequency in zip(rows, (500, 1000, 2000, 4000, 500, 500, 500), strict=True):
        assert abs(row - band_of(frequency, SHORT)) <= 1
    assert not collection.images[5][:, 60:].any(), "a short sound is silent at the end"


def test_all_sounds_have_one_range(tmp_path):
    for name, amplitude in (("loud", 1), ("quiet", 0.001)):
        (tmp_path / f"{name}.wav").write_bytes(encoded(tone(1000, amplitude=amplitude), subtype="FLOAT"))
    loud, quiet = open_images(tmp_path, audio_seconds=0.5).images
    assert loud.max() == 255
    assert abs(int(quiet.max()) - 255 * 20 / 80) < 8, "60 dB less on a scale of 80 dB"
    (tmp_path / "silence.wav").write_bytes(encoded(np.zeros(RATE, np.float32)))
    assert not open_images(tmp_path / "silence.wav", audio_seconds=0.5).images.any()


def test_options_are_checked_and_kept():
    assert ReadingOptions(audio_seconds=1, audio_hop=0.01).n_frames == 100
    assert ReadingOptions(audio_bands=32).changed() == {"audio_bands": 32}
    assert ReadingOptions().changed() == {}
    names = ("audio_seconds", "audio_hop", "audio_bands", "audio_floor", "audio_bands")
    for name, value in zip(names, (0, 5, 2.5, 3, "a"), strict=True):
        with pytest.raises(InputError, match=name):
            ReadingOptions(**{name: value})


def test_the_sound_of_an_item_is_cut_from_the_file():
    data = encoded(np.concatenate([tone(500), tone(1000)]))
    (found,) = read_sounds([EncodedImage(data, 1)], SHORT)
    with wave.open(io.BytesIO(found.wav)) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getnframes()) == (RATE, 1, RATE // 2)
        samples = np.frombuffer(sound.readframes(RATE), "<i2") / 32767
    np.testing.assert_allclose(samples, tone(1000), atol=1e-3)
    (picture,) = read_sounds([EncodedImage(encoded(tone(500)))], SHORT)
    assert picture.sha256 != found.sha256


def test_parts_of_spectrograms_are_scaled_alike_and_have_their_own_content(tmp_path):
    (tmp_path / "a.wav").write_bytes(encoded(np.concatenate([tone(500), tone(1000)])))
    whole = open_images(tmp_path, audio_seconds=0.5)
    parts = open_images(tmp_path, audio_seconds=0.5, tiles=64, max_empty=1)
    assert parts.paths[:2] == ["a.wav[0]#xywh=0,0,64,64", "a.wav[0]#xywh=64,0,64,64"]
    np.testing.assert_array_equal(np.hstack(parts.images[:2]), whole.images[0])
    assert len(set(parts.table["pixels_sha256"].to_pylist())) == 4
    assert parts.table["seconds"].to_pylist() == [0, 0, 0.5, 0.5]


def test_a_given_range_leaves_the_content_of_a_sound(tmp_path):
    (tmp_path / "a.wav").write_bytes(encoded(np.concatenate([tone(500), tone(1000)])))
    usual, given = open_images(tmp_path, audio_seconds=0.5), open_images(tmp_path, audio_seconds=0.5, range="-60,0")
    assert given.table["sha256"].to_pylist() == usual.table["sha256"].to_pylist()
    assert (given.images < usual.images).any(), "less is above the floor"


def test_damaged_sounds_have_a_reason(tmp_path):
    flac = encoded(np.random.default_rng(0).normal(0, 0.1, 4 * RATE).astype(np.float32), "FLAC")
    claims = bytearray(flac)
    claims[21] |= 0x0F  # of the number of samples in the header
    claims[22:26] = b"\xff\xff\xff\xff"
    assert isinstance(read_contents(EncodedImage(bytes(claims)), False), Failure)
    half = encoded(np.zeros(4 * RATE, np.float32))[: 4 * RATE]
    assert read_contents(EncodedImage(half), False, reading=SHORT).n == 4, "as much as there is"
    assert read_contents(EncodedImage(flac), False, reading=SHORT).n == 8
    (cut,) = probe_images([EncodedImage(flac[:60])], reading=SHORT)
    assert isinstance(cut, Failure)
    slow = encoded(np.zeros(100, np.float32), rate=1)
    assert "1 samples per second" in probe_images([EncodedImage(slow)])[0].reason
    empty = encoded(np.zeros(0, np.float32))
    assert probe_images([EncodedImage(empty)])[0].reason == "a sound without samples"
    (tmp_path / "secret folder").mkdir()
    path = tmp_path / "secret folder" / "a.wav"
    path.write_bytes(b"RIFF\x24\0\0\0WAVEjunk")
    reason = probe_images([EncodedImage(str(path))])[0].reason
    assert reason.startswith("a sound that cannot be decoded (")
    assert "secret" not in reason


def test_pieces_of_a_sound_are_limited():
    data = encoded(np.zeros(100_002 * 160, np.float32), subtype="PCM_U8")
    found = read_contents(EncodedImage(data), False, reading=ReadingOptions(audio_seconds=0.01))
    assert "more than 100,000 pieces" in found.reason


def test_without_the_package_the_reason_names_the_extra(tmp_path, monkeypatch):
    (tmp_path / "a.wav").write_bytes(encoded(tone(500)))
    monkeypatch.setattr(optional_formats, "_is_installed", lambda _: False)
    with pytest.raises(SourceError, match=r"no images in it: .*pip install 'latentmap\[audio\]'"):
        open_images(tmp_path)
    with pytest.raises(MissingPackageError, match=r"a\.wav: a sound.*pip install 'latentmap\[audio\]'"):
        open_images(tmp_path / "a.wav")


def originals() -> list[tuple[str, bytes]]:
    """Sounds of several formats: tones, noise, stereo, floats."""
    noise = np.random.default_rng(0).normal(0, 0.1, (RATE, 2)).astype(np.float32)
    found = [("wav", encoded(tone(500)))]
    found += [("wav", encoded(noise, subtype=subtype)) for subtype in ("FLOAT", "IMA_ADPCM")]
    found += [(kind.lower(), encoded(noise, kind)) for kind in ("FLAC", "OGG", "MP3", "AIFF", "CAF", "AU")]
    return [*found, ("opus", encoded(noise, "OGG", subtype="OPUS"))]


def test_mutated_files_are_decoded_or_listed(tmp_path):
    (tmp_path / "files").mkdir()
    decoded, skipped, peak = fuzz_files(tmp_path / "files", originals(), 300, seed=1, n_kept=12, audio_seconds=0.5)
    assert decoded > 50
    assert skipped > 20
    assert peak < 2**30
