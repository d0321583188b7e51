"""Preprocessing of an encoder: how images are resized, and how their pixels become the values of its input."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.errors import EncoderError
from latentmap.encoder.input_shape import InputShape
from latentmap.images.shape import FIT_MODES, Shape

# Mean and standard deviation of ImageNet, with which most networks for colour images were trained.
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
MAX_SIDE = 4096  # pixels


@dataclass(frozen=True)
class Preprocessing:
    """How images become the input of an encoder.

    Parameters
    ----------
    height, width, channels : int
        Size of the input; 1 channel is grey, 3 are RGB.
    fit : {"fit", "fill", "stretch"}, default="fit"
        Whether an image of other proportions is shown whole, cropped, or distorted.
    edge : (int, int), optional
        Height and width that images are resized to before they are cropped; by default the size of the input.
    resample : int, default=3
        Filter: 0 nearest, 1 Lanczos, 2 bilinear, 3 bicubic, 4 box, 5 Hamming.
    factor : float, default=1/255
        Factor on the pixels, before mean and standard deviation.
    mean, std : tuple of float, optional
        Mean and standard deviation of each channel, or one for all; by default 0 and 1.
    reverses_channels : bool, default=False
        Whether the input is BGR.

    Raises
    ------
    EncoderError
        If a value is not valid.
    """

    height: int
    width: int
    channels: int
    fit: str = "fit"
    edge: tuple[int, int] | None = None
    resample: int = 3
    factor: float = 1 / 255
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    reverses_channels: bool = False

    def __post_init__(self) -> None:
        for side in (self.height, self.width, *(self.edge or ())):
            if not 1 <= side <= MAX_SIDE:
                raise EncoderError(f"an input with a side of {side} pixels: encoders take 1 to {MAX_SIDE}")
        if self.channels not in (1, 3) or self.fit not in FIT_MODES or self.resample not in range(6):
            raise EncoderError(
                f"channels={self.channels}, fit={self.fit!r}, resample={self.resample}: none are like that"
            )
        if not np.isfinite(self.factor):
            raise EncoderError(f"a factor of {self.factor} on the pixels: it must be a finite number")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, self.channels):
                raise EncoderError(
                    f"encoder_{name}: {len(values)} values, but the input has {self.channels} "
                    f"channel{'s' if self.channels > 1 else ''}: pass one for each, or one for all"
                )
            if not np.isfinite(values).all():
                raise EncoderError(f"encoder_{name}: {values}: pass finite numbers")
        if min(self.std) <= 0:
            raise EncoderError(f"encoder_std: {self.std}: pass numbers above 0")

    def shape(self, like: Shape | None = None) -> InputShape:
        """The shape that images are decoded to.

        Parameters
        ----------
        like : Shape, optional
            Shape of a collection, with the ranges of values of more than 8 bits and the colour behind transparency.
        """
        ranges = (
            {}
            if like is None
            else {
                "background": like.background,
                "value_range": like.value_range,
                "float_range": like.float_range,
            }
        )
        return InputShape(
            self.height,
            self.width,
            self.channels,
            self.fit,
            "grey" if self.channels == 1 else "rgb",
            edge=self.edge or (self.height, self.width),
            resample=self.resample,
            **ranges,  # type: ignore[arg-type]
        )

    def values(self, pixels: NDArray[np.uint8], dtype: np.dtype[Any], *, channels_first: bool | None) -> NDArray[Any]:
        """Convert pixels to the values of the input.

        Parameters
        ----------
        pixels : ndarray (m, height, width) or (m, height, width, 3), uint8
        dtype : dtype
            Type of the input. uint8 pixels are passed as they are.
        channels_first : bool or None
            Whether the input is (m, channels, height, width), or has no axis of channels (None).

        Returns
        -------
        ndarray (m, channels, height, width), (m, height, width, channels) or (m, height, width)
        """
        values: NDArray[Any] = pixels.reshape(*pixels.shape[:3], self.channels)
        if self.reverses_channels:
            values = values[..., ::-1]
        if dtype != np.uint8:
            std = np.asarray(self.std, np.float64)
            scale, offset = (self.factor / std).astype(np.float32), (np.asarray(self.mean) / std).astype(np.float32)
            values = values * scale - offset
        if channels_first is None:
            values = values[..., 0]
        elif channels_first:
            values = values.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(values, dtype)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "Preprocessing":
        """Make preprocessing from its parameters, as :meth:`as_dict` returns them or JSON holds them.

        Raises
        ------
        EncoderError
            If they are no parameters of it.
        """
        plain: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in fields.items()}
        try:
            return cls(**plain)
        except (TypeError, ValueError) as error:
            if isinstance(error, EncoderError):
                raise
            raise EncoderError(f"settings of an encoder that no version wrote ({error})") from error

    def as_dict(self) -> dict[str, Any]:
        """The parameters by name, as JSON values."""
        return asdict(self)
