"""Pictures in tables that may come from a stranger: read as PNG alone, and of a size that is known before."""

import io
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentmap.core.errors import DecodingError


def decode_png(data: bytes | None, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Decode a PNG file of one size, grey or RGB.

    Nothing but Pillow's PNG decoder sees the bytes, and it decodes them only when their header says that the picture
    has the shape that is wanted.

    Parameters
    ----------
    data : bytes
    shape : (height, width) or (height, width, 3)

    Returns
    -------
    array of that shape, uint8

    Raises
    ------
    DecodingError
        If the bytes are no whole PNG file of that shape.
    """
    if not isinstance(data, bytes):
        raise DecodingError("there is no picture")
    size, mode = (shape[1], shape[0]), "L" if len(shape) == 2 else "RGB"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
                if image.size != size or image.mode != mode:
                    raise DecodingError(f"a picture of {image.size} in mode {image.mode}, not of {size} in mode {mode}")
                return np.asarray(image)
    except DecodingError:
        raise
    except Exception as error:  # whatever a damaged file makes the decoder raise
        raise DecodingError(f"not a whole PNG file ({type(error).__name__})") from error
