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
from PIL import Image

from latentmap.images.decoding import Failure, Item, reason_for
from latentmap.images.listing import IDENTITY, UNREAD, UNREAD_REASON, Listing, Skipped, as_text, make_table, table_stamp

# A folder that holds these is a run of our own.
RUN_FILES = {"run.json", ".lock"}
# First bytes of the commonest formats, for files whose names do not say that they are images.
SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"RIFF")


def list_folder(folder: Path) -> Listing:
    """List all images below a folder, in the order of their names.

    A file counts as an image when its extension is one that Pillow reads or, for any other name, when it begins as a
    PNG, JPEG, GIF, TIFF or WebP does. Hidden files and folders are left alone, and so are folders of runs. Linked
    folders are followed, each once.
    """
    root = os.fspath(folder)
    found = _Walk(root)
    names = sorted(os.path.relpath(path, root).replace(os.sep, "/") for path in found.files)
    return list_files(folder.resolve().name, root, names, skipped=found.skipped, n_ignored=found.n_ignored)


def list_pattern(pattern: str) -> Listing:
    """List the files that match a glob pattern, ``**`` standing for folders of any depth."""
    fixed = []
    for part in Path(pattern).parts:
        if glob.has_magic(part):
            break
        fixed.append(part)
    root = os.path.join(*fixed) if fixed else "."  # noqa: PTH118 - names need not be valid paths
    files = [name for name in glob.glob(pattern, recursive=True) if not os.path.isdir(name)]  # noqa: PTH112, PTH207
    names = sorted(os.path.relpath(name, root).replace(os.sep, "/") for name in files)
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
        self.skipped: list[Skipped] = []
        self.n_ignored = 0
        self._root = root
        self._extensions = set(Image.registered_extensions())
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
                    self._skip(current, "a link to a folder that is read already")
                    continue
                self._seen.add((status.st_dev, status.st_ino))
                with os.scandir(current) as entries:
                    ordered = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                self._skip(current, reason_for(error))
                continue
            if RUN_FILES <= {entry.name for entry in ordered}:  # the figures of a run are not what it is of
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
        ending = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122
        if ending in UNREAD:
            self._skip(entry.path, UNREAD_REASON)
        elif ending in self._extensions or self._begins_as_image(entry):
            self.files.append(entry.path)
        else:
            self.n_ignored += 1

    def _begins_as_image(self, entry: "os.DirEntry[str]") -> bool:
        try:
            if not entry.is_file():
                return False
            with open(entry.path, "rb") as file:  # noqa: PTH123
                start = file.read(16)
        except OSError as error:
            return error.errno == errno.ELOOP
        return start.startswith(SIGNATURES[:-1]) or (start.startswith(SIGNATURES[-1]) and start[8:12] == b"WEBP")

    def _skip(self, path: str, reason: str) -> None:
        name = os.path.relpath(path, self._root).replace(os.sep, "/")
        self.skipped.append(Skipped(as_text(name), reason))
