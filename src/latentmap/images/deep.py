"""Pictures whose values have more than 8 bits, as the file holds them."""

import hashlib
import re
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from latentmap.core.errors import DecodingError
from latentmap.images.value_range import Range, to_8_bits, value_range

# Transparency is blended so many rows at a time.
ROWS_AT_ONCE = 256
# Of a value in a plain PGM or PPM, white space and comments included.
MAX_DIGITS = 32
# Bytes within which JPEG 2000 says how many bits it has.
MAX_HEADER = 2**16


@dataclass(frozen=True)
class Deep:
    """Values of a picture, not yet upright.

    Attributes
    ----------
    values : array (height, width) or (height, width, 3)
        Integers or floats. NaN cannot be shown and becomes black.
    alpha : array (height, width) uint8, optional
    premultiplied : bool
        Whether the colours are multiplied by alpha already.
    hidden : array (height, width) of bool, optional
        Values that the file says are none; they become black.
    """

    values: NDArray[Any]
    alpha: NDArray[np.uint8] | None = None
    premultiplied: bool = False
    hidden: NDArray[np.bool_] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.values.shape[1], self.values.shape[0]

    @property
    def is_float(self) -> bool:
        """Whether values are floats; integers have a range of their own in a collection."""
        return self.values.dtype.kind == "f"

    @property
    def is_grey(self) -> bool:
        """Whether all channels are equal."""
        values = self.values
        return values.ndim == 2 or all(bool(_equal(values[..., 0], values[..., i]).all()) for i in (1, 2))

    def range(self) -> Range:
        """Smallest and largest value that is shown; 0 and 0 where there is none."""
        return value_range(self.values if self.hidden is None else self.values[~self.hidden]) or (0, 0)

    def picture(self, limits: Range, background: str) -> Image.Image:
        """The picture in 8 bits, without transparency: mode L or RGB."""
        pixels = to_8_bits(self.values, limits)
        if self.hidden is not None:
            pixels[self.hidden] = 0
        if self.alpha is not None and int(self.alpha.min()) < 255:
            pixels = self._over(pixels, self.alpha, background)
        return Image.fromarray(pixels)

    def digest(self, turn: Image.Transpose | None) -> bytes:
        """SHA-256 of the values as they stand upright, whatever type and order of bytes they are stored in."""
        values = turned(self.values, turn)
        if values.dtype.kind in "iu":
            low, high = value_range(values) or (0, 0)
            values = values.astype("<u2" if low >= 0 and high < 2**16 else "<u8" if high >= 2**63 else "<i8")
        else:
            values = values.astype("<f8")
        digest = hashlib.sha256(f"{values.dtype.str} {values.shape} {self.premultiplied}".encode())
        digest.update(np.ascontiguousarray(values).data)
        for extra in (self.alpha, self.hidden):
            digest.update(b"" if extra is None else np.ascontiguousarray(turned(extra, turn)).data)
        return digest.digest()

    def _over(self, pixels: NDArray[np.uint8], alpha: NDArray[np.uint8], background: str) -> NDArray[np.uint8]:
        ground = np.array(ImageColor.getrgb(background)[:3])
        colors = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
        result = np.empty(colors.shape, np.uint8)
        for begin in range(0, len(colors), ROWS_AT_ONCE):
            part = slice(begin, begin + ROWS_AT_ONCE)
            weight = alpha[part, :, None].astype(np.uint32)
            own = colors[part].astype(np.uint32) * (255 if self.premultiplied else weight)
            result[part] = ((own + ground * (255 - weight) + 127) // 255).clip(0, 255)
        return result


def turned(values: NDArray[Any], turn: Image.Transpose | None) -> NDArray[Any]:
    """An array as Pillow's transpose would turn the picture."""
    if turn is None:
        return values
    if turn in (Image.Transpose.TRANSPOSE, Image.Transpose.TRANSVERSE, *QUARTERS):
        values = values.swapaxes(0, 1)
    across = turn in (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)
    down = turn in (Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_90)
    if turn == Image.Transpose.TRANSVERSE:
        across = down = True
    return values[:: -1 if down else 1, :: -1 if across else 1]


QUARTERS = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270)


def deep_values(image: Image.Image, file: IO[bytes], start: bytes) -> Deep | None:
    """The values of an opened picture when they have more than 8 bits, else None; ``start`` is how its file begins."""
    readers = {"PNG": _from_png, "PPM": _from_netpbm, "SGI": _from_sgi, "JPEG2000": _from_jpeg_2000}
    found = readers[image.format](image, file, start) if image.format in readers else None
    if found is not None:
        return found
    if not (image.mode.startswith("I") or image.mode == "F"):
        return None
    values = np.asarray(image)
    key = image.info.get("transparency")
    return Deep(values, _keyed(values == key) if isinstance(key, int) else None)


