"""Reconstruction errors: a score of each image, and a threshold for outliers."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from latentmap.autoencoder.networks import Network, VariationalNetwork
from latentmap.autoencoder.training.evaluation import encode_with_errors, map_batches, reconstruction_errors
from latentmap.autoencoder.training.pixels import PixelScale, to_unit_interval
from latentmap.core.errors import InputError, UnavailableError


class ScoringMixin:
    """Methods of :class:`latentmap.Autoencoder` that measure how well images are reconstructed."""

    network: str
    network_: Network
    scale_: PixelScale
    image_shape_: tuple[int, ...]
    reference_errors_: NDArray[np.float32]

    if TYPE_CHECKING:

        def reconstruct(self, X: ArrayLike) -> NDArray[np.float32]: ...
        def _check_images(self, X: ArrayLike, *, reset: bool) -> NDArray[Any]: ...

    def score_samples(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the reconstruction error of each image; a high error marks an unusual image.

        Parameters
        ----------
        X : array-like of shape (n, *image_shape)
            Images.

        Returns
        -------
        ndarray of shape (n,), float32
            Mean squared errors in units of [0, 1]².

        Raises
        ------
        InputError
            If the images do not have the shape of those in ``fit``.
        NotFittedError
            If the estimator is not fitted.
        """
        images = self._check_images(X, reset=False)
        return reconstruction_errors(self.network_, images, self.scale_)

    def transform_and_score(self, X: ArrayLike) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the results of :meth:`transform` and :meth:`score_samples`, with one pass over the images.

        Parameters
        ----------
        X : array-like of shape (n, *image_shape)
            Images.

        Returns
        -------
        latents : ndarray of shape (n, latent_dim), float32
            Latent vectors.
        errors : ndarray of shape (n,), float32
            Mean squared errors in units of [0, 1]².

        Raises
        ------
        InputError
            If the images do not have the shape of those in ``fit``.
        NotFittedError
            If the estimator is not fitted.
        """
        images = self._check_images(X, reset=False)
        return encode_with_errors(self.network_, images, self.scale_)

    def channel_errors(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the reconstruction error of each image in each of its channels.

        Parameters
        ----------
        X : array-like of shape (n, *image_shape)
            Images.

        Returns
        -------
        ndarray of shape (n, channels), float32
            Mean squared errors in units of [0, 1]². Their mean over the channels is that of :meth:`score_samples`, up
            to rounding.

        Raises
        ------
        InputError
            If the images do not have the shape of those in ``fit``, or the estimator was fitted on plain vectors.
        NotFittedError
            If the estimator is not fitted.
        """
        images, network = self._check_images(X, reset=False), self.network_
        if len(network.image_shape) != 3:
            raise InputError("plain vectors have no channels: use score_samples")

        def errors(x: torch.Tensor) -> torch.Tensor:
            squares: torch.Tensor = (network(x).reshape(x.shape) - x).square_()
            return squares.mean(dim=(1, 2))

        return map_batches(errors, images, (network.image_shape[2],), network, self.scale_)

    def score(self, X: ArrayLike, y: object = None) -> float:  # noqa: ARG002 - scikit-learn's signature
        """Return minus the mean squared reconstruction error, so that greater is better.

        Parameters
        ----------
        X : array-like of shape (n, *image_shape)
            Images.
        y : None
            Ignored.

        Returns
        -------
        float
            Score in [-1, 0].

        Raises
        ------
        InputError
            If the images do not have the shape of those in ``fit``.
        NotFittedError
            If the estimator is not fitted.
        """
        return -float(self.score_samples(X).mean(dtype=np.float64))

    def elbo(self, X: ArrayLike, random_state: int | None = None) -> NDArray[np.float32]:
        """Return the evidence lower bound of each image under the variational network.

        One latent vector is drawn for each image. Pixels are normally distributed around their reconstruction, with
        one learned variance for all of them.

        Parameters
        ----------
        X : array-like of shape (n, *image_shape)
            Images.
        random_state : int, RandomState or None, default=None
            Seed of the latent vectors. Pass an int for the same values at each call.

        Returns
        -------
        ndarray of shape (n,), float32
            Lower bounds of the log likelihood in nats.

        Raises
        ------
        UnavailableError
            If the network is not variational.
        InputError
            If the images do not have the shape of those in ``fit``.
        NotFittedError
            If the estimator is not fitted.
        """
        images = self._check_images(X, reset=False)
        network = self.network_
        if not isinstance(network, VariationalNetwork):
            raise UnavailableError(f"network={self.network!r} has no evidence lower bound: fit network='variational'")
        with torch.random.fork_rng():
            torch.manual_seed(int(check_random_state(random_state).randint(2**31)))
            return map_batches(network.elbo, images, (), network, self.scale_)

    def residuals(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return images minus their reconstructions.

        Parameters
        ----------
        X : array-like of shape (n, *image_shape)
            Images.

        Returns
        -------
        ndarray of shape (n, *image_shape), float32
            Differences in [-1, 1].

        Raises
        ------
        InputError
            If the images do not have the shape of those in ``fit``.
        NotFittedError
            If the estimator is not fitted.
        """
        images = self._check_images(X, reset=False)
        unit = to_unit_interval(self.scale_.prepare(images)).reshape(len(images), *self.image_shape_)
        return unit - self.reconstruct(X)

    def outlier_threshold(self, contamination: float = 0.01) -> float:
        """Return the reconstruction error that a fraction ``contamination`` of the reference images exceeds.

        The reference images are the validation images if there are any. Otherwise they are training images, whose
        errors are a little smaller than those of new images.

        Parameters
        ----------
        contamination : float, default=0.01
            Fraction of the reference images above the threshold, in (0, 1).

        Returns
        -------
        float
            Mean squared error in units of [0, 1]².

        Raises
        ------
        InputError
            If ``contamination`` is not between 0 and 1.
        NotFittedError
            If the estimator is not fitted.
        """
        if not 0 < contamination < 1:
            raise InputError(f"contamination={contamination}: pass a fraction between 0 and 1")
        check_is_fitted(self)
        return float(np.quantile(self.reference_errors_, 1 - contamination))

    def is_outlier(self, X: ArrayLike, contamination: float = 0.01) -> NDArray[np.bool_]:
        """Return which images have a reconstruction error above :meth:`outlier_threshold`.

        Parameters
        ----------
        X : array-like of shape (n, *image_shape)
            Images.
        contamination : float, default=0.01
            Fraction of the reference images above the threshold, in (0, 1).

        Returns
        -------
        ndarray of shape (n,), bool

        Raises
        ------
        InputError
            If ``contamination`` is not between 0 and 1, or the images do not have the shape of those in ``fit``.
        NotFittedError
            If the estimator is not fitted.
        """
        outliers: NDArray[np.bool_] = self.score_samples(X) > self.outlier_threshold(contamination)
        return outliers
