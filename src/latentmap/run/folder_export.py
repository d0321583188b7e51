"""Export of images into one folder per label or group: links to the original files, copies, or PNG files."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from latentmap.core.errors import RunError
from latentmap.core.progress import Callback, Progress, counted
from latentmap.run import layout, tables
from latentmap.run.checking import reading
from latentmap.run.edits import EditedRun, Journal
from latentmap.run.export_names import DistinctNames, file_name, plain_name
from latentmap.run.originals import CHANGED, GONE, NO_FILE, REMOTE, UNREADABLE, Missing, Originals
from latentmap.run.run import Run

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
N_PICTURES_AT_ONCE = 1024  # pictures that are in memory at once
OTHER_FORMAT = Missing("other format", "")  # the file is there, and the tools that the export is for do not read it


@dataclass
class Written:
    """The result of an export of folders.

    Attributes
    ----------
    n_links, n_copies, n_pngs : int
    n_unlinked : int
        Copies that were to be links.
    missing : Counter of Missing
        Why PNG files stand for images.
    examples : dict
        The first file of each reason.
    """

    n_links: int = 0
    n_copies: int = 0
    n_pngs: int = 0
    n_unlinked: int = 0
    missing: Counter[Missing] = field(default_factory=Counter)
    examples: dict[Missing, str] = field(default_factory=dict)

    def add_missing(self, why: Missing, path: str) -> None:
        """Count a PNG file."""
        self.missing[why] += 1
        self.examples.setdefault(why, path)

    def describe(self) -> list[str]:
        """Lines with the numbers of links, copies and PNG files, and with the reasons for PNG files."""
        lines = [f"{counted(self.n_links, 'link')} to original files"] if self.n_links else []
        if self.n_copies:
            why = ": links cannot be made here" if self.n_unlinked else ""
            copies = "1 copy" if self.n_copies == 1 else f"{self.n_copies:,} copies"
            lines.append(f"{copies} of original files{why}")
        if self.n_pngs:
            lines.append(f"{counted(self.n_pngs, 'PNG file')} of the working size")
        for missing, number in self.missing.items():
            facts = {"place": missing.place, "example": self.examples[missing]}
            counts = {"images": counted(number, "image"), "files": counted(number, "file")}
            lines.append("  " + REASONS[missing.reason].format(**counts, **facts))
        return lines


REASONS = {
    NO_FILE: "{images} with no original file: frames, tiles, crops, members of archives, rows of arrays or tables",
    GONE: "{files} no longer in {place}, such as {example}: move them back for links to them",
    CHANGED: "{files} in {place} changed since decoding, such as {example}: run again for their new content",
    REMOTE: "{files} at {place}, such as {example}, which is not contacted",
    UNREADABLE: "{files} in {place} cannot be read, such as {example}",
    OTHER_FORMAT.reason: "{files} of formats that training tools do not read, such as {example}",
}


def write_folders(
    run: Run,
    folder: Path,
    *,
    copy: bool = False,
    edited: EditedRun | None = None,
    ids: NDArray[np.int64] | None = None,
    callback: Callback = lambda _: None,
) -> Written:
    """Write images into an existing folder, with one folder per given label and one per group for the other images.

    Parameters
    ----------
    run : Run
    folder : Path
    copy : bool
        Copy original files instead of linking them.
    edited : EditedRun, optional
        The state of the edits; by default as it is now.
    ids : array (m,), int64, optional
        Of the images to write, ascending; all by default.
    callback : callable, optional
        Told of progress in images; what it raises ends the export.

    Returns
    -------
    Written
    """
    edited = edited or Journal(run.path).edited()
    ids = np.arange(len(edited.group)) if ids is None else ids
    folders, originals, written = FolderNames(edited), Originals.of(run), Written()
    if len(originals) != len(edited.group):
        raise RunError(f"{run.path}: its tables differ in length: give the command of the run again")
    left = []
    for image in ids.tolist():
        below = folder / folders.of(image)
        below.mkdir(exist_ok=True)
        missing = _write_original(originals, image, below, written, copy=copy)
        if missing is None:
            callback(Progress(written.n_links + written.n_copies, len(ids)))
        else:
            written.add_missing(missing, originals.path(image))
            left.append(image)
    for image, png in png_pictures(run, np.array(left, np.int64)):
        (folder / folders.of(image) / file_name(image, originals.path(image), ".png")).write_bytes(png)
        written.n_pngs += 1
        callback(Progress(written.n_links + written.n_copies + written.n_pngs, len(ids)))
    return written


def _write_original(originals: Originals, image: int, below: Path, written: Written, *, copy: bool) -> Missing | None:
    """Link or copy the file of an image. Return the reason if that is not possible."""
    target = below / file_name(image, originals.path(image))
    if not copy and not written.n_unlinked:
        found = originals.find(image)
        if isinstance(found, Missing):
            return found
        try:
            target.symlink_to(found)
        except (OSError, NotImplementedError):  # Windows without the right to, file systems without links
            written.n_unlinked += 1
        else:
            written.n_links += 1
            return None
    missing = originals.copy(image, target)
    written.n_copies += missing is None
    return missing


class FolderNames:
    """The folder of each image: its given label, or else the number and name of its group."""

    def __init__(self, edited: EditedRun) -> None:
        self._edited = edited
        self._names = DistinctNames()
        self._names.name(-1, "unsure")
        for one in edited.groups:
            name = plain_name(one.name)
            self._names.name(one.number, f"group-{one.number:02d}{f'-{name}' if name else ''}")
        for label in edited.labels:
            self._names.name(label, plain_name(label) or "label")

    def of(self, image: int) -> str:
        """The folder of one image."""
        label, group = int(self._edited.label[image]), int(self._edited.group[image])
        return self._names.name(self._edited.labels[label] if label >= 0 else group, f"group-{group:02d}")


def require_pictures(run: Run) -> None:
    """Raise RunError if the points of a run have no pictures."""
    if not run.has_pictures:
        raise RunError(f"{run.path}: made from vectors alone: its points have no pictures: export csv or parquet")


def png_pictures(run: Run, ids: NDArray[np.int64] | None = None) -> Iterator[tuple[int, bytes]]:
    """Id and PNG file of each image, or of some, in ascending order.

    Raises
    ------
    RunError
        If one is no PNG file.
    """
    if ids is not None and not len(ids):
        return
    require_pictures(run)
    path = run.path / layout.ATLAS
    with reading(path):
        atlas = pq.read_metadata(path)
    first = 0
    for group in range(atlas.num_row_groups):
        n = atlas.row_group(group).num_rows
        wanted = np.arange(n) if ids is None else ids[(ids >= first) & (ids < first + n)] - first
        if len(wanted):
            for row, png in _of_row_group(path, group, wanted):
                if png is None or not png.startswith(PNG_SIGNATURE):
                    raise RunError(
                        f"{path}: damaged (image {first + row} is no PNG): give the command of the run again"
                    )
                yield first + row, png
        first += n


def _of_row_group(path: Path, group: int, rows: NDArray[np.int64]) -> Iterator[tuple[int, bytes | None]]:
    first = 0
    for batch in tables.read_batches(path, ["image"], N_PICTURES_AT_ONCE, [group]):
        chosen = rows[(rows >= first) & (rows < first + len(batch))]
        column = batch.column(0).field("bytes")
        for row in chosen.tolist():
            yield row, column[row - first].as_py()
        first += len(batch)
