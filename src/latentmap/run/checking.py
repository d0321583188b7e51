"""Checks of the tables of a run, which may be damaged or come from an untrusted source.

Rows, columns and types are compared with what latentmap writes, and numbers that are used as positions with the range
that they may have.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from latentmap.core.errors import RunError
from latentmap.groups import Cut
from latentmap.run.layout import (
    ATLAS,
    DUPLICATES,
    FEATURES,
    GROUPS,
    IMAGES,
    ISSUES,
    LATENTS,
    MAP,
    NEIGHBORS,
    OUTLIERS,
    PLACED,
    QUALITY,
    SKIPPED,
    TREE,
)
from latentmap.run.state import added_folders

MAX_JSON_BYTES = 2**28
Test = Callable[[pa.DataType], bool]

is_integer: Test = pa.types.is_integer
is_float: Test = pa.types.is_floating
is_flag: Test = pa.types.is_boolean


def is_text(kind: pa.DataType) -> bool:
    """Text, or a column of nulls."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind))


def is_vector(kind: pa.DataType) -> bool:
    """A list of one length of floats."""
    return bool(pa.types.is_fixed_size_list(kind) and pa.types.is_floating(kind.value_type) and kind.list_size > 0)


def is_index_list(kind: pa.DataType) -> bool:
    """A list of one length of whole numbers."""
    return bool(pa.types.is_fixed_size_list(kind) and pa.types.is_integer(kind.value_type) and kind.list_size > 0)


def is_picture(kind: pa.DataType) -> bool:
    """struct{bytes, path}."""
    if not pa.types.is_struct(kind) or {"bytes", "path"} - {kind.field(i).name for i in range(kind.num_fields)}:
        return False
    data = kind.field("bytes").type
    return bool((pa.types.is_binary(data) or pa.types.is_large_binary(data)) and is_text(kind.field("path").type))


def is_digest(kind: pa.DataType) -> bool:
    """32 bytes."""
    return bool(pa.types.is_fixed_size_binary(kind) and kind.byte_width == 32)


