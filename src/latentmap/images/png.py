"""Decoding of untrusted PNG images of a known size."""

import io
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentmap.core.errors import DecodingError


def decode_png(data: bytes | None, shape: tuple[int, ...], bits: int = 8) -> NDArray[Any]:
    """Decode a grey or RGB image in PNG format.

    Only the PNG decoder of Pillow reads the bytes, and only if their header states the expected shape.

    Parameters
    ----------
    data : bytes or None
        Content of a PNG file.
    shape : (height, width) or (height, width, 3)
        Expected shape.
    bits : {8, 16}, default=8
        Expected bits per pixel, 16 for grey only.

    Returns
    -------
    ndarray of that shape, uint8 or uint16

    Raises
    ------
    InputError
        If the bytes are not a complete PNG file of that shape.
    """
    if not isinstance(data, bytes):
        raise DecodingError("there is no image")
    size, mode = (shape[1], shape[0]), "I;16" if bits == 16 else "L" if len(shape) == 2 else "RGB"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
                if image.size != size or image.mode != mode:
                    raise DecodingError(
                        f"an image of {image.size} in mode {image.mode}, expected {size} in mode {mode}"
                    )
                return np.asarray(image)
    except DecodingError:
        raise
    except Exception as error:  # damaged files raise many types of errors
        raise DecodingError(f"not a complete PNG file ({type(error).__name__})") from error
