"""An autoencoder with scikit-learn's contract: images in, latent vectors out, and back."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import asdict, replace
from functools import partial
from math import prod
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from latentmap.autoencoder import generation
from latentmap.autoencoder.model_files import ModelFileError, read_model, write_model
from latentmap.autoencoder.networks import NETWORKS, Layer, Network, VariationalNetwork, build, resolve
from latentmap.autoencoder.networks.activations import make_activation
from latentmap.autoencoder.onnx import export_onnx
from latentmap.autoencoder.tangents import N_DEFORMATIONS, tangents
from latentmap.autoencoder.tensorboard import event_files
from latentmap.autoencoder.training import Batches, Recipe, train
from latentmap.autoencoder.training.augmentation import AUGMENTATIONS, FOR_VECTORS
from latentmap.autoencoder.training.corruption import NOISES
from latentmap.autoencoder.training.defaults import choose_batch_size, choose_recipe
from latentmap.autoencoder.training.devices import choose_device
from latentmap.autoencoder.training.evaluation import INITIALIZATION_SAMPLE, at_once, in_batches, reconstruction_errors
from latentmap.autoencoder.training.pixels import PixelScale, to_unit
from latentmap.autoencoder.training.precision import PRECISIONS, choose_precision
from latentmap.core.atomic_files import user_path
from latentmap.core.progress import Callback, show_progress

# Most images that are kept in mind, as latent vectors and errors, for what is usual among those of `fit`.
MOST_REFERENCES = 10_000
# Names of their tensors in a saved model.
REFERENCE = "reference/"


class Autoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Learns to squeeze images through a short latent vector and to draw them again from it.

    Parameters
    ----------
    network : {"auto", "pyramid", "variational", "dense", "conv"}, default="auto"
        ``"pyramid"``, which ``"auto"`` stands for: patches merged level by level down to a few cells, and a linear
        latent vector. ``"variational"``: the same with a cloud for a latent vector, to draw new images from.
        ``"dense"`` and ``"conv"``: those of the course chapter, a hidden layer or two strided convolutions on either
        side.
    latent_dim : int, default=64
        Length of the latent vector.
    activation : str, default="auto"
        Of the hidden layers; any elementwise activation of ``torch.nn`` by its name in lower case. ``"auto"`` is ELU.
    epochs : int or "auto", default="auto"
        ``"auto"``: ten for the chapter's networks, and for ours as many as make 7,000 steps, from 3 to 300.
    batch_size : int or "auto", default="auto"
        ``"auto"``: 256 for the chapter's networks; for ours 64, and fewer in collections below a thousand.
    learning_rate : float or "auto", default="auto"
        Largest of Adam. ``"auto"``: 0.001 for the chapter's networks, 0.003 for ours.
    schedule : {"auto", "constant", "cosine"}, default="auto"
        How the learning rate goes: ``"cosine"`` rises over the first 5 % of the steps and falls along half a cosine to
        a thousandth. ``"auto"``: constant for the chapter's networks, cosine for ours.
    beta : float, default=1.0
        Weight of the divergence in the variational network; it rises from zero over the first 20 % of the training.
    denoising : {"gaussian", "masking", "salt_and_pepper"}, optional
        Spoil the images that go in so, and learn to draw the clean ones.
    noise_level : float, default=0.25
        Standard deviation of the Gaussian noise in units of [0, 1], or share of the values that are spoiled.
    augmentation : sequence of {"mixup", "shift", "flip", "contrast"} or "auto", default="auto"
        Train on variants of the images: mixed with another, moved by up to 7 % of a side, mirrored left to right, with
        up to 20 % more or less contrast. ``"auto"``: mixed for fewer than 10,000 images, else none, and none for the
        chapter's networks.
    max_grad_norm : float, optional
        Scale longer gradients down to this length.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Of the factors of products in training; weights and sums are float32. ``"auto"`` takes bfloat16 when the device
        multiplies it faster and the gradient at the start differs by less than 5 %.
    validation_fraction : float, default=0.0
        Share of the images that is not trained on, in [0, 1). Their loss is recorded as ``val_loss``, and the weights
        of the epoch where it was lowest are kept.
    patience : int, optional
        Stop early when ``val_loss`` has not fallen for so many epochs. Needs ``validation_fraction``.
    warm_start : bool, default=False
        Let a further ``fit`` go on from the weights of the last one instead of new ones.
    checkpoint : path, optional
        A file written after each epoch. ``fit`` with the same settings and images goes on where it ended, to the same
        weights to the last bit; with others it begins anew. It stays there when ``fit`` is done.
    tensorboard : path, optional
        A folder for TensorBoard's event files: the figures of each epoch. Needs the package tensorboard.
    device : str, default="auto"
        A torch device; ``"auto"`` takes CUDA, else MPS, else the CPU.
    random_state : int, RandomState or None, default=None
        Seed of the weights and of the order of the images. The same seed on the same machine with the same number of
        threads gives the same weights to the last bit; other processors and thread counts sum in another order.
    callback : callable, optional
        Called with a :class:`latentmap.core.progress.Progress` after every batch.
    verbose : bool, default=False
        Show progress with loss and time left on stderr.

    Attributes
    ----------
    network_ : torch.nn.Module
        The trained network, in evaluation mode. It takes and gives floats in [0, 1] of shape
        (n, height, width, channels), or (n, n_features).
    history_ : dict of lists
        ``loss``, ``learning_rate``, ``seconds`` and, with validation, ``val_loss``: one value an epoch. ``loss`` is
        the mean squared error of what was trained on, variants and all (for ``"variational"`` minus the bound, in nats
        for a value).
    n_epochs_ : int
        Epochs trained.
    recipe_ : dict
        What was chosen where ``"auto"`` was asked: network, activation, epochs, batch size, learning rate, schedule.
    precision_ : {"float32", "bfloat16"}
        Of the factors of products in training.
    reference_latents_, reference_errors_ : ndarray (m, latent_dim), (m,), float32
        Of the validation images, or without them of at most 10,000 of the images: what :meth:`sample` and
        :meth:`outlier_threshold` know as usual.
    image_shape_ : tuple of int
        Shape of one image of those given to ``fit``.
    n_features_in_ : int
        Values in one image.

    Notes
    -----
    Images are (n, height, width) or (n, height, width, channels); two-dimensional input is taken as plain vectors.
    uint8 pixels are divided by 255, floats in [0, 1] are taken as they are, and any other range is mapped to [0, 1] by
    the smallest and largest value seen in ``fit``. All that is drawn and every error is in that [0, 1].

    Any size works: sides that do not fit are padded inside the network and cropped again. A memory-mapped array is
    never copied as a whole: batches are read from the file as they are needed, and beyond 256 MiB the images are
    shuffled in windows of 64 MiB, so that the disk reads in runs.

    References
    ----------
    Hinton and Salakhutdinov (2006), Reducing the dimensionality of data with neural networks, Science 313.

    Examples
    --------
    >>> import latentmap as lm
    >>> images, _ = lm.load_mnist("test")
    >>> autoencoder = lm.Autoencoder(latent_dim=16, epochs=1, random_state=0).fit(images[:512])
    >>> autoencoder.transform(images[:512]).shape
    (512, 16)
    >>> autoencoder.reconstruct(images[:3]).shape
    (3, 28, 28)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "network": [StrOptions({"auto", *NETWORKS})],
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        "activation": [str],
        "epochs": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "learning_rate": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "schedule": [StrOptions({"auto", "constant", "cosine"})],
        "beta": [Interval(Real, 0, None, closed="left")],
        "denoising": [None, StrOptions(set(NOISES))],
        "noise_level": [Interval(Real, 0, 1, closed="both")],
        "augmentation": [list, tuple, StrOptions({"auto"})],
        "max_grad_norm": [None, Interval(Real, 0, None, closed="neither")],
        "precision": [StrOptions({"auto", *PRECISIONS})],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "patience": [None, Interval(Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "checkpoint": [None, str, os.PathLike],
        "tensorboard": [None, str, os.PathLike],
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
        activation: str = "auto",
        epochs: int | Literal["auto"] = "auto",
        batch_size: int | Literal["auto"] = "auto",
        learning_rate: float | Literal["auto"] = "auto",
        schedule: str = "auto",
        beta: float = 1.0,
        denoising: str | None = None,
        noise_level: float = 0.25,
        augmentation: Sequence[str] = "auto",
        max_grad_norm: float | None = None,
        precision: str = "auto",
        validation_fraction: float = 0.0,
        patience: int | None = None,
        warm_start: bool = False,
        checkpoint: str | os.PathLike[str] | None = None,
        tensorboard: str | os.PathLike[str] | None = None,
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
        self.schedule = schedule
        self.beta = beta
        self.denoising = denoising
        self.noise_level = noise_level
        self.augmentation = augmentation
        self.max_grad_norm = max_grad_norm
        self.precision = precision
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.warm_start = warm_start
        self.checkpoint = checkpoint
        self.tensorboard = tensorboard
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
            In memory, or a memory-mapped file of any size.
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
        self._check_parameters()
        images = self._check_images(X, reset=True)
        unfit = [name for name in self._variants() if name not in FOR_VECTORS]
        if unfit and images.ndim == 2:
            raise ValueError(
                f"augmentation={unfit} is for images, but vectors of {images.shape[1]} features were given"
            )
        self.scale_ = PixelScale.of(images)
        seed = int(check_random_state(self.random_state).randint(2**31))
        generator = torch.Generator().manual_seed(seed)
        rows, validation_rows = _split(len(images), self.validation_fraction, generator)
        name, activation = resolve(self.network, self.activation)
        batch_size = choose_batch_size(self.batch_size, name, len(rows))
        recipe = self._recipe(name, len(rows), batch_size)
        self.recipe_: dict[str, Any] = {"network": name, "activation": activation, "batch_size": batch_size} | asdict(
            recipe
        )
        batches = Batches(images, rows, self.scale_, batch_size, seed)
        # torch's global generator, from which its constructors and a few activations draw, is left as it was
        with ExitStack() as stack:
            stack.enter_context(torch.random.fork_rng())
            callback = stack.enter_context(self._progress())
            on_epoch = stack.enter_context(self._event_files())
            torch.manual_seed(seed)
            network = self._begin(images, rows, generator)
            sample = self.scale_.prepare(images[rows[:INITIALIZATION_SAMPLE]])
            dtype = choose_precision(self.precision, network, sample)
            self.history_ = train(
                network,
                batches,
                recipe,
                dtype=dtype,
                validation=None if validation_rows is None else images[validation_rows],
                checkpoint=None if self.checkpoint is None else user_path(self.checkpoint),
                key=self._checkpoint_key(images, seed) if self.checkpoint is not None else "",
                callback=callback,
                on_epoch=on_epoch,
            )
        self.network_: Network = network
        self.precision_ = str(dtype).removeprefix("torch.")
        self.n_epochs_ = len(self.history_["loss"])
        self._n_features_out = self.latent_dim
        self._refer_to(images, rows if validation_rows is None else validation_rows, seed)
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Encode images: (n, *image_shape) → latent vectors (n, latent_dim) float32."""
        images = self._check_images(X, reset=False)
        return self._encode(images)

    def tangents(self, X: ArrayLike) -> NDArray[np.float32]:
        """How latent vectors move when images are shifted, turned, sheared or stretched a little.

        Parameters
        ----------
        X : array (n, *image_shape)

        Returns
        -------
        array (n, 6, latent_dim), float32
            See :func:`latentmap.autoencoder.tangents.tangents`. Twelve times the work of :meth:`transform`.

        Raises
        ------
        ValueError
            For plain vectors, which cannot be shifted.
        """
        images = self._check_images(X, reset=False)
        network = self.network_
        if len(network.image_shape) != 3:
            raise ValueError("plain vectors have no rows and columns to shift: group them without tangents")
        shape = (N_DEFORMATIONS, network.latent_dim)
        return in_batches(lambda x: tangents(network.encode, x), images, shape, network, self.scale_)

    def inverse_transform(self, Z: ArrayLike) -> NDArray[np.float32]:
        """Draw the images of latent vectors: (n, latent_dim) → (n, *image_shape) float32 in [0, 1]."""
        check_is_fitted(self)
        latents = check_array(Z, dtype=np.float32)
        if latents.shape[1] != self.network_.latent_dim:
            raise ValueError(
                f"latent vectors of {latents.shape[1]} dimensions, but this Autoencoder has "
                f"latent_dim={self.network_.latent_dim}: pass an array of shape (n, {self.network_.latent_dim})"
            )
        return in_batches(self.network_.decode, latents, self.image_shape_, self.network_)

    def reconstruct(self, X: ArrayLike) -> NDArray[np.float32]:
        """Encode and draw again: (n, *image_shape) → the same shape, float32 in [0, 1]."""
        images = self._check_images(X, reset=False)
        return in_batches(self.network_, images, self.image_shape_, self.network_, self.scale_)

    def score_samples(self, X: ArrayLike) -> NDArray[np.float32]:
        """Reconstruction error of each image: (n, *image_shape) → mean squared error (n,) float32; high is unusual."""
        images = self._check_images(X, reset=False)
        return reconstruction_errors(self.network_, images, self.scale_)

    def transform_and_score(self, X: ArrayLike) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The results of :meth:`transform` and :meth:`score_samples` in one pass: (n, latent_dim) and (n,) float32."""
        images = self._check_images(X, reset=False)
        network = self.network_

        def both(x: torch.Tensor) -> torch.Tensor:
            latents = network.encode(x)
            errors = (network.decode(latents).reshape(x.shape) - x).square_().flatten(1).mean(1, keepdim=True)
            return torch.cat([latents, errors], dim=1)

        found = in_batches(both, images, (network.latent_dim + 1,), network, self.scale_)
        return np.ascontiguousarray(found[:, :-1]), np.ascontiguousarray(found[:, -1])

    def score(self, X: ArrayLike, y: object = None) -> float:  # noqa: ARG002 - scikit-learn's signature
        """Minus the mean squared error over all images, so that greater is better, as scikit-learn wants it."""
        return -float(self.score_samples(X).mean(dtype=np.float64))

    def __sklearn_tags__(self) -> Tags:
        tags: Tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]  # latent vectors are float32 whatever goes in
        return tags

    # ---------------------------------------------------------------- what the model can do

    def denoise(self, X: ArrayLike) -> NDArray[np.float32]:
        """Draw images without their noise: (n, *image_shape) → the same shape, float32 in [0, 1].

        That is :meth:`reconstruct`; a network trained with ``denoising`` takes away most.
        """
        return self.reconstruct(X)

    def residuals(self, X: ArrayLike) -> NDArray[np.float32]:
        """Image minus reconstruction: (n, *image_shape) float32 in [-1, 1]."""
        images = self._check_images(X, reset=False)
        unit = to_unit(self.scale_.prepare(images)).reshape(len(images), *self.image_shape_)
        return unit - self.reconstruct(X)

    def interpolate(self, a: ArrayLike, b: ArrayLike, steps: int = 8) -> NDArray[np.float32]:
        """Draw the way from image ``a`` to image ``b``, straight in latent space, both ends included.

        Parameters
        ----------
        a, b : array image_shape
        steps : int, default=8

        Returns
        -------
        ndarray (steps, *image_shape) float32 in [0, 1]
        """
        if steps < 2:
            raise ValueError(f"steps={steps}: ask for at least 2, the two ends")
        ends = self.transform(np.stack([np.asarray(a), np.asarray(b)]))
        return self.inverse_transform(generation.between(ends[0], ends[1], steps))

    def traverse(
        self, dimension: int, X: ArrayLike | None = None, *, steps: int = 7, span: float = 2.0
    ) -> NDArray[np.float32]:
        """Draw what one latent dimension changes.

        Parameters
        ----------
        dimension : int
            From 0 to latent_dim - 1.
        X : array image_shape, optional
            The image to start from; by default the mean latent vector.
        steps : int, default=7
        span : float, default=2.0
            How far to go to either side, in standard deviations of that dimension.

        Returns
        -------
        ndarray (steps, *image_shape) float32 in [0, 1]
        """
        reference = self._reference()[0]
        if not 0 <= dimension < self.network_.latent_dim:
            raise ValueError(f"dimension={dimension}: choose one from 0 to {self.network_.latent_dim - 1}")
        start = reference.mean(0) if X is None else self.transform(np.asarray(X)[None])[0]
        reach = span * float(reference[:, dimension].std())
        return self.inverse_transform(generation.along(start, dimension, reach, steps))

    def sample(self, n: int = 1, random_state: int | np.random.RandomState | None = None) -> NDArray[np.float32]:
        """Draw new images: (n, *image_shape) float32 in [0, 1].

        The variational network draws latent vectors from the standard normal distribution, every other from a Gaussian
        mixture fitted to the latent vectors of the images it was trained on, at the first call.
        """
        reference = self._reference()[0]
        if n < 1:
            raise ValueError(f"n={n}: ask for at least 1")
        random = check_random_state(random_state)
        if isinstance(self.network_, VariationalNetwork):
            return self.inverse_transform(random.normal(size=(n, self.network_.latent_dim)))
        if not hasattr(self, "_density"):
            self._density = generation.fit_density(reference)
        return self.inverse_transform(generation.draw(self._density, n, random))

    def elbo(self, X: ArrayLike, random_state: int | None = None) -> NDArray[np.float32]:
        """Evidence lower bound of each image under the variational network: (n,) float32 in nats.

        One latent vector is drawn for each image. Pixels are taken as normal around what is drawn, all with one
        variance, which was learned.

        Raises
        ------
        AttributeError
            For any other network.
        """
        images = self._check_images(X, reset=False)
        network = self.network_
        if not isinstance(network, VariationalNetwork):
            raise AttributeError(f"network={self.network!r} has no evidence lower bound: fit network='variational'")
        with torch.random.fork_rng():
            torch.manual_seed(int(check_random_state(random_state).randint(2**31)))
            return in_batches(network.elbo, images, (), network, self.scale_)

    def outlier_threshold(self, contamination: float = 0.01) -> float:
        """Reconstruction error that a share ``contamination`` of usual images exceeds.

        Usual are the validation images, where there are such; else the images of ``fit``, whose errors are a little
        smaller than those of new ones.
        """
        if not 0 < contamination < 1:
            raise ValueError(f"contamination={contamination}: pass a share between 0 and 1")
        return float(np.quantile(self._reference()[1], 1 - contamination))

    def is_outlier(self, X: ArrayLike, contamination: float = 0.01) -> NDArray[np.bool_]:
        """Which images are drawn worse than :meth:`outlier_threshold` allows: (n,) bool."""
        outliers: NDArray[np.bool_] = self.score_samples(X) > self.outlier_threshold(contamination)
        return outliers

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
        print_fn(f"Network: {type(self.network_).__name__}, activation {self.recipe_['activation']}")
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
        print_fn(f"Trained with products in {self.precision_}, weights and sums in float32")

    # ---------------------------------------------------------------- files

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write ``config.json`` and ``weights.safetensors`` into ``folder``, which is made when it is not there."""
        check_is_fitted(self)
        parameters = self.get_params(deep=False) | {"callback": None, "checkpoint": None, "tensorboard": None}
        if self.augmentation != "auto":
            parameters["augmentation"] = list(self.augmentation)
        if isinstance(self.random_state, np.random.RandomState):
            parameters["random_state"] = None  # a generator's state is no setting
        config = {
            "parameters": parameters,
            "recipe": self.recipe_,
            "precision": self.precision_,
            "image_shape": list(self.image_shape_),
            "scale": [self.scale_.low, self.scale_.high],
            "history": self.history_,
        }
        reference = {
            f"{REFERENCE}latents": torch.from_numpy(self.reference_latents_),
            f"{REFERENCE}errors": torch.from_numpy(self.reference_errors_),
        }
        write_model(user_path(folder), config, self.network_.state_dict() | reference)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read what :meth:`save` wrote. No code in the files is run.

        Raises
        ------
        ModelFileError
            If a file is missing, damaged, or of another format.
        """
        folder = user_path(folder)
        config, weights = read_model(folder)
        try:
            model = cls._from_config(config, weights)
        except MemoryError:
            raise
        except Exception as error:  # whatever a network raises for settings that no version wrote
            said = f"no {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
            raise ModelFileError(f"{folder} does not hold a model that this version can build: {said}") from error
        return model

    @classmethod
    def _from_config(cls, config: dict[str, Any], weights: dict[str, torch.Tensor]) -> Self:
        parameters = config["parameters"]
        if parameters["augmentation"] != "auto":
            parameters["augmentation"] = tuple(parameters["augmentation"])  # JSON has lists only
        model = cls(**parameters)
        model._validate_params()
        model._check_parameters()
        recipe = config["recipe"]
        model.recipe_ = recipe | {"augmentation": tuple(recipe["augmentation"])}
        model.precision_ = config["precision"]
        if model.precision_ not in PRECISIONS:
            raise ValueError(f"precision={model.precision_!r}: choose among {', '.join(PRECISIONS)}")
        model.image_shape_ = tuple(config["image_shape"])
        shape = _canonical_shape(model.image_shape_)
        model.scale_ = PixelScale(*config["scale"])
        if not model.scale_.low < model.scale_.high:
            raise ValueError(f"scale={config['scale']}: the first is to be the smaller one")
        model.history_ = config["history"]
        model.n_epochs_ = len(model.history_["loss"])
        model.n_features_in_ = prod(shape)
        model._n_features_out = model.latent_dim
        model.reference_latents_ = weights.pop(f"{REFERENCE}latents").numpy()
        model.reference_errors_ = weights.pop(f"{REFERENCE}errors").numpy()
        n_references = len(model.reference_errors_)
        if model.reference_errors_.ndim != 1 or model.reference_latents_.shape != (n_references, model.latent_dim):
            raise ValueError(
                f"{REFERENCE}latents {model.reference_latents_.shape} and {REFERENCE}errors "
                f"{model.reference_errors_.shape} do not belong together"
            )
        name, activation = model.recipe_["network"], model.recipe_["activation"]
        if name not in NETWORKS or not isinstance(activation, str):
            raise ValueError(f"network={name!r} with activation={activation!r}: choose among {', '.join(NETWORKS)}")
        build_it = partial(build, name, shape, model.latent_dim, activation, beta=model.beta)
        with torch.device("meta"):  # takes no memory, whatever sizes the file speaks of
            _check_weights(build_it(), weights)
        network = build_it()
        network.load_state_dict(weights)
        model.network_ = network.to(_device_here(model.device)).eval()
        return model

    def export_onnx(self, path: str | os.PathLike[str], part: Literal["encoder", "decoder"] = "encoder") -> None:
        """Write one half of the network as an ONNX file, and check it against onnxruntime.

        The encoder takes ``images`` (n, *image_shape) float32 in [0, 1] and gives ``latents`` (n, latent_dim); the
        decoder the other way round. n is free.

        Raises
        ------
        ImportError
            Without the packages of ``pip install 'latentmap[onnx]'``.
        ValueError
            For another part, or when onnxruntime gives something else by more than 1e-4; the file is then not written.
        """
        check_is_fitted(self)
        export_onnx(self.network_, user_path(path), part, self.image_shape_)

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

    def _check_parameters(self) -> None:
        """Check parameters that depend on each other, which the table of constraints cannot express."""
        if self.activation != "auto":
            make_activation(self.activation)
        if self.patience is not None and not self.validation_fraction:
            raise ValueError(
                f"patience={self.patience} watches the validation loss, but validation_fraction=0: "
                "set it to 0.1, say, or leave patience out"
            )
        unknown = [name for name in self._variants() if name not in AUGMENTATIONS]
        if unknown:
            raise ValueError(f"augmentation={unknown}: choose among {', '.join(AUGMENTATIONS)}")

    def _variants(self) -> tuple[str, ...]:
        """The augmentation that was asked for by name."""
        return () if self.augmentation == "auto" else tuple(self.augmentation)

    def _recipe(self, name: str, n: int, batch_size: int) -> Recipe:
        asked = self.epochs, self.learning_rate, self.schedule, self.augmentation
        recipe = choose_recipe(name, n, batch_size, *asked)
        return replace(
            recipe,
            max_grad_norm=self.max_grad_norm,
            patience=self.patience,
            denoising=self.denoising,
            noise_level=self.noise_level,
        )

    def _begin(self, images: NDArray[Any], rows: NDArray[np.intp], generator: torch.Generator) -> Network:
        """The network to train: that of the last fit, or a new one scaled on some of the images."""
        device = choose_device(self.device)
        name, activation = resolve(self.network, self.activation)
        network = build(name, images.shape[1:], self.latent_dim, activation, beta=self.beta)
        if self.warm_start and hasattr(self, "network_"):
            shapes = {key: value.shape for key, value in network.state_dict().items()}
            if shapes != {key: value.shape for key, value in self.network_.state_dict().items()}:
                raise ValueError(
                    "warm_start=True, but the network of the last fit has other layers: keep network, latent_dim and "
                    "the size of the images, or set warm_start=False"
                )
            network.load_state_dict(self.network_.state_dict())
            return network.to(device)
        network.to(device)
        chosen = torch.randperm(len(rows), generator=generator)[: at_once(INITIALIZATION_SAMPLE, images.shape[1:])]
        sample = to_unit(self.scale_.prepare(images[np.sort(rows[chosen.numpy()])]))
        network.initialize(generator, torch.from_numpy(sample).to(device))
        return network

    def _checkpoint_key(self, images: NDArray[Any], seed: int) -> str:
        """A hash over all that the weights depend on; of the images, at most 1,000."""
        show_progress = ("callback", "checkpoint", "tensorboard", "verbose", "random_state")
        settings = {name: value for name, value in self.get_params(deep=False).items() if name not in show_progress}
        facts = {"settings": settings, "seed": seed, "shape": images.shape, "warm": hasattr(self, "network_")}
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode())
        digest.update(np.ascontiguousarray(images[:: max(1, len(images) // 1000)]))
        return digest.hexdigest()

    def _refer_to(self, images: NDArray[Any], rows: NDArray[np.intp], seed: int) -> None:
        chosen = rows
        if len(rows) > MOST_REFERENCES:
            chosen = np.sort(np.random.default_rng(seed).choice(rows, MOST_REFERENCES, replace=False))
        usual = images[chosen]
        self.reference_latents_ = self._encode(usual)
        self.reference_errors_ = reconstruction_errors(self.network_, usual, self.scale_)
        self.__dict__.pop("_density", None)

    def _reference(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        check_is_fitted(self)
        return self.reference_latents_, self.reference_errors_

    def _encode(self, images: NDArray[Any]) -> NDArray[np.float32]:
        return in_batches(self.network_.encode, images, (self.network_.latent_dim,), self.network_, self.scale_)

    def _progress(self) -> AbstractContextManager[Callback | None]:
        return show_progress("training") if self.verbose and self.callback is None else nullcontext(self.callback)

    def _event_files(self) -> AbstractContextManager[Callable[[int, dict[str, float]], None] | None]:
        return nullcontext() if self.tensorboard is None else event_files(user_path(self.tensorboard))


def _check_weights(network: Network, weights: dict[str, torch.Tensor]) -> None:
    """Raise ValueError unless there are just the weights that a network has, each of its shape."""
    wanted = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in weights.items()}
    for name in sorted({*wanted, *found}):
        if wanted.get(name) != found.get(name):
            raise ValueError(f"weights {name!r} have shape {found.get(name)}, the network has {wanted.get(name)}")
    wrong = [name for name, value in weights.items() if not value.is_floating_point()]
    if wrong:
        raise ValueError(f"weights {wrong[0]!r} are {weights[wrong[0]].dtype}, not floats")


def _device_here(name: str) -> torch.device:
    """The device of a saved model, if this machine has it."""
    try:
        device = choose_device(name)
        torch.empty(0, device=device)
    except Exception as error:  # torch's own errors differ by device
        raise ValueError(
            f'device={name[:40]!r} is not on this machine: set "device" to "auto" in its config.json'
        ) from error
    return device


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


def _split(n: int, fraction: float, generator: torch.Generator) -> tuple[NDArray[np.intp], NDArray[np.intp] | None]:
    """Rows to train on and rows to validate on, ascending."""
    if not fraction:
        return np.arange(n), None
    n_validation = round(n * fraction)
    if not 1 <= n_validation < n:
        raise ValueError(
            f"validation_fraction={fraction:g} of {n} images leaves {n_validation} to validate on and "
            f"{n - n_validation} to train on: both need at least one"
        )
    order = torch.randperm(n, generator=generator).numpy()
    return np.sort(order[n_validation:]), np.sort(order[:n_validation])
