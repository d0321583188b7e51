"""Pictures as files: strips, animations, and text that JSON can hold."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentmap.images.collection import as_png

FRAME_MILLISECONDS = 80  # of an animation


def strip(images: NDArray[np.uint8]) -> bytes:
    """Images side by side as a PNG file."""
    return as_png(np.concatenate(list(images), axis=1))


def animation(images: NDArray[np.uint8]) -> bytes:
    """Images one after the other, forth and back, as a GIF file."""
    frames = [Image.fromarray(image) for image in (*images, *images[-2:0:-1])]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=FRAME_MILLISECONDS, loop=0)
    return file.getvalue()


def as_base64(data: bytes) -> str:
    """Bytes as text that JSON can hold."""
    return base64.b64encode(data).decode()
