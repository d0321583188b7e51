"""Parts of images of channels."""

import numpy as np

from latentmap.images.boxes import Box
from latentmap.images.channel_image import ChannelImage
from latentmap.images.pictures import Picture


def test_a_part_has_the_values_and_the_mask_of_its_box():
    values = np.arange(6 * 8 * 5).reshape(6, 8, 5)
    masked = values[..., 0] % 3 == 0
    part = ChannelImage(values, ("a", "b", "c", "d", "e"), masked).cropped(Box(2, 1, 5, 4))
    np.testing.assert_array_equal(part.values, values[1:4, 2:5])
    np.testing.assert_array_equal(part.masked, masked[1:4, 2:5])
    assert part.names == ("a", "b", "c", "d", "e")


def test_a_part_of_a_turned_picture_is_taken_upright():
    values = np.arange(6 * 8 * 2).reshape(6, 8, 2)
    upright = np.rot90(values, -1)  # orientation 6
    picture = Picture(ChannelImage(values), 6).cropped(Box(1, 2, 4, 7))
    np.testing.assert_array_equal(np.rot90(picture.channels().values, -1), upright[2:7, 1:4])
