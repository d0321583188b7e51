"""Options of decoding: the shape that is asked for, frames, how images are cut, and the room that they may take."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from latentmap.core.errors import InputError
from latentmap.images.arrays import ArrayScaling
from latentmap.images.crops import Crops, read_crops
from latentmap.images.reading_options import ReadingOptions, check_keywords
from latentmap.images.remote.downloads import DOWNLOADS, Downloads
from latentmap.images.shape import ShapeOptions
from latentmap.images.tiles import DEFAULT_MAX_EMPTY, Tiles


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
    cut : Tiles or Crops, optional
        How images are cut into parts, which are then the items of the collection.
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
    cut: Tiles | Crops | None = None
    reading: ReadingOptions = field(default_factory=ReadingOptions)

    def __post_init__(self) -> None:
        check_keywords(self.reading.metadata)
        if not 0 <= self.cache_limit < math.inf:
            raise InputError(f"cache_limit={self.cache_limit:g}: pass a number of GB, at least 0")

    def as_dict(self) -> dict[str, Any]:
        """Options that change the decoded images, by name, as JSON values."""
        cut = {} if self.cut is None else self.cut.as_dict()
        return self.shape.as_dict() | {"frames": self.frames} | cut | self.reading.changed()

    def for_key(self) -> dict[str, Any]:
        """Options that change the decoded images, with the content of the table of crops, as JSON values."""
        digest = {"crops_sha256": self.cut.digest} if isinstance(self.cut, Crops) else {}
        return self.as_dict() | digest

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
        """Conversion of arrays to pixels under these options.

        Parameters
        ----------
        limits : (float, float), optional
            Values that become 0 and 255: the range of a collection that the arrays are added to.
        """
        return ArrayScaling(
            limits, int(self.cache_limit * 1e9), channels=self.shape.channels, are_cut=self.cut is not None
        )


def choose_cut(
    tiles: int | None,
    overlap: int = 0,
    max_empty: float = DEFAULT_MAX_EMPTY,
    crops: Any = None,
) -> Tiles | Crops | None:
    """Make the way to cut images from the options of the user.

    Parameters
    ----------
    tiles : int or None
        Side of tiles.
    overlap : int, default=0
    max_empty : float, default=0.99
        See :class:`latentmap.images.tiles.Tiles`.
    crops : path, DataFrame or dict, optional
        Table of boxes.

    Returns
    -------
    Tiles, Crops or None

    Raises
    ------
    InputError
        If tiles and crops are both asked for, or a value is not valid.
    SourceError
        If the table of boxes cannot be read.
    """
    if tiles is not None and crops is not None:
        raise InputError("tiles and crops: choose one of them, since an image is cut in one way")
    if tiles is None and overlap:
        raise InputError(f"overlap={overlap}: tiles overlap, so pass tiles as well")
    if tiles is not None:
        return Tiles(tiles, overlap, max_empty)
    return None if crops is None else read_crops(crops)
