"""Images that come as arrays: in memory, in NumPy's files, in IDX files."""

import hashlib
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from latentmap.core.errors import SourceError
from latentmap.core.mapped_arrays import blocks
from latentmap.images.cells import digest_column
from latentmap.images.collection import ImageCollection
from latentmap.images.idx import read_idx
from latentmap.images.value_range import Range, joined, to_8_bits, value_range, whole_bits

IMAGE_KEYS = ("images", "x", "X", "x_train", "arr_0")
LABEL_KEYS = ("labels", "y", "Y", "y_train")
VALUES_AT_ONCE = 2**22  # that are brought to 8 bits at once
PIECE_BYTES = 2**24  # that are read of a member of an .npz file at once
MAX_LABEL_BYTES = 2**12  # of the label of one image in an .npz file
DAMAGED: tuple[type[Exception], ...] = (
    ValueError,
    EOFError,
    OSError,
    AssertionError,
    OverflowError,
    TypeError,
    RuntimeError,
    NotImplementedError,
)
DAMAGED += (zipfile.BadZipFile, zlib.error, lzma.LZMAError, MemoryError, KeyError, SyntaxError)
Announced = tuple[tuple[int, ...], bool, np.dtype[Any]]


@dataclass(frozen=True)
class Scaling:
    """How arrays become uint8.

    Parameters
    ----------
    limits : (low, high), optional
        Values that become 0 and 255: the ``value_range`` of a collection that the images are to join. By default
        floats in [0, 1] are multiplied by 255, and any other range is stretched.
    max_bytes : int, optional
        Most that the images may take in 8 bits.
    joins_8_bits : bool
        Whether the images are to join others that had 8 bits from the start: then values from 0 to 255 stay as they
        are, but for floats in [0, 1].
    """

    limits: Range | None = None
    max_bytes: int | None = None
    joins_8_bits: bool = False


DEFAULT = Scaling()


def from_array(images: NDArray[Any], name: str, scaling: Scaling = DEFAULT) -> ImageCollection:
    """An array (n, height, width) or (n, height, width, channels) of any numbers.

    Parameters
    ----------
    images : array
        uint8 is taken as it is, bool becomes 0 and 255, all others are scaled. Masked values become black.
    name : str
        What the array is called.
    scaling : Scaling

    Raises
    ------
    SourceError
        For arrays that cannot be images, hold NaN, or are too large.
    """
    shape = images.shape
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 3, 4)):
        raise SourceError(
            f"{name}: an array of shape {shape}: images are (n, height, width) or (n, height, width, channels) "
            "with 1, 3 or 4 channels"
        )
    if 0 in shape:
        raise SourceError(f"{name}: no images in an array of shape {shape}")
    if images.dtype.kind not in "bfiu":
        raise SourceError(f"{name}: pixels of type {images.dtype}: pass uint8, another integer type, or floats")
    check_size(shape, name, scaling.max_bytes)
    if len(shape) == 4 and shape[3] == 1:
        images = images[..., 0]
    if images.dtype == np.uint8 and not np.ma.isMaskedArray(images) and images.shape[3:] != (4,):
        return ImageCollection.of(np.asarray(images, order="C"), name)
    used = _range_for(images, scaling)
    if images.dtype.kind == "f":
        _check_finite(images, name)
    pixels = _in_8_bits(images, used)
    found = ImageCollection.of(pixels, name)
    found = replace(found, table=found.table.append_column("sha256", _digests(images)))
    if images.dtype in (np.uint8, np.bool_):
        return found
    return replace(found, value_range=used, is_clipped=None if scaling.limits is None else _is_clipped(images, used))


def check_size(shape: tuple[int, ...], name: str, max_bytes: int | None) -> None:
    """Raise SourceError for an array of images that takes more than ``max_bytes`` in 8 bits."""
    needed = prod(shape[:3]) * (3 if shape[3:] in ((3,), (4,)) else prod(shape[3:]))
    if max_bytes is not None and needed > max_bytes:
        raise SourceError(
            f"{name}: {shape[0]:,} images of {' × '.join(map(str, shape[1:]))} take {needed / 1e9:.2f} GB decoded, "
            f"the limit is {max_bytes / 1e9:g} GB: raise it, or pass fewer or smaller images"
        )


