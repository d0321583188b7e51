"""Images in zip and tar archives, read in place."""

import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentmap.images.decoding import Failure, Item, reason_for
from latentmap.images.listing import (
    UNREAD,
    UNREAD_REASON,
    Listing,
    Skipped,
    SourceError,
    as_text,
    file_stamp,
    make_table,
)

# A member that would take more memory is skipped.
MOST_BYTES = 2**28
DAMAGED = (OSError, EOFError, ValueError, RuntimeError, NotImplementedError, zlib.error)
Bad = (zipfile.BadZipFile, tarfile.TarError, *DAMAGED)


def is_archive(path: Path) -> bool:
    """Whether a file is a zip or a tar, compressed or not."""
    try:
        return zipfile.is_zipfile(path) or tarfile.is_tarfile(path)
    except Bad:
        return False


def list_archive(path: Path) -> Listing:
    """List the images in an archive, in the order in which they lie in it. Folders inside are labels as on a disk.

    Raises
    ------
    SourceError
        If the archive is damaged where its members are listed.
    """
    try:
        zipped = zipfile.is_zipfile(path)
        names, skipped, n_ignored = _names(_zip_members(path) if zipped else _tar_members(path))
    except Bad as error:
        raise SourceError(f"{path}: a damaged archive ({error}): fetch it again, or unpack what can be") from error
    kept = np.array([number for number, _ in names], dtype=np.intp)

    def read(rows: NDArray[np.intp]) -> Iterator[Item]:
        return (_read_zip if zipped else _read_tar)(path, kept[rows])

    name = path.name.partition(".")[0]
    return Listing(name, make_table(name for _, name in names), read, file_stamp(path), skipped, n_ignored)


def _names(members: Iterator[tuple[int, str]]) -> tuple[list[tuple[int, str]], list[Skipped], int]:
    """Number and name of each member that is called like an image, those that Pillow does not read, other members."""
    extensions = set(Image.registered_extensions())
    kept: list[tuple[int, str]] = []
    skipped, n_ignored = [], 0
    for number, name in members:
        base = name.rpartition("/")[2]
        ending = os.path.splitext(base)[1].lower()  # noqa: PTH122
        if base.startswith(".") or name.startswith("__MACOSX/"):
            continue
        if ending in UNREAD:
            skipped.append(Skipped(as_text(name), UNREAD_REASON))
        elif ending in extensions:
            kept.append((number, name.removeprefix("./")))
        else:
            n_ignored += 1
    return kept, skipped, n_ignored


def _zip_members(path: Path) -> Iterator[tuple[int, str]]:
    with zipfile.ZipFile(path) as archive:
        for number, member in enumerate(archive.infolist()):
            if not member.is_dir():
                yield number, member.filename


def _tar_members(path: Path) -> Iterator[tuple[int, str]]:
    with tarfile.open(path, "r:*") as archive:
        for number, member in enumerate(_one_by_one(archive)):
            if member.isfile() or member.islnk() or member.issym():
                yield number, member.name


def _one_by_one(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The members, without keeping them: a million would take a gigabyte."""
    while (member := archive.next()) is not None:
        yield member
        archive.members.clear()  # type: ignore[attr-defined]


def _read_zip(path: Path, numbers: NDArray[np.intp]) -> Iterator[Item]:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        for number in numbers:
            member = members[number]
            if member.file_size > MOST_BYTES:
                yield Item(Failure(f"larger than {MOST_BYTES >> 20} MiB inside an archive: unpack it"))
                continue
            try:
                yield Item(archive.read(member))
            except Bad as error:
                yield Item(Failure(reason_for(error)))


def _read_tar(path: Path, numbers: NDArray[np.intp]) -> Iterator[Item]:
    """In one pass, since what is compressed cannot be entered in the middle. Where it breaks, all the rest is lost."""
    wanted = iter(numbers)
    number, reason = next(wanted, None), "the archive ends before it"
    try:
        with tarfile.open(path, "r:*") as archive:
            for i, member in enumerate(_one_by_one(archive)):
                if i == number:
                    yield _tar_item(archive, member)
                    number = next(wanted, None)
                if number is None:
                    return
    except Bad as error:
        reason = f"the archive is damaged before it ({error})"
    while number is not None:
        yield Item(Failure(reason))
        number = next(wanted, None)


def _tar_item(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Item:
    if not member.isreg():
        return Item(Failure("a link inside an archive"))
    if member.size > MOST_BYTES:
        return Item(Failure(f"larger than {MOST_BYTES >> 20} MiB inside an archive: unpack it"))
    file = archive.extractfile(member)
    data = b"" if file is None else file.read()
    return Item(data) if len(data) == member.size else Item(Failure("truncated in the archive"))
