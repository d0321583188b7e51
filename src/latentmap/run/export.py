"""Exports of a run for other tools."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import ceil, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from latentmap.core.atomic_files import user_path
from latentmap.core.errors import DecodingError, RunError
from latentmap.core.progress import Show, silent
from latentmap.images.folder import EXPORT_MARK
from latentmap.images.pixel_types import largest_pixel
from latentmap.images.png import decode_png
from latentmap.run import layout, tables
from latentmap.run.channel_records import picture_shape
from latentmap.run.chosen_images import chosen_ids
from latentmap.run.dataset_export import DATASETS, write_dataset
from latentmap.run.edits import EditedRun, Journal
from latentmap.run.flat import as_csv, flat_tables
from latentmap.run.folder_export import png_pictures, write_folders
from latentmap.run.image_classes import CLASSES
from latentmap.run.issue_export import check_issue_options, decided_issues, write_issue_table
from latentmap.run.new_places import new_place, place_of
from latentmap.run.overviews import write_overviews
from latentmap.run.run import Run

# TensorBoard takes a picture of pictures up to this side.
SPRITE_SIDE = 8192
MAX_SPRITE_SIDE = 64
MARK_TEXT = "An export of latentmap: `latentmap run` leaves it out of the images of the folders above it.\n"


def export_run(
    path: str | Path,
    kind: str,
    out: str | Path,
    *,
    only: str | Path | ArrayLike | None = None,
    without: str | Path | ArrayLike | None = None,
    verdict: str | None = None,
    classes: str | None = None,
    splits: str | Mapping[str, float] | None = None,
    seed: int = 0,
    copy: bool = False,
    show: Show = silent,
    say: Callable[[str], None] = lambda _: None,
) -> Path:
    """Export a run, including images that were added later, for other tools.

    Parameters
    ----------
    path : path
        The folder of a finished run.
    kind : {"csv", "parquet", "issues", "folders", "imagefolder", "yolo", "coco", "projector", "overviews", "onnx"}
        - "csv": a line an image: all columns of the atlas but the picture, latent dimensions as z0, z1, … Text that a
          spreadsheet would take for a formula gets an apostrophe before it; see :func:`latentmap.run.flat.as_csv`.
        - "parquet": the atlas without pictures, latent dimensions as columns, each value as it is.
        - "issues": what the audit found with the paths of the images and what was decided in the explorer, as CSV or
          Parquet by the name of the file.
        - "folders": a folder a group, with links to the original files. PNG files of the working size stand for images
          that were no files of their own, and for files that are gone or have changed since they were decoded.
        - "imagefolder": a folder a class with copies of the original files, or PNG files of the working size, and
          metadata.csv, for ``datasets.load_dataset("imagefolder")``.
        - "yolo": the same below train and val, as Ultralytics reads images to classify.
        - "coco": the same files below data, and labels.json in the format of COCO. Of a run of tiles or crops, the
          files that they were cut from with a box for each.
        - "projector": a folder for TensorBoard's embedding projector.
        - "overviews": of a run of tiles or crops, a PNG file for each whole image with its parts coloured by group,
          parts.csv with the place and the group of each part, and groups.csv with the colours.
        - "onnx": encoder.onnx, decoder.onnx, features.onnx if neighbours are found by visual features, and shape.json.
    out : path
        A new file for "csv", "parquet" and "issues", a new or empty folder for the others.
    only : path or array-like of int, optional
        The images to export, all by default: their ids, or a .csv, .tsv or .parquet table with the column ``id`` or
        ``path``. Not for "projector", "overviews" and "onnx".
    without : path or array-like of int, optional
        Images to leave out, given likewise. A table without rows leaves out none.
    verdict : {"open", "accepted", "dismissed"}, optional
        Leave out issues with other decisions. Only for "issues".
    classes : {"given", "label", "spread", "group"}, default="given"
        The class of an image in "imagefolder", "yolo" and "coco": the label given in the explorer, or else for "given"
        the group, for "label" the label in the source, and for "spread" that of ``latentmap label``; for "group" the
        group of every image. Images without a class are left out.
    splits : str or mapping of str to float, optional
        Parts of "imagefolder", "yolo" and "coco", such as ``"train=0.8,val=0.1,test=0.1"``, each a folder. Every class
        is divided alike; exact and near duplicates, and tiles or crops of one image, are in the same part. By default
        "yolo" has 0.8 for train and 0.2 for val, and the others are not divided.
    seed : int, default=0
        Seed of the division.
    copy : bool, default=False
        In "folders", copy files instead of linking them.
    show : callable, optional
        From the name of the work to a context with a progress callback: pass
        :func:`latentmap.core.progress.show_progress`.
    say : callable, optional
        Takes a line about how many links, copies and PNG files were written, and why, and about classes and parts.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    RunError
        For another kind, an option that the kind does not have, a run that is not finished or damaged, images that the
        run does not have, or when something is in the way.
    """
    _check_options(kind, only=only, without=without, verdict=verdict, classes=classes, splits=splits)
    if kind == ISSUES:
        check_issue_options(user_path(out), verdict)
    with new_export(path, kind, out) as (run, making), show("export") as callback:
        ids = chosen_ids(run, only, without) if kind in CHOOSING else None
        if kind == ISSUES:
            write_issue_table(making, decided_issues(run, verdict=verdict, ids=ids), user_path(out).suffix)
        elif kind in TABLES:
            TABLES[kind](run, making, ids)
        elif kind in OTHERS:
            OTHERS[kind](run, making)
        elif kind == "overviews":
            write_overviews(run, making, callback)
        elif kind == "folders":
            for line in write_folders(run, making, copy=copy, ids=ids, callback=callback).describe():
                say(line)
        else:
            options: dict[str, Any] = {"classes": classes or CLASSES[0], "splits": splits, "seed": seed}
            for line in write_dataset(run, making, kind, ids=ids, callback=callback, **options):
                say(line)
    return user_path(out)


def _check_options(kind: str, **options: Any) -> None:
    """Raise RunError for another kind of export, or an option that it does not have."""
    if kind == SITE:
        raise RunError(f"kind={kind!r}: call latentmap.explorer.export_site, or `latentmap export RUN {SITE} OUT`")
    if kind not in EXPORTS:
        raise RunError(f"kind={kind!r}: choose among {', '.join(EXPORTS)} and {SITE}")
    for name, value in options.items():
        kinds = KINDS_WITH[name]
        if value is not None and kind not in kinds:
            raise RunError(f"kind={kind!r}: has no {name}: leave it out, or choose among {', '.join(kinds)}")


@contextmanager
def new_export(path: str | Path, kind: str, out: str | Path) -> Iterator[tuple[Run, Path]]:
    """Yield a run, and a temporary file or folder that is renamed to ``out`` if the block succeeds.

    The folder of a site is kept if it does not; see :func:`latentmap.run.resumed_folders.resumed_folder`.

    Raises
    ------
    RunError
        For a run that is not finished or damaged, or when something is in the way.
    """
    run = Run.open(path)
    if not (run.path / layout.ATLAS).exists():
        raise RunError(f"{run.path}: no {layout.ATLAS} in it yet: finish the run with the command that began it")
    with new_place(out, [run], is_file=kind in FILES, is_resumed=kind == SITE) as making:
        yield run, making
        if kind in PICTURES and _is_in_source(run, place_of(user_path(out))):
            (making / EXPORT_MARK).write_text(MARK_TEXT, encoding="utf-8")


def _is_in_source(run: Run, target: Path) -> bool:
    """Whether the export lies below a folder, or a pattern's, whose next run would meet it."""
    for entry in (run.state["source"], *run.state["added"]):
        given = entry.get("path", entry.get("source"))
        names = given if isinstance(given, list) else [given]
        roots = [one["root"] for one in entry.get("sources", ())]
        names = names if len(names) == len(roots) else [None] * len(roots)
        for root, name in zip(roots, names, strict=True):
            if root is None or not target.is_relative_to(Path(root).resolve()):
                continue
            is_file = isinstance(name, str) and (Path(root) / Path(name).name).is_file()  # a table or an image
            if not is_file:
                return True
    return False


