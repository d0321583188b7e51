"""Facts about one image that the choice of a collection's shape depends on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ImageProbe:
    """Size, colour and range of values of one image.

    Parameters
    ----------
    width, height : int
        Size in pixels, upright.
    is_grey : bool
        Whether the image has no colours, as far as a reduced copy shows.
    lowest, highest : float, optional
        Range of the values of an image with more than 8 bits per channel. None for 8 bits.
    is_float : bool, default=False
        Whether these values are floats.
    n_pages : int, default=1
        Number of pages in the file of the image.
    channel_ranges : tuple of (float, float), default=()
        Range of each channel of an image whose channels are not colours, or are treated as channels.
    channel_names : tuple of str, default=()
        Names that the file gives to these channels.
    is_deep : bool, default=False
        Whether these channels have more than 8 bits.
    """

    width: int
    height: int
    is_grey: bool
    lowest: float | None = None
    highest: float | None = None
    is_float: bool = False
    n_pages: int = 1
    channel_ranges: tuple[tuple[float, float], ...] = ()
    channel_names: tuple[str, ...] = ()
    is_deep: bool = False
