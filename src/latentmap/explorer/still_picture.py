"""The still picture of a map that a notebook keeps beside its widget."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from latentmap.core.errors import LatentmapError
from latentmap.explorer.atlas_view import AtlasView
from latentmap.explorer.picture_files import as_base64

MAX_SIDE = 1000  # pixels
SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER_END = len(SIGNATURE) + 25  # the end of the first chunk, IHDR, whose size is fixed
KEYWORD = b"explorer\x00"


def first_picture(data: AtlasView) -> bytes:
    """A PNG file of the map before the page has drawn it: the figure of the report, or dots where there is none."""
    try:
        picture = data.run.figure("map")
    except (LatentmapError, OSError):
        picture = _dots(data)
    picture.thumbnail((MAX_SIDE, MAX_SIDE))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _dots(data: AtlasView) -> Image.Image:
    """The places of the images as dark dots on white."""
    left, bottom, side = data.square
    unit = (data.xy - [left, bottom]) / side
    columns, rows = (0.02 * MAX_SIDE + 0.96 * (MAX_SIDE - 2) * unit).astype(int).T
    pixels = np.full((MAX_SIDE, MAX_SIDE), 255, np.uint8)
    for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):  # two pixels a side
        pixels[MAX_SIDE - 2 - rows + dy, columns + dx] = 60
    return Image.fromarray(pixels)


def marked_png(png: bytes, name: str) -> bytes:
    """A PNG file with a name as its first text, so that the element that shows it can be told from others.

    Parameters
    ----------
    png : bytes
        A PNG file.
    name : str
        ASCII text.

    Returns
    -------
    bytes
    """
    text = _named(name)
    return png[:HEADER_END] + text + struct.pack(">I", zlib.crc32(text[4:])) + png[HEADER_END:]


def _named(name: str) -> bytes:
    """A chunk of text with a name, without its check sum."""
    text = KEYWORD + name.encode("ascii")
    return struct.pack(">I", len(text)) + b"tEXt" + text


def selector_of(name: str) -> str:
    """A CSS selector of the elements that show a picture marked with a name, whatever the picture."""
    named = _named(name)  # it begins at a multiple of three bytes, so that its base64 does not depend on the header
    return f'img[src*="{as_base64(named[: len(named) // 3 * 3])}"]'


def is_png(data: bytes) -> bool:
    """Whether bytes begin as a PNG file does."""
    return data.startswith(SIGNATURE) and len(data) > HEADER_END
