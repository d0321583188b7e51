"""Loads exports as they are with the tools that they are for, and compares all images with those that were exported.

Run with ``python -m benchmarks.loaders``. A tool that cannot be installed beside latentmap is read in an environment of
its own: PYTHON_ULTRALYTICS and PYTHON_FIFTYONE name the Python of one, and what they are run with is recorded. FiftyOne
is read by its importers, which ``Dataset.from_dir`` calls, without its database. The recorded result of Ultralytics is
of an environment in which the compiled operators of torchvision could not be loaded: ``nms`` and ``qnms``, which
classifiers do not call, were declared without code.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import loader_readers
from benchmarks.loader_readers import PARTS, READERS, Row
from benchmarks.record import save
from latentmap.run import Run, RunOptions, export_run, make_run

COLORS = {"blue": (40, 80, 200), "green": (30, 150, 60), "red": (200, 30, 40), "yellow": (240, 220, 60)}
SIZES = (60, 50, 40, 30)  # images of each class
SPLITS = "train=0.7,val=0.2,test=0.1"
SIDE = 32  # pixels
ROOT = Path(__file__).parent.parent


def make_source(folder: Path) -> None:
    """Write pictures of bars in colour, in a folder a class, with two exact duplicates in each."""
    random = np.random.default_rng(0)
    for kind, ((name, color), n) in enumerate(zip(COLORS.items(), SIZES, strict=True)):
        (folder / name).mkdir(parents=True)
        for i in range(n):
            image = random.integers(0, 60, (SIDE, SIDE + 8, 3), dtype=np.uint8)
            image[7 * kind : 7 * kind + 7, 4:-4] = np.clip(color + random.integers(-20, 21, 3), 0, 255)
            picture = Image.fromarray(image) if i < n - 2 else Image.open(folder / name / "000.png")
            picture.save(folder / name / f"{i:03d}.png")


def export_all(run: Path, out: Path) -> dict[str, Path]:
    """The exports by kind."""
    for kind in ("imagefolder", "yolo", "coco"):
        export_run(run, kind, out / kind, classes="label", splits=SPLITS)
    for kind in ("csv", "parquet"):
        export_run(run, kind, out / f"run.{kind}")
    return {path.name.removeprefix("run."): path for path in out.iterdir()}


def expected(run: Path, source: Path, folder: Path) -> list[Row]:
    """Part, id, class and pixels of each image: the part by its place in the export, all else by the source."""
    parts = {int(path.name.split("-")[0]): path.relative_to(folder).parts[0] for path in folder.rglob("*.png")}
    paths = Run.open(run).atlas()["path"].to_pylist()
    return sorted(
        (parts[image], f"{image:07d}", path.split("/")[0], loader_readers.of_file(str(source / path)))
        for image, path in enumerate(paths)
    )


def read(name: str, path: Path) -> dict[str, Any]:
    """The images that a tool reads, in a process of its own."""
    tool, _, _ = name.partition(" ")
    python = os.environ.get(f"PYTHON_{tool.upper()}", sys.executable)
    command = [python, "-m", "benchmarks.loader_readers", name, str(path)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, encoding="utf-8")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    results = {}
    with tempfile.TemporaryDirectory() as temporary:
        source, run, out = (Path(temporary) / name for name in ("source", "run", "out"))
        make_source(source)
        make_run(source, run, RunOptions(epochs=1, latent_dim=4, n_clusters=len(COLORS)))
        exports = export_all(run, out)
        for name in READERS:
            kind = name.split()[1]
            is_table = exports[kind].is_file()
            wanted = expected(run, source, exports["imagefolder" if is_table else kind])
            if is_table:
                wanted = sorted(("", image, label, "") for _, image, label, _ in wanted)
            found = read(name, exports[kind])
            rows = [(part, file.split("-")[0], label, pixels) for part, file, label, pixels in found["rows"]]
            assert sorted(rows) == wanted, name
            counts = Counter(part for part, *_ in rows)
            results[name] = {
                "version": found["version"],
                "images": len(rows),
                "parts": {part: counts[part] for part in PARTS if part in counts},
                "classes": len({label for _, _, label, _ in rows}),
                "pixels_equal": not is_table,
            }
            print(name, results[name], flush=True)
    print(save("loaders", results, packages=("datasets", "pycocotools", "pillow")))


if __name__ == "__main__":
    main()
