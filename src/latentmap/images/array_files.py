"""Arrays of images in files: .npy, .npz and IDX."""

import lzma
import tokenize
import zipfile
import zlib
from math import prod
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentmap.core.errors import SourceError
from latentmap.images.array_names import IMAGE_KEYS, LABEL_KEYS
from latentmap.images.arrays import DEFAULT_SCALING, ArrayScaling, check_size, collection_from_array
from latentmap.images.collection import ImageCollection
from latentmap.images.idx import read_idx

N_MEMBER_BYTES_READ = 2**24  # that are read in one step of a member of an .npz file
MAX_LABEL_BYTES = 2**12  # of the label of one image in an .npz file
# Errors that NumPy and zipfile raise for damaged files.
NUMPY_FILE_ERRORS: tuple[type[Exception], ...] = (
    ValueError,
    EOFError,
    OSError,
    AssertionError,
    OverflowError,
    TypeError,
    RuntimeError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    MemoryError,
    KeyError,
    SyntaxError,
    tokenize.TokenError,
)


class _ArrayHeader(NamedTuple):
    """Shape, memory order and type of an array by its .npy header."""

    shape: tuple[int, ...]
    is_fortran: bool
    dtype: np.dtype[Any]


def load_numpy(path: Path) -> Any:
    """Open an .npy file, memory-mapped, or an .npz file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    ndarray or numpy.lib.npyio.NpzFile

    Raises
    ------
    SourceError
        If the file is damaged or contains Python objects.
    """
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except NUMPY_FILE_ERRORS as error:
        raise SourceError(
            f"{path}: not a complete NumPy file of plain numbers ({error or type(error).__name__})"
        ) from error


def collection_from_npz(path: Path, scaling: ArrayScaling = DEFAULT_SCALING) -> ImageCollection:
    """Make a collection of the images and labels in an .npz file.

    The sizes in the headers are checked before any array is read, and no more bytes than they state are read.

    Parameters
    ----------
    path : Path
    scaling : ArrayScaling

    Returns
    -------
    ImageCollection

    Raises
    ------
    SourceError
        If the file is damaged, no array in it is that of the images, or its arrays cannot be images and labels.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = {
                name.removesuffix(".npy"): _member_header(archive, name, path)
                for name in archive.namelist()
                if name.endswith(".npy")
            }
            key = next((key for key in IMAGE_KEYS if key in arrays), None)
            if key is None:
                shaped = [key for key, header in arrays.items() if len(header.shape) in (3, 4)]
                if len(shaped) != 1:
                    raise SourceError(
                        f"{path}: arrays {', '.join(arrays) or '(none)'}: name the one with the images 'images'"
                    )
                key = shaped[0]
            shape = arrays[key].shape
            if len(shape) in (3, 4):
                check_size(shape, path.stem, scaling.max_bytes)
            images = _read_npz_member(archive, key, arrays[key], path)
            collection = collection_from_array(images, path.stem, scaling)
            label_key = next((key for key in LABEL_KEYS if key in arrays), None)
            if label_key is None:
                return collection
            labels = arrays[label_key]
            if prod(labels.shape) * labels.dtype.itemsize > MAX_LABEL_BYTES * len(collection):
                raise SourceError(
                    f"{path}: labels of shape {labels.shape} and type {labels.dtype} for {len(collection)} images"
                )
            return collection.with_labels(_read_npz_member(archive, label_key, labels, path))
    except NUMPY_FILE_ERRORS as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(
            f"{path}: a damaged .npz file ({error or type(error).__name__}): write it again with np.savez"
        ) from error


def read_npz_array(path: Path, name: str | None, usual: tuple[str, ...]) -> NDArray[Any]:
    """Read one array of an .npz file. Its header is checked, and no more bytes than it states are read.

    Parameters
    ----------
    path : Path
    name : str, optional
        Name of the array. By default the first of the usual ones that is there, or the only array.
    usual : tuple of str

    Returns
    -------
    ndarray

    Raises
    ------
    SourceError
        If the file is damaged, or has no such array.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [one.removesuffix(".npy") for one in archive.namelist() if one.endswith(".npy")]
            found = name or next((one for one in usual if one in names), names[0] if len(names) == 1 else None)
            if found not in names:
                said = "no array of a usual name" if found is None else f"no array {found!r}"
                listed = ", ".join(names) or "(none)"
                raise SourceError(f"{path}: {said}: its arrays are {listed}: choose one, as {path.name}:NAME")
            return _read_npz_member(archive, found, _member_header(archive, f"{found}.npy", path), path)
    except NUMPY_FILE_ERRORS as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(
            f"{path}: a damaged .npz file ({error or type(error).__name__}): write it again with np.savez"
        ) from error


def _member_header(archive: zipfile.ZipFile, name: str, path: Path) -> _ArrayHeader:
    with archive.open(name) as file:
        return _read_npy_header(file, f"{path}: {name}")


def _read_npy_header(file: IO[bytes], name: str) -> _ArrayHeader:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, is_fortran, dtype = read(file)
    if any(side < 0 for side in shape):
        raise SourceError(f"{name}: an array of shape {shape}: a size is negative")
    return _ArrayHeader(shape, is_fortran, dtype)


def _read_npz_member(archive: zipfile.ZipFile, key: str, header: _ArrayHeader, path: Path) -> NDArray[Any]:
    """Read an array in steps, so that a header that states more than there is takes no memory."""
    shape, is_fortran, dtype = header
    if dtype.hasobject:
        raise SourceError(f"{path}: {key} contains Python objects, which are never loaded: save plain numbers or text")
    wanted = prod(shape) * dtype.itemsize
    data = bytearray()
    with archive.open(f"{key}.npy") as file:
        _read_npy_header(file, f"{path}: {key}")
        while len(data) < wanted and (part := file.read(min(N_MEMBER_BYTES_READ, wanted - len(data)))):
            data += part
        if len(data) == wanted and file.read(1):
            raise SourceError(f"{path}: {key} contains more than the {wanted:,} bytes of its shape {shape}")
    if len(data) < wanted:
        raise SourceError(f"{path}: {key} ends after {len(data):,} of {wanted:,} bytes: write it again with np.savez")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if is_fortran else "C")


def collection_from_idx(path: Path, scaling: ArrayScaling = DEFAULT_SCALING) -> ImageCollection:
    """Make a collection of the images in an IDX file, with the labels of the file beside it, named as those of MNIST.

    Parameters
    ----------
    path : Path
    scaling : ArrayScaling

    Returns
    -------
    ImageCollection

    Raises
    ------
    SourceError
        If the array is not one of images.
    IdxError
        If the file is damaged.
    """
    collection = collection_from_array(read_idx(path, scaling.max_bytes), path.name.partition(".")[0], scaling)
    beside = path.with_name(path.name.replace("-images-idx3-", "-labels-idx1-"))
    return collection.with_labels(read_idx(beside)) if beside != path and beside.exists() else collection
