"""A run in the forms that other tools take."""

import csv
import io
import json
import os
import re
import shutil
from collections.abc import Callable, Collection, Iterator
from math import ceil, sqrt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from PIL import Image

from latentmap.run import files, tables
from latentmap.run.edits import Journal
from latentmap.run.run import Run
from latentmap.run.state import RunError

# TensorBoard takes a picture of pictures up to this side.
SPRITE_SIDE = 8192
MOST_THUMBNAIL = 64


def export_run(path: str | Path, kind: str, out: str | Path, *, copy: bool = False) -> Path:
    """Write a run, images that were added later included, in a form that other tools take.

    Parameters
    ----------
    path : path
        The folder of a finished run.
    kind : {"csv", "parquet", "folders", "projector", "imagefolder", "onnx"}
        - "csv": a line an image: all columns of the atlas but the picture, latent dimensions as z0, z1, …
        - "parquet": the atlas without pictures, latent dimensions as columns.
        - "folders": a folder a group, with links to the original files, or PNG files where there are none.
        - "projector": a folder for TensorBoard's embedding projector.
        - "imagefolder": PNG files in a folder a group, and metadata.csv, for ``datasets.load_dataset("imagefolder")``.
        - "onnx": encoder.onnx and decoder.onnx.
    out : path
        A new file for "csv" and "parquet", a new or empty folder for the others.
    copy : bool, default=False
        In "folders", copy files instead of linking them.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    RunError
        For another kind, a run that is not finished, or when something is in the way.
    """
    if kind not in EXPORTS:
        raise RunError(f"kind={kind!r}: choose among {', '.join(EXPORTS)}")
    run, target = Run.open(path), Path(out)
    if not (run.path / files.ATLAS).exists():
        raise RunError(f"{run.path}: no {files.ATLAS} in it yet: finish the run with the command that began it")
    if target.exists() and (target.is_file() or any(target.iterdir())):
        raise RunError(f"{target}: there already: name a new {'file' if kind in FILES else 'folder'}")
    # made beside it, so that what is there is whole
    target.parent.mkdir(parents=True, exist_ok=True)
    making = target.with_name(target.name + ".tmp")
    if making.is_dir():
        shutil.rmtree(making)
    try:
        if kind not in FILES:
            making.mkdir()
        if kind == "folders":
            _folders(run, making, copy=copy)
        else:
            EXPORTS[kind](run, making)
        if target.is_dir():
            target.rmdir()
        making.replace(target)
    finally:
        if making.is_dir():
            shutil.rmtree(making)
        else:
            making.unlink(missing_ok=True)
    return target


def flat_columns(folder: Path) -> list[str]:
    """The columns of the atlas that a line of text can hold: all but pictures and vectors."""
    return [name for name in pq.read_schema(folder / files.ATLAS).names if name not in ("image", "latent")]


def _flat(run: Run) -> Iterator[pa.Table]:
    """The atlas in parts, without pictures, latent dimensions as columns; and the edits, if there are any."""
    atlas = pq.ParquetFile(run.path / files.ATLAS)
    edits = _edits(run)
    names = [name for name in atlas.schema_arrow.names if name != "image"]
    for batch in atlas.iter_batches(tables.ROWS, columns=names):
        table = pa.table(batch).drop_columns(["latent"])
        latents = batch.column("latent").flatten().to_numpy().reshape(len(batch), -1)
        for dimension in range(latents.shape[1]):
            table = table.append_column(f"z{dimension}", pa.array(latents[:, dimension]))
        yield table if edits is None else tables.with_edits(table, edits.slice(table["id"][0].as_py(), len(table)))


def _edits(run: Run) -> pa.Table | None:
    """What was done to the run in the explorer; None for nothing."""
    edited = Journal(run.path).edited()
    return edited.table() if edited.revision else None


def _csv(run: Run, path: Path) -> None:
    parts = _flat(run)
    first = next(parts)
    with pyarrow.csv.CSVWriter(path, first.schema) as writer:
        writer.write_table(first)
        for part in parts:
            writer.write_table(part)


def _parquet(run: Run, path: Path) -> None:
    tables.write_batches(path, _flat(run))


def _pictures(run: Run, edits: pa.Table | None = None, ids: Collection[int] | None = None) -> Iterator[dict[str, Any]]:
    """Rows of the atlas with their pictures as PNG bytes, all or some, and the name of a folder for each."""
    edits = _edits(run) if edits is None else edits
    atlas = pq.ParquetFile(run.path / files.ATLAS)
    wanted = [
        name
        for name in ("id", "path", "image", "group", "confidence", "label", "added")
        if name in atlas.schema_arrow.names
    ]
    for batch in atlas.iter_batches(1024, columns=wanted):
        wanted_rows = batch if ids is None else batch.filter(pc.is_in(batch.column("id"), pa.array(ids)))
        for row in wanted_rows.to_pylist():
            yield row | {"folder": _folder_name(row, edits)}


def _folder_name(row: dict[str, Any], edits: pa.Table | None) -> str:
    """The label that the image was given, or else its group, by number and name."""
    edit = {} if edits is None else edits.slice(row["id"], 1).to_pylist()[0]
    if edit.get("given_label"):
        return _plain(edit["given_label"]) or "label"
    group = edit.get("group", row["group"])
    name = _plain(edit.get("group_name") or "")
    return "unsure" if group < 0 else f"group-{group:02d}{f'-{name}' if name else ''}"


