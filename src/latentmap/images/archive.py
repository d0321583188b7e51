"""Images in zip and tar archives and in compressed files, read without unpacking them to disk."""

import zipfile
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.errors import SourceError
from latentmap.images.archive_contents import ArchiveContents
from latentmap.images.archive_members import ARCHIVE_ERRORS, MAX_MEMBER_BYTES
from latentmap.images.decoding import EncodedImage, Failure
from latentmap.images.decompression import decompressed_limit, open_compressed
from latentmap.images.file_kinds import IMAGE_SIGNATURES, N_FIRST_BYTES, FileKind, detect_file_kind
from latentmap.images.image_table import make_image_table
from latentmap.images.listing import Listing, file_stamp, join_listings
from latentmap.images.optional_formats import missing_packages
from latentmap.images.table import rename_other_columns
from latentmap.images.tar_members import TAR_BLOCK_BYTES, TarMembers, is_tar_header
from latentmap.images.webdataset import read_sidecars
from latentmap.images.zip_members import ZipMembers

# Formats of archives and compressed files that are not read, by their first bytes.
UNREAD_ARCHIVE_SIGNATURES = {
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "RAR",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"\x04\x22\x4d\x18": "LZ4",
    b"\x1f\x9d": "compress (.Z)",
    b"MSCF": "CAB",
}


def list_archive(path: Path) -> Listing | None:
    """List the images in an archive like those of the folder that it unpacks to.

    The last member of a name replaces earlier ones. ``..`` and leading slashes are removed from names, and links are
    followed as in a folder. Images are sorted by name, except those of compressed tar archives with more than 1 GiB of
    images, which keep their order. In a tar archive, files of the same stem as an image describe it (see
    :func:`latentmap.images.webdataset.read_sidecars`).

    Parameters
    ----------
    path : Path

    Returns
    -------
    Listing or None
        None if the file is not an archive.

    Raises
    ------
    SourceError
        If the list of members is damaged, the images exceed the limit of decompressed data, or the format is not read.
    """
    try:
        kind = _archive_format(path)
        if kind is None:
            return None
        archive = ZipMembers(path) if kind == "zip" else TarMembers(path)
        contents = ArchiveContents(archive, decompressed_limit(path.stat().st_size))
    except ARCHIVE_ERRORS as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(
            f"{path}: a damaged archive ({error}): download it again, or unpack what can be read"
        ) from error
    reasons, members = contents.reasons, np.array(contents.members, np.intp)

    def read(rows: NDArray[np.intp]) -> Iterator[EncodedImage]:
        items = archive.read(members[[int(row) for row in rows if int(row) not in reasons]])
        for row in rows:
            reason = reasons.get(int(row))
            yield next(items) if reason is None else EncodedImage(Failure(reason))

    columns, n_described = None, 0
    if isinstance(archive, TarMembers):
        columns, n_described = read_sidecars(archive, contents.names, contents.others)
    table = make_image_table(contents.names, None if columns is None else rename_other_columns(columns))
    stamp = file_stamp(path) + "".join(missing_packages(reasons.values()))
    n_ignored = contents.n_ignored - n_described
    listing = Listing(_source_name(path), table, read, stamp, contents.skipped, n_ignored)
    return replace(listing, is_webdataset=columns is not None)


def list_shards(paths: list[Path], name: str) -> Listing | None:
    """List several archives as one collection, if each is a WebDataset.

    Parameters
    ----------
    paths : list of Path
    name : str
        Name of the collection.

    Returns
    -------
    Listing or None
        None if one is no WebDataset, or there are none.

    Raises
    ------
    SourceError
        See :func:`list_archive`.
    """
    listings = []
    for path in paths:
        listing = list_archive(path)
        if listing is None or not listing.is_webdataset:
            return None
        listings.append(listing)
    return replace(join_listings(listings), name=name) if listings else None


def list_compressed(path: Path) -> Listing | None:
    """List a single compressed image file, such as ``scan.tif.gz``.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Listing or None
        None if the file is not compressed.

    Raises
    ------
    SourceError
        If the file is damaged or does not contain an image.
    """
    try:
        with _optional_context(open_compressed(path)) as stream:
            if stream is None:
                return None
            start = stream.read(N_FIRST_BYTES)
    except ARCHIVE_ERRORS as error:
        raise SourceError(f"{path}: damaged compressed data ({error}): download it again") from error
    name = path.stem
    if detect_file_kind(name, lambda: start) is not FileKind.IMAGE:
        raise SourceError(
            f"{path}: compressed, but neither a tar archive nor an image: unpack it, and pass its content"
        )

    def read(rows: NDArray[np.intp]) -> Iterator[EncodedImage]:
        for _ in rows:
            yield _read_compressed(path)

    return Listing(Path(name).stem, make_image_table([name]), read, file_stamp(path))


def _read_compressed(path: Path) -> EncodedImage:
    try:
        with _optional_context(open_compressed(path)) as stream:
            data = b"" if stream is None else stream.read(MAX_MEMBER_BYTES + 1)
    except ARCHIVE_ERRORS as error:
        return EncodedImage(Failure(f"damaged compressed data ({error})"))
    too_large = len(data) > MAX_MEMBER_BYTES
    return EncodedImage(Failure(f"larger than {MAX_MEMBER_BYTES >> 20} MiB: unpack it") if too_large else data)


def _optional_context(opened: Any) -> Any:
    return nullcontext() if opened is None else opened


def _archive_format(path: Path) -> str | None:
    """Format of an archive: "zip" or "tar"; None for another file."""
    with path.open("rb") as file:
        start = file.read(TAR_BLOCK_BYTES)
    for begin, name in UNREAD_ARCHIVE_SIGNATURES.items():
        if start.startswith(begin):
            raise SourceError(f"{path}: a {name} archive, which is not read: unpack it, and pass the folder")
    if is_tar_header(start):
        return "tar"
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if IMAGE_SIGNATURES.match(start):  # which may have an archive appended
        return None
    with _optional_context(open_compressed(path)) as stream:
        if stream is not None:
            return "tar" if is_tar_header(stream.read(TAR_BLOCK_BYTES)) else None
    return "zip" if zipfile.is_zipfile(path) else None


def _source_name(path: Path) -> str:
    """Name of a source: scans for scans.tar.gz."""
    name = path.stem if path.suffix else path.name
    return name[:-4] if name.lower().endswith(".tar") and len(name) > 4 else name
