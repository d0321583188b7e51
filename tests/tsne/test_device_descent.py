"""The descent by operations of torch, here on the CPU, has the forces of the kernels and as low a divergence."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from latentmap import TSNE, nearest_neighbors
from latentmap.core import devices
from latentmap.core.errors import InputError
from latentmap.core.parallel import Workers
from latentmap.neighbors import search
from latentmap.tsne import device_descent, estimator
from latentmap.tsne.affinity import conditional_affinities, joint_affinities
from latentmap.tsne.attraction import Attraction
from latentmap.tsne.device_descent import DeviceAttraction, DeviceDescent, DeviceRepulsion
from latentmap.tsne.optimizer import Descent, DescentPhase
from latentmap.tsne.repulsion import Repulsion

CPU = torch.device("cpu")


def affinities(n, k=20):
    graph = nearest_neighbors(np.random.default_rng(0).normal(size=(n, 5)).astype(np.float32), k)
    with Workers() as workers:
        conditional, _ = conditional_affinities(graph.distances, k / 3, workers)
        return joint_affinities(graph.indices, graph.order, conditional, workers)


def a_map(n, n_components=2, size=20.0):
    return (size * np.random.default_rng(1).normal(size=(n, n_components))).astype(np.float32)


def check_close(found, expected, tolerance=2e-5):
    np.testing.assert_allclose(
        np.asarray(found), np.asarray(expected), rtol=tolerance, atol=tolerance * float(abs(expected).max())
    )


@pytest.mark.parametrize("n_components", [1, 2, 3])
def test_the_attraction_is_that_of_the_kernels(n_components, monkeypatch):
    P, Y = affinities(400), a_map(400, n_components)
    monkeypatch.setattr(device_descent, "MAX_EDGES", 1000)  # several chunks
    ours = DeviceAttraction(P, CPU)
    kernels = Attraction(P, n_components, 1)
    kernels.compute(Y, 0)
    check_close(ours.compute(torch.from_numpy(Y)), kernels.forces[0])
    with Workers() as workers:
        assert ours.divergence(torch.from_numpy(Y), 5.0) == pytest.approx(kernels.divergence(Y, 5.0, workers), rel=1e-5)
    assert ours.divergence(torch.from_numpy(Y), 0.0) == np.inf


@pytest.mark.parametrize("size", [1e-4, 1.0, 40.0, 3000.0])
@pytest.mark.parametrize(("n", "n_components"), [(300, 1), (300, 2), (300, 3), (2100, 1), (2100, 2)])
def test_the_repulsion_is_that_of_the_kernels(n, n_components, size):
    Y = a_map(n, n_components, size)
    forces, total = DeviceRepulsion(n, n_components, exact=False, device=CPU).compute(torch.from_numpy(Y))
    kernels = Repulsion(n, n_components, 1, exact=False)
    with Workers(1) as workers:
        expected = kernels.compute(Y, workers)
    check_close(forces, kernels.forces, 1e-3 if n > 2000 else 2e-5)
    assert total == pytest.approx(expected, rel=2e-5, abs=1e-6 * n)


def test_pairs_are_summed_in_chunks_that_fit(monkeypatch):
    Y = torch.from_numpy(a_map(200))
    whole = DeviceRepulsion(200, 2, exact=True, device=CPU).compute(Y)
    monkeypatch.setattr(devices, "free_memory", lambda device: 2 * 4 * 200 * 7 * 13)
    chunked = DeviceRepulsion(200, 2, exact=True, device=CPU).compute(Y)
    check_close(chunked[0].numpy(), whole[0].numpy())
    assert chunked[1] == pytest.approx(whole[1])


@pytest.mark.parametrize("n", [500, 2500])
def test_the_steps_are_those_of_the_kernels(n):
    P, start = affinities(n), a_map(n, size=3.0)
    phase = DescentPhase(12, 4.0, 50.0, 0.8, restarts=True)
    settings = {"min_grad_norm": 0, "patience": 99, "check_every": 5, "on_iteration": lambda n: None}
    ours, theirs = [], []
    on_device = DeviceDescent(P, start, exact=False, device=CPU)
    on_device.run(phase, on_check=ours.append, **settings)
    with Workers() as workers:
        kernels = Descent(P, start.copy(), exact=False, workers=workers)
        kernels.run(phase, on_check=theirs.append, **settings)
        assert on_device.divergence() == pytest.approx(kernels.divergence(), rel=1e-4)
    check_close(on_device.current_map(), kernels.current_map(), 1e-2)  # a sign that rounding changes changes a gain
    assert [one.n_iter for one in ours] == [5, 10]
    for one, other in zip(ours, theirs, strict=True):
        assert one.divergence == pytest.approx(other.divergence, rel=1e-4)
        assert one.gradient_norm == pytest.approx(other.gradient_norm, rel=1e-2)


@pytest.fixture
def on_torch(monkeypatch):
    """Every other device than the CPU is the CPU, by the operations of torch."""
    for module in (estimator, search):
        monkeypatch.setattr(module, "accelerator", lambda name: None if name == "cpu" else CPU)


def test_a_map_of_the_device_is_as_good(on_torch):
    X = load_digits().data[:600].astype(np.float32)
    maps = {name: TSNE(perplexity=10, random_state=0, device=name).fit(X) for name in ("cpu", "cuda")}
    assert maps["cuda"].kl_divergence_ == pytest.approx(maps["cpu"].kl_divergence_, rel=0.03)
    assert maps["cuda"].embedding_.dtype == np.float32
    assert maps["cuda"].n_iter_ == maps["cpu"].n_iter_
    np.testing.assert_array_equal(maps["cuda"].transform(X[:3]), maps["cuda"].embedding_[:3])


def test_a_map_that_grows_without_bound_is_an_error(on_torch):
    X = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    with pytest.raises(InputError, match="the map grew without bound by iteration"):
        TSNE(perplexity=5, learning_rate=1e30, device="cuda").fit(X)


def test_the_cpu_makes_the_map_when_the_device_is_too_small(on_torch, monkeypatch):
    X = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    expected = TSNE(perplexity=5, random_state=0, device="cpu").fit_transform(X)

    def fail(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(DeviceAttraction, "compute", fail)
    graph = nearest_neighbors(X, 16)
    with pytest.warns(UserWarning, match="out of memory on cpu: the map is computed on the CPU"):
        found = TSNE(perplexity=5, random_state=0, device="cuda").fit_transform(X, neighbors=graph)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.skipif(torch.cuda.is_available(), reason="has CUDA")
def test_a_device_that_is_not_here_is_an_error():
    with pytest.raises(InputError, match=r"device='cuda:3' cannot be used: torch .* sees only cpu"):
        TSNE(perplexity=2, device="cuda:3").fit(np.eye(9, dtype=np.float32))
