"""Contents of an archive as those of the folder that it unpacks to: names, links, hidden files and exports."""

import posixpath
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from latentmap.core.errors import SourceError
from latentmap.images.decompression import MAX_COMPRESSION_RATIO
from latentmap.images.file_kinds import ARCHIVE_REASON, FileKind, detect_file_kind, file_kind_by_name, unread_reason
from latentmap.images.folder import EXPORT_MARK, REPEATED_FOLDER_REASON, RUN_FILES
from latentmap.images.image_table import escape_undecodable
from latentmap.images.listing import Skipped
from latentmap.images.tar_members import MAX_SORTED_BYTES, TarMembers
from latentmap.images.webdataset import sidecar_suffix
from latentmap.images.zip_members import ZipMembers

MAX_LINKS = 40  # that are followed in a chain
END = 2**62  # beyond the number of every member


class _Record(NamedTuple):
    """A member under the name that it is unpacked to."""

    name: str
    number: int
    kind: FileKind | None
    target: str | None
    is_hard_link: bool
    reason: str | None


class ArchiveContents:
    """Images in an archive, in the order in which they are read.

    Parameters
    ----------
    archive : ZipMembers or TarMembers
    limit : int
        Maximum total size of the images, in bytes.

    Attributes
    ----------
    names : list of str
        Names of the images, (n,).
    members : list of int
        Number of the member of each image, (n,).
    reasons : dict of int to str
        Why images cannot be read, by their position in ``names``.
    skipped : list of Skipped
        Members that cannot be listed as images.
    n_ignored : int
        Number of files that are not images.
    others : list of (str, int)
        Name and number of each ignored file that may describe an image of the same stem.

    Raises
    ------
    SourceError
        If the images exceed ``limit``.
    """

    def __init__(self, archive: ZipMembers | TarMembers, limit: int) -> None:
        self.names: list[str] = []
        self.members: list[int] = []
        self.reasons: dict[int, str] = {}
        self.skipped: list[Skipped] = []
        self.n_ignored = 0
        self.others: list[tuple[str, int]] = []
        self._records = sorted(_records(archive), key=lambda record: record[:2])
        self._links = {record.name for record in self._records if record.target is not None}
        self._excluded_folders = self._find_excluded_folders()
        for i, record in enumerate(self._records):
            if _is_hidden(record.name) or not self._excluded_folders.isdisjoint(_parents(record.name)):
                continue
            if i + 1 < len(self._records) and self._records[i + 1].name == record.name:
                self._skip(record.name, "replaced by a later member of the same name")
            else:
                self._add(record)
        self._check_total_size(archive, limit)
        if not archive.can_be_sorted:
            self._keep_order(archive)

    def _add(self, record: _Record) -> None:
        content, kind, reason = record, record.kind, record.reason
        if record.target is not None:
            kind = file_kind_by_name(record.name)
            target = self._follow(record)
            if isinstance(target, str):
                if self._is_folder(target):
                    self._skip(record.name, REPEATED_FOLDER_REASON)
                    return
                reason = "a link to a file that is not in the archive"
            elif target is None:
                kind = kind or FileKind.IMAGE
                reason = "a circular link"
            else:
                content, reason = target, target.reason
                kind = kind or target.kind
        if kind is FileKind.ARCHIVE:
            self._skip(record.name, ARCHIVE_REASON)
        elif kind is FileKind.UNREAD:
            self._add_image(record.name, content.number, reason or unread_reason(record.name, bytes))
        elif kind is FileKind.IMAGE:
            self._add_image(record.name, content.number, reason)
        else:
            self.n_ignored += 1
            if sidecar_suffix(record.name) is not None:
                self.others.append((record.name, content.number))

    def _add_image(self, name: str, content: int, reason: str | None) -> None:
        if reason is not None:
            self.reasons[len(self.names)] = reason
        self.names.append(name)
        self.members.append(content)

    def _skip(self, name: str, reason: str) -> None:
        self.skipped.append(Skipped(escape_undecodable(name), reason))

    def _find_excluded_folders(self) -> set[str]:
        """Folders of runs and of exports, which :func:`latentmap.images.folder.list_folder` ignores as well."""
        held: dict[str, set[str]] = {}
        for record in self._records:
            folder, _, base = record.name.rpartition("/")
            if base in RUN_FILES or (base == EXPORT_MARK and folder):
                held.setdefault(folder, set()).add(base)
        return {folder for folder, bases in held.items() if bases >= RUN_FILES or EXPORT_MARK in bases}

    def _follow(self, record: _Record) -> "_Record | str | None":
        """The file that a link leads to, the name if it is not a file, or None for a circular link."""
        current = record
        for _ in range(MAX_LINKS):
            if current.target is None:
                return current
            if current.is_hard_link:
                name, before = _extracted_name(current.target), current.number
            else:
                if current.target.startswith("/"):
                    return current.target
                name = posixpath.normpath(posixpath.join(posixpath.dirname(current.name), current.target))
                name, before = self._resolve_folders("" if name == "." else name), END
            found = self._find_member(name, before)
            if found is None:
                return name
            current = found
        return None

    def _resolve_folders(self, name: str) -> str:
        """Replace links to folders in a name by their targets."""
        for _ in range(MAX_LINKS):
            link = next((parent for parent in _parents(name) if parent in self._links), None)
            found = None if link is None else self._find_member(link, END)
            if link is None or found is None or found.target is None or found.is_hard_link:
                break
            target = posixpath.join(posixpath.dirname(link), found.target)
            name = posixpath.normpath(posixpath.join(target, name[len(link) + 1 :]))
        return name

    def _find_member(self, name: str, before: int) -> _Record | None:
        """The last member with a name, among the members before a number."""
        i = bisect_left(self._records, (name, before), key=lambda record: record[:2]) - 1
        return self._records[i] if i >= 0 and self._records[i].name == name else None

    def _is_folder(self, name: str) -> bool:
        if name == "":
            return True
        i = bisect_left(self._records, f"{name}/", key=lambda record: record.name)
        return i < len(self._records) and self._records[i].name.startswith(f"{name}/")

    def _check_total_size(self, archive: ZipMembers | TarMembers, limit: int) -> None:
        kept = np.array([content for i, content in enumerate(self.members) if i not in self.reasons], np.intp)
        total = int(archive.sizes[kept].sum())
        if total > limit:
            raise SourceError(
                f"images of {total / 1e9:,.1f} GB, more than {MAX_COMPRESSION_RATIO} times the size of the archive, as "
                "in decompression bombs: unpack it, and pass the folder"
            )

    def _keep_order(self, archive: ZipMembers | TarMembers) -> None:
        """Restore the order of the archive if its images are too large to be sorted in a temporary file."""
        if int(archive.sizes[np.unique(np.array(self.members, np.intp))].sum()) <= MAX_SORTED_BYTES:
            return
        order = np.argsort(np.array(self.members), kind="stable")
        places = {int(row): place for place, row in enumerate(order)}
        self.names = [self.names[row] for row in order]
        self.members = [self.members[row] for row in order]
        self.reasons = {places[row]: reason for row, reason in self.reasons.items()}


def _records(archive: ZipMembers | TarMembers) -> Iterator[_Record]:
    for member in archive.members():
        name = _extracted_name(member.name)
        if name:
            is_file = member.target is None
            kind = detect_file_kind(name, member.first_bytes) if is_file else None
            reason = unread_reason(name, member.first_bytes) if kind is FileKind.UNREAD else member.reason
            yield _Record(name, member.number, kind, member.target, member.is_hard_link, reason)


def _extracted_name(name: str) -> str:
    """Name relative to the folder that an archive is unpacked to."""
    if not name.startswith(("/", "./", "../")) and "//" not in name and "/./" not in name and "/../" not in name:
        return name
    return "/".join(part for part in name.split("/") if part not in ("", ".", ".."))


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or "/." in name


def _parents(name: str) -> Iterator[str]:
    """All folders that contain a name, the outermost first."""
    yield ""
    at = name.find("/")
    while at >= 0:
        yield name[:at]
        at = name.find("/", at + 1)
