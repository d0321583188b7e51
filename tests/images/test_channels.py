"""Images of any number of channels: which are taken, how each is scaled, and what does not fit."""

import numpy as np
import pytest
from PIL import Image

from latentmap import open_images
from latentmap.core.errors import InputError, SourceError
from latentmap.images.channels import Channel, ChannelOptions, common_names, joined_ranges, robust_ranges
from latentmap.images.shape import Shape

RANDOM = np.random.default_rng(0)


def stack(n: int = 12, side: int = 10, n_channels: int = 5) -> np.ndarray:
    """Images of several channels of very different ranges."""
    scales = np.array([100, 1000, 4000, 60000, 9])[:n_channels]
    return (RANDOM.random((n, side, side, n_channels)) * scales).astype(np.uint16)


def write_pages(path, planes: np.ndarray) -> None:
    """Planes (pages, h, w) as a TIFF that does not say what they are."""
    first, *others = [Image.fromarray(one) for one in planes]
    first.save(path, save_all=True, append_images=others)


# ---------------------------------------------------------------- ranges and options


def test_each_channel_of_an_array_has_its_own_range():
    values = stack()
    values[3, 2, 2] = 65535  # a hot pixel in all channels
    found = open_images(values)
    assert found.image_shape == (10, 10, 5)
    assert [one.name for one in found.channels] == [f"channel {k}" for k in range(5)]
    highs = [one.high for one in found.channels]
    np.testing.assert_allclose(highs[:3], [100, 1000, 4000], rtol=0.2)
    means = found.images.mean(axis=(0, 1, 2))
    assert found.images.dtype == np.uint16
    np.testing.assert_allclose(means, 32767, atol=3000)


def test_one_hot_image_and_one_hot_pixel_do_not_set_the_range():
    images = RANDOM.normal(100, 10, (300, 40, 40, 2))
    images[:, 0, 0] = 1e6
    images[7] *= 1000
    ranges = joined_ranges([robust_ranges(image) for image in images])
    assert all(50 < low < 100 < high < 150 for low, high in ranges)


def test_a_channel_of_one_value_has_a_range():
    assert joined_ranges([robust_ranges(np.full((3, 3, 1), 7, np.uint8))]) == ((7.0, 8.0),)
    assert robust_ranges(np.full((2, 2, 1), np.nan)) == ((0.0, 0.0),)


def test_channels_are_chosen_named_and_scaled_as_asked():
    values = stack()
    found = open_images(values, channels="3,0", channel_names=["actin", "dapi"], range="0,60000;0,100")
    assert found.channels == (Channel(3, "actin", 0, 60000), Channel(0, "dapi", 0, 100))
    expected = np.rint(values[..., 3] / 60000 * 65535).clip(0, 65535)
    np.testing.assert_array_equal(found.images[..., 0], expected)
    np.testing.assert_array_equal(found.images[..., 1], np.rint(values[..., 0] / 100 * 65535).clip(0, 65535))


def test_one_channel_is_grey():
    found = open_images(stack(), channels=[2], range=(0, 4000))
    assert found.image_shape == (10, 10)
    assert found.channels == (Channel(2, "channel 2", 0, 4000),)


def test_arrays_of_four_channels_have_transparency_unless_channels_are_asked_for():
    values = np.zeros((6, 8, 8, 4), np.uint8)
    assert (open_images(values).images == 255).all()  # transparent, on white
    assert open_images(values, channels="0,1,2,3").image_shape == (8, 8, 4)
    assert open_images(values, channel_names="a,b,c,d").image_shape == (8, 8, 4)


def test_masked_values_become_black_in_their_channel():
    values = np.ma.masked_array(np.full((6, 8, 8, 2), 50, np.uint16), False)
    values[:, 0, 0, 0] = np.ma.masked
    found = open_images(values, range="0,100")
    assert found.images[0, 0, 0].tolist() == [0, 32768]


def test_bool_is_scaled_too():
    assert open_images(np.ones((6, 8, 8, 2), bool), range=(0, 1)).images.min() == 255


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"channels": "0,0"}, "pass numbers from 0 to 1023, each once"),
        ({"channels": "-1"}, "pass numbers from 0"),
        ({"channels": "a"}, "pass numbers from 0 with commas between them, such as 0,2,5"),
        ({"channels": "0,7"}, "the images have 5 channels: pass numbers from 0 to 4"),
        ({"channel_names": "a,b"}, "2 channel_names for 5 channels: pass one for each"),
        ({"channels": "0", "channel_names": "a,b"}, "2 channel_names for 1 channels"),
        ({"channel_names": "a,a,b,c,d"}, "pass a different name for each channel"),
        ({"channel_names": "a,,b,c,d"}, "pass a different name for each channel"),
        ({"range": "5"}, "pass LOW,HIGH, or one pair for each channel"),
        ({"range": "5,nan"}, "pass LOW,HIGH, or one pair for each channel"),
        ({"range": "5,5"}, "the first value of a range is below the second"),
        ({"range": "0,1;0,2"}, "2 ranges for 5 channels: pass one, or one for each"),
        ({"axes": "t"}, "axes='t': choose among auto, images, channels, z"),
        ({"project": "sum"}, "project='sum': choose among max, mean"),
    ],
)
def test_options_that_do_not_fit_say_what_does(options, words):
    with pytest.raises(InputError, match=words):
        open_images(stack(), **options)


def test_channels_before_height_and_width_are_refused():
    with pytest.raises(SourceError, match=r"np\.moveaxis\(images, 1, -1\)"):
        open_images(np.zeros((6, 5, 32, 32), np.uint8))
    assert open_images(np.zeros((6, 5, 32, 32), np.uint8), channels="0,1").image_shape == (5, 32, 2)


