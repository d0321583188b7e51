"""Images of a Dataset of Hugging Face, as encoded files."""

import hashlib
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from latentmap.core.errors import InputTypeError, SourceError
from latentmap.images.column_types import to_portable_types
from latentmap.images.decoding import EncodedImage, Failure
from latentmap.images.image_objects import NAME, NOTHING_REASON, list_objects
from latentmap.images.image_table import hash_table, make_image_table
from latentmap.images.listing import Listing
from latentmap.images.table import rename_other_columns

IMAGE_NAMES = ("image", "img")
N_ROWS_AT_ONCE = 32  # whose files are in memory
ADVICE = "load it without streaming, or make a list of its images"


def list_dataset(dataset: Any) -> Listing:
    """List the images of a Dataset. Names of classes become labels, and the other plain columns are kept.

    The images are in the first column of the feature type ``Image``, whose files are read as they are stored, or else
    in the column called image or img.

    Parameters
    ----------
    dataset : datasets.Dataset

    Returns
    -------
    Listing

    Raises
    ------
    InputTypeError
        If it is a DatasetDict or is streamed.
    SourceError
        If no column contains images.
    """
    if not hasattr(dataset, "features") or not hasattr(dataset, "with_format"):
        splits = ", ".join(map(repr, dataset)) if isinstance(dataset, dict) else ""
        raise InputTypeError(
            f"a {type(dataset).__name__} of Hugging Face: " + (f"pass one of its splits {splits}" if splits else ADVICE)
        )
    if not hasattr(dataset, "__len__"):
        raise InputTypeError(f"a streamed {type(dataset).__name__} of Hugging Face: {ADVICE}")
    if not len(dataset):
        raise SourceError("a Dataset without rows: pass one with at least one image")
    features = dataset.features
    column = next((name for name, kind in features.items() if _is(kind, "Image")), None)
    if column is not None:
        undecoded = dataset.cast_column(column, type(features[column])(decode=False))
        return _list_files(undecoded, column, _other_columns(dataset, column))
    column = next((name for name in IMAGE_NAMES if name in features), None)
    if column is None:
        raise SourceError(
            f"a Dataset with the columns {', '.join(features)}: cast the one with the images to datasets.Image()"
        )
    values = dataset.with_format(None if _is(features[column], "Value") else "numpy")[:][column]
    return list_objects(list(values), _other_columns(dataset, column))


def _list_files(dataset: Any, column: str, columns: pa.Table) -> Listing:
    dataset = dataset.select_columns([column]).with_format(None)
    digest = hashlib.sha256(hash_table(columns).encode())
    for begin in range(0, len(dataset), N_ROWS_AT_ONCE):
        for cell in dataset[begin : begin + N_ROWS_AT_ONCE][column]:
            digest.update(_digest_of(cell))

    def read(rows: NDArray[np.intp]) -> Iterator[EncodedImage]:
        for begin in range(0, len(rows), N_ROWS_AT_ONCE):
            for cell in dataset[rows[begin : begin + N_ROWS_AT_ONCE].tolist()][column]:
                yield _encoded(cell)

    names = (f"{NAME}[{i}]" for i in range(len(dataset)))
    return Listing(NAME, make_image_table(names, columns), read, digest.hexdigest())


def _encoded(cell: dict[str, Any] | None) -> EncodedImage:
    if cell is None or (cell["bytes"] is None and not cell["path"]):
        return EncodedImage(Failure(NOTHING_REASON))
    return EncodedImage(cell["path"] if cell["bytes"] is None else cell["bytes"])


def _digest_of(cell: dict[str, Any] | None) -> bytes:
    """SHA-256 of a file, or of its path, size and time if it is not inside the Dataset."""
    if cell is None or cell["bytes"] is not None or not cell["path"]:
        return hashlib.sha256((cell or {}).get("bytes") or b"").digest()
    try:
        status = os.stat(cell["path"])  # noqa: PTH116
        facts = (cell["path"], status.st_size, status.st_mtime_ns)
    except OSError:
        facts = (cell["path"], -1, 0)
    return hashlib.sha256(repr(facts).encode("utf-8", "surrogatepass")).digest()


def _other_columns(dataset: Any, images: str) -> pa.Table:
    """The plain columns, with the names of classes in place of their numbers."""
    features = dataset.features
    kept = [
        name for name, kind in features.items() if name != images and (_is(kind, "Value") or _is(kind, "ClassLabel"))
    ]
    if not kept:
        return pa.table({})
    table = dataset.select_columns(kept).with_format("arrow")[:].replace_schema_metadata(None)
    for i, name in enumerate(kept):
        if _is(features[name], "ClassLabel"):
            table = table.set_column(i, name, _class_names(table.column(i), features[name].names))
    classes = [name for name in kept if _is(features[name], "ClassLabel")]
    if classes and "label" not in kept:
        table = table.rename_columns(["label" if name == classes[0] else name for name in kept])
    return rename_other_columns(to_portable_types(table))


def _class_names(numbers: pa.ChunkedArray, names: list[str]) -> pa.Array:
    found = [None if number is None or number < 0 else number for number in numbers.to_pylist()]
    return pa.array([None if number is None else names[number] for number in found], pa.string())


def _is(feature: Any, name: str) -> bool:
    return type(feature).__name__ == name
