"""Decoding of image files of any format to the shape of a collection. Runs in the worker processes."""

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import groupby
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from latentmap.core.errors import DecodingError
from latentmap.images.background import background_fraction
from latentmap.images.boxes import Box
from latentmap.images.channels import robust_ranges
from latentmap.images.image_files import ImageFile, image_size, open_image_file
from latentmap.images.page_options import DEFAULT_PAGES, PageOptions
from latentmap.images.pictures import Picture
from latentmap.images.probe import ImageProbe
from latentmap.images.shape import Shape

# A file with one image is not read if it is larger, since the largest image that is decoded has fewer bytes.
MAX_PICTURE_FILE_BYTES = 2**31
# Pixels of an image of which parts are decoded. Pillow's limit for a whole one is a third of it.
MAX_CUT_PIXELS = 2**28
# Pixels per byte of a file above which its header is not trusted: the image is decoded to be measured.
MAX_PIXELS_PER_BYTE = 256
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
    box : Box, optional
        Part of the image to decode, by default all of it.
    """

    source: "str | bytes | Failure"
    frame: int | None = None
    box: Box | None = None


class MeasuredImage(NamedTuple):
    """Size of an image.

    Attributes
    ----------
    width, height : int
        Size in pixels, upright.
    n_pages : int
        Number of pages in a file that was treated as one image.
    """

    width: int
    height: int
    n_pages: int


class Decoded(NamedTuple):
    """A decoded image in the shape of the collection.

    Attributes
    ----------
    pixels : ndarray (height, width) or (height, width, channels), uint8
    sha256 : bytes
        SHA-256 of the file, of all pixels of a frame, or of the box and all pixels of a part.
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
    background : float, default=0
        Fraction of the pixels of a part of an image that are background; 0 for a whole image.
    whole : bytes, optional
        SHA-256 of all pixels of the image that a part was cut from.
    """

    pixels: NDArray[np.uint8]
    sha256: bytes
    width: int
    height: int
    content: bytes | None = None
    limits: tuple[float, float] | None = None
    is_float: bool = False
    n_pages: int = 1
    background: float = 0.0
    whole: bytes | None = None


def probe_images(images: list[EncodedImage], pages: PageOptions = DEFAULT_PAGES) -> "list[ImageProbe | Failure]":
    """Decode images to determine their size, colour and range of values.

    Parameters
    ----------
    images : list of EncodedImage
    pages : PageOptions

    Returns
    -------
    list of ImageProbe or Failure
    """
    return _map_images(images, lambda opened: _probe(opened, pages), pages)


def count_frames(image: EncodedImage, animations: bool, pages: PageOptions = DEFAULT_PAGES) -> "int | Failure":
    """Count the images in a file.

    Parameters
    ----------
    image : EncodedImage
    animations : bool
        Whether the frames of an animation are images.
    pages : PageOptions
        What the pages of a TIFF are.

    Returns
    -------
    int or Failure
    """

    def count(file: IO[bytes]) -> int:
        with open_image_file(file, pages) as container:
            return container.count(animations)

    counted: int | Failure = _try_open(image.source, count)
    return counted


def measure_images(images: list[EncodedImage], pages: PageOptions = DEFAULT_PAGES) -> "list[MeasuredImage | Failure]":
    """Determine the sizes of whole images that are to be cut, from the headers of their files where these have them.

    Parameters
    ----------
    images : list of EncodedImage
    pages : PageOptions

    Returns
    -------
    list of MeasuredImage or Failure
    """
    results: list[MeasuredImage | Failure] = []
    with _larger_images():
        for source, group in groupby(images, key=lambda image: image.source):
            results += _measure_frames(source, [image.frame for image in group], pages)
    return results


def _measure_frames(
    source: "str | bytes | Failure", frames: list[int | None], pages: PageOptions
) -> "list[MeasuredImage | Failure]":
    found: list[MeasuredImage | Failure] = []

    def measure(file: IO[bytes]) -> None:
        n_bytes = file.seek(0, io.SEEK_END)
        file.seek(0)
        with open_image_file(file, pages) as container:
            for frame in frames:
                try:
                    n_pages = container.count(False) if frame is None else 1
                    width, height = image_size(container, frame)
                    if width * height > MAX_PIXELS_PER_BYTE * n_bytes:
                        container.picture(frame).load()
                    found.append(MeasuredImage(width, height, n_pages))
                except Exception as error:
                    found.append(Failure(reason_for(error)))

    failure: Failure | None = _try_open(source, measure)
    return found if failure is None else [failure] * len(frames)


def decode_images(images: list[EncodedImage], shape: Shape) -> "list[Decoded | Failure]":
    """Decode images to a shape. Consecutive frames and parts of one file are read while it is open.

    Parameters
    ----------
    images : list of EncodedImage
    shape : Shape
        Shape of the collection. If it is grey with ``color="auto"``, an image in colour is decoded in colour.

    Returns
    -------
    list of Decoded or Failure
    """
    return _map_images(images, lambda opened: _decode(opened, shape), shape.pages)


class _OpenedImage(NamedTuple):
    """An image, its open file, and its position in that file."""

    file: IO[bytes]
    picture: Picture
    place: EncodedImage
    n_pages: int
    whole: Picture | None = None

    def cropped(self, box: Box) -> "_OpenedImage":
        """A part of the image."""
        return self._replace(picture=self.picture.cropped(box), whole=self.picture)


def _probe(opened: _OpenedImage, pages: PageOptions) -> ImageProbe:
    picture, values = opened.picture, opened.picture.high_bit_depth
    if pages.as_channels or not picture.has_colors:
        image = picture.channels()
        shown = image.values if image.masked is None else image.values[~image.masked]
        size, n_pages = (picture.width, picture.height), opened.n_pages
        ranges = robust_ranges(shown)
        return ImageProbe(*size, False, n_pages=n_pages, channel_ranges=ranges, channel_names=image.names)
    if values is None:
        return ImageProbe(picture.width, picture.height, picture.is_grey, n_pages=opened.n_pages)
    lowest, highest = values.range()
    return ImageProbe(picture.width, picture.height, values.is_grey, lowest, highest, values.is_float, opened.n_pages)


def _decode(opened: _OpenedImage, shape: Shape) -> Decoded:
    picture, n_pages, box = opened.picture, opened.n_pages, opened.place.box
    pixels, content = picture.to_shape(shape)
    if opened.place.frame is None and box is None:
        opened.file.seek(0)
        digest = _sha256(opened.file)
    else:
        assert content is not None
        digest = content if box is None else hashlib.sha256(box.suffix.encode() + content).digest()
    limits = None if picture.high_bit_depth is None else picture.high_bit_depth.range()
    is_float = picture.high_bit_depth is not None and picture.high_bit_depth.is_float
    size = picture.width, picture.height
    background = 0.0 if box is None else background_fraction(shape.without_canvas(pixels, size))
    whole = None if opened.whole is None else opened.whole.digest
    return Decoded(pixels, digest, *size, content, limits, is_float, n_pages, background, whole)


def _sha256(file: IO[bytes]) -> bytes:
    """SHA-256 of the rest of a file. Small files are read in one step, which is faster than the buffer of hashlib."""
    data = file.read(N_DECODED_BYTES_READ)
    digest = hashlib.sha256(data)
    while len(data) == N_DECODED_BYTES_READ:
        data = file.read(N_DECODED_BYTES_READ)
        digest.update(data)
    return digest.digest()


def _map_images(images: list[EncodedImage], function: Callable[[_OpenedImage], Any], pages: PageOptions) -> list[Any]:
    """The result of a function on each image, or the failure."""
    results: list[Any] = []
    for _, group in groupby(images, key=lambda image: image if _is_whole_file(image) else image.source):
        together = list(group)
        if _is_whole_file(together[0]):
            results += [_apply_to_file(image, function, pages) for image in together]
        else:
            with nullcontext() if together[0].box is None else _larger_images():
                results += _apply_to_parts(together, function, pages)
    return results


@contextmanager
def _larger_images() -> Iterator[None]:
    """Raise Pillow's limit of pixels, which is for images that are converted as a whole."""
    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, MAX_CUT_PIXELS
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _is_whole_file(image: EncodedImage) -> bool:
    return image.frame is None and image.box is None


