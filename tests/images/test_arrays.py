"""Arrays of any numbers are brought to 8 bits as plain NumPy in float64 would, or exactly where that is not enough."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from latentmap.images import SourceError, open_images
from latentmap.images.arrays import ArrayScaling, collection_from_array
from latentmap.images.sources import find_source

INTEGERS = [f"{order}{kind}{size}" for order in "<>" for kind in "iu" for size in (2, 4, 8)] + ["i1"]
FLOATS = [f"{order}f{size}" for order in "<>" for size in (2, 4, 8)] + [np.longdouble]


def reference(values: np.ndarray, low: object, high: object) -> np.ndarray:
    """Python's own whole numbers and fractions, value by value."""
    span = (high - low) or 1
    return np.array([min(255.0, max(0.0, (v - low) * 255 / span)) for v in values.ravel().tolist()]).reshape(
        values.shape
    )


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_integers_of_any_type_are_stretched_exactly(data):
    dtype = np.dtype(data.draw(st.sampled_from(INTEGERS)))
    shape = data.draw(st.sampled_from([(1, 1, 1), (3, 4, 5), (2, 3, 4, 1), (2, 3, 4, 3)]))
    values = data.draw(hnp.arrays(dtype, shape))
    order = data.draw(st.sampled_from(["C", "F"]))
    found = open_images(np.asarray(values, order=order))
    expected = reference(values, int(values.min()), int(values.max()))
    expected = expected[..., 0] if shape[3:] == (1,) else expected
    assert found.images.dtype == np.uint8
    assert found.images.shape == expected.shape
    assert np.abs(found.images - expected).max() <= 0.5 + 1e-9
    assert found.value_range == (int(values.min()), int(values.max()))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_floats_of_any_type_are_stretched_and_those_in_one_are_multiplied(data):
    dtype = np.dtype(data.draw(st.sampled_from(FLOATS)))
    bound = data.draw(st.sampled_from([1.0, 60000.0]))
    elements = st.floats(0 if bound == 1 else -bound, bound, width=16)
    values = data.draw(hnp.arrays(np.float64, (3, 4, 5), elements=elements)).astype(dtype)
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    expected = np.clip((values.astype(np.float64) - low) * 255 / ((high - low) or 1), 0, 255)
    assert np.abs(open_images(values).images - expected).max() <= 0.5 + 1e-6


def test_small_steps_between_large_numbers_stay():
    steps = np.arange(256).reshape(1, 16, 16)
    for dtype, base in (("i8", 2**62), ("u8", 2**63 + 2**62), (">i8", -(2**63)), ("u4", 2**32 - 256), ("i4", 2**30)):
        values = (steps.astype(object) + base).astype(dtype)
        np.testing.assert_array_equal(open_images(values).images, steps)
    extremes = np.array([[[np.iinfo("i8").min, -(2**60), np.iinfo("i8").max]]])
    assert open_images(extremes).images.tolist() == [[[0, 112, 255]]]
    huge = np.array([[[-1.7e308, 0.0, 1.7e308]]])
    assert open_images(huge).images.tolist() == [[[0, 128, 255]]]
    tiny = np.array([[[0.0, -5e-324]]])
    assert open_images(tiny).images.tolist() == [[[255, 0]]]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64, np.float32, np.bool_])
def test_masked_values_are_black_and_take_no_part_in_the_range(dtype):
    values = np.tile(np.arange(4).astype(dtype), (2, 3, 1))
    mask = np.zeros(values.shape, bool)
    mask[0, 1, 2] = True
    hidden = values.copy()
    hidden[0, 1, 2] = 1 if dtype == np.bool_ else 200
    found = open_images(np.ma.masked_array(hidden, mask)).images
    expected = open_images(values).images.copy()
    expected[0, 1, 2] = 0
    np.testing.assert_array_equal(found, expected)


def test_what_is_no_number_is_named_unless_it_is_masked():
    values = np.zeros((4, 3, 3))
    values[2, 1, 1] = np.nan
    values[3, 0, 0] = np.inf
    with pytest.raises(SourceError, match=r"NaN or infinite pixels in 2 images, the first is number 2.*np\.ma"):
        open_images(values)
    values[:, 0, 1] = 5
    found = open_images(np.ma.masked_invalid(values)).images
    assert found[2, 1, 1] == found[3, 0, 0] == 0
    assert found[:, 0, 1].tolist() == [255] * 4
    assert not open_images(np.ma.masked_all((2, 3, 3), float)).images.any()