def _edited(run: Run) -> EditedRun | None:
    """The edits made in the explorer; None if there are none."""
    edited = Journal(run.path).edited()
    return edited if edited.revision else None


def _csv(run: Run, path: Path, ids: NDArray[np.int64] | None) -> None:
    parts = (as_csv(part) for part in flat_tables(run, _edited(run), ids=ids))
    first = next(parts)
    with pyarrow.csv.CSVWriter(path, first.schema) as writer:
        writer.write_table(first)
        for part in parts:
            writer.write_table(part)


def _parquet(run: Run, path: Path, ids: NDArray[np.int64] | None) -> None:
    parts = flat_tables(run, _edited(run), ids=ids)
    first = next(parts)
    with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
        writer.write_table(first)
        for part in parts:
            writer.write_table(part)


# ---------------------------------------------------------------- TensorBoard, ONNX


def _projector(run: Run, folder: Path) -> None:
    """tensors.bytes, metadata.tsv, sprite.png and the file that names them."""
    latents = tables.read_column(run.path / layout.ATLAS, "latent")
    latents.astype("<f4").tofile(folder / "tensors.bytes")
    with (folder / "metadata.tsv").open("w", encoding="utf-8", newline="\n") as file:
        for number, part in enumerate(flat_tables(run, _edited(run), latents=False)):
            if number == 0:
                file.write("\t".join(map(_cell, part.column_names)) + "\n")
            for row in zip(*(column.to_pylist() for column in part.columns), strict=True):
                file.write("\t".join(map(_cell, row)) + "\n")
    side = _sprite(run, folder / "sprite.png", len(latents))
    sprite = (
        f'  sprite {{\n    image_path: "sprite.png"\n    single_image_dim: {side}\n    single_image_dim: {side}\n  }}\n'
    )
    config = (
        "embeddings {\n"
        f'  tensor_name: {_quoted(run.path.resolve().name)}\n  tensor_path: "tensors.bytes"\n'
        f"  tensor_shape: {len(latents)}\n  tensor_shape: {latents.shape[1]}\n"
        '  metadata_path: "metadata.tsv"\n'
        f"{sprite if side else ''}"
        "}\n"
    )
    (folder / "projector_config.pbtxt").write_text(config, encoding="utf-8")


