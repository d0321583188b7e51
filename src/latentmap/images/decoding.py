"""Decoding of image files of any format to the shape of a collection. Runs in the worker processes."""

import hashlib
import io
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import groupby
from typing import IO, Any, NamedTuple

from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from latentmap.core.errors import DecodingError
from latentmap.images.audio import as_wav
from latentmap.images.background import background_fraction
from latentmap.images.boxes import Box
from latentmap.images.channels import robust_ranges
from latentmap.images.image_files import (
    FileContents,
    ImageFile,
    contents_of,
    format_of,
    image_size,
    open_image_file,
)
from latentmap.images.page_options import DEFAULT_PAGES, PageOptions
from latentmap.images.pictures import Picture
from latentmap.images.pixel_types import has_more_than_8_bits
from latentmap.images.probe import ImageProbe
from latentmap.images.reading_options import DEFAULT_READING, ReadingOptions
from latentmap.images.shape import Shape
from latentmap.images.spectrograms import Spectrogram
from latentmap.images.zarr_folders import is_zarr, open_zarr

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
    part : str, optional
        Name of an array in the file, if it has several.
    """

    source: "str | bytes | Failure"
    frame: int | None = None
    box: Box | None = None
    part: str | None = None


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
    pixels : ndarray (height, width) or (height, width, channels), uint8 or uint16
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
    n_bytes : int, default=0
        Size of the file in bytes; 0 for a frame or a part of one.
    format : str, default=""
        Name of the format of the file.
    mode : str, default=""
        Kind of values in the file; see :attr:`latentmap.images.pictures.Picture.mode`.
    """

    pixels: NDArray[Any]
    sha256: bytes
    width: int
    height: int
    content: bytes | None = None
    limits: tuple[float, float] | None = None
    is_float: bool = False
    n_pages: int = 1
    background: float = 0.0
    whole: bytes | None = None
    n_bytes: int = 0
    format: str = ""
    mode: str = ""


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


def probe_images(
    images: list[EncodedImage], pages: PageOptions = DEFAULT_PAGES, reading: ReadingOptions = DEFAULT_READING
) -> "list[ImageProbe | Failure]":
    """Decode images to determine their size, colour and range of values.

    Parameters
    ----------
    images : list of EncodedImage
    pages : PageOptions, optional
    reading : ReadingOptions, optional

    Returns
    -------
    list of ImageProbe or Failure
    """
    return _map_images(images, lambda opened: _probe(opened, pages), pages, reading)


def read_contents(
    image: EncodedImage,
    animations: bool,
    pages: PageOptions = DEFAULT_PAGES,
    reading: ReadingOptions = DEFAULT_READING,
) -> "FileContents | Failure":
    """Count the images in a file, and read their columns.

    Parameters
    ----------
    image : EncodedImage
    animations : bool
        Whether the frames of an animation are images.
    pages : PageOptions, optional
        What the pages of a TIFF or FITS file are.
    reading : ReadingOptions, optional

    Returns
    -------
    FileContents or Failure
    """

    def count(file: IO[bytes] | None) -> FileContents:
        with _open_container(file, image, pages, reading) as container:
            return contents_of(container, animations)

    counted: FileContents | Failure = _try_open(image.source, count)
    return counted


def measure_images(
    images: list[EncodedImage], pages: PageOptions = DEFAULT_PAGES, reading: ReadingOptions = DEFAULT_READING
) -> "list[MeasuredImage | Failure]":
    """Determine the sizes of whole images that are to be cut, from the headers of their files where these have them.

    Parameters
    ----------
    images : list of EncodedImage
    pages : PageOptions, optional
    reading : ReadingOptions, optional

    Returns
    -------
    list of MeasuredImage or Failure
    """
    results: list[MeasuredImage | Failure] = []
    with _larger_images():
        for file, group in groupby(images, key=_file_of):
            results += _measure_frames(file, [image.frame for image in group], pages, reading)
    return results


def _file_of(image: EncodedImage) -> EncodedImage:
    """The file, or the array in a file, that an image is a frame or a part of."""
    return EncodedImage(image.source, part=image.part)


