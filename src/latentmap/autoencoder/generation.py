"""New images from latent vectors: interpolation, traversal of one dimension, and samples from a density."""

import warnings
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from latentmap.autoencoder.networks import Network, VariationalNetwork
from latentmap.core.errors import InputError
from latentmap.core.parallel import one_thread

# Latent vectors for each component and dimension of the mixture: fewer do not determine a covariance matrix.
VECTORS_PER_DIMENSION = 10
MAX_COMPONENTS = 20
MAX_ITERATIONS = 20
# Latent vectors among which a typical one is looked for.
MAX_COMPARED = 1000

Vectors = NDArray[np.float32]


class GenerationMixin:
    """Methods of :class:`latentmap.Autoencoder` that draw images from points of the latent space."""

    network_: Network
    reference_latents_: Vectors
    _density: GaussianMixture

    if TYPE_CHECKING:

        def transform(self, X: ArrayLike) -> Vectors: ...
        def inverse_transform(self, Z: ArrayLike) -> NDArray[np.float32]: ...

    def interpolate(self, a: ArrayLike, b: ArrayLike, steps: int = 8) -> NDArray[np.float32]:
        """Draw images on the straight line in latent space from one image to another.

        Parameters
        ----------
        a, b : array-like of shape image_shape
            The two images.
        steps : int, default=8
            Number of images to draw, the two ends included; at least 2.

        Returns
        -------
        ndarray of shape (steps, *image_shape), float32
            Images in [0, 1]. The first and the last are the reconstructions of ``a`` and ``b``.

        Raises
        ------
        InputError
            If ``steps`` is less than 2, or the images do not have the shape of those in ``fit``.
        NotFittedError
            If the estimator is not fitted.
        """
        if steps < 2:
            raise InputError(f"steps={steps}: ask for at least 2, the two ends")
        ends = self.transform(np.stack([np.asarray(a), np.asarray(b)]))
        return self.inverse_transform(interpolate(ends[0], ends[1], steps))

    def traverse(
        self,
        dimension: int,
        X: ArrayLike | None = None,
        *,
        steps: int = 7,
        span: float = 2.0,
        principal: bool = False,
    ) -> NDArray[np.float32]:
        """Draw images along one latent dimension or principal direction, to see what it encodes.

        Parameters
        ----------
        dimension : int
            Latent dimension to change, or number of the principal direction, from 0 to ``latent_dim - 1``.
        X : array-like of shape image_shape, optional
            Image to start from; by default a typical one, whose latent vector has the smallest mean distance to the
            others of ``reference_latents_``.
        steps : int, default=7
            Number of images to draw.
        span : float, default=2.0
            Distance to either side, in standard deviations of ``reference_latents_`` along that direction.
        principal : bool, default=False
            Whether to follow the principal directions of ``reference_latents_``, the one of the largest variance
            first, instead of single dimensions.

        Returns
        -------
        ndarray of shape (steps, *image_shape), float32
            Images in [0, 1].

        Raises
        ------
        InputError
            If ``dimension`` is out of range, or the image does not have the shape of those in ``fit``.
        NotFittedError
            If the estimator is not fitted.
        """
        check_is_fitted(self)
        latents = self.reference_latents_
        if not 0 <= dimension < self.network_.latent_dim:
            raise InputError(f"dimension={dimension}: choose one from 0 to {self.network_.latent_dim - 1}")
        start = find_medoid(latents) if X is None else self.transform(np.asarray(X)[None])[0]
        direction = principal_direction(latents, dimension) if principal else np.eye(latents.shape[1])[dimension]
        reach = span * float((latents @ direction).std())
        return self.inverse_transform(traverse(start, direction, reach, steps))

    def sample(self, n: int = 1, random_state: int | np.random.RandomState | None = None) -> NDArray[np.float32]:
        """Draw new images.

        The variational network decodes latent vectors from the standard normal distribution. The other networks decode
        latent vectors from a Gaussian mixture that is fitted to ``reference_latents_`` at the first call.

        Parameters
        ----------
        n : int, default=1
            Number of images.
        random_state : int, RandomState or None, default=None
            Seed of the latent vectors. Pass an int for the same images at each call.

        Returns
        -------
        ndarray of shape (n, *image_shape), float32
            Images in [0, 1].

        Raises
        ------
        InputError
            If ``n`` is less than 1.
        NotFittedError
            If the estimator is not fitted.
        """
        check_is_fitted(self)
        if n < 1:
            raise InputError(f"n={n}: ask for at least 1")
        random = check_random_state(random_state)
        if isinstance(self.network_, VariationalNetwork):
            return self.inverse_transform(random.normal(size=(n, self.network_.latent_dim)))
        if not hasattr(self, "_density"):
            self._density = fit_density(self.reference_latents_)
        return self.inverse_transform(draw_latents(self._density, n, random))