def test_alpha_is_scaled_by_its_own_range():
    values = np.zeros((1, 1, 4, 4), np.uint16)
    values[0, 0, :, 0] = [0, 1000, 4095, 4095]
    values[0, 0, :, 3] = [65535, 65535, 65535, 0]
    assert open_images(values).images[0, 0].tolist() == [[0, 0, 0], [62, 0, 0], [255, 0, 0], [255, 255, 255]]
    floats = values.astype(np.float32)
    floats[..., :3] /= 4095
    floats[..., 3] /= 65535
    np.testing.assert_array_equal(open_images(floats).images, open_images(values).images)
    masked = np.ma.masked_array(values, np.zeros(values.shape, bool))
    masked[0, 0, 3] = np.ma.masked
    assert open_images(masked).images[0, 0, 3].tolist() == [0, 0, 0]


@pytest.mark.parametrize("dtype", ["c8", "O", "S3", "M8[s]", [("r", "u1"), ("g", "u1")]])
def test_arrays_of_no_numbers_are_refused_with_their_type(dtype):
    with pytest.raises(SourceError, match="array: pixels of type .*: pass uint8, another integer type, or floats"):
        open_images(np.zeros((2, 3, 3), dtype))


@pytest.mark.parametrize("shape", [(), (0,), (3, 3), (0, 3, 3), (2, 0, 3), (2, 3, 3, 0), (1, 2, 3, 3, 1)])
def test_arrays_of_no_shape_of_images_are_refused(shape):
    with pytest.raises(SourceError, match=r"array: (an array of shape|no images in an array of shape)"):
        open_images(np.zeros(shape))


def test_an_array_can_be_scaled_as_another_one_was():
    values = np.arange(0, 4096, 16, dtype=np.uint16).reshape(4, 8, 8)
    first = collection_from_array(values, "run")
    assert first.value_range == (0, 4080)
    again = find_source(values[1:2] // 4, ArrayScaling(first.value_range))
    np.testing.assert_allclose(again.images, (values[1:2] // 4) * 255.0 / 4080, atol=0.5)
    brighter = collection_from_array(np.full((1, 2, 2), 60000, np.uint16), "x", ArrayScaling((0, 4080)))
    assert (brighter.images == 255).all()
    assert collection_from_array(np.zeros((1, 2, 2), np.uint8), "x", ArrayScaling((0, 4080))).value_range is None


def test_arrays_are_told_apart_by_the_values_that_were_given():
    values = np.zeros((4, 8, 8), np.int64)
    values[1, 0, 0] = 1
    values[3, 0, 0] = 1000
    found = open_images(values)
    assert (found.images[0] == found.images[1]).all()
    digests = found.table["sha256"].to_pylist()
    assert digests[0] == digests[2] != digests[1]
    assert open_images(values.astype(">i8")).table["sha256"].to_pylist() == digests
    assert found.table["sha256"].type == pa.binary(32)


def test_arrays_larger_than_the_limit_are_refused():
    with pytest.raises(SourceError, match=r"array: 50 images of 100 × 100 take 0\.00 GB decoded, the limit is 0\.0001"):
        open_images(np.zeros((50, 100, 100), np.uint16), cache_limit=0.0001)


@pytest.mark.parametrize(
    ("values", "pixels"),
    [
        (np.array([0.0, 60.0, 120.0]), [0, 60, 120]),
        (np.array([0.0, 0.2, 1.0]), [0, 51, 255]),
        (np.array([0, 1, 1], np.uint16), [0, 1, 1]),
        (np.array([0, 60, 120], np.int64), [0, 60, 120]),
        (np.array([0, 2048, 4096], np.uint16), [0, 128, 255]),
    ],
)
def test_arrays_that_join_images_of_8_bits_keep_values_that_those_may_have(values, pixels):
    scaling = ArrayScaling(joins_8_bits=True)
    assert collection_from_array(values.reshape(1, 1, 3), "a", scaling).images.ravel().tolist() == pixels
