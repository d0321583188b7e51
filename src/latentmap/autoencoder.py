"""An autoencoder with scikit-learn's contract: images in, latent vectors out, and back."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from math import prod
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from latentmap.networks import NETWORKS, Layer, build
from latentmap.progress import Callback, shown
from latentmap.saving import ModelFileError, read_model, write_model
from latentmap.training import INFERENCE_BATCH, PixelScale, at_once, reconstruction_errors, train


class Autoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Learns to squeeze images through a short latent vector and to draw them again from it.

    Parameters
    ----------
    network : {"auto", "dense", "conv"}, default="auto"
        ``"dense"``: one hidden layer on either side of the latent vector. ``"conv"``: two strided convolutions and
        their transposes. ``"auto"``: ``"conv"`` for images, ``"dense"`` for plain vectors.
    latent_dim : int, default=64
        Length of the latent vector.
    activation : str, default="elu"
        Of every layer but the last; any elementwise activation of ``torch.nn`` by its name in lower case.
    epochs : int, default=10
    batch_size : int, default=256
    learning_rate : float, default=1e-3
        Of Adam, constant.
    validation_fraction : float, default=0.0
        Share of the images that is not trained on, in [0, 1). Their loss is recorded as ``val_loss``, and the weights
        of the epoch where it was lowest are kept.
    patience : int, optional
        Stop early when ``val_loss`` has not fallen for so many epochs. Needs ``validation_fraction``.
    device : str, default="auto"
        A torch device; ``"auto"`` takes CUDA, else MPS, else the CPU.
    random_state : int, RandomState or None, default=None
        Seed of the weights and of the order of the images. The same seed on the same machine with the same number of
        threads gives the same weights to the last bit; other processors and thread counts sum in another order.
    callback : callable, optional
        Called with a :class:`latentmap.progress.Progress` after every batch.
    verbose : bool, default=False
        Show progress with loss and time left on stderr.

    Attributes
    ----------
    network_ : torch.nn.Module
        The trained network, in evaluation mode. It takes and gives floats in [0, 1] of shape
        (n, height, width, channels), or (n, n_features).
    history_ : dict of lists
        ``loss``, ``seconds`` and, with validation, ``val_loss``: one value an epoch.
    n_epochs_ : int
        Epochs trained.
    image_shape_ : tuple of int
        Shape of one image of those given to ``fit``.
    n_features_in_ : int
        Values in one image.

    Notes
    -----
    Images are (n, height, width) or (n, height, width, channels); two-dimensional input is taken as plain vectors.
    uint8 pixels are divided by 255, floats in [0, 1] are taken as they are, and any other range is mapped to [0, 1] by
    the smallest and largest value seen in ``fit``. All that is drawn and every error is in that [0, 1].

    Sides that four does not divide are padded inside ``"conv"`` and its output is cropped, so that any size works.

    References
    ----------
    Hinton and Salakhutdinov (2006), Reducing the dimensionality of data with neural networks, Science 313.

    Examples
    --------
    >>> import latentmap as lm
    >>> images, _ = lm.load_mnist("test")
    >>> autoencoder = lm.Autoencoder(network="dense", latent_dim=16, epochs=1, random_state=0).fit(images[:512])
    >>> autoencoder.transform(images[:512]).shape
    (512, 16)
    >>> autoencoder.reconstruct(images[:3]).shape
    (3, 28, 28)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "network": [StrOptions({"auto", *NETWORKS})],
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        "activation": [str],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "patience": [None, Interval(Integral, 1, None, closed="left")],
        "device": [str],
        "random_state": ["random_state"],
        "callback": [None, callable],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        network: str = "auto",
        *,
        latent_dim: int = 64,
        activation: str = "elu",
        epochs: int = 10,
        batch_size: int = 256,
        learning_rate: float = 1e-3,
        validation_fraction: float = 0.0,
        patience: int | None = None,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        callback: Callback | None = None,
        verbose: bool = False,
    ) -> None:
        self.network = network
        self.latent_dim = latent_dim
        self.activation = activation
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.device = device
        self.random_state = random_state
        self.callback = callback
        self.verbose = verbose

    # ---------------------------------------------------------------- scikit-learn's contract

    def fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        """Train on images.

        Parameters
        ----------
        X : array (n, height, width), (n, height, width, channels) or (n, n_features)
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For a parameter out of its range, an unknown network or activation, NaN among the pixels, or no images.
        TrainingError
            If the loss becomes infinite or NaN.
        """
        self._validate_params()
        if self.patience is not None and not self.validation_fraction:
            raise ValueError(
                f"patience={self.patience} watches the validation loss, but validation_fraction=0: "
                "set it to 0.1, say, or leave patience out"
            )
        images = self._check_images(X, reset=True)
        self.scale_ = PixelScale.of(images)
        seed = int(check_random_state(self.random_state).randint(2**31))
        generator = torch.Generator().manual_seed(seed)
        images, validation = _split(images, self.validation_fraction, generator)
        # torch's global generator, from which its constructors and a few activations draw, is left as it was
        with torch.random.fork_rng(), self._progress() as callback:
            torch.manual_seed(seed)
            network = build(self.network, images.shape[1:], self.latent_dim, self.activation)
            network.to(_device(self.device))
            self.history_ = train(
                network,
                images,
                self.scale_,
                epochs=self.epochs,
                batch_size=self.batch_size,
                learning_rate=self.learning_rate,
                generator=generator,
                validation=validation,
                patience=self.patience,
                callback=callback,
            )
        self.network_ = network
        self.n_epochs_ = len(self.history_["loss"])
        self._n_features_out = self.latent_dim
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Encode images: (n, *image_shape) → latent vectors (n, latent_dim) float32."""
        images = self._check_images(X, reset=False)
        return self._in_batches(
            lambda batch: self.network_.encode(self._tensor(batch)), images, (self.network_.latent_dim,)
        )

    def inverse_transform(self, Z: ArrayLike) -> NDArray[np.float32]:
        """Draw the images of latent vectors: (n, latent_dim) → (n, *image_shape) float32 in [0, 1]."""
        check_is_fitted(self)
        latents = check_array(Z, dtype=np.float32)
        if latents.shape[1] != self.network_.latent_dim:
            raise ValueError(
                f"latent vectors of {latents.shape[1]} dimensions, but this Autoencoder has "
                f"latent_dim={self.network_.latent_dim}: pass an array of shape (n, {self.network_.latent_dim})"
            )
        return self._in_batches(
            lambda batch: self.network_.decode(torch.from_numpy(batch).to(self._device())), latents, self.image_shape_
        )

    def reconstruct(self, X: ArrayLike) -> NDArray[np.float32]:
        """Encode and draw again: (n, *image_shape) → the same shape, float32 in [0, 1]."""
        images = self._check_images(X, reset=False)
        return self._in_batches(lambda batch: self.network_(self._tensor(batch)), images, self.image_shape_)

    def score_samples(self, X: ArrayLike) -> NDArray[np.float32]:
        """Reconstruction error of each image: (n, *image_shape) → mean squared error (n,) float32; high is unusual."""
        images = self._check_images(X, reset=False)
        return reconstruction_errors(self.network_, images, self.scale_)

    def score(self, X: ArrayLike, y: object = None) -> float:  # noqa: ARG002 - scikit-learn's signature
        """Minus the mean squared error over all images, so that greater is better, as scikit-learn wants it."""
        return -float(self.score_samples(X).mean(dtype=np.float64))

    def __sklearn_tags__(self) -> Tags:
        tags: Tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]  # latent vectors are float32 whatever goes in
        return tags

    # ---------------------------------------------------------------- looking at the network

    def layer_table(self) -> list[Layer]:
        """Name, kind, output shape and number of parameters of each layer."""
        check_is_fitted(self)
        table: list[Layer] = self.network_.layer_table()
        return table

    def summary(self, print_fn: Callable[[str], object] = print) -> None:
        """Print the layer table, in the manner of Keras, through ``print_fn`` line by line."""
        check_is_fitted(self)
        table = self.layer_table()
        line = "{:<29}{:<27}{:>10}".format
        print_fn(f"Network: {type(self.network_).__name__}, activation {self.activation}")
        print_fn(line("Layer (type)", "Output Shape", "Param #"))
        print_fn("=" * 66)
        for layer in table:
            name = f"{layer.name} ({layer.kind})"
            print_fn(line(name if len(name) <= 28 else name[:28], str(layer.output_shape), layer.n_parameters))
        print_fn("=" * 66)
        trainable = sum(p.numel() for p in self.network_.parameters() if p.requires_grad)
        total = sum(layer.n_parameters for layer in table)
        print_fn(f"Total params: {total:,}")
        print_fn(f"Trainable params: {trainable:,}")
        print_fn(f"Non-trainable params: {total - trainable:,}")

    # ---------------------------------------------------------------- files

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write ``config.json`` and ``weights.safetensors`` into ``folder``, which is made when it is not there."""
        check_is_fitted(self)
        parameters = self.get_params(deep=False) | {"callback": None}
        if isinstance(self.random_state, np.random.RandomState):
            parameters["random_state"] = None  # a generator's state is no setting
        config = {
            "parameters": parameters,
            "image_shape": list(self.image_shape_),
            "scale": [self.scale_.low, self.scale_.high],
            "history": self.history_,
        }
        write_model(Path(folder), config, self.network_.state_dict())

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read what :meth:`save` wrote. No code in the files is run.

        Raises
        ------
        ModelFileError
            If a file is missing, damaged, or of another format.
        """
        config, weights = read_model(Path(folder))
        try:
            model = cls(**config["parameters"])
            model.image_shape_ = tuple(config["image_shape"])
            shape = _canonical_shape(model.image_shape_)
            model.scale_ = PixelScale(*config["scale"])
            model.history_ = config["history"]
            network = build(model.network, shape, model.latent_dim, model.activation)
            network.load_state_dict(weights)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ModelFileError(f"{folder} does not hold a model that this version can build: {error}") from error
        model.network_ = network.to(_device(model.device)).eval()
        model.n_epochs_ = len(model.history_["loss"])
        model.n_features_in_ = prod(shape)
        model._n_features_out = model.latent_dim
        return model

    # ---------------------------------------------------------------- helpers

    def _check_images(self, X: ArrayLike, *, reset: bool) -> NDArray[Any]:
        """Check ``X`` and return it as (n, height, width, channels), or (n, n_features)."""
        if not reset:
            check_is_fitted(self)
        if isinstance(X, list | tuple):
            X = np.asarray(X)
        if getattr(X, "ndim", 2) not in (3, 4):
            images = validate_data(self, X, reset=reset, dtype="numeric", order="C")
            if reset:
                self.image_shape_: tuple[int, ...] = images.shape[1:]
            elif len(self.image_shape_) != 1:
                raise ValueError(
                    f"vectors of {images.shape[1]} features, but this Autoencoder was fitted on images of shape "
                    f"{self.image_shape_}: reshape them to (n, {', '.join(map(str, self.image_shape_))})"
                )
            return np.asarray(images)
        images = np.asarray(X)
        _check_pixels(images)
        shape = _canonical_shape(images.shape[1:])
        if reset:
            self.image_shape_ = images.shape[1:]
            self.n_features_in_ = prod(shape)
        elif shape != _canonical_shape(self.image_shape_):
            raise ValueError(
                f"images of shape {images.shape[1:]}, but this Autoencoder was fitted on images of shape "
                f"{self.image_shape_}: resize them, or fit again"
            )
        return images.reshape(len(images), *shape)

    def _progress(self) -> AbstractContextManager[Callback | None]:
        return shown("training") if self.verbose and self.callback is None else nullcontext(self.callback)

    def _device(self) -> torch.device:
        device: torch.device = next(self.network_.parameters()).device
        return device

    def _tensor(self, images: NDArray[Any]) -> torch.Tensor:
        return self.scale_.to_tensor(images, self._device())

    def _in_batches(
        self, function: Callable[[NDArray[Any]], torch.Tensor], items: NDArray[Any], shape: tuple[int, ...]
    ) -> NDArray[np.float32]:
        self.network_.eval()
        result = np.empty((len(items), *shape), np.float32)
        with torch.inference_mode():
            batch_size = at_once(INFERENCE_BATCH, self.image_shape_)
            for begin in range(0, len(items), batch_size):
                batch = items[begin : begin + batch_size]
                result[begin : begin + len(batch)] = function(batch).cpu().numpy().reshape(len(batch), *shape)
        return result


