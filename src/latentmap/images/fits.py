"""FITS images, with the scale and the zero point of the header (BSCALE, BZERO)."""

import io
from math import prod
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentmap.core.errors import DecodingError
from latentmap.images.high_bit_depth import HighBitDepthImage

FITS_SIGNATURE = b"SIMPLE  ="
CARD_BYTES, FITS_BLOCK_BYTES = 80, 2880
MAX_CARDS = 36 * 1000  # in a header
BITPIX_DTYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
FitsHeader = dict[str, str]


def read_fits(file: IO[bytes]) -> HighBitDepthImage | None:
    """Read the first image of a FITS file. A cube of three planes is an image in colour.

    Parameters
    ----------
    file : file object
        Binary file that can seek.

    Returns
    -------
    HighBitDepthImage or None
        None if Pillow reads the file: unscaled bytes, or a compressed image in a table.

    Raises
    ------
    OSError
        If the file is damaged, or of a kind that is not read.
    """
    file.seek(0)
    while True:
        header = _read_fits_header(file)
        sizes: list[int] = [
            _parse_integer(header, f"NAXIS{i}", 0) for i in range(1, _parse_integer(header, "NAXIS", 0) + 1)
        ]
        n_values: int = prod(sizes)
        if header.get("XTENSION", "'IMAGE").strip("'").strip() == "IMAGE" and sizes and n_values:
            return _read_image(file, header, sizes)
        if header.get("ZIMAGE") == "T":
            return None
        bits = abs(_parse_integer(header, "BITPIX", 8))
        length = n_values * bits // 8 + _parse_integer(header, "PCOUNT", 0) if sizes else 0
        file.seek(-(-length // FITS_BLOCK_BYTES) * FITS_BLOCK_BYTES, io.SEEK_CUR)


def _read_fits_header(file: IO[bytes]) -> FitsHeader:
    found: FitsHeader = {}
    for number in range(1, MAX_CARDS):
        card = file.read(CARD_BYTES)
        if len(card) < CARD_BYTES:
            raise DecodingError("Truncated FITS file" if found else "no image in this FITS file")
        keyword = card[:8].decode("latin-1").strip()
        if keyword == "END":
            file.seek(-number * CARD_BYTES % FITS_BLOCK_BYTES, io.SEEK_CUR)
            return found
        if card[8:9] == b"=":
            found[keyword] = card[9:].decode("latin-1").split("/")[0].strip()
    raise DecodingError("damaged: a FITS header without END")


def _parse_integer(header: FitsHeader, name: str, default: int) -> int:
    value = int(header.get(name, default))
    if value < 0 and name not in ("BITPIX", "BLANK"):
        raise DecodingError(f"damaged: {name} is {value}")
    return value


def _read_image(file: IO[bytes], header: FitsHeader, sizes: list[int]) -> HighBitDepthImage | None:
    width, height, *planes = sizes if len(sizes) > 1 else [1, *sizes]
    n_planes: int = prod(planes)
    if n_planes not in (1, 3):
        raise DecodingError(f"a cube of {n_planes} planes, not one image: save the planes as images")
    if width * height > (Image.MAX_IMAGE_PIXELS or width * height):
        raise Image.DecompressionBombError
    bits = _parse_integer(header, "BITPIX", 0)
    if bits not in BITPIX_DTYPES:
        raise DecodingError(f"FITS values of BITPIX {bits}, which are not read")
    scale, zero = (_parse_float(header.get(name, default)) for name, default in (("BSCALE", "1"), ("BZERO", "0")))
    if bits == 8 and (scale, zero, n_planes) == (1, 0, 1) and "BLANK" not in header:
        return None
    n_bytes = n_planes * height * width * abs(bits) // 8
    data = file.read(n_bytes)
    if len(data) < n_bytes:
        raise DecodingError(f"image file is truncated ({len(data)} of {n_bytes} bytes)")
    stored = np.frombuffer(data, BITPIX_DTYPES[bits]).reshape(n_planes, height, width)[
        :, ::-1
    ]  # the first row is the lowest one
    blank = _parse_integer(header, "BLANK", 0) if "BLANK" in header and bits > 0 else None
    masked = None if blank is None else (stored == blank).any(axis=0)
    values = _apply_scale(stored, scale, zero)
    return HighBitDepthImage(values[0] if n_planes == 1 else values.transpose(1, 2, 0), masked=masked)


def _parse_float(text: str) -> float:
    return float(text.upper().replace("D", "E"))


def _apply_scale(stored: NDArray[Any], scale: float, zero: float) -> NDArray[Any]:
    """Compute ``zero + scale * v``, in integers if this is how unsigned integers or signed bytes are stored."""
    if (scale, zero) == (1, 0):
        return stored
    if stored.dtype.kind in "iu" and scale == 1 and zero.is_integer():
        if stored.dtype.itemsize == 8 and zero == 2.0**63:
            return stored.astype(np.int64).view(np.uint64) ^ np.uint64(2**63)
        if stored.dtype.itemsize < 8 and abs(zero) < 2**62:
            return stored.astype(np.int64) + int(zero)
    return stored.astype(np.float64) * scale + zero