def test_names_of_most_files_count():
    assert common_names([("a", "b"), (), ("a", "b")]) == ("a", "b")
    assert ChannelOptions().choose(2, ("a", "a"), ((0, 1), (0, 1)))[1].name == "a (1)"


# ---------------------------------------------------------------- files


def test_pages_are_channels_if_asked_for(tmp_path):
    values = stack(6)
    for i, image in enumerate(values):
        write_pages(tmp_path / f"{i}.tif", image.transpose(2, 0, 1))
    assert len(open_images(tmp_path)) == 30  # as before
    found = open_images(tmp_path, axes="channels", range="0,4000")
    assert len(found) == 6
    np.testing.assert_array_equal(found.images, np.rint(values / 4000 * 65535).clip(0, 65535))
    chosen = open_images(tmp_path, axes="channels", channels="4,1", range="0,9;0,1000")
    np.testing.assert_array_equal(chosen.images[..., 0], np.rint(values[..., 4] / 9 * 65535))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_planes_of_a_volume_are_projected(tmp_path, dtype):
    volume = RANDOM.integers(0, 200, (5, 4, 9, 9)).astype(dtype)
    for i, planes in enumerate(volume):
        write_pages(tmp_path / f"{i}.tif", planes)
    scale = 1 if dtype == np.uint8 else 255 / 255  # 8 bits are enough for these values
    highest = open_images(tmp_path, axes="z")
    np.testing.assert_array_equal(highest.images, volume.max(axis=1) * scale)
    mean = open_images(tmp_path, axes="z", project="mean")
    np.testing.assert_array_equal(mean.images, np.rint(volume.mean(axis=1)) * scale)


def test_pages_of_other_sizes_are_no_image(tmp_path):
    for i in range(5):
        write_pages(tmp_path / f"{i}.tif", RANDOM.integers(0, 9, (3, 8, 8)).astype(np.uint8))
    pages = [Image.new("L", (8, 8)), Image.new("L", (9, 8))]
    pages[0].save(tmp_path / "bad.tif", save_all=True, append_images=pages[1:])
    found = open_images(tmp_path, axes="channels")
    assert len(found) == 5
    ((path, reason),) = found.skipped
    assert path == "bad.tif"
    assert "page 2 has 9 × 8 pixels of 1 channels, and the first 8 × 8" in reason


def test_files_of_other_channels_are_skipped_with_the_reason(tmp_path):
    for i in range(5):
        write_pages(tmp_path / f"{i}.tif", RANDOM.integers(0, 9, (3, 8, 8)).astype(np.uint8))
    write_pages(tmp_path / "two.tif", np.zeros((2, 8, 8), np.uint8))
    Image.new("RGB", (8, 8)).save(tmp_path / "photo.png")
    found = open_images(tmp_path, axes="channels")
    reasons = dict(found.skipped)
    assert reasons["two.tif"].endswith("2 channels, and the other images have 3: name those to take with --channels")
    assert found.image_shape == (8, 8, 3)
    assert len(open_images(tmp_path, axes="channels", channels="0,1")) == 7


def test_colours_are_channels_if_channels_are_asked_for(tmp_path):
    colors = RANDOM.integers(0, 256, (6, 8, 8, 3)).astype(np.uint8)
    for i, image in enumerate(colors):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    Image.fromarray(colors[0, ..., 0]).save(tmp_path / "grey.png")
    found = open_images(tmp_path, channels="2,0", range="0,255")
    assert [one.name for one in found.channels] == ["blue", "red"]
    np.testing.assert_array_equal(found.images[:6], colors[..., [2, 0]])
    np.testing.assert_array_equal(found.images[6], np.repeat(colors[0, ..., :1], 2, axis=2))


def test_images_of_channels_are_resized_and_turned_as_others_are(tmp_path):
    planes = np.zeros((2, 8, 16), np.uint8)
    planes[0, :, :8], planes[1, :, 8:] = 200, 100
    for i in range(5):
        write_pages(tmp_path / f"{i}.tif", planes)
    found = open_images(tmp_path, axes="channels", size=8, fit="stretch", range="0,200")
    assert found.image_shape == (8, 8, 2)
    np.testing.assert_allclose(found.images[0, 4, [1, 6]], [[255, 0], [0, 128]], atol=2)


def test_a_cache_of_channels_is_resumed(tmp_path):
    for i, image in enumerate(stack(6)):
        write_pages(tmp_path / f"{i}.tif", image.transpose(2, 0, 1))
    first = open_images(tmp_path, axes="channels", cache=tmp_path / "cache")
    again = open_images(tmp_path, axes="channels", cache=tmp_path / "cache")
    assert again.shape == first.shape
    np.testing.assert_array_equal(again.images, first.images)


# ---------------------------------------------------------------- shapes


def test_shapes_of_grey_and_colour_have_the_fields_that_they_had():
    fields = Shape(8, 8, 3).as_dict()
    assert list(fields) == [
        *("height", "width", "channels", "fit", "color", "background", "keep_pixels", "value_range", "why"),
        "float_range",
    ]
    assert Shape.from_dict(fields) == Shape(8, 8, 3)


def test_a_shape_of_channels_is_read_again():
    channels = (Channel(0, "a", 0, 1), Channel(2, "b", 5.5, 9))
    shape = Shape(8, 9, 2, why="as asked", channel_list=channels, file_channels=3, axes="channels", project="mean")
    again = Shape.from_dict(shape.as_dict())
    assert again == shape
    assert again.image_shape == (8, 9, 2)
    assert str(shape) == "9 × 8 pixels of 2 channels (a 0 to 1, b 5.5 to 9): as asked"
