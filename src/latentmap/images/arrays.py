"""Images that come as arrays: in memory, in NumPy's files, in IDX files."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.images.collection import ImageCollection
from latentmap.images.idx import read_idx
from latentmap.images.listing import SourceError

IMAGE_KEYS = ("images", "x", "X", "x_train", "arr_0")
LABEL_KEYS = ("labels", "y", "Y", "y_train")


def from_array(images: NDArray[Any], name: str) -> ImageCollection:
    """An array (n, height, width) or (n, height, width, channels) of any numbers."""
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
    return ImageCollection.of(np.asarray(pixels, order="C"), name)


def load_numpy(path: Path) -> Any:
    """An .npy file, mapped, or an .npz file."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise SourceError(f"{path}: not a whole NumPy file of plain numbers ({error})") from error


def from_npz(path: Path) -> ImageCollection:
    """The images of an .npz file, and its labels."""
    with load_numpy(path) as archive:
        key = next((key for key in IMAGE_KEYS if key in archive.files), None)
        if key is None:
            shaped = [key for key in archive.files if archive[key].ndim in (3, 4)]
            if len(shaped) != 1:
                raise SourceError(
                    f"{path}: arrays {', '.join(archive.files) or '(none)'}: call the one with the images 'images'"
                )
            key = shaped[0]
        label_key = next((key for key in LABEL_KEYS if key in archive.files), None)
        collection = from_array(archive[key], path.stem)
        return collection.with_labels(archive[label_key]) if label_key else collection


def from_idx(path: Path) -> ImageCollection:
    """The images of an IDX file, and the labels of the file beside it that is named as MNIST's are."""
    collection = from_array(read_idx(path), path.name.partition(".")[0])
    beside = path.with_name(path.name.replace("-images-idx3-", "-labels-idx1-"))
    return collection.with_labels(read_idx(beside)) if beside != path and beside.exists() else collection


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
