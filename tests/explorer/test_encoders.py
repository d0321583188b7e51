"""The explorer of a run whose vectors an encoder computed, with a decoder of them."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from explorer.conftest import HOST, pictures
from latentmap.encoder import ImageEncoder
from latentmap.explorer.app import make_app
from latentmap.explorer.guard import TOKEN
from latentmap.explorer.server import Server
from latentmap.images.pixel_types import as_pixels
from latentmap.run import Run, RunOptions, make_run
from onnx_models import stretched_encoder

N = 40


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("encoder")
    (folder / "pictures").mkdir()
    for i, image in enumerate(pictures(N, 0)):
        Image.fromarray(image).resize((30, 36)).save(folder / "pictures" / f"{i:02d}.png")
    encoder = ImageEncoder(stretched_encoder(folder / "model.onnx", size=24))
    options = RunOptions(groups="kmeans", n_clusters=4, decoder=True, epochs=3, metric="cosine", perplexity=5.0)
    make_run(folder / "pictures", folder / "run", options, encoder=encoder)
    return folder


@pytest.fixture
def client(made) -> Iterator[TestClient]:
    server = Server(made / "run")
    app = make_app(server, [HOST])
    yield TestClient(app, base_url=f"http://{HOST}", headers={TOKEN: server.token}, raise_server_exceptions=False)
    server.close()


def picture(response) -> np.ndarray:
    assert response.status_code == 200, response.text
    return np.asarray(Image.open(io.BytesIO(response.content)))


def test_reconstructions_are_drawn_from_the_vectors(client, made):
    run = Run.open(made / "run")
    expected = as_pixels(run.decoder().predict(run.latents()[5:6]), run.pixel_dtype)[0]
    version = client.get("/api/run").json()["version"]
    drawn = picture(client.get("/api/images/5/reconstruction", params={"v": version, "version": version}))
    np.testing.assert_array_equal(drawn, expected)


def test_any_place_of_the_map_is_decoded(client, made):
    run = Run.open(made / "run")
    assert client.get("/api/run").json()["hasDecoder"] is True
    x, y = run.map()[5].tolist()
    drawn = picture(client.get("/api/decode", params={"x": x, "y": y}))
    at_image = as_pixels(run.decoder().predict(run.latents()[5:6]), run.pixel_dtype)[0]
    others = as_pixels(run.decoder().predict(run.latents()), run.pixel_dtype)
    assert drawn.shape == others.shape[1:]
    distances = np.abs(others.astype(int) - drawn).mean(axis=(1, 2, 3))
    assert np.abs(drawn.astype(int) - at_image).mean() <= np.quantile(distances, 0.2)


def test_interpolations_go_from_one_reconstruction_to_another(client, made):
    run = Run.open(made / "run")
    strip = picture(client.get("/api/interpolation", params={"a": 3, "b": 8, "steps": 5}))
    expected = as_pixels(run.decoder().interpolate(run.latents()[3], run.latents()[8], steps=5), run.pixel_dtype)
    np.testing.assert_array_equal(strip, np.concatenate(list(expected), axis=1))


def test_an_image_that_is_sent_goes_through_the_encoder(client, made):
    body = (made / "pictures" / "07.png").read_bytes()
    found = client.post("/api/similar", content=body).json()
    assert found["neighbors"][0]["id"] == 7
    assert found["neighbors"][0]["distance"] == pytest.approx(0, abs=1e-3)
    answer = client.post("/api/similar", content=b"no image")
    assert (answer.status_code, "cannot be decoded" in answer.json()["error"]) == (400, True)


def test_an_encoder_that_is_gone_is_missed_with_a_sentence(made, tmp_path):
    import shutil

    folder = shutil.copytree(made / "run", tmp_path / "run")
    (folder / "model" / "encoder.onnx").unlink()
    server = Server(folder)
    app = make_app(server, [HOST])
    client = TestClient(app, base_url=f"http://{HOST}", headers={TOKEN: server.token}, raise_server_exceptions=False)
    answer = client.post("/api/similar", content=(made / "pictures" / "07.png").read_bytes())
    server.close()
    assert answer.status_code in (400, 409, 422)
    assert "its encoder cannot be opened" in answer.json()["error"]
