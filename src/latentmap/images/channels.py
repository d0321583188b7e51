"""Channels of a collection: which ones of the files are taken, their names, and the values that become 0 and 1."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.errors import InputError
from latentmap.core.progress import counted
from latentmap.images.pixel_types import pixel_dtype
from latentmap.images.value_range import Range, to_pixels

MAX_CHANNELS = 1024
# Percentiles of the values of an image, so that single hot or dead pixels do not set the range of a channel.
IMAGE_PERCENTILES = (0.1, 99.9)
# Percentiles of these over the images, so that single images do not.
COLLECTION_PERCENTILES = (1.0, 99.0)
MAX_VALUES_SORTED = 2**20  # of a channel of an image; more are sampled evenly
MAX_CHANNELS_IN_WORDS = 6
COLOR_NAMES = {1: ("grey",), 3: ("red", "green", "blue")}


@dataclass(frozen=True)
class Channel:
    """A channel of a collection.

    Parameters
    ----------
    number : int
        Its position among the channels of a file, from 0.
    name : str
    low, high : float
        Values that become 0 and the largest pixel.
    """

    number: int
    name: str
    low: float
    high: float


@dataclass(frozen=True)
class ChannelOptions:
    """Channels as the user requests them.

    Parameters
    ----------
    numbers : tuple of int, optional
        Positions of the channels that are taken, from 0. All by default.
    names : tuple of str, optional
        Names of the channels that are taken. By default those of the files.
    ranges : tuple of (float, float), optional
        Values that become 0 and the largest pixel: one pair for all channels, or one for each. By default they are
        chosen from the collection.

    Raises
    ------
    InputError
        If a number is negative or occurs twice, a name is empty or occurs twice, a range is empty, or they do not fit
        each other.

    Examples
    --------
    >>> ChannelOptions.parse("0,2", "nuclei,actin", "0,4095")
    ChannelOptions(numbers=(0, 2), names=('nuclei', 'actin'), ranges=((0, 4095),))
    """

    numbers: tuple[int, ...] | None = None
    names: tuple[str, ...] | None = None
    ranges: tuple[Range, ...] | None = None

    def __post_init__(self) -> None:
        numbers, names, ranges = self.numbers, self.names, self.ranges
        if numbers is not None and (
            not 1 <= len(set(numbers)) == len(numbers) or not all(0 <= one < MAX_CHANNELS for one in numbers)
        ):
            raise InputError(
                f"channels={_as_text(numbers)!r}: pass numbers from 0 to {MAX_CHANNELS - 1}, each once, such as 0,2,5"
            )
        if names is not None and (not all(names) or len(set(names)) < len(names)):
            raise InputError(f"channel_names={_as_text(names)!r}: pass a different name for each channel")
        if ranges is not None and not all(low < high for low, high in ranges):
            raise InputError(f"range={_range_text(ranges)!r}: the first value of a range is below the second")
        if numbers is not None and names is not None and len(names) != len(numbers):
            raise InputError(f"{len(names)} channel_names for {len(numbers)} channels: pass one for each")

    @property
    def is_given(self) -> bool:
        """Whether anything is requested, so that colours are treated as channels as well."""
        return self != ChannelOptions()

    def as_dict(self) -> dict[str, Any]:
        """The requested options by name, as text."""
        found = {
            "channels": None if self.numbers is None else _as_text(self.numbers),
            "channel_names": None if self.names is None else _as_text(self.names),
            "range": None if self.ranges is None else _range_text(self.ranges),
        }
        return {name: value for name, value in found.items() if value is not None}

    @classmethod
    def parse(
        cls,
        channels: str | Sequence[int] | None = None,
        channel_names: str | Sequence[str] | None = None,
        range: str | Sequence[Any] | None = None,
    ) -> "ChannelOptions":
        """Read the options of a command or a call.

        Parameters
        ----------
        channels : str or sequence of int, optional
            Numbers with commas between them, such as "0,2,5".
        channel_names : str or sequence of str, optional
            Names with commas between them.
        range : str or sequence, optional
            ``LOW,HIGH``, or as many with semicolons between them as there are channels; or a pair of numbers, or a
            sequence of pairs.

        Returns
        -------
        ChannelOptions

        Raises
        ------
        InputError
            If they cannot be read.
        """
        names = None if channel_names is None else tuple(map(str.strip, _parts(channel_names)))
        return cls(_parse_numbers(channels), names, _parse_ranges(range))

    def choose(self, n_of_files: int, names: Sequence[str], ranges: Sequence[Range]) -> tuple[Channel, ...]:
        """Choose the channels of a collection.

        Parameters
        ----------
        n_of_files : int
            Number of channels of its files.
        names : sequence of str
            Their names in the files; empty if they have none.
        ranges : sequence of (float, float)
            Their ranges by the images.

        Returns
        -------
        tuple of Channel

        Raises
        ------
        InputError
            If the files have fewer channels than requested, or there is another number of names or ranges.
        """
        numbers = self.numbers or tuple(np.arange(n_of_files).tolist())
        if max(numbers) >= n_of_files:
            raise InputError(
                f"channels={_as_text(numbers)!r}: the images have {n_of_files} channels: pass numbers from 0 to "
                f"{n_of_files - 1}"
            )
        own = self.names or tuple(_default_name(number, n_of_files, names) for number in numbers)
        if len(own) != len(numbers):
            raise InputError(f"{len(own)} channel_names for {len(numbers)} channels: pass one for each")
        if self.ranges is not None and len(self.ranges) not in (1, len(numbers)):
            raise InputError(
                f"range={_range_text(self.ranges)!r}: {len(self.ranges)} ranges for {len(numbers)} channels: pass one, "
                "or one for each"
            )
        limits = self.ranges or tuple(ranges[number] for number in numbers)
        limits = limits * len(numbers) if len(limits) == 1 else limits
        return tuple(
            Channel(number, name, low, high)
            for number, name, (low, high) in zip(numbers, _unique(own), limits, strict=True)
        )


def robust_ranges(values: NDArray[Any]) -> tuple[Range, ...]:
    """The range of each channel of an image, without the outermost thousandth of its values on either side.

    Parameters
    ----------
    values : array (..., channels)
        Integers or floats; NaN and infinite values do not count.

    Returns
    -------
    tuple of (float, float)
    """
    return tuple(_robust_range(values[..., k].reshape(-1)) for k in range(values.shape[-1]))


def joined_ranges(ranges: Sequence[Sequence[Range]]) -> tuple[Range, ...]:
    """The range of each channel of a collection, from those of its images.

    Parameters
    ----------
    ranges : sequence (n_images) of sequences (n_channels) of (float, float)
        Those of :func:`robust_ranges`.

    Returns
    -------
    tuple of (float, float)
        Not empty: a channel of one value has a range of 1 from there.
    """
    limits = np.array(ranges, np.float64)  # (n_images, n_channels, 2)
    # not between two images: even in a small collection the brightest and the darkest one do not decide
    low = np.percentile(limits[..., 0], COLLECTION_PERCENTILES[0], axis=0, method="higher")
    high = np.percentile(limits[..., 1], COLLECTION_PERCENTILES[1], axis=0, method="lower")
    pairs = zip(_rounded(low), _rounded(high), strict=True)
    return tuple((one, other if other > one else one + 1) for one, other in pairs)


def common_names(names: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The names that most files give to their channels; empty if that is none.

    Parameters
    ----------
    names : sequence of tuples of str

    Returns
    -------
    tuple of str
    """
    return Counter(names).most_common(1)[0][0] if names else ()


