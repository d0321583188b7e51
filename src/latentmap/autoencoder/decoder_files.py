"""Saved decoders: settings as JSON and weights as safetensors. Loading one runs no code from its files."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from latentmap.autoencoder.checks import check_parameters, with_channels
from latentmap.autoencoder.model_files import (
    CONFIG_SCHEMA,
    known_names,
    load_network,
    misfits_in_words,
    read_model,
    replace_device,
    restore_settings,
    settings_of,
    write_model,
)
from latentmap.autoencoder.networks import DECODERS, build_decoder
from latentmap.core.errors import InputError

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
    moments = {
        f"{VECTORS_PREFIX}mean": torch.from_numpy(model.mean_),
        f"{VECTORS_PREFIX}std": torch.from_numpy(model.std_),
    }
    if model.components_ is not None:
        moments[f"{VECTORS_PREFIX}components"] = torch.from_numpy(model.components_)
    weights = model.network_.state_dict() | moments
    write_model(folder, settings_of(model, parameters), weights, file_format=FORMAT)


Model = TypeVar("Model", bound="ImageDecoder")


def load_decoder(cls: type[Model], folder: Path, device: str | None = None) -> Model:
    """Read a decoder that :func:`save_decoder` wrote; see :meth:`latentmap.ImageDecoder.load`.

    Parameters
    ----------
    cls : type
        Class of the estimator to return.
    folder : Path
        Folder of the saved decoder.
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
    """
    config, weights = read_model(folder, file_format=FORMAT, schema=CONFIG_SCHEMA)
    replace_device(config, device)
    with misfits_in_words(folder, "a decoder"):
        return _build_decoder(cls, config, weights)


def _build_decoder(cls: type[Model], config: dict[str, Any], weights: dict[str, Tensor]) -> Model:
    """Make the fitted estimator, and raise whatever does not fit."""
    model = cls(**config["parameters"])
    model._validate_params()
    check_parameters(model.activation, None, 0.0, ())
    restore_settings(model, config)
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
    name, activation = known_names(model, DECODERS)
    build = partial(build_decoder, name, with_channels(model.image_shape_), length, activation)
    model.network_ = load_network(build, weights, model.device)
    return model
