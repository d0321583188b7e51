"""Options of how the pages of a file are read, which the workers need to probe, count and decode images."""

from dataclasses import dataclass

from latentmap.core.errors import InputError

PAGE_AXES = ("auto", "images", "channels", "z")
PROJECTIONS = ("max", "mean")


@dataclass(frozen=True)
class PageOptions:
    """How the pages of a file become images, and whether colours are channels.

    Parameters
    ----------
    axes : {"auto", "images", "channels", "z"}, default="auto"
        What the pages of a TIFF or the planes of a FITS cube are: images, the channels of one image, or the planes of a
        volume that is projected.
        "auto" follows OME-TIFF and ImageJ if the extra ``tiff`` is installed; all other pages are images.
    project : {"max", "mean"}, default="max"
        How the planes of a volume become one.
    as_channels : bool, default=False
        Whether grey images and images in colour are treated as images of one or three channels.

    Raises
    ------
    InputError
        If a value is not valid.
    """

    axes: str = "auto"
    project: str = "max"
    as_channels: bool = False

    def __post_init__(self) -> None:
        for name, value, known in (("axes", self.axes, PAGE_AXES), ("project", self.project, PROJECTIONS)):
            if value not in known:
                raise InputError(f"{name}={value!r}: choose among {', '.join(known)}")


DEFAULT_PAGES = PageOptions()
