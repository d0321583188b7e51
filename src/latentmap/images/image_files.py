"""Files as sequences of images: pages of a TIFF, frames of an animation, or a single image."""

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from typing import IO, Any, NamedTuple, Protocol, runtime_checkable

from PIL import Image, UnidentifiedImageError

from latentmap.core.errors import DecodingError, UnreadTiffError
from latentmap.images.audio import AudioPieces
from latentmap.images.dicom import DicomFrames
from latentmap.images.fits import FitsImages
from latentmap.images.gzipped_files import decompressed_start, open_gzip
from latentmap.images.hdf5 import open_hdf5
from latentmap.images.heif import register_heif
from latentmap.images.high_bit_depth_formats import read_high_bit_depth
from latentmap.images.optional_formats import (
    AUDIO,
    DICOM,
    FITS,
    HDF5,
    HEIF,
    N_SIGNATURE_BYTES,
    VIDEO,
    format_by_signature,
)
from latentmap.images.page_options import DEFAULT_PAGES, PageOptions
from latentmap.images.page_stacks import PageStack
from latentmap.images.pictures import TRANSPOSE_BY_ORIENTATION, Picture
from latentmap.images.reading_options import DEFAULT_READING, ReadingOptions
from latentmap.images.tiff_directories import (
    IMAGE_DEPTH,
    IMAGE_LENGTH,
    IMAGE_WIDTH,
    ORIENTATION,
    TIFF_SIGNATURES,
    TiffFile,
    TiffPage,
)
from latentmap.images.tiff_pages import is_read_directly, read_page, unread_reason
from latentmap.images.tiff_series import TiffSeries, has_axes, read_with_tifffile
from latentmap.images.video import VideoFrames

# EPS would run Ghostscript on an untrusted program.
EXCLUDED_FORMATS = {"EPS"}
# Formats in which several images of a file are frames of an animation.
ANIMATED_FORMATS = {"GIF", "WEBP", "PNG", "AVIF", "FLI", "HEIF"}
# Minimum size of a frame in bytes, which bounds the number that a header states.
MIN_FRAME_BYTES = {"FLI": 16}
PNG_SIGNATURE_BYTES = 8
# Factor by which Pillow scales grey values of 2 and 4 bits in PNG, by its raw mode.
GREY_FACTORS = {"L;2": 85, "L;4": 17}


class ImageFile(Protocol):
    """An open file as a sequence of images."""

    def count(self, animations: bool, /) -> int:
        """Count the images. Frames of an animation only count if ``animations`` is true."""

    def picture(self, number: int | None, /) -> Picture:
        """Return one image by its number; None for the image of a file that has only one."""


@runtime_checkable
class HasColumns(Protocol):
    """A file that states facts about its images."""

    def columns(self) -> dict[str, list[Any]]:
        """Columns of the table of images by name, each with one value per image."""


class FileContents(NamedTuple):
    """Images in a file.

    Attributes
    ----------
    n : int
        Number of images.
    columns : dict of str to list
        Columns of the table of images by name, each with ``n`` values.
    """

    n: int
    columns: dict[str, list[Any]]


def contents_of(container: ImageFile, animations: bool) -> FileContents:
    """Count the images in an open file, and read their columns.

    Parameters
    ----------
    container : ImageFile
    animations : bool
        Whether the frames of an animation are images.

    Returns
    -------
    FileContents
    """
    n = max(1, container.count(animations))
    return FileContents(n, container.columns() if isinstance(container, HasColumns) else {})