def load_numpy(path: Path) -> Any:
    """An .npy file, mapped, or an .npz file."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except DAMAGED as error:
        raise SourceError(
            f"{path}: not a whole NumPy file of plain numbers ({error or type(error).__name__})"
        ) from error


def from_npz(path: Path, scaling: Scaling = DEFAULT) -> ImageCollection:
    """The images of an .npz file, and its labels.

    Arrays are held against the limit by the sizes that they announce before any of them is read, and no more than
    these is read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = {
                name.removesuffix(".npy"): _announced(archive, name, path)
                for name in archive.namelist()
                if name.endswith(".npy")
            }
            key = next((key for key in IMAGE_KEYS if key in arrays), None)
            if key is None:
                shaped = [key for key, (shape, _, _) in arrays.items() if len(shape) in (3, 4)]
                if len(shaped) != 1:
                    raise SourceError(
                        f"{path}: arrays {', '.join(arrays) or '(none)'}: call the one with the images 'images'"
                    )
                key = shaped[0]
            shape = arrays[key][0]
            if len(shape) in (3, 4):
                check_size(shape, path.stem, scaling.max_bytes)
            images = _read_member(archive, key, arrays[key], path)
            collection = from_array(images, path.stem, scaling)
            label_key = next((key for key in LABEL_KEYS if key in arrays), None)
            if label_key is None:
                return collection
            labels = arrays[label_key]
            if prod(labels[0]) * labels[2].itemsize > MAX_LABEL_BYTES * len(collection):
                raise SourceError(
                    f"{path}: labels of shape {labels[0]} and type {labels[2]} for {len(collection)} images"
                )
            return collection.with_labels(_read_member(archive, label_key, labels, path))
    except DAMAGED as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(
            f"{path}: a damaged .npz file ({error or type(error).__name__}): write it again with np.savez"
        ) from error


def _announced(archive: zipfile.ZipFile, name: str, path: Path) -> Announced:
    """Shape, order and type of an array, as its header says."""
    with archive.open(name) as file:
        return _header(file, f"{path}: {name}")


def _header(file: IO[bytes], name: str) -> Announced:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, is_fortran, dtype = read(file)
    if any(side < 0 for side in shape):
        raise SourceError(f"{name}: an array of shape {shape}, which none can have")
    return shape, is_fortran, dtype


def _read_member(archive: zipfile.ZipFile, key: str, announced: Announced, path: Path) -> NDArray[Any]:
    """Read an array by pieces: a file that announces more than it holds takes no memory."""
    shape, is_fortran, dtype = announced
    if dtype.hasobject:
        raise SourceError(f"{path}: {key} holds Python objects, which are never loaded: save plain numbers or text")
    wanted = prod(shape) * dtype.itemsize
    data = bytearray()
    with archive.open(f"{key}.npy") as file:
        _header(file, f"{path}: {key}")
        while len(data) < wanted and (piece := file.read(min(PIECE_BYTES, wanted - len(data)))):
            data += piece
        if len(data) == wanted and file.read(1):
            raise SourceError(f"{path}: {key} holds more than the {wanted:,} bytes of its shape {shape}")
    if len(data) < wanted:
        raise SourceError(f"{path}: {key} ends after {len(data):,} of {wanted:,} bytes: write it again with np.savez")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if is_fortran else "C")


def from_idx(path: Path, scaling: Scaling = DEFAULT) -> ImageCollection:
    """The images of an IDX file, and the labels of the file beside it that is named as MNIST's are."""
    collection = from_array(read_idx(path, scaling.max_bytes), path.name.partition(".")[0], scaling)
    beside = path.with_name(path.name.replace("-images-idx3-", "-labels-idx1-"))
    return collection.with_labels(read_idx(beside)) if beside != path and beside.exists() else collection


