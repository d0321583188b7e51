"""Saved models: settings as JSON and weights as safetensors. Loading a model runs no code from its files."""

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from latentmap.autoencoder.checks import check_parameters, with_channels
from latentmap.autoencoder.networks import NETWORKS, Network, build_network
from latentmap.autoencoder.training.pixels import PixelScale
from latentmap.autoencoder.training.precision import PRECISIONS
from latentmap.core.atomic_files import write_bytes, write_text
from latentmap.core.devices import choose_device
from latentmap.core.errors import InputError, InputTypeError, ModelFileError, SchemaError
from latentmap.core.json_schema import (
    DIGEST,
    NUMBER,
    PLAIN,
    TEXT,
    ListOf,
    MapOf,
    Scalar,
    check,
    is_whole,
    short_repr,
)

if TYPE_CHECKING:
    from latentmap.autoencoder.estimator import Autoencoder
    from latentmap.autoencoder.image_decoder import ImageDecoder

Built = TypeVar("Built", bound=Network)
CONFIG_FILE = "config.json"
WEIGHTS_FILE = "weights.safetensors"
FORMAT = "latentmap-autoencoder"
MODEL_FORMAT_VERSION = 2
MAX_CONFIG_BYTES = 2**26
MAX_SIDE = 2**31  # length of an axis of one image
# Prefix of the names of the reference tensors in the file of weights.
REFERENCE_PREFIX = "reference/"
AXIS = Scalar("a whole number of at least 1", lambda value: is_whole(value) and 1 <= value < MAX_SIDE)
CONFIG_SCHEMA = {
    "parameters": MapOf(TEXT, PLAIN),
    "recipe": MapOf(TEXT, PLAIN),
    "precision": TEXT,
    "image_shape": ListOf(AXIS, 1, 3),
    "scale": ListOf(NUMBER, 2, 2),
    "history": MapOf(TEXT, ListOf(Scalar("a number", lambda one: isinstance(one, int | float)))),
    "weights_sha256": DIGEST,
}


def save_model(model: "Autoencoder", folder: Path) -> None:
    """Write a fitted autoencoder into a folder; see :meth:`latentmap.Autoencoder.save`.

    Parameters
    ----------
    model : Autoencoder
        Fitted estimator.
    folder : Path
        Folder to write into; it is created if it does not exist.
    """
    parameters = model.get_params(deep=False) | {"callback": None, "checkpoint": None, "tensorboard": None}
    if model.augmentation != "auto":
        parameters["augmentation"] = list(model.augmentation)
    reference = {
        f"{REFERENCE_PREFIX}latents": torch.from_numpy(model.reference_latents_),
        f"{REFERENCE_PREFIX}errors": torch.from_numpy(model.reference_errors_),
    }
    write_model(folder, settings_of(model, parameters), model.network_.state_dict() | reference)


