"""The encoder of a run: its record in run.json, its copy in the run, and opening it again for other images."""

from pathlib import Path
from typing import Any

from latentmap.core.atomic_files import resolved
from latentmap.core.errors import EncoderError, RunError
from latentmap.encoder import ImageEncoder
from latentmap.encoder.onnx_file import copy_model
from latentmap.run.layout import MODEL
from latentmap.run.state_schema import is_inside

# Larger encoders are not copied into the run, which then refers to them by path and SHA-256.
MAX_COPIED_BYTES = 2**29
ENCODER_FILE = f"{MODEL}/encoder.onnx"
# Names in the folder of the model that are taken.
TAKEN = ("config.json", "weights.safetensors", "features.json", "features.safetensors", "encoder.onnx")


def encoder_record(encoder: ImageEncoder, n: int) -> dict[str, Any]:
    """The record in run.json of the vectors that an encoder computes for n images."""
    return {
        "name": encoder.path.name,
        "path": str(resolved(encoder.path)),
        "n": n,
        "dimensions": encoder.n_features_out,
        "matched_by": "encoder",
        "sha256": encoder.key,
        "key": encoder.key,
        "encoder": encoder.facts() | {"is_copied": _may_copy(encoder), "settings": _settings(encoder)},
    }


def keep_encoder(encoder: ImageEncoder, folder: Path) -> list[str]:
    """Copy a small encoder into the folder of a run; return the names of the files, none for a large one."""
    if not _may_copy(encoder):
        return []
    first, *weights = encoder.files
    names = [ENCODER_FILE, *(f"{MODEL}/{file.name}" for file in weights)]
    copy_model([(file, folder / name) for file, name in zip([first, *weights], names, strict=True)])
    return names


def open_encoder(folder: Path, state: dict[str, Any]) -> ImageEncoder:
    """Open the encoder of a run, from its copy or from where it was.

    Parameters
    ----------
    folder : Path
        The run.
    state : dict
        Its run.json.

    Raises
    ------
    RunError
        If the encoder is gone, damaged or another one.
    MissingPackageError
        If onnx or onnxruntime is not installed.
    """
    record = state["vectors"]
    facts = record["encoder"]
    path = folder / ENCODER_FILE if facts["is_copied"] else Path(record["path"])
    try:
        if record["dimensions"] != facts["n_features_out"]:
            raise EncoderError(f"vectors of {record['dimensions']} numbers by an encoder of {facts['n_features_out']}")
        return ImageEncoder.from_facts(path, facts, str(state["options"].get("device", "auto")))
    except EncoderError as error:
        needed = (
            f"give the command of the run again with {record['name']}"
            if facts["is_copied"]
            else (f"put {record['name']} with the SHA-256 {facts['digest'][:16]}… back at {path}")
        )
        raise RunError(f"{folder}: its encoder cannot be opened ({error}): {needed}") from error


def _settings(encoder: ImageEncoder) -> dict[str, Any]:
    """The options of the run that say which encoder it is and how it is used."""
    settings = dict(encoder.settings)
    path, output = str(resolved(encoder.path)), settings.pop("output", None)
    found: dict[str, Any] = {"encoder": path if output is None else f"{path}:{output}"}
    for name, value in settings.items():
        found[f"encoder_{name}"] = ("x" if name == "size" else ",").join(f"{one:g}" for one in value)
    return found


def _may_copy(encoder: ImageEncoder) -> bool:
    names = [file.name for file in encoder.files[1:]]
    is_small = sum(file.stat().st_size for file in encoder.files) <= MAX_COPIED_BYTES
    return is_small and all(is_inside(name) and name not in TAKEN for name in names)
