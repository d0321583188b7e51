"""One image file of any format → pixels of the collection's size and colour. Runs in the decoding workers."""

import hashlib
import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, UnidentifiedImageError

from latentmap.images.shape import Shape, is_deep

# EPS would run Ghostscript on a stranger's program.
NOT_READ = {"EPS"}
# Formats with more than one picture in a file; in a TIFF they are pages, in the others frames of an animation.
PAGED, ANIMATED = {"TIFF"}, {"GIF", "WEBP", "PNG", "AVIF", "FLI"}
# Pictures much larger than the working size are brought near it before anything else is done with them.
SPARE = 2
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


class Failure(NamedTuple):
    """Why there is no picture."""

    reason: str


class Item(NamedTuple):
    """A picture to decode: the path of a file or its bytes, and which of its frames."""

    source: "str | bytes | Failure"
    frame: int | None = None  # None for a file that is one picture


@dataclass(frozen=True)
class Look:
    """What the choice of a shape needs to know of a picture."""

    width: int
    height: int
    is_grey: bool
    lowest: float | None = None  # of values deeper than 8 bits
    highest: float | None = None
    is_float: bool = False


class Decoded(NamedTuple):
    """A picture brought to the shape of the collection, the SHA-256 of what it was made from, and its own size."""

    pixels: NDArray[np.uint8]
    sha256: bytes
    width: int
    height: int


def look(item: Item) -> "Look | Failure":
    """Decode for a look."""
    seen: Look | Failure = _tried(item.source, _look, item.frame)
    return seen


def count_frames(item: Item, animations: bool) -> "int | Failure":
    """Pictures in a file: pages of a TIFF, frames of an animation if they are wanted, else 1."""
    counted: int | Failure = _tried(item.source, _count, animations)
    return counted


def decode(items: list[Item], shape: Shape) -> "list[Decoded | Failure]":
    """Decode pictures; frames of one file that follow each other are read in one go.

    A picture in colour where ``shape`` is grey, and was not asked to be, comes back in colour.
    """
    results: list[Decoded | Failure] = []
    for _, group in groupby(items, key=lambda item: item if item.frame is None else item.source):
        together = list(group)
        if together[0].frame is None:
            results += [_tried(one.source, _decode, shape) for one in together]
        else:
            results += _decode_frames(together, shape)
    return results


def _tried(source: "str | bytes | Failure", function: Any, *arguments: Any) -> Any:
    """The result of ``function`` on the opened file, or why there is none. Whatever a decoder raises ends here."""
    if isinstance(source, Failure):
        return source
    try:
        with _opened(source) as file:
            return function(file, *arguments)
    except Exception as error:
        return Failure(reason_for(error))


