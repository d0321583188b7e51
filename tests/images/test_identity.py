"""Each image is known by its source, its file in it and its frame, and no two have the same path."""

import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from latentmap import Run, open_images
from latentmap.images.image_table import unique_names
from latentmap.run import RunOptions, make_run


def draw(folder, names, seed=0):
    random = np.random.default_rng(seed)
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (8, 8), dtype=np.uint8)).save(path)


@pytest.fixture
def twins(tmp_path):
    """Two folders that are both called scans, with files of equal names."""
    for number, parent in enumerate(("p", "q")):
        draw(tmp_path / parent / "scans", ["0.png", "1.png", "2.png"], seed=number)
    return [tmp_path / "p" / "scans", tmp_path / "q" / "scans"]


def test_equal_names_in_two_sources_are_told_apart(twins):
    both = open_images(twins)
    assert both.paths == [f"{name}/{i}.png" for name in ("scans", "scans-2") for i in range(3)]
    assert both.table["source"].to_pylist() == [0, 0, 0, 1, 1, 1]
    assert both.table["file"].to_pylist() == ["0.png", "1.png", "2.png"] * 2
    assert [(one.name, one.root) for one in both.sources] == [("scans", str(twins[0])), ("scans-2", str(twins[1]))]


def test_skipped_files_are_named_with_their_source(twins):
    (twins[1] / "3.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    assert [one.path for one in open_images(twins).skipped] == ["scans-2/3.png"]


def test_frames_have_numbers_and_single_pictures_have_none(tmp_path):
    pages = [Image.new("L", (8, 8), value) for value in (0, 90, 180)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "b.tif")
    found = open_images(tmp_path)
    assert found.paths == ["a.tif[0]", "a.tif[1]", "a.tif[2]", "b.tif"]
    assert found.table["frame"].to_pylist() == [0, 1, 2, None]
    assert found.table["file"].to_pylist() == ["a.tif"] * 3 + ["b.tif"]


def test_arrays_and_archives_have_no_root(tmp_path):
    draw(tmp_path / "scans", ["0.png", "1.png"])
    shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "scans")
    assert [one.root for one in open_images(tmp_path / "packed.zip").sources] == [None]
    assert [one.root for one in open_images(np.zeros((3, 8, 8), np.uint8)).sources] == [None]


def test_names_get_the_first_number_that_is_free():
    assert unique_names(["a", "a-2", "a", "a"]) == ["a", "a-2", "a-3", "a-4"]


def test_a_run_keeps_the_identity_of_images_that_are_added(twins, tmp_path):
    from latentmap import add_images

    draw(twins[0], [f"{i}.png" for i in range(3, 8)], seed=5)
    make_run(twins[0], tmp_path / "run", RunOptions(epochs=1, latent_dim=2))
    add_images(tmp_path / "run", twins[1], quiet=True)
    run = Run.open(tmp_path / "run")
    atlas = run.atlas()
    assert atlas["path"].to_pylist()[8:] == ["scans/0.png", "scans/1.png", "scans/2.png"]
    assert atlas["source"].to_pylist() == [0] * 8 + [1] * 3
    assert atlas["frame"].null_count == len(atlas)
    assert [one["root"] for one in run.state["source"]["sources"]] == [str(twins[0])]
    assert [one["root"] for one in run.state["added"][0]["sources"]] == [str(twins[1])]
    added = pq.read_table(tmp_path / "run" / "added" / "0001" / "images.parquet")
    assert added["file"].to_pylist() == ["0.png", "1.png", "2.png"]
