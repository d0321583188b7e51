"""Layout of a TIFF page: its size, the type of its samples, and the positions of its strips or tiles."""

from dataclasses import dataclass, replace
from math import ceil, prod

from PIL import Image

from latentmap.core.errors import DecodingError
from latentmap.images.tiff_directories import (
    BITS_PER_SAMPLE,
    IMAGE_LENGTH,
    IMAGE_WIDTH,
    PLANAR_CONFIGURATION,
    ROWS_PER_STRIP,
    SAMPLE_FORMAT,
    SAMPLES_PER_PIXEL,
    STRIP_BYTE_COUNTS,
    STRIP_OFFSETS,
    TILE_BYTE_COUNTS,
    TILE_LENGTH,
    TILE_OFFSETS,
    TILE_WIDTH,
    UNSIGNED,
    TiffPage,
)


@dataclass(frozen=True)
class PageLayout:
    """Layout of the samples of a page in the file.

    Attributes
    ----------
    page : TiffPage
    width, height : int
        Size in pixels.
    n_samples : int
        Samples per pixel.
    bits : int
        Bits per sample.
    format : int
        Sample format: UNSIGNED, SIGNED, FLOAT or VOID.
    is_planar : bool
        Whether each channel is stored in segments of its own.
    segment_width, segment_length : int
        Size of a segment, that is of a strip or tile, in pixels.
    offsets : list of int
        Position of each segment in the file.
    n_bytes : list of int
        Size of each segment in the file, in bytes; empty if it is unknown.
    """

    page: TiffPage
    width: int
    height: int
    n_samples: int
    bits: int
    format: int
    is_planar: bool
    segment_width: int
    segment_length: int
    offsets: list[int]
    n_bytes: list[int]

    @classmethod
    def of(cls, page: TiffPage) -> "PageLayout":
        """Read the layout of a page from its tags.

        Raises
        ------
        OSError
            If the tags are damaged, or the samples differ in type.
        PIL.Image.DecompressionBombError
            If the page has too many pixels.
        """
        width, height, n_samples = (
            page.integer(IMAGE_WIDTH, 0),
            page.integer(IMAGE_LENGTH, 0),
            page.integer(SAMPLES_PER_PIXEL, 1),
        )
        bits, formats = set(page.tags.get(BITS_PER_SAMPLE, (1,))), set(page.tags.get(SAMPLE_FORMAT, (UNSIGNED,)))
        if width < 1 or height < 1 or not 1 <= n_samples <= 256:
            raise DecodingError(f"damaged: {width} × {height} pixels of {n_samples} values")
        if width * height > (Image.MAX_IMAGE_PIXELS or width * height):
            raise Image.DecompressionBombError
        if len(bits) > 1 or len(formats) > 1:
            raise DecodingError(
                f"samples of several types in one TIFF page (bits {sorted(bits)}, formats {sorted(formats)})"
            )
        is_tiled = TILE_OFFSETS in page.tags
        offsets = page.tags.get(TILE_OFFSETS if is_tiled else STRIP_OFFSETS, [])
        n_bytes = page.tags.get(TILE_BYTE_COUNTS if is_tiled else STRIP_BYTE_COUNTS, [])
        segment = (
            (page.integer(TILE_WIDTH, 0), page.integer(TILE_LENGTH, 0))
            if is_tiled
            else (width, min(height, page.integer(ROWS_PER_STRIP, height)))
        )
        if min(segment) < 1 or prod(segment) > 4 * (Image.MAX_IMAGE_PIXELS or prod(segment)):
            raise DecodingError(f"damaged: strips or tiles of {segment[0]} × {segment[1]} pixels")
        is_planar = page.integer(PLANAR_CONFIGURATION, 1) == 2 and n_samples > 1
        layout = cls(page, width, height, n_samples, bits.pop(), formats.pop(), is_planar, *segment, offsets, n_bytes)
        if len(offsets) < layout.n_segments or 0 < len(n_bytes) < layout.n_segments:
            raise DecodingError(f"damaged: {len(offsets)} of {layout.n_segments} strips or tiles")
        return layout

    @property
    def n_across(self) -> int:
        """Segments in a row."""
        return ceil(self.width / self.segment_width)

    @property
    def n_down(self) -> int:
        """Segments in a column."""
        return ceil(self.height / self.segment_length)

    @property
    def n_planes(self) -> int:
        """Planes that are stored one after the other."""
        return self.n_samples if self.is_planar else 1

    @property
    def n_segments(self) -> int:
        """Segments of all planes."""
        return self.n_across * self.n_down * self.n_planes

    @property
    def n_interleaved(self) -> int:
        """Samples of a pixel that are stored together."""
        return 1 if self.is_planar else self.n_samples

    @property
    def row_bytes(self) -> int:
        """Bytes in a row of a decompressed segment."""
        return (self.segment_width * self.n_interleaved * self.bits + 7) // 8

    def n_rows(self, number: int) -> int:
        """Count the rows of a segment. The last strip may be shorter.

        Parameters
        ----------
        number : int
            Number of the segment.

        Returns
        -------
        int
        """
        if self.segment_width == self.width and TILE_OFFSETS not in self.page.tags:
            row = number % self.n_down
            return min(self.segment_length, self.height - row * self.segment_length)
        return self.segment_length

    @property
    def row_of_segments_bytes(self) -> int:
        """Decompressed bytes of all segments of some rows of pixels, in all planes."""
        return self.segment_length * self.row_bytes * self.n_across * self.n_planes

    def segments_of_rows(self, plane: int, first: int, end: int) -> range:
        """Numbers of the segments of a plane in some rows of segments.

        Parameters
        ----------
        plane : int
        first, end : int
            Rows of segments, from ``first`` to before ``end``.

        Returns
        -------
        range
        """
        before = plane * self.n_down
        return range((before + first) * self.n_across, (before + end) * self.n_across)

    def with_shorter_strips(self, max_rows: int) -> "PageLayout":
        """The same page with strips of fewer rows, which is possible where nothing is compressed.

        Parameters
        ----------
        max_rows : int
            Maximum number of rows of a strip.

        Returns
        -------
        PageLayout
        """
        rows = min(max_rows, self.segment_length)
        if self.n_down > 1:  # so that only the last strip is shorter than the others
            rows = next(n for n in range(rows, 0, -1) if self.segment_length % n == 0)
        offsets, n_bytes = [], []
        for number in range(self.n_segments):
            for begin in range(0, self.n_rows(number), rows):
                is_sparse = self.is_sparse(number)
                offsets.append(0 if is_sparse else self.offsets[number] + begin * self.row_bytes)
                n_bytes.append(0 if is_sparse else rows * self.row_bytes)
        return replace(self, segment_length=rows, offsets=offsets, n_bytes=n_bytes)

    def is_sparse(self, number: int) -> bool:
        """Whether a segment is not in the file. GDAL omits segments of zeros.

        Parameters
        ----------
        number : int
            Number of the segment.

        Returns
        -------
        bool
        """
        return self.offsets[number] == 0 and not any(self.n_bytes[number : number + 1])
