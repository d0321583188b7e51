"""run.json: the source and options of a run, and the state of its stages."""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from latentmap.core.addresses import is_address, public_address
from latentmap.core.atomic_files import resolved, sha256, write_text
from latentmap.core.errors import InputError, OptionError, RunError, SchemaError
from latentmap.core.json_schema import PLAIN, SIDE, TEXT, ListOf, MapOf, OrNone, Scalar, check, short_repr
from latentmap.images import Shape
from latentmap.images.mixing import Mixing
from latentmap.run.layout import ADDED, added_name
from latentmap.run.options import RunOptions, check_options, names_in_key
from latentmap.run.state_schema import ADDITION, CROP_OPTIONS, DECODED, GIVEN, SOURCE, STAGE, TILE_OPTIONS

RUN_FORMAT_VERSION = 2
STATE_FILE = "run.json"
MAX_STATE_BYTES = 2**26
# Folders inside the folder of a run that hold links to the user's files, and how deep others go.
FREE = {"exports"}
MAX_FOLDERS = 8

# Stage -> the stages that it needs. In the order in which they run: the map, which needs most neighbours, comes first.
# Later stages depend on the pixels that "decode" finds, and not on how they were found.
STAGES: dict[str, tuple[str, ...]] = {
    "decode": (),
    "train": (),
    "encode": ("train",),
    "features": (),
    "map": ("encode", "features"),
    "group": ("encode", "features"),
    "find": ("encode", "features"),
    "report": ("group", "map", "find"),
}
# The stages of a run of given vectors. Groups and map go by the vectors, whatever is trained from them.
STAGES_WITH_VECTORS: dict[str, tuple[str, ...]] = {
    "decode": (),
    "vectors": (),
    "train": ("vectors",),
    "encode": ("vectors", "train"),
    "features": (),
    "map": ("vectors",),
    "group": ("vectors",),
    "find": ("vectors", "encode"),
    "report": ("group", "map", "find"),
}
STATE = {
    "source": SOURCE,
    "options": MapOf(TEXT, PLAIN),
    "stages": MapOf(Scalar("a stage", lambda name: name in STAGES_WITH_VECTORS), STAGE),
    "added": ListOf(ADDITION),
    "vectors?": OrNone(GIVEN),
    "places?": OrNone(GIVEN),
    "versions": MapOf(TEXT, TEXT),
    "platform": TEXT,
    "device?": TEXT,
    "threads": PLAIN,
}
# Of runs that an older version made, or that were interrupted while images were decoded.
SOURCE_DEFAULTS: dict[str, Any] = {
    "n": 0,
    "image_shape": [],
    "shape": None,
    "decoding": {},
    "labelled": False,
    "skipped": 0,
    "ignored": 0,
    "cache_bytes": 0,
    "fingerprint": "",
    "annotations": "",
    "path": None,
    "labels": None,
}


def read_state(folder: Path) -> dict[str, Any]:
    """Read and check run.json, which may come from an untrusted source.

    Raises
    ------
    RunError
        If it is missing or damaged, another version of the format, says what no run says, or the folder holds links
        that lead out of it.
    """
    check_links(folder)
    path = folder / STATE_FILE
    state = _read_json(folder, path)
    found = state.get("format_version")
    if found != RUN_FORMAT_VERSION or not isinstance(found, int):
        kind = f" ({type(found).__name__})" if isinstance(found, str | float) else ""
        raise RunError(
            f"{path}: format version {short_repr(found)}{kind}, this latentmap reads version {RUN_FORMAT_VERSION}: "
            "open it with the version that made it, or run into another folder"
        )
    for name in ("source", "options", "stages", "added"):
        state.setdefault(name, [] if name == "added" else {})
    for name in ("versions", "platform", "threads"):
        state.setdefault(name, {} if name == "versions" else "unknown")
    _complete_older(state)
    try:
        check(state, STATE)
        _check_source(state)
        check_options(state["options"])
    except (SchemaError, OptionError) as error:
        raise RunError(f"{path}: {error}: it is damaged, or latentmap did not write it; run into another folder") from (
            error
        )
    return state


