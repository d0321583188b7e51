"""Boxes of a COCO file: JSON with images, annotations and categories."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from latentmap.core.errors import SourceError
from latentmap.images.table import rename_other_columns

MAX_COCO_BYTES = 2**31
# Fields of an annotation that are not kept as columns: references, and what the box says already.
OMITTED_FIELDS = {"image_id", "category_id", "bbox"}
KEPT_TYPES: tuple[type, ...] = (bool, int, float, str)
MAX_NUMBER = 1e15
WANTED = "a COCO file has an object with the lists images, annotations and categories"


def read_coco(path: Path) -> tuple[list[str | None], NDArray[np.float64], pa.Table, NDArray[np.float64]]:
    """Read the boxes of a COCO file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    paths : list of (str or None)
        File name of the image of each annotation, (n,).
    boxes : ndarray (n, 4), float64
        ``left``, ``top``, ``right`` and ``bottom``, NaN for an annotation without a valid ``bbox``.
    columns : pyarrow.Table
        ``label``, the name of the category, and the fields of the annotations that hold numbers, text or truth values.
    sizes : ndarray (n, 2), float64
        Width and height of the image as the file states them, NaN where it does not.

    Raises
    ------
    SourceError
        If the file is not one of COCO, or too large.
    """
    content = _read_json(path)
    images = {one["id"]: one for one in _objects(path, content, "images") if _is_key(one.get("id"))}
    annotations = _objects(path, content, "annotations")
    names = {
        one["id"]: str(one["name"])
        for one in (_objects(path, content, "categories") if "categories" in content else [])
        if _is_key(one.get("id")) and "name" in one
    }
    of = [images.get(key, {}) if _is_key(key := one.get("image_id")) else {} for one in annotations]
    paths = [name if isinstance(name := image.get("file_name"), str) else None for image in of]
    boxes = np.array([_corners(one.get("bbox")) for one in annotations], np.float64).reshape(-1, 4)
    sizes = np.array([[_number(image.get(side)) for side in ("width", "height")] for image in of]).reshape(-1, 2)
    labels = [names.get(key) if _is_key(key := one.get("category_id")) else None for one in annotations]
    columns = pa.table({"label": pa.array(labels, pa.string()), **_columns(annotations)})
    return paths, boxes, rename_other_columns(columns), sizes


def _read_json(path: Path) -> dict[str, Any]:
    if path.stat().st_size > MAX_COCO_BYTES:
        raise SourceError(f"{path}: larger than {MAX_COCO_BYTES >> 30} GiB: split it, or write the boxes as a table")
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{path}: damaged JSON ({error}): {WANTED}") from error
    if not isinstance(content, dict):
        raise SourceError(f"{path}: a {type(content).__name__} instead of an object: {WANTED}")
    return content


def _objects(path: Path, content: dict[str, Any], name: str) -> list[dict[str, Any]]:
    values = content.get(name)
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise SourceError(f"{path}: no list of objects called {name!r}: {WANTED}")
    return values


def _is_key(value: Any) -> bool:
    return isinstance(value, int | str)


def _number(value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) <= MAX_NUMBER else np.nan


def _corners(box: Any) -> list[float]:
    """Corners of ``[x, y, width, height]``."""
    if not isinstance(box, list) or len(box) != 4:
        return [np.nan] * 4
    left, top, width, height = map(_number, box)
    return [left, top, left + width, top + height]


def _columns(annotations: list[dict[str, Any]]) -> dict[str, pa.Array]:
    """The fields of annotations that have values of one plain type, whole numbers and others being one type."""
    found: dict[str, pa.Array] = {}
    for name in dict.fromkeys(name for one in annotations for name in one if name not in OMITTED_FIELDS):
        values = [one.get(name) for one in annotations]
        kinds = {type(value) for value in values if value is not None}
        if kinds == {int, float}:
            values, kinds = [None if value is None else float(value) for value in values], {float}
        if len(kinds) == 1 and kinds <= set(KEPT_TYPES):
            try:
                found[name] = pa.array(values)
            except (pa.ArrowException, OverflowError, UnicodeError):  # too large, or not Unicode
                continue
    return found
