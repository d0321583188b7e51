"""Size, colour and range of values that all images of a collection are converted to."""

from dataclasses import asdict, dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from latentmap.core.errors import InputError
from latentmap.images.channels import Channel, ChannelOptions, channels_in_words
from latentmap.images.page_options import PageOptions
from latentmap.images.pixel_types import pixel_dtype

FIT_MODES = ("fit", "fill", "stretch")
COLOR_MODES = ("auto", "grey", "rgb")


@dataclass(frozen=True)
class ShapeOptions:
    """Shape of the images as the user requests it.

    Parameters
    ----------
    size : int, optional
        Side of the square images, 1 to 1024 pixels. By default the size is chosen from the collection.
    fit : {"fit", "fill", "stretch"}, default="fit"
        How an image of other proportions is brought to the size: shown whole on the colour of its border, cropped
        around its centre, or distorted.
    color : {"auto", "grey", "rgb"}, default="auto"
        Colour of the images. "auto" is grey if every image is grey.
    background : str, default="white"
        Colour behind transparent images: a CSS colour name or #rrggbb.
    channels : ChannelOptions
        Channels that are taken, their names and ranges.
    pages : PageOptions
        What the pages of files are.

    Raises
    ------
    InputError
        If a value is not valid.

    Examples
    --------
    >>> ShapeOptions(size=64, color="grey").as_dict()
    {'size': 64, 'fit': 'fit', 'color': 'grey', 'background': 'white'}
    """

    size: int | None = None
    fit: str = "fit"
    color: str = "auto"
    background: str = "white"
    channels: ChannelOptions = field(default_factory=ChannelOptions)
    pages: PageOptions = field(default_factory=PageOptions)

    def __post_init__(self) -> None:
        if self.size is not None and not 1 <= self.size <= 1024:
            raise InputError(f"size={self.size}: pass a side of 1 to 1024 pixels")
        for name, value, known in (("fit", self.fit, FIT_MODES), ("color", self.color, COLOR_MODES)):
            if value not in known:
                raise InputError(f"{name}={value!r}: choose among {', '.join(known)}")
        try:
            ImageColor.getrgb(self.background)
        except ValueError as error:
            raise InputError(f"background={self.background!r}: pass a colour such as white or #20a0ff") from error

    def as_dict(self) -> dict[str, Any]:
        """The options by name, as JSON values; those of channels and pages only where they are given."""
        found: dict[str, Any] = {name: getattr(self, name) for name in ("size", "fit", "color", "background")}
        usual = PageOptions()
        of_pages = {name: getattr(self.pages, name) for name in ("axes", "project")}
        found |= {name: value for name, value in of_pages.items() if value != getattr(usual, name)}
        return found | self.channels.as_dict()


