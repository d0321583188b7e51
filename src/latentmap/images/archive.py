"""Images in zip and tar archives, read in place: what the same files in a folder would give, in the same order."""

import posixpath
import zipfile
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentmap.core.errors import SourceError
from latentmap.images.decoding import Failure, Item
from latentmap.images.file_kinds import (
    ARCHIVE_REASON,
    N_FIRST_BYTES,
    PICTURE_STARTS,
    UNREAD_REASON,
    Kind,
    kind_of,
    kind_of_name,
)
from latentmap.images.folder import EXPORT_MARK, LINK_TO_READ_FOLDER, RUN_FILES
from latentmap.images.listing import Listing, Skipped, as_text, file_stamp, make_table
from latentmap.images.members import DAMAGED, MAX_MEMBER_BYTES
from latentmap.images.tar_members import BLOCK, SORTED_BYTES, TarMembers, begins_as_tar
from latentmap.images.unpacking import MAX_RATIO, allowed_bytes, open_compressed
from latentmap.images.zip_members import ZipMembers

# First bytes of archives and compressed files that are not read.
UNREAD_ARCHIVES = {
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "RAR",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"\x04\x22\x4d\x18": "LZ4",
    b"\x1f\x9d": "compress (.Z)",
    b"MSCF": "CAB",
}
MAX_LINKS = 40  # that are followed one after the other
N_DISTINCT = 2**62  # more than there are members


def list_archive(path: Path) -> Listing | None:
    """List the images in an archive as those of the folder that it unpacks to; None for a file that is no archive.

    A name that stands in it several times is that of its last member; names that lead out of the archive are taken
    without ``..`` and the leading slash. Links lead where they would lead in the folder. Images are in the order of
    their names, but for compressed tars whose images are larger than 1 GiB, which are read in their own order.

    Raises
    ------
    SourceError
        If the archive is damaged where its members are listed, unpacks to too much, or is of a kind that is not read.
    """
    try:
        kind = _archive_kind(path)
        if kind is None:
            return None
        archive = ZipMembers(path) if kind == "zip" else TarMembers(path)
        found = _Found(archive, allowed_bytes(path.stat().st_size))
    except DAMAGED as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"{path}: a damaged archive ({error}): fetch it again, or unpack what can be") from error
    reasons, contents = found.reasons, np.array(found.contents, np.intp)

    def read(rows: NDArray[np.intp]) -> Iterator[Item]:
        items = archive.read(contents[[int(row) for row in rows if int(row) not in reasons]])
        for row in rows:
            reason = reasons.get(int(row))
            yield next(items) if reason is None else Item(Failure(reason))

    table = make_table(found.names)
    return Listing(_name(path), table, read, file_stamp(path), found.skipped, found.n_ignored)


def list_compressed(path: Path) -> Listing | None:
    """A single image file that is compressed, ``scan.tif.gz``; None for a file that is not compressed."""
    try:
        with _nothing_or(open_compressed(path)) as unpacked:
            if unpacked is None:
                return None
            start = unpacked.read(N_FIRST_BYTES)
    except DAMAGED as error:
        raise SourceError(f"{path}: damaged compressed data ({error}): fetch it again") from error
    name = path.stem
    if kind_of(name, lambda: start) is not Kind.PICTURE:
        raise SourceError(f"{path}: compressed, and neither a tar nor an image: unpack it, and pass what is inside")

    def read(rows: NDArray[np.intp]) -> Iterator[Item]:
        for _ in rows:
            yield _unpacked(path)

    return Listing(Path(name).stem, make_table([name]), read, file_stamp(path))


def _unpacked(path: Path) -> Item:
    try:
        with _nothing_or(open_compressed(path)) as unpacked:
            data = b"" if unpacked is None else unpacked.read(MAX_MEMBER_BYTES + 1)
    except DAMAGED as error:
        return Item(Failure(f"damaged compressed data ({error})"))
    too_large = len(data) > MAX_MEMBER_BYTES
    return Item(Failure(f"larger than {MAX_MEMBER_BYTES >> 20} MiB: unpack it") if too_large else data)


def _nothing_or(opened: Any) -> Any:
    return nullcontext() if opened is None else opened


def _archive_kind(path: Path) -> str | None:
    """ "zip", "tar", or None for what is no archive."""
    with path.open("rb") as file:
        start = file.read(BLOCK)
    for begin, name in UNREAD_ARCHIVES.items():
        if start.startswith(begin):
            raise SourceError(f"{path}: a {name} archive, which is not read: unpack it, and pass the folder")
    if begins_as_tar(start):
        return "tar"
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if PICTURE_STARTS.match(start):  # whatever hangs on its end
        return None
    with _nothing_or(open_compressed(path)) as unpacked:
        if unpacked is not None:
            return "tar" if begins_as_tar(unpacked.read(BLOCK)) else None
    return "zip" if zipfile.is_zipfile(path) else None


def _name(path: Path) -> str:
    """The name of a source: pictures for pictures.tar.gz."""
    name = path.stem if path.suffix else path.name
    return name[:-4] if name.lower().endswith(".tar") and len(name) > 4 else name


class _Record(NamedTuple):
    """A member by the name that it is unpacked to."""

    name: str
    number: int
    kind: Kind | None
    target: str | None
    is_hard: bool
    reason: str | None


