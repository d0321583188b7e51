"""Measures of drawn pictures whose values are known."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from latentmap.audit.contrast import contrast
from latentmap.audit.exposure_levels import exposure_levels
from latentmap.audit.greyness import is_grey
from latentmap.audit.luminance import luminance
from latentmap.audit.quality import measure_quality
from latentmap.audit.sharpness import sharpness

SQUARE = np.zeros((20, 20), np.uint8)
SQUARE[5:15, 5:15] = 200


def blurred(image: np.ndarray, radius: float) -> np.ndarray:
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius)))


def test_blur_lowers_sharpness_and_contrast_does_not():
    soft = [blurred(SQUARE, radius) for radius in (1, 2, 3)]
    found = sharpness(luminance(np.stack([SQUARE, SQUARE // 4, 255 - SQUARE, *soft])))
    np.testing.assert_allclose(found[:3], np.sqrt(0.5), atol=1e-3)
    assert (np.diff(found[2:]) < -0.02).all()
    assert found[3] < 0.5


def test_sharpness_does_not_depend_on_how_much_a_picture_shows():
    many = np.zeros((20, 20), np.uint8)
    many[::5] = 200
    empty = np.zeros_like(many)
    empty[10:] = 200
    hard = sharpness(luminance(np.stack([many, empty])))
    assert hard.min() > 0.69
    soft = sharpness(luminance(np.stack([blurred(many, 1.5), blurred(empty, 1.5)])))
    assert soft.max() < 0.62


@pytest.mark.parametrize("shape", [(3, 1, 1), (2, 1, 2), (2, 9, 9)])
def test_sharpness_of_single_pixels_and_of_one_colour_is_not_defined(shape):
    assert np.isnan(sharpness(np.full(shape, 0.4, np.float32))).all()


def test_a_line_of_pixels_has_a_sharpness():
    np.testing.assert_allclose(sharpness(np.array([[[0.0, 0, 1, 1]]])), [np.sqrt(0.5)], atol=1e-6)


def test_exposure_of_a_ramp_and_of_one_pixel():
    ramp = np.linspace(0, 1, 101, dtype=np.float32).reshape(1, 1, 101)
    found = exposure_levels(np.concatenate([ramp, np.full_like(ramp, 0.25)]))
    np.testing.assert_allclose(found.brightness, [0.5, 0.25], atol=1e-6)
    np.testing.assert_allclose(found.shadows, [0.01, 0.25], atol=1e-6)
    np.testing.assert_allclose(found.highlights, [0.99, 0.25], atol=1e-6)
    assert [values.tolist() for values in exposure_levels(np.full((1, 1, 1), 0.5))] == [[0.5]] * 3


def test_contrast_is_one_for_black_and_white_and_zero_for_one_colour():
    board = np.indices((4, 4)).sum(axis=0) % 2
    assert contrast(np.stack([board, board * 0.5, np.full((4, 4), 0.3)])).round(6).tolist() == [1, 0.5, 0]


def test_luminance_of_colours_channels_and_16_bits():
    colors = np.array([[[[255, 0, 0]]], [[[0, 255, 0]]], [[[0, 0, 255]]], [[[255, 255, 255]]]], np.uint8)
    np.testing.assert_allclose(luminance(colors).ravel(), [0.2126, 0.7152, 0.0722, 1], atol=1e-6)
    five = np.zeros((1, 1, 1, 5), np.uint16)
    five[..., 0] = 65535
    np.testing.assert_allclose(luminance(five).ravel(), [0.2], atol=1e-6)
    np.testing.assert_allclose(luminance(np.full((1, 2, 2), 65535, np.uint16)).ravel(), np.ones(4), atol=1e-6)


def test_grey_pictures_are_told_from_colours_and_jpeg_noise_is_no_colour():
    images = np.full((3, 4, 4, 3), 90, np.uint8)
    images[1, 0, 0] = (90, 92, 91)
    images[2, 0, 0] = (90, 99, 90)
    assert is_grey(images).tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((7, 9, 9), np.uint8), ((7, 9, 9, 3), np.uint8), ((7, 9, 9, 5), np.uint16), ((7, 1, 1), np.uint8)],
)
def test_measures_in_parts_are_those_of_all_at_once(shape, dtype, monkeypatch):
    images = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype)
    whole = measure_quality(images)
    monkeypatch.setattr("latentmap.audit.quality.VALUES_AT_ONCE", 1)
    seen: list[int] = []
    parts = measure_quality(images, seen.append)
    assert seen == [1, 2, 3, 4, 5, 6, 7]
    assert ("grey" in whole) == (shape[-1] == 3)
    for name, values in whole.items():
        assert values.shape == (7,)
        np.testing.assert_array_equal(values, parts[name])