def to_channels(values: NDArray[Any], channels: Sequence[Channel], bits: int) -> NDArray[Any]:
    """Take channels and scale each by its range. NaN becomes 0.

    Parameters
    ----------
    values : array (..., c)
    channels : sequence of Channel
    bits : {8, 16}
        Bits per pixel.

    Returns
    -------
    ndarray (..., len(channels)), uint8 or uint16
    """
    found = np.empty((*values.shape[:-1], len(channels)), pixel_dtype(bits))
    for k, one in enumerate(channels):
        found[..., k] = to_pixels(values[..., one.number], (one.low, one.high), bits)
    return found


def channels_in_words(channels: Sequence[Channel]) -> str:
    """Number, names and ranges of channels as words.

    Parameters
    ----------
    channels : sequence of Channel

    Returns
    -------
    str

    Examples
    --------
    >>> channels_in_words([Channel(0, "dapi", 0, 4095), Channel(3, "actin", 10.5, 900)])
    '2 channels (dapi 0 to 4,095, actin 10.5 to 900)'
    """
    ranges = [f"{one.name} {one.low:,.6g} to {one.high:,.6g}" for one in channels[:MAX_CHANNELS_IN_WORDS]]
    more = ["…"] if len(channels) > MAX_CHANNELS_IN_WORDS else []
    return f"{counted(len(channels), 'channel')} ({', '.join(ranges + more)})"


def _robust_range(values: NDArray[Any]) -> Range:
    step = max(1, len(values) // MAX_VALUES_SORTED)
    some = values[::step]
    some = some[np.isfinite(some)] if some.dtype.kind == "f" else some
    if not len(some):
        return 0.0, 0.0
    low, high = np.percentile(some, IMAGE_PERCENTILES)
    return float(low), float(high)


def _rounded(values: NDArray[np.float64]) -> list[float]:
    """Values with four significant digits, which are those that people are shown."""
    return [float(f"{value:.4g}") for value in values]


def _default_name(number: int, n_of_files: int, names: Sequence[str]) -> str:
    if number < len(names) and names[number]:
        return names[number]
    colors = COLOR_NAMES.get(n_of_files)
    return f"channel {number}" if colors is None else colors[number]


def _unique(names: Sequence[str]) -> list[str]:
    """Names with their number appended to those that occur before, as in files that name two channels alike."""
    found: list[str] = []
    for i, name in enumerate(names):
        found.append(name if name not in found else f"{name} ({i})")
    return found


def _parts(values: str | Sequence[Any]) -> list[Any]:
    return values.split(",") if isinstance(values, str) else list(values)


def _parse_numbers(channels: str | Sequence[int] | None) -> tuple[int, ...] | None:
    if channels is None:
        return None
    try:
        return tuple(int(one) for one in _parts(channels))
    except (TypeError, ValueError) as error:
        raise InputError(f"channels={channels!r}: pass numbers from 0 with commas between them, such as 0,2,5") from (
            error
        )


def _parse_ranges(ranges: str | Sequence[Any] | None) -> tuple[Range, ...] | None:
    if ranges is None:
        return None
    try:
        pairs = [one.split(",") for one in ranges.split(";")] if isinstance(ranges, str) else list(ranges)
        if pairs and not isinstance(pairs[0], list | tuple):
            pairs = [pairs]
        found = tuple((_number(low), _number(high)) for low, high in pairs)
        if found and np.isfinite(found).all():
            return found
    except (TypeError, ValueError):
        pass
    raise InputError(f"range={ranges!r}: pass LOW,HIGH, or one pair for each channel, such as '0,4095;0,255'")


def _number(value: Any) -> float:
    number = float(value)
    return int(number) if number.is_integer() else number


def _as_text(values: Sequence[Any]) -> str:
    return ",".join(map(str, values))


def _range_text(ranges: Sequence[Range]) -> str:
    return ";".join(f"{low:.15g},{high:.15g}" for low, high in ranges)
