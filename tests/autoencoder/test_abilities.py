"""Methods of a trained autoencoder beyond scikit-learn's: generation, outliers, files."""

import numpy as np
import pytest
from numpy.typing import NDArray

from latentmap.autoencoder import Autoencoder, onnx
from latentmap.core.errors import ModelFileError

SETTINGS = {"latent_dim": 4, "epochs": 60, "random_state": 0}


@pytest.fixture(scope="module")
def model(bars):
    return Autoencoder(**SETTINGS).fit(bars)


@pytest.fixture(scope="module")
def variational(bars):
    return Autoencoder("variational", **SETTINGS | {"epochs": 150}).fit(bars)


def row_of(images: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the row of the bar: the centre of the bright pixels."""
    brightness = np.clip(images.mean(2) - 0.3, 0, None)
    return (brightness * np.arange(12)).sum(1) / np.maximum(brightness.sum(1), 1e-6)


def is_bar(images: NDArray[np.float32], bars: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return whether an image is close to a true one: closer than half of the distance between two of them."""
    known = (bars / 255).reshape(len(bars), -1)
    distances = ((images.reshape(len(images), 1, -1) - known) ** 2).mean(2).min(1)
    return distances < 0.03


@pytest.mark.parametrize("shape", [(12, 10), (12, 10, 3), (120,)])
def test_no_latent_dimension_is_inactive(shape, bars):
    images = bars if len(shape) == 2 else bars.reshape(300, -1) if len(shape) == 1 else bars[..., None].repeat(3, 3)
    spread = Autoencoder(latent_dim=64, epochs=20, random_state=0).fit(images).transform(images).std(0)
    assert spread.min() > 0.05 * spread.max()


def test_interpolation_ends_at_the_two_images(model, bars):
    way = model.interpolate(bars[0], bars[1], steps=5)
    assert way.shape == (5, 12, 10)
    np.testing.assert_allclose(way[[0, -1]], model.reconstruct(bars[:2]), atol=1e-5)
    with pytest.raises(ValueError, match="steps=1: ask for at least 2"):
        model.interpolate(bars[0], bars[1], steps=1)


def test_traversal_passes_through_its_start(model, bars):
    way = model.traverse(2, bars[0], steps=3, span=1.5)
    assert way.shape == (3, 12, 10)
    np.testing.assert_allclose(way[1], model.reconstruct(bars[:1])[0], atol=1e-5)
    moved = model.transform(bars[:1]).repeat(2, 0)
    moved[:, 2] += np.array([-1.5, 1.5]) * model.reference_latents_[:, 2].std()
    np.testing.assert_allclose(way[[0, 2]], model.inverse_transform(moved), atol=1e-5)
    assert model.traverse(0).shape == (7, 12, 10)
    with pytest.raises(ValueError, match="dimension=4: choose one from 0 to 3"):
        model.traverse(4)


def test_traversal_begins_at_a_typical_image_and_follows_the_largest_variance(model):
    latents = model.reference_latents_.astype(np.float64)
    distances = np.linalg.norm(latents[:, None] - latents, axis=2).mean(1)
    ways = [model.traverse(k, steps=3, principal=True) for k in range(4)]
    for way in ways:
        np.testing.assert_allclose(way[1], model.inverse_transform(latents[[distances.argmin()]])[0], atol=1e-5)
    variances, directions = np.linalg.eigh(np.cov(latents.T))
    reach = 2 * np.sqrt(variances[-1]) * directions[:, -1] * np.sign(directions[np.abs(directions[:, -1]).argmax(), -1])
    ends = model.inverse_transform(latents[distances.argmin()] + np.stack([-reach, reach]))
    np.testing.assert_allclose(ways[0][[0, 2]], ends, atol=1e-2)
    with pytest.raises(ValueError, match="dimension=4: choose one from 0 to 3"):
        model.traverse(4)


@pytest.mark.slow
# the variational network also samples between two bars, where there are no images
@pytest.mark.parametrize(("kind", "fraction"), [("model", 0.7), ("variational", 0.15)])
def test_samples_are_new_images_of_the_kind(kind, fraction, bars, request):
    model = request.getfixturevalue(kind)
    drawn = model.sample(60, random_state=0)
    assert drawn.shape == (60, 12, 10)
    assert is_bar(drawn, bars).mean() > fraction
    assert is_bar(np.random.default_rng(0).random((60, 12, 10), np.float32), bars).mean() == 0
    assert np.ptp(row_of(drawn)) > 5  # not one and the same
    np.testing.assert_array_equal(drawn, model.sample(60, random_state=0))
    assert (drawn != model.sample(60, random_state=1)).any()
    with pytest.raises(ValueError, match="n=0: ask for at least 1"):
        model.sample(0)


def test_few_images_can_be_sampled_from(bars):
    assert Autoencoder(latent_dim=9, epochs=1).fit(bars[:1]).sample(2).shape == (2, 12, 10)


def test_elbo_grows_with_training_and_falls_for_what_is_odd(variational, bars):
    bound = variational.elbo(bars, random_state=0)
    assert bound.shape == (300,)
    untrained = Autoencoder("variational", **SETTINGS | {"epochs": 1, "learning_rate": 1e-9}).fit(bars)
    assert bound.mean() > untrained.elbo(bars, random_state=0).mean()
    assert variational.elbo(255 - bars, random_state=0).mean() < bound.mean()
    np.testing.assert_array_equal(bound, variational.elbo(bars, random_state=0))
    with pytest.raises(AttributeError, match="has no evidence lower bound: fit network='variational'"):
        Autoencoder(epochs=1).fit(bars).elbo(bars)


@pytest.mark.slow
def test_a_larger_beta_leaves_less_in_the_latent_vector(bars):
    spreads = []
    for beta in (0.1, 50.0):
        model = Autoencoder("variational", beta=beta, **SETTINGS | {"epochs": 60}).fit(bars)
        spreads.append(model.transform(bars).std(0).sum())
    assert spreads[1] < 0.7 * spreads[0]


@pytest.mark.parametrize(
    ("network", "noise"),
    [
        *(("conv", noise) for noise in ("gaussian", "masking", "salt_and_pepper")),
        ("pyramid", "gaussian"),
        *(pytest.param("pyramid", noise, marks=pytest.mark.slow) for noise in ("masking", "salt_and_pepper")),
    ],
)
def test_denoising_takes_noise_away(network, noise, bars):
    from latentmap.autoencoder.training.corruption import corrupt

    settings = SETTINGS | {"epochs": 150, "batch_size": 32}
    model = Autoencoder(network, denoising=noise, noise_level=0.3, **settings).fit(bars)
    corrupted = np.round(255 * corrupt(bars, noise, 0.3, np.random.default_rng(5))).astype(np.uint8)
    clean = bars / 255
    error = ((model.denoise(corrupted) - clean) ** 2).mean()
    assert error < 0.25 * ((corrupted / 255 - clean) ** 2).mean()
    plain = Autoencoder(network, **settings).fit(bars)
    assert error < ((plain.denoise(corrupted) - clean) ** 2).mean()


def test_residuals_are_what_was_not_drawn(model, bars):
    residuals = model.residuals(bars)
    assert residuals.shape == bars.shape
    np.testing.assert_allclose(residuals + model.reconstruct(bars), bars / 255, atol=1e-5)
    np.testing.assert_allclose((residuals**2).mean((1, 2)), model.score_samples(bars), rtol=1e-3, atol=1e-7)


def test_the_threshold_is_passed_by_as_many_usual_images_as_asked(bars):
    model = Autoencoder(validation_fraction=0.3, **SETTINGS).fit(bars)
    assert len(model.reference_errors_) == 90
    random = np.random.default_rng(9)
    usual = random.integers(0, 30, (400, 12, 10), dtype=np.uint8)  # of the same kind, none of them seen
    for image, row in zip(usual, random.integers(0, 10, 400), strict=True):
        image[row : row + 2] = 230
    for fraction in (0.05, 0.3):
        assert model.is_outlier(usual, fraction).mean() == pytest.approx(fraction, abs=0.08)
    odd = np.random.default_rng(0).integers(0, 255, (20, 12, 10), dtype=np.uint8)
    assert model.is_outlier(odd, 0.01).all()
    with pytest.raises(ValueError, match="contamination=1.5: pass a fraction between 0 and 1"):
        model.outlier_threshold(1.5)


def test_one_pass_gives_the_same_bits_as_two(model, bars):
    latents, errors = model.transform_and_score(bars)
    for found, expected in (
        (latents, model.transform(bars)),
        (errors, model.score_samples(bars)),
        (model.reference_latents_, latents),
        (model.reference_errors_, errors),
    ):
        np.testing.assert_array_equal(found, expected)


def test_reference_images_are_saved_with_the_model(model, variational, bars, tmp_path):
    for kind in (model, variational):
        kind.save(tmp_path / "model")
        loaded = Autoencoder.load(tmp_path / "model")
        assert loaded.outlier_threshold() == kind.outlier_threshold()
        np.testing.assert_array_equal(loaded.sample(5, 0), kind.sample(5, 0))
        assert (loaded.precision_, loaded.recipe_) == (kind.precision_, kind.recipe_)


def test_models_of_the_first_format_raise_a_clear_error(model, tmp_path):
    model.save(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace('"format_version": 2', '"format_version": 1'))
    with pytest.raises(ModelFileError, match="format version 1, this latentmap reads version 2"):
        Autoencoder.load(tmp_path)


def test_warm_start_continues_from_the_last_weights(bars):
    model = Autoencoder(**SETTINGS | {"epochs": 5, "warm_start": True}).fit(bars)
    before = -model.score(bars)
    model.set_params(epochs=1, learning_rate=1e-9).fit(bars)
    assert -model.score(bars) == pytest.approx(before, rel=1e-4)
    with pytest.raises(ValueError, match="network of the last fit has other layers"):
        model.set_params(latent_dim=5).fit(bars)
    assert -model.set_params(latent_dim=4, warm_start=False).fit(bars).score(bars) > 2 * before


@pytest.mark.parametrize("network", ["pyramid", "variational", "dense", "conv"])
def test_onnx_gives_what_torch_gives(network, bars, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    model = Autoencoder(network, latent_dim=3, epochs=1, random_state=0).fit(bars)
    unit = (bars[:7] / 255).astype(np.float32)
    latents = model.transform(bars[:7])
    for part, given, expected in (
        ("encoder", {"images": unit}, latents),
        ("decoder", {"latents": latents}, model.inverse_transform(latents)),
    ):
        model.export_onnx(tmp_path / f"{part}.onnx", part)
        session = onnxruntime.InferenceSession(tmp_path / f"{part}.onnx")
        np.testing.assert_allclose(session.run(None, given)[0], expected, atol=1e-4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["decoder.onnx", "encoder.onnx"]


def test_a_wrong_export_is_not_written(model, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="part='both': choose 'encoder' or 'decoder'"):
        model.export_onnx(tmp_path / "x.onnx", "both")
    monkeypatch.setattr(onnx, "MAX_ONNX_DIFFERENCE", -1.0)
    with pytest.raises(ValueError, match="onnxruntime differs from torch by"):
        model.export_onnx(tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())


def test_event_files_hold_the_figures_of_each_epoch(bars, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    model = Autoencoder(**SETTINGS | {"epochs": 3}, validation_fraction=0.2, tensorboard=tmp_path).fit(bars)
    events = accumulator.EventAccumulator(str(tmp_path))
    events.Reload()
    for name in ("loss", "val_loss", "learning_rate"):
        scalars = events.Scalars(name)
        assert [scalar.step for scalar in scalars] == [1, 2, 3]
        assert [scalar.value for scalar in scalars] == pytest.approx(model.history_[name], rel=1e-5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"augmentation": ["mirror"]}, r"augmentation=\['mirror'\]: choose among mixup, shift, flip, contrast"),
        ({"denoising": "fog"}, "'denoising' parameter of Autoencoder must be"),
        ({"noise_level": 2.0}, "'noise_level' parameter"),
        ({"epochs": "many"}, "'epochs' parameter"),
        ({"schedule": "steps"}, "'schedule' parameter"),
        ({"precision": "float16"}, "'precision' parameter"),
        ({"max_grad_norm": 0.0}, "'max_grad_norm' parameter"),
    ],
)
def test_wrong_parameter_raises_a_clear_error(options, words, bars):
    with pytest.raises(ValueError, match=words):
        Autoencoder(**options).fit(bars)


def test_vectors_cannot_be_augmented(bars):
    with pytest.raises(
        ValueError, match=r"augmentation=\[\'shift\'\] is for images, but vectors of 120 features were given"
    ):
        Autoencoder(augmentation=["shift"]).fit(bars.reshape(300, -1))
