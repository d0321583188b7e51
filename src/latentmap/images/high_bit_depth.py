"""Images with more than 8 bits per channel, with the values of the file."""

import hashlib
import re
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from latentmap.images.value_range import Range, to_8_bits, value_range

# Rows that are blended with the background in one step.
N_BLEND_ROWS = 256
# Of a value in a plain PGM or PPM file, including white space and comments.
MAX_VALUE_BYTES = 32
# Bytes in which the bit depth of JPEG 2000 is searched.
MAX_HEADER_BYTES = 2**16


@dataclass(frozen=True)
class HighBitDepthImage:
    """Values of an image with more than 8 bits per channel, in the orientation of the file.

    Attributes
    ----------
    values : ndarray (height, width) or (height, width, 3)
        Integers or floats. NaN becomes black.
    alpha : ndarray (height, width), uint8, optional
        Opacity; 255 is opaque.
    premultiplied : bool, default=False
        Whether the colours are already multiplied by alpha.
    masked : ndarray (height, width), bool, optional
        Pixels that the file declares as missing; they become black.
    """

    values: NDArray[Any]
    alpha: NDArray[np.uint8] | None = None
    premultiplied: bool = False
    masked: NDArray[np.bool_] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.values.shape[1], self.values.shape[0]

    @property
    def is_float(self) -> bool:
        """Whether the values are floats, which have a separate range in a collection."""
        return self.values.dtype.kind == "f"

    @property
    def is_grey(self) -> bool:
        """Whether all channels are equal."""
        values = self.values
        return values.ndim == 2 or all(bool(_equal_or_nan(values[..., 0], values[..., i]).all()) for i in (1, 2))

    def range(self) -> Range:
        """Smallest and largest visible value; (0, 0) if there is none."""
        return value_range(self.values if self.masked is None else self.values[~self.masked]) or (0, 0)

    def to_8_bit_image(self, limits: Range, background: str) -> Image.Image:
        """Convert to 8 bits, over a background.

        Parameters
        ----------
        limits : (low, high)
            Values that become 0 and 255.
        background : str
            Colour behind transparent pixels.

        Returns
        -------
        PIL.Image.Image
            Image of mode L or RGB.
        """
        pixels = to_8_bits(self.values, limits)
        if self.masked is not None:
            pixels[self.masked] = 0
        if self.alpha is not None and int(self.alpha.min()) < 255:
            pixels = self._composite(pixels, self.alpha, background)
        return Image.fromarray(pixels)

    def digest(self, transpose: Image.Transpose | None) -> bytes:
        """SHA-256 of the upright values, independent of their type and byte order.

        Parameters
        ----------
        transpose : PIL.Image.Transpose or None
            Transposition that makes the image upright.

        Returns
        -------
        bytes
        """
        values = transpose_array(self.values, transpose)
        if values.dtype.kind in "iu":
            low, high = value_range(values) or (0, 0)
            values = values.astype("<u2" if low >= 0 and high < 2**16 else "<u8" if high >= 2**63 else "<i8")
        else:
            values = values.astype("<f8")
        digest = hashlib.sha256(f"{values.dtype.str} {values.shape} {self.premultiplied}".encode())
        digest.update(np.ascontiguousarray(values).data)
        for extra in (self.alpha, self.masked):
            digest.update(b"" if extra is None else np.ascontiguousarray(transpose_array(extra, transpose)).data)
        return digest.digest()

    def _composite(self, pixels: NDArray[np.uint8], alpha: NDArray[np.uint8], background: str) -> NDArray[np.uint8]:
        ground = np.array(ImageColor.getrgb(background)[:3])
        colors = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
        result = np.empty(colors.shape, np.uint8)
        for begin in range(0, len(colors), N_BLEND_ROWS):
            part = slice(begin, begin + N_BLEND_ROWS)
            weight = alpha[part, :, None].astype(np.uint32)
            own = colors[part].astype(np.uint32) * (255 if self.premultiplied else weight)
            result[part] = ((own + ground * (255 - weight) + 127) // 255).clip(0, 255)
        return result


def transpose_array(values: NDArray[Any], transpose: Image.Transpose | None) -> NDArray[Any]:
    """Transpose an array as ``PIL.Image.Image.transpose`` does an image.

    Parameters
    ----------
    values : ndarray (height, width, ...)
    transpose : PIL.Image.Transpose or None

    Returns
    -------
    ndarray
    """
    if transpose is None:
        return values
    if transpose in (Image.Transpose.TRANSPOSE, Image.Transpose.TRANSVERSE, *QUARTER_TURNS):
        values = values.swapaxes(0, 1)
    across = transpose in (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)
    down = transpose in (Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_90)
    if transpose == Image.Transpose.TRANSVERSE:
        across = down = True
    return values[:: -1 if down else 1, :: -1 if across else 1]


QUARTER_TURNS = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270)


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


def _equal_or_nan(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.bool_]:
    equal: NDArray[np.bool_] = first == second
    return equal | (np.isnan(first) & np.isnan(second)) if first.dtype.kind == "f" else equal


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
        raise OSError(f"image file is truncated ({len(words)} of {n_values} values)")
    return np.array(words).astype(np.int64)


def _from_jpeg_2000(image: Image.Image, file: IO[bytes], _: bytes) -> HighBitDepthImage | None:
    """Read JPEG 2000 with more than 8 bits and several channels, of which Pillow returns the upper 8 bits."""
    if image.mode not in ("LA", "RGB", "RGBA"):
        return None
    file.seek(0)
    start = file.read(MAX_HEADER_BYTES)
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
        raise OSError(f"image file is truncated ({len(data)} bytes of values)")
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
