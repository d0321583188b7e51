"""The density of latent vectors: that of scikit-learn's mixture, from the same start."""

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from latentmap.autoencoder import gaussian_mixture
from latentmap.autoencoder.gaussian_mixture import fit_mixture


@pytest.fixture
def clouds():
    """Vectors far from the origin, in three overlapping clouds, and the number of the cloud that each is from."""
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 80)
    return 100 + 2.0 * labels[:, None] + random.normal(size=(240, 4)) @ random.normal(size=(4, 4)), labels


@pytest.mark.parametrize("n_block_values", [2**18, 100])
def test_it_equals_scikit_learns(clouds, n_block_values, monkeypatch):
    monkeypatch.setattr(gaussian_mixture, "MAX_BLOCK_VALUES", n_block_values)
    X, labels = clouds
    parts = [X[labels == k] for k in range(3)]
    covariances = [np.cov(part.T, bias=True) + 0.01 * np.eye(4) for part in parts]
    start = {"means_init": [part.mean(0) for part in parts], "precisions_init": np.linalg.inv(covariances)}
    theirs = GaussianMixture(3, reg_covar=0.01, max_iter=20, weights_init=np.full(3, 1 / 3), **start).fit(X)
    ours = fit_mixture(X, labels, least_variance=0.01, max_iter=20)
    assert ours.weights == pytest.approx(theirs.weights_)
    assert ours.means == pytest.approx(theirs.means_)
    assert ours.covariances == pytest.approx(theirs.covariances_)


def test_samples_have_the_moments_of_the_vectors(clouds):
    X, labels = clouds
    drawn = fit_mixture(X, labels, least_variance=0.0, max_iter=20).sample(20_000, np.random.RandomState(0))
    assert drawn.mean(0) == pytest.approx(X.mean(0), abs=0.1)
    assert np.cov(drawn.T) == pytest.approx(np.cov(X.T), abs=0.3)


def test_a_component_of_one_vector_does_not_collapse():
    X = np.array([[0.0, 0.0], [1.0, 0.0], [1e6, 1e6]])
    mixture = fit_mixture(X, np.array([0, 0, 1]), least_variance=1.0, max_iter=20)
    assert np.linalg.eigvalsh(mixture.covariances).min() > 0.5
