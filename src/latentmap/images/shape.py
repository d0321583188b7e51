"""The one size, colour and range of values that all images of a collection are brought to."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from latentmap.images.probe import ImageProbe
from latentmap.images.value_range import Range, joined, whole_bits

# A working size that nobody chose lies between these, in pixels.
SMALLEST, LARGEST = 8, 128
# Pictures up to this size are laid on a common canvas pixel by pixel instead of being resized.
TINY = 32
# Pictures are long beyond 1 to 4, a binary logarithm; their longer side goes up to so many pixels.
LONG, LONGEST = 2, 512
# Share of the pictures that make a size or a proportion the collection's own.
MOST = 0.9
FITS = ("fit", "fill", "stretch")
COLORS = ("auto", "grey", "rgb")


@dataclass(frozen=True)
class ShapeOptions:
    """The shape that the user asks for.

    Parameters
    ----------
    size : int, optional
        Side of a square in pixels. By default the size is chosen from the collection.
    fit : {"fit", "fill", "stretch"}
        A picture of another size is shown whole on the colour of its border, or cropped around its centre, or
        distorted.
    color : {"auto", "grey", "rgb"}
        "auto" is grey when every picture is.
    background : str
        What transparent pictures lie on: a name that CSS knows, or #rrggbb.

    Raises
    ------
    ValueError
        For a value out of its range.
    """

    size: int | None = None
    fit: str = "fit"
    color: str = "auto"
    background: str = "white"

    def __post_init__(self) -> None:
        if self.size is not None and not 1 <= self.size <= 1024:
            raise ValueError(f"size={self.size}: ask for a side of 1 to 1024 pixels")
        for name, value, known in (("fit", self.fit, FITS), ("color", self.color, COLORS)):
            if value not in known:
                raise ValueError(f"{name}={value!r}: choose among {', '.join(known)}")
        try:
            ImageColor.getrgb(self.background)
        except ValueError as error:
            raise ValueError(f"background={self.background!r}: pass a colour such as white or #20a0ff") from error


@dataclass(frozen=True)
class Shape:
    """The shape, colour and range that images are converted to.

    Attributes
    ----------
    height, width : int
    channels : int
        1 or 3.
    fit, color, background
        See :class:`ShapeOptions`.
    keep_pixels : bool
        Pictures that find room are laid on the canvas without being resized.
    value_range, float_range : (float, float), optional
        Integers deeper than 8 bits, and floats, that become 0 and 255. None where the collection has none.
    why : str
        How the shape was found, in words.
    """

    height: int
    width: int
    channels: int
    fit: str = "fit"
    color: str = "auto"
    background: str = "white"
    keep_pixels: bool = False
    value_range: tuple[float, float] | None = None
    why: str = ""
    float_range: tuple[float, float] | None = None

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(height, width) or (height, width, 3)."""
        return (self.height, self.width) if self.channels == 1 else (self.height, self.width, 3)

    def __str__(self) -> str:
        kind = "grey" if self.channels == 1 else "in colour"
        if not self.why:
            return ""
        ranges = [
            f"; {name} {limits[0]:,.6g} to {limits[1]:,.6g} become 0 to 255"
            for name, limits in (("values", self.value_range), ("floats", self.float_range))
            if limits is not None and "become 0 to 255" not in self.why
        ]
        return f"{self.width} × {self.height} pixels, {kind}: {self.why}{''.join(ranges)}"

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, as JSON can hold them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "Shape":
        """The other way round."""
        # runs made before there were two ranges had one for both kinds
        fields = {"float_range": fields["value_range"]} | fields
        ranges = {
            name: None if fields[name] is None else tuple(fields[name]) for name in ("value_range", "float_range")
        }
        return cls(**fields | ranges)

    def limits(self, is_float: bool) -> tuple[float, float] | None:
        """Values of a picture deeper than 8 bits that become 0 and 255; None where no range is known."""
        return self.float_range if is_float else self.value_range

    def resized(self, width: int, height: int) -> tuple[int, int]:
        """The size that a picture is brought to, before it is cropped or laid on the canvas."""
        if self.keep_pixels and width <= self.width and height <= self.height:
            return width, height
        if self.fit == "stretch":
            return self.width, self.height
        scales = self.width / width, self.height / height
        scale = min(scales) if self.fit == "fit" else max(scales)
        bound = min if self.fit == "fit" else max
        across, down = (max(1, round(length * scale)) for length in (width, height))
        return bound(across, self.width), bound(down, self.height)

    def apply(self, image: Image.Image, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """A picture of mode L or RGB → (height, width) or (height, width, 3) uint8, brought to ``size`` on the way.

        By default that is the size for a picture as large as this one.
        """
        width, height = size or self.resized(*image.size)
        resized = np.array(_resized(image, width, height))
        if (width, height) == (self.width, self.height):
            return resized
        if width <= self.width and height <= self.height:
            return self._on_canvas(resized)
        top, left = (height - self.height) // 2, (width - self.width) // 2
        return resized[top : top + self.height, left : left + self.width].copy()

    def _on_canvas(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Centred on the median colour of its border."""
        border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
        canvas = np.empty((self.height, self.width, *pixels.shape[2:]), np.uint8)
        canvas[:] = np.rint(np.median(border, axis=0)).astype(np.uint8)
        height, width = pixels.shape[:2]
        top, left = (self.height - height) // 2, (self.width - width) // 2
        canvas[top : top + height, left : left + width] = pixels
        return canvas


def _resized(image: Image.Image, width: int, height: int) -> Image.Image:
    if (width, height) == image.size:
        return image
    # whole multiples of tiny pictures keep their pixels sharp
    is_multiple = width % image.width == 0 and height % image.height == 0
    return image.resize((width, height), Image.Resampling.NEAREST if is_multiple else Image.Resampling.LANCZOS)


def choose_shape(probes: Sequence[ImageProbe], options: ShapeOptions, n: int) -> Shape:
    """The shape for a collection of ``n`` pictures, after a look at some or all of them."""
    height, width, keep_pixels, why = _size(
        probes, options, f"{len(probes):,} of {n:,}" if len(probes) < n else f"{n:,}"
    )
    grey = all(one.is_grey for one in probes) if options.color == "auto" else options.color == "grey"
    shape = Shape(
        height, width, 1 if grey else 3, options.fit, options.color, options.background, keep_pixels, None, why
    )
    return with_ranges(shape, probes)


def _size(probes: Sequence[ImageProbe], options: ShapeOptions, seen: str) -> tuple[int, int, bool, str]:
    sizes = np.array([(one.height, one.width) for one in probes])
    if options.size is not None:
        why = f"the size that was asked for; others are brought to it ({options.fit})"
        return options.size, options.size, False, why
    (height, width), count = Counter(map(tuple, sizes.tolist())).most_common(1)[0]
    if count >= MOST * len(sizes) and max(height, width) <= LARGEST:
        return height, width, True, f"the size of {count:,} of the pictures ({seen} looked at), kept to the pixel"
    canvas = sizes.max(axis=0)
    if canvas.max() <= TINY and (canvas <= 2 * np.median(sizes, axis=0)).all():
        height, width = (max(SMALLEST, int(side)) for side in canvas)
        return height, width, True, f"the largest of the tiny pictures ({seen} looked at), kept to the pixel"
    side = int(np.clip(np.median(sizes.min(axis=1)), SMALLEST, LARGEST))
    proportions = np.log2(sizes[:, 1] / sizes[:, 0])
    if max((proportions > LONG).mean(), (proportions < -LONG).mean()) >= MOST:
        longer, shorter = _long_canvas(side, 2 ** float(np.median(np.abs(proportions))))
        height, width = (shorter, longer) if np.median(proportions) > 0 else (longer, shorter)
        return height, width, False, f"the usual proportions of {seen} long pictures ({options.fit})"
    proportion, count = Counter(np.round(proportions, 1).tolist()).most_common(1)[0]
    if count >= MOST * len(sizes) and abs(proportion) <= LONG:
        exact = float(np.median(sizes[:, 1] / sizes[:, 0]))
        longer = min(LARGEST, int(side * max(exact, 1 / exact)))
        height, width = (round(longer / exact), longer) if exact > 1 else (longer, round(longer * exact))
        return max(height, 1), max(width, 1), False, f"the common proportions of {seen} pictures ({options.fit})"
    return side, side, False, f"the median of the shorter sides of {seen} pictures ({options.fit})"


def _long_canvas(side: int, proportion: float) -> tuple[int, int]:
    """Longer and shorter side for pictures that are so many times as long as they are wide.

    As many pixels across as pictures of 1 to 4 have in the largest size, until the longer side reaches its bound.
    """
    shorter = min(side, LARGEST >> LONG)
    longer = min(LONGEST, round(shorter * proportion))
    return longer, max(SMALLEST, min(shorter, round(longer / proportion)))


def with_ranges(shape: Shape, probes: Sequence[ImageProbe]) -> Shape:
    """The same with the ranges of values, of integers and of floats, and the colours that the pictures have."""
    deep = [one for one in probes if one.lowest is not None and one.highest is not None]
    ranges = {
        name: joined([(one.lowest or 0, one.highest or 0) for one in deep if one.is_float == is_float])
        for name, is_float in (("value_range", False), ("float_range", True))
    }
    in_color = shape.color == "auto" and not all(one.is_grey for one in probes)
    return replace(
        shape,
        channels=3 if in_color else shape.channels,
        value_range=_whole(ranges["value_range"]),
        float_range=_not_empty(ranges["float_range"]),
    )


def _whole(limits: Range | None) -> Range | None:
    """Whole bits for integers of up to 16 bits that are not negative, what was seen for others."""
    if limits is not None and limits[0] >= 0 and limits[1] < 2**16:
        return 0, whole_bits(limits[1])
    return _not_empty(limits)


def _not_empty(limits: Range | None) -> Range | None:
    return limits if limits is None or limits[0] < limits[1] else (limits[0], limits[0] + 1)


def has_seen_ranges(shape: Shape) -> bool:
    """Whether ranges are those of the pictures that were looked at, and others may well go beyond them."""
    return shape.float_range is not None or (shape.value_range is not None and shape.value_range[0] != 0)


def color_shape(shape: Shape) -> Shape:
    """The same in colour, after a picture in colour has turned up."""
    return replace(shape, channels=3)
