"""Background of an image: the pixels of about its median colour."""

import numpy as np
from numpy.typing import NDArray

# Difference from the median colour up to which a pixel is background, in each channel and as a fraction of the range
# of values: above the noise of paper and of JPEG.
MAX_BACKGROUND_DIFFERENCE = 8 / 255


def background_fraction(pixels: NDArray[np.uint8]) -> float:
    """Compute the fraction of pixels that have about the median colour of the image.

    If more than half of an image is background, the median in each channel is the colour of the background, whatever
    the rest of the image shows.

    Parameters
    ----------
    pixels : ndarray (height, width) or (height, width, channels), unsigned integers

    Returns
    -------
    float
        From 0 to 1.

    Examples
    --------
    >>> page = np.full((10, 10), 250, np.uint8)
    >>> page[4, 2:7] = 0
    >>> background_fraction(page)
    0.95
    """
    values = pixels.reshape(pixels.shape[0] * pixels.shape[1], -1).astype(np.float32)
    largest = MAX_BACKGROUND_DIFFERENCE * np.iinfo(pixels.dtype).max
    is_background = (np.abs(values - np.median(values, axis=0)) <= largest).all(axis=1)
    return float(is_background.mean())
