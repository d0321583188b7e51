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

from latentmap.images.decoding import EncodedImage, Failure, reason_for
from latentmap.images.file_kinds import ARCHIVE_REASON, N_FIRST_BYTES, FileKind, detect_file_kind, unread_reason
from latentmap.images.image_table import IDENTITY_COLUMNS, escape_undecodable, hash_table, make_image_table
from latentmap.images.listing import Listing, Skipped
from latentmap.images.optional_formats import ZARR, missing_reasons
from latentmap.images.zarr_folders import folder_state, is_zarr

# A folder that contains these is a run of latentmap.
RUN_FILES = {"run.json", ".lock"}
# A folder that contains this file is an export of a run inside the folder of its images.
EXPORT_MARK = ".latentmap-export"
REPEATED_FOLDER_REASON = "a link to a folder that is already read"


def list_folder(folder: Path) -> Listing:
    """List all images below a folder, sorted by name.

    A file is an image if Pillow reads its suffix or, for an unknown suffix, if it begins with the signature of a common
    format. Files of image formats that Pillow does not read, and archives, are listed as skipped. Hidden files and
    folders are ignored, and so are runs and their exports. Links to folders are followed once.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    Listing
    """
    root = os.fspath(folder)
    found = _FolderScan(root)
    names = sorted(_relative_name(root, path) for path in found.files)
    unread = {_relative_name(root, path): reason for path, reason in found.unread.items()}
    failures = {i: unread[name] for i, name in enumerate(names) if name in unread} if unread else None
    return list_files(
        folder.resolve().name, root, names, failures=failures, skipped=found.skipped, n_ignored=found.n_ignored
    )


def _relative_name(root: str, path: str) -> str:
    return os.path.relpath(path, root).replace(os.sep, "/")


def list_pattern(pattern: str) -> Listing:
    """List the files that match a glob pattern, sorted by name.

    Parameters
    ----------
    pattern : str
        Glob pattern, in which ``**`` matches folders of any depth.

    Returns
    -------
    Listing
    """
    fixed = []
    for part in Path(pattern).parts:
        if glob.has_magic(part):
            break
        fixed.append(part)
    root = os.path.join(*fixed) if fixed else "."  # noqa: PTH118 - names need not be valid paths
    files = [name for name in glob.glob(pattern, recursive=True) if not os.path.isdir(name)]  # noqa: PTH112, PTH207
    names = sorted(_relative_name(root, name) for name in files)
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
    """List files by name.

    Parameters
    ----------
    name : str
        Name of the source.
    root : str
        Folder that the names are relative to.
    names : list of str
        Names of the files, (n,).
    columns : pyarrow.Table, optional
        Other columns of the source, n rows.
    failures : dict of int to str, optional
        Why files cannot be read, by their position in ``names``.
    skipped : list of Skipped, optional
        Files that cannot be listed as images.
    n_ignored : int, default=0
        Number of files that are not images.

    Returns
    -------
    Listing
    """
    reasons = missing_reasons(names) | (failures or {})

    def read(rows: NDArray[np.intp]) -> Iterator[EncodedImage]:
        for row in rows:
            reason = reasons.get(int(row))
            yield EncodedImage(os.path.join(root, names[row]) if reason is None else Failure(reason))  # noqa: PTH118

    digest = hashlib.sha256(repr((name, os.path.abspath(root))).encode("utf-8", "surrogatepass"))  # noqa: PTH100
    for file in names:
        try:
            path = os.path.join(root, file)  # noqa: PTH118
            status = os.stat(path)  # noqa: PTH116
            facts = (file, *folder_state(path)) if is_zarr(path) else (file, status.st_size, status.st_mtime_ns)
        except (OSError, ValueError):
            facts = (file, -1, 0)
        digest.update(repr(facts).encode("utf-8", "surrogatepass"))
    table = make_image_table(names, columns)
    digest.update(hash_table(table.drop_columns(list(IDENTITY_COLUMNS))).encode())
    digest.update(repr(reasons).encode("utf-8", "surrogatepass"))
    return Listing(name, table, read, digest.hexdigest(), skipped or [], n_ignored, os.path.abspath(root))  # noqa: PTH100


class _FolderScan:
    """All files below a folder that are images by their name or first bytes."""

    def __init__(self, root: str) -> None:
        self.files: list[str] = []
        self.unread: dict[str, str] = {}
        self.skipped: list[Skipped] = []
        self.n_ignored = 0
        self._root = root
        self._seen: set[tuple[int, int]] = set()
        links: list[str] = [root]
        while links:  # real folders come first, so that a link to one of them is a repeated folder
            for path in self._scan_tree(links.pop(0)):
                links.append(path)

    def _scan_tree(self, folder: str) -> Iterator[str]:
        """Add the files below a folder, and yield the links to folders."""
        waiting = [folder]
        while waiting:
            current = waiting.pop()
            try:
                status = os.stat(current)  # noqa: PTH116
                if (status.st_dev, status.st_ino) in self._seen:
                    self._skip(current, REPEATED_FOLDER_REASON)
                    continue
                self._seen.add((status.st_dev, status.st_ino))
                with os.scandir(current) as entries:
                    ordered = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                self._skip(current, reason_for(error))
                continue
            held = {entry.name for entry in ordered}
            if RUN_FILES <= held:  # the figures of a run are not images of a source
                continue
            if EXPORT_MARK in held and current != self._root:  # nor are the copies in an export
                continue
            for entry in ordered:
                if entry.name.startswith("."):
                    continue
                if self._is_folder(entry):
                    if entry.name.lower().endswith(ZARR.suffixes) and is_zarr(entry.path):
                        self._add_file(entry)
                    elif entry.is_symlink():
                        yield entry.path
                    else:
                        waiting.append(entry.path)
                else:
                    self._add_file(entry)

    def _is_folder(self, entry: "os.DirEntry[str]") -> bool:
        try:
            return entry.is_dir()
        except OSError:  # a circular link
            return False

    def _add_file(self, entry: "os.DirEntry[str]") -> None:
        try:
            kind = detect_file_kind(entry.name, lambda: self._first_bytes(entry))
        except OSError:  # a circular link
            kind = FileKind.IMAGE
        if kind is FileKind.ARCHIVE:
            self._skip(entry.path, ARCHIVE_REASON)
        elif kind is FileKind.OTHER:
            self.n_ignored += 1
        else:
            self.files.append(entry.path)
            if kind is FileKind.UNREAD:
                self.unread[entry.path] = unread_reason(entry.name, lambda: self._first_bytes(entry))

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
        self.skipped.append(Skipped(escape_undecodable(_relative_name(self._root, path)), reason))
