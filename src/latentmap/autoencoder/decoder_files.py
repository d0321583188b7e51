"""Saved decoders: settings as JSON and weights as safetensors. Loading one runs no code from its files."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from latentmap.autoencoder.checks import check_parameters, with_channels
from latentmap.autoencoder.model_files import (
    CONFIG_SCHEMA,
    available_device,
    check_weights,
    read_model,
    write_model,
)
from latentmap.autoencoder.networks import DECODERS, build_decoder
from latentmap.autoencoder.training.pixels import PixelScale
from latentmap.autoencoder.training.precision import PRECISIONS
from latentmap.core.errors import InputError, ModelFileError

if TYPE_CHECKING:
    from latentmap.autoencoder.image_decoder import ImageDecoder

FORMAT = "latentmap-decoder"
# Prefix of the names of the moments of the vectors in the file of weights.
VECTORS_PREFIX = "vectors/"


def save_decoder(model: "ImageDecoder", folder: Path) -> None:
    """Write a fitted decoder into a folder; see :meth:`latentmap.ImageDecoder.save`.

    Parameters
    ----------
    model : ImageDecoder
        Fitted estimator.
    folder : Path
        Folder to write into; it is created if it does not exist.
    """
    parameters = model.get_params(deep=False) | {"callback": None, "checkpoint": None}
    if isinstance(model.random_state, np.random.RandomState):
        parameters["random_state"] = None  # the state of a generator is not a setting
    config = {
        "parameters": parameters,
        "recipe": model.recipe_,
        "precision": model.precision_,
        "image_shape": list(model.image_shape_),
        "scale": [model.scale_.low, model.scale_.high],
        "history": model.history_,
    }
    moments = {
        f"{VECTORS_PREFIX}mean": torch.from_numpy(model.mean_),
        f"{VECTORS_PREFIX}std": torch.from_numpy(model.std_),
    }
    if model.components_ is not None:
        moments[f"{VECTORS_PREFIX}components"] = torch.from_numpy(model.components_)
    write_model(folder, config, model.network_.state_dict() | moments, file_format=FORMAT)


Model = TypeVar("Model", bound="ImageDecoder")


def load_decoder(cls: type[Model], folder: Path) -> Model:
    """Read a decoder that :func:`save_decoder` wrote; see :meth:`latentmap.ImageDecoder.load`.

    Parameters
    ----------
    cls : type
        Class of the estimator to return.
    folder : Path
        Folder of the saved decoder.

    Returns
    -------
    ImageDecoder
        Fitted estimator.

    Raises
    ------
    ModelFileError
        If a file is missing, damaged or of another format.
    """
    config, weights = read_model(folder, file_format=FORMAT, schema=CONFIG_SCHEMA)
    try:
        return _build_decoder(cls, config, weights)
    except MemoryError:
        raise
    except Exception as error:  # any error that a network raises for settings that no version wrote
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error) or type(error).__name__
        raise ModelFileError(f"{folder} does not hold a decoder that this version can build: {reason}") from error


def _build_decoder(cls: type[Model], config: dict[str, Any], weights: dict[str, Tensor]) -> Model:
    """Make the fitted estimator, and raise whatever does not fit."""
    model = cls(**config["parameters"])
    model._validate_params()
    check_parameters(model.activation, None, 0.0, ())
    recipe = config["recipe"]
    model.recipe_ = recipe | {"augmentation": tuple(recipe["augmentation"])}
    model.precision_ = config["precision"]
    if model.precision_ not in PRECISIONS:
        raise InputError(f"precision={model.precision_!r}: choose among {', '.join(PRECISIONS)}")
    model.image_shape_ = tuple(config["image_shape"])
    model.scale_ = PixelScale(*config["scale"])
    if not model.scale_.low < model.scale_.high:
        raise InputError(f"scale={config['scale']}: the first value must be smaller than the second")
    model.history_ = config["history"]
    model.n_epochs_ = len(model.history_["loss"])
    model.mean_ = weights.pop(f"{VECTORS_PREFIX}mean").numpy()
    model.std_ = weights.pop(f"{VECTORS_PREFIX}std").numpy()
    if model.mean_.ndim != 1 or model.std_.shape != model.mean_.shape or not (model.std_ > 0).all():
        raise InputError(f"moments of the vectors of shape {model.mean_.shape} and {model.std_.shape}")
    model.n_features_in_ = len(model.mean_)
    components = weights.pop(f"{VECTORS_PREFIX}components", None)
    model.components_ = None if components is None else components.numpy()
    if components is not None and (components.ndim != 2 or components.shape[1] != model.n_features_in_):
        raise InputError(f"components of shape {tuple(components.shape)} for vectors of {model.n_features_in_}")
    length = model.n_features_in_ if components is None else len(components)
    name, activation = recipe["network"], recipe["activation"]
    if name not in DECODERS or not isinstance(activation, str):
        raise InputError(f"network={name!r} with activation={activation!r}: choose among {', '.join(DECODERS)}")
    shape = with_channels(model.image_shape_)
    with torch.device("meta"):  # takes no memory, whatever sizes the file claims
        check_weights(build_decoder(name, shape, length, activation), weights)
    network = build_decoder(name, shape, length, activation)
    network.load_state_dict(weights)
    model.network_ = network.to(available_device(model.device)).eval()
    return model
