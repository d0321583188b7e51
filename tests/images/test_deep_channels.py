"""Channels of more than 8 bits are kept with 16, and those of 8 bits as before."""

import numpy as np
import pytest
from PIL import Image

from latentmap import open_images
from latentmap.features import ImageFeatures
from latentmap.images import pixel_types
from latentmap.images.mixing import MixedChannel, Mixing, as_picture
from latentmap.images.pixel_types import as_pixels, in_unit_interval
from latentmap.images.shape import Shape
from latentmap.images.value_range import to_pixels

EIGHT, SIXTEEN = np.dtype(np.uint8), np.dtype(np.uint16)


def write_pages(path, planes: np.ndarray) -> None:
    """Planes (pages, h, w) as a TIFF that does not say what they are."""
    first, *others = [Image.fromarray(one) for one in planes]
    first.save(path, save_all=True, append_images=others)


def ramps(n: int = 6, side: int = 16, dtype: type = np.uint16) -> np.ndarray:
    """Images of two channels whose neighbouring pixels differ by one in 10,000."""
    values = 30000 + np.arange(n * side * side).reshape(n, side, side)
    return np.stack([values, values[:, ::-1]], axis=-1).astype(dtype)


@pytest.mark.parametrize("bits", [8, 16])
def test_values_are_scaled_to_either_type(bits):
    values = np.array([[0, 1, 1000, 4000, 5000]], np.uint16)
    largest = 2**bits - 1
    expected = np.rint(np.array([[0, 1, 1000, 4000, 4000]]) / 4000 * largest)
    for dtype in (np.uint16, np.int32, np.uint64, np.float32, np.float64):
        np.testing.assert_array_equal(to_pixels(values.astype(dtype), (0, 4000), bits), expected)
    many = np.tile(values, (20000, 1))  # by a lookup table
    np.testing.assert_array_equal(to_pixels(many, (0, 4000), bits), np.tile(expected, (20000, 1)))
    assert to_pixels(np.array([np.nan, np.inf, -np.inf]), (0.0, 1.0), bits).tolist() == [0, largest, 0]


def test_pixels_of_one_type_become_those_of_the_other(monkeypatch):
    every = np.arange(256, dtype=np.uint8)
    deep = as_pixels(every, SIXTEEN)
    assert deep[[0, 1, 255]].tolist() == [0, 257, 65535]
    monkeypatch.setattr(pixel_types, "N_VALUES_NARROWED_AT_ONCE", 1000)
    wide = np.arange(65536, dtype=np.uint16)
    np.testing.assert_array_equal(as_pixels(deep, EIGHT), every)
    np.testing.assert_array_equal(as_pixels(wide.reshape(256, 256), EIGHT).ravel(), np.rint(wide / 257))
    np.testing.assert_array_equal(as_pixels(in_unit_interval(wide), SIXTEEN), wide)
    assert as_pixels(every, EIGHT) is every


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
def test_small_steps_of_arrays_survive(dtype):
    found = open_images(ramps(dtype=dtype), range="0,65535")
    assert found.images.dtype == np.uint16
    np.testing.assert_array_equal(found.images, ramps())
    assert open_images(ramps().astype(np.uint8)).images.dtype == np.uint8


