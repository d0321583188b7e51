"""Gaussian mixture of latent vectors: expectation and maximisation by products of large matrices."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

# Values of vectors times components at once, which stay in the cache.
MAX_BLOCK_VALUES = 2**18
# The mean log-likelihood changes by less than this when the fit has converged.
TOLERANCE = 1e-3

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class GaussianMixture:
    """A sum of normal distributions.

    Attributes
    ----------
    weights : ndarray of shape (k,), float64
        Probability of each component.
    means : ndarray of shape (k, d), float64
    covariances : ndarray of shape (k, d, d), float64
    """

    weights: Floats
    means: Floats
    covariances: Floats

    def sample(self, n: int, random: np.random.RandomState) -> Floats:
        """Draw vectors, those of each component together.

        Parameters
        ----------
        n : int
            Number of vectors.
        random : RandomState
            Source of randomness.

        Returns
        -------
        ndarray of shape (n, d), float64
        """
        counts = random.multinomial(n, self.weights)
        parts = zip(self.means, self.covariances, counts.tolist(), strict=True)
        return np.concatenate([random.multivariate_normal(mean, covariance, m) for mean, covariance, m in parts])


def fit_mixture(X: Floats, labels: NDArray[Any], *, least_variance: float, max_iter: int) -> GaussianMixture:
    """Fit a Gaussian mixture with full covariances.

    Parameters
    ----------
    X : ndarray of shape (n, d), float64
        Vectors.
    labels : ndarray of shape (n,), int
        Component of each vector to start from, 0 to k - 1, as K-means finds them.
    least_variance : float
        Added to each variance, so that no component collapses.
    max_iter : int
        Maximum number of iterations.

    Returns
    -------
    GaussianMixture

    References
    ----------
    Dempster et al. (1977), Maximum likelihood from incomplete data via the EM algorithm.
    """
    n, d = X.shape
    k = int(labels.max()) + 1
    center = X.mean(axis=0)
    centered = X - center  # so that the moments below keep their digits
    size = max(1, MAX_BLOCK_VALUES // (k * d))
    blocks = [centered[begin : begin + size] for begin in range(0, n, size)]
    moments = _Moments(k, d)
    for number, block in enumerate(blocks):
        moments.add(block, np.eye(k)[labels[number * size :][:size]])
    mixture = moments.mixture(least_variance)
    likelihood = -np.inf
    for _ in range(max_iter):
        last, likelihood = likelihood, 0.0
        density, moments = _LogDensity(mixture), _Moments(k, d)
        for block in blocks:
            logs = density(block)
            largest = logs.max(axis=1, keepdims=True)
            shares = np.exp(logs - largest)
            sums = shares.sum(axis=1, keepdims=True)
            likelihood += float((largest + np.log(sums)).sum()) / n
            moments.add(block, shares / sums)
        mixture = moments.mixture(least_variance)
        if abs(likelihood - last) < TOLERANCE:
            break
    return GaussianMixture(mixture.weights, mixture.means + center, mixture.covariances)


class _LogDensity:
    """Logarithms of the weighted densities of the components at vectors."""

    def __init__(self, mixture: GaussianMixture) -> None:
        k, d = mixture.means.shape
        factors = np.linalg.cholesky(mixture.covariances)
        inverses = np.stack([solve_triangular(factor, np.eye(d), lower=True).T for factor in factors])
        self.whiten = np.ascontiguousarray(inverses.transpose(1, 0, 2).reshape(d, k * d))
        self.means = np.einsum("ki,kij->kj", mixture.means, inverses)
        log_volumes = np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(axis=1)
        self.constants = np.log(mixture.weights) - log_volumes - 0.5 * d * np.log(2 * np.pi)

    def __call__(self, block: Floats) -> Floats:
        whitened = (block @ self.whiten).reshape(len(block), *self.means.shape)
        whitened -= self.means
        logs: Floats = self.constants - 0.5 * np.einsum("nkd,nkd->nk", whitened, whitened)
        return logs


class _Moments:
    """Sums over vectors, each with its share in every component: of ones, of the vectors, and of their products."""

    def __init__(self, k: int, d: int) -> None:
        self.counts = np.full(k, 10 * np.finfo(np.float64).eps)  # a component may lose all vectors
        self.sums = np.zeros((k, d))
        self.products = np.zeros((k * d, d))

    def add(self, block: Floats, shares: Floats) -> None:
        self.counts += shares.sum(axis=0)
        weighted = (shares[:, :, None] * block[:, None]).reshape(len(block), -1)
        self.sums += weighted.sum(axis=0).reshape(self.sums.shape)
        self.products += weighted.T @ block

    def mixture(self, least_variance: float) -> GaussianMixture:
        k, d = self.sums.shape
        means = self.sums / self.counts[:, None]
        covariances = self.products.reshape(k, d, d) / self.counts[:, None, None]
        covariances -= means[:, :, None] * means[:, None]
        covariances[:, np.arange(d), np.arange(d)] += least_variance
        return GaussianMixture(self.counts / self.counts.sum(), means, covariances)
