"""The one size, colour and range of values that all images of a collection are brought to."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

if TYPE_CHECKING:
    from latentmap.images.decoding import Look

# A working size that nobody chose lies between these, in pixels.
SMALLEST, LARGEST = 8, 128
# Pictures up to this size are laid on a common canvas pixel by pixel instead of being resized.
TINY = 32
# Share of the pictures that make a size or a proportion the collection's own.
MOST = 0.9
FITS = ("fit", "fill", "stretch")
COLORS = ("auto", "grey", "rgb")


@dataclass(frozen=True)
class ShapeOptions:
    """What the user wants of the shape.

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
    """What images are brought to.

    Attributes
    ----------
    height, width : int
    channels : int
        1 or 3.
    fit, color, background
        See :class:`ShapeOptions`.
    keep_pixels : bool
        Pictures that find room are laid on the canvas without being resized.
    value_range : (float, float), optional
        Values deeper than 8 bits that become 0 and 255.
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

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(height, width) or (height, width, 3)."""
        return (self.height, self.width) if self.channels == 1 else (self.height, self.width, 3)

    def __str__(self) -> str:
        kind = "grey" if self.channels == 1 else "in colour"
        return f"{self.width} × {self.height} pixels, {kind}: {self.why}" if self.why else ""

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, as JSON can hold them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "Shape":
        """The other way round."""
        limits = fields["value_range"]
        return cls(**fields | {"value_range": None if limits is None else tuple(limits)})

    def apply(self, image: Image.Image) -> NDArray[np.uint8]:
        """A picture of mode L or RGB → (height, width) or (height, width, 3) uint8."""
        if image.size == (self.width, self.height):
            return np.array(image)
        if self.keep_pixels and image.width <= self.width and image.height <= self.height:
            return self._on_canvas(np.asarray(image))
        across, down = self.width / image.width, self.height / image.height
        if self.fit == "stretch":
            return np.array(_resized(image, self.width, self.height, min(across, down)))
        scale = min(across, down) if self.fit == "fit" else max(across, down)
        width, height = (max(1, round(length * scale)) for length in image.size)
        if self.fit == "fit":
            resized = _resized(image, min(width, self.width), min(height, self.height), scale)
            return self._on_canvas(np.asarray(resized))
        pixels = np.asarray(_resized(image, max(width, self.width), max(height, self.height), scale))
        top, left = (pixels.shape[0] - self.height) // 2, (pixels.shape[1] - self.width) // 2
        return np.array(pixels[top : top + self.height, left : left + self.width])

    def _on_canvas(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Centred on the median colour of its border."""
        border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
        canvas = np.empty((self.height, self.width, *pixels.shape[2:]), np.uint8)
        canvas[:] = np.rint(np.median(border, axis=0)).astype(np.uint8)
        height, width = pixels.shape[:2]
        top, left = (self.height - height) // 2, (self.width - width) // 2
        canvas[top : top + height, left : left + width] = pixels
        return canvas


def _resized(image: Image.Image, width: int, height: int, scale: float) -> Image.Image:
    if (width, height) == image.size:
        return image
    # whole multiples of tiny pictures keep their pixels sharp
    kind = Image.Resampling.NEAREST if scale > 1 and scale == int(scale) else Image.Resampling.LANCZOS
    return image.resize((width, height), kind)


def is_deep(image: Image.Image) -> bool:
    """Whether values have more than 8 bits."""
    return image.mode.startswith("I") or image.mode == "F"


def choose_shape(looks: Sequence["Look"], options: ShapeOptions, n: int) -> Shape:
    """The shape for a collection of ``n`` pictures, after a look at some or all of them."""
    height, width, keep_pixels, why = _size(looks, options, f"{len(looks):,} of {n:,}" if len(looks) < n else f"{n:,}")
    grey = all(one.is_grey for one in looks) if options.color == "auto" else options.color == "grey"
    limits = _value_range(looks)
    if limits is not None:
        why += f"; values {limits[0]:g} to {limits[1]:g} become 0 to 255"
    return Shape(
        height, width, 1 if grey else 3, options.fit, options.color, options.background, keep_pixels, limits, why
    )


def _size(looks: Sequence["Look"], options: ShapeOptions, seen: str) -> tuple[int, int, bool, str]:
    sizes = np.array([(one.height, one.width) for one in looks])
    if options.size is not None:
        return (
            options.size,
            options.size,
            False,
            f"the size that was asked for; others are brought to it ({options.fit})",
        )
    (height, width), count = Counter(map(tuple, sizes.tolist())).most_common(1)[0]
    if count >= MOST * len(sizes) and max(height, width) <= LARGEST:
        return height, width, True, f"the size of {count:,} of the pictures ({seen} looked at), kept to the pixel"
    canvas = sizes.max(axis=0)
    if canvas.max() <= TINY and (canvas <= 2 * np.median(sizes, axis=0)).all():
        height, width = (max(SMALLEST, int(side)) for side in canvas)
        return height, width, True, f"the largest of the tiny pictures ({seen} looked at), kept to the pixel"
    side = int(np.clip(np.median(sizes.min(axis=1)), SMALLEST, LARGEST))
    proportions = np.round(np.log2(sizes[:, 1] / sizes[:, 0]), 1)
    proportion, count = Counter(proportions.tolist()).most_common(1)[0]
    if count >= MOST * len(sizes) and abs(proportion) <= 2:
        exact = float(np.median(sizes[:, 1] / sizes[:, 0]))
        longer = min(LARGEST, int(side * max(exact, 1 / exact)))
        height, width = (round(longer / exact), longer) if exact > 1 else (longer, round(longer * exact))
        return max(height, 1), max(width, 1), False, f"the common proportions of {seen} pictures ({options.fit})"
    return side, side, False, f"the median of the shorter sides of {seen} pictures ({options.fit})"


def _value_range(looks: Sequence["Look"]) -> tuple[float, float] | None:
    """Of values deeper than 8 bits: whole bits for integers that are not negative, what was seen for others."""
    deep = [one for one in looks if one.lowest is not None and one.highest is not None]
    if not deep:
        return None
    low, high = min(one.lowest or 0.0 for one in deep), max(one.highest or 0.0 for one in deep)
    if low >= 0 and not any(one.is_float for one in deep) and high < 2**16:
        return 0.0, float(2 ** max(8, int(high).bit_length()) - 1)
    return low, high if high > low else low + 1


def color_shape(shape: Shape) -> Shape:
    """The same in colour, after a picture in colour has turned up."""
    return Shape.from_dict(shape.as_dict() | {"channels": 3})
