"""Neighbours by the tangent distance, and the tangents that an autoencoder gives."""

import numpy as np
import pytest
import torch

from latentmap import Autoencoder, invariant_neighbors, load_mnist, nearest_neighbors
from latentmap.autoencoder.tangents import SHIFT, tangents
from latentmap.neighbors.invariant import RIDGE


def tangent_distances(X, T):
    """All of them, by least squares in double precision."""
    n, t = T.shape[:2]
    ridge = RIDGE * (T.astype(float) ** 2).sum(axis=2).mean()
    distances = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            A = np.concatenate([T[i], -T[j]]).T.astype(float)
            A = np.concatenate([A, np.sqrt(ridge) * np.eye(2 * t)])
            b = np.concatenate([X[j].astype(float) - X[i], np.zeros(2 * t)])
            rest = A @ np.linalg.lstsq(A, b)[0] - b
            distances[i, j] = np.linalg.norm(rest)
    np.fill_diagonal(distances, np.inf)
    return distances


def test_equals_least_squares():
    random = np.random.default_rng(0)
    X, T = random.normal(size=(50, 8)).astype(np.float32), random.normal(size=(50, 3, 8)).astype(np.float32)
    graph = invariant_neighbors(X, T, 6)
    distances = tangent_distances(X, T)
    np.testing.assert_allclose(graph.distances, np.sort(distances, axis=1)[:, :6], rtol=1e-4)
    np.testing.assert_allclose(np.take_along_axis(distances, graph.indices, 1), graph.distances, rtol=1e-4)


def test_without_tangents_it_is_the_euclidean_search():
    X = np.random.default_rng(0).normal(size=(400, 5)).astype(np.float32)
    graph = invariant_neighbors(X, np.zeros((400, 2, 5), np.float32), 7)
    np.testing.assert_array_equal(graph.indices, nearest_neighbors(X, 7).indices)


def test_neighbours_beyond_the_first_candidates_are_found():
    """All points lie on lines; along each, the nearest by Euclid are on other lines."""
    random = np.random.default_rng(0)
    line = np.repeat(np.arange(10), 60)
    X = random.normal(scale=0.01, size=(600, 12)).astype(np.float32)
    X[np.arange(600), line] += 0.5
    X[:, 11] += 0.1 * random.permutation(600)
    T = np.zeros((600, 1, 12), np.float32)
    T[:, 0, 11] = 40
    graph = invariant_neighbors(X, T, 8)
    euclidean = nearest_neighbors(X, 8)
    assert (line[graph.indices] == line[:, None]).mean() > 0.8
    assert (line[euclidean.indices] == line[:, None]).mean() < 0.3
    assert all(len(set(row)) == 8 and i not in row for i, row in enumerate(graph.indices))


def test_threads_change_nothing():
    random = np.random.default_rng(1)
    X, T = random.normal(size=(700, 6)).astype(np.float32), random.normal(size=(700, 2, 6)).astype(np.float32)
    one, two = (invariant_neighbors(X, T, 5, n_jobs=n_jobs) for n_jobs in (1, 2))
    np.testing.assert_array_equal(one.indices, two.indices)


def test_wrong_tangents_are_met_with_a_sentence():
    with pytest.raises(ValueError, match=r"tangents of shape \(5, 6\) for points of shape \(5, 3\): pass \(n, t, d\)"):
        invariant_neighbors(np.zeros((5, 3)), np.zeros((5, 6)), 1)
    with pytest.raises(ValueError, match="tangents contain NaN"):
        invariant_neighbors(np.zeros((5, 3)), np.full((5, 1, 3), np.nan), 1)


def test_tangents_are_central_differences_of_what_the_deformation_does():
    """Encoded by its mean column and row, a picture moves as the affine map says."""
    size = 41
    places = torch.linspace(-1 + 1 / size, 1 - 1 / size, size)
    spot = torch.exp(-((places[:, None] - 0.3) ** 2 + (places[None, :] + 0.2) ** 2) / 0.02)[None, :, :, None]

    def center(images):
        mass = images.sum(dim=(1, 2, 3))
        row = (images.sum(dim=(2, 3)) * places).sum(1) / mass
        column = (images.sum(dim=(1, 3)) * places).sum(1) / mass
        return torch.stack([column, row], dim=1)

    moved = tangents(center, spot)[0].numpy()
    x, y = -0.2, 0.3
    # sampling at A p moves what is at p to A^-1 p: the picture goes the other way
    np.testing.assert_allclose(moved[2], [-SHIFT, 0], atol=2e-3)
    np.testing.assert_allclose(moved[5], [0, -SHIFT], atol=2e-3)
    np.testing.assert_allclose(moved[0], [-0.12 * x, 0], atol=4e-3)
    np.testing.assert_allclose(moved[1], [-0.12 * y, 0], atol=4e-3)
    np.testing.assert_allclose(moved[3], [0, -0.12 * x], atol=4e-3)
    np.testing.assert_allclose(moved[4], [0, -0.12 * y], atol=4e-3)


def test_tangents_of_an_autoencoder():
    images = load_mnist("test")[0][:300]
    model = Autoencoder(epochs=2, latent_dim=8, random_state=0).fit(images)
    found = model.tangents(images)
    assert found.shape == (300, 6, 8)
    assert found.dtype == np.float32
    shifted = (model.transform(np.roll(images, 1, axis=2)) - model.transform(np.roll(images, -1, axis=2))) / 2
    cosines = (shifted * found[:, 2]).sum(1) / np.linalg.norm(shifted, axis=1) / np.linalg.norm(found[:, 2], axis=1)
    assert np.median(cosines) < -0.9  # the other way round, as above
    with pytest.raises(ValueError, match="plain vectors have no rows and columns to shift"):
        Autoencoder(epochs=1, latent_dim=2).fit(np.random.default_rng(0).random((20, 9))).tangents(np.zeros((2, 9)))
