"""Runs of formats that optional packages read: their options are kept, and used for what is added and compared."""

import json

import numpy as np
import pytest
import soundfile

from latentmap.encoder.input_shape import InputShape
from latentmap.images import open_images
from latentmap.images.decode_options import DecodeOptions
from latentmap.images.reading_options import ReadingOptions
from latentmap.images.sources import find_source
from latentmap.run import Run, RunOptions, add_images, make_run
from latentmap.run.encoding.input_pixels import InputPixels
from latentmap.run.options import SourceOptions

RATE = 8000
OPTIONS = RunOptions(epochs=1, latent_dim=4, n_clusters=2, perplexity=5.0)
READING = ReadingOptions(audio_seconds=0.25, audio_bands=32)


def write_tone(path, frequency, seconds=0.25):
    soundfile.write(path, np.sin(2 * np.pi * frequency * np.arange(round(seconds * RATE)) / RATE), RATE)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "sounds").mkdir()
    for i in range(24):
        write_tone(tmp_path / "sounds" / f"{i:02d}.wav", 200 + 120 * i)
    return tmp_path


def test_options_at_their_defaults_leave_keys_as_they_were():
    assert DecodeOptions().as_dict() == {
        "size": None,
        "fit": "fit",
        "color": "auto",
        "background": "white",
        "frames": False,
    }
    assert SourceOptions().decoding() == DecodeOptions()
    assert SourceOptions(fps=2.0, metadata=None).decoding().as_dict()["fps"] == 2.0


def test_a_run_keeps_its_options_for_what_is_added_and_compared(folder):
    run = make_run(folder / "sounds", folder / "run", OPTIONS, decoding=DecodeOptions(reading=READING))
    state = json.loads((folder / "run" / "run.json").read_text(encoding="utf-8"))
    assert state["source"]["decoding"]["audio_bands"] == 32
    assert run.reading() == READING
    assert run.shape().image_shape == (32, 128)
    (folder / "more").mkdir()
    write_tone(folder / "more" / "long.wav", 641.3, 0.75)
    assert add_images(folder / "run", folder / "more").n_added == 3
    found = Run.open(folder / "run").similar(folder / "sounds" / "05.wav", 3)
    assert found["path"][0].as_py() == "05.wav"
    assert found["distance"][0].as_py() < 1e-4


def test_another_option_decodes_again(folder):
    make_run(folder / "sounds", folder / "run", OPTIONS, decoding=DecodeOptions(reading=READING))
    lines: list[str] = []
    make_run(folder / "sounds", folder / "run", OPTIONS, decoding=DecodeOptions(reading=READING), say=lines.append)
    assert not any("32 pixels" in line for line in lines), "nothing is decoded twice"
    other = ReadingOptions(audio_seconds=0.25, audio_bands=48)
    run = make_run(folder / "sounds", folder / "run", OPTIONS, decoding=DecodeOptions(reading=other))
    assert run.shape().image_shape == (48, 128)


def test_an_encoder_sees_sounds_as_the_run_has_them(folder):
    write_tone(folder / "sounds" / "long.wav", 641.3, 0.75)
    collection = open_images(folder / "sounds", audio_seconds=0.25, audio_bands=32)
    images = InputPixels(collection.table, collection.images, find_source(folder / "sounds"), READING)
    limits = collection.shape.float_range
    shape = InputShape(32, 128, 1, fit="stretch", color="grey", float_range=limits, edge=(32, 128))
    found = list(images.read(shape, 0))
    assert images.n_small == 0
    np.testing.assert_array_equal(found, collection.images)