class _Found:
    """The content of an archive: names of images, the member of each, why some cannot be read, and the rest."""

    def __init__(self, archive: ZipMembers | TarMembers, allowed: int) -> None:
        self.names: list[str] = []
        self.contents: list[int] = []
        self.reasons: dict[int, str] = {}
        self.skipped: list[Skipped] = []
        self.n_ignored = 0
        self._records = sorted(_records(archive), key=lambda record: record[:2])
        self._links = {record.name for record in self._records if record.target is not None}
        self._left_out = self._folders_left_out()
        for i, record in enumerate(self._records):
            if _is_hidden(record.name) or not self._left_out.isdisjoint(_parents(record.name)):
                continue
            if i + 1 < len(self._records) and self._records[i + 1].name == record.name:
                self._skip(record.name, "replaced by a later member of the same name")
            else:
                self._sort_in(record)
        self._check_size(archive, allowed)
        if not archive.can_be_sorted:
            self._keep_order(archive)

    def _sort_in(self, record: _Record) -> None:
        content, kind, reason = record, record.kind, record.reason
        if record.target is not None:
            kind = kind_of_name(record.name)
            leads_to = self._followed(record)
            if isinstance(leads_to, str):
                if self._is_folder(leads_to):
                    self._skip(record.name, LINK_TO_READ_FOLDER)
                    return
                reason = "a link to a file that is not in the archive"
            elif leads_to is None:
                kind = kind or Kind.PICTURE
                reason = "a link that leads round in a circle"
            else:
                content, reason = leads_to, leads_to.reason
                kind = kind or leads_to.kind
        if kind is Kind.ARCHIVE:
            self._skip(record.name, ARCHIVE_REASON)
        elif kind is Kind.UNREAD:
            self._take(record.name, content.number, UNREAD_REASON)
        elif kind is Kind.PICTURE:
            self._take(record.name, content.number, reason)
        else:
            self.n_ignored += 1

    def _take(self, name: str, content: int, reason: str | None) -> None:
        if reason is not None:
            self.reasons[len(self.names)] = reason
        self.names.append(name)
        self.contents.append(content)

    def _skip(self, name: str, reason: str) -> None:
        self.skipped.append(Skipped(as_text(name), reason))

    def _folders_left_out(self) -> set[str]:
        """Folders of runs and of exports, which :func:`latentmap.images.folder.list_folder` leaves out as well."""
        held: dict[str, set[str]] = {}
        for record in self._records:
            folder, _, base = record.name.rpartition("/")
            if base in RUN_FILES or (base == EXPORT_MARK and folder):
                held.setdefault(folder, set()).add(base)
        return {folder for folder, bases in held.items() if bases >= RUN_FILES or EXPORT_MARK in bases}

    def _followed(self, record: _Record) -> "_Record | str | None":
        """The file that a link leads to, the name of what is no file, or None for a circle."""
        current = record
        for _ in range(MAX_LINKS):
            if current.target is None:
                return current
            if current.is_hard:
                name, before = _extracted(current.target), current.number
            else:
                if current.target.startswith("/"):
                    return current.target
                name = posixpath.normpath(posixpath.join(posixpath.dirname(current.name), current.target))
                name, before = self._real("" if name == "." else name), N_DISTINCT
            found = self._member(name, before)
            if found is None:
                return name
            current = found
        return None

    def _real(self, name: str) -> str:
        """A name without links to folders in it."""
        for _ in range(MAX_LINKS):
            link = next((parent for parent in _parents(name) if parent in self._links), None)
            found = None if link is None else self._member(link, N_DISTINCT)
            if link is None or found is None or found.target is None or found.is_hard:
                break
            target = posixpath.join(posixpath.dirname(link), found.target)
            name = posixpath.normpath(posixpath.join(target, name[len(link) + 1 :]))
        return name

    def _member(self, name: str, before: int) -> _Record | None:
        """The last member of a name, of those before a number."""
        i = bisect_left(self._records, (name, before), key=lambda record: record[:2]) - 1
        return self._records[i] if i >= 0 and self._records[i].name == name else None

    def _is_folder(self, name: str) -> bool:
        if name == "":
            return True
        i = bisect_left(self._records, f"{name}/", key=lambda record: record.name)
        return i < len(self._records) and self._records[i].name.startswith(f"{name}/")

    def _check_size(self, archive: ZipMembers | TarMembers, allowed: int) -> None:
        kept = np.array([content for i, content in enumerate(self.contents) if i not in self.reasons], np.intp)
        total = int(archive.sizes[kept].sum())
        if total > allowed:
            raise SourceError(
                f"images of {total / 1e9:,.1f} GB, more than {MAX_RATIO} times the size of the archive, as in "
                "decompression bombs: unpack it, and pass the folder"
            )

    def _keep_order(self, archive: ZipMembers | TarMembers) -> None:
        """The order of the archive, for one that is too large to be sorted in a temporary file."""
        if int(archive.sizes[np.unique(np.array(self.contents, np.intp))].sum()) <= SORTED_BYTES:
            return
        order = np.argsort(np.array(self.contents), kind="stable")
        places = {int(row): place for place, row in enumerate(order)}
        self.names = [self.names[row] for row in order]
        self.contents = [self.contents[row] for row in order]
        self.reasons = {places[row]: reason for row, reason in self.reasons.items()}


def _records(archive: ZipMembers | TarMembers) -> Iterator[_Record]:
    for member in archive.members():
        name = _extracted(member.name)
        if name:
            is_file = member.target is None
            kind = kind_of(name, member.first_bytes) if is_file else None
            yield _Record(name, member.number, kind, member.target, member.is_hard, member.reason)


def _extracted(name: str) -> str:
    """The name below the folder that an archive is unpacked to."""
    if not name.startswith(("/", "./", "../")) and "//" not in name and "/./" not in name and "/../" not in name:
        return name
    return "/".join(part for part in name.split("/") if part not in ("", ".", ".."))


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or "/." in name


def _parents(name: str) -> Iterator[str]:
    """All folders above a name, the outermost first."""
    yield ""
    at = name.find("/")
    while at >= 0:
        yield name[:at]
        at = name.find("/", at + 1)
