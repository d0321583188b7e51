"""The schema of each part of run.json."""

import re
from pathlib import PurePosixPath
from typing import Any

from latentmap.core.json_schema import (
    COUNT,
    DIGEST,
    FLAG,
    FRACTION,
    NUMBER,
    PLAIN,
    POSITIVE,
    SIDE,
    TEXT,
    ListOf,
    MapOf,
    OrNone,
    Scalar,
    is_whole,
)
from latentmap.images.channels import MAX_CHANNELS

MAX_PATH_CHARACTERS = 1024
# Names in the folder of a run that no stage writes: what people did, and what guards the folder.
RUN_FILE_NAMES = {"run.json", "edits.jsonl", "labels.parquet", "exports", "added", "explorer"}
_FORBIDDEN = re.compile(r'[\x00-\x1f\\:*?"<>|]')


def is_inside(name: Any) -> bool:
    """Whether ``name`` is a relative path without hidden parts that stays below a folder on every system."""
    if not isinstance(name, str) or not 0 < len(name) <= MAX_PATH_CHARACTERS or _FORBIDDEN.search(name):
        return False
    parts = name.split("/")
    return all(part and not part.startswith(".") and part == part.strip() for part in parts)


def _is_stage_file(name: Any) -> bool:
    return is_inside(name) and PurePosixPath(name).parts[0] not in RUN_FILE_NAMES


PART = Scalar(
    "a number of four digits or more", lambda value: isinstance(value, str) and bool(re.fullmatch(r"[0-9]{4,9}", value))
)
STAGE_FILE = Scalar("a path of a file of a stage inside the run", _is_stage_file)
PATHS = Scalar(
    "a path, a list of paths or null",
    lambda value: (
        value is None
        or isinstance(value, str)
        or (isinstance(value, list) and all(one is None or isinstance(one, str) for one in value))
    ),
)
STAGE_STATE = Scalar("running or done", lambda value: value in ("running", "done") if isinstance(value, str) else False)
LIMITS = OrNone(ListOf(NUMBER, 2, 2))
SOURCES = ListOf({"name": TEXT, "root": OrNone(TEXT)})
CUT = {"images": COUNT, "empty": COUNT}
BITS = Scalar("8 or 16", lambda value: is_whole(value) and value in (8, 16))
# Options of decoding that a source of tiles or of crops has.
TILE_OPTIONS = {"tiles": COUNT, "overlap": COUNT, "max_empty": FRACTION}
CROP_OPTIONS = {"crops": TEXT}
STAGE = {
    "state": STAGE_STATE,
    "key": TEXT,
    "seconds?": POSITIVE,
    "peak_memory_mb?": COUNT,
    "files": MapOf(STAGE_FILE, {"bytes": COUNT, "sha256": DIGEST}),
}
ENCODER = {
    "digest": DIGEST,
    "output": TEXT,
    "preprocessing": MapOf(TEXT, PLAIN),
    "batch_size": COUNT,
    "n_features_out": COUNT,
    "is_copied": FLAG,
    "settings": MapOf(TEXT, PLAIN),
}
# What is known of values that were given in a file or an array.
GIVEN = {
    "name": TEXT,
    "path?": OrNone(TEXT),
    "n": COUNT,
    "dimensions": COUNT,
    "matched_by": TEXT,
    "sha256": DIGEST,
    "key": DIGEST,
    "added_to?": DIGEST,  # of the vectors of the run, for those of an addition
    "encoder?": ENCODER,  # that computed them
}
ADDITION = {
    "name": TEXT,
    "source?": PATHS,
    "n": COUNT,
    "image_shape": ListOf(SIDE, 2, 3),
    "known?": COUNT,
    "skipped?": COUNT,
    "clipped?": COUNT,
    "folder?": PART,
    "sources?": SOURCES,
    "cut?": CUT,
    "new?": FLAG,
    "fingerprint": DIGEST,
    "key?": TEXT,
    "drift?": FRACTION,
    "vectors?": GIVEN,
}
CHANNEL = {"number": COUNT, "name": TEXT, "low": NUMBER, "high": NUMBER}
SHAPE = {
    "height": SIDE,
    "width": SIDE,
    "channels": SIDE,
    "fit?": TEXT,
    "color?": TEXT,
    "background?": TEXT,
    "keep_pixels?": FLAG,
    "value_range?": LIMITS,
    "float_range?": LIMITS,
    "why?": TEXT,
    "channel_list?": ListOf(CHANNEL, 1, MAX_CHANNELS),
    "file_channels?": OrNone(SIDE),
    "axes?": TEXT,
    "project?": TEXT,
    "bits?": BITS,
}
SOURCE = {
    "name?": TEXT,
    "n?": COUNT,
    "image_shape?": ListOf(SIDE, 0, 3),
    "shape?": OrNone(SHAPE),
    "decoding?": MapOf(TEXT, PLAIN),
    "labelled?": FLAG,
    "pictures?": FLAG,
    "bits?": BITS,
    "skipped?": COUNT,
    "ignored?": COUNT,
    "cache_bytes?": COUNT,
    "fingerprint?": DIGEST,
    "annotations?": DIGEST,
    "path?": PATHS,
    "labels?": PATHS,
    "sources?": SOURCES,
    "value_range?": LIMITS,
    "cut?": CUT,
    "channels?": ListOf(CHANNEL | {"color": TEXT, "visible": FLAG, "brightness": POSITIVE}, 1, MAX_CHANNELS),
}
# Required fields of a source's record once it is decoded.
DECODED = ("name", "n", "image_shape", "fingerprint", "annotations")