def interpolate(a: Vectors, b: Vectors, steps: int) -> Vectors:
    """Points at equal distances on the straight line between two latent vectors.

    Parameters
    ----------
    a, b : ndarray of shape (d,), float32
        The two ends.
    steps : int
        Number of points, the two ends included.

    Returns
    -------
    ndarray of shape (steps, d), float32
    """
    fraction = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
    line: Vectors = (1 - fraction) * a + fraction * b
    return line


def find_medoid(latents: Vectors) -> Vectors:
    """Find the vector with the smallest mean distance to the others.

    Parameters
    ----------
    latents : ndarray of shape (n, d), float32
        Latent vectors, of which at most 1,000, evenly spaced, are compared.

    Returns
    -------
    ndarray of shape (d,), float32
    """
    some = latents[:: -(-len(latents) // MAX_COMPARED)]
    medoid: Vectors = some[int(np.argmin(cdist(some, some).sum(1)))]
    return medoid


def principal_direction(latents: Vectors, k: int) -> NDArray[np.float64]:
    """Return a principal direction of latent vectors.

    Parameters
    ----------
    latents : ndarray of shape (n, d), float32
        Latent vectors.
    k : int
        Its number, in descending order of the variances.

    Returns
    -------
    ndarray of shape (d,), float64
        Unit vector whose largest component is positive.
    """
    centered = latents.astype(np.float64) - latents.mean(0, dtype=np.float64)
    direction: NDArray[np.float64] = np.linalg.eigh(centered.T @ centered)[1][:, -1 - k]
    direction *= np.sign(direction[np.abs(direction).argmax()])
    return direction


def traverse(start: Vectors, direction: NDArray[np.float64], reach: float, steps: int) -> Vectors:
    """Copies of a latent vector, moved along a direction in equal steps from -reach to +reach.

    Parameters
    ----------
    start : ndarray of shape (d,), float32
        Latent vector in the middle.
    direction : ndarray of shape (d,), float64
        Unit vector.
    reach : float
        Largest change to either side.
    steps : int
        Number of copies.

    Returns
    -------
    ndarray of shape (steps, d), float32
    """
    line: Vectors = (start + np.linspace(-reach, reach, steps)[:, None] * direction).astype(np.float32)
    return line


def fit_density(latents: Vectors) -> GaussianMixture:
    """Fit a Gaussian mixture with full covariances to latent vectors.

    Parameters
    ----------
    latents : ndarray of shape (n, d), float32
        Latent vectors.

    Returns
    -------
    GaussianMixture
        One component for every ``10 * d`` vectors, at least 1 and at most 20.
    """
    n, d = latents.shape
    n_components = int(np.clip(n // (VECTORS_PER_DIMENSION * d), 1, MAX_COMPONENTS))
    variance = float(latents.var(axis=0, dtype=np.float64).mean()) or 1.0
    mixture = GaussianMixture(n_components, reg_covar=1e-3 * variance, max_iter=MAX_ITERATIONS, random_state=0)
    # products of 64 columns are too small to divide among threads, which would wait for those of the figures
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # samples look no better after more iterations
        # GaussianMixture needs two vectors, and a vector twice has the same density as once
        return mixture.fit(latents.astype(np.float64) if n > 1 else np.repeat(latents, 2, axis=0))


def draw_latents(density: GaussianMixture, n: int, random: np.random.RandomState) -> NDArray[np.float64]:
    """Draw latent vectors from a density, in random order.

    Parameters
    ----------
    density : GaussianMixture
        Density of the latent vectors.
    n : int
        Number of vectors.
    random : RandomState
        Source of randomness.

    Returns
    -------
    ndarray of shape (n, d), float64
    """
    density.set_params(random_state=random)
    vectors: NDArray[np.float64] = density.sample(n)[0]
    return random.permutation(vectors)
