"""The sound of an image is cut from its file, while that is what the run was made from."""

import io
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image
from starlette.testclient import TestClient

from latentmap.explorer.app import make_app
from latentmap.explorer.guard import TOKEN
from latentmap.explorer.server import Server
from latentmap.images.decode_options import DecodeOptions
from latentmap.images.reading_options import ReadingOptions
from latentmap.run import RunOptions, make_run

HOST = "127.0.0.1:8765"
RATE = 8000


def tone(frequency: float, seconds: float) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """A run of 28 short sounds, one that is cut into two pieces, and a picture."""
    folder = tmp_path_factory.mktemp("base")
    (folder / "sounds").mkdir()
    for i in range(28):
        soundfile.write(folder / "sounds" / f"{i:02d}.wav", tone(200 + 100 * i, 0.25), RATE, subtype="FLOAT")
    soundfile.write(folder / "sounds" / "long.wav", np.concatenate([tone(500, 0.25), tone(900, 0.25)]), RATE)
    Image.new("L", (128, 64), 80).save(folder / "sounds" / "picture.png")
    options = RunOptions(epochs=1, latent_dim=4, n_clusters=2, perplexity=5.0)
    decoding = DecodeOptions(reading=ReadingOptions(audio_seconds=0.25))
    make_run(folder / "sounds", folder / "run", options, decoding=decoding)
    return folder


@pytest.fixture
def client(base):
    server = Server(base / "run")
    app = make_app(server, [HOST])
    yield TestClient(app, base_url=f"http://{HOST}", headers={TOKEN: server.token}, raise_server_exceptions=False)
    server.close()


def image_of(client: TestClient, name: str) -> int:
    return client.get("/api/search", params={"q": name}).json()["first"][0]["id"]


def played(answer) -> np.ndarray:
    assert answer.headers["content-type"] == "audio/wav"
    with wave.open(io.BytesIO(answer.content)) as sound:
        assert sound.getframerate() == RATE
        return np.frombuffer(sound.readframes(10 * RATE), "<i2") / 32767


def test_the_sound_of_a_file_and_of_a_piece_is_played(client):
    whole = client.get(f"/api/images/{image_of(client, '07.wav')}/sound")
    np.testing.assert_allclose(played(whole), tone(900, 0.25), atol=1e-3)
    second = client.get(f"/api/images/{image_of(client, 'long.wav[1]')}/sound")
    np.testing.assert_allclose(played(second), tone(900, 0.25), atol=1e-3)


def test_a_range_of_a_sound_is_answered(client):
    address = f"/api/images/{image_of(client, '07.wav')}/sound"
    part = client.get(address, headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"RIFF")


def test_pictures_have_no_sound_and_changed_files_are_not_played(client, base):
    answer = client.get(f"/api/images/{image_of(client, 'picture.png')}/sound")
    assert answer.status_code == 404
    assert "not a sound" in answer.json()["error"]
    for name, new in (("long.wav", "long.wav[1]"), ("03.wav", "03.wav")):
        kept = (base / "sounds" / name).read_bytes()
        soundfile.write(base / "sounds" / name, np.concatenate([tone(700, 0.25), tone(300, 0.25)]), RATE)
        answer = client.get(f"/api/images/{image_of(client, new)}/sound")
        (base / "sounds" / name).write_bytes(kept)
        assert answer.status_code == 404
        assert "has changed since" in answer.json()["error"]


def test_a_sound_needs_the_token_like_everything_else(client, base):
    client.headers.pop(TOKEN)
    assert client.get("/api/images/0/sound").status_code == 401


def test_the_page_may_play_sounds_that_it_fetched_only(client):
    assert "media-src blob:;" in client.get("/").headers["content-security-policy"]
    assert ".wav" in client.get("/api/run").json()["soundSuffixes"]