@contextmanager
def open_image_file(
    file: IO[bytes],
    pages: PageOptions = DEFAULT_PAGES,
    reading: ReadingOptions = DEFAULT_READING,
    part: str | None = None,
) -> Iterator[ImageFile]:
    """Open a file as a sequence of images.

    Parameters
    ----------
    file : file object
        Binary file that can seek.
    pages : PageOptions, optional
        What the pages of a TIFF or FITS file are.
    reading : ReadingOptions, optional
    part : str, optional
        Name of an array in the file, if it has several.

    Yields
    ------
    ImageFile

    Raises
    ------
    OSError
        If the file is not an image, damaged, or of a kind that is not read.
    """
    start = file.read(N_SIGNATURE_BYTES)
    file.seek(0)
    optional = format_by_signature(start)
    if optional is not None:
        optional.require()
    if optional is DICOM:  # which may begin like a TIFF
        yield DicomFrames(file, reading)
        return
    if optional is AUDIO:
        with closing(AudioPieces(file, reading)) as pieces:
            yield pieces
        return
    if optional is FITS or FITS.signature.match(decompressed_start(start)):
        FITS.require()
        with nullcontext(file) if optional is FITS else open_gzip(file) as plain:
            yield FitsImages(plain, pages)
        return
    if optional is HDF5:
        with open_hdf5(file, part, as_channels=pages.as_channels) as stack:
            yield stack
        return
    if optional is VIDEO:
        with closing(VideoFrames(file, reading)) as frames:
            yield frames
        return
    if start.startswith(TIFF_SIGNATURES):
        with _open_tiff(file, pages) as container:
            yield container
        return
    if optional is HEIF:
        register_heif()
    try:
        with open_with_pillow(file) as image:
            yield PillowFrames(image, file, start)
    except UnidentifiedImageError:
        if optional is HEIF:
            raise DecodingError("a damaged HEIC picture") from None
        raise


def image_size(container: ImageFile, number: int | None) -> tuple[int, int]:
    """Determine the upright size of an image, from the header of the file where it has the size.

    Parameters
    ----------
    container : ImageFile
    number : int or None
        See :meth:`ImageFile.picture`.

    Returns
    -------
    width, height : int
        Size in pixels.

    Raises
    ------
    OSError
        If the image is damaged.
    PIL.Image.DecompressionBombError
        If the image has too many pixels.
    """
    if isinstance(container, TiffPages | TiffSeries | PillowFrames | FitsImages):
        width, height = container.size(number)
    else:
        picture = container.picture(number)
        width, height = picture.width, picture.height
    if min(width, height) < 1:
        raise DecodingError(f"damaged: {width} × {height} pixels")
    if width * height > (Image.MAX_IMAGE_PIXELS or width * height):
        raise Image.DecompressionBombError
    return width, height


def format_of(container: ImageFile) -> str:
    """Name of the format of a file, such as PNG, JPEG or TIFF; "" for arrays, which have none."""
    if isinstance(container, PillowFrames):
        return container.format
    kinds: dict[str, tuple[type, ...]] = {
        "TIFF": (TiffPages, TiffSeries, PageStack),
        "DICOM": (DicomFrames,),
        "FITS": (FitsImages,),
        "sound": (AudioPieces,),
        "video": (VideoFrames,),
    }
    return next((name for name, types in kinds.items() if isinstance(container, types)), "")


@contextmanager
def _open_tiff(file: IO[bytes], options: PageOptions) -> Iterator[ImageFile]:
    pages = TiffPages(file)
    if options.axes == "auto" and pages.has_axes:
        with TiffSeries.open(file, options.project) as series:
            yield pages if series is None else series
    else:
        yield pages if options.axes in ("auto", "images") else PageStack(pages, options)


