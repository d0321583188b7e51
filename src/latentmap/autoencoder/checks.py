"""Checks of the estimator's parameters and of the images that it is given."""

import os
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from latentmap.autoencoder.networks import NETWORKS
from latentmap.autoencoder.networks.activations import make_activation
from latentmap.autoencoder.training.augmentation import AUGMENTATIONS, VECTOR_AUGMENTATIONS
from latentmap.autoencoder.training.corruption import NOISES
from latentmap.autoencoder.training.precision import PRECISIONS
from latentmap.core.errors import InputError

# scikit-learn's table of allowed types and ranges, by parameter of Autoencoder.
PARAMETER_CONSTRAINTS: dict[str, list[Any]] = {
    "network": [StrOptions({"auto", *NETWORKS})],
    "latent_dim": [Interval(Integral, 1, None, closed="left")],
    "activation": [str],
    "epochs": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
    "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
    "learning_rate": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
    "optimizer": [StrOptions({"auto", "adam", "muon"})],
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


def check_parameters(
    activation: str, patience: int | None, validation_fraction: float, augmentation: Sequence[str]
) -> None:
    """Check what the table of constraints cannot express: names of activations and augmentations, and combinations.

    Parameters
    ----------
    activation : str
        ``"auto"`` or the name of an activation.
    patience : int or None
        Epochs without improvement before training stops.
    validation_fraction : float
        Fraction of the images that are held out, in [0, 1).
    augmentation : sequence of str or "auto"
        Names of the augmentations.

    Raises
    ------
    InputError
        If a name is unknown, or ``patience`` is set without ``validation_fraction``.
    """
    if activation != "auto":
        make_activation(activation)
    if patience is not None and not validation_fraction:
        raise InputError(
            f"patience={patience} needs a validation loss, but validation_fraction=0: "
            "set validation_fraction=0.1, for example, or leave patience out"
        )
    unknown = [name for name in augmentation if name not in AUGMENTATIONS] if augmentation != "auto" else []
    if unknown:
        raise InputError(f"augmentation={unknown}: choose among {', '.join(AUGMENTATIONS)}")


def check_vector_augmentation(augmentation: Sequence[str], n_features: int) -> None:
    """Check that the augmentations apply to plain vectors.

    Parameters
    ----------
    augmentation : sequence of str or "auto"
        Names of the augmentations.
    n_features : int
        Length of a vector, for the message.

    Raises
    ------
    InputError
        If one of the augmentations needs images.
    """
    image_only = [name for name in augmentation if name not in VECTOR_AUGMENTATIONS] if augmentation != "auto" else []
    if image_only:
        raise InputError(f"augmentation={image_only} is for images, but vectors of {n_features} features were given")


def check_pixels(images: NDArray[Any]) -> None:
    """Check that pixels are finite numbers and that there is at least one.

    Parameters
    ----------
    images : ndarray of shape (n, height, width) or (n, height, width, channels)
        Stored pixels of any dtype.

    Raises
    ------
    InputError
        If the dtype is not numeric, the array is empty, or a pixel is NaN or infinite.
    """
    if images.dtype.kind not in "bufi":
        raise InputError(f"pixels of type {images.dtype}: pass uint8, another integer type, or floats")
    if 0 in images.shape:
        raise InputError(f"no images in an array of shape {images.shape}: pass at least one, with at least one pixel")
    if images.dtype.kind == "f" and not np.isfinite(images.sum(dtype=np.float64)):
        bad = ~np.isfinite(images)
        if bad.any():
            first = int(np.argwhere(bad.reshape(len(images), -1).any(1))[0, 0])
            raise InputError(
                f"{int(bad.sum())} pixels are NaN or infinite, the first in image {first}: "
                "replace them (np.nan_to_num) or leave these images out"
            )


def with_channels(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Add the channel axis to the shape of a grey image: (height, width) → (height, width, 1).

    Parameters
    ----------
    shape : tuple of int
        Shape of one image or vector.

    Returns
    -------
    tuple of int
        ``shape`` itself unless it has two entries.
    """
    return (*shape, 1) if len(shape) == 2 else tuple(shape)
