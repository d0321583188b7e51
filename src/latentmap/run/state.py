"""run.json: what a run was asked for and which of its stages are done."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from latentmap.files import sha256, write_text
from latentmap.run.options import RunOptions

FORMAT_VERSION = 2
FILE = "run.json"

# Stage -> the stages that it needs. In the order in which they run.
# What later stages make depends on the pixels that "decode" finds, and not on how they were found.
STAGES: dict[str, tuple[str, ...]] = {
    "decode": (),
    "train": (),
    "encode": ("train",),
    "group": ("encode",),
    "map": ("encode",),
    "find": ("encode",),
    "report": ("group", "map", "find"),
}
# Stage -> the options that change what it makes.
OPTIONS: dict[str, tuple[str, ...]] = {
    "train": (
        *("network", "activation", "latent_dim", "epochs", "batch_size", "learning_rate", "seed"),
        *("beta", "denoising", "noise_level", "augmentation", "precision"),
    ),
    "encode": (),
    "group": ("groups", "n_clusters", "invariant", "min_confidence", "seed"),
    "map": ("perplexity", "seed"),
    "find": (),
    "report": (),
}


class RunError(ValueError):
    """A folder that is not a run that can be opened or gone on with."""


def read_state(folder: Path) -> dict[str, Any]:
    """Read run.json.

    Raises
    ------
    RunError
        If it is missing or damaged, or another version of the format.
    """
    path = folder / FILE
    try:
        state = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise RunError(f"{folder}: no {FILE} in it: pass a folder that `latentmap run` made") from error
    except ValueError as error:
        raise RunError(f"{path}: damaged ({error}): run into another folder") from error
    found = state.get("format_version") if isinstance(state, dict) else None
    if found != FORMAT_VERSION:
        raise RunError(
            f"{path}: format version {found}, this latentmap reads version {FORMAT_VERSION}: "
            "open it with the version that made it, or run into another folder"
        )
    checked: dict[str, Any] = state
    return checked


def write_state(folder: Path, state: dict[str, Any]) -> None:
    """Write run.json, whole."""
    write_text(folder / FILE, json.dumps(state, indent=1, ensure_ascii=False))


def stage_keys(options: RunOptions, source: dict[str, Any], added: list[dict[str, Any]]) -> dict[str, str]:
    """A hash for each stage after "decode" over all that it depends on: its options, the stages before it, the images.

    Only the report looks at labels and paths, and at images that were added later.
    """
    keys: dict[str, str] = {}
    for stage, needs in STAGES.items():
        if stage == "decode":
            continue
        parts: dict[str, Any] = {
            "format_version": FORMAT_VERSION,
            "images": source["annotations" if stage == "report" else "fingerprint"],
            "options": {name: getattr(options, name) for name in OPTIONS[stage]},
            "needs": [keys[need] for need in needs],
        }
        if stage == "report" and added:
            parts["added"] = [one["fingerprint"] for one in added]
        keys[stage] = key_of(parts)
    return keys


def key_of(parts: Any) -> str:
    """A hash over values that JSON can hold."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def is_done(folder: Path, record: dict[str, Any] | None, key: str) -> bool:
    """Whether a stage was finished with this key and all that it wrote is still there, unchanged."""
    if record is None or record["state"] != "done" or record["key"] != key:
        return False
    files: dict[str, dict[str, Any]] = record["files"]
    return all(
        (folder / name).is_file()
        and (folder / name).stat().st_size == file["bytes"]
        and sha256(folder / name) == file["sha256"]
        for name, file in files.items()
    )


def dependents(stage: str) -> list[str]:
    """The stages that need ``stage``, directly or not."""
    found = {stage}
    for other, needs in STAGES.items():
        if found.intersection(needs):
            found.add(other)
    return [other for other in STAGES if other in found and other != stage]


def describe_files(folder: Path, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of files of the run."""
    return {name: {"bytes": (folder / name).stat().st_size, "sha256": sha256(folder / name)} for name in sorted(names)}
