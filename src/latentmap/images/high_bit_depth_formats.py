"""Readers of images with more than 8 bits per channel that Pillow reduces to 8 bits: PNG, SGI, PGM, PPM, JPEG 2000."""

import re
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentmap.core.errors import DecodingError
from latentmap.images.high_bit_depth import HighBitDepthImage

# Of a value in a plain PGM or PPM file, including white space and comments.
MAX_VALUE_BYTES = 32
# Bytes in which the bit depth of JPEG 2000 is searched.
MAX_PICTURE_HEADER_BYTES = 2**16


def read_high_bit_depth(image: Image.Image, file: IO[bytes], start: bytes) -> HighBitDepthImage | None:
    """Read the values of an image with more than 8 bits per channel.

    Parameters
    ----------
    image : PIL.Image.Image
        Opened image.
    file : file object
        Its file.
    start : bytes
        First bytes of the file.

    Returns
    -------
    HighBitDepthImage or None
        None if the image has 8 bits per channel.

    Raises
    ------
    OSError
        If the file is truncated.
    """
    readers = {"PNG": _from_png, "PPM": _from_netpbm, "SGI": _from_sgi, "JPEG2000": _from_jpeg_2000}
    found = readers[image.format](image, file, start) if image.format in readers else None
    if found is not None:
        return found
    if not (image.mode.startswith("I") or image.mode == "F"):
        return None
    values = np.asarray(image)
    key = image.info.get("transparency")
    return HighBitDepthImage(values, _alpha_of_key(values == key) if isinstance(key, int) else None)


