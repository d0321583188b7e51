"""Shapes of arrays of images: where their channels are."""

COLOR_CHANNELS = (1, 3, 4)  # grey, RGB, and RGB with transparency
MAX_CHANNELS_FIRST = 16  # in an array that may have its channels before height and width


def has_channels_first(shape: tuple[int, ...]) -> bool:
    """Whether an image is more likely (channels, height, width), as some libraries have it.

    Parameters
    ----------
    shape : tuple of 3 int

    Returns
    -------
    bool

    Examples
    --------
    >>> has_channels_first((5, 64, 64)), has_channels_first((64, 64, 5))
    (True, False)
    """
    first, second, third = shape
    return first <= MAX_CHANNELS_FIRST and first < min(second, third)