def _measure_frames(
    whole: EncodedImage, frames: list[int | None], pages: PageOptions, reading: ReadingOptions
) -> "list[MeasuredImage | Failure]":
    found: list[MeasuredImage | Failure] = []

    def measure(file: IO[bytes] | None) -> None:
        n_bytes = math.inf if file is None else file.seek(0, io.SEEK_END)
        if file is not None:
            file.seek(0)
        with _open_container(file, whole, pages, reading) as container:
            for frame in frames:
                try:
                    n_pages = container.count(False) if frame is None else 1
                    width, height = image_size(container, frame)
                    if width * height > MAX_PIXELS_PER_BYTE * n_bytes:
                        container.picture(frame).load()
                    found.append(MeasuredImage(width, height, n_pages))
                except Exception as error:
                    found.append(Failure(reason_for(error)))

    failure: Failure | None = _try_open(whole.source, measure)
    return found if failure is None else [failure] * len(frames)


def decode_images(
    images: list[EncodedImage], shape: Shape, reading: ReadingOptions = DEFAULT_READING
) -> "list[Decoded | Failure]":
    """Decode images to a shape. Consecutive frames and parts of one file are read while it is open.

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
    return _map_images(images, lambda opened: _decode(opened, shape), shape.pages, reading, with_digest=True)


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
    return _map_images(images, _sound, DEFAULT_PAGES, reading)


class _OpenedImage(NamedTuple):
    """An image, its open file, and its position in that file."""

    file: IO[bytes] | None  # None for a folder
    picture: Picture
    place: EncodedImage
    n_pages: int
    format: str = ""

    def cropped(self, box: Box) -> "_OpenedImage":
        """A part of the image."""
        return self._replace(picture=self.picture.cropped(box))


def _probe(opened: _OpenedImage, pages: PageOptions) -> ImageProbe:
    picture, values = opened.picture, opened.picture.high_bit_depth
    if pages.as_channels or not picture.has_colors:
        image = picture.channels()
        shown = image.values if image.masked is None else image.values[~image.masked]
        size, n_pages = (picture.width, picture.height), opened.n_pages
        ranges = robust_ranges(shown)
        return ImageProbe(
            *size,
            False,
            n_pages=n_pages,
            channel_ranges=ranges,
            channel_names=image.names,
            is_deep=has_more_than_8_bits(image.values.dtype),
        )
    if values is None:
        return ImageProbe(picture.width, picture.height, picture.is_grey, n_pages=opened.n_pages)
    lowest, highest = values.range()
    return ImageProbe(picture.width, picture.height, values.is_grey, lowest, highest, values.is_float, opened.n_pages)


def _decode(opened: _OpenedImage, shape: Shape) -> Decoded:
    picture, n_pages, box = opened.picture, opened.n_pages, opened.place.box
    mode = picture.mode  # before it is loaded, which may change it
    pixels, content = picture.to_shape(shape)
    digest = _digest(opened, content)
    limits = None if picture.high_bit_depth is None else picture.high_bit_depth.range()
    is_float = picture.high_bit_depth is not None and picture.high_bit_depth.is_float
    size = picture.width, picture.height
    background = 0.0 if box is None else background_fraction(shape.without_canvas(pixels, size))
    n_bytes = opened.file.seek(0, io.SEEK_END) if opened.file is not None and _is_whole_file(opened.place) else 0
    facts: dict[str, Any] = {"n_bytes": n_bytes, "format": opened.format, "mode": mode}
    return Decoded(pixels, digest, *size, content, limits, is_float, n_pages, background, **facts)


def _sound(opened: _OpenedImage) -> Sound:
    spectrogram = opened.picture.high_bit_depth
    if not isinstance(spectrogram, Spectrogram):
        raise DecodingError("not a sound")
    return Sound(as_wav(spectrogram.samples, spectrogram.rate), _digest(opened, spectrogram.digest(None)))


def _digest(opened: _OpenedImage, content: bytes | None) -> bytes:
    """SHA-256 of the file, of the content of a frame, or of the box and the content of a part."""
    box = opened.place.box
    if _is_whole_file(opened.place) and opened.file is not None:
        opened.file.seek(0)
        return _sha256(opened.file)
    assert content is not None
    return content if box is None else hashlib.sha256(box.suffix.encode() + content).digest()


def _sha256(file: IO[bytes]) -> bytes:
    """SHA-256 of the rest of a file. Small files are read in one step, which is faster than the buffer of hashlib."""
    data = file.read(N_DECODED_BYTES_READ)
    digest = hashlib.sha256(data)
    while len(data) == N_DECODED_BYTES_READ:
        data = file.read(N_DECODED_BYTES_READ)
        digest.update(data)
    return digest.digest()


def _map_images(
    images: list[EncodedImage],
    function: Callable[[_OpenedImage], Any],
    pages: PageOptions,
    reading: ReadingOptions,
    with_digest: bool = False,
) -> list[Any]:
    """The result of a function on each image, or the failure.

    With ``with_digest``, the results are those of :func:`_decode`, and those of parts get the digest of their image.
    """
    results: list[Any] = []
    for _, group in groupby(images, key=lambda image: image if _is_whole_file(image) else (_file_of(image), True)):
        together = list(group)
        if _is_whole_file(together[0]):
            results += [_apply_to_file(image, function, pages, reading) for image in together]
        else:
            with nullcontext() if together[0].box is None else _larger_images():
                results += _apply_to_parts(together, function, pages, reading, with_digest)
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


def _apply_to_file(
    image: EncodedImage, function: Callable[[_OpenedImage], Any], pages: PageOptions, reading: ReadingOptions
) -> Any:
    def read(file: IO[bytes] | None) -> Any:
        _check_picture_size(image, file)
        with _open_container(file, image, pages, reading) as container:
            picture, n_pages = container.picture(None), container.count(False)
            return function(_OpenedImage(file, picture, image, n_pages, format_of(container)))

    return _try_open(image.source, read)


def _check_picture_size(image: EncodedImage, file: IO[bytes] | None) -> None:
    if file is None or isinstance(image.source, bytes):
        return
    if os.fstat(file.fileno()).st_size > MAX_PICTURE_FILE_BYTES:
        raise DecodingError(f"larger than {MAX_PICTURE_FILE_BYTES / 2**30:g} GiB, more than any single image needs")


def _apply_to_parts(
    images: list[EncodedImage],
    function: Callable[[_OpenedImage], Any],
    pages: PageOptions,
    reading: ReadingOptions,
    with_digest: bool,
) -> list[Any]:
    """The result of a function on each of the frames or parts of one file, or the failure."""
    found: list[Any] = []

    def read(file: IO[bytes] | None) -> None:
        if images[0].frame is None:
            _check_picture_size(images[0], file)
        with _open_container(file, images[0], pages, reading) as container:
            for frame, parts in groupby(images, key=lambda image: image.frame):
                try:
                    n_pages = container.count(False) if frame is None else 1
                    picture = container.picture(frame)
                    opened = _OpenedImage(file, picture, images[0], n_pages, format_of(container))
                except Exception as error:
                    found.extend([Failure(reason_for(error))] * len(list(parts)))
                    continue
                found.extend(_apply_to_frame(opened, list(parts), function, with_digest))

    failure: Failure | None = _try_open(images[0].source, read)
    return found if failure is None else [failure] * len(images)


def _apply_to_frame(
    opened: _OpenedImage, parts: list[EncodedImage], function: Callable[[_OpenedImage], Any], with_digest: bool
) -> list[Any]:
    """The result of a function on a frame or on parts of it, which is decoded once, or the failure."""

    def apply(part: EncodedImage) -> Any:
        try:
            own = opened._replace(place=part)
            return function(own if part.box is None else own.cropped(part.box))
        except Exception as error:
            return Failure(reason_for(error))

    if parts[0].box is None:
        return [apply(part) for part in parts]
    found: list[Any] = [None] * len(parts)
    try:
        opened.picture.prepare_to_cut(with_digest)
        for i in sorted(range(len(parts)), key=lambda i: _top(parts[i])):
            found[i] = apply(parts[i])
        if not with_digest:
            return found
        whole = opened.picture.digest
    except Exception as error:  # damage anywhere in an image is a reason to skip all of its parts
        return [Failure(reason_for(error))] * len(parts)
    return [one._replace(whole=whole) if isinstance(one, Decoded) else one for one in found]


def _top(part: EncodedImage) -> int:
    return 0 if part.box is None else part.box.top


@contextmanager
def _open_container(
    file: IO[bytes] | None, image: EncodedImage, pages: PageOptions, reading: ReadingOptions
) -> Iterator[ImageFile]:
    """Open a file, or the folder of an array, as a sequence of images."""
    if file is None:
        with open_zarr(str(image.source), image.part, pages) as stack:
            yield stack
        return
    with open_image_file(file, pages, reading, image.part) as container:
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
