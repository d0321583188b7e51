"""Sources of images: MNIST, arrays, folders, patterns, tables, archives and single files."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from glob import has_magic
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentmap.core.addresses import BROKEN_ADDRESS, is_address, public_address
from latentmap.core.atomic_files import user_path
from latentmap.core.errors import IdxError, SourceError
from latentmap.core.progress import Callback, counted
from latentmap.images.archive import list_archive, list_compressed, list_shards
from latentmap.images.array_files import collection_from_idx, collection_from_npz, load_numpy
from latentmap.images.array_shapes import is_one_image
from latentmap.images.arrays import DEFAULT_SCALING, ArrayScaling, collection_from_array
from latentmap.images.channels import ChannelOptions
from latentmap.images.collection import ImageCollection
from latentmap.images.decode_options import DecodeOptions, choose_cut
from latentmap.images.decoding import Failure
from latentmap.images.deferred import DeferredSource, join_sources
from latentmap.images.folder import list_files, list_folder, list_pattern
from latentmap.images.image_objects import list_objects
from latentmap.images.label_files import read_labels
from latentmap.images.listing import Listing
from latentmap.images.listing_decoder import decode_listing
from latentmap.images.mnist import is_mnist, load_mnist_source
from latentmap.images.no_images import no_images_error
from latentmap.images.optional_formats import format_of_file
from latentmap.images.page_options import PageOptions
from latentmap.images.pool import DecodingPool
from latentmap.images.python_sources import find_objects
from latentmap.images.reading_options import ReadingOptions
from latentmap.images.remote.downloads import Downloads
from latentmap.images.remote.given_files import read_given_file
from latentmap.images.remote.remote_sources import find_remote
from latentmap.images.shape import ShapeOptions
from latentmap.images.stack_sources import list_array, split_array_name
from latentmap.images.table import TABLE_SUFFIXES, list_table, refuse_workbook
from latentmap.images.tiles import DEFAULT_MAX_EMPTY
from latentmap.images.webdataset import find_shards, is_shard_name
from latentmap.images.zarr_folders import is_zarr

SOURCE_KINDS = (
    "'mnist', a folder of images, a pattern such as 'scans/*.png', a .txt, .csv, .tsv or .parquet table, a zip or tar "
    "archive, an image file, an .npy or .npz file, an IDX file, or the address of one of these, such as s3://bucket/scans/"
)
ImageSource = Any  # a path, an array or another object: see open_images


def open_images(
    source: ImageSource,
    *,
    size: int | None = None,
    fit: str = "fit",
    color: str = "auto",
    background: str = "white",
    frames: bool = False,
    channels: str | Sequence[int] | None = None,
    channel_names: str | Sequence[str] | None = None,
    range: str | Sequence[Any] | None = None,
    axes: str = "auto",
    project: str = "max",
    metadata: Sequence[str] | None = None,
    fps: float = 1.0,
    audio_seconds: float = 4.0,
    audio_hop: float | None = None,
    audio_bands: int = 64,
    audio_max_frequency: float = 11025.0,
    audio_floor: float = -80.0,
    tiles: int | None = None,
    overlap: int = 0,
    max_empty: float = DEFAULT_MAX_EMPTY,
    crops: Any = None,
    labels: str | os.PathLike[str] | ArrayLike | None = None,
    strict: bool = False,
    cache: str | os.PathLike[str] | None = None,
    cache_limit: float = 64.0,
    downloads: str | os.PathLike[str] | None = None,
) -> ImageCollection:
    """Open a collection of images from any source, as pixels of one size.

    Files are decoded by one process per core. Every format that Pillow reads is accepted except EPS, which would run a
    program, and others with the packages of the extras. The EXIF orientation is applied, ICC profiles are ignored, and
    transparent images are composited over ``background``. Values of more than 8 bits per channel are scaled by the
    range that the collection uses, to uint8 for grey and RGB and to uint16 for channels. Files that cannot be decoded
    are listed in ``skipped`` with the reason.

    Parameters
    ----------
    source : str, path, ndarray or other object, or a list of them
        - A folder, searched recursively. The names of subfolders are the labels if every image lies in a subfolder.
        - A glob pattern such as ``scans/**/*.png``.
        - A .txt file with one path per line; a .csv, .tsv or .parquet table with a column of paths, whose other columns
          are kept; a .parquet table that contains the image files, as those of Hugging Face do.
        - A zip or tar archive, read without unpacking it to disk. In a tar, files of the same stem as an image describe
          it, as in WebDataset; a folder or pattern of such archives is one collection.
        - An image file. Each page of a TIFF is an image, and with ``frames`` each frame of an animation.
        - An array, or an .npy or .npz file with one: (n, height, width), or (n, height, width, channels). In an .npz
          file the images are the array called ``images``, ``x``, ``X``, ``x_train`` or ``arr_0``, or the only one with
          three or four dimensions, and the labels are the array called ``labels``, ``y``, ``Y`` or ``y_train``. With 1,
          3 or 4 channels (grey, RGB, RGBA), uint8 values are kept, bool becomes 0 and 255, floats in [0, 1] are
          multiplied by 255, and any other range is scaled to 0–255. With any other number of channels, each channel is
          scaled by its own range.
        - An array in HDF5 or Zarr: ``file.h5``, ``file.h5:name``, ``folder.zarr``, ``folder.zarr:name``.
        - An IDX file, compressed with gzip or not. Labels are read from the file beside it that follows the naming of
          MNIST.
        - ``"mnist"``: the 70,000 images of MNIST, which are part of the package, with their labels; ``"mnist:N"`` for
          the first N of them.
        - The address of a folder, pattern, table, archive or other file, such as ``s3://bucket/scans/`` or
          ``https://host/scans.zip``. Tables may also name images by address.
        - A list of images of any sizes, all of one kind: PIL images, arrays (height, width) or (height, width,
          channels), torch tensors (height, width) or (channels, height, width), or bytes of image files. Size, colour
          and range of values are chosen as for files. An entry that is None is skipped.
        - A torch tensor (n, height, width) or (n, channels, height, width), converted as an array.
        - A ``Dataset`` of Hugging Face. Names of classes become labels; other plain columns are kept.
        - A Series of pandas or Polars of paths, bytes, PIL images or arrays, or a DataFrame with such a column, whose
          other columns are kept.
    size : int, optional
        Side of the square images, in pixels. By default the size is chosen from the collection. Arrays keep their size.
    fit : {"fit", "fill", "stretch"}, default="fit"
        How an image of other proportions is brought to the size: shown whole on the colour of its border, cropped
        around its centre, or distorted.
    color : {"auto", "grey", "rgb"}, default="auto"
        Colour of the images. "auto" is grey if every image is grey.
    background : str, default="white"
        Colour behind transparent images: a CSS colour name or #rrggbb.
    frames : bool, default=False
        Take each frame of an animation as an image, instead of only the first.
    channels : str or sequence of int, optional
        Channels that are taken, from 0, such as "0,2,5". By default all channels of images that have other channels
        than grey, RGB or RGBA. If this, ``channel_names`` or ``range`` is passed, colours are channels too.
    channel_names : str or sequence of str, optional
        Names of the channels, such as "dapi,actin". By default those of the files.
    range : str or sequence, optional
        Values of channels that become darkest and brightest: ``(low, high)`` or "LOW,HIGH" for all, or one pair for
        each, in text with semicolons between them. By default robust percentiles of each channel over the collection.
    axes : {"auto", "images", "channels", "z"}, default="auto"
        What the pages of a TIFF or the planes of a FITS cube are: images, the channels of one image, or the planes of a
        volume that is projected.
        "auto" follows what OME-TIFF and ImageJ state if the extra ``tiff`` is installed; all other pages are images.
    project : {"max", "mean"}, default="max"
        How the planes of a volume become one.
    metadata : sequence of str, optional
        Keywords of DICOM attributes that become columns.
    fps : float, default=1
        Frames of a video that are taken per second.
    audio_seconds : float, default=4
        Duration of the pieces that sounds are cut into, in seconds. A rest of less than half of it is left out.
    audio_hop : float, optional
        Time between the columns of a spectrogram, in seconds. By default a 128th of a piece.
    audio_bands : int, default=64
        Number of mel bands, the height of a spectrogram.
    audio_max_frequency : float, default=11025
        Highest frequency of a spectrogram, in Hz.
    audio_floor : float, default=-80
        Power that is black in a spectrogram, in dB.
    tiles : int, optional
        Side of square tiles in pixels. Each image is cut into a grid of tiles, which are then the images of the
        collection. The last column and the last row are shifted inwards, so that all tiles have the full size; an image
        that is smaller than a tile is one tile.
    overlap : int, default=0
        Pixels that neighbouring tiles have in common, at most half of ``tiles``.
    max_empty : float, default=0.99
        Tiles of which a larger fraction has about the median colour of the tile, within 8 of 255 levels in each
        channel, are left out. 1 keeps all.
    crops : path, DataFrame or dict, optional
        Table of boxes, as a file, a DataFrame of pandas or Polars or a dict of columns, or a COCO file; see
        :func:`latentmap.images.crops.read_crops`. The boxes are then the images of the collection.
        Categories and the column ``label`` are their labels. Boxes that reach out of their image are clipped.
    labels : path or array-like of shape (n,), optional
        Labels that replace those of the source: an array, an .npy or IDX file, a text file with one label per line, or
        a table with a column ``label`` and optionally a column ``path``. One label per image, or one per listed file,
        including those that cannot be decoded.
    strict : bool, default=False
        Raise an error if a file cannot be decoded.
    cache : path, optional
        Folder of the decoded images, which are memory-mapped from there. A second call with the same arguments resumes
        an interrupted decoding. By default images are decoded into memory.
    cache_limit : float, default=64
        Maximum size of the decoded images, in GB, and of downloaded files.
    downloads : path, optional
        Folder that keeps downloaded files, for other calls as well. By default they are in ``cache`` until they are
        decoded.

    Returns
    -------
    ImageCollection
        The images, with their paths, labels and skipped files.

    Raises
    ------
    SourceError
        If the source does not exist or contains no images; if arrays have a shape or type that images cannot have, or
        contain NaN; if the number of labels differs from the number of images; if the images exceed ``cache_limit`` or
        the free space on disk; with ``strict``, if a file cannot be decoded.
    InputTypeError
        If an object, or an entry of a list, is no source of images.
    IdxError
        If an IDX file is damaged.
    InputError
        If ``size``, ``fit``, ``color``, ``background``, ``axes``, ``project``, ``metadata``, ``fps``, ``tiles``,
        ``overlap``, ``max_empty`` or an option of channels or sounds is not valid, both ``tiles`` and ``crops`` are
        given, or the images do not have the channels.
    MissingPackageError
        If a file is the source whose format needs a package that is not installed.

    Examples
    --------
    >>> collection = open_images(np.zeros((3, 8, 8), np.uint8), labels=["a", "b", "a"])
    >>> len(collection), collection.image_shape, collection.paths[0]
    (3, (8, 8), 'array[0]')
    """
    reading = ReadingOptions(
        tuple(metadata or ()), fps, audio_seconds, audio_hop, audio_bands, audio_max_frequency, audio_floor
    )
    cut = choose_cut(tiles, overlap, max_empty, crops)
    kept = None if downloads is None else user_path(downloads)
    wanted, pages = ChannelOptions.parse(channels, channel_names, range), PageOptions(axes, project)
    shape = ShapeOptions(size, fit, color, background, wanted, pages)
    decoding = DecodeOptions(shape, frames, cache_limit, kept, cut, reading)
    folder = None if cache is None else user_path(cache)
    with _downloads_for(decoding, folder) as own:
        given = None if labels is None else read_given_file(labels, own, read_labels)
        opened = open_source(find_source(source, decoding.scaling(), own))
        require_files_to_cut(opened, decoding)
        found = decode_listing(opened, decoding, cache=folder) if isinstance(opened, Listing) else opened
    if given is not None:
        found = found.with_labels(given)
    if strict:
        raise_if_skipped(found)
    return found


@contextmanager
def _downloads_for(decoding: DecodeOptions, cache: Path | None) -> Iterator[Downloads]:
    """The folder of downloads of one call. It is removed at the end, unless the user named it or an error is raised."""
    with TemporaryDirectory(prefix="latentmap-") if cache is None else nullcontext(str(cache)) as folder:
        found = decoding.downloads_in(Path(folder))
        yield found
        if decoding.downloads is None:
            found.remove()


def open_source(
    found: Listing | ImageCollection | DeferredSource, callback: Callback = lambda _: None
) -> Listing | ImageCollection:
    """Download a source that was deferred.

    Parameters
    ----------
    found : Listing, ImageCollection or DeferredSource
    callback : callable, optional
        Receives the progress in bytes.

    Returns
    -------
    Listing or ImageCollection

    Raises
    ------
    SourceError, IdxError
        If the source cannot be downloaded, or is no source of images.
    """
    if not isinstance(found, DeferredSource):
        return found
    opened = found.open(callback)
    return opened.infer_numbers() if isinstance(opened, Listing) else opened


def find_source(
    source: ImageSource, scaling: ArrayScaling = DEFAULT_SCALING, downloads: Downloads | None = None
) -> Listing | ImageCollection | DeferredSource:
    """List the files of a source, or read its arrays, which need no decoding.

    Parameters
    ----------
    source : str, path, ndarray or other object, or a list of them
        See :func:`open_images`.
    scaling : ArrayScaling
        Conversion of arrays to pixels.
    downloads : Downloads, optional
        Where files at an address are downloaded to.

    Returns
    -------
    Listing, ImageCollection or DeferredSource
        A listing of files, which :func:`latentmap.images.listing_decoder.decode_listing` decodes; the images of an
        array; or a source that is downloaded by :func:`open_source`.

    Raises
    ------
    SourceError
        If the source does not exist, contains no images, or is a list with an array in it.
    IdxError
        If an IDX file is damaged.
    """
    found = _find_source(source, scaling, downloads)
    return found.infer_numbers() if isinstance(found, Listing) else found


def require_files_to_cut(found: Listing | ImageCollection | DeferredSource, decoding: DecodeOptions) -> None:
    """Require that images which are to be cut are files.

    Parameters
    ----------
    found : Listing, ImageCollection or DeferredSource
    decoding : DecodeOptions

    Raises
    ------
    SourceError
        If they are arrays of .npz or IDX files, or MNIST. Of a deferred source, this is found out when it is opened.
    """
    if decoding.cut is not None and isinstance(found, ImageCollection):
        raise SourceError(
            f"{found.name}: arrays of this kind are not cut: pass the images as a NumPy array, or save them as files"
        )


def _find_source(
    source: ImageSource, scaling: ArrayScaling, downloads: Downloads | None
) -> Listing | ImageCollection | DeferredSource:
    found = find_objects(source, scaling, downloads)
    if found is not None:
        return found
    if isinstance(source, list | tuple):
        if len(source) == 1:
            return _find_source(source[0], scaling, downloads)
        return join_sources([_find_source(one, scaling, downloads) for one in source])
    if isinstance(source, np.ndarray):
        return _find_array(source, "array", scaling)
    if isinstance(source, str) and is_mnist(source):
        images, labels = load_mnist_source(source)
        return ImageCollection.of(images, source, labels)
    return _find_path(source, scaling, downloads)


def _find_array(array: NDArray[Any], name: str, scaling: ArrayScaling) -> Listing | ImageCollection:
    """The images of an array. If they are to be cut, an array (height, width), or of colours behind these, is one."""
    if not scaling.are_cut:
        return collection_from_array(array, name, scaling)
    if array.ndim not in (2, 3, 4) or 0 in array.shape:
        raise SourceError(
            f"{name}: an array of shape {array.shape}: images are (n, height, width) or (n, height, width, channels)"
        )
    images = [array] if is_one_image(array.shape) else list(array)
    return list_objects(images, as_channels=scaling.as_channels, name=name)


def _find_path(
    source: str | os.PathLike[str], scaling: ArrayScaling, downloads: Downloads | None
) -> Listing | ImageCollection | DeferredSource:
    if is_address(source):
        if downloads is None:
            raise SourceError(f"{public_address(str(source))}: an address needs a folder for its downloads")
        return find_remote(str(source), downloads, lambda path: _find_file(path, scaling))
    path = user_path(source)
    if path.is_file():
        return _find_file(path, scaling, downloads)
    if is_zarr(str(path)):
        return list_array(path, None)
    if path.is_dir():
        return _list_folder_or_shards(path)
    if not path.exists() and has_magic(str(path)):
        return _list_pattern_or_shards(str(path))
    named = split_array_name(path)
    if named is not None:
        return list_array(*named)
    if BROKEN_ADDRESS.match(str(path)):
        address = public_address(str(path).replace(":/", "://", 1))
        raise SourceError(f"{address}: pass an address as text, not as a Path")
    raise SourceError(f"{path}: no such file or folder: a source is {SOURCE_KINDS}")


def _list_folder_or_shards(path: Path) -> Listing:
    """List a folder. If it holds WebDataset archives and no images, these are the collection."""
    listing = list_folder(path)
    if not len(listing):
        shards = list_shards(find_shards(path, [one.path for one in listing.skipped]), listing.name)
        if shards is not None:
            return _require_images(shards, path)
    return _require_images(listing, path)


def _list_pattern_or_shards(pattern: str) -> Listing:
    """List the files that match a pattern. If all are WebDataset archives, these are the collection."""
    listing = list_pattern(pattern)
    names = listing.table["file"].to_pylist()
    if names and all(is_shard_name(name) for name in names):
        shards = list_shards(find_shards(Path(listing.root or "."), names), listing.name)
        if shards is not None:
            return _require_images(shards, Path(pattern))
    return _require_images(listing, Path(pattern))


def _find_file(path: Path, scaling: ArrayScaling, downloads: Downloads | None = None) -> Listing | ImageCollection:
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return _find_array(load_numpy(path), path.stem, scaling)
    if suffix == ".npz":
        return collection_from_npz(path, scaling)
    refuse_workbook(path)
    if suffix in TABLE_SUFFIXES:
        return _require_images(list_table(path, downloads=downloads), path)
    archive = list_archive(path)
    return _find_idx_or_image(path, scaling) if archive is None else _require_images(archive, path)


def _find_idx_or_image(path: Path, scaling: ArrayScaling) -> Listing | ImageCollection:
    try:
        return collection_from_idx(path, scaling)
    except IdxError as error:
        if "not an IDX file" not in str(error):
            raise
        listing = list_compressed(path) or list_files(path.stem, str(path.parent), [path.name])
        optional = format_of_file(path)
        if optional is not None:
            optional.require(path)
            return listing
        if _is_image(listing):
            return listing
        raise IdxError(f"{error}; a source is {SOURCE_KINDS}") from error


def _is_image(listing: Listing) -> bool:
    with DecodingPool(1) as pool:
        return not isinstance(next(pool.map("probe", listing.read(np.arange(1)))), Failure)


def _require_images(listing: Listing, path: Path) -> Listing:
    if not len(listing):
        raise no_images_error(listing, [], str(path))
    return listing


def raise_if_skipped(collection: ImageCollection) -> None:
    """Require that every file was decoded.

    Parameters
    ----------
    collection : ImageCollection

    Raises
    ------
    SourceError
        If a file was skipped.
    """
    if collection.skipped:
        path, reason = collection.skipped[0]
        raise SourceError(
            f"{collection.name}: {counted(len(collection.skipped), 'file')} cannot be decoded, the first is {path!r} "
            f"({reason}): fix or remove them, or drop --strict (strict=True)"
        )
