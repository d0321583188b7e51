"""Runs whose channels have more than 8 bits, and runs that were made when all channels were kept in 8 bits."""

import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

import latentmap as lm
from latentmap.autoencoder.training.pixels import PixelScale
from latentmap.core.errors import RunError
from latentmap.explorer.app import make_app
from latentmap.explorer.guard import TOKEN
from latentmap.explorer.server import Server
from latentmap.run import RunOptions, SourceOptions, add_images, make_run
from latentmap.run.export import export_run

OPTIONS = RunOptions(epochs=1, latent_dim=4, perplexity=5.0)
HOST = "127.0.0.1:8765"
LOW, STEP = 20000, 40  # of the dark channel, whose steps are a sixth of one in 256


def dark(n: int, seed: int = 0) -> np.ndarray:
    """Images of two channels: in the first only small steps, in the second the whole range."""
    random = np.random.default_rng(seed)
    images = np.zeros((n, 12, 10, 2), np.uint16)
    images[..., 0] = LOW + STEP * random.integers(0, 6, (n, 12, 10))
    images[..., 1] = random.integers(0, 65536, (n, 12, 10))
    return images


def write_tiffs(folder, images: np.ndarray) -> None:
    folder.mkdir()
    for i, image in enumerate(images):
        first, *others = [Image.fromarray(np.ascontiguousarray(one)) for one in image.transpose(2, 0, 1)]
        first.save(folder / f"{i:02d}.tif", save_all=True, append_images=others)


def decoding(**options: object):
    return SourceOptions(range="0,65535", **options).decoding()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = tmp_path_factory.mktemp("deep") / "run"
    make_run(dark(30), path, OPTIONS, decoding=decoding())
    return path


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    """A run and its source of files, as they were made when all channels were kept in 8 bits."""
    folder = tmp_path_factory.mktemp("earlier")
    write_tiffs(folder / "images", dark(30))
    with pytest.MonkeyPatch.context() as before:
        before.setattr("latentmap.images.shape_choice.choose_bits", lambda _: 8)
        before.setattr("latentmap.images.arrays.choose_bits", lambda _: 8)
        make_run(folder / "images", folder / "files", OPTIONS, decoding=decoding(axes="channels"))
        make_run(dark(30), folder / "array", OPTIONS, decoding=decoding())
    return folder


@pytest.fixture
def run(finished, tmp_path) -> lm.Run:
    return lm.Run.open(shutil.copytree(finished, tmp_path / "run"))


def test_small_steps_reach_the_input_of_the_network(run):
    images = run.images().images
    np.testing.assert_array_equal(images, dark(30))
    model = run.model()
    assert model.scale_ == PixelScale(0.0, 65535.0)
    inputs = model.scale_.prepare(np.asarray(images[:4]))
    np.testing.assert_allclose(inputs, dark(30)[:4] / 65535, atol=1e-7)
    assert len(np.unique(inputs[..., 0])) == 6
    np.testing.assert_allclose(run.latents()[:4], model.transform(images[:4]), atol=1e-5)


def test_the_run_says_that_its_pixels_have_16_bits(run):
    source = json.loads((run.path / "run.json").read_bytes())["source"]
    assert source["bits"] == 16
    assert source["cache_bytes"] == 30 * 12 * 10 * 2 * 2
    assert run.pixel_dtype == run.shape().dtype == np.uint16
    assert not (run.path / "cache" / "pixels.u8").exists()


@pytest.mark.parametrize("channels", [None, "0"])
def test_the_cache_is_restored_from_the_atlas(channels, tmp_path):
    make_run(dark(30), tmp_path / "run", OPTIONS, decoding=decoding(channels=channels))
    run = lm.Run.open(tmp_path / "run")
    before = np.array(run.images().images)
    assert run.image(3).mode == ("L" if channels else "RGB")
    shutil.rmtree(run.path / "cache")
    np.testing.assert_array_equal(lm.Run.open(run.path).images().images, before)
    keys = json.loads((run.path / "run.json").read_bytes())["stages"]
    make_run(dark(30), run.path, OPTIONS, decoding=decoding(channels=channels))
    state = json.loads((run.path / "run.json").read_bytes())
    assert {name: one["key"] for name, one in state["stages"].items()} == {n: one["key"] for n, one in keys.items()}
    np.testing.assert_array_equal(lm.Run.open(run.path).images().images, before)


def test_images_are_added_in_16_bits_and_copies_are_found(run, tmp_path):
    more = dark(5, 1)
    more[0] = dark(30)[7]
    more[0, 0, 0, 0] += 1
    write_tiffs(tmp_path / "more", more)
    assert add_images(run.path, more).n_added == 5
    again = lm.Run.open(run.path)
    np.testing.assert_array_equal(again.added_images()[0], more)
    near = again.similar(more[0], 2).to_pylist()
    assert {one["id"] for one in near} == {7, 30}
    shutil.rmtree(again.path / "cache")
    np.testing.assert_array_equal(lm.Run.open(run.path).images().images, dark(30))
    assert again.similar(np.rint(more[0] / 257).astype(np.uint8), 1)["id"][0].as_py() in (7, 30)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"bits": 12}, "bits"),
        ({"bits": "16"}, "bits"),
        ({"bits": 8}, "expected 4 bytes|missing or too short|fingerprint|damaged"),
        ({"channels": []}, "source"),
    ],
)
def test_damaged_bits_end_as_a_sentence(run, change, reason):
    state = json.loads((run.path / "run.json").read_bytes())
    state["source"] |= change
    (run.path / "run.json").write_text(json.dumps(state))
    with pytest.raises(RunError, match=reason):
        lm.Run.open(run.path).images()


