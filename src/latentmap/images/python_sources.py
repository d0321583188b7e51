"""Sources that are Python objects: lists of images, tensors, datasets of Hugging Face, and data frames."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from latentmap.core.errors import InputTypeError, SourceError
from latentmap.images.array_shapes import COLOR_CHANNELS
from latentmap.images.arrays import ArrayScaling, collection_from_array
from latentmap.images.channels import MAX_CHANNELS
from latentmap.images.collection import ImageCollection
from latentmap.images.data_frames import list_frame, list_series
from latentmap.images.hugging_face import list_dataset
from latentmap.images.image_objects import (
    ARRAY,
    FILE_PATH,
    MISSING,
    NAME,
    is_of,
    kind_of,
    list_objects,
    to_array,
)
from latentmap.images.listing import Listing
from latentmap.images.remote.downloads import Downloads

OBJECT_KINDS = (
    "a list of images (PIL images, arrays, tensors or bytes), an array, a torch tensor, a Dataset of Hugging Face, a "
    "Series or DataFrame of pandas or Polars"
)


def find_objects(
    source: Any, scaling: ArrayScaling, downloads: Downloads | None = None
) -> Listing | ImageCollection | None:
    """List the images of a Python object.

    Parameters
    ----------
    source : object
        See :func:`latentmap.open_images`.
    scaling : ArrayScaling
        Conversion of tensors to 8 bits.
    downloads : Downloads, optional
        Where files at an address are downloaded to.

    Returns
    -------
    Listing or ImageCollection, or None
        None for a path, an array, or a list of sources.

    Raises
    ------
    SourceError
        If the images cannot be used.
    InputTypeError
        If the object is no source.
    """
    if isinstance(source, np.ndarray) and source.dtype == object and source.ndim == 1:
        source = source.tolist()
    if isinstance(source, str | os.PathLike | np.ndarray):
        return None
    if isinstance(source, list | tuple):
        return _find_list(list(source), scaling.as_channels)
    for library, find in _READERS.items():
        if is_of(source, library):
            return find(source, scaling, downloads)
    kind = type(source).__name__
    if hasattr(source, "__next__") or hasattr(source, "__getitem__"):
        raise InputTypeError(f"a source of type {kind}: make a list of its images, or pass {OBJECT_KINDS}, or a path")
    raise InputTypeError(f"a source of type {kind}: pass {OBJECT_KINDS}, or a path")


def _find_list(values: list[Any], as_channels: bool) -> Listing | None:
    if not values:
        raise SourceError("an empty list: pass at least one image, or one source")
    kinds = {kind_of(value) for value in values}
    is_source = kinds <= {FILE_PATH} or (len(values) == 1 and ARRAY in kinds and not _is_image(values[0]))
    if is_source or not kinds.isdisjoint({"DataFrame", "Series", "Dataset", "list", "tuple"}):
        return None
    if kinds == {MISSING}:
        raise SourceError(f"a list of {len(values)} entries that are all None: pass at least one image")
    return list_objects(values, as_channels=as_channels)


def _is_image(array: Any) -> bool:
    return array.ndim == 2 or (array.ndim == 3 and array.shape[2] in COLOR_CHANNELS)


def _find_tensor(tensor: Any, scaling: ArrayScaling, _: Downloads | None) -> Listing | ImageCollection:
    if not hasattr(tensor, "detach"):
        raise InputTypeError(f"a source of type {type(tensor).__name__}: make a list of its images, or one tensor")
    shape = tuple(tensor.shape)
    has_channels_last = len(shape) == 4 and shape[1] not in COLOR_CHANNELS and shape[3] in COLOR_CHANNELS
    if len(shape) not in (3, 4) or has_channels_last or (len(shape) == 4 and shape[1] > MAX_CHANNELS):
        advice = ": pass tensor.permute(0, 3, 1, 2)" if has_channels_last else ""
        raise SourceError(
            f"a torch tensor of shape {shape}: images are (n, height, width) or (n, channels, height, width){advice}"
        )
    if scaling.are_cut:
        return list_objects(list(tensor), as_channels=scaling.as_channels)
    array = to_array(tensor)
    return collection_from_array(np.moveaxis(array, 1, -1) if array.ndim == 4 else array, NAME, scaling)


def _find_in_frame(frame: Any, _: ArrayScaling, downloads: Downloads | None) -> Listing:
    if hasattr(frame, "collect"):
        raise InputTypeError(f"a {type(frame).__name__} of Polars: pass what its method collect() returns")
    return list_frame(frame, downloads) if hasattr(frame, "columns") else list_series(frame, downloads)


def _find_dataset(dataset: Any, _: ArrayScaling, __: Downloads | None) -> Listing:
    return list_dataset(dataset)


_READERS: dict[str, Callable[[Any, ArrayScaling, Downloads | None], Listing | ImageCollection]] = {
    "datasets": _find_dataset,  # before torch, which some of its classes derive from
    "torch": _find_tensor,
    "pandas": _find_in_frame,
    "polars": _find_in_frame,
}
