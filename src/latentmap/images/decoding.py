"""Decoding of image files of any format to the shape of a collection. Runs in the worker processes."""

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

from latentmap.core.errors import DecodingError
from latentmap.images.audio import as_wav
from latentmap.images.image_files import FileContents, ImageFile, contents_of, open_image_file
from latentmap.images.pictures import Picture
from latentmap.images.probe import ImageProbe
from latentmap.images.reading_options import DEFAULT_READING, ReadingOptions
from latentmap.images.shape import Shape
from latentmap.images.spectrograms import Spectrogram
from latentmap.images.zarr_folders import is_zarr, open_zarr

# A file with one image is not read if it is larger, since the largest image that is decoded has fewer bytes.
MAX_PICTURE_FILE_BYTES = 2**31
N_DECODED_BYTES_READ = 2**18  # that are read in one step


class Failure(NamedTuple):
    """Reason why an image could not be decoded."""

    reason: str


class EncodedImage(NamedTuple):
    """An image to decode.

    Attributes
    ----------
    source : str, bytes or Failure
        Path of the file, its bytes, or the reason why it cannot be read.
    frame : int, optional
        Number of the page or frame. None for a file with one image.
    part : str, optional
        Name of an array in the file, if it has several.
    """

    source: "str | bytes | Failure"
    frame: int | None = None
    part: str | None = None


class Decoded(NamedTuple):
    """A decoded image in the shape of the collection.

    Attributes
    ----------
    pixels : ndarray (height, width) or (height, width, 3), uint8
    sha256 : bytes
        SHA-256 of the file, or of all pixels of a frame.
    width, height : int
        Original size in pixels, upright.
    content : bytes, optional
        SHA-256 of all original pixels. None if the image was decoded at a smaller size.
    limits : (float, float), optional
        Range of the values of an image with more than 8 bits per channel.
    is_float : bool, default=False
        Whether these values are floats.
    n_pages : int, default=1
        Number of pages in a file that was treated as one image.
    """

    pixels: NDArray[np.uint8]
    sha256: bytes
    width: int
    height: int
    content: bytes | None = None
    limits: tuple[float, float] | None = None
    is_float: bool = False
    n_pages: int = 1


class Sound(NamedTuple):
    """A sound to play.

    Attributes
    ----------
    wav : bytes
        WAV file of 16 bits and one channel.
    sha256 : bytes
        SHA-256 of the file that it comes from, or of the samples of a piece.
    """

    wav: bytes
    sha256: bytes


def probe_images(images: list[EncodedImage], reading: ReadingOptions = DEFAULT_READING) -> "list[ImageProbe | Failure]":
    """Decode images to determine their size, colour and range of values.

    Parameters
    ----------
    images : list of EncodedImage
    reading : ReadingOptions, optional

    Returns
    -------
    list of ImageProbe or Failure
    """
    return _map_images(images, _probe, reading)


def read_contents(
    image: EncodedImage, animations: bool, reading: ReadingOptions = DEFAULT_READING
) -> "FileContents | Failure":
    """Count the images in a file, and read their columns.

    Parameters
    ----------
    image : EncodedImage
    animations : bool
        Whether the frames of an animation are images. Pages of a TIFF always are.
    reading : ReadingOptions, optional

    Returns
    -------
    FileContents or Failure
    """

    def count(file: IO[bytes] | None) -> FileContents:
        with _open_container(file, image, reading) as container:
            return contents_of(container, animations)

    counted: FileContents | Failure = _try_open(image.source, count)
    return counted


def decode_images(
    images: list[EncodedImage], shape: Shape, reading: ReadingOptions = DEFAULT_READING
) -> "list[Decoded | Failure]":
    """Decode images to a shape. Consecutive frames of one file are read while it is open.

    Parameters
    ----------
    images : list of EncodedImage
    shape : Shape
        Shape of the collection. If it is grey with ``color="auto"``, an image in colour is decoded in colour.
    reading : ReadingOptions, optional

    Returns
    -------
    list of Decoded or Failure
    """
    return _map_images(images, lambda opened: _decode(opened, shape), reading)


def read_sounds(images: list[EncodedImage], reading: ReadingOptions = DEFAULT_READING) -> "list[Sound | Failure]":
    """Decode the sounds that images are spectrograms of.

    Parameters
    ----------
    images : list of EncodedImage
    reading : ReadingOptions, optional

    Returns
    -------
    list of Sound or Failure
    """
    return _map_images(images, _sound, reading)


class _OpenedImage(NamedTuple):
    """An image, its open file, and its position in that file."""

    file: IO[bytes] | None  # None for a folder
    picture: Picture
    frame: int | None
    n_pages: int


def _probe(opened: _OpenedImage) -> ImageProbe:
    picture, values = opened.picture, opened.picture.high_bit_depth
    if values is None:
        return ImageProbe(picture.width, picture.height, picture.is_grey, n_pages=opened.n_pages)
    lowest, highest = values.range()
    return ImageProbe(picture.width, picture.height, values.is_grey, lowest, highest, values.is_float, opened.n_pages)