# "?" marks a column that runs without a decoder, or without pictures, do not have.
_COMMON: dict[str, Test] = {
    **{"error?": is_float, "group": is_integer, "confidence": is_float, "tree": is_text, "x": is_float, "y": is_float},
    **{"latent": is_vector, "outlier": is_float, "duplicate_of": is_integer, "added": is_integer},
}
COLUMNS: dict[str, dict[str, Test]] = {
    IMAGES: {"id": is_integer, "path": is_text, "sha256": is_digest},
    SKIPPED: {"path": is_text, "reason": is_text},
    LATENTS: {"id": is_integer, "latent": is_vector, "error?": is_float},
    FEATURES: {"id": is_integer, "features": is_vector},
    GROUPS: {"id": is_integer, "group": is_integer, "confidence": is_float, "block": is_integer, "tree": is_text},
    TREE: {"node": is_integer, "left": is_integer, "right": is_integer, "association": is_float, "size": is_integer},
    NEIGHBORS: {"id": is_integer, "neighbors": is_index_list, "distances": is_vector},
    MAP: {"id": is_integer, "x": is_float, "y": is_float},
    DUPLICATES: {
        **{"id": is_integer, "duplicate_of": is_integer, "exact": is_flag, "distance": is_float},
        "difference": is_float,
    },
    OUTLIERS: {"id": is_integer, "isolation": is_float, "outlier": is_float, "is_outlier": is_flag},
    QUALITY: {
        **{"id": is_integer, "sharpness": is_float, "brightness": is_float, "shadows": is_float},
        **{"highlights": is_float, "contrast": is_float, "grey?": is_float},
    },
    ISSUES: {
        **{"id": is_integer, "issue": is_text, "score": is_float, "threshold": is_float},
        **{"related": is_integer, "note": is_text},
    },
    PLACED: {**_COMMON, "id": is_integer, "isolation": is_float, "strange": is_flag},
    ATLAS: {**_COMMON, "id": is_integer, "path": is_text, "image?": is_picture},
}
# Tables without a row for each image.
FREE_LENGTH = {SKIPPED, TREE, DUPLICATES, ISSUES}


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise a RunError that names the file for any error while a file of a run is read."""
    try:
        yield
    except RunError:
        raise
    except FileNotFoundError as error:
        raise RunError(f"{path}: not there: the command that made the run makes it again") from error
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
        raise damaged(path, error) from error


def damaged(path: Path, reason: object) -> RunError:
    """The error for a file of a run that cannot be read, or does not hold what latentmap writes."""
    said = str(reason).strip().partition("\n")[0][:200]
    return RunError(
        f"{path}: damaged, or not what latentmap wrote ({said}): the command that made the run makes it again"
    )


def check_tables(folder: Path, state: dict[str, Any]) -> None:
    """Check the tables of a run that exist.

    Raises
    ------
    RunError
        If one is damaged or another one than latentmap writes; its message has the name of the file.
    """
    n = state["source"].get("n", 0)
    n_all = n + sum(one["n"] for one in state["added"])
    done = {name for record in state["stages"].values() if record["state"] == "done" for name in record["files"]}
    for name in COLUMNS:
        if name in done and (folder / name).exists():
            check_table(folder / name, n_all if name in (ATLAS, ISSUES) else n, n)
    for part, one in zip(added_folders(folder, state), state["added"], strict=True):
        for name in (IMAGES, PLACED):
            if (part / name).exists():
                check_table(part / name, one["n"], n)


def check_table(path: Path, n_rows: int, n_images: int) -> None:
    """Check the schema, length and ranges of one table. A file that has not changed is checked once."""
    with reading(path):
        status = path.stat()
        _checked(path, n_rows, n_images, (status.st_size, status.st_mtime_ns, status.st_ino))


def read_json(path: Path) -> dict[str, Any]:
    """Read an object from a JSON file of a run.

    Raises
    ------
    RunError
        If it is damaged, or no object.
    """
    with reading(path):
        if path.stat().st_size > MAX_JSON_BYTES:
            raise damaged(path, f"larger than {MAX_JSON_BYTES >> 20} MiB")
        try:
            found = json.loads(path.read_bytes())
        except RecursionError as error:
            raise damaged(path, "nested too deeply") from error
        if not isinstance(found, dict):
            raise damaged(path, f"{type(found).__name__} instead of an object")
        return found


@lru_cache(maxsize=512)
def _checked(path: Path, n_rows: int, n_images: int, stamp: tuple[int, ...]) -> None:  # noqa: ARG001 - of the file
    file = pq.ParquetFile(path)
    try:
        name, schema, rows = path.name, file.schema_arrow, file.metadata.num_rows
        for field, fits in COLUMNS[name].items():
            column = field.rstrip("?")
            if field != column and column not in schema.names:
                continue
            if schema.names.count(column) != 1:
                raise damaged(path, f"{schema.names.count(column)} columns {column!r}, not one")
            if not fits(schema.field(column).type):
                raise damaged(path, f"column {column!r} is {schema.field(column).type}")
        if name not in FREE_LENGTH and rows != n_rows:
            raise damaged(path, f"{rows} rows for {n_rows} images")
        for column, (low, high) in _ranges(name, rows, n_rows, n_images).items():
            _check_range(path, file, column, low, high)
    finally:
        file.close()
    if name == TREE:
        _check_tree(path)


def _ranges(name: str, rows: int, n_rows: int, n_images: int) -> dict[str, tuple[float, float]]:
    """The least and the largest value of columns that are used as positions or drawn."""
    limit = float(np.finfo(np.float32).max)
    ranges: dict[str, tuple[float, float]] = {}
    if name in (GROUPS, ATLAS, PLACED):
        ranges["group"] = (-1, n_images - 1)
    if name == GROUPS:
        ranges["block"] = (0, n_images - 1)
    if name in (MAP, ATLAS, PLACED):
        ranges |= {"x": (-limit, limit), "y": (-limit, limit)}
    if name in (DUPLICATES, ATLAS, PLACED):
        ranges["duplicate_of"] = (0, n_images - 1)
    if name == DUPLICATES:
        ranges["id"] = (0, n_images - 1)
    if name == ISSUES:
        ranges |= {"id": (0, n_rows - 1), "related": (0, n_rows - 1)}
    if name == ATLAS:
        ranges |= {"id": (0, n_rows - 1), "added": (0, rows)}
    return ranges


def _check_range(path: Path, file: pq.ParquetFile, column: str, low: float, high: float) -> None:
    for group in range(file.num_row_groups):
        values = file.read_row_group(group, columns=[column])[column].drop_null().to_numpy()
        if len(values) and not (low <= values.min() and values.max() <= high):
            found = f"column {column!r} from {values.min()} to {values.max()}"
            raise damaged(path, f"{found}, not in {low:g} to {high:g}")


def _check_tree(path: Path) -> None:
    """Check that each node except the root is merged exactly once, into a later one, so that walks of the tree end."""
    tree = pq.read_table(path)
    merges = np.column_stack([tree["left"].to_numpy(), tree["right"].to_numpy()])
    n_blocks = len(merges) + 1
    later = n_blocks + np.arange(len(merges))[:, None]
    is_tree = (merges < later).all() and (np.sort(merges.ravel()) == np.arange(2 * n_blocks - 2)).all()
    if not is_tree or np.isnan(tree["association"].to_numpy()).any():
        raise damaged(path, "its merges are not a tree")


def check_summary(path: Path, n_groups: int) -> list[dict[str, Any]]:
    """The groups that groups.json describes, each an object."""
    found = read_json(path).get("groups")
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise RunError(f"{path}: damaged (no list of groups in it): the command that made the run makes it again")
    if len(found) < n_groups:
        raise RunError(
            f"{path}: damaged ({len(found)} of {n_groups} groups in it): the command that made the run makes it again"
        )
    return found


def check_cuts(path: Path) -> list[Cut]:
    """The numbers of groups that the data support; none in files of earlier versions."""
    found = read_json(path).get("cuts", [])
    try:
        return [Cut(int(one["n_clusters"]), float(one["stability"])) for one in found]
    except (TypeError, KeyError, ValueError, OverflowError) as error:
        raise RunError(
            f"{path}: damaged (no list of cuts in it: {error}): the command that made the run makes it again"
        ) from error
