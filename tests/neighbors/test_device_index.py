"""The search by operations of torch, here on the CPU, finds what the kernels of the CPU find."""

import numpy as np
import pytest
import torch

from latentmap import nearest_neighbors
from latentmap.core import devices
from latentmap.core.errors import InputError
from latentmap.neighbors import device_index, search
from latentmap.neighbors.device_index import DeviceIndex

CPU = torch.device("cpu")


def points(n, d, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(dtype)


def check_same(X, k):
    indices, distances = DeviceIndex(X, CPU).graph(k)
    expected = nearest_neighbors(X, k)
    assert (indices.dtype, distances.dtype) == (np.int32, expected.distances.dtype)
    np.testing.assert_allclose(distances, expected.distances, rtol=2e-6)
    assert (indices == expected.indices).mean() > 0.999  # but for equally far points
    assert not (indices == np.arange(len(X))[:, None]).any()
    assert all(len(set(row)) == k for row in indices.tolist())


@pytest.mark.parametrize(
    ("n", "d", "k"), [(2, 1, 1), (7, 3, 6), (900, 64, 90), (1500, 5, 20)], ids=["two", "all", "wide", "narrow"]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_neighbours_are_those_of_the_kernels(n, d, k, dtype):
    check_same(points(n, d, dtype=dtype), k)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_any_scale_and_offset(scale):
    check_same((points(300, 5, dtype=np.float64) + 100) * scale, 10)


def test_points_that_products_cannot_tell_apart():
    X = points(50, 8)
    X = np.concatenate([X + 1e-5 * points(50, 8, seed) for seed in range(8)])
    check_same(X, 7)


def test_copies_have_distance_zero():
    X = np.repeat(points(40, 6), 3, axis=0)
    indices, distances = DeviceIndex(X, CPU).graph(3)
    assert (distances[:, :2] == 0).all()
    assert (distances[:, 2] > 0).all()
    assert (indices[:, :2] // 3 == (np.arange(120) // 3)[:, None]).all()


def test_queries_find_the_points_of_the_index():
    X, new = points(500, 6), points(40, 6, 1)
    indices, distances = DeviceIndex(X, CPU).query(new, 5)
    expected = search.NeighborSearch(X, "euclidean", None).query(new, 5, None)
    np.testing.assert_array_equal(indices, expected[0])
    np.testing.assert_allclose(distances, expected[1], rtol=2e-6)
    assert DeviceIndex(X, CPU).query(X[:9], 1)[0].ravel().tolist() == list(range(9))


def test_the_order_keeps_neighbours_together():
    X = np.repeat(10 * points(8, 4), 100, axis=0) + 0.01 * points(800, 4, 1)
    order = DeviceIndex(X, CPU).order
    assert sorted(order) == list(range(800))
    blob = order // 100
    assert (blob[1:] != blob[:-1]).sum() < 30  # 800 with a random order


def test_chunks_fit_into_the_free_memory(monkeypatch):
    X = points(600, 16)
    expected = DeviceIndex(X, CPU).graph(9)
    sizes = []
    whole = DeviceIndex._nearest

    def nearest(self, queries, k, itself):
        sizes.append(len(queries))
        return whole(self, queries, k, itself)

    monkeypatch.setattr(DeviceIndex, "_nearest", nearest)
    monkeypatch.setattr(devices, "free_memory", lambda device: 2**20)
    found = DeviceIndex(X, CPU).graph(9)
    row_bytes = 4 * (3 * 600 + 2 * 17 * 20)
    assert max(sizes) == 2**19 // row_bytes
    np.testing.assert_array_equal(found[0], expected[0])


def test_chunks_are_halved_when_memory_runs_out(monkeypatch):
    X = points(300, 4)
    expected = DeviceIndex(X, CPU).graph(5)
    whole = DeviceIndex._nearest

    def nearest(self, queries, k, itself):
        if len(queries) > 100:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(self, queries, k, itself)

    monkeypatch.setattr(DeviceIndex, "_nearest", nearest)
    with pytest.warns(UserWarning, match="out of memory: queries are now processed in chunks of 75"):
        found = DeviceIndex(X, CPU).graph(5)
    np.testing.assert_array_equal(found[0], expected[0])


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_the_public_search_uses_the_device_that_is_chosen(metric, monkeypatch):
    X = points(1200, 6)
    expected = nearest_neighbors(X, 7, metric=metric)
    monkeypatch.setattr(search, "accelerator", lambda name: CPU if name == "cuda" else None)
    monkeypatch.setattr(search.NeighborIndex, "graph", None)  # so that it is not used
    found = nearest_neighbors(X, 7, metric=metric, device="cuda")
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_allclose(found.distances, expected.distances, rtol=1e-5)
    assert sorted(found.order) == list(range(1200))


@pytest.mark.filterwarnings("ignore:out of memory. queries")
def test_the_cpu_searches_when_the_device_is_too_small(monkeypatch):
    X = points(300, 4)
    expected = nearest_neighbors(X, 5)

    def fail(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(search, "accelerator", lambda name: CPU)
    monkeypatch.setattr(device_index.DeviceIndex, "_nearest", fail)
    with pytest.warns(UserWarning, match="out of memory on cpu: the neighbours are searched on the CPU"):
        found = nearest_neighbors(X, 5, device="cuda")
    np.testing.assert_array_equal(found.indices, expected.indices)


@pytest.mark.skipif(torch.cuda.is_available(), reason="has CUDA")
def test_a_device_that_is_not_here_is_an_error():
    with pytest.raises(InputError, match=r"device='cuda' cannot be used: torch .* sees only cpu"):
        nearest_neighbors(points(9, 2), 2, device="cuda")