def _apply_to_file(image: EncodedImage, function: Callable[[_OpenedImage], Any], pages: PageOptions) -> Any:
    def read(file: IO[bytes]) -> Any:
        _check_picture_size(image, file)
        with open_image_file(file, pages) as container:
            return function(_OpenedImage(file, container.picture(None), image, container.count(False)))

    return _try_open(image.source, read)


def _check_picture_size(image: EncodedImage, file: IO[bytes]) -> None:
    if not isinstance(image.source, bytes) and os.fstat(file.fileno()).st_size > MAX_PICTURE_FILE_BYTES:
        raise DecodingError(f"larger than {MAX_PICTURE_FILE_BYTES / 2**30:g} GiB, more than any single image needs")


def _apply_to_parts(
    images: list[EncodedImage], function: Callable[[_OpenedImage], Any], pages: PageOptions
) -> list[Any]:
    """The result of a function on each of the frames or parts of one file, or the failure."""
    found: list[Any] = []

    def read(file: IO[bytes]) -> None:
        if images[0].frame is None:
            _check_picture_size(images[0], file)
        with open_image_file(file, pages) as container:
            for _, parts in groupby(images, key=lambda image: image.frame):
                found.extend(_apply_to_frame(file, container, list(parts), function))

    failure: Failure | None = _try_open(images[0].source, read)
    return found if failure is None else [failure] * len(images)


def _apply_to_frame(
    file: IO[bytes], container: ImageFile, parts: list[EncodedImage], function: Callable[[_OpenedImage], Any]
) -> list[Any]:
    """The result of a function on a frame or on parts of it, which is decoded once, or the failure."""
    frame = parts[0].frame
    try:
        whole, n_pages = container.picture(frame), container.count(False) if frame is None else 1
        if parts[0].box is not None:
            whole.load()  # which is not tried again for each part if it fails
    except Exception as error:
        return [Failure(reason_for(error))] * len(parts)
    found: list[Any] = []
    for part in parts:
        try:
            opened = _OpenedImage(file, whole, part, n_pages)
            found.append(function(opened if part.box is None else opened.cropped(part.box)))
        except Exception as error:
            found.append(Failure(reason_for(error)))
    return found


def _try_open(source: "str | bytes | Failure", function: Callable[[IO[bytes]], Any]) -> Any:
    """The result of a function on an open file, or the failure. No error of a decoder leaves this function."""
    if isinstance(source, Failure):
        return source
    try:
        with _open_image_source(source) as file:
            return function(file)
    except Exception as error:
        return Failure(reason_for(error))


@contextmanager
def _open_image_source(source: str | bytes) -> Iterator[IO[bytes]]:
    """Open a file, and raise an error at the end if it changed in the meantime."""
    if isinstance(source, bytes):
        yield io.BytesIO(source)
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