def _complete_older(state: dict[str, Any]) -> None:
    """Complete the state of a run from before there were features: its neighbours are those of latent vectors."""
    options, done = state["options"], state["stages"]
    if not isinstance(options, dict) or not isinstance(done, dict) or not options or "features" in options:
        return
    options["features"] = "latent"
    if "encode" in done:
        done["features"] = {"state": "done", "key": "", "seconds": 0.0, "files": {}}


def _read_json(folder: Path, path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_STATE_BYTES:
            raise RunError(f"{path}: larger than {MAX_STATE_BYTES >> 20} MiB: latentmap did not write it")
        state = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise RunError(f"{folder}: no {STATE_FILE} in it: pass a folder that `latentmap run` made") from error
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror})") from error
    except RunError:
        raise
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path}: damaged ({error}): run into another folder") from error
    if not isinstance(state, dict):
        raise RunError(f"{path}: damaged ({short_repr(state)} instead of an object): run into another folder")
    return state


def _check_source(state: dict[str, Any]) -> None:
    """Check the parts of the state against each other."""
    source, done = state["source"], state["stages"].get("decode", {}).get("state") == "done"
    later = [name for name in STAGES_WITH_VECTORS if name != "decode" and name in state["stages"]]
    if done or later or state["added"]:
        check(source, dict.fromkeys(DECODED, PLAIN), "source")
        check(source["image_shape"], ListOf(SIDE, 2, 3), "source.image_shape")
    for name, value in SOURCE_DEFAULTS.items():
        if source:
            source.setdefault(name, value)
    image_shape, shape = source.get("image_shape", []), source.get("shape")
    n_channels = _check_channels(source)
    if source.get("bits", 8) != 8 and not source.get("channels"):
        raise SchemaError("source.bits is 16 for images without source.channels")
    if len(image_shape) == 3 and image_shape[2] != n_channels:
        raise SchemaError(f"source.image_shape is {image_shape}, not (height, width) or (height, width, {n_channels})")
    if shape is not None:
        try:
            described = Shape.from_dict(shape)
        except (TypeError, ValueError, KeyError) as error:
            raise SchemaError(f"source.shape cannot be read ({error})") from error
        if list(described.image_shape) != image_shape:
            raise SchemaError(f"source.shape is {list(described.image_shape)}, source.image_shape is {image_shape}")
        if described.bits != source.get("bits", 8):
            raise SchemaError(f"source.shape has {described.bits} bits, source.bits is {source.get('bits', 8)}")
    if "cut" in source:
        check(source["decoding"], CROP_OPTIONS if "crops" in source["decoding"] else TILE_OPTIONS, "source.decoding")
    for one in state["added"]:
        # other sizes are met where images are added and where the run is made again
        if len(one["image_shape"]) == 3 and one["image_shape"][2] != n_channels:
            raise SchemaError(
                f"added.image_shape is {one['image_shape']}, not (height, width) or (height, width, {n_channels})"
            )


def _check_channels(source: dict[str, Any]) -> int:
    """Check the channels of a source, and return the number that images with a third dimension have."""
    channels = source.get("channels", [])
    try:
        Mixing.from_list(channels, len(channels))
    except InputError as error:
        raise SchemaError(f"source.channels cannot be shown ({error})") from error
    image_shape = source.get("image_shape", [])
    if len(channels) == 1 and len(image_shape) == 3:
        raise SchemaError(f"source.channels is one channel, source.image_shape is {image_shape}")
    return len(channels) if len(channels) > 1 else 3


def check_links(folder: Path, depth: int = 0) -> None:
    """Raise RunError if the folder of a run holds a link that leads out of it, exports excepted."""
    try:
        with os.scandir(folder) as found:
            entries = list(found)
    except OSError:  # not there: met with a sentence by whoever reads it
        return
    home = resolved(folder)
    for entry in entries:
        if entry.is_symlink():
            if not resolved(entry.path).is_relative_to(home):
                raise RunError(
                    f"{entry.path}: a link that leads out of the run: put the file itself in its place, or remove it"
                )
        elif depth < MAX_FOLDERS and entry.is_dir(follow_symlinks=False) and (depth or entry.name not in FREE):
            check_links(Path(entry.path), depth + 1)


