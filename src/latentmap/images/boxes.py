"""Boxes: rectangular parts of images, and how the paths of parts are written."""

import re
from typing import NamedTuple

BOX_COLUMNS = ("left", "top", "right", "bottom")
# Size of the whole image that a part was cut from, in pixels.
WHOLE_COLUMNS = ("image_width", "image_height")
# SHA-256 of all pixels of that image.
WHOLE_DIGEST_COLUMN = "whole_sha256"
_BOX_SUFFIX = re.compile(r"#xywh=\d+,\d+,\d+,\d+$")
_FRAME_SUFFIX = re.compile(r"\[\d+\]$")


class Box(NamedTuple):
    """A rectangular part of an image.

    Attributes
    ----------
    left, top, right, bottom : int
        Edges in pixels of the upright image; right and bottom are not part of the box.
    """

    left: int
    top: int
    right: int
    bottom: int

    @property
    def suffix(self) -> str:
        """The end of the path of this part, as in media fragments of the W3C.

        Examples
        --------
        >>> Box(512, 256, 768, 512).suffix
        '#xywh=512,256,256,256'
        """
        return f"#xywh={self.left},{self.top},{self.right - self.left},{self.bottom - self.top}"


def without_box(path: str) -> str:
    """Remove the box from the path of a part, which leaves the path of the image that it was cut from.

    Parameters
    ----------
    path : str

    Returns
    -------
    str

    Examples
    --------
    >>> without_box("scan.tif[3]#xywh=0,0,256,256")
    'scan.tif[3]'
    """
    return _BOX_SUFFIX.sub("", path)


def without_frame(path: str) -> str:
    """Remove the number of the frame from the path of an image, which leaves the path of its file.

    Parameters
    ----------
    path : str

    Returns
    -------
    str

    Examples
    --------
    >>> without_frame("scan.tif[3]")
    'scan.tif'
    """
    return _FRAME_SUFFIX.sub("", path)
