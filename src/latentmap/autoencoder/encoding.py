"""Images to latent vectors and back, with a trained network."""

from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from latentmap.autoencoder.checks import check_pixels, with_channels
from latentmap.autoencoder.networks import Network
from latentmap.autoencoder.tangents import N_DEFORMATIONS, tangents
from latentmap.autoencoder.training.evaluation import latent_vectors, map_batches
from latentmap.autoencoder.training.pixels import PixelScale
from latentmap.core.errors import InputError


# TransformerMixin is a base of this class, because it wraps only methods of its subclasses for `set_output`.
class EncodingMixin(ClassNamePrefixFeaturesOutMixin, TransformerMixin):  # type: ignore[misc]
    """Methods of :class:`latentmap.Autoencoder` that encode images and decode latent vectors."""

    network_: Network
    scale_: PixelScale
    image_shape_: tuple[int, ...]
    n_features_in_: int

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Encode images as latent vectors.

        Parameters
        ----------
        X : array-like of shape (n, *image_shape)
            Images.

        Returns
        -------
        ndarray of shape (n, latent_dim), float32
            Latent vectors; for the variational network the means of their distributions.

        Raises
        ------
        InputError
            If the images do not have the shape of those in ``fit``.
        NotFittedError
            If the estimator is not fitted.
        """
        images = self._check_images(X, reset=False)
        return latent_vectors(self.network_, images, self.scale_)

    def inverse_transform(self, Z: ArrayLike) -> NDArray[np.float32]:
        """Decode latent vectors into images.

        Parameters
        ----------
        Z : array-like of shape (n, latent_dim)
            Latent vectors.

        Returns
        -------
        ndarray of shape (n, *image_shape), float32
            Images in [0, 1].

        Raises
        ------
        InputError
            If the vectors do not have ``latent_dim`` entries.
        NotFittedError
            If the estimator is not fitted.
        """
        check_is_fitted(self)
        latents = check_array(Z, dtype=np.float32)
        if latents.shape[1] != self.network_.latent_dim:
            raise InputError(
                f"latent vectors of {latents.shape[1]} dimensions, but this Autoencoder has "
                f"latent_dim={self.network_.latent_dim}: pass an array of shape (n, {self.network_.latent_dim})"
            )
        return map_batches(self.network_.decode, latents, self.image_shape_, self.network_)

    def reconstruct(self, X: ArrayLike) -> NDArray[np.float32]:
        """Encode images and decode them again.

        Parameters
        ----------
        X : array-like of shape (n, *image_shape)
            Images.

        Returns
        -------
        ndarray of shape (n, *image_shape), float32
            Reconstructions in [0, 1].

        Raises
        ------
        InputError
            If the images do not have the shape of those in ``fit``.
        NotFittedError
            If the estimator is not fitted.
        """
        images = self._check_images(X, reset=False)
        return map_batches(self.network_, images, self.image_shape_, self.network_, self.scale_)

    def denoise(self, X: ArrayLike) -> NDArray[np.float32]:
        """Remove noise from images. The same as :meth:`reconstruct`; train with ``denoising`` for good results.

        Parameters
        ----------
        X : array-like of shape (n, *image_shape)
            Noisy images.

        Returns
        -------
        ndarray of shape (n, *image_shape), float32
            Reconstructions in [0, 1].

        Raises
        ------
        InputError
            If the images do not have the shape of those in ``fit``.
        NotFittedError
            If the estimator is not fitted.
        """
        return self.reconstruct(X)

    def tangents(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the change of latent vectors under small shifts, rotations, shears and stretches of the images.

        This takes twelve times as long as :meth:`transform`.

        Parameters
        ----------
        X : array-like of shape (n, *image_shape)
            Images.

        Returns
        -------
        ndarray of shape (n, 6, latent_dim), float32
            One change for each entry of an affine map; see :func:`latentmap.autoencoder.tangents.tangents`.

        Raises
        ------
        InputError
            If the estimator was fitted on plain vectors, or the images do not have the shape of those in ``fit``.
        NotFittedError
            If the estimator is not fitted.
        """
        images = self._check_images(X, reset=False)
        network = self.network_
        if len(network.image_shape) != 3:
            raise InputError("plain vectors have no rows and columns to shift: group them without tangents")
        shape = (N_DEFORMATIONS, network.latent_dim)
        return map_batches(lambda x: tangents(network.encode, x), images, shape, network, self.scale_)

    def _check_images(self, X: ArrayLike, *, reset: bool) -> NDArray[Any]:
        """Check ``X`` and return it as (n, height, width, channels) or (n, n_features)."""
        if not reset:
            check_is_fitted(self)
        if isinstance(X, list | tuple):
            X = np.asarray(X)
        if getattr(X, "ndim", 2) not in (3, 4):
            images = validate_data(self, X, reset=reset, dtype="numeric", order="C")
            if reset:
                self.image_shape_ = images.shape[1:]
            elif len(self.image_shape_) != 1:
                raise InputError(
                    f"vectors of {images.shape[1]} features, but this Autoencoder was fitted on images of shape "
                    f"{self.image_shape_}: reshape them to (n, {', '.join(map(str, self.image_shape_))})"
                )
            return np.asarray(images)
        images = np.asarray(X)
        check_pixels(images)
        shape = with_channels(images.shape[1:])
        if reset:
            self.image_shape_ = images.shape[1:]
            self.n_features_in_ = prod(shape)
        elif shape != with_channels(self.image_shape_):
            raise InputError(
                f"images of shape {images.shape[1:]}, but this Autoencoder was fitted on images of shape "
                f"{self.image_shape_}: resize them, or fit again"
            )
        return images.reshape(len(images), *shape)
