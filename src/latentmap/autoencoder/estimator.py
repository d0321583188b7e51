"""An autoencoder that follows scikit-learn's conventions: images in, latent vectors out, and back."""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import asdict
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from latentmap.autoencoder.checks import PARAMETER_CONSTRAINTS, check_parameters, check_vector_augmentation
from latentmap.autoencoder.encoding import EncodingMixin
from latentmap.autoencoder.fitting import checkpoint_key, copy_weights, initialize_network, split_rows
from latentmap.autoencoder.generation import GenerationMixin
from latentmap.autoencoder.model_files import load_model, save_model
from latentmap.autoencoder.networks import Layer, Network, build_network, format_layers, resolve_names
from latentmap.autoencoder.onnx import export_onnx
from latentmap.autoencoder.scoring import ScoringMixin
from latentmap.autoencoder.tensorboard import event_files
from latentmap.autoencoder.training import Batches, Recipe, train
from latentmap.autoencoder.training.defaults import choose_batch_size, choose_recipe
from latentmap.autoencoder.training.evaluation import encode_with_errors
from latentmap.autoencoder.training.pixels import PixelScale
from latentmap.autoencoder.training.precision import N_COMPARED, choose_precision
from latentmap.core.atomic_files import user_path
from latentmap.core.devices import choose_device
from latentmap.core.errors import TrainingError
from latentmap.core.progress import Callback, show_progress

# Images whose latent vectors and errors are kept after `fit`.
MAX_REFERENCES = 10_000


