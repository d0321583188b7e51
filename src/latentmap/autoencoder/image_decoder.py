"""A decoder that follows scikit-learn's conventions: it draws images from vectors that come from elsewhere."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import asdict
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.extmath import randomized_svd
from sklearn.utils.validation import check_array, check_is_fitted

from latentmap.autoencoder.checks import PARAMETER_CONSTRAINTS, check_parameters, check_pixels, with_channels
from latentmap.autoencoder.decoder_files import load_decoder, save_decoder
from latentmap.autoencoder.fitting import checkpoint_key
from latentmap.autoencoder.generation import interpolate
from latentmap.autoencoder.networks import DECODERS, DecoderNetwork, Layer, build_decoder, resolve_names
from latentmap.autoencoder.onnx import export_decoder
from latentmap.autoencoder.training import History, VectorBatches, train
from latentmap.autoencoder.training.defaults import choose_batch_size, choose_recipe
from latentmap.autoencoder.training.evaluation import (
    N_INITIALIZATION_IMAGES,
    decode_vectors,
    decoding_errors,
    max_batch_size,
)
from latentmap.autoencoder.training.pixels import PixelScale, to_unit_interval
from latentmap.autoencoder.training.precision import N_COMPARED, choose_precision
from latentmap.core.atomic_files import user_path
from latentmap.core.devices import choose_device
from latentmap.core.errors import InputError, TrainingError
from latentmap.core.mapped_arrays import blocks
from latentmap.core.parallel import one_thread
from latentmap.core.progress import Callback, show_progress

# Standard deviation below which a dimension counts as constant, as a fraction of the largest one.
MIN_STD_FRACTION = 1e-4
# Longer vectors are projected on so many principal components, of a sample of so many.
MAX_DIMENSIONS, N_COMPONENTS, N_SAMPLED = 1024, 512, 5000

Vectors = NDArray[np.float32]


class ImageDecoder(BaseEstimator):  # type: ignore[misc]
    """Decoder that draws images from given vectors, such as those of an image encoder.

    It is the decoding half of an :class:`latentmap.Autoencoder`, trained alone: the vectors stay as they are, and the
    network learns to draw the image of each. Images can then be drawn from any vector, also between those that were
    given, and the reconstruction error tells how much of an image its vector keeps.

    Parameters
    ----------
    network : {"auto", "pyramid", "dense", "conv"}, default="auto"
        Architecture whose decoding half is trained; see :class:`latentmap.Autoencoder`. ``"auto"`` is ``"pyramid"``.
    activation : str, default="auto"
        Activation of the hidden layers: the name of an elementwise activation of ``torch.nn`` in lower case.
        ``"auto"`` is ELU.
    epochs, batch_size, optimizer, learning_rate, schedule, max_grad_norm, precision
        Settings of the training; see :class:`latentmap.Autoencoder`. Below 10,000 images, pairs of a vector and an
        image are mixed (mixup), as the images of an autoencoder are.
    checkpoint : path, optional
        File that is written after each epoch, from which ``fit`` with the same parameters, vectors and images resumes.
    device : str, default="auto"
        Torch device: ``"cpu"``, ``"cuda"``, ``"cuda:N"`` or ``"mps"``. ``"auto"`` chooses CUDA, then MPS, then the CPU.
    random_state : int, RandomState or None, default=None
        Seed for all random number generators.
    callback : callable, optional
        Function that is called with a :class:`latentmap.core.progress.Progress` after each batch.
    verbose : bool, default=False
        Whether to show progress with the loss and the remaining time on stderr.

    Attributes
    ----------
    network_ : DecoderNetwork
        Trained network in evaluation mode. It takes standardised vectors.
    mean_, std_ : ndarray of shape (d,), float32
        Mean and standard deviation of each dimension of the vectors in ``fit``, by which vectors are standardised.
        The standard deviation of a constant dimension is infinite, so that it has no influence.
    components_ : ndarray of shape (k, d), float32, or None
        Principal components that standardised vectors of more than 1,024 dimensions are projected on, at most 512. With
        all of their dimensions the first layer would take most of the time of the training.
    history_ : dict of str to list of float
        One value for each epoch: ``loss`` (mean squared error), ``learning_rate`` and ``seconds``.
    n_epochs_ : int
        Number of epochs trained.
    recipe_ : dict
        Values that were chosen for ``"auto"``, and the other settings of the training.
    precision_ : {"float32", "bfloat16"}
        Type of the factors of matrix products in training.
    scale_ : PixelScale
        Map from stored pixels to [0, 1].
    image_shape_ : tuple of int
        Shape of one image in ``fit``.
    n_features_in_ : int
        Length of the vectors.

    Examples
    --------
    >>> import numpy as np
    >>> import latentmap as lm
    >>> images, _ = lm.load_mnist("test")
    >>> vectors = images[:256, ::4, ::4].reshape(256, -1)
    >>> decoder = lm.ImageDecoder(epochs=1, random_state=0).fit(vectors, images[:256])
    >>> decoder.predict(vectors[:3]).shape
    (3, 28, 28)
    >>> decoder.interpolate(vectors[0], vectors[1], steps=5).shape
    (5, 28, 28)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        name: PARAMETER_CONSTRAINTS[name]
        for name in (
            *("activation", "epochs", "batch_size", "optimizer", "learning_rate", "schedule", "max_grad_norm"),
            *("precision", "checkpoint", "device", "random_state", "callback", "verbose"),
        )
    } | {"network": [StrOptions({"auto", *DECODERS})]}

    def __init__(
        self,
        network: str = "auto",
        *,
        activation: str = "auto",
        epochs: int | Literal["auto"] = "auto",
        batch_size: int | Literal["auto"] = "auto",
        optimizer: str = "auto",
        learning_rate: float | Literal["auto"] = "auto",
        schedule: str = "auto",
        max_grad_norm: float | None = None,
        precision: str = "auto",
        checkpoint: str | os.PathLike[str] | None = None,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        callback: Callback | None = None,
        verbose: bool = False,
    ) -> None:
        self.network = network
        self.activation = activation
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.max_grad_norm = max_grad_norm
        self.precision = precision
        self.checkpoint = checkpoint
        self.device = device
        self.random_state = random_state
        self.callback = callback
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: ArrayLike, *, pixel_range: tuple[float, float] | None = None) -> Self:
        """Train on vectors and their images.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Vectors, in memory or memory-mapped.
        y : array-like of shape (n, height, width), (n, height, width, channels) or (n, n_features)
            Images, in memory or memory-mapped.
        pixel_range : (float, float), optional
            Values of pixels that become 0 and 1, such as (0, 65535) for uint16. By default they are chosen from the
            images.

        Returns
        -------
        self : ImageDecoder
            Fitted estimator.

        Raises
        ------
        ValueError
            If a parameter is out of its range.
        InputError
            If an activation is unknown, vectors and images do not fit each other, or a value is NaN or infinite.
        TrainingError
            If the loss becomes NaN or infinite.
        """
        self._validate_params()
        check_parameters(self.activation, None, 0.0, ())
        vectors, images = _check_vectors(X), _check_images(y)
        if len(vectors) != len(images):
            raise InputError(f"{len(vectors)} vectors for {len(images)} images: pass one for each, in the same order")
        self.image_shape_, self.n_features_in_ = images.shape[1:], vectors.shape[1]
        images = images.reshape(len(images), *with_channels(self.image_shape_))
        self.mean_, self.std_ = _moments(vectors)
        self.components_: Vectors | None = None
        self.scale_ = PixelScale.from_images(images, pixel_range)
        seed = int(check_random_state(self.random_state).randint(2**31))
        if self.n_features_in_ > MAX_DIMENSIONS:
            self.components_ = self._principal_components(vectors, seed)
        name, activation = resolve_names(self.network, self.activation)
        batch_size = choose_batch_size(self.batch_size, name, len(images))
        settings = (self.epochs, self.optimizer, self.learning_rate, self.schedule)
        recipe = choose_recipe(name, len(images), batch_size, *settings, "auto", max_grad_norm=self.max_grad_norm)
        names: dict[str, Any] = {"network": name, "activation": activation, "batch_size": batch_size}
        self.recipe_ = names | asdict(recipe)
        with ExitStack() as stack:
            stack.enter_context(torch.random.fork_rng())
            callback = stack.enter_context(self._progress())
            torch.manual_seed(seed)
            network = self._initial_network(vectors, images, seed)
            first = self._standardize(vectors[:N_COMPARED])
            dtype = choose_precision(self.precision, network, self.scale_.prepare(images[:N_COMPARED]), first)
            rows = np.arange(len(images))
            self.history_: History = train(
                network,
                VectorBatches(vectors, images, rows, self.scale_, batch_size, seed, self._standardize),
                recipe,
                dtype=dtype,
                checkpoint=None if self.checkpoint is None else user_path(self.checkpoint),
                key="" if self.checkpoint is None else self._checkpoint_key(vectors, images, seed),
                callback=callback,
            )
        if not all(bool(torch.isfinite(values).all()) for values in network.state_dict().values()):
            raise TrainingError(
                f"the weights became NaN or infinite: try a learning_rate below {recipe.learning_rate:g}"
            )
        self.network_ = network
        self.precision_ = str(dtype).removeprefix("torch.")
        self.n_epochs_ = len(self.history_["loss"])
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float32]:
        """Draw images from vectors.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Vectors.

        Returns
        -------
        ndarray of shape (n, *image_shape), float32
            Images in [0, 1].

        Raises
        ------
        InputError
            If the vectors do not have the length of those in ``fit``.
        NotFittedError
            If the estimator is not fitted.
        """
        vectors = self._check_fitted_vectors(X)
        drawn = decode_vectors(self.network_, vectors, self._standardize)
        return drawn.reshape(len(vectors), *self.image_shape_)

    def interpolate(self, a: ArrayLike, b: ArrayLike, steps: int = 8) -> NDArray[np.float32]:
        """Draw images on the straight line from one vector to another.

        Parameters
        ----------
        a, b : array-like of shape (d,)
            The two ends.
        steps : int, default=8
            Number of images to draw, the two ends included; at least 2.

        Returns
        -------
        ndarray of shape (steps, *image_shape), float32
            Images in [0, 1].

        Raises
        ------
        InputError
            If ``steps`` is less than 2, or the vectors do not have the length of those in ``fit``.
        NotFittedError
            If the estimator is not fitted.
        """
        if steps < 2:
            raise InputError(f"steps={steps}: ask for at least 2, the two ends")
        ends = self._check_fitted_vectors(np.stack([np.asarray(a), np.asarray(b)]))
        return self.predict(interpolate(ends[0], ends[1], steps))

    def score_samples(self, X: ArrayLike, y: ArrayLike) -> NDArray[np.float32]:
        """Return the reconstruction error of each image: how far the image drawn from its vector is from it.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Vectors.
        y : array-like of shape (n, *image_shape)
            Images.

        Returns
        -------
        ndarray of shape (n,), float32
            Mean squared errors in units of [0, 1]².

        Raises
        ------
        InputError
            If vectors or images do not have the shape of those in ``fit``.
        NotFittedError
            If the estimator is not fitted.
        """
        vectors, images = self._check_fitted_vectors(X), _check_images(y)
        if images.shape != (len(vectors), *self.image_shape_):
            raise InputError(
                f"images of shape {images.shape} for {len(vectors)} vectors, but this ImageDecoder was fitted on "
                f"images of shape {self.image_shape_}: pass one for each vector"
            )
        images = images.reshape(len(images), *with_channels(self.image_shape_))
        return decoding_errors(self.network_, vectors, images, self.scale_, self._standardize)

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """Return minus the mean squared reconstruction error, so that greater is better.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Vectors.
        y : array-like of shape (n, *image_shape)
            Images.

        Returns
        -------
        float
            Score in [-1, 0].

        Raises
        ------
        InputError
            If vectors or images do not have the shape of those in ``fit``.
        NotFittedError
            If the estimator is not fitted.
        """
        return -float(self.score_samples(X, y).mean(dtype=np.float64))

    def layer_table(self) -> list[Layer]:
        """Return the layers of the network.

        Returns
        -------
        list of Layer
            Name, kind, output shape and number of parameters of each layer, in the order of the forward pass.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        """
        check_is_fitted(self)
        return self.network_.layer_table()

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the fitted estimator as ``config.json`` and ``weights.safetensors``.

        ``callback`` and ``checkpoint`` are not saved.

        Parameters
        ----------
        folder : path
            Folder to write into; it is created if it does not exist.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        """
        check_is_fitted(self)
        save_decoder(self, user_path(folder))

    @classmethod
    def load(cls, folder: str | os.PathLike[str], *, device: str | None = None) -> Self:
        """Read an estimator that :meth:`save` wrote. No code from the files is run.

        Parameters
        ----------
        folder : path
            Folder of the saved estimator.
        device : str, optional
            Torch device of the network instead of the saved one.

        Returns
        -------
        ImageDecoder
            Fitted estimator.

        Raises
        ------
        ModelFileError
            If a file is missing, damaged or of another format.
        InputError
            If there is no such device.
        """
        return load_decoder(cls, user_path(folder), device)

    def export_onnx(self, path: str | os.PathLike[str]) -> None:
        """Write the decoder as an ONNX file, after comparing it with onnxruntime.

        It maps ``vectors`` (n, d), float32, as they were given to ``fit``, to ``images`` (n, *image_shape), float32 in
        [0, 1]. The number of images n is free.

        Parameters
        ----------
        path : path
            File to write.

        Raises
        ------
        MissingPackageError
            If the packages of ``pip install 'latentmap[onnx]'`` are missing.
        ExportError
            If the results of onnxruntime differ by more than 1e-4; the file is then not written.
        NotFittedError
            If the estimator is not fitted.
        """
        check_is_fitted(self)
        moments = self.mean_, self.std_, self.components_
        export_decoder(self.network_, user_path(path), *moments, self.image_shape_)

    def _initial_network(self, vectors: NDArray[Any], images: NDArray[Any], seed: int) -> DecoderNetwork:
        name, activation = resolve_names(self.network, self.activation)
        length = vectors.shape[1] if self.components_ is None else len(self.components_)
        network = build_decoder(name, images.shape[1:], length, activation)
        device = choose_device(self.device)
        network.to(device)
        generator = torch.Generator().manual_seed(seed)
        n_sample = max_batch_size(N_INITIALIZATION_IMAGES, images.shape[1:])
        rows = np.sort(torch.randperm(len(images), generator=generator)[:n_sample].numpy())
        sample = to_unit_interval(self.scale_.prepare(images[rows]))
        inputs = torch.from_numpy(self._standardize(vectors[rows])).to(device)
        network.initialize_for(generator, inputs, torch.from_numpy(sample).to(device))
        return network

    def _checkpoint_key(self, vectors: NDArray[Any], images: NDArray[Any], seed: int) -> str:
        of_images = checkpoint_key(self.get_params(deep=False), images, seed, warm=False)
        return of_images + checkpoint_key({}, vectors, seed, warm=False)

    def _standardize(self, vectors: NDArray[Any]) -> Vectors:
        """Vectors (m, d) as the network takes them."""
        standard: Vectors = (vectors.astype(np.float32) - self.mean_) / self.std_
        return standard if self.components_ is None else standard @ self.components_.T

    def _principal_components(self, vectors: NDArray[Any], seed: int) -> Vectors:
        """Principal components of standardised vectors, scaled so that the mean variance along them is 1."""
        sample = self._standardize(vectors[:: -(-len(vectors) // N_SAMPLED)])
        k = min(N_COMPONENTS, len(sample))
        with one_thread():  # the same sums for any number of threads
            _, values, rows = randomized_svd(sample, k, random_state=seed)
        scale = float(np.sqrt(np.square(values).sum() / len(sample) / k)) or 1.0
        components: Vectors = (rows / scale).astype(np.float32)
        return components

    def _check_fitted_vectors(self, X: ArrayLike) -> NDArray[Any]:
        check_is_fitted(self)
        vectors = _check_vectors(X)
        if vectors.shape[1] != self.n_features_in_:
            raise InputError(
                f"vectors of {vectors.shape[1]} dimensions, but this ImageDecoder was fitted on vectors of "
                f"{self.n_features_in_}: pass an array of shape (n, {self.n_features_in_})"
            )
        return vectors

    def _progress(self) -> AbstractContextManager[Callable[..., None] | None]:
        return show_progress("training") if self.verbose and self.callback is None else nullcontext(self.callback)


def _check_vectors(X: ArrayLike) -> NDArray[Any]:
    """Vectors (n, d) of finite numbers; a memory-mapped array of float32 is not copied."""
    vectors: NDArray[Any] = check_array(X, dtype=[np.float32, np.float64, np.float16], ensure_all_finite=True)
    return vectors


def _check_images(y: ArrayLike) -> NDArray[Any]:
    images = np.asarray(y)
    if images.ndim not in (2, 3, 4):
        raise InputError(
            f"images of shape {images.shape}: pass (n, height, width), (n, height, width, channels) or (n, n_features)"
        )
    check_pixels(images)
    return images


def _moments(vectors: NDArray[Any]) -> tuple[Vectors, Vectors]:
    """Mean and standard deviation of each dimension, the latter infinite where it is constant."""
    n, sums = len(vectors), np.zeros((2, vectors.shape[1]))
    for block in blocks(vectors):
        sums[0] += block.sum(axis=0, dtype=np.float64)
    mean = sums[0] / n
    for block in blocks(vectors):
        sums[1] += np.square(block - mean).sum(axis=0)
    std = np.sqrt(sums[1] / n)
    std[std <= MIN_STD_FRACTION * std.max()] = np.inf
    return mean.astype(np.float32), std.astype(np.float32)
