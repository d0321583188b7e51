"""Interpretation of a TIFF page: photometric interpretation, extra samples, and values that mean no data."""

from collections.abc import Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentmap.core.errors import UnreadTiffError
from latentmap.images.channel_image import ChannelImage
from latentmap.images.high_bit_depth import HighBitDepthImage
from latentmap.images.lazy_image import LazyImage
from latentmap.images.tiff_directories import (
    BITS_PER_SAMPLE,
    COMPRESSION,
    EXTRA_SAMPLES,
    GDAL_NODATA,
    PHOTOMETRIC_INTERPRETATION,
    SAMPLE_FORMAT,
    SAMPLES_PER_PIXEL,
    SIGNED,
    UNSIGNED,
    TiffPage,
)
from latentmap.images.tiff_layout import PageLayout
from latentmap.images.tiff_rows import SampleRows, open_rows
from latentmap.images.tiff_segments import COMPRESSION_NAMES, NO_COMPRESSION, READ_COMPRESSIONS, read_samples

PHOTOMETRIC_NAMES = {3: "palette", 4: "mask", 5: "CMYK", 6: "YCbCr", 8: "CIELab", 9: "ICCLab", 10: "ITULab"}
READ_PHOTOMETRICS = (0, 1, 2)  # WhiteIsZero, BlackIsZero, RGB


def is_read_directly(page: TiffPage) -> bool:
    """Whether :func:`read_page` reads a page, and not Pillow.

    Pillow truncates values, ignores signs, and is slow with many pages. It reads bilevel images, and compressions of
    images such as JPEG.

    Parameters
    ----------
    page : TiffPage

    Returns
    -------
    bool
    """
    if page.integer(PHOTOMETRIC_INTERPRETATION, 0) not in READ_PHOTOMETRICS:
        return False
    bits, formats = page.tags.get(BITS_PER_SAMPLE) or (1,), page.tags.get(SAMPLE_FORMAT) or (UNSIGNED,)
    if max(bits) > 8 or (max(bits) == 8 and max(formats) != UNSIGNED):
        return True
    return page.integer(COMPRESSION, NO_COMPRESSION) in READ_COMPRESSIONS and (
        max(bits) > 1 or page.integer(SAMPLES_PER_PIXEL, 1) > 1
    )


def unread_reason(page: TiffPage) -> str:
    """Describe why a page cannot be read.

    Parameters
    ----------
    page : TiffPage

    Returns
    -------
    str
    """
    bits, compression = sorted(set(page.tags.get(BITS_PER_SAMPLE) or (1,))), page.integer(COMPRESSION, NO_COMPRESSION)
    photometric = page.integer(PHOTOMETRIC_INTERPRETATION, 0)
    colors = PHOTOMETRIC_NAMES.get(
        photometric, {0: "grey", 1: "grey", 2: "RGB"}.get(photometric, f"photometric {photometric}")
    )
    packed = "" if compression == NO_COMPRESSION else f", compression {COMPRESSION_NAMES.get(compression, compression)}"
    n_bits = ", ".join(map(str, bits))
    n_samples = page.integer(SAMPLES_PER_PIXEL, 1)
    return f"a TIFF page of {n_bits} bits, {n_samples} channels ({colors}){packed}, which is not read"


def read_page(
    file: IO[bytes], page: TiffPage, *, may_be_lazy: bool = False
) -> HighBitDepthImage | ChannelImage | Image.Image | LazyImage:
    """Read a page.

    Parameters
    ----------
    file : file object
    page : TiffPage
    may_be_lazy : bool, default=False
        Whether the rows of a large page may be read later, from the open file.

    Returns
    -------
    HighBitDepthImage, ChannelImage, PIL.Image.Image or LazyImage
        An image of Pillow if the values have at most 8 bits and are colours.

    Raises
    ------
    OSError
        If the page is damaged, or of a kind that is not read.
    PIL.Image.DecompressionBombError
        If the page has too many pixels.
    """
    if page.integer(COMPRESSION, NO_COMPRESSION) not in READ_COMPRESSIONS:
        raise UnreadTiffError(unread_reason(page))
    layout = PageLayout.of(page)
    has_8_bits = layout.bits <= 8 and layout.format == UNSIGNED
    if may_be_lazy and (not has_8_bits or not _are_colors(page, layout)):
        rows = open_rows(file, layout)
        if rows is not None:
            return LazyImage(PageRows(page, rows))
    image = interpret(page, layout, read_samples(file, layout))
    if isinstance(image, ChannelImage) or not has_8_bits:
        return image
    return to_8_bit_image(image, 2**layout.bits - 1)


class PageRows:
    """The rows of a page.

    Parameters
    ----------
    page : TiffPage
    rows : SampleRows
    """

    def __init__(self, page: TiffPage, rows: SampleRows) -> None:
        self._page, self._samples = page, rows

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self._samples.layout.width, self._samples.layout.height

    @property
    def may_be_masked(self) -> bool:
        """Whether the page declares a value as missing."""
        return GDAL_NODATA in self._page.tags

    def read(self, top: int, bottom: int) -> HighBitDepthImage | ChannelImage:
        """Read rows from ``top`` on, at least to before ``bottom``."""
        return interpret(self._page, self._samples.layout, self._samples.read(top, bottom))


