"""An opened file as pictures: which it holds, how large each is, and its pixels in the shape of the collection."""

import hashlib
import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, UnidentifiedImageError

from latentmap.images import fits
from latentmap.images.deep import Deep, deep_values
from latentmap.images.shape import Shape
from latentmap.images.tiff import is_read_here, read_page, unread_reason
from latentmap.images.tiff_tags import IMAGE_DEPTH, ORIENTATION, STARTS, TiffFile
from latentmap.images.value_range import Range

# EPS would run Ghostscript on a stranger's program.
NOT_READ = {"EPS"}
# Formats with more than one picture in a file, which are frames of an animation.
ANIMATED = {"GIF", "WEBP", "PNG", "AVIF", "FLI"}
# Pictures much larger than the working size are brought to so many times that size before anything else.
SPARE = 2
PROBE_SIZE = 128  # of a picture in which colours are looked for
# Bytes that a frame takes at least, whatever a header says of their number.
MIN_FRAME_BYTES = {"FLI": 16}
PNG_START = 8  # bytes of its signature
START_BYTES = 32  # from which a format can be told, and the depth in PNG and SGI
# EXIF's orientation → what makes the picture upright.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Grey of 2 and 4 bits in PNG, as Pillow names it → what it multiplies values by.
GREY_STEPS = {"L;2": 85, "L;4": 17}
DEFAULT_LIMITS: Range = (0, 65535)


class Picture:
    """One picture of a file, not decoded yet where that can wait.

    Attributes
    ----------
    width, height : int
        As it stands upright.
    deep : Deep, optional
        Its values, where they have more than 8 bits.
    """

    def __init__(self, image: "Image.Image | Deep", orientation: int) -> None:
        self.deep = image if isinstance(image, Deep) else None
        self._image = image if isinstance(image, Image.Image) else None
        self._turn = UPRIGHT.get(orientation)
        self._is_turned = orientation in (5, 6, 7, 8)
        width, height = image.size
        self.width, self.height = (height, width) if self._is_turned else (width, height)

    @property
    def is_grey(self) -> bool:
        """Whether it has no colours, as far as that can be seen at a small size."""
        if self.deep is not None:
            return self.deep.is_grey
        image = self._drafted(PROBE_SIZE * SPARE, PROBE_SIZE * SPARE)
        return _is_grey(_on_ground(_reduced(_plain(image), PROBE_SIZE, PROBE_SIZE), "white"))

    def shaped(self, shape: Shape) -> tuple[NDArray[np.uint8], bytes | None]:
        """Pixels in the shape of the collection, in colour where the shape is grey by chance and the picture is not.

        The second is a SHA-256 of all its pixels, None where it was read at a smaller size.
        """
        size = shape.resized(self.width, self.height)
        width, height = (SPARE * side for side in size)
        whole: Image.Image | None = None
        if self.deep is not None:
            full = self.deep.picture(shape.limits(self.deep.is_float) or DEFAULT_LIMITS, shape.background)
            small = self._upright(_reduced(full, *self._stored(width, height)))
        else:
            whole = _plain(self._drafted(width, height))
            small = self._upright(_on_ground(_reduced(whole, *self._stored(width, height)), shape.background))
        is_grey = _is_grey(small)
        if shape.color == "auto":
            mode = "L" if shape.channels == 1 and is_grey else "RGB"
        else:
            mode = "L" if shape.channels == 1 else "RGB"
        pixels = shape.apply(small if small.mode == mode else small.convert(mode), size)
        if self.deep is not None:
            return pixels, self.deep.digest(self._turn)
        assert whole is not None
        if whole.size != self._stored(self.width, self.height):
            return pixels, None
        if pixels.shape[:2] == (self.height, self.width) and whole.mode == mode and (mode == "L" or not is_grey):
            return pixels, _digest(mode, (self.width, self.height), pixels)
        return pixels, self._digest(whole, is_grey)

    def _stored(self, width: int, height: int) -> tuple[int, int]:
        """A size as the picture lies in the file."""
        return (height, width) if self._is_turned else (width, height)

    def _drafted(self, width: int, height: int) -> Image.Image:
        """The picture, loaded; JPEG perhaps at a smaller size that is no smaller than this one."""
        image = self._image
        assert image is not None
        image.draft(image.mode if image.mode in ("L", "RGB") else None, self._stored(width, height))
        image.load()
        return image

    def _upright(self, image: Image.Image) -> Image.Image:
        return image if self._turn is None else image.transpose(self._turn)

    def _digest(self, image: Image.Image, may_be_grey: bool) -> bytes:
        """SHA-256 of the pixels of a whole picture: grey, in colour or with transparency, whatever it is stored as."""
        if image.mode == "RGBA" and image.getchannel(3).getextrema() == (255, 255):
            image = image.convert("RGB")
        if image.mode == "RGB" and may_be_grey and _is_grey(image):
            image = image.getchannel(0)
        return _digest(image.mode, (self.width, self.height), self._upright(image).tobytes())


def _digest(mode: str, size: tuple[int, int], pixels: "bytes | NDArray[np.uint8]") -> bytes:
    digest = hashlib.sha256(f"{mode} {size}".encode())
    digest.update(pixels)
    return digest.digest()


class Pictures(Protocol):
    """The pictures of a file."""

    def count(self, animations: bool, /) -> int:
        """How many there are: pages, and frames of an animation if they are wanted."""

    def picture(self, number: int | None, /) -> Picture:
        """One of them; without a number the one that the file is."""


