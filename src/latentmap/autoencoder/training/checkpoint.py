"""Checkpoints: all that training needs to resume, in one file written atomically. Reading it runs no code."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_tensors
from torch import Tensor

from latentmap.core.atomic_files import write_bytes


def write_checkpoint(path: Path, key: str, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write tensors and plain facts; ``key`` says which training they belong to."""
    copies = {name: values.detach().cpu().clone() for name, values in tensors.items()}
    write_bytes(path, save_tensors(copies, {"key": key, "facts": json.dumps(facts)}))


def read_checkpoint(path: Path, key: str) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Tensors and facts; None when there is no such file, it is damaged, or it belongs to another training."""
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("key") != key:
                return None
            names = file.keys()  # no mapping: safetensors' own file
            return {name: file.get_tensor(name) for name in names}, json.loads(metadata["facts"])
    except (OSError, SafetensorError, ValueError, KeyError):
        return None