def test_a_run_of_16_bits_is_the_source_of_another(run, tmp_path):
    other = make_run(str(run.path), tmp_path / "other", RunOptions(epochs=1, latent_dim=2, perplexity=5.0))
    np.testing.assert_array_equal(other.images().images, dark(30))
    assert other.pixel_dtype == np.uint16


@pytest.mark.slow
def test_exports_have_pictures_of_8_bits(run, tmp_path):
    export_run(run.path, "imagefolder", tmp_path / "folder")
    with Image.open(next((tmp_path / "folder").rglob("*.png"))) as image:
        assert image.mode == "RGB"
    export_run(run.path, "onnx", tmp_path / "onnx")
    assert json.loads((tmp_path / "onnx" / "shape.json").read_bytes())["scale"] == "pixels / 65535"


@pytest.mark.slow
def test_a_run_by_features_and_one_with_a_decoder(tmp_path):
    options = {"epochs": 1, "perplexity": 5.0}
    by_features = make_run(
        dark(30), tmp_path / "features", RunOptions(features="visual", **options), decoding=decoding()
    )
    points = by_features.features().transform(dark(30))
    np.testing.assert_allclose(by_features.points(), points, atol=1e-4)
    vectors = np.random.default_rng(0).normal(size=(30, 6)).astype(np.float32)
    drawn = make_run(
        dark(30), tmp_path / "drawn", RunOptions(decoder=True, **options), decoding=decoding(), vectors=vectors
    )
    assert drawn.decoder().scale_ == PixelScale(0.0, 65535.0)
    assert add_images(drawn.path, dark(4, 1), vectors=vectors[:4]).n_added == 4


def pixels(response) -> np.ndarray:
    assert response.status_code == 200, response.text
    with Image.open(io.BytesIO(response.content)) as image:
        return np.asarray(image)


def test_brightness_in_the_explorer_shows_the_steps_of_a_dark_channel(tmp_path):
    images = dark(30)
    images[..., 0] -= LOW  # 0 to 200 of 65535: at most one level of 255
    make_run(images, tmp_path / "run", OPTIONS, decoding=decoding())
    server = Server(tmp_path / "run")
    try:
        client = TestClient(make_app(server, [HOST]), base_url=f"http://{HOST}", headers={TOKEN: server.token})
        shown = pixels(client.get("/api/images/4?mix=ffffff:16,-000000:1"))[..., 0]
        np.testing.assert_array_equal(shown, np.rint(images[4, ..., 0] / 257 * 16))
        assert len(np.unique(shown)) == 6
        sheet = pixels(client.get("/api/pages/0", params={"mix": "ffffff:16,-000000:1", "v": server.data.version}))
        assert len(np.unique(sheet)) == 6
        for path in ("/api/images/4/reconstruction", "/api/interpolation?a=1&b=2", "/api/decode?x=0&y=0"):
            assert pixels(client.get(path)).dtype == np.uint8
    finally:
        server.close()


# ---------------------------------------------------------------- earlier runs


def state_of(run) -> dict:
    return json.loads((run / "run.json").read_bytes())


@pytest.mark.parametrize("name", ["files", "array"])
def test_an_earlier_run_is_kept_by_the_same_command(earlier, tmp_path, name):
    path = shutil.copytree(earlier / name, tmp_path / "run")
    before = state_of(path)
    assert "bits" not in before["source"]
    source = earlier / "images" if name == "files" else dark(30)
    said: list[str] = []
    make_run(
        source, path, OPTIONS, decoding=decoding(**({"axes": "channels"} if name == "files" else {})), say=said.append
    )
    after = state_of(path)
    assert after["stages"] == before["stages"]
    assert after["source"]["fingerprint"] == before["source"]["fingerprint"]
    assert (path / "cache" / "pixels.u8").exists()


@pytest.mark.parametrize("name", ["files", "array"])
def test_an_earlier_run_is_opened_added_to_and_restored(earlier, tmp_path, name):
    path = shutil.copytree(earlier / name, tmp_path / "run")
    run = lm.Run.open(path)
    assert run.images().images.dtype == np.uint8
    write_tiffs(tmp_path / "more", dark(4, 3))
    more = tmp_path / "more" if name == "files" else dark(4, 3)
    assert add_images(path, more).n_added == 4
    again = lm.Run.open(path)
    (added,) = again.added_images()
    np.testing.assert_array_equal(added, np.rint(dark(4, 3) / 257))
    assert again.model().scale_ == PixelScale(0.0, 255.0)
    assert again.similar(dark(4, 3)[2], 1)["id"][0].as_py() == 32  # 16-bit pixels of the same range
    shutil.rmtree(path / "cache")
    np.testing.assert_array_equal(lm.Run.open(path).images().images, np.rint(dark(30) / 257))


def test_other_images_in_the_folder_of_an_earlier_run_have_16_bits(earlier, tmp_path):
    path = shutil.copytree(earlier / "array", tmp_path / "run")
    run = make_run(dark(30, 9), path, OPTIONS, decoding=decoding())
    np.testing.assert_array_equal(run.images().images, dark(30, 9))
    assert state_of(path)["source"]["bits"] == 16
    assert not (path / "cache" / "pixels.u8").exists()