@contextmanager
def pictures_of(file: IO[bytes]) -> Iterator[Pictures]:
    """Read a file for its pictures."""
    start = file.read(START_BYTES)
    file.seek(0)
    if start.startswith(STARTS):
        yield TiffPages(file)
        return
    deep = fits.read_fits(file) if start.startswith(fits.START) else None
    if deep is not None:
        yield OnePicture(deep)
        return
    with pillow_image(file) as image:
        yield PillowFrames(image, file, start)


class OnePicture:
    """A file with one picture of deep values."""

    def __init__(self, deep: Deep) -> None:
        self._deep = deep

    def count(self, _: bool) -> int:
        """One."""
        return 1

    def picture(self, _: int | None) -> Picture:
        """The picture."""
        return Picture(self._deep, 1)


class TiffPages:
    """The pages of a TIFF that are no reduced copies or masks of others."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._tiff = file, TiffFile(file)
        self._offsets = self._tiff.pages()

    def count(self, _: bool) -> int:
        """Pages are images always."""
        return len(self._offsets)

    def picture(self, number: int | None) -> Picture:
        """A page."""
        if not self._offsets:
            raise OSError("no page in this TIFF")
        page = self._tiff.page(self._offsets[number or 0])
        n_planes = page.number(IMAGE_DEPTH, 1)
        if n_planes > 1:
            raise OSError(f"a volume of {n_planes} planes in one TIFF page: save the planes as pages")
        if is_read_here(page):
            return Picture(read_page(self._file, page), page.number(ORIENTATION, 1))
        try:
            with pillow_image(self._tiff.from_page(page.offset), ("TIFF",)) as image:
                image.load()
                # Pillow has turned it already
                return Picture(image.copy(), 1)
        except UnidentifiedImageError as error:
            raise OSError(unread_reason(page)) from error
        except OSError as error:
            if "decoder error" not in str(error):
                raise
            raise OSError(f"{unread_reason(page)}, or is damaged") from error


class PillowFrames:
    """Pictures that Pillow reads: a single one, or the frames of an animation."""

    def __init__(self, image: Image.Image, file: IO[bytes], start: bytes) -> None:
        self._image, self._file, self._start = image, file, start
        if image.format == "PNG" and image.mode == "L" and "transparency" in image.info and image.tile:  # type: ignore[attr-defined]
            # Pillow compares the key as it is in the file with values that it has stretched to 8 bits
            image.info["transparency"] *= GREY_STEPS.get(image.tile[0].args, 1)  # type: ignore[attr-defined]

    def count(self, animations: bool) -> int:
        """Frames of an animation if they are wanted, no more than the file can hold."""
        kind = self._image.format or ""
        if not animations or kind not in ANIMATED:
            return 1
        n_frames = int(getattr(self._image, "n_frames", 1))
        if n_frames > 1:
            n_bytes = self._file.seek(0, io.SEEK_END)
            n_frames = min(n_frames, 1 + n_bytes // MIN_FRAME_BYTES.get(kind, 1))
            if kind == "PNG":
                n_frames = min(n_frames, _png_frames(self._file) + bool(getattr(self._image, "default_image", False)))
        return max(1, n_frames)

    def picture(self, number: int | None) -> Picture:
        """The picture, or one of the frames."""
        image = self._image
        if number:
            image.seek(number)
        deep = deep_values(image, self._file, self._start) if _may_be_deep(image) else None
        if deep is not None:
            return Picture(deep, _orientation(image))
        return Picture(image if number is None else image.copy(), _orientation(image))


def _png_frames(file: IO[bytes]) -> int:
    """Frames that an animated PNG holds, counted."""
    found, at = 0, PNG_START
    while True:
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            return found
        length, kind = struct.unpack(">I4s", head)
        found += kind == b"fcTL"
        at += length + 12


@contextmanager
def pillow_image(file: IO[bytes], formats: tuple[str, ...] | None = None) -> Iterator[Image.Image]:
    """Open a file with Pillow, in any format that is read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Pillow warns from half of its limit on: that much memory for one picture is too much here
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(file, formats=formats or _formats()) as image:
            yield image


@cache
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in Image.ID if name not in NOT_READ)


def _may_be_deep(image: Image.Image) -> bool:
    return image.mode[0] in "IF" or image.format in ("PNG", "PPM", "SGI", "JPEG2000")


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # damaged EXIF does not spoil the picture
        return 1


def _plain(image: Image.Image) -> Image.Image:
    """Any mode of 8 bits → L, RGB or RGBA."""
    if image.mode == "La":
        return image.convert("LA").convert("RGBA")
    if image.has_transparency_data or image.mode == "RGBa":
        return image if image.mode == "RGBA" else image.convert("RGBA")
    if image.mode in ("1", "L"):
        return image if image.mode == "L" else image.convert("L")
    if image.mode == "LAB":
        to_rgb = ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")
        return ImageCms.applyTransform(image, to_rgb) or image
    return image if image.mode == "RGB" else image.convert("RGB")


def _reduced(image: Image.Image, width: int, height: int) -> Image.Image:
    """A picture of no less than this size, by averages over whole pixels."""
    factors = max(1, image.width // max(1, width)), max(1, image.height // max(1, height))
    return image if factors == (1, 1) else image.reduce(factors)


def _on_ground(image: Image.Image, background: str) -> Image.Image:
    if image.mode != "RGBA":
        return image
    ground = Image.new("RGBA", image.size, background)
    return Image.alpha_composite(ground, image).convert("RGB")


def _is_grey(image: Image.Image) -> bool:
    if image.mode == "L":
        return True
    pixels: NDArray[Any] = np.asarray(image)
    return bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 1] == pixels[..., 2]).all())
