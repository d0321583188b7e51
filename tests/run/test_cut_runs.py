"""Runs of tiles and crops: what is added is cut alike, and parts are put back at their places."""

import csv
import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from quick_runs import OPTIONS

from latentmap.core.errors import SourceError
from latentmap.images.decode_options import DecodeOptions, choose_cut
from latentmap.images.pool import DecodingPool
from latentmap.run import Run, RunError, add_images, export_run, make_run
from latentmap.run.originals import NO_FILE, Originals
from latentmap.run.overviews import GROUND, TINT, Overviews

SIDE = 12


def write_pages(folder: Path, seeds: range) -> Path:
    """Pages of 4 × 2 tiles, of which the last is empty."""
    folder.mkdir(exist_ok=True)
    for seed in seeds:
        page = np.random.default_rng(seed).integers(0, 255, (2 * SIDE, 4 * SIDE), dtype=np.uint8)
        page[SIDE:, 3 * SIDE :] = 200
        Image.fromarray(page).save(folder / f"page{seed}.png")
    return folder


@pytest.fixture
def tiled(tmp_path, quick):
    """A run of the tiles of two pages."""
    source = write_pages(tmp_path / "pages", range(2))
    said: list[str] = []
    decoding = DecodeOptions(cut=choose_cut(SIDE))
    run = make_run(source, tmp_path / "run", OPTIONS, decoding=decoding, say=said.append)
    return run, said


@pytest.fixture
def cropped(tmp_path, quick):
    """A run of six crops of two pages."""
    source = write_pages(tmp_path / "pages", range(2))
    decoding = DecodeOptions(cut=choose_cut(None, crops=write_boxes(tmp_path / "boxes.csv", range(2))))
    return make_run(source, tmp_path / "run", OPTIONS, decoding=decoding)


def write_boxes(path: Path, seeds: range) -> Path:
    lines = [f"page{seed}.png,{4 * i},{3 * i},8,6,kind{i}" for seed in seeds for i in range(3)]
    path.write_text("\n".join(["path,x,y,width,height,label", *lines]))
    return path


def test_a_run_of_tiles_says_how_they_were_cut(tiled):
    run, said = tiled
    assert "  tiles of 12 × 12 pixels, of 2 images" in said
    assert "  2 tiles were left out, with more than 99 % of nearly one colour (--max-empty)" in said
    source = json.loads((run.path / "run.json").read_text(encoding="utf-8"))["source"]
    assert source["cut"] == {"images": 2, "empty": 2}
    assert source["decoding"]["tiles"] == SIDE
    assert len(run.images()) == 14
    atlas = run.atlas()
    assert atlas["left"].to_pylist()[:4] == [0, 12, 24, 36]
    assert "whole_sha256" not in atlas.column_names


