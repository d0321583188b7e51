"""Small images as PNG: Pillow reads them back, and they are no larger than those that it writes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.datasets import load_sample_image

from latentmap import load_mnist
from latentmap.images import small_png
from latentmap.images.collection import as_png
from latentmap.images.png import decode_png
from latentmap.images.small_png import encode_small_pngs

sides = st.integers(1, 12)
shapes = st.one_of(st.tuples(st.integers(1, 5), sides, sides), st.tuples(st.integers(1, 5), sides, sides, st.just(3)))


@given(images=hnp.arrays(np.uint8, shapes))
def test_pillow_reads_them(images):
    files = encode_small_pngs(images)
    assert all(
        np.array_equal(decode_png(file, images.shape[1:]), image) for file, image in zip(files, images, strict=True)
    )


def test_blocks_change_nothing(monkeypatch):
    images = np.random.default_rng(0).integers(0, 9, (50, 7, 5, 3), np.uint8)
    expected = encode_small_pngs(images)
    monkeypatch.setattr(small_png, "N_PREPARED", 800)
    assert encode_small_pngs(images) == expected
    assert encode_small_pngs(images[:0]) == []


@pytest.mark.parametrize("kind", ["digits", "photographs"])
def test_they_are_no_larger_than_those_of_pillow(kind):
    photograph = load_sample_image("flower.jpg")[:416, :640]
    tiles = photograph.reshape(13, 32, 20, 32, 3).swapaxes(1, 2).reshape(-1, 32, 32, 3)
    images = load_mnist("test")[0][:300] if kind == "digits" else tiles
    ours, others = sum(map(len, encode_small_pngs(images))), sum(len(as_png(image.copy())) for image in images)
    assert ours < 1.01 * others