def test_small_steps_of_files_survive_also_where_they_are_resized_and_turned(tmp_path):
    for i, image in enumerate(ramps()):
        write_pages(tmp_path / f"{i}.tif", image.transpose(2, 0, 1))
    found = open_images(tmp_path, axes="channels", range="0,65535", cache=tmp_path / "cache")
    assert found.shape is not None and found.shape.bits == 16
    np.testing.assert_array_equal(found.images, ramps())
    assert (tmp_path / "cache" / "pixels.u16").stat().st_size == found.images.nbytes
    small = open_images(tmp_path / "0.tif", axes="channels", range="0,65535", size=8).images
    means = ramps()[0].reshape(8, 2, 8, 2, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(small[0, 1:-1, 1:-1], means[1:-1, 1:-1], atol=1)
    wide = open_images(tmp_path / "0.tif", axes="channels", range="0,65535", tiles=8, max_empty=1).images
    assert wide.dtype == np.uint16
    np.testing.assert_array_equal(wide[1], ramps()[0, :8, 8:])
    assert open_images(tmp_path / "0.tif", axes="channels", size=20, range="0,65535").images.min() > 29990  # canvas


def test_one_image_of_16_bits_decides_for_those_of_8(tmp_path):
    for i in range(4):
        write_pages(tmp_path / f"{i}.tif", np.full((2, 9, 9), 10 * i, np.uint8))
    write_pages(tmp_path / "deep.tif", np.full((2, 9, 9), 300, np.uint16))
    found = open_images(tmp_path, axes="channels", range="0,600")
    assert found.images[:, 0, 0, 0].tolist() == [0, 1092, 2184, 3277, 32768]  # by name, in the order of the files


def test_channels_of_8_bits_are_what_they_were(tmp_path):
    values = (np.arange(12 * 6 * 5 * 5).reshape(12, 6, 5, 5) * 7 % 251).astype(np.uint8)
    found = open_images(values)
    assert found.images.dtype == np.uint8
    assert found.fingerprint == "58b9633e545c20bec58f3eb226f74e8ad620f7c72af7ef47118643f1f40c2f87"
    chosen = open_images(values[..., :3], channels="0,2")
    assert chosen.fingerprint == "25f442539a78e95b95628ebc25c63e457b5daa05917df0edbc8a762c218e3a08"
    deep = open_images(values[..., :3].astype(np.uint16) * 200)  # colours
    assert deep.fingerprint == "de991b86c1be8a2961cdde3aa3f33402e74afc10097947690309c925ad5be0e8"
    for i, image in enumerate(values):
        write_pages(tmp_path / f"{i:02d}.tif", image.transpose(2, 0, 1))
    files = open_images(tmp_path, axes="channels", cache=tmp_path / "cache")
    assert files.shape is not None and "bits" not in files.shape.as_dict()
    np.testing.assert_array_equal(files.images, found.images)
    assert not (tmp_path / "cache" / "pixels.u16").exists()


def test_shapes_of_16_bits_are_read_again():
    shape = Shape(8, 9, 5, bits=16)
    assert shape.image_bytes == 720
    assert Shape.from_dict(shape.as_dict()) == shape


def test_float_files_may_have_nan(tmp_path):
    values = np.random.default_rng(0).random((6, 2, 12, 12)).astype(np.float32)
    values[:, 0, 3:5] = np.nan
    for i, planes in enumerate(values):
        write_pages(tmp_path / f"{i}.tif", planes)
    found = open_images(tmp_path, axes="channels", range="0,1")
    assert found.images.dtype == np.uint16
    assert not found.images[:, 3:5, :, 0].any()
    expected = np.rint(np.nan_to_num(values.transpose(0, 2, 3, 1).astype(np.float64)) * 65535)
    np.testing.assert_allclose(found.images, expected, atol=1)
    chosen = open_images(tmp_path, axes="channels")  # by percentiles, which NaN does not enter
    assert all(0 <= one.low < 0.1 and 0.9 < one.high <= 1 for one in chosen.channels)


@pytest.mark.parametrize("cut", [30, 200, 2000])
def test_damaged_files_are_skipped_with_a_reason(tmp_path, cut):
    for i, image in enumerate(ramps(side=32)):
        write_pages(tmp_path / f"{i}.tif", image.transpose(2, 0, 1))
    whole = (tmp_path / "0.tif").read_bytes()
    (tmp_path / "0.tif").write_bytes(whole[:-cut])
    found = open_images(tmp_path, axes="channels")
    assert len(found) == 5
    ((name, reason),) = found.skipped
    assert name == "0.tif"
    assert reason


def test_an_interrupted_decoding_in_8_bits_is_resumed_in_8_bits(tmp_path, monkeypatch):
    for i, image in enumerate(ramps()):
        write_pages(tmp_path / f"{i}.tif", image.transpose(2, 0, 1))
    with monkeypatch.context() as earlier:
        earlier.setattr("latentmap.images.shape_choice.choose_bits", lambda _: 8)
        first = open_images(tmp_path, axes="channels", cache=tmp_path / "cache")
    again = open_images(tmp_path, axes="channels", cache=tmp_path / "cache")
    assert again.images.dtype == first.images.dtype == np.uint8
    np.testing.assert_array_equal(again.images, first.images)
    other = open_images(tmp_path, axes="channels", channels="0", cache=tmp_path / "cache")
    assert other.images.dtype == np.uint16
    assert not (tmp_path / "cache" / "pixels.u8").exists()


def test_brightness_shows_steps_that_8_bits_do_not_have():
    dark = np.arange(0, 2570, 25, dtype=np.uint16).reshape(1, -1, 1).repeat(2, axis=2)
    mixing = Mixing((MixedChannel("#ffffff", brightness=16.0), MixedChannel("#000000")))
    shown = mixing.mix(dark)
    assert len(np.unique(shown)) > 90
    assert len(np.unique(mixing.mix(as_pixels(dark, EIGHT)))) == 11
    np.testing.assert_array_equal(shown[0, :, 0], np.rint(dark[0, :, 0] / 257 * 16))
    assert as_picture(dark[..., 0], None).max() == 10


def test_features_see_small_steps():
    images = ramps(20, side=32)
    model = ImageFeatures(n_components=4).fit(images)
    np.testing.assert_allclose(model.transform(images), model.transform(images / 65535), atol=1e-4)
