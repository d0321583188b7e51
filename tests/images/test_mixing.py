"""Pictures of channels: the light of each is added, and colours are chosen from the data."""

import numpy as np
import pytest

from latentmap.core.errors import InputError
from latentmap.images.channels import Channel
from latentmap.images.mixing import COLORS, MixedChannel, MixedImages, Mixing

RANDOM = np.random.default_rng(0)


def channels(*names: str) -> tuple[Channel, ...]:
    return tuple(Channel(k, name, 0, 1) for k, name in enumerate(names))


def test_light_is_added_and_limited():
    mixing = Mixing((MixedChannel("#ff8000"), MixedChannel("#ffffff", brightness=2.0), MixedChannel("#0000ff", False)))
    pixels = np.array([[255, 0, 9], [0, 100, 255], [200, 100, 0]], np.uint8)
    assert mixing.mix(pixels).tolist() == [[255, 128, 0], [200, 200, 200], [255, 255, 200]]
    np.testing.assert_array_equal(mixing.mix(pixels / 255), mixing.mix(pixels))


def test_red_green_and_blue_stay_as_they_are():
    images = RANDOM.integers(0, 256, (4, 5, 6, 3)).astype(np.uint8)
    mixing = Mixing.choose(images, channels("red", "green", "blue"))
    np.testing.assert_array_equal(mixing.mix(images), images)


def test_the_channels_with_most_variance_get_the_first_colours_and_few_are_visible():
    images = RANDOM.integers(0, 10, (20, 5, 5, 9)).astype(np.uint8)
    images[..., 4] = RANDOM.integers(0, 256, (20, 5, 5))
    images[..., 2] = RANDOM.integers(0, 99, (20, 5, 5))
    found = Mixing.choose(images, channels(*"abcdefghi")).channels
    assert (found[4].color, found[2].color) == COLORS[:2]
    assert sum(one.visible for one in found) == len(COLORS)
    assert len({one.color for one in found}) == 9


def test_images_are_mixed_where_they_are_read():
    images = RANDOM.integers(0, 256, (7, 4, 4, 2)).astype(np.uint8)
    mixing = Mixing.choose(images, channels("a", "b"))
    mixed = MixedImages(images, mixing)
    assert (len(mixed), mixed.shape) == (7, (7, 4, 4, 3))
    np.testing.assert_array_equal(mixed[[3, 1]], mixing.mix(images[[3, 1]]))


@pytest.mark.parametrize(
    "values",
    [
        None,
        [],
        [{"color": "#ff0000", "visible": True, "brightness": 1}],
        [{"color": "#ff0000", "visible": True}] * 2,
        [{"color": "red", "visible": True, "brightness": 1}] * 2,
        [{"color": "#ff0000", "visible": 1, "brightness": 1}] * 2,
        [{"color": "#ff0000", "visible": True, "brightness": -1}] * 2,
        [{"color": "#ff0000", "visible": True, "brightness": float("nan")}] * 2,
        [{"color": "#ff0000", "visible": True, "brightness": True}] * 2,
    ],
)
def test_values_of_no_mixing_are_refused(values):
    with pytest.raises(InputError):
        Mixing.from_list(values, 2)


def test_a_mixing_is_read_again():
    mixing = Mixing((MixedChannel("#ff0000", False, 0.5), MixedChannel("#00ff00")))
    assert Mixing.from_list(mixing.as_list(), 2) == mixing
