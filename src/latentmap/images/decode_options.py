"""Options of decoding: the shape that is asked for, frames of animations, and the room that images may take."""

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from latentmap.core.errors import InputError
from latentmap.images.arrays import ArrayScaling
from latentmap.images.reading_options import ReadingOptions, check_keywords
from latentmap.images.remote.downloads import DOWNLOADS, Downloads
from latentmap.images.shape import ShapeOptions


@dataclass(frozen=True)
class DecodeOptions:
    """Options that a source is decoded with.

    Parameters
    ----------
    shape : ShapeOptions
        Size, colour and background of the images.
    frames : bool, default=False
        Take each frame of an animated GIF, WebP, PNG or AVIF as an image, instead of the first. Each page of a TIFF is
        always an image.
    cache_limit : float, default=64
        Maximum size of the decoded images, in GB, and of downloaded files.
    downloads : Path, optional
        Folder that keeps downloaded files. By default they are in the cache of the images until they are decoded.
    reading : ReadingOptions
        Options of the formats that optional packages read.

    Raises
    ------
    InputError
        If the limit is negative, infinite or NaN, or ``reading.metadata`` has a keyword that is none of DICOM.
    MissingPackageError
        If ``reading.metadata`` has keywords and pydicom is not installed.
    """

    shape: ShapeOptions = field(default_factory=ShapeOptions)
    frames: bool = False
    cache_limit: float = 64.0
    downloads: Path | None = None
    reading: ReadingOptions = field(default_factory=ReadingOptions)

    def __post_init__(self) -> None:
        check_keywords(self.reading.metadata)
        if not 0 <= self.cache_limit < math.inf:
            raise InputError(f"cache_limit={self.cache_limit:g}: pass a number of GB, at least 0")

    def as_dict(self) -> dict[str, Any]:
        """Options that change the decoded images, by name, as JSON values."""
        return asdict(self.shape) | {"frames": self.frames} | self.reading.changed()

    def downloads_in(self, cache: Path) -> Downloads:
        """The folder of downloads of a source.

        Parameters
        ----------
        cache : Path
            Folder of the decoded images, below which it is by default.
        """
        folder = cache / DOWNLOADS if self.downloads is None else self.downloads
        return Downloads(folder, int(self.cache_limit * 1e9))

    def scaling(self, limits: tuple[float, float] | None = None) -> ArrayScaling:
        """Conversion of arrays to 8 bits under these options.

        Parameters
        ----------
        limits : (float, float), optional
            Values that become 0 and 255: the range of a collection that the arrays are added to.
        """
        return ArrayScaling(limits, int(self.cache_limit * 1e9))