@contextmanager
def _opened(source: str | bytes) -> Iterator[IO[bytes]]:
    """A file, held against changes: when it is another one afterwards, what was read is not to be trusted."""
    if isinstance(source, bytes):
        yield io.BytesIO(source)
        return
    if os.path.exists(source) and not os.path.isfile(source):  # a pipe or a device would block  # noqa: PTH110, PTH113
        raise OSError("not a regular file")
    with open(source, "rb") as file:  # noqa: PTH123 - names need not be valid paths
        before = os.fstat(file.fileno())
        yield file
        after = os.fstat(file.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise OSError("changed while it was read")


@contextmanager
def _image(file: IO[bytes]) -> Iterator[Image.Image]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Pillow warns from half of its limit on: that much memory for one picture is too much here
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(file, formats=_formats()) as image:
            yield image


@cache
def _formats() -> list[str]:
    Image.init()
    return [name for name in Image.ID if name not in NOT_READ]


def _look(file: IO[bytes], frame: int | None) -> Look:
    with _image(file) as image:
        if frame:
            image.seek(frame)
        width, height = _upright_size(image)
        if is_deep(image):
            values = np.asarray(image)
            values = values[np.isfinite(values)]
            lowest, highest = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
            return Look(width, height, True, lowest, highest, image.mode == "F")
        image.draft(_draft_mode(image), (256, 256))
        image.load()
        return Look(width, height, _is_grey(_small(image, 128)))


def _count(file: IO[bytes], animations: bool) -> int:
    with _image(file) as image:
        if image.format in PAGED or (animations and image.format in ANIMATED):
            return int(getattr(image, "n_frames", 1))
        return 1


def _decode(file: IO[bytes], shape: Shape) -> Decoded:
    digest = hashlib.file_digest(file, "sha256").digest()  # type: ignore[arg-type]
    file.seek(0)
    with _image(file) as image:
        size = _upright_size(image)
        image.draft(_draft_mode(image), (SPARE * shape.width, SPARE * shape.height))
        image.load()
        return Decoded(_shaped(image, shape), digest, *size)


def _decode_frames(items: list[Item], shape: Shape) -> "list[Decoded | Failure]":
    found: dict[int | None, Decoded | Failure] = {}

    def read(file: IO[bytes]) -> None:
        with _image(file) as image:
            for item in items:
                found[item.frame] = _frame(image, item.frame or 0, shape)

    failure: Failure | None = _tried(items[0].source, read)
    return [found[item.frame] if failure is None else failure for item in items]


def _frame(image: Image.Image, number: int, shape: Shape) -> "Decoded | Failure":
    try:
        image.seek(number)
        frame = image.copy()
        digest = hashlib.sha256(f"{frame.mode} {frame.size}".encode() + frame.tobytes()).digest()
        return Decoded(_shaped(frame, shape), digest, *frame.size)
    except Exception as error:
        return Failure(reason_for(error))


def _draft_mode(image: Image.Image) -> str | None:
    return image.mode if image.mode in ("L", "RGB") else None


def _upright_size(image: Image.Image) -> tuple[int, int]:
    width, height = image.size
    return (height, width) if _orientation(image) in (5, 6, 7, 8) else (width, height)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # damaged EXIF does not spoil the picture
        return 1


def _shaped(image: Image.Image, shape: Shape) -> NDArray[np.uint8]:
    orientation = _orientation(image)
    flat = _small(image, SPARE * max(shape.width, shape.height), shape)
    if orientation in UPRIGHT:
        flat = flat.transpose(UPRIGHT[orientation])
    grey = flat.mode == "L" or _is_grey(flat)
    if shape.color == "auto":
        mode = "L" if shape.channels == 1 and grey else "RGB"
    else:
        mode = "L" if shape.channels == 1 else "RGB"
    return shape.apply(flat.convert(mode))


def _small(image: Image.Image, largest: int, shape: Shape | None = None) -> Image.Image:
    """Any mode → L or RGB without transparency, and no longer than ``largest``."""
    if is_deep(image):
        return _thumbnail(_to_8_bits(image, shape), largest)
    if image.mode in ("1", "L"):
        return _thumbnail(image.convert("L"), largest)
    if image.has_transparency_data or image.mode in ("La", "RGBa"):
        with_alpha = _thumbnail(image.convert("RGBA"), largest)
        ground = Image.new("RGBA", with_alpha.size, shape.background if shape is not None else "white")
        return Image.alpha_composite(ground, with_alpha).convert("RGB")
    if image.mode == "LAB":
        to_rgb = ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")
        return _thumbnail(ImageCms.applyTransform(image, to_rgb) or image, largest)
    return _thumbnail(image.convert("RGB"), largest)


def _thumbnail(image: Image.Image, largest: int) -> Image.Image:
    if max(image.size) > largest:
        image.thumbnail((largest, largest), Image.Resampling.BOX)
    return image


def _to_8_bits(image: Image.Image, shape: Shape | None) -> Image.Image:
    """Values deeper than 8 bits, stretched to the range that the collection uses; what is no number becomes black."""
    values = np.asarray(image, dtype=np.float32)
    low, high = shape.value_range if shape is not None and shape.value_range else (0.0, 65535.0)
    scaled = np.nan_to_num((values - low) * (255 / ((high - low) or 1.0)), nan=0.0, posinf=255.0, neginf=0.0)
    return Image.fromarray(np.rint(scaled).clip(0, 255).astype(np.uint8))


def _is_grey(image: Image.Image) -> bool:
    if image.mode == "L":
        return True
    pixels = np.asarray(image)
    return bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 1] == pixels[..., 2]).all())


def reason_for(error: BaseException) -> str:
    """An exception of a decoder in words; the path is listed beside it."""
    if isinstance(error, UnidentifiedImageError):
        return "not an image of any format that Pillow reads"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"more than {Image.MAX_IMAGE_PIXELS:,} pixels, as decompression bombs have (DecompressionBomb)"
    if isinstance(error, MemoryError):
        return "needs more memory than one picture may take"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}" if not isinstance(error, OSError) else str(error) or "cannot be read"