def _plain(name: str) -> str:
    """A name that every file system takes."""
    return re.sub(r"[^\w.\- ]+", "_", name)[:80].strip(". ")


def _file_name(row: dict[str, Any], ending: str = "") -> str:
    """A name that no other image of the run has, and that every file system takes."""
    plain = _plain(row["path"].rpartition("/")[2][-80:]) or "image"
    stem, dot, extension = plain.rpartition(".")
    return f"{row['id']:07d}-{stem or plain}{ending or (dot + extension if stem else '')}"


def write_folders(run: Run, folder: Path, edits: pa.Table, ids: Collection[int]) -> None:
    """Write some images as a folder for each label or group, with links to their files."""
    folder.mkdir()
    _folders(run, folder, copy=False, edits=edits, ids=ids)


def _folders(
    run: Run, folder: Path, *, copy: bool, edits: pa.Table | None = None, ids: Collection[int] | None = None
) -> None:
    roots = [run.state["source"]["path"], *(one["source"] for one in run.state["added"])]
    for row in _pictures(run, edits, ids):
        below = folder / row["folder"]
        below.mkdir(exist_ok=True)
        original = _original(roots[row["added"]], row["path"])
        if original is None:
            (below / _file_name(row, ".png")).write_bytes(row["image"]["bytes"])
        elif copy:
            shutil.copyfile(original, below / _file_name(row))
        else:
            _link(original, below / _file_name(row))


def _original(root: Any, name: str) -> str | None:
    """The file that an image came from, where it is a file of its own and still there."""
    if not isinstance(root, str) or not os.path.isdir(root):  # noqa: PTH112
        return None
    # escapes stand for bytes that are no UTF-8
    raw = re.sub(r"\\x([89a-f][0-9a-f])", lambda found: chr(0xDC00 + int(found[1], 16)), name)
    for candidate in (name, raw):
        path = os.path.abspath(os.path.join(root, candidate))  # noqa: PTH100, PTH118
        if os.path.isfile(path):  # noqa: PTH113
            return path
    return None


def _link(original: str, link: Path) -> None:
    try:
        link.symlink_to(original)
    except OSError:  # Windows without the right to
        shutil.copyfile(original, link)


def _imagefolder(run: Run, folder: Path) -> None:
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", "id", "path", "group", "confidence", "label"])
        for row in _pictures(run):
            name = f"{row['folder']}/{_file_name(row, '.png')}"
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(row["image"]["bytes"])
            label = "" if row.get("label") is None else row["label"]
            writer.writerow([name, row["id"], row["path"], row["group"], f"{row['confidence']:.4f}", label])


def _projector(run: Run, folder: Path) -> None:
    """tensors.bytes, metadata.tsv, sprite.png and the file that names them."""
    atlas = run.atlas().drop_columns(["image"])
    latents = tables.read_column(run.path / files.ATLAS, "latent")
    latents.astype("<f4").tofile(folder / "tensors.bytes")
    names = [name for name in atlas.column_names if name != "latent"]
    with (folder / "metadata.tsv").open("w", encoding="utf-8") as file:
        file.write("\t".join(names) + "\n")
        for row in zip(*(atlas[name].to_pylist() for name in names), strict=True):
            file.write("\t".join("" if value is None else re.sub(r"\s", " ", str(value)) for value in row) + "\n")
    side = _sprite(run, folder / "sprite.png", len(latents))
    config = (
        "embeddings {\n"
        f'  tensor_name: "{run.path.name}"\n  tensor_path: "tensors.bytes"\n'
        f"  tensor_shape: {len(latents)}\n  tensor_shape: {latents.shape[1]}\n"
        '  metadata_path: "metadata.tsv"\n'
        f'  sprite {{\n    image_path: "sprite.png"\n    single_image_dim: {side}\n    single_image_dim: {side}\n  }}\n'
        "}\n"
    )
    (folder / "projector_config.pbtxt").write_text(config, encoding="utf-8")


def _sprite(run: Run, path: Path, n: int) -> int:
    """All pictures in rows, in one that is square, each as large as there is room for; the side of one."""
    across = ceil(sqrt(n))
    side: int = max(1, min(MOST_THUMBNAIL, SPRITE_SIDE // across, max(run.state["source"]["image_shape"][:2])))
    sheet = Image.new("RGB", (across * side, across * side))
    for number, image in enumerate(_all_pixels(run)):
        picture = image.convert("RGB")
        picture.thumbnail((side, side))
        column, row = number % across, number // across
        sheet.paste(picture, (column * side + (side - picture.width) // 2, row * side + (side - picture.height) // 2))
    sheet.save(path)
    return side


def _all_pixels(run: Run) -> Iterator[Image.Image]:
    for row in _pictures(run):
        yield Image.open(io.BytesIO(row["image"]["bytes"]))


def _onnx(run: Run, folder: Path) -> None:
    model = run.model()
    model.export_onnx(folder / "encoder.onnx", "encoder")
    model.export_onnx(folder / "decoder.onnx", "decoder")
    shape = {"image_shape": list(model.image_shape_), "latent_dim": model.latent_dim, "scale": "pixels / 255"}
    (folder / "shape.json").write_text(json.dumps(shape), encoding="utf-8")


EXPORTS: dict[str, Callable[[Run, Path], None]] = {
    "csv": _csv,
    "parquet": _parquet,
    "folders": lambda run, folder: _folders(run, folder, copy=False),
    "projector": _projector,
    "imagefolder": _imagefolder,
    "onnx": _onnx,
}
FILES = ("csv", "parquet")