def _alpha_of_key(transparent: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return np.where(transparent, np.uint8(0), np.uint8(255))


def _from_png(image: Image.Image, file: IO[bytes], start: bytes) -> HighBitDepthImage | None:
    """Read a PNG with 16 bits and more than one channel."""
    raw = {b"\x10\x02": "RGB;16B", b"\x10\x04": "LA;16B", b"\x10\x06": "RGBA;16B"}.get(start[24:26])
    if raw is None:
        return None
    if getattr(image, "n_frames", 1) > 1:
        return expand_to_16_bits(image)
    if raw == "LA;16B":  # the four bytes of a pixel are read as RGBA
        four = np.asarray(_open_with_raw_mode(file, "PNG", "RGBA", "RGBA"))
        return HighBitDepthImage(four[..., 0] * np.uint16(256) + four[..., 1], four[..., 2])
    values = _read_16_bits(file, "PNG", raw)
    if raw == "RGBA;16B":
        return HighBitDepthImage(values[..., :3], (values[..., 3] >> 8).astype(np.uint8))
    key = image.info.get("transparency")
    return HighBitDepthImage(
        values, _alpha_of_key((values == np.array(key)).all(axis=2)) if isinstance(key, tuple) else None
    )


def _from_sgi(image: Image.Image, file: IO[bytes], start: bytes) -> HighBitDepthImage | None:
    """Read an SGI image with 16 bits."""
    if start[3] != 2:
        return None
    if start[2] == 1:  # run-length encoded
        values: NDArray[Any] = _read_16_bits(file, "SGI", f"{image.mode};16B")
    else:
        n_channels = len(image.getbands())
        file.seek(512)
        flat = _read_binary_values(file, ">u2", n_channels * image.width * image.height)
        values = flat.reshape(n_channels, image.height, image.width).transpose(1, 2, 0)[::-1]
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if image.mode == "RGBA":
        return HighBitDepthImage(values[..., :3], (values[..., 3] >> 8).astype(np.uint8))
    return HighBitDepthImage(values)


def _from_netpbm(image: Image.Image, file: IO[bytes], start: bytes) -> HighBitDepthImage | None:
    """Read PGM and PPM with a maximum value above 255, which becomes 65535 as in Pillow."""
    magic = start[:2]
    tile = image.tile[0] if magic in (b"P2", b"P3", b"P5", b"P6") else None  # type: ignore[attr-defined]
    if tile is None or not isinstance(tile.args, tuple | str):
        return None
    largest = tile.args[1] if isinstance(tile.args, tuple) else 65535 if tile.args == "I;16B" else 255
    if largest <= 255:
        return None
    n_channels = 3 if magic in (b"P3", b"P6") else 1
    n_values = n_channels * image.width * image.height
    file.seek(tile.offset)
    if magic in (b"P5", b"P6"):
        values: NDArray[Any] = _read_binary_values(file, ">u2", n_values)
    else:
        values = _read_plain_values(file, n_values)
    if largest < 65535:
        values = np.rint(values.clip(0, largest) * (65535 / largest))
    shape = (image.height, image.width, 3) if n_channels == 3 else (image.height, image.width)
    return HighBitDepthImage(values.clip(0, 65535).astype(np.uint16).reshape(shape))


def _read_plain_values(file: IO[bytes], n_values: int) -> NDArray[np.int64]:
    text = re.sub(rb"#[^\r\n]*", b" ", file.read(n_values * MAX_VALUE_BYTES))
    words = text.split(maxsplit=n_values)[:n_values]
    if len(words) < n_values:
        raise DecodingError(f"image file is truncated ({len(words)} of {n_values} values)")
    return np.array(words).astype(np.int64)


def _from_jpeg_2000(image: Image.Image, file: IO[bytes], _: bytes) -> HighBitDepthImage | None:
    """Read JPEG 2000 with more than 8 bits and several channels, of which Pillow returns the upper 8 bits."""
    if image.mode not in ("LA", "RGB", "RGBA"):
        return None
    file.seek(0)
    start = file.read(MAX_PICTURE_HEADER_BYTES)
    at = start.find(b"\xff\x4f\xff\x51")  # SOC and SIZ markers
    is_deep = 0 <= at < len(start) - 43 and (start[at + 42] & 0x7F) + 1 > 8
    return expand_to_16_bits(image) if is_deep else None


def expand_to_16_bits(image: Image.Image) -> HighBitDepthImage:
    """Expand an image of which Pillow returns only the upper 8 bits to 16 bits."""
    pixels = np.asarray(image) * np.uint16(257)
    if image.mode in ("LA", "RGBA"):
        return HighBitDepthImage(
            pixels[..., 0] if image.mode == "LA" else pixels[..., :3], (pixels[..., -1] >> 8).astype(np.uint8)
        )
    return HighBitDepthImage(pixels)


def _read_binary_values(file: IO[bytes], dtype: str, n_values: int) -> NDArray[Any]:
    data = file.read(n_values * np.dtype(dtype).itemsize)
    if len(data) < n_values * np.dtype(dtype).itemsize:
        raise DecodingError(f"image file is truncated ({len(data)} bytes of values)")
    return np.frombuffer(data, dtype)


def _read_16_bits(file: IO[bytes], kind: str, raw: str) -> NDArray[np.uint16]:
    """Read big-endian 16-bit values in two passes: the upper bytes, then the lower ones."""
    mode = raw.partition(";")[0]
    low = {"L": "L;16", "RGB": "RGB;16L", "RGBA": "RGBA;16L"}[mode]
    upper: NDArray[np.uint16] = np.array(_open_with_raw_mode(file, kind, mode, raw), np.uint16) * np.uint16(256)
    upper += np.asarray(_open_with_raw_mode(file, kind, mode, low))
    return upper


def _open_with_raw_mode(file: IO[bytes], kind: str, mode: str, raw: str) -> Image.Image:
    """Open an image with another raw mode, so that the decoder of Pillow unpacks other bytes."""
    file.seek(0)
    image: Any = Image.open(file, formats=[kind])
    image._mode = mode
    image.tile = [
        tile._replace(args=(raw, *tile.args[1:]) if isinstance(tile.args, tuple) else raw) for tile in image.tile
    ]
    image.load()
    return image  # type: ignore[no-any-return]
