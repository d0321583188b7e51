"""Image files in folders, by pattern, or by a list of paths."""

import errno
import glob
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from latentmap.images.decoding import Failure, Item, reason_for
from latentmap.images.file_kinds import ARCHIVE_REASON, N_FIRST_BYTES, UNREAD_REASON, Kind, kind_of
from latentmap.images.listing import IDENTITY, Listing, Skipped, as_text, make_table, table_stamp

# A folder that holds these is a run of our own.
RUN_FILES = {"run.json", ".lock"}
# A folder that holds this file is an export of a run, made below the folder of its images.
EXPORT_MARK = ".latentmap-export"
LINK_TO_READ_FOLDER = "a link to a folder that is read already"


def list_folder(folder: Path) -> Listing:
    """List all images below a folder, in the order of their names.

    A file counts as an image when its extension is one that Pillow reads or, for any other name, when it begins as a
    file of its common formats does. Files of formats that it does not read are listed with that reason, and so are
    archives. Hidden files and folders are left alone, and so are folders of runs. Linked folders are
    followed, each once.
    """
    root = os.fspath(folder)
    found = _Walk(root)
    names = sorted(_below(root, path) for path in found.files)
    unread = {_below(root, path) for path in found.unread}
    failures = {i: UNREAD_REASON for i, name in enumerate(names) if name in unread} if unread else None
    return list_files(
        folder.resolve().name, root, names, failures=failures, skipped=found.skipped, n_ignored=found.n_ignored
    )


def _below(root: str, path: str) -> str:
    return os.path.relpath(path, root).replace(os.sep, "/")


def list_pattern(pattern: str) -> Listing:
    """List the files that match a glob pattern, ``**`` standing for folders of any depth."""
    fixed = []
    for part in Path(pattern).parts:
        if glob.has_magic(part):
            break
        fixed.append(part)
    root = os.path.join(*fixed) if fixed else "."  # noqa: PTH118 - names need not be valid paths
    files = [name for name in glob.glob(pattern, recursive=True) if not os.path.isdir(name)]  # noqa: PTH112, PTH207
    names = sorted(_below(root, name) for name in files)
    return list_files(Path(root).resolve().name or "images", root, names)


def list_files(
    name: str,
    root: str,
    names: list[str],
    columns: pa.Table | None = None,
    failures: dict[int, str] | None = None,
    skipped: list[Skipped] | None = None,
    n_ignored: int = 0,
) -> Listing:
    """Files by their names below ``root``; some cannot be read for a reason that is known already."""
    reasons = failures or {}

    def read(rows: NDArray[np.intp]) -> Iterator[Item]:
        for row in rows:
            reason = reasons.get(int(row))
            yield Item(os.path.join(root, names[row]) if reason is None else Failure(reason))  # noqa: PTH118

    digest = hashlib.sha256(repr((name, os.path.abspath(root))).encode("utf-8", "surrogatepass"))  # noqa: PTH100
    for file in names:
        try:
            status = os.stat(os.path.join(root, file))  # noqa: PTH116, PTH118
            facts = (file, status.st_size, status.st_mtime_ns)
        except (OSError, ValueError):
            facts = (file, -1, 0)
        digest.update(repr(facts).encode("utf-8", "surrogatepass"))
    table = make_table(names, columns)
    digest.update(table_stamp(table.drop_columns(list(IDENTITY))).encode())
    digest.update(repr(reasons).encode("utf-8", "surrogatepass"))
    return Listing(name, table, read, digest.hexdigest(), skipped or [], n_ignored, os.path.abspath(root))  # noqa: PTH100


class _Walk:
    """All files below a folder that look like images."""

    def __init__(self, root: str) -> None:
        self.files: list[str] = []
        self.unread: set[str] = set()
        self.skipped: list[Skipped] = []
        self.n_ignored = 0
        self._root = root
        self._seen: set[tuple[int, int]] = set()
        links: list[str] = [root]
        while links:  # real folders come before linked ones, so that a link to one of them is seen to be that
            for path in self._walk(links.pop(0)):
                links.append(path)

    def _walk(self, folder: str) -> Iterator[str]:
        """Take the files below a folder; give the links to folders that are met."""
        waiting = [folder]
        while waiting:
            current = waiting.pop()
            try:
                status = os.stat(current)  # noqa: PTH116
                if (status.st_dev, status.st_ino) in self._seen:
                    self._skip(current, LINK_TO_READ_FOLDER)
                    continue
                self._seen.add((status.st_dev, status.st_ino))
                with os.scandir(current) as entries:
                    ordered = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                self._skip(current, reason_for(error))
                continue
            held = {entry.name for entry in ordered}
            if RUN_FILES <= held:  # the figures of a run are not what it is of
                continue
            if EXPORT_MARK in held and current != self._root:  # nor are links to its images
                continue
            for entry in ordered:
                if entry.name.startswith("."):
                    continue
                if self._is_folder(entry):
                    if entry.is_symlink():
                        yield entry.path
                    else:
                        waiting.append(entry.path)
                else:
                    self._take(entry)

    def _is_folder(self, entry: "os.DirEntry[str]") -> bool:
        try:
            return entry.is_dir()
        except OSError:  # a link to itself
            return False

    def _take(self, entry: "os.DirEntry[str]") -> None:
        try:
            kind = kind_of(entry.name, lambda: self._first_bytes(entry))
        except OSError:  # a link to itself
            kind = Kind.PICTURE
        if kind is Kind.ARCHIVE:
            self._skip(entry.path, ARCHIVE_REASON)
        elif kind is Kind.OTHER:
            self.n_ignored += 1
        else:
            self.files.append(entry.path)
            if kind is Kind.UNREAD:
                self.unread.add(entry.path)

    def _first_bytes(self, entry: "os.DirEntry[str]") -> bytes:
        try:
            if not entry.is_file():
                return b""
            with open(entry.path, "rb") as file:  # noqa: PTH123
                return file.read(N_FIRST_BYTES)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise
            return b""

    def _skip(self, path: str, reason: str) -> None:
        self.skipped.append(Skipped(as_text(_below(self._root, path)), reason))
