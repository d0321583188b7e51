import numpy as np
import pytest

from latentmap.run.finding import duplicates
from latentmap.run.near_duplicates import near_duplicates

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(3, 4), (16, 17), (20, 20, 3), (30, 30, 5)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("at_once", [2**22, 20_000])  # all images, or eight
def test_pairs_are_those_of_a_comparison_of_all_pixels(shape, dtype, at_once, monkeypatch):
    monkeypatch.setattr("latentmap.run.near_duplicates.VALUES_AT_ONCE", at_once)
    largest = np.iinfo(dtype).max
    images = RANDOM.integers(0, largest, (40, *shape), endpoint=True).astype(float)
    noise = RANDOM.normal(0, largest * np.linspace(0.01, 0.12, 20).reshape(-1, *[1] * len(shape)), (20, *shape))
    images[20:] = (images[:20] + noise).clip(0, largest)
    images = np.rint(images).astype(dtype)
    indices = np.array([[j for j in range(40) if j != i] for i in range(40)])
    rows, columns, differences = near_duplicates(images, indices)
    left, right = np.repeat(np.arange(40), 39), indices.ravel()
    pairs = 39 * rows + columns
    flat = images.reshape(40, -1).astype(float)
    wanted = ((flat[left] - flat[right]) ** 2).mean(1) / ((flat[left].var(1) + flat[right].var(1)) / 2)
    assert 6 < len(pairs) < 40
    np.testing.assert_array_equal(pairs, np.flatnonzero(wanted <= 0.02))
    np.testing.assert_allclose(differences, wanted[pairs], rtol=1e-3)


def test_images_of_one_colour_are_near_those_of_the_same_colour_only():
    images = np.array([7, 7, 8], np.uint8)[:, None, None] * np.ones((3, 9, 9), np.uint8)
    rows, columns, differences = near_duplicates(images, np.array([[1, 2], [2, 2], [2, 2]]))
    assert (rows.tolist(), columns.tolist(), differences.tolist()) == ([0, 2, 2], [0, 0, 1], [0.0, 0.0, 0.0])


def test_no_neighbours_and_no_near_ones():
    images = RANDOM.integers(0, 255, (4, 9, 9), dtype=np.uint8)
    for indices in (np.empty((4, 0), np.int32), np.array([[1], [2], [3], [0]], np.int32)):
        assert [len(found) for found in near_duplicates(images, indices)] == [0, 0, 0]


def test_a_noisy_copy_is_found_however_usual_its_distance_is():
    images = RANDOM.integers(0, 255, (6, 9, 9), dtype=np.uint8)
    images[5] = images[0] ^ 3
    indices = np.array([[5, 1], [2, 3], [1, 3], [1, 2], [1, 2], [0, 1]], np.int32)
    found = duplicates(images, indices, np.ones((6, 2), np.float32))
    assert [found[name].tolist() for name in ("id", "duplicate_of", "exact", "distance")] == [[5], [0], [False], [1.0]]
    assert 0 < found["difference"][0] < 0.01
