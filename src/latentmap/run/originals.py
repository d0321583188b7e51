"""The files that the images of a run were decoded from, as long as they are unchanged."""

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from latentmap.core.addresses import folder_of, is_address, public_address
from latentmap.run import layout
from latentmap.run.checking import reading
from latentmap.run.run import Run, sources_of
from latentmap.run.state import added_folders

# Larger files are not read to be compared: no image decoder takes them.
MAX_ORIGINAL_BYTES = 2**34
HASHED_CHUNK_BYTES = 2**20


class Missing(NamedTuple):
    """Why there is no original file."""

    reason: str  # NO_FILE, GONE, CHANGED or UNREADABLE
    place: str  # where it was looked for; "" for NO_FILE


NO_FILE = "no files of their own"
GONE = "gone"
CHANGED = "changed"
UNREADABLE = "unreadable"
REMOTE = "at an address"  # which a run, perhaps of a stranger, cannot make this machine contact


@dataclass(frozen=True)
class Originals:
    """The origin of each image of a run, in the order of their ids.

    Attributes
    ----------
    roots : list of list of str
        Of each source, the folders to look in; none when its images are no files of their own.
    table : pyarrow.Table
        ``source``, ``file``, ``frame`` and ``sha256`` of each image.
    """

    roots: list[list[str]]
    table: pa.Table

    @classmethod
    def of(cls, run: Run) -> "Originals":
        """Read the origins of the images of a run.

        Raises
        ------
        RunError
            If a table is missing or damaged.
        """
        roots: list[list[str]] = []
        parts = []
        folders = [run.path, *added_folders(run.path, run.state)]
        for folder, entry in zip(folders, [run.state["source"], *run.state["added"]], strict=True):
            parts.append(_read_image_columns(folder / layout.IMAGES, len(roots)))
            found = [[] if one.root is None else [one.root] for one in sources_of(entry)]
            roots += found or [_old_roots(entry)]
        return cls(roots, pa.concat_tables(parts))

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def path(self, image: int) -> str:
        """The name of the file in its source."""
        return str(self.table["file"][image].as_py())

    def find(self, image: int) -> Path | Missing:
        """The original file of an image, if it exists and is unchanged."""
        return self._each(image, _is_same)

    def copy(self, image: int, target: Path) -> Missing | None:
        """Copy the original file of an image if it exists and is unchanged. Return None, or the reason."""
        found = self._each(image, lambda file, digest: _copy_same(file, digest, target))
        return found if isinstance(found, Missing) else None

    def holder(self, image: int) -> Path | Missing:
        """The file that an image, or its frame, was decoded from, without a check of its content."""
        return self._each(image, lambda *_: True, frames=True)

    def frame(self, image: int) -> int | None:
        """The number of the frame of an image in its file; None for a file with a single picture."""
        number: int | None = self.table["frame"][image].as_py()
        return number

    def sha256(self, image: int) -> bytes | None:
        """SHA-256 of the file, or of the pixels of a frame."""
        digest: bytes | None = self.table["sha256"][image].as_py()
        return digest

    def _each(
        self, image: int, take: Callable[[BinaryIO, bytes | None], bool], *, frames: bool = False
    ) -> Path | Missing:
        number, name, digest = self.table["source"][image].as_py(), self.path(image), self.sha256(image)
        roots = self.roots[number] if 0 <= number < len(self.roots) else []
        if not roots or (self.frame(image) is not None and not frames):
            return Missing(NO_FILE, "")
        remote = next((one for one in (name, *roots) if is_address(one)), None)
        if remote is not None:
            return Missing(REMOTE, public_address(folder_of(remote) if remote == name else remote))
        why = GONE
        for candidate in [os.path.join(root, way) for root in roots for way in _spellings(name)]:  # noqa: PTH118
            try:
                with _open_regular_file(candidate) as file:
                    if take(file, digest):
                        return Path(os.path.abspath(candidate))  # noqa: PTH100 - links in it are kept
                why = CHANGED
            except (FileNotFoundError, NotADirectoryError):
                continue
            except (OSError, ValueError):
                why = UNREADABLE if why == GONE else why
        return Missing(why, roots[0])


def _read_image_columns(path: Path, n_sources: int) -> pa.Table:
    """The columns of one table of images, with its sources numbered after the earlier ones."""
    with reading(path):
        names = pq.read_schema(path).names
        wanted = [name for name in ("source", "file", "frame") if name in names]
        table = pq.read_table(path, columns=["path", "sha256", *wanted])
    n = len(table)
    known = set(wanted) == {"source", "file", "frame"}  # earlier versions know the path only
    source = table["source"].to_numpy().astype(np.int64) if known else np.zeros(n, np.int64)
    return pa.table(
        {
            "source": source + n_sources,
            "file": (table["file"] if known else table["path"]).cast(pa.string()),
            "frame": table["frame"].cast(pa.int32()) if known else pa.nulls(n, pa.int32()),
            "sha256": table["sha256"].cast(pa.binary()),
        }
    )


def _old_roots(entry: dict[str, object]) -> list[str]:
    """Roots of files in runs of earlier versions: the sources, relative to the working folder of the command."""
    given = entry.get("path", entry.get("source"))
    listed = given if isinstance(given, list) else [given]
    return [one for one in listed if isinstance(one, str) and os.path.isdir(one)]  # noqa: PTH112


def _spellings(name: str) -> list[str]:
    """The name of a file as it is written, and with its escapes decoded to bytes."""
    raw = re.sub(r"\\x([89a-f][0-9a-f])", lambda found: chr(0xDC00 + int(found[1], 16)), name)
    return [name] if raw == name else [name, raw]


def _open_regular_file(path: str) -> BinaryIO:
    """Open a regular file; anything else, such as a pipe, could block."""
    status = os.stat(path)  # noqa: PTH116
    if not S_ISREG(status.st_mode) or status.st_size > MAX_ORIGINAL_BYTES:
        raise ValueError(path)
    return open(path, "rb")  # noqa: PTH123


def _is_same(file: BinaryIO, digest: bytes | None) -> bool:
    found = hashlib.sha256()
    while chunk := file.read(HASHED_CHUNK_BYTES):
        found.update(chunk)
    return found.digest() == digest


def _copy_same(file: BinaryIO, digest: bytes | None, target: Path) -> bool:
    """Copy a file while hashing it, so that the copy is what was checked."""
    found = hashlib.sha256()
    with target.open("xb") as copy:
        while chunk := file.read(HASHED_CHUNK_BYTES):
            found.update(chunk)
            copy.write(chunk)
    if found.digest() == digest:
        return True
    target.unlink()
    return False
