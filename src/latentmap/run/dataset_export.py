"""Exports for training: ImageFolder, folders for YOLO and COCO, with parts for training and testing."""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from latentmap.core.errors import RunError
from latentmap.core.progress import Callback, Progress, counted
from latentmap.images.boxes import Box
from latentmap.images.image_files import open_with_pillow
from latentmap.images.pool import DecodingPool
from latentmap.run import layout, tables
from latentmap.run.cut_runs import is_cut
from latentmap.run.edits import EditedRun, Journal
from latentmap.run.export_names import file_name
from latentmap.run.folder_export import OTHER_FORMAT, Written, png_pictures, require_pictures
from latentmap.run.image_classes import ImageClasses
from latentmap.run.originals import NO_FILE, Missing, Originals
from latentmap.run.overviews import Overviews
from latentmap.run.run import Run
from latentmap.run.splits import parse_splits, related_images, split_images

DATASETS = ("imagefolder", "yolo", "coco")
YOLO_SPLITS = {"train": 0.8, "val": 0.2}  # which Ultralytics asks for
# Suffixes and formats that training tools read. Images of other files are written as PNG.
SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")
METADATA = "metadata.csv"
COCO_FILE, COCO_PICTURES = "labels.json", "data"  # as FiftyOne names them
COLUMNS = {"path", "group", "confidence", "label"}  # of the atlas, in the tables
N_ROWS_AT_ONCE = 2**13


@dataclass(frozen=True)
class WrittenImage:
    """An image in an export.

    Attributes
    ----------
    name : str
        File, below the folder of its part.
    size : tuple of int
        Width and height of the picture in the file.
    box : Box, optional
        The part of the picture that the image is, all of it by default.
    """

    name: str
    size: tuple[int, int]
    box: Box | None = None


def write_dataset(
    run: Run,
    folder: Path,
    kind: str,
    *,
    classes: str = "given",
    splits: str | Mapping[str, float] | None = None,
    seed: int = 0,
    ids: NDArray[np.int64] | None = None,
    callback: Callback = lambda _: None,
) -> list[str]:
    """Write images into an existing folder, as training tools read them.

    Parameters
    ----------
    run : Run
    folder : Path
    kind : {"imagefolder", "yolo", "coco"}
    classes : {"given", "label", "spread", "group"}
        See :meth:`ImageClasses.of`. Images without a class are left out.
    splits : str or mapping of str to float, optional
        Names and fractions of the parts; see :func:`latentmap.run.splits.parse_splits`. For "yolo" they must have
        train and val, and are train=0.8,val=0.2 by default; the others have one part by default.
    seed : int
        Seed of the division.
    ids : array (m,), int64, optional
        Of the images to write, ascending; all by default.
    callback : callable, optional
        Told of progress in images.

    Returns
    -------
    list of str
        Lines about what was written.

    Raises
    ------
    RunError
        If the run has no pictures or no such classes, a part would be empty, or a table is damaged.
    """
    parts = None if splits is None else parse_splits(splits)
    if kind == "yolo":
        parts = parts or YOLO_SPLITS
        if not {"train", "val"} <= set(parts):
            raise RunError(f"splits={splits!r}: YOLO needs the parts train and val: such as train=0.8,val=0.1,test=0.1")
    require_pictures(run)
    edited = Journal(run.path).edited()
    found = ImageClasses.of(run, edited, classes)
    wanted = np.arange(len(edited.group)) if ids is None else ids
    chosen = wanted[found.codes[wanted] >= 0]
    if not len(chosen):
        raise RunError(f"{run.path}: none of {counted(len(wanted), 'image')} has a class: choose other classes")
    part_of = _parts(run, found, chosen, parts, seed)
    names = [""] if parts is None else list(parts)
    places = _places(found, chosen, part_of, names, kind)
    if kind == "yolo":  # an empty folder keeps the numbers of the classes the same in all parts
        for part in names:
            for name in sorted({found.folders[code] for code in found.codes[chosen].tolist()}):
                (folder / part / name).mkdir(parents=True)
    with_boxes, written = (
        _copy_wholes(run, folder, dict(zip(chosen.tolist(), places, strict=True)), callback)
        if kind == "coco" and is_cut(run.state)
        else ({}, Written())
    )
    images = _write_images(run, folder, chosen, places, with_boxes, written, callback)
    rows = _Rows(run, edited, found, chosen)
    for number, part in enumerate(names):
        inside = np.flatnonzero(part_of == number)
        if kind == "coco":
            _write_coco(folder / part, rows, inside, images)
        elif kind == "imagefolder":
            _write_metadata(folder / part / METADATA, rows, inside, images)
    if kind == "yolo":
        _write_metadata(folder / METADATA, rows, np.arange(len(chosen)), images, [names[i] for i in part_of])
    return [*written.describe(), *_described(found, chosen, part_of, parts, len(wanted))]


