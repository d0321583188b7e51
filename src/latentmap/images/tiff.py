"""A page of a TIFF as the file means it: which values are colours, white, transparency, or none at all."""

from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentmap.core.errors import DecodingError
from latentmap.images.deep import Deep
from latentmap.images.tiff_chunks import NAMES, NOT_COMPRESSED, READABLE, Layout
from latentmap.images.tiff_tags import (
    BITS,
    COMPRESSION,
    EXTRA_SAMPLES,
    NO_DATA,
    PHOTOMETRIC,
    SAMPLE_FORMAT,
    SAMPLES,
    SIGNED,
    UNSIGNED,
    Page,
)

PHOTOMETRICS = {3: "palette", 4: "mask", 5: "CMYK", 6: "YCbCr", 8: "CIELab", 9: "ICCLab", 10: "ITULab"}
READ_HERE = (0, 1, 2)  # PHOTOMETRIC: white is zero, black is zero, RGB


def is_read_here(page: Page) -> bool:
    """Whether :func:`read_page` is to read it: Pillow cuts values, forgets signs, or is slow with many pages.

    Bits of one, and what is compressed as a picture and not as bytes, are for Pillow where it can.
    """
    if page.number(PHOTOMETRIC, 0) not in READ_HERE:
        return False
    bits, formats = page.tags.get(BITS) or (1,), page.tags.get(SAMPLE_FORMAT) or (UNSIGNED,)
    if max(bits) > 8 or (max(bits) == 8 and max(formats) != UNSIGNED):
        return True
    return page.number(COMPRESSION, NOT_COMPRESSED) in READABLE and (max(bits) > 1 or page.number(SAMPLES, 1) > 1)


def unread_reason(page: Page) -> str:
    """Describe a page that cannot be read."""
    bits, compression = sorted(set(page.tags.get(BITS) or (1,))), page.number(COMPRESSION, NOT_COMPRESSED)
    photometric = page.number(PHOTOMETRIC, 0)
    colors = PHOTOMETRICS.get(
        photometric, {0: "grey", 1: "grey", 2: "RGB"}.get(photometric, f"photometric {photometric}")
    )
    packed = "" if compression == NOT_COMPRESSED else f", compression {NAMES.get(compression, compression)}"
    n_bits = ", ".join(map(str, bits))
    return f"a TIFF page of {n_bits} bits, {page.number(SAMPLES, 1)} channels ({colors}){packed}, which is not read"


def read_page(file: IO[bytes], page: Page) -> "Deep | Image.Image":
    """A page as it is meant; a picture of Pillow's where 8 bits hold its values.

    Raises
    ------
    OSError
        If it is damaged, or of a kind that is not read; the message says which.
    """
    if page.number(COMPRESSION, NOT_COMPRESSED) not in READABLE:
        raise DecodingError(unread_reason(page))
    layout = Layout.of(page)
    deep = _interpreted(page, layout, layout.read(file))
    is_plain = layout.bits <= 8 and layout.format == UNSIGNED
    return _plain_picture(deep, 2**layout.bits - 1) if is_plain else deep


def _plain_picture(deep: Deep, largest: int) -> Image.Image:
    """Values of up to 8 bits as a picture, transparency included; the largest becomes 255."""
    values = deep.values
    if largest < 255:
        values = np.rint(np.arange(largest + 1) * (255 / largest)).astype(np.uint8)[values]
    if deep.hidden is not None:
        values = np.where(deep.hidden if values.ndim == 2 else deep.hidden[..., None], np.uint8(0), values)
    if deep.alpha is None:
        return Image.fromarray(np.ascontiguousarray(values))
    colors = values if values.ndim == 3 else np.repeat(values[..., None], 3, axis=2)
    if not deep.premultiplied:
        return Image.fromarray(np.dstack([colors, deep.alpha]))
    return Image.frombytes("RGBa", deep.size, np.dstack([colors, deep.alpha]).tobytes())


def _interpreted(page: Page, layout: Layout, values: NDArray[Any]) -> Deep:
    """The meaning of the values: grey or colour, which end is white, transparency, values that stand for none."""
    photometric = page.number(PHOTOMETRIC, 0)
    n_colors = 3 if photometric == 2 else 1
    extra = page.tags.get(EXTRA_SAMPLES) or ([2] if (n_colors, layout.n_samples) == (3, 4) else [])
    if layout.n_samples < n_colors or (n_colors == 1 and layout.n_samples > 1 and extra[:1] not in ([1], [2])):
        raise DecodingError(f"{layout.n_samples} channels that are no colours: save them as pages, or choose one")
    colors = values[..., 0] if n_colors == 1 else values[..., :3]
    alpha = None
    if layout.n_samples > n_colors and extra[:1] in ([1], [2]):
        alpha = _alpha(values[..., n_colors], layout.bits)
    hidden = _no_data(page, colors)
    if photometric == 0:
        colors = _inverted(colors, layout)
    return Deep(colors, alpha, extra[:1] == [1], hidden)


def _alpha(values: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    full = {"f": 1.0, "i": float(2 ** (bits - 1) - 1)}.get(values.dtype.kind, float(2**bits - 1))
    return np.rint(np.nan_to_num(values.astype(np.float64) * (255 / full), nan=255.0)).clip(0, 255).astype(np.uint8)


def _inverted(values: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """Values of which zero is white: unsigned ones counted from the other end, -1 - v for signed, 1 - v for floats."""
    native: NDArray[Any] = values.astype(values.dtype.newbyteorder("="))
    if layout.format == SIGNED:
        return ~native
    one = native.dtype.type(1 if native.dtype.kind == "f" else 2**layout.bits - 1)
    inverted: NDArray[Any] = one - native
    return inverted


def _no_data(page: Page, values: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Where values are the one that GDAL's tag says is none."""
    text = bytes(page.tags.get(NO_DATA, b"")).split(b"\0")[0].strip()
    try:
        marker = _whole_number(text) if values.dtype.kind in "iu" else np.array(text, values.dtype.newbyteorder("="))
    except (ValueError, OverflowError):
        return None
    if isinstance(marker, int) and not np.iinfo(values.dtype).min <= marker <= np.iinfo(values.dtype).max:
        return None
    hidden: NDArray[np.bool_] = values == marker
    if hidden.ndim == 3:
        hidden = np.all(hidden, axis=2, keepdims=True)[..., 0]
    return hidden if hidden.any() else None


def _whole_number(text: bytes) -> int:
    """A number of GDAL's, such as -9999 or 2.55e2."""
    try:
        return int(text)
    except ValueError:
        number = float(text)
        if not number.is_integer():
            raise
        return int(number)
