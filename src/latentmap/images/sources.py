"""Sources of images: MNIST, arrays, and all that :mod:`latentmap.images.listing` can list."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field, replace
from glob import has_magic
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray
from pyarrow import compute

from latentmap.core.atomic_files import user_path
from latentmap.core.progress import Callback, Progress, counted
from latentmap.images.archive import list_archive, list_compressed
from latentmap.images.arrays import DEFAULT, Scaling, from_array, from_idx, from_npz, load_numpy
from latentmap.images.cells import digest_column
from latentmap.images.collection import ImageCollection
from latentmap.images.decoding import Decoded, Failure
from latentmap.images.folder import list_files, list_folder, list_pattern
from latentmap.images.idx import IdxError
from latentmap.images.label_files import read_labels
from latentmap.images.listing import Listing, Skipped, SourceError, join
from latentmap.images.mnist import load_mnist
from latentmap.images.named_labels import Origin
from latentmap.images.no_images import no_images
from latentmap.images.pool import DecodingPool
from latentmap.images.probe import ImageProbe
from latentmap.images.shape import Shape, ShapeOptions, choose_shape, color_shape, has_seen_ranges, with_ranges
from latentmap.images.store import Store
from latentmap.images.table import SUFFIXES, list_table, refuse_workbook

KINDS = (
    "'mnist', a folder of images, a pattern such as 'scans/*.png', a .txt, .csv, .tsv or .parquet table, a zip or tar "
    "archive, an image file of many pages, an .npy or .npz file, or an IDX file"
)
# Pictures that the choice of a shape probes at.
N_PROBES = 1000
# Names of files that are asked for their pages before any is decoded; in others pages are found when they are decoded.
PAGED = (".tif", ".tiff")
# Of what an interrupted decoding leaves: changes when that is laid out, or when pictures are decoded, in another way.
STORE_VERSION = 2

Source = str | os.PathLike[str] | NDArray[Any]


@dataclass(frozen=True)
class Decoding:
    """How a source is to be decoded.

    Parameters
    ----------
    shape : ShapeOptions
    frames : bool
        Take each frame of an animated GIF, WebP, PNG or AVIF as an image, instead of the first. Pages of a TIFF are
        images always.
    cache_limit : float
        Most that decoded images may take, in GB.
    """

    shape: ShapeOptions = field(default_factory=ShapeOptions)
    frames: bool = False
    cache_limit: float = 64.0

    def as_dict(self) -> dict[str, Any]:
        """All that changes what comes out, by name, as JSON can hold it."""
        return asdict(self.shape) | {"frames": self.frames}

    def scaling(self, limits: tuple[float, float] | None = None) -> Scaling:
        """How arrays become 8 bits: by ``limits``, where they join images that were scaled by these."""
        return Scaling(limits, int(self.cache_limit * 1e9))


def open_images(
    source: Source | list[Source],
    *,
    size: int | None = None,
    fit: str = "fit",
    color: str = "auto",
    background: str = "white",
    frames: bool = False,
    labels: str | os.PathLike[str] | ArrayLike | None = None,
    strict: bool = False,
    cache: str | os.PathLike[str] | None = None,
    cache_limit: float = 64.0,
) -> ImageCollection:
    """Open a collection of images, whatever it is kept in, as uint8 pixels of one size.

    Files are decoded by as many processes as there are cores. Every format that Pillow reads is taken, except EPS,
    which would run a program. EXIF's orientation is applied, ICC profiles are ignored, transparency is laid over
    ``background``; 16 bits and floats are stretched to the range that the collection uses. What cannot be decoded is
    in ``skipped`` with the reason.

    Parameters
    ----------
    source : str, path or ndarray, or a list of them
        - A folder, searched recursively; names of sub-folders are the labels when every image lies in one.
        - A pattern such as ``scans/**/*.png``.
        - A .txt file with a path a line; a .csv, .tsv or .parquet table with a column of paths, whose other columns are
          kept; a .parquet table that holds the files themselves, as Hugging Face's do.
        - A zip or tar archive, read in place.
        - An image file; pages of a TIFF, and frames of an animation if asked for, are an image each.
        - An array, or an .npy or .npz file with one: (n, height, width), or (n, height, width, channels) with 1, 3 or 4
          channels. From an .npz the array called ``images``, ``x`` or ``arr_0`` is taken, else the only one with three
          or four dimensions, and labels from ``labels`` or ``y``. uint8 is taken as it is, bool becomes 0 and 255,
          floats in [0, 1] are multiplied by 255, and any other range is stretched to 0–255.
        - An IDX file, compressed or not. Labels are taken from a file beside it that is named as MNIST's are.
        - ``"mnist"``: all 70,000 images inside the package, with their labels.
    size, fit, color, background
        See :class:`latentmap.images.ShapeOptions`. Arrays keep their size.
    frames : bool, default=False
        Take each frame of an animation as an image, instead of the first.
    labels : path or array (n,), optional
        Labels instead of those that the source has: an array, an .npy or IDX file, a text file with one a line, or a
        table with the columns ``label`` and perhaps ``path``. There may be one for each image, or for each file that is
        listed, those included that cannot be decoded.
    strict : bool, default=False
        Make what cannot be decoded an error.
    cache : path, optional
        Folder that decoded images are kept in and mapped from, so that they need no memory; the same call again goes
        on where the last one was stopped. In memory by default.
    cache_limit : float, default=64
        Most that decoded images may take, in GB.

    Returns
    -------
    ImageCollection

    Raises
    ------
    SourceError
        If there is no such source, or it holds no images, or arrays of a shape or type that cannot be images, or NaN;
        if there are not as many labels as images; if images take more room than there is; with ``strict``, if any
        cannot be decoded.
    IdxError
        If an IDX file is damaged.

    Examples
    --------
    >>> collection = open_images(np.zeros((3, 8, 8), np.uint8), labels=["a", "b", "a"])
    >>> len(collection), collection.image_shape, collection.paths[0]
    (3, (8, 8), 'array[0]')
    """
    decoding = Decoding(ShapeOptions(size, fit, color, background), frames, cache_limit)
    found = find_source(source, decoding.scaling())
    if isinstance(found, Listing):
        found = decode(found, decoding, cache=None if cache is None else user_path(cache))
    if labels is not None:
        found = found.with_labels(read_labels(labels))
    if strict:
        check_strictly(found)
    return found


def find_source(source: Source | list[Source], scaling: Scaling = DEFAULT) -> Listing | ImageCollection:
    """List what is to be decoded, or read the arrays that need no decoding, in 8 bits by ``scaling``.

    Raises
    ------
    SourceError, IdxError
        See :func:`open_images`.
    """
    found = _find(source, scaling)
    return found.with_numbers() if isinstance(found, Listing) else found


def _find(source: Source | list[Source], scaling: Scaling) -> Listing | ImageCollection:
    if isinstance(source, list):
        if len(source) == 1:
            return _find(source[0], scaling)
        listings = [_find(one, scaling) for one in source]
        if not listings or not all(isinstance(one, Listing) for one in listings):
            raise SourceError("several sources must all be of files: pass arrays one by one, or as one array")
        return join([one for one in listings if isinstance(one, Listing)])
    if isinstance(source, np.ndarray):
        return from_array(source, "array", scaling)
    if source == "mnist":
        images, labels = load_mnist("all")
        return ImageCollection.of(images, "mnist", labels)
    return _find_path(user_path(source), scaling)


def _find_path(path: Path, scaling: Scaling) -> Listing | ImageCollection:
    if path.is_file():
        return _find_file(path, scaling)
    if path.is_dir():
        return _not_empty(list_folder(path), path)
    if not path.exists() and has_magic(str(path)):
        return _not_empty(list_pattern(str(path)), path)
    raise SourceError(f"{path}: there is no such file or folder: a source is {KINDS}")


def _find_file(path: Path, scaling: Scaling) -> Listing | ImageCollection:
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return from_array(load_numpy(path), path.stem, scaling)
    if suffix == ".npz":
        return from_npz(path, scaling)
    refuse_workbook(path)
    if suffix in SUFFIXES:
        return _not_empty(list_table(path), path)
    archive = list_archive(path)
    return _find_idx_or_image(path, scaling) if archive is None else _not_empty(archive, path)


def _find_idx_or_image(path: Path, scaling: Scaling) -> Listing | ImageCollection:
    try:
        return from_idx(path, scaling)
    except IdxError as error:
        if "not an IDX file" not in str(error):
            raise
        listing = list_compressed(path) or list_files(path.stem, str(path.parent), [path.name])
        if _opens(listing):
            return listing
        raise IdxError(f"{error}; a source is {KINDS}") from error


def _opens(listing: Listing) -> bool:
    with DecodingPool(1) as pool:
        return not isinstance(next(pool.map("probe", listing.read(np.arange(1)))), Failure)


def _not_empty(listing: Listing, path: Path) -> Listing:
    if not len(listing):
        raise no_images(listing, [], str(path))
    return listing


def decode(
    listing: Listing,
    decoding: Decoding,
    *,
    shape: Shape | None = None,
    cache: Path | None = None,
    callback: Callback = lambda _: None,
) -> ImageCollection:
    """Decode all that is listed; into ``shape`` where it is known already.

    Raises
    ------
    SourceError
        If nothing can be decoded, or decoded images take more room than there is.
    """
    with DecodingPool() as pool:
        task = _Decoding(pool, listing, decoding, shape, cache, callback)
        if not decoding.frames:
            try:
                return task.done(by_content=False)
            except _SeveralPages:
                pass
        return task.done(by_content=True)


class _SeveralPages(Exception):  # noqa: N818 - never leaves this module
    """A file that was taken for one picture holds several."""


@dataclass(frozen=True)
class _Decoding:
    """The decoding of one source."""

    pool: DecodingPool
    listing: Listing
    decoding: Decoding
    shape: Shape | None
    cache: Path | None
    callback: Callback

    def done(self, by_content: bool) -> ImageCollection:
        """Decode all; pages are looked for in all files, or in those whose names say that they may have some.

        Raises
        ------
        _SeveralPages
            If files turn out to have pages whose names do not say so.
        """
        store = Store(self.cache, self._key(True))  # as an interrupted decoding may have left it
        if not by_content and store.shape is None:
            store = Store(self.cache, self._key(False))
        else:
            by_content = True
        try:
            listing = self.listing.with_frames(self._frames(by_content))
            shape, is_fixed = self.shape or store.shape or self._choose(listing, by_content), self.shape is not None
            while (other := self._fill(listing, store, shape, is_fixed, by_content)) is not None:
                is_fixed = (
                    is_fixed or other.limits(True) != shape.limits(True) or other.limits(False) != shape.limits(False)
                )
                shape = other
            return _collected(listing, store)
        finally:
            store.close()

    def _key(self, by_content: bool) -> str:
        shape = None if self.shape is None else self.shape.as_dict()
        facts = [STORE_VERSION, self.listing.stamp, self.decoding.as_dict(), shape, by_content]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def _frames(self, by_content: bool) -> NDArray[np.intp]:
        """Pictures in each file."""
        names = self.listing.table["path"]
        n_frames = np.ones(len(self.listing), np.intp)
        rows = np.array([i for i, name in enumerate(names) if by_content or name.as_py().lower().endswith(PAGED)], int)
        if len(rows):
            counts = self.pool.map("count", self.listing.read(rows), self.decoding.frames)
            n_frames[rows] = [1 if isinstance(count, Failure) else max(1, count) for count in counts]
        return n_frames

    def _choose(self, listing: Listing, by_content: bool) -> Shape:
        """A shape for all, from a look at some that lie evenly spread."""
        rows = np.unique(np.linspace(0, len(listing) - 1, min(len(listing), N_PROBES)).astype(np.intp))
        probes = _succeeded(self._probe(listing, rows))
        if not probes:  # perhaps some of the others
            results = self._probe(listing, np.arange(len(listing)))
            probes = _succeeded(results)
            if not probes:
                reasons = {i: one.reason for i, one in enumerate(results) if isinstance(one, Failure)}
                raise no_images(listing, _skipped(listing, reasons))
        if not by_content and any(one.n_pages > 1 for one in probes):
            raise _SeveralPages
        shape = choose_shape(probes, self.decoding.shape, len(listing))
        return self._widened(listing, shape) if len(rows) < len(listing) and has_seen_ranges(shape) else shape

    def _probe(self, listing: Listing, rows: NDArray[np.intp]) -> "list[ImageProbe | Failure]":
        return list(self.pool.map("probe", listing.read(rows)))

    def _widened(self, listing: Listing, shape: Shape) -> Shape:
        """The same shape with the ranges of all pictures, which do not depend on those that were looked at first."""
        found = with_ranges(shape, _succeeded(self._probe(listing, np.arange(len(listing)))))
        if self.shape is None:
            return found
        # images that join others are scaled as these, where these have values of the kind
        return replace(
            found,
            channels=shape.channels,
            value_range=self.shape.value_range or found.value_range,
            float_range=self.shape.float_range or found.float_range,
        )

    def _fill(self, listing: Listing, store: Store, shape: Shape, is_fixed: bool, by_content: bool) -> Shape | None:
        """Decode into the store; another shape when a picture turns up that this one has no colours or range for."""
        n = len(listing)
        store.begin(shape, n, int(self.decoding.cache_limit * 1e9))
        rows = np.arange(store.progress.n_seen, n)
        for result in self.pool.map("decode", listing.read(rows), shape):
            if isinstance(result, Decoded):
                if result.n_pages > 1 and not by_content:
                    raise _SeveralPages
                if result.pixels.shape != shape.image_shape:
                    return color_shape(shape)
                if not _is_covered(result, shape, is_fixed):
                    wider = self._widened(listing, shape)
                    if wider != shape:
                        return wider
            store.add(result)
            if store.progress.n_seen % 64 == 0 or store.progress.n_seen == n:
                self.callback(Progress(store.progress.n_seen, n, {"skipped": store.progress.n_reasons}))
        return None


def _succeeded(results: "list[ImageProbe | Failure]") -> list[ImageProbe]:
    return [one for one in results if isinstance(one, ImageProbe)]


def _is_covered(picture: Decoded, shape: Shape, is_fixed: bool) -> bool:
    """Whether the values of a picture lie in the range that the shape has for them; a fixed one is not widened."""
    if picture.limits is None:
        return True
    limits = shape.limits(picture.is_float)
    if limits is None or is_fixed:
        return limits is not None
    return limits[0] <= picture.limits[0] and picture.limits[1] <= limits[1]


def _collected(listing: Listing, store: Store) -> ImageCollection:
    shape = store.shape
    images, rows, reasons = store.finish()
    failed = _skipped(listing, reasons)
    if not len(images):
        raise no_images(listing, failed)
    skipped = listing.skipped + failed
    kept = np.flatnonzero(rows["kept"])
    table = listing.table if len(kept) == len(rows) else listing.table.take(kept)
    contents = rows["content"][kept]
    is_known = pa.array(contents != np.zeros((), contents.dtype))
    columns = {
        "sha256": digest_column(rows["sha256"][kept].tobytes()),
        "pixels_sha256": compute.if_else(is_known, digest_column(contents.tobytes()), pa.scalar(None, pa.binary(32))),
        "width": pa.array(rows["width"][kept]),
        "height": pa.array(rows["height"][kept]),
    }
    for name, values in columns.items():
        table = table.append_column(name, values)
    origin = _origin(listing, kept)
    return ImageCollection(images, table, skipped, listing.name, shape, listing.n_ignored, listing.sources, origin)


def _skipped(listing: Listing, reasons: dict[int, str]) -> list[Skipped]:
    failed = sorted(reasons)
    names = listing.table["path"].take(pa.array(failed, pa.int64())).to_pylist()
    return [Skipped(name, reasons[i]) for name, i in zip(names, failed, strict=True)]


def _origin(listing: Listing, kept: NDArray[np.intp]) -> Origin:
    files = np.arange(len(listing)) if listing.files is None else listing.files
    return Origin(int(files[-1]) + 1, len(listing), files[kept], kept)


def check_strictly(collection: ImageCollection) -> None:
    """Raise SourceError when a file could not be decoded."""
    if collection.skipped:
        path, reason = collection.skipped[0]
        raise SourceError(
            f"{collection.name}: {counted(len(collection.skipped), 'file')} cannot be decoded, the first is {path!r} "
            f"({reason}): fix or remove them, or drop --strict (strict=True)"
        )
