"""Original files are found whatever happened to a run since, and what an addition clips is counted."""

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from quick_runs import OPTIONS, images

from latentmap.run import Run, add_images, make_run
from latentmap.run.originals import Originals


def write(folder: Path, pictures: np.ndarray) -> Path:
    folder.mkdir()
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{folder.name}{i}.png")
    return folder


@pytest.mark.usefixtures("quick")
def test_files_are_found_after_additions_have_moved_into_the_source(tmp_path):
    old, first, second = (write(tmp_path / name, images(n, n)) for name, n in (("old", 8), ("first", 3), ("second", 2)))
    run = tmp_path / "run"
    make_run(old, run, OPTIONS)
    add_images(run, first)
    add_images(run, second)
    shutil.copy(first / "first1.png", old)
    for name in ("second0.png", "second1.png"):
        shutil.copy(second / name, old)
    make_run(old, run, OPTIONS)
    opened = Run(run)
    originals = Originals.of(opened)
    want = [old / f"{name}.png" for name in ("first1", *(f"old{i}" for i in range(8)), "second0", "second1")]
    want += [first / "first0.png", first / "first2.png"]
    assert [originals.find(i) for i in range(len(originals))] == want
    assert opened.atlas()["path"].to_pylist() == [path.name for path in want]


def idx(path: Path, values: np.ndarray) -> None:
    header = bytes([0, 0, 0x0B, 3]) + b"".join(side.to_bytes(4, "big") for side in values.shape)
    with (gzip.open if path.suffix == ".gz" else open)(path, "wb") as file:
        file.write(header + values.astype(">i2").tobytes())


WRITERS = {
    "more.npy": np.save,
    "MORE.NPY": lambda path, values: np.save(path.open("wb"), values),
    "more.npz": lambda path, values: np.savez(path, x=values),
    "more-images.idx": idx,
    "more-images.gz": idx,
}


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", [*WRITERS, "array", "list", "masked"])
def test_values_outside_the_range_of_the_run_are_clipped_and_counted_in_arrays_of_every_kind(tmp_path, name):
    values = images(8, 0).astype(np.int16) * 4  # at most 1,016
    values[0, 0, 0], values[0, 0, 1] = 0, 1000
    values = values.clip(0, 1000)
    make_run(values, tmp_path / "run", OPTIONS)
    more = np.full((3, 6, 6), 500, np.int16)
    more[0, 0, 0], more[1, 2, 3], more[2, 0, 0] = 1001, -1, 1000
    source: object = more
    if name in WRITERS:
        source = tmp_path / name
        WRITERS[name](source, more)
    elif name == "list":
        source = [more]
    elif name == "masked":
        source = np.ma.masked_equal(more, -1)
    added = add_images(tmp_path / "run", source)
    assert (added.n_added, added.n_clipped) == (3, 1 if name == "masked" else 2)
    (pixels,) = Run(tmp_path / "run").added_images()
    assert pixels[:, 5, 5].tolist() == [128] * 3  # not by their own range
    assert [pixels[0, 0, 0], pixels[1, 2, 3], pixels[2, 0, 0]] == [255, 0, 255]


@pytest.mark.usefixtures("quick")
def test_what_is_known_already_is_not_counted_as_clipped(tmp_path):
    make_run(images(8, 0).astype(np.int16) * 4, tmp_path / "run", OPTIONS)
    more = np.full((2, 6, 6), 5000, np.int16)
    more[1] = 6000
    assert add_images(tmp_path / "run", more[:1]).n_clipped == 1
    added = add_images(tmp_path / "run", more)
    assert (added.n_added, added.n_known, added.n_clipped) == (1, 1, 1)
