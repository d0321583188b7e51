"""Decoding of all images that are listed, into memory or into a folder where it can be resumed."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from latentmap.core.errors import SourceError
from latentmap.core.progress import Callback, Progress
from latentmap.images.boxes import WHOLE_DIGEST_COLUMN, without_box
from latentmap.images.collection import ImageCollection
from latentmap.images.column_types import digest_column
from latentmap.images.cutting import Cutter
from latentmap.images.decode_options import DecodeOptions
from latentmap.images.decoding import Decoded, Failure, MeasuredImage
from latentmap.images.image_files import FileContents
from latentmap.images.listing import Listing, Skipped
from latentmap.images.named_labels import ListingPositions
from latentmap.images.no_images import no_images_error
from latentmap.images.optional_formats import suffixes_of_several
from latentmap.images.page_options import PageOptions
from latentmap.images.pool import DecodingPool
from latentmap.images.probe import ImageProbe
from latentmap.images.shape import Shape
from latentmap.images.shape_choice import choose_shape, has_observed_ranges, to_color, with_ranges
from latentmap.images.store import DecodedStore
from latentmap.images.tiles import Tiles

# Images that are probed to choose a shape.
N_PROBES = 1000
# Suffixes of files whose pages are counted before any is decoded. In other files, pages are found while decoding.
MULTI_PAGE_SUFFIXES = (".tif", ".tiff")
# Version of the state of an interrupted decoding. It changes with the layout of that state and with decoded pixels.
STORE_VERSION = 4
ONE_IMAGE = FileContents(1, {})


def decode_listing(
    listing: Listing,
    decoding: DecodeOptions,
    *,
    shape: Shape | None = None,
    cache: Path | None = None,
    callback: Callback = lambda _: None,
) -> ImageCollection:
    """Decode the images of a listing.

    Parameters
    ----------
    listing : Listing
    decoding : DecodeOptions
    shape : Shape, optional
        Shape of a collection that the images are added to. By default it is chosen from the images.
    cache : Path, optional
        Folder of the decoded images, where an interrupted decoding is resumed. In memory by default.
    callback : callable, optional
        Receives the progress.

    Returns
    -------
    ImageCollection

    Raises
    ------
    SourceError
        If no image can be decoded, or the decoded images exceed the limit or the free space on disk.
    """
    with DecodingPool() as pool:
        task = _ListingDecoder(pool, listing, decoding, shape, cache, callback)
        if not decoding.frames and not decoding.reading.metadata:
            try:
                return task.run(by_content=False)
            except _MultiPageFileError:
                pass
        return task.run(by_content=True)


class _MultiPageFileError(Exception):
    """A file that was treated as one image has several pages."""


@dataclass(frozen=True)
class _ListingDecoder:
    """The decoding of one listing."""

    pool: DecodingPool
    listing: Listing
    decoding: DecodeOptions
    shape: Shape | None
    cache: Path | None
    callback: Callback

    def run(self, by_content: bool) -> ImageCollection:
        """Decode all images. Pages are counted in all files if ``by_content``, else in files with a TIFF suffix.

        Raises
        ------
        _MultiPageFileError
            If a file with another suffix has several pages.
        """
        store = DecodedStore(self.cache, self._key(True))  # perhaps with the state of an interrupted decoding
        if not by_content and store.shape is None:
            store = DecodedStore(self.cache, self._key(False))
        else:
            by_content = True
        try:
            listing = self._cut(self.listing.with_contents(self._read_contents(by_content)), by_content)
            shape, is_fixed = (
                self.shape or store.shape or self._choose_shape(listing, by_content),
                self.shape is not None,
            )
            while (other := self._fill(listing, store, shape, is_fixed, by_content)) is not None:
                is_fixed = (
                    is_fixed or other.limits(True) != shape.limits(True) or other.limits(False) != shape.limits(False)
                )
                shape = other
            return self._make_collection(listing, store)
        finally:
            store.close()

    def _key(self, by_content: bool) -> str:
        shape = None if self.shape is None else self.shape.as_dict()
        facts = [STORE_VERSION, self.listing.stamp, self.decoding.for_key(), shape, by_content]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def _read_contents(self, by_content: bool) -> list[FileContents]:
        """Number and columns of the images in each file."""
        names = self.listing.table["file"]
        contents = [ONE_IMAGE] * len(self.listing)
        suffixes = (*MULTI_PAGE_SUFFIXES, *suffixes_of_several())
        rows = np.array(
            [i for i, name in enumerate(names) if by_content or name.as_py().lower().endswith(suffixes)], int
        )
        if len(rows):
            found = self._map("count", self.listing, rows, (self.decoding.frames, self._pages))
            for row, one in zip(rows, found, strict=True):
                contents[row] = ONE_IMAGE if isinstance(one, Failure) else one
        return contents

    def _cut(self, listing: Listing, by_content: bool) -> Listing:
        """The parts of the images, if these are cut.

        Raises
        ------
        _MultiPageFileError
            If a file that was treated as one image has several pages.
        """
        if self.decoding.cut is None:
            return listing
        cutter = Cutter(listing, self.decoding.cut)
        measured: list[MeasuredImage | Failure] = list(self._map("measure", listing, cutter.rows, self._pages))
        if not by_content and any(isinstance(one, MeasuredImage) and one.n_pages > 1 for one in measured):
            raise _MultiPageFileError
        parts = cutter.apply(measured)
        if not len(parts):
            raise no_images_error(parts, [])
        return parts

    def _choose_shape(self, listing: Listing, by_content: bool) -> Shape:
        """The shape of the collection, chosen from an evenly spaced sample."""
        rows = np.unique(np.linspace(0, len(listing) - 1, min(len(listing), N_PROBES)).astype(np.intp))
        probes = _succeeded(self._probe(listing, rows))
        if not probes:  # no image of the sample can be decoded
            results = self._probe(listing, np.arange(len(listing)))
            probes = _succeeded(results)
            if not probes:
                reasons = {i: one.reason for i, one in enumerate(results) if isinstance(one, Failure)}
                raise no_images_error(listing, _skipped_files(listing, reasons))
        if not by_content and any(one.n_pages > 1 for one in probes):
            raise _MultiPageFileError
        shape = choose_shape(probes, self.decoding.shape, len(listing))
        return (
            self._with_all_ranges(listing, shape) if len(rows) < len(listing) and has_observed_ranges(shape) else shape
        )

    def _probe(self, listing: Listing, rows: NDArray[np.intp]) -> "list[ImageProbe | Failure]":
        return list(self._map("probe", listing, rows, self._pages))

    def _map(self, task: str, listing: Listing, rows: NDArray[np.intp], argument: Any) -> Iterator[Any]:
        """The results of a task of the workers on some of the images."""
        return self.pool.map(task, listing.read(rows), argument, self.decoding.reading)

    @property
    def _pages(self) -> PageOptions:
        """How pages are read: as those of the collection that they are added to, or as is asked for."""
        if self.shape is not None:
            return self.shape.pages
        options = self.decoding.shape
        return replace(options.pages, as_channels=options.channels.is_given)

    def _with_all_ranges(self, listing: Listing, shape: Shape) -> Shape:
        """The shape with the ranges of values of all images, so that they do not depend on the sample."""
        found = with_ranges(shape, _succeeded(self._probe(listing, np.arange(len(listing)))))
        if self.shape is None:
            return found
        # images that are added to others are scaled as these, where these have values of the same kind
        return replace(
            found,
            channels=shape.channels,
            value_range=self.shape.value_range or found.value_range,
            float_range=self.shape.float_range or found.float_range,
        )

    @property
    def _max_empty(self) -> float:
        """Maximum fraction of an image that is background."""
        return self.decoding.cut.max_empty if isinstance(self.decoding.cut, Tiles) else 1.0

    def _fill(
        self, listing: Listing, store: DecodedStore, shape: Shape, is_fixed: bool, by_content: bool
    ) -> Shape | None:
        """Decode into the store. Returns another shape if this one lacks the colours or the range of an image."""
        n = len(listing)
        store.begin(shape, n, int(self.decoding.cache_limit * 1e9))
        rows = np.arange(store.progress.n_seen, n)
        for result in self._map("decode", listing, rows, shape):
            if isinstance(result, Decoded):
                if result.n_pages > 1 and not by_content:
                    raise _MultiPageFileError
                if result.pixels.shape != shape.image_shape:
                    return to_color(shape)
                if not _is_in_range(result, shape, is_fixed):
                    wider = self._with_all_ranges(listing, shape)
                    if wider != shape:
                        return wider
            if isinstance(result, Decoded) and result.background > self._max_empty:
                store.leave_out()
            else:
                store.add(result)
            if store.progress.n_seen % 64 == 0 or store.progress.n_seen == n:
                self.callback(Progress(store.progress.n_seen, n, {"skipped": store.progress.n_reasons}))
        return None

    def _make_collection(self, listing: Listing, store: DecodedStore) -> ImageCollection:
        shape = store.shape
        images, rows, reasons = store.finish()
        failed = _skipped_files(listing, reasons)
        kept = np.flatnonzero(rows["kept"])
        n_empty = len(rows) - len(kept) - len(reasons)
        if not len(images):
            raise self._all_empty_error(n_empty) if n_empty else no_images_error(listing, failed)
        skipped = listing.skipped + failed
        table = listing.table if len(kept) == len(rows) else listing.table.take(kept)
        contents = rows["content"][kept]
        is_known = pa.array(contents != np.zeros((), contents.dtype))
        columns = {
            "sha256": digest_column(rows["sha256"][kept].tobytes()),
            "pixels_sha256": compute.if_else(
                is_known, digest_column(contents.tobytes()), pa.scalar(None, pa.binary(32))
            ),
            "width": pa.array(rows["width"][kept]),
            "height": pa.array(rows["height"][kept]),
            **_file_facts(rows[kept]),
        }
        if listing.is_cut:
            columns[WHOLE_DIGEST_COLUMN] = digest_column(rows["whole"][kept].tobytes())
        for name, values in columns.items():
            table = table.append_column(name, values)
        origin = _listing_positions(listing, kept, len(self.listing))
        return ImageCollection(
            images,
            table,
            skipped,
            listing.name,
            shape,
            listing.n_ignored,
            listing.sources,
            origin,
            n_empty=n_empty,
            channels=() if shape is None else shape.channel_list,
        )

    def _all_empty_error(self, n_empty: int) -> SourceError:
        return SourceError(
            f"{self.listing.name}: all {n_empty:,} tiles are empty, since more than {self._max_empty:g} of each is of "
            "one colour: raise --max-empty (max_empty), or choose larger tiles"
        )


def _file_facts(rows: NDArray[Any]) -> dict[str, pa.Array]:
    """Columns of the size in bytes, the format and the mode of the files; null where they are not known."""
    sizes = rows["bytes"].astype(np.int64)
    names = {f"file_{name}": np.char.decode(rows[name], "utf-8") for name in ("format", "mode")}
    return {
        "file_bytes": pa.array(sizes, mask=sizes == 0),
        **{name: pa.array(values.tolist(), pa.string(), mask=values == "") for name, values in names.items()},
    }


def _succeeded(results: "list[ImageProbe | Failure]") -> list[ImageProbe]:
    return [one for one in results if isinstance(one, ImageProbe)]


def _is_in_range(picture: Decoded, shape: Shape, is_fixed: bool) -> bool:
    """Whether the values of an image lie in the range of the shape. A fixed range counts as covering all values."""
    if picture.limits is None:
        return True
    limits = shape.limits(picture.is_float)
    if limits is None or is_fixed:
        return limits is not None
    return limits[0] <= picture.limits[0] and picture.limits[1] <= limits[1]


def _skipped_files(listing: Listing, reasons: dict[int, str]) -> list[Skipped]:
    failed = sorted(reasons)
    names = listing.table["path"].take(pa.array(failed, pa.int64())).to_pylist()
    found = [Skipped(name, reasons[i]) for name, i in zip(names, failed, strict=True)]
    if not listing.is_cut:
        return found
    # what prevents the decoding of a cut image is one reason for all of its parts
    return list(dict.fromkeys(Skipped(without_box(path), reason) for path, reason in found))


def _listing_positions(listing: Listing, kept: NDArray[np.intp], n_files: int) -> ListingPositions:
    files = np.arange(len(listing)) if listing.files is None else listing.files
    return ListingPositions(n_files, len(listing), files[kept], kept)
