"""TIFF files read by tifffile, of the extra ``tiff``: axes of OME-TIFF and ImageJ, and compressions of images."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from math import prod
from typing import IO, TYPE_CHECKING, Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentmap.core.errors import DecodingError, UnreadTiffError
from latentmap.images.channel_image import ChannelImage
from latentmap.images.channels import MAX_CHANNELS
from latentmap.images.high_bit_depth import HighBitDepthImage
from latentmap.images.lazy_image import LazyImage
from latentmap.images.ome_sets import ENTITY, ONE_BY_ONE, reads_other_files
from latentmap.images.page_stacks import MAX_STACK_BYTES, Projection, as_image
from latentmap.images.pictures import Picture
from latentmap.images.tiff_directories import PHOTOMETRIC_INTERPRETATION, TiffFile, TiffPage
from latentmap.images.tiff_layout import PageLayout
from latentmap.images.tiff_pages import interpret, to_8_bit_image
from latentmap.images.tiff_series_rows import SeriesRows

if TYPE_CHECKING:
    import tifffile

IMAGE_DESCRIPTION, LSM_INFO = 270, 34412
# What the descriptions of writers that name their axes contain.
AXES_MARKS = (b"<OME", b"ImageJ=", b'"axes"')
PALETTE, YCBCR, RGB = 3, 6, 2
INSTALL = "pip install 'latentmap[tiff]' reads more kinds of TIFF"


def has_tifffile() -> bool:
    """Whether the packages of the extra ``tiff`` are installed."""
    return find_spec("tifffile") is not None and find_spec("imagecodecs") is not None


def has_axes(tiff: TiffFile, offset: int) -> bool:
    """Whether a file may say what its pages are, and tifffile is there to read it.

    Parameters
    ----------
    tiff : TiffFile
    offset : int
        Position of its first page.

    Returns
    -------
    bool

    Raises
    ------
    DecodingError
        If what it says is cut off.
    """
    try:
        tags = tiff.page(offset).tags
    except (OSError, ValueError, OverflowError, MemoryError, struct.error):  # met again where the page is read
        return False
    if tags.get(IMAGE_DESCRIPTION) == () and has_tifffile():
        raise DecodingError("image file is truncated (its description lies behind its end)")
    description = bytes(value & 255 for value in tags.get(IMAGE_DESCRIPTION) or ())
    return (LSM_INFO in tags or any(mark in description for mark in AXES_MARKS)) and has_tifffile()


def read_with_tifffile(
    file: IO[bytes], page: TiffPage, error: UnreadTiffError
) -> "HighBitDepthImage | ChannelImage | Image.Image":
    """Read a page that the reader of this package cannot read.

    Parameters
    ----------
    file : file object
    page : TiffPage
    error : UnreadTiffError
        What that reader raised.

    Returns
    -------
    HighBitDepthImage, ChannelImage or PIL.Image.Image

    Raises
    ------
    DecodingError
        If tifffile cannot read it either, or is not installed.
    """
    if not has_tifffile():
        raise DecodingError(f"{error}; {INSTALL}") from error
    import tifffile

    try:
        PageLayout.of(page)  # its limits of the number of pixels
        file.seek(0)
        with tifffile.TiffFile(file, _multifile=False) as opened:
            found = next((one for one in opened.pages if one.offset == page.offset), None)
            if not isinstance(found, tifffile.TiffPage):
                raise error
            _check_complete(found)
            return _interpret_page(page, found)
    except DecodingError:
        raise error from None
    except Exception as other:  # libraries raise errors of any kind for damaged files
        raise error from other


def _interpret_page(page: TiffPage, found: "tifffile.TiffPage") -> "HighBitDepthImage | ChannelImage | Image.Image":
    photometric = page.integer(PHOTOMETRIC_INTERPRETATION, 0)
    if photometric not in (0, 1, RGB, PALETTE, YCBCR):
        raise DecodingError(f"photometric {photometric}")
    values = found.asrgb() if photometric == PALETTE else found.asarray()
    if values.ndim == 2:
        values = values[..., None]
    if found.planarconfig == 2 and found.samplesperpixel > 1:
        values = np.moveaxis(values, 0, -1)
    if values.shape[:2] != (found.imagelength, found.imagewidth) or values.ndim != 3:
        raise DecodingError(f"values of shape {values.shape}")
    if photometric in (PALETTE, YCBCR):
        return as_image(values, are_colors=values.shape[2] == 3)
    image = interpret(page, PageLayout.of(page), values)
    if isinstance(image, ChannelImage) or values.dtype != np.uint8:
        return image
    return to_8_bit_image(image, 255)


class _Item(NamedTuple):
    """An image of a series: its position along the axes that are neither channels, planes, rows nor columns."""

    series: "tifffile.TiffPageSeries"
    at: tuple[int, ...]


class TiffSeries:
    """A TIFF whose axes are known: channels belong to an image, planes of a volume are projected, others are images.

    Parameters
    ----------
    opened : tifffile.TiffFile
    project : {"max", "mean"}
    file : file object
        The same file, of which rows of large pages are read.
    """

    def __init__(self, opened: "tifffile.TiffFile", project: str, file: IO[bytes]) -> None:
        self._opened, self._project, self._file = opened, project, file
        self._items = [
            _Item(series, tuple(at))
            for series in opened.series
            if "Y" in series.axes and "X" in series.axes
            for at in np.ndindex(*_other_sizes(series))
        ]

    @classmethod
    @contextmanager
    def open(cls, file: IO[bytes], project: str) -> Iterator["TiffSeries | None"]:
        """Open a file.

        Parameters
        ----------
        file : file object
        project : {"max", "mean"}
            How volumes are projected.

        Yields
        ------
        TiffSeries or None
            None if the pages are images as they are: the file names neither channels nor planes.

        Raises
        ------
        DecodingError
            If the pages are not those that the file states.
        """
        import tifffile

        file.seek(0)
        try:
            opened = tifffile.TiffFile(file, _multifile=False)
            if opened.is_ome and reads_other_files(file, opened.ome_metadata or ""):
                file.seek(0)
                opened = tifffile.TiffFile(file, _multifile=True)
            found = cls(opened, project, file) if _is_stack(opened) else None
        except DecodingError:
            raise
        except Exception as error:  # tifffile raises errors of any kind for damaged files
            raise DecodingError(f"damaged: {error or type(error).__name__}; {ONE_BY_ONE}") from error
        file.seek(0)
        yield found  # the file belongs to the caller, and is not closed

    def count(self, _: bool) -> int:
        """Count the images."""
        return len(self._items)

    def size(self, number: int | None) -> tuple[int, int]:
        """Width and height of an image, from the tags of its pages."""
        series = self._items[number or 0].series
        sizes = dict(zip(series.axes, series.shape, strict=True))
        return sizes["X"], sizes["Y"]

    def picture(self, number: int | None) -> Picture:
        """Read an image.

        Raises
        ------
        DecodingError
            If it is damaged, too large, or lies in another file.
        PIL.Image.DecompressionBombError
            If it has too many pixels.
        """
        try:
            return self._read(*self._items[number or 0])
        except (DecodingError, Image.DecompressionBombError, MemoryError):
            raise
        except Exception as error:  # tifffile raises errors of any kind for damaged files
            raise DecodingError(f"damaged: {error or type(error).__name__}") from error

    def _read(self, series: "tifffile.TiffPageSeries", at: tuple[int, ...]) -> Picture:
        sizes = dict(zip(series.axes, series.shape, strict=True))
        n_channels, n_planes, n_samples = (sizes.get(axis, 1) for axis in "CZS")
        height, width = sizes["Y"], sizes["X"]
        if height * width > (Image.MAX_IMAGE_PIXELS or height * width):
            raise Image.DecompressionBombError
        if n_channels * n_samples > MAX_CHANNELS:
            raise DecodingError(f"{n_channels * n_samples:,} channels: an image has at most {MAX_CHANNELS:,}")
        are_colors = n_channels == 1 and n_samples in (1, 3)
        names = self._names(series, n_channels * n_samples)
        if not are_colors or series.dtype.itemsize > 1:
            pages = [[_page(series, at, channel, plane) for plane in range(n_planes)] for channel in range(n_channels)]
            rows = SeriesRows.open(self._file, pages, self._project, None if are_colors else names)
            if rows is not None and rows.size == (width, height):
                return Picture(LazyImage(rows), 1)
        if height * width * n_channels * n_samples * series.dtype.itemsize > MAX_STACK_BYTES:
            raise DecodingError(f"{n_channels:,} channels that are larger than {MAX_STACK_BYTES >> 30} GiB together")
        channels = []
        for channel in range(n_channels):
            projection = Projection(self._project)
            for plane in range(n_planes):
                projection.add(_plane(series, at, channel, plane))
            channels.append(projection.result())
        values = np.concatenate(channels, axis=2)
        image = as_image(values, are_colors)
        if isinstance(image, ChannelImage):
            image = ChannelImage(values, names if values.shape[2] == n_channels * n_samples else ())
        return Picture(image, 1)

    def _names(self, series: "tifffile.TiffPageSeries", n: int) -> tuple[str, ...]:
        """Names of the channels in the metadata; empty if there is not one for each."""
        found: list[str] = []
        if self._opened.is_ome:
            found = _ome_names(self._opened.ome_metadata or "", self._opened.series.index(series))
        elif self._opened.is_imagej and n > 1:
            labels = (self._opened.imagej_metadata or {}).get("Labels") or []
            found = [str(label) for label in labels[:n]]
        elif series.kind == "shaped":
            shaped = (self._opened.shaped_metadata or ({},))[0].get("Channel") or {}
            found = [str(name) for name in (shaped.get("Name") or [])] if isinstance(shaped, dict) else []
        return tuple(found) if len(found) == n and all(found) else ()


def _is_stack(opened: "tifffile.TiffFile") -> bool:
    """Whether a file has channels or planes in several pages, by its axes."""
    kinds = {name for name in ("ome", "imagej", "lsm", "shaped") if getattr(opened, f"is_{name}")}
    if kinds and not kinds & {series.kind for series in opened.series}:
        raise DecodingError(f"damaged: its pages are not those that its metadata state; {ONE_BY_ONE}")
    sizes = [dict(zip(series.axes, series.shape, strict=True)) for series in opened.series]
    return bool(kinds) and any(one.get(axis, 1) > 1 for one in sizes for axis in "CZ" if "Y" in one)


def _other_sizes(series: "tifffile.TiffPageSeries") -> list[int]:
    """Sizes of the axes along which images lie."""
    return [size for axis, size in zip(series.axes, series.shape, strict=True) if axis not in "CZYXS"]


def _index(
    series: "tifffile.TiffPageSeries", at: tuple[int, ...], channel: int, plane: int
) -> tuple[list[int | None], int]:
    """Position of a plane along each axis, None for those within it, and the number of axes along which pages lie."""
    others = iter(at)
    index = [
        {"C": channel, "Z": plane}[axis] if axis in "CZ" else next(others) if axis not in "YXS" else None
        for axis in series.axes
    ]
    return index, next(k for k in range(len(index) + 1) if all(one is None for one in index[k:]))


def _page(
    series: "tifffile.TiffPageSeries", at: tuple[int, ...], channel: int, plane: int
) -> "tifffile.TiffPage | tifffile.TiffFrame | None":
    """The page that is one plane of an image; None if the series is not one of such pages."""
    index, n_inner = _index(series, at, channel, plane)
    shape = series.shape[:n_inner]
    if len(series.pages) != prod(shape) or any(one is None for one in index[:n_inner]):
        return None
    outer = [one or 0 for one in index[:n_inner]]
    page = series.pages[int(np.ravel_multi_index(outer, shape)) if outer else 0]
    if page is None:
        raise DecodingError("a part of it lies in another file: pass files that are complete")
    _check_complete(page)
    return page


def _plane(series: "tifffile.TiffPageSeries", at: tuple[int, ...], channel: int, plane: int) -> NDArray[Any]:
    """One plane of an image: (height, width, samples)."""
    index, n_inner = _index(series, at, channel, plane)
    page = _page(series, at, channel, plane)
    if page is not None:
        return _ordered(page.asarray(), series.axes[n_inner:])
    if prod(series.shape) * series.dtype.itemsize > MAX_STACK_BYTES:
        raise DecodingError(f"a stack without pages that is larger than {MAX_STACK_BYTES >> 30} GiB")
    values = series.asarray()[tuple(slice(None) if one is None else one for one in index)]
    return _ordered(values, "".join(axis for axis, one in zip(series.axes, index, strict=True) if one is None))


def _check_complete(page: "tifffile.TiffPage | tifffile.TiffFrame") -> None:
    """Raise DecodingError if strips or tiles lie behind the end of the file, which tifffile may take for zeros."""
    size = page.parent.filehandle.size
    if any(begin + n > size for begin, n in zip(page.dataoffsets, page.databytecounts, strict=False)):
        raise DecodingError(f"image file is truncated (strips or tiles behind byte {size:,}, where it ends)")


def _ordered(values: NDArray[Any], axes: str) -> NDArray[Any]:
    """Values as (height, width, samples)."""
    values = values.reshape([size for size in values.shape if size > 1] if values.ndim > len(axes) else values.shape)
    if values.ndim != len(axes):
        raise DecodingError(f"a page of shape {values.shape} where {axes} is expected")
    ordered = values.transpose([axes.index(axis) for axis in "YXS" if axis in axes])
    return ordered if "S" in axes else ordered[..., None]


def _ome_names(xml: str, number: int) -> list[str]:
    """Names of the channels of one image in OME-XML."""
    if ENTITY.search(xml):
        return []
    images = [one for one in ElementTree.fromstring(xml).iter() if one.tag.endswith("}Image")]
    if number >= len(images):
        return []
    return [one.get("Name", "") for one in images[number].iter() if one.tag.endswith("}Channel")]