def check_encodable(path: Path) -> None:
    """Raise RunError for a path that is not UTF-8, since Arrow cannot write there."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        shown_path = str(path).encode(errors="backslashreplace").decode()
        raise RunError(f"{shown_path}: the path is not UTF-8: name another place") from error


def write_state(folder: Path, state: dict[str, Any]) -> None:
    """Write run.json atomically."""
    write_text(folder / STATE_FILE, json.dumps(state, indent=1, ensure_ascii=False))


def stages_of(state: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """The stages of a run and the stages that each needs, by the content of its run.json."""
    return STAGES if state.get("vectors") is None else STAGES_WITH_VECTORS


def stage_keys(
    options: RunOptions,
    source: dict[str, Any],
    added: list[dict[str, Any]],
    vectors: str | None = None,
    places: str | None = None,
) -> dict[str, str]:
    """For each stage after "decode", a hash over everything it depends on: options, earlier stages, images.

    Only the report looks at labels and paths, and at images that were added later. ``vectors`` and ``places`` are
    hashes over given vectors and places on the map, for a run that has them.
    """
    keys: dict[str, str] = {}
    if vectors is not None:
        keys["vectors"] = key_of([RUN_FORMAT_VERSION, source["fingerprint"], vectors])
    for stage, needs in (STAGES if vectors is None else STAGES_WITH_VECTORS).items():
        if stage in ("decode", "vectors"):
            continue
        parts: dict[str, Any] = {
            "format_version": RUN_FORMAT_VERSION,
            "images": source["annotations" if stage == "report" else "fingerprint"],
            "options": {name: getattr(options, name) for name in names_in_key(stage, with_vectors=vectors is not None)},
            # latent vectors need no features, and their runs keep the keys that they had before there were any
            "needs": [keys[need] for need in needs if need != "features" or options.features != "latent"],
        }
        if stage == "map" and places is not None:
            parts["places"] = places
        if stage == "report" and source.get("channels"):
            parts["channels"] = source["channels"]  # their names and colours
        if stage == "report" and added:
            parts["added"] = [one["fingerprint"] for one in added]
        keys[stage] = key_of(parts)
    return keys


def key_of(parts: Any) -> str:
    """A hash over values that JSON can hold."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def is_done(folder: Path, record: dict[str, Any] | None, key: str) -> bool:
    """Whether a stage was finished with this key and all of its files are unchanged."""
    if record is None or record["state"] != "done" or record["key"] != key:
        return False
    files: dict[str, dict[str, Any]] = record["files"]
    return all(
        (folder / name).is_file()
        and (folder / name).stat().st_size == file["bytes"]
        and sha256(folder / name) == file["sha256"]
        for name, file in files.items()
    )


def as_paths(source: Any) -> Any:
    """Paths of a source or labels as JSON can hold them, without secrets; None for values in memory."""
    if isinstance(source, list):
        paths = [as_paths(one) for one in source]
        return paths if any(path is not None for path in paths) else None  # images themselves, perhaps many
    if is_address(source):
        return public_address(source)
    return str(source) if isinstance(source, str | os.PathLike) else None


def added_folders(folder: Path, state: dict[str, Any]) -> list[Path]:
    """The folders of the additions, in their order."""
    return [folder / ADDED / one.get("folder", added_name(i)) for i, one in enumerate(state["added"], start=1)]


def next_added_folder(folder: Path, state: dict[str, Any]) -> Path:
    """The folder for the next addition."""
    return folder / ADDED / added_name(1 + max((int(path.name) for path in added_folders(folder, state)), default=0))


def dependents(stage: str, stages: dict[str, tuple[str, ...]] = STAGES) -> list[str]:
    """Those of the stages of a run that depend on ``stage``, directly or indirectly."""
    found = {stage}
    for other, needs in stages.items():
        if found.intersection(needs):
            found.add(other)
    return [other for other in stages if other in found and other != stage]


def describe_files(folder: Path, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of files of the run."""
    return {name: {"bytes": (folder / name).stat().st_size, "sha256": sha256(folder / name)} for name in sorted(names)}
