"""Moving through latent space: straight lines, single dimensions, and a density to draw new vectors from."""

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from latentmap.core.parallel import one_blas_thread

# Vectors for each component of the mixture and each dimension, so that a covariance is worth its name; most components.
VECTORS_A_DIMENSION = 10
MOST_COMPONENTS = 20
ITERATIONS = 20

Vectors = NDArray[np.float32]


def interpolate(a: Vectors, b: Vectors, steps: int) -> Vectors:
    """Equal steps on the straight line from a to b, (d,) each: (steps, d)."""
    share = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
    line: Vectors = (1 - share) * a + share * b
    return line


def along(start: Vectors, dimension: int, reach: float, steps: int) -> Vectors:
    """Copies of ``start`` (d,) moved along one dimension, from -reach to +reach: (steps, d)."""
    line = np.repeat(start[None], steps, axis=0)
    line[:, dimension] += np.linspace(-reach, reach, steps, dtype=np.float32)
    return line


def fit_density(latents: Vectors) -> GaussianMixture:
    """A Gaussian mixture of latent vectors (n, d): full covariances, as many components as n bears, at most 20."""
    n, d = latents.shape
    n_components = int(np.clip(n // (VECTORS_A_DIMENSION * d), 1, MOST_COMPONENTS))
    spread = float(latents.var(axis=0, dtype=np.float64).mean()) or 1.0
    mixture = GaussianMixture(n_components, reg_covar=1e-3 * spread, max_iter=ITERATIONS, random_state=0)
    # products of 64 columns are too small to share among threads
    with one_blas_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # samples look no better after more iterations
        # two are needed, and one vector twice has the same density as once
        return mixture.fit(latents.astype(np.float64) if n > 1 else np.repeat(latents, 2, axis=0))


def draw(density: GaussianMixture, n: int, random: np.random.RandomState) -> NDArray[np.float64]:
    """n vectors of the density, in random order: (n, d)."""
    density.set_params(random_state=random)
    vectors: NDArray[np.float64] = density.sample(n)[0]
    return random.permutation(vectors)
