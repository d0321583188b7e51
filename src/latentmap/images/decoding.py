"""One image file of any format → pixels of the collection's size and colour. Runs in the decoding workers."""

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from latentmap.images.pictures import Picture, Pictures, pictures_of
from latentmap.images.probe import ImageProbe
from latentmap.images.shape import Shape

# A file that is one picture is not read when it is larger: the largest picture has no more bytes.
MAX_FILE_BYTES = 2**31
SMALL_FILE = 2**18  # bytes that are read at once


class Failure(NamedTuple):
    """Why there is no picture."""

    reason: str


class Item(NamedTuple):
    """A picture to decode: the path of a file or its bytes, and which of its frames."""

    source: "str | bytes | Failure"
    frame: int | None = None  # None for a file that is one picture


class Decoded(NamedTuple):
    """A picture brought to the shape of the collection.

    Attributes
    ----------
    pixels : array
    sha256 : bytes
        Of the file; of a frame, of all its pixels.
    width, height : int
        Its own size, upright.
    content : bytes, optional
        SHA-256 of all its pixels, where all were decoded.
    limits : (low, high), optional
        Of values deeper than 8 bits.
    is_float : bool
        Whether these are floats.
    n_pages : int
        Pages of the file, where it was taken for one picture.
    """

    pixels: NDArray[np.uint8]
    sha256: bytes
    width: int
    height: int
    content: bytes | None = None
    limits: tuple[float, float] | None = None
    is_float: bool = False
    n_pages: int = 1


def probe_images(items: list[Item]) -> "list[ImageProbe | Failure]":
    """Decode images for the facts that the choice of a shape depends on."""
    return _each(items, _probe)


def count_frames(item: Item, animations: bool) -> "int | Failure":
    """Pictures in a file: pages of a TIFF, frames of an animation if they are wanted, else 1."""

    def count(file: IO[bytes]) -> int:
        with pictures_of(file) as pictures:
            return pictures.count(animations)

    counted: int | Failure = _tried(item.source, count)
    return counted


def decode(items: list[Item], shape: Shape) -> "list[Decoded | Failure]":
    """Decode pictures; frames of one file that follow each other are read in one go.

    A picture in colour where ``shape`` is grey, and was not asked to be, comes back in colour.
    """
    return _each(items, lambda opened: _decode(opened, shape))


class _Opened(NamedTuple):
    """A picture, the file it comes from, and where in it."""

    file: IO[bytes]
    picture: Picture
    frame: int | None
    n_pages: int


def _probe(opened: _Opened) -> ImageProbe:
    picture, deep = opened.picture, opened.picture.deep
    if deep is None:
        return ImageProbe(picture.width, picture.height, picture.is_grey, n_pages=opened.n_pages)
    low, high = deep.range()
    return ImageProbe(picture.width, picture.height, deep.is_grey, low, high, deep.is_float, opened.n_pages)


def _decode(opened: _Opened, shape: Shape) -> Decoded:
    picture, n_pages = opened.picture, opened.n_pages
    pixels, content = picture.shaped(shape)
    if opened.frame is None:
        opened.file.seek(0)
        digest = _sha256(opened.file)
    else:
        assert content is not None
        digest = content
    limits = None if picture.deep is None else picture.deep.range()
    is_float = picture.deep is not None and picture.deep.is_float
    return Decoded(pixels, digest, picture.width, picture.height, content, limits, is_float, n_pages)


def _sha256(file: IO[bytes]) -> bytes:
    """Of what is left of a file. Small ones are read at once, which is quicker than hashlib's buffer."""
    data = file.read(SMALL_FILE)
    digest = hashlib.sha256(data)
    while len(data) == SMALL_FILE:
        data = file.read(SMALL_FILE)
        digest.update(data)
    return digest.digest()


def _each(items: list[Item], function: Callable[[_Opened], Any]) -> list[Any]:
    """The result of ``function`` on each picture, or why there is none."""
    results: list[Any] = []
    for _, group in groupby(items, key=lambda item: item if item.frame is None else item.source):
        together = list(group)
        if together[0].frame is None:
            results += [_one(item, function) for item in together]
        else:
            results += _frames(together, function)
    return results


def _one(item: Item, function: Callable[[_Opened], Any]) -> Any:
    def read(file: IO[bytes]) -> Any:
        if not isinstance(item.source, bytes) and os.fstat(file.fileno()).st_size > MAX_FILE_BYTES:
            raise OSError(f"larger than {MAX_FILE_BYTES / 2**30:g} GiB, which no single picture needs")
        with pictures_of(file) as pictures:
            return function(_Opened(file, pictures.picture(None), None, pictures.count(False)))

    return _tried(item.source, read)


def _frames(items: list[Item], function: Callable[[_Opened], Any]) -> list[Any]:
    found: list[Any] = []

    def read(file: IO[bytes]) -> None:
        with pictures_of(file) as pictures:
            for item in items:
                found.append(_frame(file, pictures, item, function))

    failure: Failure | None = _tried(items[0].source, read)
    return found if failure is None else [failure] * len(items)


def _frame(file: IO[bytes], pictures: Pictures, item: Item, function: Callable[[_Opened], Any]) -> Any:
    try:
        return function(_Opened(file, pictures.picture(item.frame or 0), item.frame, 1))
    except Exception as error:
        return Failure(reason_for(error))


def _tried(source: "str | bytes | Failure", function: Callable[[IO[bytes]], Any]) -> Any:
    """The result of ``function`` on the opened file, or why there is none. Whatever a decoder raises ends here."""
    if isinstance(source, Failure):
        return source
    try:
        with _opened(source) as file:
            return function(file)
    except Exception as error:
        return Failure(reason_for(error))


@contextmanager
def _opened(source: str | bytes) -> Iterator[IO[bytes]]:
    """A file, held against changes: when it is another one afterwards, what was read is not to be trusted."""
    if isinstance(source, bytes):
        yield io.BytesIO(source)
        return
    if os.path.exists(source) and not os.path.isfile(source):  # a pipe or a device would block  # noqa: PTH110, PTH113
        raise OSError("not a regular file")
    with open(source, "rb") as file:  # noqa: PTH123 - names need not be valid paths
        before = os.fstat(file.fileno())
        yield file
        after = os.fstat(file.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise OSError("changed while it was read")


def reason_for(error: BaseException) -> str:
    """An exception of a decoder in words; the path is listed beside it."""
    if isinstance(error, UnidentifiedImageError):
        return "not an image of any format that Pillow reads"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"more than {Image.MAX_IMAGE_PIXELS:,} pixels, as decompression bombs have (DecompressionBomb)"
    if isinstance(error, MemoryError):
        return "needs more memory than one picture may take"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}" if not isinstance(error, OSError) else str(error) or "cannot be read"
