"""Noise and augmentation: what they change, what they keep, and that a seed gives the same result again."""

import numpy as np
import pytest

from latentmap.autoencoder.training.augmentation import AUGMENTATIONS, augment
from latentmap.autoencoder.training.corruption import NOISES, corrupt


def pixels(kind: type = np.uint8) -> np.ndarray:
    images = np.random.default_rng(0).integers(20, 230, (40, 30, 28, 3), dtype=np.uint8)
    return images if kind == np.uint8 else (images / 255).astype(np.float32)


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
@pytest.mark.parametrize("name", NOISES)
def test_noise_corrupts_a_copy_by_the_given_level(name, kind):
    images = pixels(kind)
    before = images.copy()
    corrupted = corrupt(images, name, 0.2, np.random.default_rng(1))
    np.testing.assert_array_equal(images, before)
    assert corrupted.dtype == np.float32
    assert 0 <= corrupted.min() <= corrupted.max() <= 1
    change = corrupted - pixels(np.float32)
    if name == "gaussian":
        assert change.std() == pytest.approx(0.2, rel=0.15)
    else:
        assert (np.abs(change) > 1e-6).mean() == pytest.approx(0.2, abs=0.01)
    np.testing.assert_array_equal(corrupted, corrupt(images, name, 0.2, np.random.default_rng(1)))
    assert np.allclose(corrupt(images, name, 0.0, np.random.default_rng(1)), pixels(np.float32))


def test_masking_gives_black_and_salt_and_pepper_gives_both():
    images = pixels()
    assert set(np.unique(corrupt(images, "masking", 1.0, np.random.default_rng(0)))) == {0}
    salted = corrupt(images, "salt_and_pepper", 1.0, np.random.default_rng(0))
    assert set(np.unique(salted)) == {0, 1}
    assert salted.mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_augmentation_keeps_shape_type_and_range(name, kind):
    images = pixels(kind)
    before = images.copy()
    changed = augment(images, (name,), np.random.default_rng(0))
    np.testing.assert_array_equal(images, before)
    assert changed.shape == images.shape
    assert changed.dtype == images.dtype
    assert changed.min() >= 0
    assert changed.max() <= (255 if kind == np.uint8 else 1)
    assert (changed != images).any()
    np.testing.assert_array_equal(changed, augment(images, (name,), np.random.default_rng(0)))


def test_shift_moves_a_whole_image_and_repeats_its_border():
    image = np.zeros((200, 20, 20, 1), np.uint8)
    image[:, 9, 9] = 255
    image[:, 0] = 7
    moved = augment(image, ("shift",), np.random.default_rng(0))
    places = np.argwhere(moved[..., 0] == 255)[:, 1:]
    assert len(places) == 200
    assert (np.abs(places - 9) <= 1).all()
    assert len(np.unique(places, axis=0)) == 9
    down = moved[[np.argwhere(one == 255)[0, 0] == 10 for one in moved[..., 0]]]
    assert (down[:, :2] == 7).all()


def test_flip_mirrors_about_half():
    images = pixels()
    flipped = augment(images, ("flip",), np.random.default_rng(0))
    mirrored = [np.array_equal(a, b[:, ::-1]) for a, b in zip(flipped, images, strict=True)]
    kept = [np.array_equal(a, b) for a, b in zip(flipped, images, strict=True)]
    assert np.logical_xor(mirrored, kept).all()
    assert 10 < sum(mirrored) < 30