def _parts(
    run: Run, classes: ImageClasses, chosen: NDArray[np.int64], parts: Mapping[str, float] | None, seed: int
) -> NDArray[np.int64]:
    """The part of each image."""
    if parts is None:
        return np.zeros(len(chosen), np.int64)
    fractions = np.array(list(parts.values()))
    found = split_images(classes.codes[chosen], related_images(run)[chosen], fractions, seed)
    sizes = np.bincount(found, minlength=len(parts))
    for name, size in zip(parts, sizes.tolist(), strict=True):
        if not size:
            raise RunError(
                f"{run.path}: no image is left for {name}: of {counted(len(chosen), 'image')}, duplicates and parts of "
                "one image stay together: give it a larger fraction, or leave it out"
            )
    return found


def _places(
    classes: ImageClasses, chosen: NDArray[np.int64], part_of: NDArray[np.int64], names: list[str], kind: str
) -> list[tuple[str, str]]:
    """The folder of the part of each image, and its folder below that."""
    if kind == "coco":
        return [(names[part], COCO_PICTURES) for part in part_of.tolist()]
    codes = classes.codes[chosen].tolist()
    return [(names[part], classes.folders[code]) for part, code in zip(part_of.tolist(), codes, strict=True)]


def _copy_wholes(
    run: Run, folder: Path, places: dict[int, tuple[str, str]], callback: Callback
) -> tuple[dict[int, WrittenImage], Written]:
    """Copy the files that tiles or crops were cut from, where they are unchanged; return what was written of each part.

    Files whose picture is stored turned are left out, since boxes are of the upright image.
    """
    found: dict[int, WrittenImage] = {}
    written = Written()
    with DecodingPool(1) as decoders:
        overviews = Overviews(run, np.zeros(len(Originals.of(run)), np.int64), decoders)
        for whole in overviews.images:
            ids = [image for image in whole.ids.tolist() if image in places]
            if not ids or Path(whole.path).suffix.lower() not in SUFFIXES:
                continue
            part, below = places[ids[0]]
            file, name = overviews.file(whole), f"{below}/{file_name(ids[0], whole.path)}"
            if file is None or not _is_upright(file) or _size(file) != (whole.width, whole.height):
                continue
            (folder / part / below).mkdir(parents=True, exist_ok=True)
            copyfile(file, folder / part / name)
            size = whole.width, whole.height
            found |= {image: WrittenImage(name, size, overviews.box(image)) for image in ids}
            written.n_copies += 1
            callback(Progress(len(found), len(places)))
    return found, written


def _write_images(
    run: Run,
    folder: Path,
    chosen: NDArray[np.int64],
    places: list[tuple[str, str]],
    done: dict[int, WrittenImage],
    written: Written,
    callback: Callback,
) -> list[WrittenImage]:
    """Copy original files, and write PNG files of the working size for images without one, unless they are done."""
    originals = Originals.of(run)
    if len(originals) != tables.read(run.path / layout.ATLAS, ["id"]).num_rows:
        raise RunError(f"{run.path}: its tables differ in length: give the command of the run again")
    images = dict(done)
    left: dict[int, tuple[str, str]] = {}
    for image, (part, below) in zip(chosen.tolist(), places, strict=True):
        if image in images:
            continue
        (folder / part / below).mkdir(parents=True, exist_ok=True)
        name = f"{below}/{file_name(image, originals.path(image))}"
        size = _copy(originals, image, folder / part / name)
        if isinstance(size, Missing):
            written.add_missing(size, originals.path(image))
            left[image] = (part, below)
            continue
        images[image] = WrittenImage(name, size)
        written.n_copies += 1
        callback(Progress(len(images), len(chosen)))
    for image, png in png_pictures(run, np.array(sorted(left), np.int64)):
        part, below = left[image]
        name = f"{below}/{file_name(image, originals.path(image), '.png')}"
        (folder / part / name).write_bytes(png)
        images[image] = WrittenImage(name, _size(folder / part / name) or (0, 0))
        written.n_pngs += 1
        callback(Progress(len(images), len(chosen)))
    return [images[image] for image in chosen.tolist()]


def _copy(originals: Originals, image: int, target: Path) -> tuple[int, int] | Missing:
    """Copy the original file of an image and return its size, if training tools read it."""
    if target.suffix.lower() not in SUFFIXES:
        found = originals.holder(image) if originals.is_file(image) else Missing(NO_FILE, "")
        return found if isinstance(found, Missing) else OTHER_FORMAT
    missing = originals.copy(image, target)
    if missing is not None:
        return missing
    size = _size(target)
    if size is None:
        target.unlink()
    return OTHER_FORMAT if size is None else size


def _size(path: Path) -> tuple[int, int] | None:
    """Width and height of the picture in a file; None if training tools do not read it."""
    try:
        with path.open("rb") as file, open_with_pillow(file, FORMATS) as image:
            return image.size
    except (OSError, ValueError, SyntaxError, Warning, Image.DecompressionBombError):  # Pillow raises all of them
        return None