def test_the_keys_of_runs_that_are_not_cut_have_nothing_about_cutting(tmp_path, quick):
    assert DecodeOptions().for_key() == DecodeOptions().as_dict()
    assert set(DecodeOptions().as_dict()) == {"size", "fit", "color", "background", "frames"}
    source = tmp_path / "flat"
    source.mkdir()
    for seed in range(6):
        Image.fromarray(np.random.default_rng(seed).integers(0, 255, (6, 6), dtype=np.uint8)).save(
            source / f"{seed}.png"
        )
    run = make_run(source, tmp_path / "run", OPTIONS)
    assert "cut" not in run.state["source"]
    with pytest.raises(RunError, match="made of whole images"):
        export_run(run.path, "overviews", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(SourceError, match="the run was not made of crops"):
        add_images(run.path, source, crops=write_boxes(tmp_path / "boxes.csv", range(2)))


def test_other_tiles_are_decoded_anew_and_the_same_are_kept(tiled, tmp_path):
    said: list[str] = []
    decoding = DecodeOptions(cut=choose_cut(SIDE, 6))
    run = make_run(tmp_path / "pages", tmp_path / "run", OPTIONS, decoding=decoding, say=said.append)
    assert len(run.images()) == 2 * 21 - 2
    said.clear()
    make_run(tmp_path / "pages", tmp_path / "run", OPTIONS, decoding=decoding, say=said.append)
    assert not any("tiles of" in line for line in said)


def test_images_that_are_added_are_cut_alike(tiled, tmp_path):
    run, _ = tiled
    added = add_images(run.path, write_pages(tmp_path / "more", range(1, 4)))
    assert (added.n_added, added.n_known, added.n_empty) == (14, 7, 3)
    run = Run(run.path)
    assert run.state["added"][0]["cut"] == {"images": 2, "empty": 3}
    assert run.atlas()["path"].to_pylist()[14] == "page2.png#xywh=0,0,12,12"
    originals = Originals.of(run)
    assert originals.box(15) == (12, 0, 24, 12)
    assert originals.holder(15) == tmp_path / "more" / "page2.png"
    page = np.random.default_rng(9).integers(0, 255, (SIDE, SIDE), dtype=np.uint8)
    added = add_images(run.path, page)
    assert (added.n_added, added.n_empty) == (1, 0)
    assert Run(run.path).atlas()["path"].to_pylist()[-1] == "array[0]#xywh=0,0,12,12"


def test_crops_are_added_by_a_table_of_their_own(cropped, tmp_path):
    more = write_pages(tmp_path / "more", range(2, 4))
    with pytest.raises(SourceError, match="the run was made of crops: pass the boxes"):
        add_images(cropped.path, more)
    assert add_images(cropped.path, more, crops=write_boxes(tmp_path / "more.csv", range(2, 4))).n_added == 6
    run = Run(cropped.path)
    assert run.atlas()["label"].to_pylist() == ["kind0", "kind1", "kind2"] * 4
    assert run.images().labels.tolist() == ["kind0", "kind1", "kind2"] * 2


def test_a_part_has_no_file_of_its_own(tiled, tmp_path):
    run, _ = tiled
    originals = Originals.of(run)
    assert originals.find(3).reason == NO_FILE
    said: list[str] = []
    export_run(run.path, "folders", tmp_path / "out", say=said.append)
    assert said[0] == "14 PNG files of the working size"
    files = {path.name: path for path in (tmp_path / "out").rglob("*.png")}
    part = np.asarray(Image.open(files["0000001-page0.png"]))
    page = np.asarray(Image.open(tmp_path / "pages" / "page0.png"))
    np.testing.assert_array_equal(part, page[:SIDE, SIDE : 2 * SIDE])


def want_of_tiles(page: np.ndarray, groups: np.ndarray, colors: np.ndarray) -> np.ndarray:
    want = np.repeat(page[..., None], 3, axis=2).astype(np.float64)
    for number, group in enumerate(groups):
        rows = slice(number // 4 * SIDE, number // 4 * SIDE + SIDE)
        columns = slice(number % 4 * SIDE, number % 4 * SIDE + SIDE)
        want[rows, columns] = (1 - TINT) * want[rows, columns] + TINT * colors[group]
    return want


@pytest.mark.parametrize("has_files", [True, False])
def test_tiles_are_put_back_into_the_whole_image(tiled, tmp_path, has_files):
    run, _ = tiled
    page = np.array(Image.open(tmp_path / "pages" / "page1.png"))
    if not has_files:
        shutil.rmtree(tmp_path / "pages")
        page[SIDE:, 3 * SIDE :] = GROUND  # which was left out
    export_run(run.path, "overviews", tmp_path / "out")
    groups = list(csv.DictReader((tmp_path / "out" / "groups.csv").open(encoding="utf-8")))
    colors = np.array([list(bytes.fromhex(one["color"][1:])) for one in groups])
    assert [int(one["parts"]) for one in groups] == np.bincount(run.groups()).tolist()
    drawn = np.asarray(Image.open(tmp_path / "out" / "0000001-page1.png"))
    assert np.abs(drawn - want_of_tiles(page, run.groups()[7:], colors)).max() <= 1
    rows = list(csv.DictReader((tmp_path / "out" / "parts.csv").open(encoding="utf-8")))
    assert len(rows) == 14
    assert rows[8] == {"id": "8", "picture": "0000001-page1.png", "image": "page1.png", "left": "12", "top": "0"} | {
        "right": "24",
        "bottom": "12",
        "group": str(run.groups()[8]),
    }


def test_a_file_that_has_changed_is_not_shown_in_overviews(tiled, tmp_path):
    """As one that a run of a stranger names, who knows a part of it."""
    run, _ = tiled
    page = np.array(Image.open(tmp_path / "pages" / "page0.png"))
    changed = page.copy()
    changed[-1, -1] = 0
    Image.fromarray(changed).save(tmp_path / "pages" / "page0.png")
    page[SIDE:, 3 * SIDE :] = GROUND
    with DecodingPool(1) as pool:
        drawn = Overviews(run, run.groups(), pool)
        picture = drawn.picture(drawn.images[0])
    assert np.abs(picture - want_of_tiles(page, run.groups()[:7], drawn.colors)).max() <= 1


def test_crops_are_put_back_with_outlines_in_pictures_of_a_bounded_size(cropped):
    with DecodingPool(1) as pool:
        drawn = Overviews(cropped, cropped.groups(), pool)
        assert [one.path for one in drawn.images] == ["page0.png", "page1.png"]
        assert drawn.images[1].ids.tolist() == [3, 4, 5]
        picture = drawn.picture(drawn.images[0])
        assert drawn.picture(drawn.images[0], 16).shape == (8, 16, 3)
    for image in range(3):
        box = drawn.box(image)
        outline = picture[box.top, box.left : box.left + 4]
        assert (outline == drawn.colors[cropped.groups()[image]]).all()
    is_grey = (picture == picture[..., :1]).all(axis=2)
    assert is_grey[:, 24:].all()
    assert not is_grey[1:5, 1:3].any()


def test_overviews_have_the_images_that_were_added(tiled, tmp_path):
    run, _ = tiled
    add_images(run.path, write_pages(tmp_path / "more", range(2, 3)))
    shutil.rmtree(tmp_path / "more")
    export_run(run.path, "overviews", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").glob("*.png")) == [
        f"{number:07d}-page{number}.png" for number in range(3)
    ]


@pytest.mark.parametrize(
    ("column", "values"),
    [("left", [-1]), ("right", [99]), ("image_width", [None]), ("top", [0.5]), ("bottom", [2**40])],
)
def test_places_that_no_run_has_are_a_sentence(tiled, tmp_path, column, values):
    run, _ = tiled
    table = pq.read_table(run.path / "images.parquet")
    number = table.column_names.index(column)
    broken = table.set_column(number, column, [values * len(table)])
    pq.write_table(broken, run.path / "images.parquet")
    with pytest.raises(RunError, match="damaged"):
        export_run(run.path, "overviews", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("change", [{"tiles": "12"}, {"overlap": None}, {"max_empty": 2}, {"crops": 3}])
def test_options_of_cutting_that_no_run_has_are_a_sentence(tiled, change):
    run, _ = tiled
    state = json.loads((run.path / "run.json").read_text(encoding="utf-8"))
    state["source"]["decoding"] |= change
    (run.path / "run.json").write_text(json.dumps(state), encoding="utf-8")
    with pytest.raises(RunError, match=r"source.decoding.\w+ is"):
        Run(run.path)


def test_labels_of_an_image_are_those_of_all_of_its_parts(tiled, tmp_path):
    from latentmap.run.label_table import read_label_table

    run, _ = tiled
    (tmp_path / "labels.csv").write_text('path,label\npage0.png,a\n"page1.png#xywh=0,0,12,12",b\n')
    given = read_label_table(tmp_path / "labels.csv", run.atlas()["path"].to_pylist())
    assert given.tolist() == ["a"] * 7 + ["b"] + [""] * 6


def test_warnings_of_boxes_do_not_stop_a_run(tmp_path, quick):
    boxes = write_boxes(tmp_path / "boxes.csv", range(3))
    source = write_pages(tmp_path / "pages", range(2))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        run = make_run(source, tmp_path / "run", OPTIONS, decoding=DecodeOptions(cut=choose_cut(None, crops=boxes)))
    assert len(run.images()) == 6
    assert any("3 of its boxes are of 1 image" in str(one.message) for one in told)


# ---------------------------------------------------------------- exports for training


def test_crops_are_boxes_in_the_files_that_they_were_cut_from(cropped, tmp_path):
    said: list[str] = []
    export_run(cropped.path, "coco", tmp_path / "out", classes="label", say=said.append)
    assert said == ["2 copies of original files", "3 classes"]
    found = json.loads((tmp_path / "out" / "labels.json").read_text())
    pages = {one["id"]: one for one in found["images"]}
    assert [(one["width"], one["height"]) for one in pages.values()] == [(4 * SIDE, 2 * SIDE)] * 2
    for number, one in enumerate(pages.values()):
        copy = tmp_path / "out" / "data" / one["file_name"]
        assert copy.read_bytes() == (tmp_path / "pages" / f"page{number}.png").read_bytes()
    names = {one["id"]: one["name"] for one in found["categories"]}
    assert [one["bbox"] for one in found["annotations"]] == [[4 * i, 3 * i, 8, 6] for i in range(3)] * 2
    assert [names[one["category_id"]] for one in found["annotations"]] == ["kind0", "kind1", "kind2"] * 2
    assert {one["area"] for one in found["annotations"]} == {48}
    # the export is the source of the same crops
    crops = DecodeOptions(cut=choose_cut(None, crops=tmp_path / "out" / "labels.json"))
    again = make_run(tmp_path / "out" / "data", tmp_path / "again", OPTIONS, decoding=crops)
    digests = [pq.read_table(run.path / "images.parquet")["sha256"].to_pylist() for run in (cropped, again)]
    assert digests[0] == digests[1]


def test_parts_of_changed_and_turned_files_are_pictures_of_their_own(cropped, tmp_path):
    write_pages(tmp_path / "pages", range(1, 2))  # the same
    page = Image.open(tmp_path / "pages" / "page0.png").transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    page.save(tmp_path / "pages" / "page0.png")
    export_run(cropped.path, "coco", tmp_path / "out", classes="label")
    found = json.loads((tmp_path / "out" / "labels.json").read_text())
    assert [one["bbox"] for one in found["annotations"]] == [[0, 0, 8, 6]] * 3 + [
        [4 * i, 3 * i, 8, 6] for i in range(3)
    ]
    assert len(found["images"]) == 4
    exif = Image.Exif()
    exif[0x0112] = 2  # mirrored, so that what is seen is the page as it was
    page.save(tmp_path / "pages" / "page0.png", exif=exif)
    export_run(cropped.path, "coco", tmp_path / "turned", classes="label")
    assert json.loads((tmp_path / "turned" / "labels.json").read_text())["annotations"] == found["annotations"]


def test_parts_of_one_image_are_in_one_part_of_a_division(tiled, tmp_path):
    run = tiled[0]
    export_run(run.path, "yolo", tmp_path / "yolo", splits="train=0.5,val=0.5")
    pages = {part: set() for part in ("train", "val")}
    for path in (tmp_path / "yolo").rglob("*.png"):
        pages[path.parent.parent.name].add(int(path.name.split("-")[0]) // 7)
    assert sorted(map(len, pages.values())) == [1, 1]
    export_run(run.path, "coco", tmp_path / "coco", splits="train=0.5,val=0.5", only=[0, 3, 8])
    for part, n in (("train", 2), ("val", 1)):
        found = json.loads((tmp_path / "coco" / part / "labels.json").read_text())
        assert (len(found["images"]), len(found["annotations"])) == (1, n)
        assert len(list((tmp_path / "coco" / part / "data").iterdir())) == 1
    with pytest.raises(RunError, match="no image is left for"):
        export_run(run.path, "coco", tmp_path / "x", splits="train=0.5,val=0.5", only=[0, 3])
