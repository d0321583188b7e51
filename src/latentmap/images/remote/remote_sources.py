"""A source at an address: what it is, and its images."""

import hashlib
import posixpath
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latentmap.core.addresses import WEB, folder_of, name_of, protocol_of, public_address
from latentmap.core.atomic_files import resolved
from latentmap.core.errors import SourceError, TransferError
from latentmap.core.progress import Callback
from latentmap.images.collection import ImageCollection
from latentmap.images.decoding import EncodedImage, Failure
from latentmap.images.deferred import DeferredSource
from latentmap.images.listing import Listing
from latentmap.images.no_images import no_images_error
from latentmap.images.remote.downloads import Downloads
from latentmap.images.remote.filesystems import NOT_FOUND_REASON, RemoteFile
from latentmap.images.remote.remote_listing import has_remote_magic, list_remote_folder, list_remote_pattern
from latentmap.images.table import TABLE_SUFFIXES, list_table, refuse_workbook

NOT_HERE_REASON = "a path in a downloaded file, which may not name files of this machine"


def find_remote(
    address: str, downloads: Downloads, find_file: Callable[[Path], Listing | ImageCollection]
) -> Listing | DeferredSource:
    """List the images at an address.

    Parameters
    ----------
    address : str
        A folder, a pattern, a table, or any other file that is a source.
    downloads : Downloads
    find_file : callable
        Lists the images of a file on this machine.

    Returns
    -------
    Listing or DeferredSource
        A file that is downloaded as a whole is a deferred source, unless it is a text table.

    Raises
    ------
    SourceError
        If there is nothing at the address, or it cannot be read.
    """
    found = _find(address, downloads, find_file)
    if isinstance(found, Listing) and not len(found):
        raise no_images_error(found, [], public_address(address))
    return found


def _find(
    address: str, downloads: Downloads, find_file: Callable[[Path], Listing | ImageCollection]
) -> Listing | DeferredSource:
    if has_remote_magic(address) is not None:
        return list_remote_pattern(address, downloads)
    is_web = protocol_of(address) in WEB
    path = (address.split("?", maxsplit=1)[0] if is_web else address).partition("://")[2]
    if path.endswith("/") or (is_web and "/" not in path):
        return list_remote_folder(address, downloads)
    reason = ""
    try:
        file, info = downloads.info(address)
    except TransferError as error:
        reason = str(error)
    if reason:
        return _without_info(address, downloads, reason)
    is_page = info.get("mimetype") == "text/html" and not posixpath.splitext(name_of(address))[1]
    if info.get("type") == "directory" or is_page:
        return list_remote_folder(address, downloads)
    name = Path(name_of(address))
    refuse_workbook(name)
    if name.suffix.lower() in TABLE_SUFFIXES and name.suffix.lower() != ".parquet":
        return _open_table(file, downloads)
    stamp = hashlib.sha256(file.facts.encode()).hexdigest()

    def open_file(callback: Callback) -> Listing | ImageCollection:
        opened = _open_file(file, downloads, find_file, callback)
        return replace(opened, stamp=stamp) if isinstance(opened, Listing) else opened

    return DeferredSource(name.stem, stamp, open_file)


def _without_info(address: str, downloads: Downloads, reason: str) -> Listing:
    """A bucket or folder that has no entry of its own, or an error."""
    if reason == NOT_FOUND_REASON and protocol_of(address) not in WEB:
        found = list_remote_folder(address, downloads)
        if len(found):
            return found
    raise SourceError(f"{public_address(address)}: {reason}: pass the address of a folder, a table or another source")


def _open_table(file: RemoteFile, downloads: Downloads, callback: Callback = lambda _: None) -> Listing:
    path = downloads.whole(file, callback)
    try:
        found = list_table(path, folder_of(file.address), downloads)
    except SourceError as error:
        raise SourceError(str(error).replace(str(path), public_address(file.address))) from None
    return _guarded(found, path.parent)


def _open_file(
    file: RemoteFile,
    downloads: Downloads,
    find_file: Callable[[Path], Listing | ImageCollection],
    callback: Callback,
) -> Listing | ImageCollection:
    if Path(name_of(file.address)).suffix.lower() in TABLE_SUFFIXES:
        return _open_table(file, downloads, callback)
    path = downloads.whole(file, callback)
    try:
        found = find_file(path)
    except SourceError as error:
        raise type(error)(str(error).replace(str(path), public_address(file.address))) from None
    if isinstance(found, ImageCollection):  # it may be mapped from the file
        return replace(found, images=np.array(found.images))
    root = None if found.root is None else public_address(folder_of(file.address))
    return replace(_guarded(found, path.parent), root=root)


def _guarded(listing: Listing, folder: Path) -> Listing:
    """A listing that reads no files outside of the folder of downloads, whatever a table says."""
    below = resolved(folder.parent)

    def read(rows: NDArray[np.intp]) -> Iterator[EncodedImage]:
        for image in listing.read(rows):
            is_outside = isinstance(image.source, str) and not resolved(image.source).is_relative_to(below)
            yield EncodedImage(Failure(NOT_HERE_REASON)) if is_outside else image

    return replace(listing, read=read)
