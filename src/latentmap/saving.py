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

from latentmap.files import write_bytes, write_text

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "weights.safetensors"
FORMAT = "latentmap-autoencoder"
FORMAT_VERSION = 2


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
    return config, load_tensors(data)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelFileError(
            f"cannot read {path} ({error.strerror}): pass the folder that Autoencoder.save wrote"
        ) from error


def _read_config(path: Path) -> dict[str, Any]:
    data = _read(path)
    try:
        config = json.loads(data)
    except ValueError as error:
        raise ModelFileError(f"{path} is not JSON ({error}): the file is damaged") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise ModelFileError(f"{path} is not a model of latentmap: pass the folder that Autoencoder.save wrote")
    if config.get("format_version") != FORMAT_VERSION:
        raise ModelFileError(
            f"{path} has format version {config.get('format_version')}, this latentmap reads version "
            f"{FORMAT_VERSION}: load it with the version that wrote it"
        )
    return config


def _plain(value: object) -> object:
    """NumPy's numbers as Python's, for JSON."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} cannot be written as JSON")