class TiffPages:
    """The pages of a TIFF, except reduced copies and masks of other pages."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._tiff = file, TiffFile(file)
        self._offsets = self._tiff.pages()

    @property
    def has_axes(self) -> bool:
        """Whether the file may say what its pages are, and the package that reads it is there."""
        return bool(self._offsets) and has_axes(self._tiff, self._offsets[0])

    def count(self, _: bool) -> int:
        """Count the pages."""
        return len(self._offsets)

    def size(self, number: int | None) -> tuple[int, int]:
        """Width and height of a page, upright, from its tags."""
        page = self._page(number)
        return _upright(page.integer(IMAGE_WIDTH, 0), page.integer(IMAGE_LENGTH, 0), page.integer(ORIENTATION, 1))

    def _page(self, number: int | None) -> TiffPage:
        if not self._offsets:
            raise DecodingError("no page in this TIFF")
        return self._tiff.page(self._offsets[number or 0])

    def picture(self, number: int | None) -> Picture:
        """Read a page.

        Raises
        ------
        OSError
            If the page is damaged, or of a kind that is not read.
        """
        page = self._page(number)
        n_planes = page.integer(IMAGE_DEPTH, 1)
        if n_planes > 1:
            raise DecodingError(f"a volume of {n_planes} planes in one TIFF page: save the planes as pages")
        try:
            return self._read(page)
        except UnreadTiffError as error:
            found = read_with_tifffile(self._file, page, error)
            return Picture(found, page.integer(ORIENTATION, 1))

    def _read(self, page: TiffPage) -> Picture:
        if is_read_directly(page):
            orientation = page.integer(ORIENTATION, 1)
            # a digest follows the upright rows, so that those of the file are read in their order only if it is upright
            image = read_page(self._file, page, may_be_lazy=orientation not in TRANSPOSE_BY_ORIENTATION)
            return Picture(image, orientation)
        try:
            with open_with_pillow(self._tiff.starting_at(page.offset), ("TIFF",)) as image:
                image.load()
                # Pillow has already applied the orientation
                return Picture(image.copy(), 1)
        except UnidentifiedImageError as error:
            raise UnreadTiffError(unread_reason(page)) from error
        except OSError as error:
            if "decoder error" not in str(error):
                raise
            raise UnreadTiffError(f"{unread_reason(page)}, or is damaged") from error


class PillowFrames:
    """A file that Pillow reads: a single image, or the frames of an animation."""

    def __init__(self, image: Image.Image, file: IO[bytes], start: bytes) -> None:
        self._image, self._file, self._start = image, file, start
        if image.format == "PNG" and image.mode == "L" and "transparency" in image.info and image.tile:  # type: ignore[attr-defined]
            # Pillow compares the transparent value of the file with values that it has scaled to 8 bits
            image.info["transparency"] *= GREY_FACTORS.get(image.tile[0].args, 1)  # type: ignore[attr-defined]

    @property
    def format(self) -> str:
        """Name of the format, as Pillow has it."""
        return self._image.format or ""

    def count(self, animations: bool) -> int:
        """Count the frames, at most as many as the file has room for."""
        kind = self._image.format or ""
        if not animations or kind not in ANIMATED_FORMATS:
            return 1
        n_frames = int(getattr(self._image, "n_frames", 1))
        if n_frames > 1:
            n_bytes = self._file.seek(0, io.SEEK_END)
            n_frames = min(n_frames, 1 + n_bytes // MIN_FRAME_BYTES.get(kind, 1))
            if kind == "PNG":
                n_frames = min(
                    n_frames, _count_png_frames(self._file) + bool(getattr(self._image, "default_image", False))
                )
        return max(1, n_frames)

    def size(self, number: int | None) -> tuple[int, int]:
        """Width and height of the image or of a frame, upright, from its header."""
        self._seek(number)
        return _upright(*self._image.size, _orientation(self._image))

    def picture(self, number: int | None) -> Picture:
        """Return the image, or one of the frames."""
        image = self._image
        self._seek(number)
        high = read_high_bit_depth(image, self._file, self._start) if _may_have_high_bit_depth(image) else None
        if high is not None:
            return Picture(high, _orientation(image))
        return Picture(image if number is None else image.copy(), _orientation(image))

    def _seek(self, number: int | None) -> None:
        if number or (number == 0 and self._image.format == "HEIF"):  # which is opened at its primary picture
            self._image.seek(number)


def _count_png_frames(file: IO[bytes]) -> int:
    """Count the frames of an animated PNG by its chunks."""
    found, at = 0, PNG_SIGNATURE_BYTES
    while True:
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            return found
        length, kind = struct.unpack(">I4s", head)
        found += kind == b"fcTL"
        at += length + 12


@contextmanager
def open_with_pillow(file: IO[bytes], formats: tuple[str, ...] | None = None) -> Iterator[Image.Image]:
    """Open a file with Pillow, and close it at the end of the context.

    Parameters
    ----------
    file : file object
    formats : tuple of str, optional
        Formats that may be opened, by default all that are not excluded.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Pillow warns from half of its limit on, which is too much memory for one image here
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(file, formats=formats or _formats()) as image:
            yield image


def _formats() -> tuple[str, ...]:
    Image.init()  # plugins may have been registered since the last call
    return tuple(name for name in Image.ID if name not in EXCLUDED_FORMATS)


def _may_have_high_bit_depth(image: Image.Image) -> bool:
    return image.mode[0] in "IF" or image.format in ("PNG", "PPM", "SGI", "JPEG2000")


def _upright(width: int, height: int, orientation: int) -> tuple[int, int]:
    return (height, width) if orientation in (5, 6, 7, 8) else (width, height)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # damaged EXIF data do not prevent decoding
        return 1
