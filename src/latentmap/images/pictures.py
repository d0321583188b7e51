"""One image of a file: its size and colours, and its pixels in the shape of a collection."""

import hashlib
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from latentmap.core.errors import DecodingError
from latentmap.images.boxes import Box
from latentmap.images.channel_image import ChannelImage
from latentmap.images.high_bit_depth import HighBitDepthImage, transpose_array
from latentmap.images.lazy_image import LazyImage
from latentmap.images.pixel_types import largest_pixel
from latentmap.images.shape import Shape, resize
from latentmap.images.spectrograms import Spectrogram
from latentmap.images.value_range import Range

# Much larger images are first reduced to this multiple of the size of the collection.
OVERSAMPLING = 2
PROBE_SIZE = 128  # of the reduced image in which colours are detected
# Transposition that makes an image upright, by its EXIF orientation.
TRANSPOSE_BY_ORIENTATION = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Orientations in which columns, or rows, of the upright image are stored in reverse.
REVERSED_COLUMNS, REVERSED_ROWS = (2, 3, 6, 7), (3, 4, 7, 8)
DEFAULT_LIMITS: Range = (0, 65535)


class Picture:
    """One image of a file, which is decoded when it is needed.

    Parameters
    ----------
    image : PIL.Image.Image, HighBitDepthImage, ChannelImage or LazyImage
        A lazy image is upright.
    orientation : int
        EXIF orientation, 1 to 8.

    Attributes
    ----------
    width, height : int
        Upright size in pixels.
    """

    def __init__(self, image: "Image.Image | HighBitDepthImage | ChannelImage | LazyImage", orientation: int) -> None:
        self._image = image if isinstance(image, Image.Image) else None
        self._lazy = image if isinstance(image, LazyImage) else None
        self._given = image if isinstance(image, HighBitDepthImage | ChannelImage) else None
        self._orientation = orientation
        self._transpose = TRANSPOSE_BY_ORIENTATION.get(orientation)
        self._swaps_sides = orientation in (5, 6, 7, 8)
        width, height = image.size
        self.width, self.height = (height, width) if self._swaps_sides else (width, height)

    @cached_property
    def _deep(self) -> HighBitDepthImage | ChannelImage | None:
        """The values of an image that Pillow does not hold."""
        return self._given if self._lazy is None else self._lazy.whole()

    @property
    def high_bit_depth(self) -> HighBitDepthImage | None:
        """The values, if they have more than 8 bits per channel."""
        return self._deep if isinstance(self._deep, HighBitDepthImage) else None

    @property
    def _channels(self) -> ChannelImage | None:
        return self._deep if isinstance(self._deep, ChannelImage) else None

    def load(self) -> None:
        """Decode the image in its original size, to find out whether it is damaged.

        Raises
        ------
        OSError
            If the image is damaged.
        """
        if self._lazy is not None:
            _ = self._lazy.digest
        if self._image is not None:
            self._image.load()

    def prepare_to_cut(self, with_digest: bool) -> None:
        """Decode the image for all of its parts, unless their rows are read one after the other.

        Parameters
        ----------
        with_digest : bool
            Whether :attr:`digest` is asked for when the parts are cut.

        Raises
        ------
        OSError
            If the image is damaged.
        """
        if self._lazy is None:
            self.load()
        elif with_digest:
            self._lazy.begin_digest()

    def cropped(self, box: Box) -> "Picture":
        """Return a part of the image.

        Parameters
        ----------
        box : Box
            Edges in the upright image.

        Returns
        -------
        Picture

        Raises
        ------
        DecodingError
            If the box does not lie in the image.
        """
        if not (0 <= box.left < box.right <= self.width and 0 <= box.top < box.bottom <= self.height):
            raise DecodingError(f"{self.width} × {self.height} pixels, in which the part {box.suffix} does not lie")
        left, top, right, bottom = box
        if self._orientation in REVERSED_COLUMNS:
            left, right = self.width - right, self.width - left
        if self._orientation in REVERSED_ROWS:
            top, bottom = self.height - bottom, self.height - top
        stored = Box(top, left, bottom, right) if self._swaps_sides else Box(left, top, right, bottom)
        deep = self._given if self._lazy is None else self._lazy
        if deep is not None:
            return Picture(deep.cropped(stored), self._orientation)
        assert self._image is not None
        return Picture(self._image.crop(stored), self._orientation)

    @property
    def mode(self) -> str:
        """Kind of values in the file: a mode of Pillow (L, RGB, P, CMYK, …), or I;16, F, RGB;16, RGB;F, 5 channels."""
        if self._channels is not None:
            return f"{self._channels.n_channels} channels"
        if self.high_bit_depth is None:
            assert self._image is not None
            return self._image.mode
        is_float, is_grey = self.high_bit_depth.is_float, self.high_bit_depth.values.ndim == 2
        return ("F" if is_float else "I;16") if is_grey else ("RGB;F" if is_float else "RGB;16")

    @property
    def has_colors(self) -> bool:
        """Whether the image is grey or in colour, rather than one of channels that are not colours."""
        return self._channels is None

    def channels(self, background: str = "white") -> ChannelImage:
        """The image as one of channels, also if it is grey or in colour.

        Parameters
        ----------
        background : str, default="white"
            Colour behind transparent pixels of 8 bits.

        Returns
        -------
        ChannelImage
        """
        if self._channels is not None:
            return self._channels
        if self.high_bit_depth is not None:
            values, masked = self.high_bit_depth.values, self.high_bit_depth.masked
        else:
            image = self._load(self.width, self.height)
            values, masked = np.asarray(_composite(_normalize_mode(image), background)), None
        return ChannelImage(values if values.ndim == 3 else values[..., None], (), masked, are_colors=True)

    @property
    def is_grey(self) -> bool:
        """Whether the image has no colours, as far as a reduced copy shows."""
        if self.high_bit_depth is not None:
            return self.high_bit_depth.is_grey
        image = self._load(PROBE_SIZE * OVERSAMPLING, PROBE_SIZE * OVERSAMPLING)
        return _is_grey(_composite(_reduce(_normalize_mode(image), PROBE_SIZE, PROBE_SIZE), "white"))

    def to_shape(self, shape: Shape) -> tuple[NDArray[Any], bytes | None]:
        """Convert the image to the shape of a collection.

        Parameters
        ----------
        shape : Shape
            If it is grey with ``color="auto"``, an image in colour is returned in colour.

        Returns
        -------
        pixels : ndarray (height, width) or (height, width, channels), uint8, or uint16 for 16 bits
        digest : bytes or None
            SHA-256 of all original pixels. None if the image was read at a smaller size.

        Raises
        ------
        DecodingError
            If it has other channels than the collection.
        """
        size = shape.resized(self.width, self.height)
        if shape.channel_list:
            return self._channels_to_shape(shape, *size)
        if self._channels is not None:
            raise DecodingError(
                f"{self._channels.n_channels} channels that are not colours, and the other images have colours: "
                "name the channels to take with --channels"
            )
        width, height = (OVERSAMPLING * side for side in size)
        loaded: Image.Image | None = None
        if self.high_bit_depth is not None:
            full = self.high_bit_depth.to_8_bit_image(
                shape.limits(self.high_bit_depth.is_float) or DEFAULT_LIMITS, shape.background
            )
            small = self._upright(_reduce(full, *self._file_size(width, height)))
        else:
            loaded = _normalize_mode(self._load(width, height))
            small = self._upright(_composite(_reduce(loaded, *self._file_size(width, height)), shape.background))
        is_grey = _is_grey(small)
        if shape.color == "auto":
            mode = "L" if shape.channels == 1 and is_grey else "RGB"
        else:
            mode = "L" if shape.channels == 1 else "RGB"
        pixels = shape.apply(small if small.mode == mode else small.convert(mode), size)
        if self.high_bit_depth is not None:
            return pixels, self.high_bit_depth.digest(self._transpose)
        assert loaded is not None
        if loaded.size != self._file_size(self.width, self.height):
            return pixels, None
        if pixels.shape[:2] == (self.height, self.width) and loaded.mode == mode and (mode == "L" or not is_grey):
            return pixels, _hash_pixels(mode, (self.width, self.height), pixels)
        return pixels, self._hash_image(loaded, is_grey)

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of all pixels in the original size, as :meth:`to_shape` computes it."""
        if self._lazy is not None:
            return self._lazy.digest
        if self._channels is not None:
            return self._digest_channels(self._channels)
        if self.high_bit_depth is not None:
            return self.high_bit_depth.digest(self._transpose)
        self.load()
        assert self._image is not None
        return self._hash_image(_normalize_mode(self._image), True)

    def _channels_to_shape(self, shape: Shape, width: int, height: int) -> tuple[NDArray[Any], bytes]:
        image = self.channels(shape.background)
        pixels = image.to_pixels(shape.channel_list, shape.file_channels, shape.bits)
        pixels = transpose_array(pixels, self._transpose)
        planes = [_resize_plane(pixels[..., k], width, height) for k in range(pixels.shape[2])]
        found = shape.place(np.stack(planes, axis=2))
        return found.reshape(shape.image_shape), self._digest_channels(image)

    def _digest_channels(self, image: ChannelImage) -> bytes:
        if isinstance(self.high_bit_depth, Spectrogram):
            return self.high_bit_depth.digest(None)
        return HighBitDepthImage(image.values, masked=image.masked).digest(self._transpose)

    def _file_size(self, width: int, height: int) -> tuple[int, int]:
        """An upright size in the orientation of the file."""
        return (height, width) if self._swaps_sides else (width, height)

    def _load(self, width: int, height: int) -> Image.Image:
        """Load the image; a JPEG perhaps at a smaller size that is at least the given one."""
        image = self._image
        assert image is not None
        image.draft(image.mode if image.mode in ("L", "RGB") else None, self._file_size(width, height))
        image.load()
        return image

    def _upright(self, image: Image.Image) -> Image.Image:
        return image if self._transpose is None else image.transpose(self._transpose)

    def _hash_image(self, image: Image.Image, may_be_grey: bool) -> bytes:
        """SHA-256 of the pixels of an image, independent of the mode that it is stored in."""
        if image.mode == "RGBA" and image.getchannel(3).getextrema() == (255, 255):
            image = image.convert("RGB")
        if image.mode == "RGB" and may_be_grey and _is_grey(image):
            image = image.getchannel(0)
        return _hash_pixels(image.mode, (self.width, self.height), self._upright(image).tobytes())


def _hash_pixels(mode: str, size: tuple[int, int], pixels: "bytes | NDArray[np.uint8]") -> bytes:
    digest = hashlib.sha256(f"{mode} {size}".encode())
    digest.update(pixels)
    return digest.digest()


def _normalize_mode(image: Image.Image) -> Image.Image:
    """Convert any 8-bit mode to L, RGB or RGBA."""
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


def _reduce(image: Image.Image, width: int, height: int) -> Image.Image:
    """Reduce an image by an integer factor to at least the given size."""
    factors = max(1, image.width // max(1, width)), max(1, image.height // max(1, height))
    return image if factors == (1, 1) else image.reduce(factors)


def _composite(image: Image.Image, background: str) -> Image.Image:
    if image.mode != "RGBA":
        return image
    ground = Image.new("RGBA", image.size, background)
    return Image.alpha_composite(ground, image).convert("RGB")


def _resize_plane(plane: NDArray[Any], width: int, height: int) -> NDArray[Any]:
    """Resize a channel (h, w), uint8 or uint16, which Pillow resizes as floats."""
    if plane.shape == (height, width):
        return plane
    is_deep = plane.dtype != np.uint8
    image = Image.fromarray(np.ascontiguousarray(plane, np.float32 if is_deep else np.uint8))
    small = np.asarray(resize(_reduce(image, OVERSAMPLING * width, OVERSAMPLING * height), width, height))
    return np.rint(small).clip(0, largest_pixel(plane.dtype)).astype(plane.dtype) if is_deep else small


def _is_grey(image: Image.Image) -> bool:
    if image.mode == "L":
        return True
    pixels: NDArray[Any] = np.asarray(image)
    return bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 1] == pixels[..., 2]).all())
