"""Images whose rows are read when they are needed, so that parts of large images are cut without reading the whole."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from latentmap.images.boxes import Box
from latentmap.images.channel_image import ChannelImage
from latentmap.images.high_bit_depth import HighBitDepthImage
from latentmap.images.value_digests import ValuesDigest, digest_types

DeepImage = HighBitDepthImage | ChannelImage
# Of the rows that are read in one step where no part needs them.
N_BYTES_SKIPPED_AT_ONCE = 2**23


class ImageRows(Protocol):
    """The rows of an image in a file.

    Attributes
    ----------
    size : (int, int)
        Width and height in pixels.
    may_be_masked : bool
        Whether the file declares a value as missing.
    """

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""

    @property
    def may_be_masked(self) -> bool:
        """Whether the file declares a value as missing."""

    def read(self, top: int, bottom: int, /) -> DeepImage:
        """Read rows from ``top`` on, at least to before ``bottom``."""


class LazyImage:
    """An image of which those rows are in memory that the last part needed.

    The parts that are cut should be ordered by their upper edges. Each row is then read once.

    Parameters
    ----------
    rows : ImageRows
    """

    def __init__(self, rows: ImageRows) -> None:
        self._rows = rows
        self._window: DeepImage | None = None
        self._top = self._bottom = 0  # of the window
        self._digest: ValuesDigest | None = None
        self._n_hashed = 0
        self._failure: Exception | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self._rows.size

    def whole(self) -> DeepImage:
        """Read the whole image.

        Raises
        ------
        OSError
            If it is damaged.
        """
        return self._rows.read(0, self.size[1])

    def cropped(self, box: Box) -> DeepImage:
        """Read a part of the image.

        Parameters
        ----------
        box : Box

        Returns
        -------
        HighBitDepthImage or ChannelImage

        Raises
        ------
        OSError
            If these rows, or others before them, are damaged.
        """
        if self._failure is not None:
            raise self._failure
        try:
            return self._cropped(box)
        except Exception as error:
            self._failure = error
            raise

    def begin_digest(self) -> None:
        """Read all rows from now on, so that :meth:`digest` needs none of them a second time."""
        if self._digest is None:
            first = self._rows.read(0, 1)
            shape = (self.size[1], *first.values.shape[1:])
            is_premultiplied = isinstance(first, HighBitDepthImage) and first.premultiplied
            self._digest = ValuesDigest(shape, digest_types(first.values.dtype), is_premultiplied)

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of all values, as :meth:`HighBitDepthImage.digest` computes it.

        Raises
        ------
        OSError
            If the image is damaged.
        """
        if self._failure is not None:
            raise self._failure
        self.begin_digest()
        assert self._digest is not None
        self._skip_to(self.size[1])
        return self._digest.digest()

    @cached_property
    def _is_masked(self) -> bool:
        """Whether a pixel is missing; all parts have a mask then, so that their digests are those of a whole image."""
        return self._rows.may_be_masked and any(
            self._rows.read(top, bottom).masked is not None for top, bottom in self._steps(0, self.size[1])
        )

    def _cropped(self, box: Box) -> DeepImage:
        if self._window is None or not self._top <= box.top <= box.bottom <= self._bottom:
            self._move(box.top, box.bottom)
        assert self._window is not None
        return self._window.cropped(Box(box.left, box.top - self._top, box.right, box.bottom - self._top))

    def _move(self, top: int, bottom: int) -> None:
        """Move the window, whose rows that are still needed stay."""
        kept = []
        if self._window is not None and self._top <= top < self._bottom:
            kept = [_copy(self._window.cropped(Box(0, top - self._top, self.size[0], self._bottom - self._top)))]
        self._window = None
        if not kept and self._digest is not None:
            self._skip_to(top)
        begin = self._bottom if kept else top
        if begin < bottom:
            kept.append(self._read(begin, bottom))
        self._window = kept[0] if len(kept) == 1 else _stacked(kept)
        self._top, self._bottom = top, top + self._window.size[1]

    def _skip_to(self, row: int) -> None:
        """Hash the rows before this one."""
        while self._n_hashed < row:
            begin = self._n_hashed
            self._read(begin, min(row, begin + self._n_rows_at_once))

    def _read(self, top: int, bottom: int) -> DeepImage:
        found = self._rows.read(top, bottom)
        if self._is_masked and found.masked is None:
            found = replace(found, masked=np.zeros(found.values.shape[:2], bool))
        end = top + len(found.values)
        if self._digest is not None and top <= self._n_hashed < end:
            new = found.cropped(Box(0, self._n_hashed - top, self.size[0], len(found.values)))
            alpha = new.alpha if isinstance(new, HighBitDepthImage) else None
            self._digest.add(new.values, *(None if one is None else one.copy() for one in (alpha, new.masked)))
            self._n_hashed = end
        return found

    @cached_property
    def _n_rows_at_once(self) -> int:
        first = self._rows.read(0, 1).values[:1]
        return max(1, N_BYTES_SKIPPED_AT_ONCE // first.nbytes)

    def _steps(self, top: int, bottom: int) -> Iterator[tuple[int, int]]:
        for begin in range(top, bottom, self._n_rows_at_once):
            yield begin, min(bottom, begin + self._n_rows_at_once)


def _copy(image: DeepImage) -> DeepImage:
    """The image without the rest of a larger one that its arrays are parts of."""
    return _stacked([image])


def _stacked(images: Sequence[DeepImage]) -> DeepImage:
    """Images of one width, the first on top."""
    first = images[0]
    changed: dict[str, NDArray[Any]] = {"values": np.concatenate([one.values for one in images])}
    for name in ("alpha", "masked"):
        parts: list[NDArray[Any]] = [part for one in images if (part := getattr(one, name, None)) is not None]
        if parts:
            changed[name] = np.concatenate(parts)
    return replace(first, **changed)  # type: ignore[arg-type]
