"""The training loop: rates, interrupted trainings, precision, pixels, limits on memory."""

import numpy as np
import pytest
import torch

from latentmap.autoencoder import Autoencoder
from latentmap.autoencoder.networks import Network, build_network
from latentmap.autoencoder.training import Recipe, batches, precision
from latentmap.autoencoder.training.adam import rate_factors
from latentmap.autoencoder.training.evaluation import max_batch_size
from latentmap.autoencoder.training.pixels import PixelScale, to_unit_interval
from latentmap.core.progress import Progress


def bright_squares(n: int, side: int) -> np.ndarray:
    random = np.random.default_rng(0)
    images = np.zeros((n, side, side, 3), np.uint8)
    for image, (row, column) in zip(images, random.integers(0, side // 2, (n, 2)), strict=True):
        image[row : row + side // 2, column : column + side // 2] = random.integers(60, 255, 3)
    return images


def test_large_images_leave_no_latent_dimension_inactive():
    images = bright_squares(64, 128)
    model = Autoencoder("conv", latent_dim=16, epochs=4, batch_size=16, random_state=0).fit(images)
    assert (model.transform(images).std(0) > 1e-2).all()


def test_the_chapters_networks_learn_at_one_rate():
    for name in ("dense", "conv"):
        assert set(rate_factors(build_network(name, (28, 28, 1), 64)).values()) == {1.0}


def test_cosine_rises_and_falls():
    recipe = Recipe(epochs=1, learning_rate=0.2, schedule="cosine")
    rates = [recipe.rate(progress) for progress in np.linspace(0, 1, 201)]
    assert max(rates) == pytest.approx(0.2)
    assert int(np.argmax(rates)) == 10
    assert (np.diff(rates[:11]) > 0).all()
    assert (np.diff(rates[10:]) < 0).all()
    assert rates[-1] == pytest.approx(0.2e-3)
    assert {Recipe(1, 0.2, "constant").rate(progress) for progress in (0, 0.5, 1)} == {0.2}


class StopError(Exception):
    """Raised by a callback to stop a training."""


@pytest.mark.parametrize(
    "options",
    [
        {"network": "pyramid"},
        {"network": "pyramid", "precision": "bfloat16", "max_grad_norm": 0.01},
        {"network": "conv", "activation": "rrelu"},
        {"network": "variational", "validation_fraction": 0.2},
        {
            "network": "dense",
            "denoising": "masking",
            "augmentation": ["shift"],
            "validation_fraction": 0.2,
            "patience": 3,
        },
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_resumed_training_equals_an_uninterrupted_one(options, bars, tmp_path):
    settings = {"latent_dim": 4, "epochs": 6, "batch_size": 64, "random_state": 0} | options
    whole = Autoencoder(**settings).fit(bars)
    n_batches = 4 if "validation_fraction" in options else 5
    checkpoint = tmp_path / "training.safetensors"

    def stop_after(last: int):
        def callback(progress: Progress) -> None:
            if progress.done == last:
                raise StopError

        return callback

    for last in (1, 2 * n_batches + 3, 3 * n_batches, 4 * n_batches + 1):  # before, in and at the end of an epoch
        with pytest.raises(StopError):
            Autoencoder(**settings, checkpoint=checkpoint, callback=stop_after(last)).fit(bars)
    seen: list[Progress] = []
    resumed = Autoencoder(**settings, checkpoint=checkpoint, callback=seen.append).fit(bars)
    assert seen[0].done == 4 * n_batches + 1  # four epochs were not repeated
    assert resumed.history_["loss"] == whole.history_["loss"]
    assert resumed.history_.get("val_loss") == whole.history_.get("val_loss")
    for a, b in zip(whole.network_.parameters(), resumed.network_.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_checkpoint_of_another_training_is_ignored(bars, tmp_path):
    checkpoint = tmp_path / "training.safetensors"
    settings = {"latent_dim": 4, "epochs": 2, "random_state": 0, "checkpoint": checkpoint}
    Autoencoder(**settings).fit(bars)
    for change in ({"random_state": 1}, {"learning_rate": 0.1}, {"activation": "relu"}):
        seen: list[Progress] = []
        Autoencoder(**settings | change, callback=seen.append).fit(bars)
        assert seen[0].done == 1, change
    seen = []
    Autoencoder(**settings, callback=seen.append).fit(255 - bars)
    assert seen[0].done == 1


@pytest.mark.parametrize("damage", [lambda b: b[:-3], lambda b: b"", lambda b: b"{" + b, lambda b: b[:100]])
def test_a_damaged_checkpoint_is_ignored(damage, bars, tmp_path):
    checkpoint = tmp_path / "training.safetensors"
    settings = {"latent_dim": 4, "epochs": 2, "random_state": 0, "checkpoint": checkpoint}
    expected = Autoencoder(**settings).fit(bars).transform(bars)
    checkpoint.write_bytes(damage(checkpoint.read_bytes()))
    seen: list[Progress] = []
    found = Autoencoder(**settings, callback=seen.append).fit(bars).transform(bars)
    assert seen[0].done == 1
    assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_a_batch_that_exceeds_memory_is_processed_in_parts(error, bars, monkeypatch):
    settings = {"network": "dense", "activation": "softplus", "latent_dim": 4, "epochs": 2, "random_state": 0}
    expected = Autoencoder(**settings, batch_size=100).fit(bars)
    loss = Network.loss

    def fail_on_many(self, inputs, targets, progress):
        if len(inputs) > 30:
            raise error
        return loss(self, inputs, targets, progress)

    monkeypatch.setattr(Network, "loss", fail_on_many)
    with pytest.warns(UserWarning, match="out of memory: .* in 4 parts of at most 25 images; the result is the same"):
        found = Autoencoder(**settings, precision="float32", batch_size=100).fit(bars)
    assert found.history_["loss"] == pytest.approx(expected.history_["loss"], rel=1e-2)


def test_an_error_that_is_not_of_memory_is_raised(bars, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("something else")

    monkeypatch.setattr(Network, "loss", fail)
    with pytest.raises(RuntimeError, match="something else"):
        Autoencoder("dense", activation="softplus", epochs=1, precision="float32").fit(bars)


def test_bfloat16_is_not_chosen_when_the_gradient_differs(bars, monkeypatch):
    monkeypatch.setattr(precision, "has_fast_bfloat16", lambda _: True)
    assert Autoencoder(latent_dim=4, epochs=1, random_state=0).fit(bars).precision_ == "bfloat16"
    monkeypatch.setattr(precision, "gradient_distance", lambda *_: float("inf"))
    assert Autoencoder(latent_dim=4, epochs=1, random_state=0).fit(bars).precision_ == "float32"
    monkeypatch.setattr(precision, "has_fast_bfloat16", lambda _: False)
    assert Autoencoder(latent_dim=4, epochs=1, random_state=0, precision="bfloat16").fit(bars).precision_ == "bfloat16"


def test_gradients_of_the_two_precisions_are_compared(bars):
    pixels = bars[..., None]
    network = build_network("conv", pixels.shape[1:], 4)
    network.initialize(torch.Generator().manual_seed(0), torch.from_numpy(pixels).float() / 255)
    assert 1e-5 < precision.gradient_distance(network, pixels) < precision.MAX_GRADIENT_DISTANCE
    with torch.no_grad():
        network.dense.weight[0, 0] = float("nan")
    assert precision.gradient_distance(network, pixels) == float("inf")


def test_streamed_images_train_as_well(bars, tmp_path, monkeypatch):
    np.save(tmp_path / "bars.npy", bars)
    mapped = np.load(tmp_path / "bars.npy", mmap_mode="r")
    settings = {"latent_dim": 4, "epochs": 12, "random_state": 0}
    in_memory = Autoencoder(**settings).fit(bars)
    monkeypatch.setattr(batches, "MAX_SHUFFLED_BYTES", 0)
    monkeypatch.setattr(batches, "SHUFFLE_BLOCK_BYTES", 1200)
    monkeypatch.setattr(batches, "SHUFFLE_WINDOW_BYTES", 12_000)
    streamed = Autoencoder(**settings).fit(mapped)
    assert streamed.history_["loss"] != in_memory.history_["loss"]
    assert -streamed.score(bars) < 1.1 * -in_memory.score(bars)  # over seeds, 0.89 to 1.02


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (np.array([0, 255], np.uint8), PixelScale(0, 255)),
        (np.array([3, 7], np.uint8), PixelScale(0, 255)),
        (np.array([False, True]), PixelScale(0, 1)),
        (np.array([0.25, 0.5]), PixelScale(0, 1)),
        (np.array([-2.0, 6.0]), PixelScale(-2, 6)),
        (np.array([10, 90], np.int16), PixelScale(10, 90)),
        (np.array([4.0, 4.0]), PixelScale(4, 5)),
    ],
)
def test_scale_of_pixels(images, expected):
    assert PixelScale.from_images(images) == expected
    unit = to_unit_interval(expected.prepare(images))
    assert unit.dtype == np.float32
    assert float(unit.min()) >= 0
    assert float(unit.max()) <= 1


def test_fewer_large_images_at_once():
    assert max_batch_size(512, (28, 28, 1)) == 512
    assert max_batch_size(512, (256, 256, 3)) == 21
    assert max_batch_size(512, (2000, 2000, 3)) == 16
