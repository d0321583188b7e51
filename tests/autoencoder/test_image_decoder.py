"""ImageDecoder: images from given vectors, its training with both engines, its files and its ONNX export."""

import json

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import latentmap as lm
from latentmap.autoencoder.networks import build_decoder
from latentmap.autoencoder.training import VectorBatches
from latentmap.autoencoder.training.augmentation import mix_pairs
from latentmap.autoencoder.training.autograd import AutogradEngine
from latentmap.autoencoder.training.fused import FusedEngine
from latentmap.autoencoder.training.pixels import PixelScale
from latentmap.core.errors import InputError, ModelFileError


@pytest.fixture(scope="module")
def places(bars: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Vectors (300, 11) that tell the place of the bar, one dimension of a large scale and one constant."""
    rows = bars.mean(axis=2)
    return np.column_stack([rows[:, :10] * 1e-3, np.full(len(bars), 5.0)]).astype(np.float32)


@pytest.fixture(scope="module")
def decoder(bars: NDArray[np.uint8], places: NDArray[np.float32]) -> lm.ImageDecoder:
    return lm.ImageDecoder(epochs=12, random_state=0).fit(places, bars)


def test_images_are_drawn_from_their_vectors(decoder, bars, places):
    drawn = decoder.predict(places)
    assert (drawn.shape, drawn.dtype) == (bars.shape, np.float32)
    errors = decoder.score_samples(places, bars)
    expected = ((drawn - bars / 255) ** 2).mean(axis=(1, 2))
    np.testing.assert_allclose(errors, expected, rtol=1e-4)
    of_mean_image = float(((bars / 255 - bars.mean(axis=0) / 255) ** 2).mean())
    assert -decoder.score(places, bars) < 0.15 * of_mean_image
    assert decoder.history_["loss"][-1] < 0.5 * decoder.history_["loss"][0]


def test_interpolation_begins_and_ends_at_the_given_vectors(decoder, places):
    drawn = decoder.interpolate(places[0], places[1], steps=3)
    np.testing.assert_allclose(drawn[[0, 2]], decoder.predict(places[:2]), atol=1e-6)
    np.testing.assert_allclose(drawn[1], decoder.predict(places[:2].mean(axis=0, keepdims=True))[0], atol=1e-5)
    with pytest.raises(InputError, match="at least 2"):
        decoder.interpolate(places[0], places[1], steps=1)


def test_constant_dimensions_and_scales_do_not_matter(bars, places):
    scaled = places * np.array([1] * 10 + [7]) * 1000 - 3
    options = {"epochs": 2, "random_state": 0, "precision": "float32"}
    a, b = (lm.ImageDecoder(**options).fit(Z, bars) for Z in (places, scaled))
    np.testing.assert_allclose(a.predict(places[:5]), b.predict(scaled[:5]), atol=2e-3)
    moved = places.copy()
    moved[:, 10] = -100
    np.testing.assert_array_equal(a.predict(moved[:5]), a.predict(places[:5]))


@pytest.mark.parametrize("network", ["pyramid", "dense", "conv"])
@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 3)])
def test_each_network_and_shape_has_a_decoding_half(network, shape):
    images = np.random.default_rng(0).integers(0, 256, (20, *shape), np.uint8)
    vectors = images.reshape(20, -1)[:, :6].astype(np.float64)
    fitted = lm.ImageDecoder(network, epochs=1, random_state=0).fit(vectors, images)
    assert fitted.predict(vectors[:4]).shape == (4, *shape)
    assert sum(layer.n_parameters for layer in fitted.layer_table()) == sum(
        values.numel() for values in fitted.network_.parameters()
    )


def test_vectors_longer_than_the_image_train():
    images = np.random.default_rng(0).integers(0, 256, (20, 4, 4), np.uint8)
    vectors = np.random.default_rng(1).standard_normal((20, 900), np.float32)
    assert np.isfinite(lm.ImageDecoder(epochs=1, random_state=0).fit(vectors, images).predict(vectors)).all()


def test_very_long_vectors_are_projected_on_their_principal_components(bars, places, tmp_path):
    random = np.random.default_rng(0)
    long = (places[:, :10] * 1000) @ random.standard_normal((10, 2000)) + 0.01 * random.standard_normal((300, 2000))
    made = lm.ImageDecoder(epochs=8, random_state=0).fit(long, bars)
    assert made.components_.shape == (300, 2000)
    assert made.network_.latent_dim == 300
    of_mean_image = float(((bars / 255 - bars.mean(axis=0) / 255) ** 2).mean())
    assert -made.score(long, bars) < 0.5 * of_mean_image
    made.save(tmp_path)
    np.testing.assert_array_equal(lm.ImageDecoder.load(tmp_path).predict(long[:5]), made.predict(long[:5]))
    made.export_onnx(tmp_path / "decoder.onnx")  # compares it


def test_both_engines_take_the_same_steps():
    random = np.random.default_rng(0)
    images, vectors = random.integers(0, 256, (32, 9, 10, 1), np.uint8), random.standard_normal((32, 5), np.float32)
    networks = [build_decoder("pyramid", (9, 10, 1), 5) for _ in range(2)]
    networks[0].initialize_for(
        torch.Generator().manual_seed(0), torch.from_numpy(vectors), torch.from_numpy(images / np.float32(255))
    )
    networks[1].load_state_dict(networks[0].state_dict())
    engines = FusedEngine(networks[0], torch.float32), AutogradEngine(networks[1], torch.float32)
    losses = [[engine.step(vectors, images, 1e-3, 0.5) for _ in range(4)] for engine in engines]
    for engine in engines:
        engine.close()
    np.testing.assert_allclose(*losses, rtol=1e-4)
    for a, b in zip(networks[0].parameters(), networks[1].parameters(), strict=True):
        np.testing.assert_allclose(a.detach(), b.detach(), atol=1e-4)


def test_vectors_stay_with_their_images_when_they_are_read_in_windows(tmp_path, monkeypatch):
    from latentmap.autoencoder.training import batches

    monkeypatch.setattr(batches, "MAX_SHUFFLED_BYTES", 0)
    monkeypatch.setattr(batches, "SHUFFLE_BLOCK_BYTES", 8)
    monkeypatch.setattr(batches, "SHUFFLE_WINDOW_BYTES", 64)
    np.arange(100, dtype=np.uint8).reshape(50, 2).tofile(tmp_path / "pixels")
    images = np.memmap(tmp_path / "pixels", np.uint8, "r", shape=(50, 2))
    vectors = np.arange(0, 100, 2, dtype=np.float32)[:, None]
    made = VectorBatches(vectors, images, np.arange(50), PixelScale(0.0, 255.0), 6, 0, lambda part: part)
    assert made.streamed
    pairs = list(made.pairs(0))
    seen = np.concatenate([of_vectors[:, 0] for of_vectors, _ in pairs])
    assert (seen == np.concatenate([pixels[:, 0] for _, pixels in pairs])).all()
    assert sorted(seen) == list(range(0, 100, 2))
    assert (np.diff(seen) < 0).any()


def test_mixed_pairs_have_the_same_weights():
    images = np.arange(40, dtype=np.uint8)[:, None] * 6
    vectors = images.astype(np.float32) / 2
    mixed, pixels = mix_pairs(vectors, images, np.random.default_rng(0))
    assert pixels.dtype == np.uint8
    np.testing.assert_allclose(mixed, pixels / 2, atol=0.26)
    assert (mixed != vectors).mean() > 0.9


def test_a_killed_training_resumes_to_the_same_weights(bars, places, tmp_path):
    options = {"epochs": 3, "random_state": 0}
    whole = lm.ImageDecoder(**options).fit(places, bars)

    def stop(progress):
        if progress.done > 2 * progress.total / 3:
            raise KeyboardInterrupt

    checkpoint = tmp_path / "checkpoint"
    with pytest.raises(KeyboardInterrupt):
        lm.ImageDecoder(**options, checkpoint=checkpoint, callback=stop).fit(places, bars)
    done = []
    again = lm.ImageDecoder(**options, checkpoint=checkpoint, callback=lambda one: done.append(one.done))
    again.fit(places, bars)
    assert done[0] > 2 * whole.history_["loss"].__len__()
    np.testing.assert_array_equal(again.predict(places), whole.predict(places))
    moved = lm.ImageDecoder(**options, checkpoint=checkpoint).fit(places[::-1], bars)  # other vectors: from the start
    assert moved.history_["loss"][0] != whole.history_["loss"][0]


def test_saved_and_loaded(decoder, places, bars, tmp_path):
    decoder.save(tmp_path)
    again = lm.ImageDecoder.load(tmp_path)
    np.testing.assert_array_equal(again.predict(places), decoder.predict(places))
    np.testing.assert_array_equal(again.score_samples(places, bars), decoder.score_samples(places, bars))
    assert again.get_params() == decoder.get_params()
    with pytest.raises(ModelFileError, match="not a model"):
        lm.Autoencoder.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"recipe": {"network": "variational", "activation": "elu", "augmentation": []}}, "choose among"),
        ({"image_shape": [2**30, 2**30]}, "weights"),
        ({"image_shape": []}, "at least 1"),
        ({"parameters": {"epochs": -1}}, "epochs"),
        ({"format": "latentmap-autoencoder"}, "not a model"),
    ],
)
def test_damaged_settings_end_as_a_sentence(decoder, tmp_path, change, said):
    decoder.save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text()) | change
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelFileError, match=said):
        lm.ImageDecoder.load(tmp_path)


def test_exported_decoder_draws_the_same(decoder, places, tmp_path):
    import onnxruntime

    decoder.export_onnx(tmp_path / "decoder.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "decoder.onnx", providers=["CPUExecutionProvider"])
    (drawn,) = session.run(["images"], {"vectors": places})
    np.testing.assert_allclose(drawn, decoder.predict(places), atol=1e-4)


def test_what_does_not_fit_is_refused(decoder, bars, places):
    with pytest.raises(InputError, match="299 vectors for 300 images"):
        lm.ImageDecoder(epochs=1).fit(places[1:], bars)
    with pytest.raises(InputError, match="vectors of 3 dimensions"):
        decoder.predict(places[:, :3])
    with pytest.raises(InputError, match="fitted on images of shape"):
        decoder.score_samples(places, bars[:, 1:])
    with pytest.raises(ValueError, match="NaN"):
        lm.ImageDecoder(epochs=1).fit(places * np.nan, bars)
    with pytest.raises(ValueError, match="network"):
        lm.ImageDecoder("variational").fit(places, bars)
    with pytest.raises(NotFittedError):
        clone(decoder).predict(places)
