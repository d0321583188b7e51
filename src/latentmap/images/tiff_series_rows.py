"""The rows of an image whose channels, and planes of a volume, are pages of a TIFF."""

from typing import IO, TYPE_CHECKING

import numpy as np

from latentmap.core.errors import DecodingError, UnreadTiffError
from latentmap.images.channel_image import ChannelImage
from latentmap.images.high_bit_depth import HighBitDepthImage
from latentmap.images.page_stacks import MAX_STACK_BYTES, Projection
from latentmap.images.tiff_directories import TiffFile
from latentmap.images.tiff_layout import PageLayout
from latentmap.images.tiff_pages import is_read_directly
from latentmap.images.tiff_rows import SampleRows, open_rows

if TYPE_CHECKING:
    import tifffile


class SeriesRows:
    """The rows of an image whose channels, and planes to be projected, are pages.

    Parameters
    ----------
    stacks : list of list of SampleRows
        The planes of each channel.
    project : {"max", "mean"}
    names : tuple of str or None
        Names of the channels; None if these are grey or RGB.
    """

    may_be_masked = False

    def __init__(self, stacks: list[list[SampleRows]], project: str, names: tuple[str, ...] | None) -> None:
        self._stacks, self._project, self._names = stacks, project, names
        self._layout = stacks[0][0].layout

    @classmethod
    def open(
        cls,
        file: IO[bytes],
        stacks: "list[list[tifffile.TiffPage | tifffile.TiffFrame | None]]",
        project: str,
        names: tuple[str, ...] | None,
    ) -> "SeriesRows | None":
        """Open the pages of an image.

        Parameters
        ----------
        file : file object
        stacks : list of list of tifffile.TiffPage, tifffile.TiffFrame or None
            The planes of each channel; None for one that is not a page.
        project, names
            See :class:`SeriesRows`.

        Returns
        -------
        SeriesRows or None
            None if a plane can only be read as a whole.

        Raises
        ------
        OSError
            If the tags of a page are damaged.
        """
        tiff = TiffFile(file)
        parents = {page.parent for pages in stacks for page in pages if page is not None}
        if len(parents) > 1:  # a set of files
            return None

        def opened(page: "tifffile.TiffPage | tifffile.TiffFrame | None") -> SampleRows | None:
            if page is None or not is_read_directly(own := tiff.page(page.offset)):
                return None
            return open_rows(file, PageLayout.of(own))

        try:
            found = [[opened(page) for page in pages] for pages in stacks]
        except UnreadTiffError:
            return None
        known = [[one for one in rows if one is not None] for rows in found]
        if [len(rows) for rows in known] != [len(pages) for pages in stacks]:
            return None
        layouts = {(one.layout.width, one.layout.height, one.layout.bits) for rows in known for one in rows}
        return cls(known, project, names) if len(layouts) == 1 else None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self._layout.width, self._layout.height

    def read(self, top: int, bottom: int) -> "HighBitDepthImage | ChannelImage":
        """Read rows from ``top`` on, to before ``bottom``.

        Raises
        ------
        OSError
            If a page is damaged, or the rows are too large together.
        """
        n_bytes = len(self._stacks) * (bottom - top) * self._layout.row_of_segments_bytes // self._layout.segment_length
        if n_bytes > MAX_STACK_BYTES:
            raise DecodingError(
                f"{len(self._stacks):,} channels that are larger than {MAX_STACK_BYTES >> 30} GiB together"
            )
        channels = []
        for planes in self._stacks:
            projection = Projection(self._project)
            for plane in planes:
                projection.add(plane.read(top, bottom)[: bottom - top])
            channels.append(projection.result())
        values = np.concatenate(channels, axis=2)
        if self._names is not None:
            return ChannelImage(values, self._names)
        return HighBitDepthImage(values[..., 0] if values.shape[2] == 1 else values)
