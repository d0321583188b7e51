"""Autoencoder: scikit-learn's contract, images of any shape, the course chapter's networks to the last parameter."""

import json
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.utils.estimator_checks import parametrize_with_checks

from latentmap.autoencoder import Autoencoder
from latentmap.autoencoder.networks import activation_names
from latentmap.core.errors import ModelFileError, TrainingError
from latentmap.core.progress import Progress

Images = NDArray[np.uint8]


def small(network: str = "dense", **options: object) -> Autoencoder:
    return Autoencoder(network, **({"latent_dim": 4, "epochs": 2, "batch_size": 32, "random_state": 0} | options))


# Checks that need not hold, and why.
ROUNDING = "float32 products of ten columns round by the row's place; the check allows 1e-7, we hold 1e-5 below"
EXPECTED_FAILURES = {
    "check_methods_sample_order_invariance": ROUNDING,
    "check_methods_subset_invariance": ROUNDING,
}


@parametrize_with_checks(
    [Autoencoder(latent_dim=2, epochs=1, random_state=0)], expected_failed_checks=lambda _: EXPECTED_FAILURES
)
def test_scikit_learn_contract_holds(estimator, check):
    check(estimator)


@pytest.mark.parametrize("network", ["dense", "conv"])
def test_an_images_result_does_not_depend_on_the_others(network, bars):
    model = small(network).fit(bars)
    order = np.random.default_rng(0).permutation(len(bars))
    for method in (model.transform, model.score_samples, model.reconstruct):
        expected = method(bars)
        np.testing.assert_allclose(method(bars[order]), expected[order], rtol=1e-5, atol=1e-6)
        one_by_one = np.concatenate([method(bars[i : i + 1]) for i in range(20)])
        np.testing.assert_allclose(one_by_one, expected[:20], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("network", "parameters"), [("dense", [615440, 50240, 50960]), ("conv", None)])
def test_layer_tables_are_the_chapters(network, parameters):
    images = np.zeros((2, 28, 28), np.uint8)
    table = Autoencoder(network, epochs=1, random_state=0).fit(images).layer_table()
    counts = [layer.n_parameters for layer in table if layer.n_parameters]
    assert counts == (parameters or [160, 8256, 200768, 203840, 8224, 129])
    assert sum(counts) == {"dense": 716_640, "conv": 421_377}[network]


def test_summary_prints_the_layer_table(capsys):
    Autoencoder("conv", epochs=1).fit(np.zeros((2, 28, 28), np.uint8)).summary()
    printed = capsys.readouterr().out
    assert "conv2d_1 (Conv2D)            (None, 7, 7, 64)                 8256" in printed
    assert "Total params: 421,377" in printed


@pytest.mark.parametrize("network", ["dense", "conv"])
def test_parameter_count_is_that_of_the_module(network, bars):
    model = small(network).fit(bars)
    assert sum(layer.n_parameters for layer in model.layer_table()) == sum(
        p.numel() for p in model.network_.parameters()
    )


def test_training_learns_what_there_is_to_learn(bars):
    model = small("conv", latent_dim=8, epochs=60, learning_rate=3e-3).fit(bars)
    mean_image = bars.mean(0) / 255
    error_of_mean = float(((bars / 255 - mean_image) ** 2).mean())
    assert -model.score(bars) < 0.15 * error_of_mean
    assert model.history_["loss"][-1] < model.history_["loss"][0]


@settings(max_examples=12, deadline=None)
@given(
    height=st.integers(1, 19),
    width=st.integers(1, 19),
    channels=st.sampled_from([None, 1, 3]),
    network=st.sampled_from(["conv", "dense"]),
    n=st.integers(1, 9),
)
def test_any_image_size_and_channel_count(height, width, channels, network, n):
    shape = (n, height, width) if channels is None else (n, height, width, channels)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    model = small(network, epochs=1).fit(images)
    latents = model.transform(images)
    assert latents.shape == (n, 4)
    assert latents.dtype == np.float32
    assert model.reconstruct(images).shape == shape
    assert model.inverse_transform(latents).shape == shape
    errors = ((model.reconstruct(images) - images / 255) ** 2).reshape(n, -1).mean(1)
    np.testing.assert_allclose(model.score_samples(images), errors, rtol=1e-4, atol=1e-8)
    assert model.score(images) == pytest.approx(-errors.mean(), rel=1e-4, abs=1e-8)


