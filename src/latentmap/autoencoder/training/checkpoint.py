"""Checkpoints: the whole state of a training in one file, written atomically. Reading one runs no code."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_tensors
from torch import Tensor

from latentmap.core.atomic_files import write_bytes


def write_checkpoint(path: Path, key: str, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write a checkpoint.

    Parameters
    ----------
    path : Path
        File to write.
    key : str
        Hash of everything that the weights depend on.
    tensors : dict of str to Tensor
        Tensors by name, on any device.
    facts : dict
        Other values, such as JSON can express.
    """
    copies = {name: values.detach().cpu().clone() for name, values in tensors.items()}
    write_bytes(path, save_tensors(copies, {"key": key, "facts": json.dumps(facts)}))


def read_checkpoint(path: Path, key: str) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Read a checkpoint that :func:`write_checkpoint` wrote.

    Parameters
    ----------
    path : Path
        File to read.
    key : str
        Hash of everything that the weights depend on.

    Returns
    -------
    (tensors, facts) or None
        None if the file does not exist, is damaged, or was written with another key.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("key") != key:
                return None
            names = file.keys()  # the file is not a mapping
            return {name: file.get_tensor(name) for name in names}, json.loads(metadata["facts"])
    except (OSError, SafetensorError, ValueError, KeyError):
        return None