class Autoencoder(EncodingMixin, ScoringMixin, GenerationMixin, BaseEstimator):  # type: ignore[misc]
    """Autoencoder for images.

    A network encodes each image as a short latent vector and decodes it again. Training minimises the difference
    between images and their reconstructions, so that latent vectors keep what distinguishes the images.

    Parameters
    ----------
    network : {"auto", "pyramid", "variational", "dense", "conv"}, default="auto"
        Architecture. ``"pyramid"`` merges patches level by level into a few cells, followed by a linear latent layer.
        ``"variational"`` has the same layers and a normal distribution over latent vectors, which allows sampling.
        ``"dense"`` (one hidden layer) and ``"conv"`` (two strided convolutions) are the networks of the course
        chapter. ``"auto"`` is ``"pyramid"``.
    latent_dim : int, default=64
        Length of the latent vector.
    activation : str, default="auto"
        Activation of the hidden layers: the name of an elementwise activation of ``torch.nn`` in lower case.
        ``"auto"`` is ELU.
    epochs : int or "auto", default="auto"
        Passes over the training images. ``"auto"``: 10 for the chapter's networks. The others get as many as make
        1,400 steps (above 3,000 images more, with the cube root of their number, up to 2,800), but at most 30 or as
        many as make 600 steps, and at least 2. With Adam it is twice as many.
    batch_size : int or "auto", default="auto"
        Images in one step. ``"auto"``: 256 for the chapter's networks; for the others 64 from 10,000 images on, 32
        below, and down to 16 for fewer than 256.
    optimizer : {"auto", "adam", "muon"}, default="auto"
        Optimiser. ``"muon"`` trains weight matrices along all their directions at one rate, and biases with Adam. It
        needs far fewer steps than Adam for the same error. ``"auto"``: Adam for the chapter's networks, Muon for the
        others.
    learning_rate : float or "auto", default="auto"
        Peak learning rate. ``"auto"``: 0.001 for the chapter's networks, otherwise 0.003 with Adam and 0.02 with Muon.
    schedule : {"auto", "constant", "cosine"}, default="auto"
        Learning rate schedule. ``"cosine"`` rises linearly over the first 5 % of the steps and then decays along half
        a cosine to a thousandth of the peak. ``"auto"``: constant for the chapter's networks, cosine for the others.
    beta : float, default=1.0
        Weight of the Kullback-Leibler divergence in the loss of the variational network. It rises from zero over the
        first 20 % of the training.
    denoising : {"gaussian", "masking", "salt_and_pepper"}, optional
        Noise that corrupts the input images, so that the network learns to reconstruct the clean ones. By default
        inputs are not corrupted.
    noise_level : float, default=0.25
        Standard deviation of the Gaussian noise in units of [0, 1], or fraction of the values that are corrupted.
    augmentation : sequence of {"mixup", "shift", "flip", "contrast"} or "auto", default="auto"
        Augmentations of the training images, applied in this order: weighted mean with another image, shift by up to
        7 % of a side, horizontal flip of every second image, up to 20 % more or less contrast. ``"auto"``: mixup for
        fewer than 10,000 images, otherwise none; none for the chapter's networks.
    max_grad_norm : float, optional
        Gradients with a larger norm are scaled down to this norm. By default gradients are not clipped.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Type of the factors of matrix products in training; weights and sums are float32. ``"auto"`` chooses bfloat16
        if the device multiplies it faster and the first gradient differs from that in float32 by less than 5 %.
    validation_fraction : float, default=0.0
        Fraction of the images that are held out from training, in [0, 1). Their loss is recorded as ``val_loss``, and
        the weights of the epoch with the lowest ``val_loss`` are kept.
    patience : int, optional
        Stop when ``val_loss`` has not decreased for this number of epochs. Needs ``validation_fraction``.
    warm_start : bool, default=False
        Whether a further ``fit`` starts from the weights of the last one instead of new ones.
    checkpoint : path, optional
        File that is written after each epoch. ``fit`` with the same parameters and images resumes from it and gives
        the same weights to the last bit; with other parameters or images it starts from the beginning. The file is
        kept when ``fit`` ends.
    tensorboard : path, optional
        Folder for TensorBoard event files with the metrics of each epoch. Needs the package tensorboard.
    device : str, default="auto"
        Torch device: ``"cpu"``, ``"cuda"``, ``"cuda:N"`` or ``"mps"``. ``"auto"`` chooses CUDA, then MPS, then the CPU.
    random_state : int, RandomState or None, default=None
        Seed for all random number generators. The same seed on the same machine with the same number of threads gives
        the same weights to the last bit; other processors and numbers of threads sum in another order.
    callback : callable, optional
        Function that is called with a :class:`latentmap.core.progress.Progress` after each batch.
    verbose : bool, default=False
        Whether to show progress with the loss and the remaining time on stderr.

    Attributes
    ----------
    network_ : torch.nn.Module
        Trained network in evaluation mode. It takes and returns floats in [0, 1] of shape
        (n, height, width, channels) or (n, n_features).
    history_ : dict of str to list of float
        One value for each epoch: ``loss``, ``learning_rate``, ``seconds`` and, with validation, ``val_loss``.
        ``loss`` is the mean squared error of the training images, augmented and corrupted as configured; for
        ``"variational"`` it is minus the evidence lower bound in nats per value.
    n_epochs_ : int
        Number of epochs trained.
    recipe_ : dict
        Values that were chosen for ``"auto"``: network, activation, epochs, batch size, optimizer, learning rate,
        schedule, augmentation; and the other settings of the training.
    precision_ : {"float32", "bfloat16"}
        Type of the factors of matrix products in training.
    reference_latents_ : ndarray of shape (m, latent_dim), float32
        Latent vectors of the validation images, or without validation of the training images, at most 10,000. Used by
        :meth:`sample` and :meth:`traverse`.
    reference_errors_ : ndarray of shape (m,), float32
        Reconstruction errors of the same images. Used by :meth:`outlier_threshold`.
    scale_ : PixelScale
        Map from stored pixels to [0, 1].
    image_shape_ : tuple of int
        Shape of one image in ``fit``.
    n_features_in_ : int
        Number of values in one image.

    Notes
    -----
    Images have shape (n, height, width) or (n, height, width, channels); two-dimensional input is taken as plain
    vectors. uint8 pixels are divided by 255, floats in [0, 1] are used as they are, and any other range is mapped to
    [0, 1] by the minimum and maximum in ``fit``. Reconstructions and errors refer to [0, 1].

    Images may have any size: sides that do not fit are padded inside the network and cropped again. A memory-mapped
    array is never copied as a whole: batches are read from the file when they are needed, and above 256 MiB the images
    are shuffled in windows of 64 MiB, so that the disk reads sequentially.

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

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = PARAMETER_CONSTRAINTS

    def __init__(
        self,
        network: str = "auto",
        *,
        latent_dim: int = 64,
        activation: str = "auto",
        epochs: int | Literal["auto"] = "auto",
        batch_size: int | Literal["auto"] = "auto",
        optimizer: str = "auto",
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
        self.optimizer = optimizer
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

    # ---------------------------------------------------------------- training

    def fit(
        self,
        X: ArrayLike,
        y: object = None,  # noqa: ARG002 - scikit-learn's signature
        *,
        pixel_range: tuple[float, float] | None = None,
    ) -> Self:
        """Train on images.

        Parameters
        ----------
        X : array-like of shape (n, height, width), (n, height, width, channels) or (n, n_features)
            Images in memory, or a memory-mapped file of any size.
        y : None
            Ignored.
        pixel_range : (float, float), optional
            Values of pixels that become 0 and 1, such as (0, 65535) for uint16. By default they are chosen from the
            images.

        Returns
        -------
        self : Autoencoder
            Fitted estimator.

        Raises
        ------
        ValueError
            If a parameter is out of its range.
        InputError
            If an activation or augmentation is unknown, parameters or images do not fit each other, a pixel is NaN or
            infinite, or there are no images.
        TrainingError
            If the loss or the latent vectors become NaN or infinite.
        """
        self._validate_params()
        check_parameters(self.activation, self.patience, self.validation_fraction, self.augmentation)
        images = self._check_images(X, reset=True)
        if images.ndim == 2:
            check_vector_augmentation(self.augmentation, images.shape[1])
        self.scale_ = PixelScale.from_images(images, pixel_range)
        seed = int(check_random_state(self.random_state).randint(2**31))
        generator = torch.Generator().manual_seed(seed)
        rows, validation_rows = split_rows(len(images), self.validation_fraction, generator)
        name, activation = resolve_names(self.network, self.activation)
        batch_size = choose_batch_size(self.batch_size, name, len(rows))
        recipe = self._choose_recipe(name, len(rows), batch_size)
        names: dict[str, Any] = {"network": name, "activation": activation, "batch_size": batch_size}
        self.recipe_ = names | asdict(recipe)
        # torch's global generator, which its constructors and some activations use, keeps its state
        with ExitStack() as stack:
            stack.enter_context(torch.random.fork_rng())
            callback = stack.enter_context(self._progress())
            on_epoch = stack.enter_context(self._event_files())
            torch.manual_seed(seed)
            network = self._initial_network(images, rows, generator)
            dtype = choose_precision(self.precision, network, self.scale_.prepare(images[rows[:N_COMPARED]]))
            self.history_ = train(
                network,
                Batches(images, rows, self.scale_, batch_size, seed),
                recipe,
                dtype=dtype,
                validation=None if validation_rows is None else images[validation_rows],
                checkpoint=None if self.checkpoint is None else user_path(self.checkpoint),
                key=self._checkpoint_key(images, seed) if self.checkpoint is not None else "",
                callback=callback,
                on_epoch=on_epoch,
            )
        self.network_ = network
        self.precision_ = str(dtype).removeprefix("torch.")
        self.n_epochs_ = len(self.history_["loss"])
        self._n_features_out = self.latent_dim
        self._set_references(images, rows if validation_rows is None else validation_rows, seed)
        return self

    def _choose_recipe(self, network: str, n: int, batch_size: int) -> Recipe:
        return choose_recipe(
            network,
            n,
            batch_size,
            self.epochs,
            self.optimizer,
            self.learning_rate,
            self.schedule,
            self.augmentation,
            max_grad_norm=self.max_grad_norm,
            patience=self.patience,
            denoising=self.denoising,
            noise_level=self.noise_level,
        )

    def _initial_network(self, images: NDArray[Any], rows: NDArray[np.intp], generator: torch.Generator) -> Network:
        """Return the network to train, with the weights of the last fit or new ones."""
        device = choose_device(self.device)
        name, activation = resolve_names(self.network, self.activation)
        network = build_network(name, images.shape[1:], self.latent_dim, activation, beta=self.beta)
        if self.warm_start and hasattr(self, "network_"):
            copy_weights(network, self.network_)
            return network.to(device)
        network.to(device)
        initialize_network(network, images, rows, self.scale_, generator)
        return network

    def _checkpoint_key(self, images: NDArray[Any], seed: int) -> str:
        return checkpoint_key(self.get_params(deep=False), images, seed, warm=hasattr(self, "network_"))

    def _set_references(self, images: NDArray[Any], rows: NDArray[np.intp], seed: int) -> None:
        if len(rows) > MAX_REFERENCES:
            rows = np.sort(np.random.default_rng(seed).choice(rows, MAX_REFERENCES, replace=False))
        self.reference_latents_, self.reference_errors_ = encode_with_errors(self.network_, images[rows], self.scale_)
        if not (np.isfinite(self.reference_latents_).all() and np.isfinite(self.reference_errors_).all()):
            # the last step can break the weights without a trace in the loss, which is measured before it
            raise TrainingError(
                f"the latent vectors became NaN or infinite: try a learning_rate below "
                f"{self.recipe_['learning_rate']:g}, or max_grad_norm=1"
            )
        self.__dict__.pop("_density", None)  # that of the last fit

    def _progress(self) -> AbstractContextManager[Callback | None]:
        return show_progress("training") if self.verbose and self.callback is None else nullcontext(self.callback)

    def _event_files(self) -> AbstractContextManager[Callable[[int, dict[str, float]], None] | None]:
        return nullcontext() if self.tensorboard is None else event_files(user_path(self.tensorboard))

    # ---------------------------------------------------------------- inspection

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
        table: list[Layer] = self.network_.layer_table()
        return table

    def summary(self, print_fn: Callable[[str], object] = print) -> None:
        """Print the layers of the network, as Keras does.

        Parameters
        ----------
        print_fn : callable, default=print
            Function that is called with each line.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        """
        check_is_fitted(self)
        print_fn(f"Network: {type(self.network_).__name__}, activation {self.recipe_['activation']}")
        for line in format_layers(self.network_):
            print_fn(line)
        print_fn(f"Trained with products in {self.precision_}, weights and sums in float32")

    # ---------------------------------------------------------------- files

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the fitted estimator as ``config.json`` and ``weights.safetensors``.

        ``callback``, ``checkpoint`` and ``tensorboard`` are not saved.

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
        save_model(self, user_path(folder))

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
        Autoencoder
            Fitted estimator.

        Raises
        ------
        ModelFileError
            If a file is missing, damaged or of another format.
        InputError
            If there is no such device.
        """
        return load_model(cls, user_path(folder), device)

    def export_onnx(self, path: str | os.PathLike[str], part: Literal["encoder", "decoder"] = "encoder") -> None:
        """Write one half of the network as an ONNX file, after comparing it with onnxruntime.

        The encoder maps ``images`` (n, *image_shape), float32 in [0, 1], to ``latents`` (n, latent_dim), float32; the
        decoder maps ``latents`` to ``images``. The number of images n is free.

        Parameters
        ----------
        path : path
            File to write.
        part : {"encoder", "decoder"}, default="encoder"
            Half of the network to export.

        Raises
        ------
        MissingPackageError
            If the packages of ``pip install 'latentmap[onnx]'`` are missing.
        InputError
            If ``part`` is unknown.
        ExportError
            If the results of onnxruntime differ by more than 1e-4; the file is then not written.
        NotFittedError
            If the estimator is not fitted.
        """
        check_is_fitted(self)
        export_onnx(self.network_, user_path(path), part, self.image_shape_)

    def __sklearn_tags__(self) -> Tags:
        tags: Tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]  # latent vectors are float32 for any input
        return tags