def test_reconstruct_is_decode_after_encode(bars):
    model = small("conv").fit(bars)
    np.testing.assert_allclose(model.inverse_transform(model.transform(bars)), model.reconstruct(bars), atol=1e-6)


@pytest.mark.parametrize("network", ["dense", "conv"])
def test_same_seed_gives_the_same_bits(network, bars):
    first, second = (small(network, random_state=3).fit(bars) for _ in range(2))
    assert first.transform(bars).tobytes() == second.transform(bars).tobytes()
    assert first.history_["loss"] == second.history_["loss"]
    other = small(network, random_state=4).fit(bars)
    assert first.transform(bars).tobytes() != other.transform(bars).tobytes()


def test_fit_leaves_global_generators_alone(bars):
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002 - the legacy generator is what is watched
    before = torch.get_rng_state().clone(), np.random.get_state()[1].copy()  # noqa: NPY002
    small(activation="rrelu").fit(bars)
    assert torch.equal(before[0], torch.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("activation", activation_names())
def test_every_activation_of_torch_trains(activation, bars):
    model = small("conv", activation=activation, epochs=1).fit(bars[:64])
    assert np.isfinite(model.transform(bars)).all()


def test_activation_names_are_forgiving(bars):
    assert small(activation="LeakyReLU").fit(bars).score(bars) == small(activation="leaky_relu").fit(bars).score(bars)


def test_float_images_equal_their_uint8_twins(bars):
    expected = small(precision="float32").fit(bars).transform(bars)
    unit = (bars / 255).astype(np.float32)
    found = small(precision="float32").fit(unit).transform(unit)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_other_ranges_are_mapped_to_the_unit_interval():
    images = np.random.default_rng(0).normal(500, 40, (50, 8, 8))
    reconstructed = small("conv").fit(images).reconstruct(images)
    assert 0 <= reconstructed.min()
    assert reconstructed.max() <= 1
    wide = np.random.default_rng(0).integers(0, 60000, (50, 8, 8), dtype=np.uint16)
    assert np.isfinite(small("conv").fit(wide).score(wide))


@pytest.mark.parametrize("images", [np.zeros((5, 9, 9), np.uint8), np.full((5, 9, 9), 7.0)], ids=["black", "constant"])
def test_constant_images_train(images):
    assert np.isfinite(small("conv").fit(images).score(images))


def test_read_only_and_strided_images_equal_plain_ones(bars, tmp_path):
    expected = small("conv").fit(bars).transform(bars)
    np.save(tmp_path / "bars.npy", bars)
    mapped = np.load(tmp_path / "bars.npy", mmap_mode="r")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = small("conv").fit(mapped)
    np.testing.assert_array_equal(model.transform(np.asfortranarray(bars)), expected)


def test_validation_split_records_its_loss_and_keeps_the_best_weights(bars):
    model = small("conv", validation_fraction=0.2, epochs=8, learning_rate=0.05).fit(bars)
    losses = model.history_["val_loss"]
    assert len(losses) == len(model.history_["loss"]) == model.n_epochs_ == 8
    order = torch.randperm(300, generator=torch.Generator().manual_seed(_seed_of(model))).numpy()
    assert -model.score(bars[np.sort(order[:60])]) == pytest.approx(min(losses), rel=1e-4, abs=1e-8)


def _seed_of(model: Autoencoder) -> int:
    return int(np.random.RandomState(model.random_state).randint(2**31))


def test_early_stopping_stops_when_patience_ends(bars):
    model = small("dense", validation_fraction=0.2, patience=2, epochs=500, learning_rate=0.02).fit(bars)
    losses = model.history_["val_loss"]
    assert model.n_epochs_ < 500
    assert int(np.argmin(losses)) == model.n_epochs_ - 1 - 2


def test_callback_sees_every_batch_and_the_loss(bars):
    seen: list[Progress] = []
    small(epochs=3, batch_size=100, callback=seen.append).fit(bars)
    assert [p.done for p in seen] == list(range(1, 10))
    assert all(p.total == 9 and p.values["loss"] > 0 for p in seen)


def test_verbose_shows_progress_on_stderr_only(bars, capsys):
    small(verbose=True).fit(bars)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "training" in captured.err
    assert "loss" in captured.err


def test_feature_names(bars):
    assert list(small().fit(bars).get_feature_names_out()) == [f"autoencoder{i}" for i in range(4)]


@pytest.mark.parametrize("network", ["dense", "conv"])
def test_saved_model_is_loaded_to_the_last_bit(network, bars, tmp_path):
    model = small(network, activation="prelu", random_state=np.int64(5)).fit(bars)
    model.save(tmp_path / "model")
    loaded = Autoencoder.load(tmp_path / "model")
    assert loaded.transform(bars).tobytes() == model.transform(bars).tobytes()
    assert loaded.get_params() == model.get_params()
    assert loaded.history_ == model.history_
    assert loaded.image_shape_ == model.image_shape_
    assert list(loaded.get_feature_names_out()) == list(model.get_feature_names_out())
    assert sorted(p.name for p in (tmp_path / "model").iterdir()) == ["config.json", "weights.safetensors"]


def test_pickle_gives_the_same_model(bars):
    model = small().fit(bars)
    assert pickle.loads(pickle.dumps(model)).transform(bars).tobytes() == model.transform(bars).tobytes()


def _break_weights(folder: Path) -> None:
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"?")


