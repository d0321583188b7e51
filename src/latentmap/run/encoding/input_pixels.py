"""Images of a run at the size of an encoder's input, decoded again from their original files."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL import Image

from latentmap.encoder.input_shape import InputShape
from latentmap.images.decoding import Decoded, EncodedImage
from latentmap.images.listing import Listing
from latentmap.images.mixing import as_picture
from latentmap.images.pool import DecodingPool
from latentmap.images.reading_options import DEFAULT_READING, ReadingOptions


@dataclass
class InputPixels:
    """Images of a run at the size of an encoder's input.

    Parameters
    ----------
    table : pyarrow.Table
        ``path``, ``frame`` and ``sha256`` of each image.
    pixels : array (n, *image_shape), uint8 or uint16
        The images as the run keeps them.
    listing : Listing, optional
        The source that they were decoded from. Without it, as for arrays, and for tiles and crops, the pixels of the
        run are taken.
    reading : ReadingOptions, optional
        Options of the formats that optional packages read.
    n_small : int
        Number of images so far that were taken from the pixels of the run, because their files are gone, have changed
        since they were decoded, or cannot be decoded.
    """

    table: pa.Table
    pixels: NDArray[Any]
    listing: Listing | None
    reading: ReadingOptions = DEFAULT_READING
    n_small: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if "whole_sha256" in self.table.column_names:  # tiles and crops, which the run keeps as they were cut
            self.listing = None

    def read(self, shape: InputShape, first: int) -> Iterator[NDArray[np.uint8]]:
        """Yield the images from one on.

        Parameters
        ----------
        shape : InputShape
        first : int
            Row of the first image.

        Yields
        ------
        array (height, width) or (height, width, 3), uint8
        """
        rows = self._rows_in_listing()[first:]
        digests = self.table["sha256"] if "sha256" in self.table.column_names else None
        with DecodingPool() as pool:
            decoded = pool.map("decode", self._originals(rows, first), shape, self.reading)
            for i, row in enumerate(rows, start=first):
                found = next(decoded) if row >= 0 else None
                if isinstance(found, Decoded) and (digests is None or digests[i].as_py() == found.sha256):
                    yield found.pixels
                    continue
                self.n_small += self.listing is not None
                yield self._from_run(i, shape)

    def _rows_in_listing(self) -> NDArray[np.intp]:
        """Row (n,) of the file of each image in the listing; -1 where there is none."""
        n = len(self.table)
        if self.listing is None:
            return np.full(n, -1, np.intp)
        paths = self.table["path"].cast(pa.string())
        if "frame" in self.table.column_names:
            files = pc.replace_substring_regex(paths, r"\[\d+\]$", "")
            paths = pc.if_else(pc.is_null(self.table["frame"]), paths, files)
        found = pc.index_in(paths, value_set=self.listing.table["path"].cast(pa.string()).combine_chunks())
        rows: NDArray[np.intp] = found.fill_null(-1).to_numpy().astype(np.intp)
        known = rows[rows >= 0]
        return rows if (np.diff(known) >= 0).all() else np.full(n, -1, np.intp)  # files are read in their order

    def _originals(self, rows: NDArray[np.intp], first: int) -> Iterator[EncodedImage]:
        """The files, or frames of files, of those images that have a row."""
        if self.listing is None:
            return
        known = np.flatnonzero(rows >= 0)
        files, counts = np.unique(rows[known], return_counts=True)
        frames = self.table["frame"] if "frame" in self.table.column_names else None
        images = iter(known + first)
        for image, n_frames in zip(self.listing.read(files), counts, strict=True):
            for _ in range(n_frames):
                frame = None if frames is None else frames[int(next(images))].as_py()
                yield image._replace(frame=frame)

    def _from_run(self, row: int, shape: InputShape) -> NDArray[np.uint8]:
        image = Image.fromarray(as_picture(np.asarray(self.pixels[row]), None))
        return shape.apply(image.convert("L" if shape.channels == 1 else "RGB"))