def _parts(images: NDArray[Any]) -> Iterator[NDArray[Any]]:
    return blocks(images, max(1, VALUES_AT_ONCE // prod(images.shape[1:])))


def _colors(part: NDArray[Any]) -> NDArray[Any]:
    """All but the alpha channel."""
    return part[..., :3] if part.shape[3:] == (4,) else part


def _plain(values: NDArray[Any]) -> NDArray[Any]:
    """All values that are not masked, in one row."""
    return values.compressed() if isinstance(values, np.ma.MaskedArray) else values.reshape(-1)


def _range_for(images: NDArray[Any], scaling: Scaling) -> Range:
    """The values that become 0 and 255."""
    if scaling.limits is not None and images.dtype.kind in "fiu":
        return scaling.limits
    used = _used_range(images)
    is_fraction = images.dtype.kind == "f" and used[1] <= 1
    stays = scaling.joins_8_bits and images.dtype.kind in "fiu" and used[0] >= 0 and used[1] <= 255
    return (0, 255) if stays and not is_fraction else used


def _used_range(images: NDArray[Any]) -> Range:
    """The range of all colours that are shown; whole where floats lie in [0, 1] and where there are 8 bits or one."""
    if images.dtype == np.uint8:
        return 0, 255
    if images.dtype == np.bool_:
        return 0, 1
    found = joined([value_range(_plain(_colors(part))) for part in _parts(images)]) or (0.0, 0.0)
    return (0.0, 1.0) if images.dtype.kind == "f" and found[0] >= 0 and found[1] <= 1 else found


def _check_finite(images: NDArray[Any], name: str) -> None:
    bad, first, begin = 0, -1, 0
    for part in _parts(images):
        finite = np.isfinite(part)
        whole = (finite.filled(True) if isinstance(finite, np.ma.MaskedArray) else finite).reshape(len(part), -1)
        rows = np.flatnonzero(~whole.all(axis=1))
        first = begin + int(rows[0]) if len(rows) and first < 0 else first
        bad, begin = bad + len(rows), begin + len(part)
    if bad:
        raise SourceError(
            f"{name}: {bad} images hold NaN or infinite pixels, the first is number {first}: "
            "replace them (np.nan_to_num), mask them (np.ma.masked_invalid) or leave these images out"
        )


def _in_8_bits(images: NDArray[Any], limits: Range) -> NDArray[np.uint8]:
    opaque = _opaque(images)
    pixels = np.empty(images.shape[:3] if images.ndim == 3 else (*images.shape[:3], 3), np.uint8)
    begin = 0
    for part in _parts(images):
        values = np.ma.getdata(part)
        masked = np.ma.getmaskarray(part) if isinstance(part, np.ma.MaskedArray) else None
        values = values.view(np.uint8) if values.dtype == np.bool_ else values
        colors = to_8_bits(_colors(values), limits)
        if masked is not None:
            colors[_colors(masked)] = 0
        if opaque is not None:
            alpha = to_8_bits(values[..., 3], (0, opaque))
            if masked is not None:
                alpha[masked[..., 3]] = 255
            colors = _over_white(colors, alpha[..., None])
        pixels[begin : begin + len(part)] = colors
        begin += len(part)
    return pixels


def _is_clipped(images: NDArray[Any], limits: Range) -> NDArray[np.bool_]:
    """Which images have colours that are shown outside the limits."""
    found = [_is_outside(_colors(part), limits).reshape(len(part), -1).any(axis=1) for part in _parts(images)]
    return np.concatenate(found)


def _is_outside(values: NDArray[Any], limits: Range) -> NDArray[np.bool_]:
    outside = (values < limits[0]) | (values > limits[1])
    return np.asarray(np.ma.filled(outside, False))


def _opaque(images: NDArray[Any]) -> float | None:
    """The value of the alpha channel that hides the ground, None without such a channel."""
    if images.shape[3:] != (4,):
        return None
    if images.dtype == np.uint8:
        return 255
    largest = joined([value_range(_plain(part[..., 3]).astype(np.float64)) for part in _parts(images)])
    return 1 if largest is None or largest[1] <= 1 else whole_bits(largest[1])


def _over_white(colors: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    weight = alpha.astype(np.uint16)
    return ((colors * weight + 255 * (255 - weight) + 127) // 255).astype(np.uint8)


def _digests(images: NDArray[Any]) -> pa.Array:
    """SHA-256 of the values of each image as they were given, whatever their order of bytes."""
    little = images.dtype.newbyteorder("<")
    digests = bytearray()
    for part in _parts(images):
        for image in part:
            digest = hashlib.sha256(f"{images.dtype.name} {image.shape}".encode())
            digest.update(np.asarray(np.ma.filled(image, 0), little).tobytes())
            if isinstance(image, np.ma.MaskedArray):
                digest.update(np.packbits(np.ma.getmaskarray(image)).data)
            digests += digest.digest()
    return digest_column(digests)
