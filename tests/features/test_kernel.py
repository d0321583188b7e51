"""Components of a kernel with local scales."""

import numpy as np

from latentmap.features.kernel import MIN_SCALE, WIDTH, LocalKernel, nearest_rank


def squared_distances(rows):
    return ((rows[:, None] - rows) ** 2).sum(axis=2)


def test_distances_of_all_components_are_those_of_the_kernel():
    rows = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    found = LocalKernel.fit(rows, 60).apply(rows)
    squares = squared_distances(rows)
    scales = np.sqrt(np.sort(squares, axis=1)[:, nearest_rank(60)])
    kernel = np.exp(-squares / (WIDTH * np.outer(scales, scales)))
    expected = 2 - 2 * kernel
    found_squares = squared_distances(found)
    np.testing.assert_allclose(found_squares, expected / expected.mean(), atol=2e-3)
    assert abs(found_squares.mean() - 1) < 1e-3


def test_images_of_a_sparse_kind_are_as_near_as_those_of_a_dense_one():
    random = np.random.default_rng(0)
    rows = random.normal(size=(200, 4)).astype(np.float32)
    rows[100:] = 0.05 * rows[100:] + 50
    before, after = (
        [np.median(squared_distances(part)) for part in (given[:100], given[100:])]
        for given in (rows, LocalKernel.fit(rows, 64).apply(rows))
    )
    assert before[0] > 200 * before[1]
    assert after[0] < 1.5 * after[1]


def test_beyond_some_distance_all_are_equally_different():
    rows = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    kernel = LocalKernel.fit(rows, 64)
    near, far, farther = kernel.apply(np.array([rows[0], [1e3, 0, 0], [0, 1e5, 0]], np.float32))
    assert abs(np.linalg.norm(near - far) - np.linalg.norm(near - farther)) < 0.02
    assert np.linalg.norm(far - farther) < 0.02


def test_many_copies_do_not_make_all_others_equally_far():
    rows = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    rows[:30] = rows[0]
    kernel = LocalKernel.fit(rows, 64)
    assert kernel.scales.min() >= MIN_SCALE * np.median(kernel.scales) * 0.999
    distances = np.linalg.norm(kernel.apply(rows[40:]) - kernel.apply(rows[:1]), axis=1)
    assert distances.min() < 0.9 * distances.max()


def test_copies_that_differ_by_rounding_do_not_decide_what_is_near():
    random = np.random.default_rng(0)
    rows = random.normal(scale=0.4, size=(100, 3)).astype(np.float32)
    rows[:60] = rows[0] + random.normal(scale=1e-6, size=(60, 3))
    kernel = LocalKernel.fit(rows, 64)
    assert kernel.min_scale > 0.01
    moved = kernel.apply(rows + np.float32(1e-6)) - kernel.apply(rows)
    assert np.abs(moved).max() < 1e-3


def test_equal_vectors_have_no_kernel():
    assert LocalKernel.fit(np.ones((10, 3), np.float32), 4) is None
    assert LocalKernel.fit(1 + np.random.default_rng(0).normal(scale=1e-6, size=(10, 3)).astype(np.float32), 4) is None
