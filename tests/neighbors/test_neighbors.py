"""The nearest neighbours are those that scikit-learn finds, whatever the shape, scale and type of the points."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.neighbors import NearestNeighbors

from latentmap import nearest_neighbors
from latentmap.neighbors import index


def points(n, d, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(dtype)


def check_against_scikit_learn(X, k, metric="euclidean", tolerance=1e-4):
    found = nearest_neighbors(X, k, metric=metric)
    wide = np.asarray(X, np.float64)
    expected, _ = NearestNeighbors(n_neighbors=k, metric=metric, algorithm="brute").fit(wide).kneighbors()
    np.testing.assert_allclose(found.distances, expected, rtol=tolerance, atol=tolerance * expected.max())
    assert found.indices.dtype == np.int32
    assert (np.diff(found.distances, axis=1) >= 0).all()
    assert not (found.indices == np.arange(len(X))[:, None]).any()
    assert all(len(set(row)) == k for row in found.indices.tolist())
    assert sorted(found.order) == list(range(len(X)))


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(2, 700),
    d=st.integers(1, 40),
    fraction=st.floats(0, 1),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 9),
)
def test_any_shape(n, d, fraction, dtype, seed):
    check_against_scikit_learn(points(n, d, seed, dtype), 1 + round(fraction * (n - 2)))


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "manhattan"])
def test_metrics(metric):
    check_against_scikit_learn(points(1500, 7), 20, metric)


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e12, 1e30])
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_any_scale_and_offset(scale, offset):
    X = (points(300, 5, dtype=np.float64) + offset) * scale
    check_against_scikit_learn(X, 10)


def test_numbers_beyond_single_precision():
    X = points(100, 3, dtype=np.float64)
    found = nearest_neighbors(X * 2.0**900, 5)
    np.testing.assert_array_equal(found.indices, nearest_neighbors(X, 5).indices)
    assert np.isfinite(found.distances).all()


@pytest.mark.parametrize(
    "arrange",
    [
        np.asfortranarray,
        lambda X: X[::-1],
        lambda X: X.astype(np.float16),
        lambda X: X.tolist(),
        lambda X: np.round(X * 4).astype(np.int8),
    ],
    ids=["fortran", "reversed", "float16", "list", "int8"],
)
def test_any_arrangement(arrange):
    X = arrange(points(200, 6))
    check_against_scikit_learn(np.asarray(X, np.float32), 7)
    found, expected = nearest_neighbors(X, 7), nearest_neighbors(np.asarray(X, np.float32), 7)
    np.testing.assert_allclose(found.distances, expected.distances, rtol=1e-6)


def test_a_memory_map_that_cannot_be_written(tmp_path):
    X = points(300, 4)
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    np.testing.assert_array_equal(nearest_neighbors(mapped, 9).indices, nearest_neighbors(X, 9).indices)


def test_duplicates_are_neighbors_at_no_distance():
    X = np.repeat(points(40, 3), 5, axis=0)
    found = nearest_neighbors(X, 4)
    assert (found.distances == 0).all()
    assert (found.indices // 5 == np.arange(200)[:, None] // 5).all()


def test_points_that_are_all_one():
    found = nearest_neighbors(np.ones((50, 3)), 7)
    assert (found.distances == 0).all()
    assert all(len(set(row)) == 7 for row in found.indices.tolist())


def test_near_duplicates_are_told_apart():
    """Products lose all digits of such distances; they are measured again."""
    X = np.repeat(points(30, 8) + 3, 20, axis=0)
    X += 1e-5 * points(600, 8, seed=1)
    check_against_scikit_learn(X, 15, tolerance=2e-2)


def test_large_collections_are_searched_in_part(monkeypatch):
    X = np.concatenate([points(1000, 16, seed) + points(1, 16, seed + 50) for seed in range(6)])
    exact = nearest_neighbors(X, 15).indices
    for name, n in (("MAX_EXACT_POINTS", 1000), ("MIN_SCANNED", 600), ("SCANNED_PER_ROOT", 1)):
        monkeypatch.setattr(index, name, n)
    found = nearest_neighbors(X, 15).indices
    recall = np.mean([len(set(a) & set(b)) for a, b in zip(exact.tolist(), found.tolist(), strict=True)]) / 15
    assert 0.8 < recall < 1


def test_one_thread_finds_what_two_find():
    X = points(2000, 10)
    one, two = nearest_neighbors(X, 12, n_jobs=1), nearest_neighbors(X, 12, n_jobs=2)
    assert one.indices.tobytes() == two.indices.tobytes()
    assert one.distances.tobytes() == two.distances.tobytes()


def test_precomputed_distances():
    X = points(60, 3, dtype=np.float64)
    distances = np.linalg.norm(X[:, None] - X[None], axis=2)
    expected = nearest_neighbors(X, 5)
    np.testing.assert_array_equal(nearest_neighbors(distances, 5, metric="precomputed").indices, expected.indices)
    graph = NearestNeighbors(n_neighbors=20).fit(X).kneighbors_graph(mode="distance")
    np.testing.assert_array_equal(nearest_neighbors(graph, 5, metric="precomputed").indices, expected.indices)


def test_sparse_points():
    X = sparse.random(80, 30, density=0.2, random_state=0, format="csr")
    np.testing.assert_allclose(
        nearest_neighbors(X, 6).distances, nearest_neighbors(X.toarray(), 6).distances, atol=1e-6
    )


@pytest.mark.parametrize(
    ("X", "k", "message"),
    [
        (np.ones((5, 2)), 5, r"n_neighbors=5 for n_samples=5: ask for 1 to 4"),
        (np.ones((5, 2)), 0, r"n_neighbors=0"),
        (np.array([[0.0], [np.nan], [1.0]]), 1, "NaN"),
        (np.array([[0.0], [np.inf], [1.0]]), 1, "infinity"),
    ],
)
def test_bad_input_is_met_with_a_sentence(X, k, message):
    with pytest.raises(ValueError, match=message):
        nearest_neighbors(X, k)