def _cell(value: Any) -> str:
    """A value in a line of tab-separated text."""
    return "" if value is None else re.sub(r"\s", " ", str(value))


def _quoted(text: str) -> str:
    """A string of protobuf's text format."""
    return (
        '"'
        + "".join(
            f"\\{byte:03o}" if byte < 32 or byte in b'"\\' or byte > 126 else chr(byte)
            for byte in text.encode("utf-8", "replace")
        )
        + '"'
    )


def _sprite(run: Run, path: Path, n: int) -> int:
    """One square picture of all images in rows, each as large as fits, and the side of each; 0 if they do not fit."""
    across = ceil(sqrt(n))
    if across > SPRITE_SIDE or not run.has_pictures:  # not one pixel each
        return 0
    side: int = max(1, min(MAX_SPRITE_SIDE, SPRITE_SIDE // across, max(run.state["source"]["image_shape"][:2])))
    sheet = Image.new("RGB", (across * side, across * side))
    for number, png in png_pictures(run):
        picture = Image.fromarray(_decoded(png, run, number)).convert("RGB")
        picture.thumbnail((side, side))
        column, row = number % across, number // across
        sheet.paste(picture, (column * side + (side - picture.width) // 2, row * side + (side - picture.height) // 2))
    sheet.save(path)
    return side


def _decoded(png: bytes, run: Run, image: int) -> NDArray[np.uint8]:
    try:
        return decode_png(png, picture_shape(run.state["source"]))
    except DecodingError as error:
        raise RunError(
            f"{run.path / layout.ATLAS}: damaged (image {image}: {error}): give the command of the run again"
        ) from error


def _onnx(run: Run, folder: Path) -> None:
    if run.has_vectors:
        decoder = run.decoder()
        decoder.export_onnx(folder / "decoder.onnx")
        facts = {"image_shape": list(decoder.image_shape_), "n_features": decoder.n_features_in_}
        (folder / "shape.json").write_text(json.dumps(facts), encoding="utf-8")
        return
    model = run.model()
    model.export_onnx(folder / "encoder.onnx", "encoder")
    model.export_onnx(folder / "decoder.onnx", "decoder")
    shape = {"image_shape": list(model.image_shape_), "latent_dim": model.latent_dim}
    shape["scale"] = f"pixels / {largest_pixel(run.pixel_dtype)}"
    if run.has_features:
        features = run.features()
        features.export_onnx(folder / "features.onnx")
        shape["n_features"] = features.n_features_out_
    (folder / "shape.json").write_text(json.dumps(shape), encoding="utf-8")


TABLES: dict[str, Callable[[Run, Path, NDArray[np.int64] | None], None]] = {"csv": _csv, "parquet": _parquet}
OTHERS: dict[str, Callable[[Run, Path], None]] = {"projector": _projector, "onnx": _onnx}
SITE = "site"  # which the explorer writes
ISSUES = "issues"
EXPORTS = ("csv", "parquet", ISSUES, "folders", *DATASETS, "projector", "overviews", "onnx")
FILES = (*TABLES, ISSUES)
CHOOSING = (*FILES, "folders", *DATASETS)  # which can have some of the images
KINDS_WITH = {"only": CHOOSING, "without": CHOOSING, "verdict": (ISSUES,), "classes": DATASETS, "splits": DATASETS}
PICTURES = ("folders", *DATASETS, "projector", "overviews", SITE)
