"""The training loop: rates that fall with a layer's width, scales of pixels, limits on memory."""

import numpy as np
import pytest
import torch

from latentmap import training
from latentmap.autoencoder import Autoencoder
from latentmap.networks import build
from latentmap.training import PixelScale, at_once


def bright_squares(n: int, side: int) -> np.ndarray:
    random = np.random.default_rng(0)
    images = np.zeros((n, side, side, 3), np.uint8)
    for image, (row, column) in zip(images, random.integers(0, side // 2, (n, 2)), strict=True):
        image[row : row + side // 2, column : column + side // 2] = random.integers(60, 255, 3)
    return images


def test_large_images_do_not_put_the_latent_vector_to_sleep():
    images = bright_squares(64, 128)
    model = Autoencoder("conv", latent_dim=16, epochs=4, batch_size=16, random_state=0).fit(images)
    assert (model.transform(images).std(0) > 1e-2).all()


def test_the_chapters_networks_learn_at_one_rate():
    for name in ("dense", "conv"):
        groups = training._by_rate(build(name, (28, 28, 1), 64, "elu"), 1e-3)
        assert [group["lr"] for group in groups] == [1e-3]


def test_wide_layers_learn_slower_and_none_is_forgotten():
    network = build("conv", (128, 128, 3), 8, "elu")
    groups = training._by_rate(network, 1e-3)
    assert sum(len(group["params"]) for group in groups) == len(list(network.parameters()))
    assert {group["lr"] for group in groups} == {1e-3, 1e-3 * 4096 / (32 * 32 * 64)}


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
    assert PixelScale.of(images) == expected
    unit = expected.to_tensor(images, torch.device("cpu"))
    assert unit.dtype == torch.float32
    assert float(unit.min()) >= 0
    assert float(unit.max()) <= 1


def test_fewer_large_images_at_once():
    assert at_once(512, (28, 28, 1)) == 512
    assert at_once(512, (256, 256, 3)) == 21
    assert at_once(512, (2000, 2000, 3)) == 16