def _set_version(folder: Path) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format_version": 99}))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: (folder / "config.json").unlink(), "cannot read .*config.json"),
        (lambda folder: (folder / "weights.safetensors").unlink(), "cannot read .*weights.safetensors"),
        (lambda folder: (folder / "config.json").write_text("{"), "is not JSON"),
        (lambda folder: (folder / "config.json").write_text("[]"), "is not a model of latentmap"),
        (_break_weights, "SHA-256 differs"),
        (_set_version, "format version 99, this latentmap reads version 2"),
    ],
)
def test_damaged_model_raises_a_clear_error(damage, words, bars, tmp_path):
    small().fit(bars).save(tmp_path)
    damage(tmp_path)
    with pytest.raises(ModelFileError, match=words):
        Autoencoder.load(tmp_path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"network": "resnet50"}, "'network' parameter of Autoencoder must be a str among .* Got 'resnet50'"),
        ({"latent_dim": 0}, r"'latent_dim' parameter of Autoencoder must be an int in the range \[1, inf\). Got 0"),
        ({"epochs": 0}, "'epochs' parameter"),
        ({"learning_rate": 0.0}, "'learning_rate' parameter"),
        ({"activation": "elo"}, "activation='elo' is not in torch.nn: did you mean 'elu'"),
        ({"patience": 3}, "patience=3 needs a validation loss, but validation_fraction=0"),
        ({"validation_fraction": 0.001}, "of 300 images leaves 0 to validate on"),
    ],
)
def test_wrong_parameter_raises_a_clear_error(options, words, bars):
    with pytest.raises(ValueError, match=words):
        small(**options).fit(bars)


def test_wrong_images_raise_a_clear_error(bars):
    corrupted = bars.astype(np.float32) / 255
    corrupted[7, 1, 2] = np.nan
    with pytest.raises(ValueError, match="1 pixels are NaN or infinite, the first in image 7"):
        small("conv").fit(corrupted)
    with pytest.raises(ValueError, match="no images in an array of shape"):
        small("conv").fit(bars[:0])
    with pytest.raises(ValueError, match="pixels of type"):
        small("conv").fit(np.full((2, 3, 3), "x"))
    with pytest.raises(ValueError, match=r"needs images of shape .* got vectors of 120 features"):
        small("conv").fit(bars.reshape(300, -1))
    model = small("conv").fit(bars)
    with pytest.raises(ValueError, match=r"images of shape \(12, 9\), but .* fitted on images of shape \(12, 10\)"):
        model.transform(bars[:, :, :9])
    with pytest.raises(ValueError, match="vectors of 120 features, but .* fitted on images"):
        model.transform(bars.reshape(300, -1))
    with pytest.raises(ValueError, match="latent vectors of 3 dimensions, but .* latent_dim=4"):
        model.inverse_transform(np.zeros((2, 3)))


def test_diverging_training_says_what_to_change(bars):
    images = bars.reshape(300, -1).astype(np.float64)
    with pytest.raises(TrainingError, match="the loss became nan in epoch .* try a learning_rate below 1e\\+38"):
        small("dense", learning_rate=1e38, activation="relu", epochs=5).fit(images)
