"""The channels of a run whose images are not grey or RGB: names, ranges, colours in pictures, and errors."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.autoencoder import Autoencoder
from latentmap.images import ImageCollection
from latentmap.images.channels import Channel
from latentmap.images.mixing import MixedChannel, Mixing
from latentmap.images.pixel_types import bits_of, pixel_dtype

CHANNEL_ERRORS = "channel_errors"  # column of latents.parquet and placed.parquet
ERROR_PREFIX = "error_"  # of the columns of the atlas, before the name of a channel


def describe_channels(images: ImageCollection) -> list[dict[str, Any]]:
    """The record of the channels in run.json: number, name, range, and how each is shown."""
    if len(images.channels) == 1:
        shown = [MixedChannel("#ffffff")]
    else:
        shown = list(Mixing.choose(images.images, images.channels).channels)
    return [vars(one) | vars(look) for one, look in zip(images.channels, shown, strict=True)]


def bits_record(images: ImageCollection) -> dict[str, int]:
    """The record of the bits per pixel in run.json; none for 8, as in runs made before there were others."""
    bits = bits_of(images.images)
    return {} if bits == 8 else {"bits": bits}


def dtype_of(source: dict[str, Any]) -> np.dtype[Any]:
    """The type of the pixels by the record of a source in run.json."""
    return pixel_dtype(source.get("bits", 8))


def channels_of(source: dict[str, Any]) -> tuple[Channel, ...]:
    """The channels by the record of a source in run.json; empty for grey and RGB."""
    names = ("number", "name", "low", "high")
    return tuple(Channel(*(one[name] for name in names)) for one in source.get("channels", ()))


def mixing_of(source: dict[str, Any]) -> Mixing | None:
    """The colours of the channels by the record of a source in run.json; None for pictures as they are."""
    channels = source.get("channels", [])
    return None if len(channels) < 2 else Mixing.from_list(channels, len(channels))


def channel_errors(model: Autoencoder, source: dict[str, Any], pixels: NDArray[Any]) -> NDArray[np.float32] | None:
    """Reconstruction error of each image in each channel (n, c); None without channels."""
    return None if mixing_of(source) is None else model.channel_errors(pixels)


def error_columns(source: dict[str, Any], errors: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Errors (n, c) as columns of the atlas."""
    names = [one.name for one in channels_of(source)]
    return {f"{ERROR_PREFIX}{name}": np.ascontiguousarray(errors[:, k]) for k, name in enumerate(names)}


def picture_shape(source: dict[str, Any]) -> tuple[int, ...]:
    """Shape of the picture of an image: (height, width) or (height, width, 3)."""
    shape = tuple(source["image_shape"])
    return shape if len(shape) == 2 else (*shape[:2], 3)