@dataclass(frozen=True)
class Shape:
    """Size, colour and range of values that images are converted to.

    Parameters
    ----------
    height, width : int
        Size in pixels.
    channels : int
        1 for grey, 3 for RGB, or the number of ``channel_list``.
    fit : {"fit", "fill", "stretch"}, default="fit"
        See :class:`ShapeOptions`.
    color : {"auto", "grey", "rgb"}, default="auto"
        See :class:`ShapeOptions`.
    background : str, default="white"
        See :class:`ShapeOptions`.
    keep_pixels : bool, default=False
        Whether images that are not larger are placed on the canvas without being resized.
    value_range : (float, float), optional
        Integers of more than 8 bits that become 0 and 255. None if the collection has none.
    why : str, default=""
        How the shape was chosen, as a sentence fragment for the report.
    float_range : (float, float), optional
        Floats that become 0 and 255. None if the collection has none.
    channel_list : tuple of Channel, default=()
        The channels of a collection whose channels are not colours.
    file_channels : int, optional
        Number of channels that a file has. None if it may have more than are taken.
    axes : {"auto", "images", "channels", "z"}, default="auto"
        See :class:`latentmap.images.page_options.PageOptions`.
    project : {"max", "mean"}, default="max"
        See :class:`latentmap.images.page_options.PageOptions`.
    bits : {8, 16}, default=8
        Bits per pixel that are kept; see :mod:`latentmap.images.pixel_types`.
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
    channel_list: tuple[Channel, ...] = ()
    file_channels: int | None = None
    axes: str = "auto"
    project: str = "max"
    bits: int = 8

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels: uint8 or uint16."""
        return pixel_dtype(self.bits)

    @property
    def image_bytes(self) -> int:
        """Size of the pixels of an image in bytes."""
        return prod(self.image_shape) * self.dtype.itemsize

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of an image: (height, width) or (height, width, channels)."""
        return (self.height, self.width) if self.channels == 1 else (self.height, self.width, self.channels)

    @property
    def pages(self) -> PageOptions:
        """How files are read."""
        return PageOptions(self.axes, self.project, bool(self.channel_list))

    def __str__(self) -> str:
        if not self.why:
            return ""
        if self.channel_list:
            return f"{self.width} × {self.height} pixels of {channels_in_words(self.channel_list)}: {self.why}"
        kind = "grey" if self.channels == 1 else "in colour"
        ranges = [
            f"; {name} {limits[0]:,.6g} to {limits[1]:,.6g} become 0 to 255"
            for name, limits in (("values", self.value_range), ("floats", self.float_range))
            if limits is not None and "become 0 to 255" not in self.why
        ]
        return f"{self.width} × {self.height} pixels, {kind}: {self.why}{''.join(ranges)}"

    def as_dict(self) -> dict[str, Any]:
        """The parameters by name, as JSON values; those of channels, pages and bits only if not the defaults."""
        found = asdict(self)
        usual = {"channel_list": (), "file_channels": None, "axes": "auto", "project": "max", "bits": 8}
        return {name: value for name, value in found.items() if name not in usual or value != usual[name]}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "Shape":
        """Make a shape from its parameters.

        Parameters
        ----------
        fields : dict
            Parameters by name, as :meth:`as_dict` returns them.

        Returns
        -------
        Shape
        """
        # early runs have one range for integers and floats
        fields = {"float_range": fields["value_range"]} | fields
        ranges = {
            name: None if fields[name] is None else tuple(fields[name]) for name in ("value_range", "float_range")
        }
        channels = tuple(Channel(**one) for one in fields.get("channel_list", ()))
        return cls(**fields | ranges | {"channel_list": channels})

    def limits(self, is_float: bool) -> tuple[float, float] | None:
        """Return the values of more than 8 bits that become 0 and 255.

        Parameters
        ----------
        is_float : bool
            Whether the values are floats or integers.

        Returns
        -------
        (float, float) or None
            None if the collection has no range for these values.
        """
        return self.float_range if is_float else self.value_range

    def resized(self, width: int, height: int) -> tuple[int, int]:
        """Compute the size that an image is resized to.

        Parameters
        ----------
        width, height : int
            Original size in pixels.

        Returns
        -------
        width, height : int
            Size in pixels, before the image is cropped or placed on the canvas.
        """
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
        """Convert an image to this shape.

        Parameters
        ----------
        image : PIL.Image.Image
            Image of mode L or RGB.
        size : (int, int), optional
            Width and height that it is resized to, by default those that :meth:`resized` gives for its own size.

        Returns
        -------
        ndarray (height, width) or (height, width, 3), uint8
        """
        width, height = size or self.resized(*image.size)
        return self.place(np.array(resize(image, width, height)))

    def place(self, resized: NDArray[Any]) -> NDArray[Any]:
        """Crop an image that was resized, or centre it on a canvas.

        Parameters
        ----------
        resized : ndarray (h, w) or (h, w, channels), uint8 or uint16

        Returns
        -------
        ndarray (height, width) or (height, width, channels), of the same type
        """
        height, width = resized.shape[:2]
        if (width, height) == (self.width, self.height):
            return resized
        if width <= self.width and height <= self.height:
            return self._on_canvas(resized)
        top, left = (height - self.height) // 2, (width - self.width) // 2
        return resized[top : top + self.height, left : left + self.width].copy()

    def without_canvas(self, pixels: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
        """Return the part of a converted image that is not the canvas around it.

        Parameters
        ----------
        pixels : ndarray (height, width) or (height, width, channels), uint8 or uint16
            An image in this shape.
        size : (int, int)
            Original width and height of the image.

        Returns
        -------
        ndarray of fewer rows or columns
        """
        width, height = self.resized(*size)
        width, height = min(width, self.width), min(height, self.height)
        top, left = (self.height - height) // 2, (self.width - width) // 2
        return pixels[top : top + height, left : left + width]

    def _on_canvas(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Centre an image on a canvas of the median colour of its border."""
        border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
        canvas = np.empty((self.height, self.width, *pixels.shape[2:]), pixels.dtype)
        canvas[:] = np.rint(np.median(border, axis=0)).astype(pixels.dtype)
        height, width = pixels.shape[:2]
        top, left = (self.height - height) // 2, (self.width - width) // 2
        canvas[top : top + height, left : left + width] = pixels
        return canvas


def resize(image: Image.Image, width: int, height: int) -> Image.Image:
    """Resize an image, with sharp pixels if it becomes an integer multiple.

    Parameters
    ----------
    image : PIL.Image.Image
    width, height : int

    Returns
    -------
    PIL.Image.Image
    """
    if (width, height) == image.size:
        return image
    # integer multiples of tiny images keep their pixels sharp
    is_multiple = width % image.width == 0 and height % image.height == 0
    return image.resize((width, height), Image.Resampling.NEAREST if is_multiple else Image.Resampling.LANCZOS)
