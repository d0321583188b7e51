"""Pictures of images of several channels: each channel has a colour, and their light is added."""

import colorsys
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor

from latentmap.core.errors import InputError
from latentmap.images.channels import Channel
from latentmap.images.pixel_types import as_pixels, largest_pixel

MAX_BRIGHTNESS = 16.0
# Colours of the channels with most variance, the first one first; distinct also where two of them coincide. More could
# not be told apart, so that other channels are not visible at first.
COLORS = ("#00e060", "#ff2bd6", "#3d7bff", "#ffb000", "#00d5e8", "#ff4a3d")
PURE_COLORS = {"red": "#ff0000", "green": "#00ff00", "blue": "#0000ff"}
N_SAMPLE = 500  # images whose variance orders the channels
N_PIXELS_MIXED_AT_ONCE = 2**20
_HEX = re.compile(r"#[0-9a-f]{6}")


@dataclass(frozen=True)
class MixedChannel:
    """How a channel is shown.

    Parameters
    ----------
    color : str
        ``#rrggbb``, the colour of the largest pixel.
    visible : bool, default=True
    brightness : float, default=1.0
        Factor of the colour, from 0 to 16.

    Raises
    ------
    InputError
        If a value is not valid.
    """

    color: str
    visible: bool = True
    brightness: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.color, str) or not _HEX.fullmatch(self.color):
            raise InputError(f"color={self.color!r}: pass a colour such as #20a0ff")
        if not isinstance(self.visible, bool):
            raise InputError(f"visible={self.visible!r}: pass true or false")
        is_number = isinstance(self.brightness, int | float) and not isinstance(self.brightness, bool)
        if not is_number or not isfinite(self.brightness) or not 0 <= self.brightness <= MAX_BRIGHTNESS:
            raise InputError(f"brightness={self.brightness!r}: pass a number from 0 to {MAX_BRIGHTNESS:g}")


@dataclass(frozen=True)
class Mixing:
    """Colours of the channels of a collection, which make pictures of its images.

    Parameters
    ----------
    channels : tuple of MixedChannel

    Examples
    --------
    >>> mixing = Mixing((MixedChannel("#ff0000"), MixedChannel("#0000ff", brightness=0.5)))
    >>> mixing.mix(np.array([[[255, 0], [100, 200]]], np.uint8)).tolist()
    [[[255, 0, 0], [100, 0, 100]]]
    """

    channels: tuple[MixedChannel, ...]

    @classmethod
    def choose(cls, images: NDArray[Any], channels: Sequence[Channel]) -> "Mixing":
        """Choose colours for a collection.

        The channels with most variance get the colours that are easiest to tell apart, and only these are visible if
        there are many. Channels that are called red, green and blue get these colours.

        Parameters
        ----------
        images : array (n, h, w, c), uint8 or uint16
        channels : sequence (c) of Channel

        Returns
        -------
        Mixing
        """
        names = [one.name for one in channels]
        if all(name in PURE_COLORS for name in names):
            return cls(tuple(MixedChannel(PURE_COLORS[name]) for name in names))
        some = images[:: -(-len(images) // N_SAMPLE)]
        variances = [float(some[..., k].var(dtype=np.float64)) for k in range(len(names))]
        order = np.argsort(-np.array(variances), kind="stable").tolist()
        return cls(tuple(_color_of(order.index(k)) for k in range(len(names))))

    @classmethod
    def from_list(cls, values: Any, n_channels: int) -> "Mixing":
        """Read a mixing from JSON values.

        Parameters
        ----------
        values : object
            A list of objects with ``color``, ``visible`` and ``brightness``.
        n_channels : int
            Number of channels of the images.

        Returns
        -------
        Mixing

        Raises
        ------
        InputError
            If it is none, or has another number of channels.
        """
        is_list = isinstance(values, list) and all(isinstance(one, dict) for one in values)
        if not is_list or len(values) != n_channels:
            raise InputError(f"channels: pass a list of {n_channels} objects with color, visible and brightness")
        names = ("color", "visible", "brightness")
        if not all(name in one for one in values for name in names):
            raise InputError("channels: each has color, visible and brightness")
        return cls(tuple(MixedChannel(*(one[name] for name in names)) for one in values))

    def as_list(self) -> list[dict[str, Any]]:
        """The channels as JSON values."""
        return [asdict(one) for one in self.channels]

    def mix(self, pixels: NDArray[Any]) -> NDArray[np.uint8]:
        """Add the light of the visible channels.

        Parameters
        ----------
        pixels : array (..., c)
            uint8, uint16, or floats in [0, 1].

        Returns
        -------
        ndarray (..., 3), uint8
        """
        factor = 255 if pixels.dtype.kind == "f" else 255 / largest_pixel(pixels.dtype)
        shown = [k for k, one in enumerate(self.channels) if one.visible and one.brightness > 0]
        colors = [
            np.array(ImageColor.getrgb(self.channels[k].color)) * (factor * self.channels[k].brightness / 255)
            for k in shown
        ]
        light = np.array(colors, np.float32).reshape(len(shown), 3)
        flat = pixels.reshape(-1, pixels.shape[-1])
        found = np.empty((len(flat), 3), np.uint8)
        for begin in range(0, len(flat), N_PIXELS_MIXED_AT_ONCE):
            part = slice(begin, begin + N_PIXELS_MIXED_AT_ONCE)
            found[part] = np.rint(flat[part][:, shown].astype(np.float32) @ light).clip(0, 255)
        return found.reshape(*pixels.shape[:-1], 3)


def as_picture(pixels: NDArray[Any], mixing: Mixing | None) -> NDArray[Any]:
    """Pixels as they are shown: channels mixed to RGB, one channel as 8-bit grey, and grey and RGB unchanged.

    Parameters
    ----------
    pixels : array (..., *image_shape)
        uint8, uint16, or floats in [0, 1].
    mixing : Mixing or None
        The colours of several channels.

    Returns
    -------
    ndarray (..., height, width) or (..., height, width, 3)
        uint8; floats that are not mixed stay as they are.
    """
    if mixing is not None:
        return mixing.mix(pixels)
    return as_pixels(pixels, np.dtype(np.uint8)) if pixels.dtype == np.uint16 else pixels


class MixedImages:
    """Pictures of a collection of channels, made when they are read.

    Parameters
    ----------
    images : array (n, h, w, c) or (n, h, w), uint8 or uint16
    mixing : Mixing or None
        The colours of the channels; None for one channel.

    Attributes
    ----------
    shape : tuple of int
        (n, h, w, 3) or (n, h, w).
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, images: NDArray[Any], mixing: Mixing | None) -> None:
        self._images, self._mixing = images, mixing
        self.shape = images.shape if mixing is None else (*images.shape[:3], 3)
        self.ndim = len(self.shape)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, rows: Any) -> NDArray[np.uint8]:
        return as_picture(np.asarray(self._images[rows]), self._mixing)


def _color_of(rank: int) -> MixedChannel:
    if rank < len(COLORS):
        return MixedChannel(COLORS[rank])
    red, green, blue = colorsys.hsv_to_rgb((rank * 0.381966) % 1, 0.8, 1)  # by the golden section: never the same hue
    color = "".join(f"{round(255 * light):02x}" for light in (red, green, blue))
    return MixedChannel(f"#{color}", visible=False)
