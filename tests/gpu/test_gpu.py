"""A GPU gives what the CPU gives, within rounding: training, encoding, neighbours, t-SNE and whole runs."""

import numpy as np
import pytest
import torch

import latentmap as lm
from latentmap.core.devices import free_memory
from latentmap.neighbors.device_index import DeviceIndex
from latentmap.run import tables
from latentmap.tsne.device_descent import DeviceRepulsion

pytestmark = pytest.mark.gpu


def points(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


@pytest.fixture(scope="module")
def images():
    return lm.load_mnist("test")[0][:2000]


@pytest.mark.parametrize("network", ["pyramid", "dense", "conv"])
@pytest.mark.parametrize("optimizer", ["muon", "adam"])
def test_training_reaches_the_same_error(network, optimizer, gpu, images):
    settings = {"epochs": 1, "latent_dim": 16, "optimizer": optimizer, "precision": "float32", "random_state": 0}
    losses = [lm.Autoencoder(network, device=one, **settings).fit(images).history_["loss"][0] for one in ("cpu", gpu)]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)


@pytest.mark.parametrize("network", ["pyramid", "variational"])
def test_training_in_bfloat16_reaches_about_the_same_error(network, gpu, images):
    settings = {"epochs": 2, "latent_dim": 16, "random_state": 0, "device": gpu}
    wide, narrow = (
        lm.Autoencoder(network, precision=precision, **settings).fit(images) for precision in ("float32", "bfloat16")
    )
    errors = [model.score_samples(images).mean() for model in (wide, narrow)]
    assert errors[1] == pytest.approx(errors[0], rel=0.1)


def test_encoding_gives_the_same_vectors(gpu, images, tmp_path):
    model = lm.Autoencoder(epochs=1, latent_dim=16, device="cpu", random_state=0).fit(images)
    model.save(tmp_path)
    moved = lm.Autoencoder.load(tmp_path, device=gpu)
    latents, errors = moved.transform_and_score(images)
    expected, expected_errors = model.transform_and_score(images)
    np.testing.assert_allclose(latents, expected, atol=1e-4 * abs(expected).max())
    np.testing.assert_allclose(errors, expected_errors, rtol=1e-3)
    np.testing.assert_allclose(moved.tangents(images[:9]), model.tangents(images[:9]), atol=1e-3)


@pytest.mark.parametrize("n", [500, 5000])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_neighbours_are_the_same(n, metric, gpu):
    X = points(n, 32)
    expected, found = (lm.nearest_neighbors(X, 30, metric=metric, device=one) for one in ("cpu", gpu))
    np.testing.assert_allclose(found.distances, expected.distances, rtol=1e-4, atol=1e-6)
    assert (found.indices == expected.indices).mean() > 0.99


def test_copies_are_found(gpu):
    X = np.repeat(points(500, 16), 2, axis=0)
    found = lm.nearest_neighbors(X, 1, device=gpu)
    assert (found.distances == 0).all()
    assert (found.indices[:, 0] == np.arange(1000) + 1 - 2 * (np.arange(1000) % 2)).all()


def test_the_memory_bounds_the_chunks(gpu, monkeypatch):
    device = torch.device(gpu)
    assert free_memory(device) > 2**28
    X = points(3000, 16)
    whole = DeviceIndex(X, device).graph(10)
    monkeypatch.setattr("latentmap.core.devices.free_memory", lambda device: 2**22)
    np.testing.assert_array_equal(DeviceIndex(X, device).graph(10)[0], whole[0])


@pytest.mark.parametrize(("n", "size"), [(300, 5.0), (2500, 1e-4), (2500, 40.0), (2500, 2000.0)])
def test_repulsion_is_that_of_torch_on_the_cpu(n, size, gpu):
    Y = torch.from_numpy(size * points(n, 2))
    expected, total = DeviceRepulsion(n, 2, exact=False, device=torch.device("cpu")).compute(Y)
    forces, own_total = DeviceRepulsion(n, 2, exact=False, device=torch.device(gpu)).compute(Y.to(gpu))
    torch.testing.assert_close(forces.cpu(), expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))
    assert own_total == pytest.approx(total, rel=1e-4, abs=1e-6 * n)


@pytest.mark.parametrize("n", [800, 4000])
def test_maps_are_as_good(n, gpu):
    X = np.concatenate([points(n // 4, 16, seed) + 6 * points(1, 16, 99 + seed) for seed in range(4)])
    divergences = [lm.TSNE(random_state=0, device=one).fit(X).kl_divergence_ for one in ("cpu", gpu)]
    assert divergences[1] == pytest.approx(divergences[0], rel=0.03)


def test_a_whole_run_has_the_same_tables(gpu, images, tmp_path):
    settings = {"epochs": 1, "latent_dim": 8, "features": "latent", "precision": "float32", "quiet": True}
    runs = [lm.map_images(images[:400], tmp_path / one, device=one, **settings) for one in dict.fromkeys(("cpu", gpu))]
    assert runs[-1].state["device"].startswith(gpu)
    expected, found = (tables.read_column(run.path / "latents.parquet", "latent") for run in (runs[0], runs[-1]))
    np.testing.assert_allclose(found, expected, atol=0.02 * abs(expected).max())
    assert runs[-1].model().transform(images[:3]).shape == (3, 8)
