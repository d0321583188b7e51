"""Images that are objects in memory: PIL images, arrays, tensors and encoded files."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps

from latentmap.core.errors import InputTypeError, SourceError
from latentmap.core.missing import is_missing
from latentmap.images.array_shapes import COLOR_CHANNELS, has_channels_first
from latentmap.images.channels import MAX_CHANNELS
from latentmap.images.decoding import EncodedImage, Failure, reason_for
from latentmap.images.image_table import hash_table, make_image_table
from latentmap.images.listing import Listing
from latentmap.images.tiff_encoding import MAX_SAMPLE_BYTES, encode_tiff

NAME = "image"  # images are called image[0], image[1] and so on
NOTHING_REASON = "no image in this entry"
# Kinds of entries, as error messages call them.
PIL_IMAGE, ARRAY, TENSOR, FILE_BYTES, FILE_PATH, MISSING = (
    "a PIL image",
    "a NumPy array",
    "a torch tensor",
    "the bytes of a file",
    "a path",
    "nothing",
)
OBJECTS = (PIL_IMAGE, ARRAY, TENSOR, FILE_BYTES)
WANTED = (
    "an image is a PIL image, an array or tensor, or the bytes of an image file, and all images of a list are of the "
    "same kind"
)


def list_objects(
    values: Sequence[Any], columns: pa.Table | None = None, as_channels: bool = False, name: str = NAME
) -> Listing:
    """List images in memory as files are listed, so that one size, colour and range of values is chosen from them.

    Each image is encoded without loss when it is read. An entry that is None or NaN is skipped, and so is an image that
    cannot be loaded.

    Parameters
    ----------
    values : sequence of n objects
        PIL images, arrays, torch tensors, or bytes of image files, all of the same kind.
    columns : pyarrow.Table, optional
        Other columns, n rows.
    as_channels : bool, default=False
        Whether the fourth channel of arrays and tensors is no transparency.
    name : str, default="image"
        Name of the source, and of each image before its number in brackets.

    Returns
    -------
    Listing

    Raises
    ------
    SourceError
        If the entries are of several kinds, or an array has a shape or type that an image cannot have.
    InputTypeError
        If an entry is no image.
    """
    _check_kinds(values)
    digest = hashlib.sha256()
    for i, value in enumerate(values):
        digest.update(_digest_of(value, f"{name}[{i}]"))
    table = make_image_table((f"{name}[{i}]" for i in range(len(values))), columns)
    digest.update(hash_table(table).encode())

    def read(rows: NDArray[np.intp]) -> Iterator[EncodedImage]:
        for row in rows:
            yield _encode(values[row], f"{name}[{row}]", as_channels)

    return Listing(name, table, read, digest.hexdigest())


def kind_of(value: Any) -> str:
    """Name the kind of an entry in a list of images.

    Parameters
    ----------
    value : object

    Returns
    -------
    str
        One of the kinds above, or the name of the type of an object that is no image.
    """
    if isinstance(value, Image.Image):  # before a comparison, which would load it
        return PIL_IMAGE
    if isinstance(value, np.ndarray):
        return ARRAY
    if is_of(value, "torch"):
        return TENSOR
    if is_missing(value):
        return MISSING
    if isinstance(value, bytes | bytearray | memoryview):
        return FILE_BYTES
    return FILE_PATH if isinstance(value, str | os.PathLike) else type(value).__name__


def is_of(value: Any, library: str) -> bool:
    """Whether the type of an object, or one that it derives from, belongs to a library, which is not imported.

    Parameters
    ----------
    value : object
    library : str
        Name of a package.

    Returns
    -------
    bool
    """
    return any(base.__module__.partition(".")[0] == library for base in type(value).__mro__)


def to_array(tensor: Any) -> NDArray[Any]:
    """Convert a torch tensor on any device to an array with the channels last.

    Parameters
    ----------
    tensor : torch.Tensor
        Two dimensions, or (..., channels, height, width).

    Returns
    -------
    ndarray
    """
    tensor = tensor.detach().cpu()
    if str(tensor.dtype) == "torch.bfloat16":  # which NumPy does not have
        tensor = tensor.float()
    array: NDArray[Any] = tensor.numpy()
    return array


def _check_kinds(values: Sequence[Any]) -> None:
    first: dict[str, int] = {}
    for i, value in enumerate(values):
        first.setdefault(kind_of(value), i)
    first.pop(MISSING, None)
    for kind, i in first.items():
        if kind not in OBJECTS:
            what = f"{kind} among images" if kind == FILE_PATH else f"an object of type {kind}"
            raise InputTypeError(f"{NAME}[{i}]: {what}: {WANTED}")
    if len(first) > 1:
        (one, i), (other, j) = list(first.items())[:2]
        raise SourceError(f"{NAME}[{i}] is {one}, {NAME}[{j}] is {other}: {WANTED}")


def _digest_of(value: Any, name: str) -> bytes:
    """SHA-256 of an image; of the path, size and time of the file that a PIL image is not loaded from yet."""
    kind = kind_of(value)
    if kind == MISSING:
        return hashlib.sha256(b"").digest()
    if kind == FILE_BYTES:
        return hashlib.sha256(value).digest()
    path = _unloaded_file(value) if kind == PIL_IMAGE else None
    if path is not None:
        status = path.stat()
        return hashlib.sha256(repr((str(path), status.st_size, status.st_mtime_ns)).encode()).digest()
    try:
        pixels = _pixels(value, kind, name)
    except SourceError:
        raise
    except Exception as error:  # a damaged file, which PIL reads late
        return hashlib.sha256(reason_for(error).encode()).digest()
    found = hashlib.sha256(f"{pixels.dtype.name} {pixels.shape}".encode())
    found.update(np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).data)
    return found.digest()


def _encode(value: Any, name: str, as_channels: bool) -> EncodedImage:
    kind = kind_of(value)
    if kind == MISSING:
        return EncodedImage(Failure(NOTHING_REASON))
    if kind == FILE_BYTES:
        return EncodedImage(bytes(value))
    path = _unloaded_file(value) if kind == PIL_IMAGE else None
    if path is not None:
        return EncodedImage(str(path))
    try:
        return EncodedImage(encode_tiff(_pixels(value, kind, name), as_channels and kind != PIL_IMAGE))
    except Exception as error:
        return EncodedImage(Failure(reason_for(error)))


def _unloaded_file(image: Image.Image) -> Path | None:
    """The file of an image that PIL has opened but not loaded, so that a collection is never loaded as a whole."""
    named = getattr(image, "filename", "")
    if not (isinstance(image, ImageFile.ImageFile) and image.tile and named) or getattr(image, "n_frames", 1) != 1:
        return None
    path = Path(os.path.abspath(os.fsdecode(named)))  # noqa: PTH100 - links in it are kept
    return path if path.is_file() else None


def _pixels(value: Any, kind: str, name: str) -> NDArray[Any]:
    """The pixels of an image, (height, width) or (height, width, channels)."""
    if kind == PIL_IMAGE:
        return _pixels_of_pil(value)
    array = value
    if kind == TENSOR:
        array = to_array(value)
        array = np.moveaxis(array, 0, -1) if array.ndim == 3 else array
    shape = tuple(value.shape)
    advice = _advice(shape, kind) if len(shape) == 3 else ""
    if array.ndim not in (2, 3) or 0 in shape or array.shape[2:] > (MAX_CHANNELS,) or advice:
        wanted = "(channels, height, width)" if kind == TENSOR else "(height, width, channels)"
        raise SourceError(
            f"{name}: {kind} of shape {shape}: an image is (height, width) or {wanted} with at most {MAX_CHANNELS:,} "
            f"channels{advice}"
        )
    if array.dtype.kind not in "bfiu":
        raise SourceError(f"{name}: pixels of type {array.dtype}: pass uint8, another integer type, or floats")
    if isinstance(array, np.ma.MaskedArray):
        array = array.filled(0)
    found: NDArray[Any] = array.astype(np.float64) if array.dtype.itemsize > MAX_SAMPLE_BYTES else array
    return found


def _advice(shape: tuple[int, ...], kind: str) -> str:
    """What to do about an array whose axes are in another order; "" if they are not, as far as the shape tells."""
    n_channels = shape[2 if kind == ARRAY else 0]
    if n_channels in COLOR_CHANNELS:
        return ""
    if kind == ARRAY:
        return ": pass np.moveaxis(image, 0, -1)" if has_channels_first(shape) else ""
    is_last = shape[2] in COLOR_CHANNELS or has_channels_first((shape[2], *shape[:2]))
    return ": pass image.permute(2, 0, 1)" if is_last else ""


def _pixels_of_pil(image: Image.Image) -> NDArray[Any]:
    if image.format is not None:  # as it was opened: upright, as a file is
        image = ImageOps.exif_transpose(image)
    if image.mode in ("L", "RGB", "RGBA", "I", "F") and (image.mode == "RGBA" or not image.has_transparency_data):
        return np.asarray(image)
    if image.mode.startswith("I;16"):
        return np.asarray(image)
    if image.mode == "La":
        image = image.convert("LA")
    if image.has_transparency_data or image.mode == "RGBa":
        return np.asarray(image.convert("RGBA"))
    return np.asarray(image.convert("L" if image.mode == "1" else "RGB"))