def _decode(opened: _OpenedImage, shape: Shape) -> Decoded:
    picture, n_pages = opened.picture, opened.n_pages
    pixels, content = picture.to_shape(shape)
    digest = _digest(opened, content)
    limits = None if picture.high_bit_depth is None else picture.high_bit_depth.range()
    is_float = picture.high_bit_depth is not None and picture.high_bit_depth.is_float
    return Decoded(pixels, digest, picture.width, picture.height, content, limits, is_float, n_pages)


def _sound(opened: _OpenedImage) -> Sound:
    spectrogram = opened.picture.high_bit_depth
    if not isinstance(spectrogram, Spectrogram):
        raise DecodingError("not a sound")
    return Sound(as_wav(spectrogram.samples, spectrogram.rate), _digest(opened, spectrogram.digest(None)))


def _digest(opened: _OpenedImage, content: bytes | None) -> bytes:
    """SHA-256 of the file, or of the content of a frame."""
    if opened.frame is None and opened.file is not None:
        opened.file.seek(0)
        return _sha256(opened.file)
    assert content is not None
    return content


def _sha256(file: IO[bytes]) -> bytes:
    """SHA-256 of the rest of a file. Small files are read in one step, which is faster than the buffer of hashlib."""
    data = file.read(N_DECODED_BYTES_READ)
    digest = hashlib.sha256(data)
    while len(data) == N_DECODED_BYTES_READ:
        data = file.read(N_DECODED_BYTES_READ)
        digest.update(data)
    return digest.digest()


def _map_images(
    images: list[EncodedImage], function: Callable[[_OpenedImage], Any], reading: ReadingOptions
) -> list[Any]:
    """The result of a function on each image, or the failure."""
    results: list[Any] = []
    for _, group in groupby(images, key=lambda image: image if image.frame is None else image._replace(frame=0)):
        together = list(group)
        if together[0].frame is None:
            results += [_apply_to_file(image, function, reading) for image in together]
        else:
            results += _apply_to_frames(together, function, reading)
    return results


def _apply_to_file(image: EncodedImage, function: Callable[[_OpenedImage], Any], reading: ReadingOptions) -> Any:
    def read(file: IO[bytes] | None) -> Any:
        if (
            file is not None
            and not isinstance(image.source, bytes)
            and os.fstat(file.fileno()).st_size > MAX_PICTURE_FILE_BYTES
        ):
            raise DecodingError(f"larger than {MAX_PICTURE_FILE_BYTES / 2**30:g} GiB, more than any single image needs")
        with _open_container(file, image, reading) as container:
            return function(_OpenedImage(file, container.picture(None), None, container.count(False)))

    return _try_open(image.source, read)


def _apply_to_frames(
    images: list[EncodedImage], function: Callable[[_OpenedImage], Any], reading: ReadingOptions
) -> list[Any]:
    found: list[Any] = []

    def read(file: IO[bytes] | None) -> None:
        with _open_container(file, images[0], reading) as container:
            for image in images:
                found.append(_apply_to_frame(file, container, image, function))

    failure: Failure | None = _try_open(images[0].source, read)
    return found if failure is None else [failure] * len(images)


def _apply_to_frame(
    file: IO[bytes] | None, container: ImageFile, image: EncodedImage, function: Callable[[_OpenedImage], Any]
) -> Any:
    try:
        return function(_OpenedImage(file, container.picture(image.frame or 0), image.frame, 1))
    except Exception as error:
        return Failure(reason_for(error))


@contextmanager
def _open_container(file: IO[bytes] | None, image: EncodedImage, reading: ReadingOptions) -> Iterator[ImageFile]:
    """Open a file, or the folder of an array, as a sequence of images."""
    if file is None:
        with open_zarr(str(image.source), image.part) as stack:
            yield stack
        return
    with open_image_file(file, reading, image.part) as container:
        yield container


def _try_open(source: "str | bytes | Failure", function: Callable[[IO[bytes] | None], Any]) -> Any:
    """The result of a function on an open file, or the failure. No error of a decoder leaves this function."""
    if isinstance(source, Failure):
        return source
    try:
        with _open_image_source(source) as file:
            return function(file)
    except Exception as error:
        return Failure(reason_for(error))


@contextmanager
def _open_image_source(source: str | bytes) -> Iterator[IO[bytes] | None]:
    """Open a file, and raise an error at the end if it changed in the meantime. None for a folder of an array."""
    if isinstance(source, bytes):
        yield io.BytesIO(source)
        return
    if is_zarr(source):
        yield None
        return
    if os.path.exists(source) and not os.path.isfile(source):  # a pipe or a device would block  # noqa: PTH110, PTH113
        raise DecodingError("not a regular file")
    with open(source, "rb") as file:  # noqa: PTH123 - names need not be valid paths
        before = os.fstat(file.fileno())
        yield file
        after = os.fstat(file.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise DecodingError("changed while it was read")


def reason_for(error: BaseException) -> str:
    """Describe an error of a decoder, without the path of the file.

    Parameters
    ----------
    error : Exception

    Returns
    -------
    str
    """
    if isinstance(error, UnidentifiedImageError):
        return "not an image of any format that Pillow reads"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"more than {Image.MAX_IMAGE_PIXELS:,} pixels, as in decompression bombs (DecompressionBomb)"
    if isinstance(error, MemoryError):
        return "needs more memory than one image may take"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}" if not isinstance(error, OSError) else str(error) or "cannot be read"
