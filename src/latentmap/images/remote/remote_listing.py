"""Listing of the images in a folder at an address, and of those that match a pattern."""

import hashlib
import re
from collections.abc import Iterator
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from latentmap.core.addresses import WEB, name_of, protocol_of, public_address
from latentmap.core.errors import SourceError, TransferError
from latentmap.images.decoding import EncodedImage, Failure
from latentmap.images.file_kinds import ARCHIVE_REASON, UNREAD_REASON, FileKind, file_kind_by_name
from latentmap.images.folder import RUN_FILES
from latentmap.images.image_table import make_image_table
from latentmap.images.listing import Listing, Skipped
from latentmap.images.remote.downloads import Downloads
from latentmap.images.remote.filesystems import RemoteFile, remote_file, with_retries
from latentmap.images.remote.index_pages import MAX_DEPTH, files_of_web_folder
from latentmap.images.remote.reading_ahead import read_ahead

MAGIC = re.compile(r"[*?\[]")
WEB_MAGIC = re.compile(r"[*\[]")  # a question mark begins the query


def list_remote_folder(address: str, downloads: Downloads) -> Listing:
    """List all images below a folder, sorted by name, as :func:`latentmap.images.folder.list_folder` does.

    A file whose name has no suffix is taken for an image, since no file is read before it is decoded.

    Parameters
    ----------
    address : str
        Address of the folder. On a web server, its index pages are read.
    downloads : Downloads

    Returns
    -------
    Listing

    Raises
    ------
    SourceError
        If the folder cannot be listed.
    """
    root = address.split("?", maxsplit=1)[0].rstrip("/") if protocol_of(address) in WEB else address.rstrip("/")
    return _list_found(root, _find(root, downloads, None), downloads)


def list_remote_pattern(address: str, downloads: Downloads) -> Listing:
    """List the files that match a glob pattern, sorted by name.

    Parameters
    ----------
    address : str
        Address with ``*``, ``**`` or ``[…]``, and ``?`` except on a web server.
    downloads : Downloads

    Returns
    -------
    Listing

    Raises
    ------
    SourceError
        If the files cannot be listed.
    """
    fixed = address[: (has_remote_magic(address) or len(address))]
    root = fixed.rpartition("/")[0]
    return _list_found(root, _find(root, downloads, address), downloads, keep_all=True)


def has_remote_magic(address: str) -> int | None:
    """The position of the first wildcard in an address; None without one.

    Parameters
    ----------
    address : str

    Returns
    -------
    int or None
    """
    is_web = protocol_of(address) in WEB
    found = (WEB_MAGIC if is_web else MAGIC).search(address.split("?", maxsplit=1)[0] if is_web else address)
    return None if found is None else found.start()


def _find(root: str, downloads: Downloads, pattern: str | None) -> dict[str, RemoteFile]:
    """Files below a folder by their relative names."""
    find = _find_web if protocol_of(root) in WEB else _find_stored
    failure = ""
    try:
        return find(root, downloads, pattern)
    except TransferError as error:
        failure = str(error)
    raise SourceError(f"{public_address(root)}: cannot be listed: {failure}")


def _find_stored(root: str, downloads: Downloads, pattern: str | None) -> dict[str, RemoteFile]:
    filesystem, path = downloads.filesystems.of(root)
    if pattern is None:
        infos = with_retries(lambda: filesystem.find(path, detail=True))
    else:
        wanted = downloads.filesystems.of(pattern)[1]
        infos = with_retries(lambda: filesystem.glob(wanted, detail=True))
    prefix, protocol = path.rstrip("/") + "/", protocol_of(root)
    return {
        key[len(prefix) :]: remote_file(f"{protocol}://{key.lstrip('/')}", info)
        for key, info in infos.items()
        if info.get("type") != "directory" and key.startswith(prefix) and not key.endswith("/")
    }


def _find_web(root: str, downloads: Downloads, pattern: str | None) -> dict[str, RemoteFile]:
    from fsspec.utils import glob_translate

    path = downloads.filesystems.of(root)[1].rstrip("/") + "/"
    rest = "**" if pattern is None else pattern[len(root) :].lstrip("/")
    depth = MAX_DEPTH if "**" in rest else rest.count("/")
    addresses = list(files_of_web_folder(path, downloads, depth))
    names = [unquote(address[len(path) :]) for address in addresses]
    wanted = re.compile(glob_translate(unquote(rest)))
    return {
        name: RemoteFile(address)
        for name, address in zip(names, addresses, strict=True)
        if pattern is None or wanted.match(name)
    }


def _list_found(root: str, found: dict[str, RemoteFile], downloads: Downloads, *, keep_all: bool = False) -> Listing:
    names: list[str] = []
    skipped: list[Skipped] = []
    n_ignored = 0
    failures: dict[int, str] = {}
    runs = {name.rpartition("/")[0] for name in found if name.rpartition("/")[2] == "run.json"}
    runs &= {name.rpartition("/")[0] for name in found if name.rpartition("/")[2] in RUN_FILES - {"run.json"}}
    for name in sorted(found):
        parts = name.split("/")
        if any(part.startswith(".") for part in parts) or any("/".join(parts[:i]) in runs for i in range(len(parts))):
            continue
        kind = FileKind.IMAGE if keep_all or "." not in parts[-1] else file_kind_by_name(name)
        if kind is FileKind.ARCHIVE:
            skipped.append(Skipped(name, ARCHIVE_REASON))
        elif kind in (FileKind.IMAGE, FileKind.UNREAD):
            if kind is FileKind.UNREAD:
                failures[len(names)] = UNREAD_REASON
            names.append(name)
        else:
            n_ignored += 1
    files = [found[name] for name in names]

    def read(rows: NDArray[np.intp]) -> Iterator[EncodedImage]:
        reasons = ((int(row), failures.get(int(row))) for row in rows)
        return read_ahead(
            downloads, (files[row] if reason is None else EncodedImage(Failure(reason)) for row, reason in reasons)
        )

    place = public_address(root)
    digest = hashlib.sha256(repr((place, sorted(failures.items()))).encode("utf-8", "surrogatepass"))
    for name, file in zip(names, files, strict=True):
        digest.update(repr((name, file.facts)).encode("utf-8", "surrogatepass"))
    title = name_of(place) or place.partition("://")[2]
    return Listing(title, make_image_table(names), read, digest.hexdigest(), skipped, n_ignored, place)