def _keyed(transparent: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return np.where(transparent, np.uint8(0), np.uint8(255))


def _equal(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.bool_]:
    equal: NDArray[np.bool_] = first == second
    return equal | (np.isnan(first) & np.isnan(second)) if first.dtype.kind == "f" else equal


def _from_png(image: Image.Image, file: IO[bytes], start: bytes) -> Deep | None:
    """PNG with 16 bits and more than one channel."""
    raw = {b"\x10\x02": "RGB;16B", b"\x10\x04": "LA;16B", b"\x10\x06": "RGBA;16B"}.get(start[24:26])
    if raw is None:
        return None
    if getattr(image, "n_frames", 1) > 1:
        return widened(image)
    if raw == "LA;16B":  # four bytes, which Pillow can read as those of RGBA
        four = np.asarray(_read_as(file, "PNG", "RGBA", "RGBA"))
        return Deep(four[..., 0] * np.uint16(256) + four[..., 1], four[..., 2])
    values = _both_bytes(file, "PNG", raw)
    if raw == "RGBA;16B":
        return Deep(values[..., :3], (values[..., 3] >> 8).astype(np.uint8))
    key = image.info.get("transparency")
    return Deep(values, _keyed((values == np.array(key)).all(axis=2)) if isinstance(key, tuple) else None)


def _from_sgi(image: Image.Image, file: IO[bytes], start: bytes) -> Deep | None:
    """SGI with 16 bits."""
    if start[3] != 2:
        return None
    if start[2] == 1:  # run lengths
        values: NDArray[Any] = _both_bytes(file, "SGI", f"{image.mode};16B")
    else:
        n_channels = len(image.getbands())
        file.seek(512)
        flat = _read_values(file, ">u2", n_channels * image.width * image.height)
        values = flat.reshape(n_channels, image.height, image.width).transpose(1, 2, 0)[::-1]
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if image.mode == "RGBA":
        return Deep(values[..., :3], (values[..., 3] >> 8).astype(np.uint8))
    return Deep(values)


def _from_netpbm(image: Image.Image, file: IO[bytes], start: bytes) -> Deep | None:
    """PGM and PPM whose largest value is above 255; it becomes 65535, as it does in Pillow."""
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
        values: NDArray[Any] = _read_values(file, ">u2", n_values)
    else:
        values = _plain_numbers(file, n_values)
    if largest < 65535:
        values = np.rint(values.clip(0, largest) * (65535 / largest))
    shape = (image.height, image.width, 3) if n_channels == 3 else (image.height, image.width)
    return Deep(values.clip(0, 65535).astype(np.uint16).reshape(shape))


def _plain_numbers(file: IO[bytes], n_values: int) -> NDArray[np.int64]:
    text = re.sub(rb"#[^\r\n]*", b" ", file.read(n_values * MAX_DIGITS))
    words = text.split(maxsplit=n_values)[:n_values]
    if len(words) < n_values:
        raise DecodingError(f"image file is truncated ({len(words)} of {n_values} values)")
    return np.array(words).astype(np.int64)


def _from_jpeg_2000(image: Image.Image, file: IO[bytes], _: bytes) -> Deep | None:
    """JPEG 2000 with more than 8 bits and several channels, of which Pillow gives the upper 8 bits."""
    if image.mode not in ("LA", "RGB", "RGBA"):
        return None
    file.seek(0)
    start = file.read(MAX_HEADER)
    at = start.find(b"\xff\x4f\xff\x51")  # start of the codestream, sizes
    deep = 0 <= at < len(start) - 43 and (start[at + 42] & 0x7F) + 1 > 8
    return widened(image) if deep else None


def widened(image: Image.Image) -> Deep:
    """The values of a picture of which Pillow gives the upper 8 bits only."""
    pixels = np.asarray(image) * np.uint16(257)
    if image.mode in ("LA", "RGBA"):
        return Deep(pixels[..., 0] if image.mode == "LA" else pixels[..., :3], (pixels[..., -1] >> 8).astype(np.uint8))
    return Deep(pixels)


def _read_values(file: IO[bytes], dtype: str, n_values: int) -> NDArray[Any]:
    data = file.read(n_values * np.dtype(dtype).itemsize)
    if len(data) < n_values * np.dtype(dtype).itemsize:
        raise DecodingError(f"image file is truncated ({len(data)} bytes of values)")
    return np.frombuffer(data, dtype)


def _both_bytes(file: IO[bytes], kind: str, raw: str) -> NDArray[np.uint16]:
    """Values of 16 bits, most significant byte first, by reading the upper bytes and then the lower ones."""
    mode = raw.partition(";")[0]
    low = {"L": "L;16", "RGB": "RGB;16L", "RGBA": "RGBA;16L"}[mode]
    upper: NDArray[np.uint16] = np.array(_read_as(file, kind, mode, raw), np.uint16) * np.uint16(256)
    upper += np.asarray(_read_as(file, kind, mode, low))
    return upper


def _read_as(file: IO[bytes], kind: str, mode: str, raw: str) -> Image.Image:
    """A picture whose bytes are taken for another layout: Pillow's decoders then unpack others of them."""
    file.seek(0)
    image: Any = Image.open(file, formats=[kind])
    image._mode = mode
    image.tile = [
        tile._replace(args=(raw, *tile.args[1:]) if isinstance(tile.args, tuple) else raw) for tile in image.tile
    ]
    image.load()
    return image  # type: ignore[no-any-return]