def _is_upright(path: Path) -> bool:
    """Whether the picture in a file is stored as it is shown, and not turned or mirrored."""
    try:
        with path.open("rb") as file, open_with_pillow(file, FORMATS) as image:
            return bool(image.getexif().get(ExifTags.Base.Orientation, 1) == 1)
    except (OSError, ValueError, SyntaxError, Warning, Image.DecompressionBombError):
        return False


# ---------------------------------------------------------------- tables


class _Rows:
    """Columns of the images of an export, which are read in parts."""

    def __init__(self, run: Run, edited: EditedRun, classes: ImageClasses, chosen: NDArray[np.int64]) -> None:
        self.classes, self.chosen = classes, chosen
        path = run.path / layout.ATLAS
        known = tables.column_names(path)
        columns = tables.read(path, [name for name in known if name in COLUMNS])
        self._columns = tables.with_edits(columns, edited.table()) if edited.revision else columns
        self.names = self._columns.column_names

    def of(self, positions: NDArray[np.intp]) -> Iterator[tuple[int, str, dict[str, Any]]]:
        """Id, class and columns of images at some positions of the export."""
        for begin in range(0, len(positions), N_ROWS_AT_ONCE):
            ids = self.chosen[positions[begin : begin + N_ROWS_AT_ONCE]]
            for image, row in zip(ids.tolist(), self._columns.take(ids).to_pylist(), strict=True):
                yield image, self.classes.names[self.classes.codes[image]], row


def _write_metadata(
    path: Path,
    rows: _Rows,
    positions: NDArray[np.intp],
    images: list[WrittenImage],
    parts: list[str] | None = None,
) -> None:
    """A line an image. The values are not made safe for spreadsheets, since a program reads them."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", "id", "class", *(["split"] if parts else []), *rows.names])
        for position, (image, name, row) in zip(positions.tolist(), rows.of(positions), strict=True):
            part = parts[position] if parts else None
            row["confidence"] = None if row["confidence"] is None else f"{row['confidence']:.4f}"
            own = [f"{part}/{images[position].name}" if part else images[position].name, image, name]
            values = ("" if value is None else value for value in row.values())
            writer.writerow([*own, *([part] if part else []), *values])


def _write_coco(folder: Path, rows: _Rows, positions: NDArray[np.intp], images: list[WrittenImage]) -> None:
    """labels.json: an annotation an image, whose box is the whole picture, or its part of the picture."""
    used = sorted(set(rows.classes.codes[rows.chosen].tolist()))  # of all parts, so that numbers are the same in each
    number_of = {code: number for number, code in enumerate(used, start=1)}
    found: dict[str, list[dict[str, Any]]] = {"licenses": [], "images": [], "annotations": []}
    id_of: dict[str, int] = {}
    for position, (image, _, row) in zip(positions.tolist(), rows.of(positions), strict=True):
        width, height = images[position].size
        name = images[position].name.removeprefix(f"{COCO_PICTURES}/")
        if name not in id_of:
            id_of[name] = image + 1  # 0 means no match in pycocotools
            found["images"].append({"id": image + 1, "file_name": name, "width": width, "height": height})
        left, top, right, bottom = images[position].box or (0, 0, width, height)
        found["annotations"].append(
            {
                **{"id": image + 1, "image_id": id_of[name], "category_id": number_of[int(rows.classes.codes[image])]},
                **{"bbox": [left, top, right - left, bottom - top], "area": (right - left) * (bottom - top)},
                **{"iscrowd": 0, "segmentation": [], "latentmap_id": image, "path": row["path"]},
                # FiftyOne takes "confidence" for that of a detection, and stumbles over it
                **{"group": row["group"], "group_confidence": row["confidence"]},
            }
        )
    categories = [{"id": number_of[code], "name": rows.classes.names[code], "supercategory": ""} for code in used]
    content = {"info": {"description": "exported by latentmap"}, **found, "categories": categories}
    (folder / COCO_FILE).write_text(json.dumps(content, ensure_ascii=True), encoding="utf-8")


def _described(
    classes: ImageClasses,
    chosen: NDArray[np.int64],
    part_of: NDArray[np.int64],
    parts: Mapping[str, float] | None,
    n_wanted: int,
) -> list[str]:
    """Lines about classes and parts."""
    codes = classes.codes[chosen]
    used = np.unique(codes)
    lines = ["1 class" if len(used) == 1 else f"{len(used):,} classes"]
    if n_wanted > len(chosen):
        lines.append(f"{counted(n_wanted - len(chosen), 'image')} without a class left out")
    for number, name in enumerate(parts or {}):
        inside = codes[part_of == number]
        missing = len(used) - len(np.unique(inside))
        without = f", none of {missing} of the classes" if missing else ""
        lines.append(f"{name}: {counted(len(inside), 'image')}{without}")
    return lines