def to_8_bit_image(image: HighBitDepthImage, largest: int) -> Image.Image:
    """Convert values of up to 8 bits and their transparency.

    Parameters
    ----------
    image : HighBitDepthImage
    largest : int
        Value that becomes 255.

    Returns
    -------
    PIL.Image.Image
    """
    values = image.values
    if largest < 255:
        values = np.rint(np.arange(largest + 1) * (255 / largest)).astype(np.uint8)[values]
    if image.masked is not None:
        values = np.where(image.masked if values.ndim == 2 else image.masked[..., None], np.uint8(0), values)
    if image.alpha is None:
        return Image.fromarray(np.ascontiguousarray(values))
    colors = values if values.ndim == 3 else np.repeat(values[..., None], 3, axis=2)
    if not image.premultiplied:
        return Image.fromarray(np.dstack([colors, image.alpha]))
    return Image.frombytes("RGBa", image.size, np.dstack([colors, image.alpha]).tobytes())


def interpret(page: TiffPage, layout: PageLayout, values: NDArray[Any]) -> HighBitDepthImage | ChannelImage:
    """Separate colours from transparency, invert WhiteIsZero, and mask values that mean no data.

    Parameters
    ----------
    page : TiffPage
    layout : PageLayout
    values : ndarray (height, width, n_samples)

    Returns
    -------
    HighBitDepthImage or ChannelImage
        Channels if the samples are neither grey nor RGB with or without transparency.
    """
    photometric = page.integer(PHOTOMETRIC_INTERPRETATION, 0)
    n_colors, extra = _n_colors(page), _extra_samples(page, layout)
    if not _are_colors(page, layout):
        return ChannelImage(values, (), _nodata_mask(page, values))
    colors = values[..., 0] if n_colors == 1 else values[..., :3]
    alpha = None
    if layout.n_samples > n_colors and extra[:1] in ([1], [2]):
        alpha = _alpha_channel(values[..., n_colors], layout.bits)
    masked = _nodata_mask(page, colors)
    if photometric == 0:
        colors = _invert(colors, layout)
    return HighBitDepthImage(colors, alpha, extra[:1] == [1], masked)


def _n_colors(page: TiffPage) -> int:
    return 3 if page.integer(PHOTOMETRIC_INTERPRETATION, 0) == 2 else 1


def _extra_samples(page: TiffPage, layout: PageLayout) -> Sequence[int]:
    return page.tags.get(EXTRA_SAMPLES) or ([2] if (_n_colors(page), layout.n_samples) == (3, 4) else [])


def _are_colors(page: TiffPage, layout: PageLayout) -> bool:
    """Whether the samples are grey or RGB with or without transparency."""
    if _n_colors(page) == 3:
        return 3 <= layout.n_samples <= 4
    return layout.n_samples == 1 or _extra_samples(page, layout)[:1] in ([1], [2])


def _alpha_channel(values: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    full = {"f": 1.0, "i": float(2 ** (bits - 1) - 1)}.get(values.dtype.kind, float(2**bits - 1))
    return np.rint(np.nan_to_num(values.astype(np.float64) * (255 / full), nan=255.0)).clip(0, 255).astype(np.uint8)


def _invert(values: NDArray[Any], layout: PageLayout) -> NDArray[Any]:
    """Invert WhiteIsZero: maximum - v for unsigned values, -1 - v for signed ones, 1 - v for floats."""
    native: NDArray[Any] = values.astype(values.dtype.newbyteorder("="))
    if layout.format == SIGNED:
        return ~native
    one = native.dtype.type(1 if native.dtype.kind == "f" else 2**layout.bits - 1)
    inverted: NDArray[Any] = one - native
    return inverted


def _nodata_mask(page: TiffPage, values: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Pixels with the value that the GDAL_NODATA tag declares as missing: (height, width); None if there are none."""
    text = bytes(page.tags.get(GDAL_NODATA, b"")).split(b"\0")[0].strip()
    try:
        marker = _parse_nodata(text) if values.dtype.kind in "iu" else np.array(text, values.dtype.newbyteorder("="))
    except (ValueError, OverflowError):
        return None
    if isinstance(marker, int) and not np.iinfo(values.dtype).min <= marker <= np.iinfo(values.dtype).max:
        return None
    masked: NDArray[np.bool_] = values == marker
    if masked.ndim == 3:
        masked = np.all(masked, axis=2, keepdims=True)[..., 0]
    return masked if masked.any() else None


def _parse_nodata(text: bytes) -> int:
    """Parse an integer of GDAL, such as -9999 or 2.55e2."""
    try:
        return int(text)
    except ValueError:
        number = float(text)
        if not number.is_integer():
            raise
        return int(number)