def _check_pixels(images: NDArray[Any]) -> None:
    if images.dtype.kind not in "bufi":
        raise ValueError(f"pixels of type {images.dtype}: pass uint8, another integer type, or floats")
    if 0 in images.shape:
        raise ValueError(f"no images in an array of shape {images.shape}: pass at least one, with at least one pixel")
    if images.dtype.kind == "f" and not np.isfinite(images.sum(dtype=np.float64)):
        bad = ~np.isfinite(images)
        if bad.any():
            first = int(np.argwhere(bad.reshape(len(images), -1).any(1))[0, 0])
            raise ValueError(
                f"{int(bad.sum())} pixels are NaN or infinite, the first in image {first}: "
                "replace them (np.nan_to_num) or leave these images out"
            )


def _canonical_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """(height, width) → (height, width, 1); other shapes as they are."""
    return (*shape, 1) if len(shape) == 2 else tuple(shape)


def _split(
    images: NDArray[Any], fraction: float, generator: torch.Generator
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    if not fraction:
        return images, None
    n_validation = round(len(images) * fraction)
    if not 1 <= n_validation < len(images):
        raise ValueError(
            f"validation_fraction={fraction:g} of {len(images)} images leaves {n_validation} to validate on and "
            f"{len(images) - n_validation} to train on: both need at least one"
        )
    order = torch.randperm(len(images), generator=generator).numpy()
    return images[np.sort(order[n_validation:])], images[np.sort(order[:n_validation])]


def _device(name: str) -> torch.device:
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