def settings_of(model: "Autoencoder | ImageDecoder", parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a fitted estimator, which :func:`restore_settings` reads.

    Parameters
    ----------
    model : Autoencoder or ImageDecoder
        Fitted estimator.
    parameters : dict
        Its parameters by name, as JSON can hold them.

    Returns
    -------
    dict
    """
    if isinstance(model.random_state, np.random.RandomState):
        parameters = parameters | {"random_state": None}  # the state of a generator is not a setting
    return {
        "parameters": parameters,
        "recipe": model.recipe_,
        "precision": model.precision_,
        "image_shape": list(model.image_shape_),
        "scale": [model.scale_.low, model.scale_.high],
        "history": model.history_,
    }


Model = TypeVar("Model", bound="Autoencoder")


def load_model(cls: type[Model], folder: Path, device: str | None = None) -> Model:
    """Read a model that :func:`save_model` wrote; see :meth:`latentmap.Autoencoder.load`.

    Parameters
    ----------
    cls : type
        Class of the estimator to return.
    folder : Path
        Folder of the saved model.
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
    """
    config, weights = read_model(folder)
    replace_device(config, device)
    with misfits_in_words(folder, "a model"):
        return _build_model(cls, config, weights)


def replace_device(config: dict[str, Any], device: str | None) -> None:
    """Replace the device in the settings of a saved model.

    Parameters
    ----------
    config : dict
        Settings, as :func:`read_model` returns them; they are changed in place.
    device : str or None
        Torch device; None keeps the saved one.

    Raises
    ------
    InputError
        If there is no such device.
    """
    if device is not None:
        choose_device(device)
        config["parameters"]["device"] = device


@contextmanager
def misfits_in_words(folder: Path, kind: str) -> Iterator[None]:
    """Turn whatever a network raises for settings that no version wrote into a ModelFileError.

    Parameters
    ----------
    folder : Path
        Folder of the saved model.
    kind : str
        For the message: the kind of model, with its article.
    """
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error) or type(error).__name__
        raise ModelFileError(f"{folder} does not hold {kind} that this version can build: {reason}") from error


def write_model(
    folder: Path, config: Mapping[str, Any], weights: Mapping[str, Tensor], *, file_format: str = FORMAT
) -> None:
    """Write ``config.json`` and ``weights.safetensors``.

    Each file is replaced atomically. The configuration is written last and holds the checksum of the weights, so that
    :func:`read_model` notices a save that was interrupted between the two.

    Parameters
    ----------
    folder : Path
        Folder to write into; it is created if it does not exist.
    config : mapping
        Settings that JSON can express.
    weights : mapping of str to Tensor
        Weights by name.
    file_format : str, optional
        Name of the kind of model, which :func:`read_model` asks for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = save_tensors({name: value.detach().cpu().contiguous() for name, value in weights.items()})
    complete = {
        "format": file_format,
        "format_version": MODEL_FORMAT_VERSION,
        **config,
        "weights_sha256": hashlib.sha256(data).hexdigest(),
    }
    write_bytes(folder / WEIGHTS_FILE, data)
    write_text(folder / CONFIG_FILE, json.dumps(complete, indent=1, default=_json_safe))


def read_model(
    folder: Path, *, file_format: str = FORMAT, schema: dict[str, Any] = CONFIG_SCHEMA
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read what :func:`write_model` wrote.

    Parameters
    ----------
    folder : Path
        Folder of the saved model.
    file_format : str, optional
        Name of the kind of model.
    schema : dict, optional
        Schema of its settings.

    Returns
    -------
    config : dict
        Settings.
    weights : dict of str to Tensor
        Weights by name, on the CPU.

    Raises
    ------
    ModelFileError
        If a file is missing, damaged or of another format.
    """
    config = _read_config(folder / CONFIG_FILE, file_format, schema)
    data = _read_model_file(folder / WEIGHTS_FILE)
    if hashlib.sha256(data).hexdigest() != config.get("weights_sha256"):
        raise ModelFileError(
            f"{folder / WEIGHTS_FILE} is not the file that {CONFIG_FILE} describes (its SHA-256 differs): "
            "it is damaged or from another save; save the model again"
        )
    try:
        return config, load_tensors(data)
    except Exception as error:  # safetensors raises errors of its own, and others for dtypes that it does not know
        raise ModelFileError(
            f"{folder / WEIGHTS_FILE} is not a complete safetensors file ({error}): save the model again"
        ) from error


def _build_model(cls: type[Model], config: dict[str, Any], weights: dict[str, Tensor]) -> Model:
    """Make the fitted estimator, and raise whatever does not fit."""
    parameters = config["parameters"]
    if parameters["augmentation"] != "auto":
        parameters["augmentation"] = tuple(parameters["augmentation"])  # JSON has lists only
    model = cls(**parameters)
    model._validate_params()
    check_parameters(model.activation, model.patience, model.validation_fraction, model.augmentation)
    restore_settings(model, config)
    model.n_features_in_ = prod(model.image_shape_)
    model._n_features_out = model.latent_dim
    model.reference_latents_ = weights.pop(f"{REFERENCE_PREFIX}latents").numpy()
    model.reference_errors_ = weights.pop(f"{REFERENCE_PREFIX}errors").numpy()
    n_references = len(model.reference_errors_)
    if model.reference_errors_.ndim != 1 or model.reference_latents_.shape != (n_references, model.latent_dim):
        raise InputError(
            f"{REFERENCE_PREFIX}latents {model.reference_latents_.shape} and {REFERENCE_PREFIX}errors "
            f"{model.reference_errors_.shape} do not match latent_dim={model.latent_dim}"
        )
    model.network_ = _build_network(model, weights)
    return model


def _build_network(model: "Autoencoder", weights: dict[str, Tensor]) -> Network:
    """Make the network and load its weights onto the device."""
    name, activation = known_names(model, NETWORKS)
    shape = with_channels(model.image_shape_)
    build = partial(build_network, name, shape, model.latent_dim, activation, beta=model.beta)
    return load_network(build, weights, model.device)


def restore_settings(model: "Autoencoder | ImageDecoder", config: dict[str, Any]) -> None:
    """Set the fitted attributes that :func:`settings_of` has saved.

    Parameters
    ----------
    model : Autoencoder or ImageDecoder
    config : dict
        Settings, as :func:`read_model` returns them.

    Raises
    ------
    InputError
        If a value is not one that an estimator has.
    """
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


def known_names(model: "Autoencoder | ImageDecoder", networks: Collection[str]) -> tuple[str, str]:
    """Return the names of the network and the activation of a saved model.

    Parameters
    ----------
    model : Autoencoder or ImageDecoder
        Estimator with its ``recipe_``.
    networks : collection of str
        Names of networks that it may have.

    Returns
    -------
    network, activation : str

    Raises
    ------
    InputError
        If it is another network.
    """
    name, activation = model.recipe_["network"], model.recipe_["activation"]
    if name not in networks or not isinstance(activation, str):
        raise InputError(f"network={name!r} with activation={activation!r}: choose among {', '.join(networks)}")
    return name, activation


def load_network(build: Callable[[], Built], weights: dict[str, Tensor], device: str) -> Built:
    """Make a network and load its weights.

    Parameters
    ----------
    build : callable
        Makes the network.
    weights : dict of str to Tensor
        Weights by name.
    device : str
        Device that the network is moved to, if it is available.

    Returns
    -------
    Network
        In evaluation mode.

    Raises
    ------
    InputError
        If the weights are not those of the network.
    """
    with torch.device("meta"):  # takes no memory, whatever sizes the file claims
        check_weights(build(), weights)
    network = build()
    network.load_state_dict(weights)
    return network.to(available_device(device)).eval()


def check_weights(network: Network, weights: dict[str, Tensor]) -> None:
    """Raise InputError unless there are exactly the weights of a network, each with its shape.

    Parameters
    ----------
    network : Network
        Network, perhaps on the device "meta".
    weights : dict of str to Tensor
        Weights by name.

    Raises
    ------
    InputError
        If a weight is missing, unknown, of another shape or not of floats.
    """
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in weights.items()}
    for name in sorted({*expected, *found}):
        if expected.get(name) != found.get(name):
            raise InputError(f"weights {name!r} have shape {found.get(name)}, the network has {expected.get(name)}")
    wrong = [name for name, value in weights.items() if not value.is_floating_point()]
    if wrong:
        raise InputError(f"weights {wrong[0]!r} are {weights[wrong[0]].dtype}, not floats")


def available_device(name: str) -> torch.device:
    """Return the device of a saved model.

    Parameters
    ----------
    name : str
        Name of a torch device, or ``"auto"``.

    Returns
    -------
    torch.device

    Raises
    ------
    InputError
        If this machine does not have it.
    """
    try:
        return choose_device(name)
    except InputError as error:
        raise InputError(
            f'device={name[:40]!r} is not available on this machine: set "device" to "auto" in its config.json'
        ) from error


def _read_model_file(path: Path, max_bytes: int | None = None) -> bytes:
    try:
        if max_bytes is not None and path.stat().st_size > max_bytes:
            raise ModelFileError(f"{path} is larger than {max_bytes >> 20} MiB: latentmap did not write it")
        return path.read_bytes()
    except OSError as error:
        raise ModelFileError(
            f"cannot read {path} ({error.strerror}): pass the folder that Autoencoder.save wrote"
        ) from error


def _read_config(path: Path, file_format: str, schema: dict[str, Any]) -> dict[str, Any]:
    data = _read_model_file(path, MAX_CONFIG_BYTES)
    try:
        config = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path} is not JSON ({error}): the file is damaged") from error
    if not isinstance(config, dict) or config.get("format") != file_format:
        raise ModelFileError(f"{path} is not a model of latentmap: pass the folder that Autoencoder.save wrote")
    found = config.get("format_version")
    if found != MODEL_FORMAT_VERSION or not isinstance(found, int):
        kind = f" ({type(found).__name__})" if isinstance(found, str | float) else ""
        raise ModelFileError(
            f"{path} has format version {short_repr(found)}{kind}, this latentmap reads version "
            f"{MODEL_FORMAT_VERSION}: load it with the version that wrote it"
        )
    try:
        check(config, schema)
    except SchemaError as error:
        raise ModelFileError(f"{path}: {error}: the file is damaged, save the model again") from error
    return config


def _json_safe(value: object) -> object:
    """Convert a NumPy number into a Python number, for JSON."""
    if isinstance(value, np.generic):
        return value.item()
    raise InputTypeError(f"{value!r} cannot be written as JSON")
