"""Readers of exports: one function for each tool, which uses nothing but that tool.

:mod:`benchmarks.loaders` runs ``python -m benchmarks.loader_readers NAME PATH`` with the Python that has the tool.
It prints JSON: the version of the tool, and a list of the part, the file, the class and the SHA-256 of the pixels of
each image.
"""

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Row = tuple[str, str, str, str]
PARTS = ("train", "val", "test")
TRAIN_SIDE = 32  # pixels


def digest(pixels: Any) -> str:
    """The SHA-256 of pixels in RGB."""
    return hashlib.sha256(np.ascontiguousarray(pixels, np.uint8).tobytes()).hexdigest()


def of_file(path: str) -> str:
    with Image.open(path) as image:
        return digest(image.convert("RGB"))


def datasets_imagefolder(folder: Path) -> Iterator[Row]:
    from datasets import load_dataset

    for part, data in load_dataset("imagefolder", data_dir=str(folder), cache_dir=tempfile.mkdtemp()).items():
        for row in data:
            name = f"{row['id']:07d}"
            yield {"validation": "val"}.get(part, part), name, row["class"], digest(row["image"].convert("RGB"))


def datasets_table(file: Path) -> Iterator[Row]:
    from datasets import load_dataset

    data = load_dataset(file.suffix[1:], data_files=str(file), split="train", cache_dir=tempfile.mkdtemp())
    for row in data:
        yield "", f"{row['id']:07d}", row["label"], ""


def pycocotools_coco(folder: Path) -> Iterator[Row]:
    from pycocotools.coco import COCO

    for part in PARTS:
        coco = COCO(str(folder / part / "labels.json"))
        for one in coco.loadAnns(coco.getAnnIds()):
            (image,), (category,) = coco.loadImgs(one["image_id"]), coco.loadCats(one["category_id"])
            assert one["bbox"] == [0, 0, image["width"], image["height"]]
            path = folder / part / "data" / image["file_name"]
            yield part, image["file_name"], category["name"], of_file(str(path))


def ultralytics_yolo(folder: Path) -> Iterator[Row]:
    """Its data set of each part, after an epoch of training on the folder."""
    from ultralytics import YOLO
    from ultralytics.cfg import get_cfg
    from ultralytics.data import ClassificationDataset
    from ultralytics.data.utils import check_cls_dataset

    options = {"epochs": 1, "imgsz": TRAIN_SIDE, "workers": 0, "plots": False, "device": "cpu", "verbose": False}
    YOLO("yolo11n-cls.yaml").train(data=str(folder), project=tempfile.mkdtemp(), **options)
    found = check_cls_dataset(folder)
    for part in PARTS:
        data = ClassificationDataset(str(found[part]), get_cfg(overrides={"imgsz": TRAIN_SIDE}))
        for path, number, *_ in data.samples:
            yield part, Path(path).name, found["names"][number], of_file(path)


def fiftyone_tree(folder: Path) -> Iterator[Row]:
    import fiftyone as fo

    for part in PARTS:
        with fo.types.ImageClassificationDirectoryTree().get_dataset_importer_cls()(str(folder / part)) as samples:
            for path, _, label in samples:
                yield part, Path(path).name, label.label, of_file(path)


def fiftyone_coco(folder: Path) -> Iterator[Row]:
    import fiftyone as fo

    for part in PARTS:
        with fo.types.COCODetectionDataset().get_dataset_importer_cls()(str(folder / part)) as samples:
            for path, _, labels in samples:
                (one,) = labels["detections"].detections
                assert one.bounding_box == [0, 0, 1, 1]
                yield part, Path(path).name, one.label, of_file(path)


def fiftyone_csv(folder: Path) -> Iterator[Row]:
    """The metadata.csv of an ImageFolder, whose files are named in the column file_name."""
    import fiftyone as fo

    importer = fo.types.CSVDataset().get_dataset_importer_cls()
    for part in PARTS:
        options: dict[str, Any] = {
            "data_path": str(folder / part),
            "labels_path": "metadata.csv",
            "media_field": "file_name",
        }
        options["fields"] = ["class", "group"]  # "id" is one of its own
        with importer(str(folder / part), **options) as samples:
            for sample in samples:
                yield part, Path(sample.filepath).name, sample["class"], of_file(sample.filepath)


READERS = {
    "datasets imagefolder": datasets_imagefolder,
    "datasets csv": datasets_table,
    "datasets parquet": datasets_table,
    "pycocotools coco": pycocotools_coco,
    "ultralytics yolo": ultralytics_yolo,
    "fiftyone imagefolder": fiftyone_tree,
    "fiftyone yolo": fiftyone_tree,
    "fiftyone coco": fiftyone_coco,
    "fiftyone imagefolder metadata.csv": fiftyone_csv,
}


def main() -> None:
    name, path = sys.argv[1], Path(sys.argv[2])
    output, sys.stdout = sys.stdout, sys.stderr  # tools print what they do
    # nothing is asked of the network, and FiftyOne starts no database: its importers need none
    os.environ |= {"HF_HUB_OFFLINE": "1", "YOLO_OFFLINE": "true", "YOLO_CONFIG_DIR": tempfile.mkdtemp()}
    os.environ |= {"FIFTYONE_DATABASE_URI": "mongodb://127.0.0.1:1", "FIFTYONE_DO_NOT_TRACK": "true"}
    rows = sorted(READERS[name](path))
    json.dump({"version": version(name.split()[0]), "rows": rows}, output)


if __name__ == "__main__":
    main()
