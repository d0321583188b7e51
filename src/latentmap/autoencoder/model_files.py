"""A model on disk: what it is as JSON, its weights as safetensors. Reading one runs none of its code."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from latentmap.core.atomic_files import write_bytes, write_text
from latentmap.core.json_schema import (
    DIGEST,
    NUMBER,
    PLAIN,
    TEXT,
    ListOf,
    MapOf,
    Scalar,
    SchemaError,
    check,
    is_whole,
    short_repr,
)

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "weights.safetensors"
FORMAT = "latentmap-autoencoder"
FORMAT_VERSION = 2
MAX_CONFIG_BYTES = 2**26
MAX_VALUES = 2**31  # of one image
LENGTH = Scalar("a whole number of at least 1", lambda value: is_whole(value) and 1 <= value < MAX_VALUES)
CONFIG = {
    "parameters": MapOf(TEXT, PLAIN),
    "recipe": MapOf(TEXT, PLAIN),
    "precision": TEXT,
    "image_shape": ListOf(LENGTH, 1, 3),
    "scale": ListOf(NUMBER, 2, 2),
    "history": MapOf(TEXT, ListOf(Scalar("a number", lambda one: isinstance(one, int | float)))),
    "weights_sha256": DIGEST,
}


class ModelFileError(ValueError):
    """A saved model is missing, damaged or of another format."""


def write_model(folder: Path, config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
    """Write ``config.json`` and ``weights.safetensors`` into ``folder``, which is made when it is not there.

    Each file is whole or as it was. The configuration goes last and holds the checksum of the weights, so that
    :func:`read_model` notices a save that was cut short between the two.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = save_tensors({name: value.detach().cpu().contiguous() for name, value in weights.items()})
    described = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        **config,
        "weights_sha256": hashlib.sha256(data).hexdigest(),
    }
    write_bytes(folder / WEIGHTS_FILE, data)
    write_text(folder / CONFIG_FILE, json.dumps(described, indent=1, default=_plain))


def read_model(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read what :func:`write_model` wrote: the configuration and the weights.

    Raises
    ------
    ModelFileError
        If a file is missing, damaged, or of another format.
    """
    config = _read_config(folder / CONFIG_FILE)
    data = _read(folder / WEIGHTS_FILE)
    if hashlib.sha256(data).hexdigest() != config.get("weights_sha256"):
        raise ModelFileError(
            f"{folder / WEIGHTS_FILE} is not the file that {CONFIG_FILE} describes (its SHA-256 differs): "
            "it is damaged or from another save; save the model again"
        )
    try:
        return config, load_tensors(data)
    except Exception as error:  # safetensors raises errors of its own, and others for types that it does not know
        raise ModelFileError(
            f"{folder / WEIGHTS_FILE} is no whole safetensors file ({error}): save the model again"
        ) from error


def _read(path: Path, most: int | None = None) -> bytes:
    try:
        if most is not None and path.stat().st_size > most:
            raise ModelFileError(f"{path} is larger than {most >> 20} MiB: latentmap did not write it")
        return path.read_bytes()
    except OSError as error:
        raise ModelFileError(
            f"cannot read {path} ({error.strerror}): pass the folder that Autoencoder.save wrote"
        ) from error


def _read_config(path: Path) -> dict[str, Any]:
    data = _read(path, MAX_CONFIG_BYTES)
    try:
        config = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path} is not JSON ({error}): the file is damaged") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise ModelFileError(f"{path} is not a model of latentmap: pass the folder that Autoencoder.save wrote")
    found = config.get("format_version")
    if found != FORMAT_VERSION or not isinstance(found, int):
        kind = f" ({type(found).__name__})" if isinstance(found, str | float) else ""
        raise ModelFileError(
            f"{path} has format version {short_repr(found)}{kind}, this latentmap reads version "
            f"{FORMAT_VERSION}: load it with the version that wrote it"
        )
    try:
        check(config, CONFIG)
    except SchemaError as error:
        raise ModelFileError(f"{path}: {error}: the file is damaged, save the model again") from error
    return config


def _plain(value: object) -> object:
    """NumPy's numbers as Python's, for JSON."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} cannot be written as JSON")
