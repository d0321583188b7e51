"""What `latentmap run SOURCE` takes: MNIST, arrays in files, IDX files, a folder of images."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentmap.images.collection import ImageCollection
from latentmap.images.folder import read_folder
from latentmap.images.idx import IdxError, read_idx
from latentmap.images.mnist import load_mnist

IMAGE_KEYS = ("images", "x", "X", "x_train", "arr_0")
LABEL_KEYS = ("labels", "y", "Y", "y_train")
KINDS = "'mnist', an .npy or .npz file, an IDX file, or a folder of images"


class SourceError(ValueError):
    """A source that holds no images that can be used."""


def load_images(
    source: str | os.PathLike[str] | NDArray[Any],
    *,
    size: int | None = None,
    labels: str | os.PathLike[str] | ArrayLike | None = None,
) -> ImageCollection:
    """Read a collection of images into memory.

    Parameters
    ----------
    source : str, path or ndarray
        - ``"mnist"``: all 70,000 images inside the package, with their labels.
        - An array, or an .npy or .npz file with one: (n, height, width), or (n, height, width, channels) with 1, 3 or 4
          channels. From an .npz the array called ``images``, ``x`` or ``arr_0`` is taken, else the only one with three
          or four dimensions, and labels from ``labels`` or ``y``. uint8 is taken as it is, bool becomes 0 and 255,
          floats in [0, 1] are multiplied by 255, and any other range is stretched to 0–255.
        - An IDX file, compressed or not. Labels are taken from a file beside it that is named as MNIST's are.
        - A folder, searched recursively: see :func:`latentmap.images.folder.read_folder`.
    size : int, optional
        Side in pixels to which the images of a folder are fitted. By default it is chosen from the collection.
    labels : path or array (n,), optional
        Labels instead of those that the source has: an array, an .npy or IDX file, or a text file with one a line.

    Returns
    -------
    ImageCollection

    Raises
    ------
    SourceError
        If there is no such source, or it holds no images, or arrays of a shape or type that cannot be images, or NaN;
        or if there are not as many labels as images.
    IdxError
        If an IDX file is damaged.

    Examples
    --------
    >>> collection = load_images(np.zeros((3, 8, 8), np.uint8), labels=["a", "b", "a"])
    >>> len(collection), collection.image_shape, collection.paths[0]
    (3, (8, 8), 'array[0]')
    """
    collection = _read(source, size)
    if labels is not None:
        collection = _with_labels(collection, _read_labels(labels))
    if collection.labels is not None and len(collection.labels) != len(collection):
        raise SourceError(
            f"{len(collection.labels)} labels for {len(collection)} images: pass one label for each image"
        )
    return collection


def _read(source: str | os.PathLike[str] | NDArray[Any], size: int | None) -> ImageCollection:
    if isinstance(source, np.ndarray):
        return _from_array(source, "array")
    if source == "mnist":
        images, labels = load_mnist("all")
        return ImageCollection(images, _numbered("mnist", len(images)), labels, name="mnist")
    path = Path(source)
    if path.is_dir():
        collection = read_folder(path, size)
        if not len(collection):
            found = f": {len(collection.skipped)} files cannot be decoded" if collection.skipped else ""
            raise SourceError(f"{path}: no images in this folder{found}; pass one with PNG, JPEG or other image files")
        return collection
    if not path.exists():
        raise SourceError(f"{path}: there is no such file or folder: a source is {KINDS}")
    if path.suffix == ".npy":
        return _from_array(_load_numpy(path), path.stem)
    if path.suffix == ".npz":
        return _from_npz(path)
    return _from_idx(path)


def _load_numpy(path: Path) -> Any:
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise SourceError(f"{path}: not a whole NumPy file of plain numbers ({error})") from error


def _from_npz(path: Path) -> ImageCollection:
    with _load_numpy(path) as archive:
        key = next((key for key in IMAGE_KEYS if key in archive.files), None)
        if key is None:
            shaped = [key for key in archive.files if archive[key].ndim in (3, 4)]
            if len(shaped) != 1:
                raise SourceError(
                    f"{path}: arrays {', '.join(archive.files) or '(none)'}: call the one with the images 'images'"
                )
            key = shaped[0]
        label_key = next((key for key in LABEL_KEYS if key in archive.files), None)
        collection = _from_array(archive[key], path.stem)
        return _with_labels(collection, archive[label_key]) if label_key else collection


def _from_idx(path: Path) -> ImageCollection:
    try:
        images = read_idx(path)
    except IdxError as error:
        raise IdxError(f"{error}; a source is {KINDS}") from error
    collection = _from_array(images, path.name.partition(".")[0])
    beside = path.with_name(path.name.replace("-images-idx3-", "-labels-idx1-"))
    return _with_labels(collection, read_idx(beside)) if beside != path and beside.exists() else collection


def _from_array(images: NDArray[Any], name: str) -> ImageCollection:
    shape = images.shape
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 3, 4)):
        raise SourceError(
            f"{name}: an array of shape {shape}: images are (n, height, width) or (n, height, width, channels) "
            "with 1, 3 or 4 channels"
        )
    if 0 in shape:
        raise SourceError(f"{name}: no images in an array of shape {shape}")
    pixels = _to_uint8(images, name)
    if len(shape) == 4:
        pixels = pixels[..., 0] if shape[3] == 1 else _over_white(pixels)
    return ImageCollection(np.ascontiguousarray(pixels), _numbered(name, len(images)), name=name)


def _to_uint8(images: NDArray[Any], name: str) -> NDArray[np.uint8]:
    if images.dtype == np.uint8:
        return images
    if images.dtype == np.bool_:
        return images.astype(np.uint8) * np.uint8(255)
    if images.dtype.kind not in "fiu":
        raise SourceError(f"{name}: pixels of type {images.dtype}: pass uint8, another integer type, or floats")
    values = images.astype(np.float32)
    bad = ~np.isfinite(values).reshape(len(values), -1).all(1)
    if bad.any():
        raise SourceError(
            f"{name}: {int(bad.sum())} images hold NaN or infinite pixels, the first is number {int(np.argmax(bad))}: "
            "replace them (np.nan_to_num) or leave these images out"
        )
    low, high = float(values.min()), float(values.max())
    if images.dtype.kind == "f" and low >= 0.0 and high <= 1.0:
        low, high = 0.0, 1.0
    pixels: NDArray[np.uint8] = np.rint((values - low) * (255 / ((high - low) or 1.0))).astype(np.uint8)
    return pixels


def _over_white(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB as it is; RGBA laid over white."""
    if pixels.shape[3] == 3:
        return pixels
    alpha = pixels[..., 3:].astype(np.uint16)
    return ((pixels[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def _read_labels(labels: str | os.PathLike[str] | ArrayLike) -> NDArray[Any]:
    if not isinstance(labels, str | os.PathLike):
        return np.asarray(labels)
    path = Path(labels)
    if not path.is_file():
        raise SourceError(f"{path}: there is no such file of labels")
    if path.suffix == ".npy":
        values: NDArray[Any] = _load_numpy(path)
        return values
    if path.suffix in (".txt", ".csv"):
        return np.array(path.read_text(encoding="utf-8-sig").splitlines())
    return read_idx(path)


def _with_labels(collection: ImageCollection, labels: NDArray[Any]) -> ImageCollection:
    if labels.ndim != 1:
        raise SourceError(f"labels of shape {labels.shape}: pass a one-dimensional array with one label for each image")
    if labels.dtype.kind not in "biuUS":
        labels = labels.astype(str)
    return ImageCollection(collection.images, collection.paths, labels, collection.skipped, collection.name)


def _numbered(name: str, n: int) -> list[str]:
    return [f"{name}[{i}]" for i in range(n)]
