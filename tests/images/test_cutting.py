"""Images are cut into tiles or crops, which keep their place, and each file is decoded once for all of its parts."""

import io
import json
import shutil
import warnings
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image, ImageOps

from latentmap.core.errors import DecodingError, InputError, LatentmapError, SourceError
from latentmap.images import decoding, image_files, open_images, store
from latentmap.images.background import background_fraction
from latentmap.images.boxes import Box
from latentmap.images.crops import SPELLINGS
from latentmap.images.decode_options import DecodeOptions
from latentmap.images.decoding import EncodedImage, Failure, decode_images
from latentmap.images.listing_decoder import decode_listing
from latentmap.images.pool import MAX_JOB_IMAGES, _split_into_jobs
from latentmap.images.shape import Shape
from latentmap.images.sources import find_source
from latentmap.images.tiles import Tiles


def noise(height: int, width: int, *channels: int, seed: int = 0, dtype: str = "uint8") -> np.ndarray:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, (height, width, *channels), dtype=dtype)


def save(path: Path, pixels: np.ndarray, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


# ---------------------------------------------------------------- tiles


@pytest.mark.parametrize(
    ("size", "overlap", "lefts", "tops"),
    [
        ((16, 8), 0, [0, 8], [0]),
        ((20, 8), 0, [0, 8, 12], [0]),
        ((8, 8), 0, [0], [0]),
        ((5, 9), 0, [0], [0, 1]),
        ((20, 16), 4, [0, 4, 8, 12], [0, 4, 8]),
        ((17, 8), 2, [0, 6, 9], [0]),
    ],
)
def test_tiles_cover_an_image_and_all_have_the_full_size(size, overlap, lefts, tops):
    grid = Tiles(8, overlap).grid(*size)
    width, height = (min(8, side) for side in size)
    assert grid.tolist() == [[left, top, left + width, top + height] for top in tops for left in lefts]
    assert Tiles(8, overlap).count(*size) == len(grid)
    covered = np.zeros(size[::-1], bool)
    for left, top, right, bottom in grid:
        covered[top:bottom, left:right] = True
    assert covered.all()


def test_tiles_have_the_pixels_the_path_and_the_place_of_their_part(tmp_path):
    pixels = noise(16, 20)
    save(tmp_path / "in" / "scan.png", pixels)
    found = open_images(tmp_path / "in", tiles=8)
    want = [(0, 0), (8, 0), (12, 0), (0, 8), (8, 8), (12, 8)]
    assert found.paths == [f"scan.png#xywh={x},{y},8,8" for x, y in want]
    for image, (x, y) in zip(found.images, want, strict=True):
        np.testing.assert_array_equal(image, pixels[y : y + 8, x : x + 8])
    rows = found.table.select(["left", "top", "right", "bottom", "image_width", "image_height", "file", "width"])
    assert rows.slice(2, 1).to_pylist() == [
        {"left": 12, "top": 0, "right": 20, "bottom": 8, "image_width": 20, "image_height": 16}
        | {"file": "scan.png", "width": 8}
    ]
    assert len(set(found.table["pixels_sha256"].to_pylist())) == 6
    assert len(set(found.table["whole_sha256"].to_pylist())) == 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_boxes_are_of_the_upright_image(tmp_path, orientation, kind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    smooth = np.add.outer(np.arange(24) * 6, np.arange(16) * 3).astype(np.uint8)  # which JPEG keeps
    path = save(tmp_path / "in" / f"scan.{kind}", smooth, exif=exif)
    with Image.open(path) as image:
        upright = np.asarray(ImageOps.exif_transpose(image))
    found = open_images(tmp_path / "in", tiles=8, max_empty=1)
    assert len(found) == 6
    for image, row in zip(found.images, found.table.to_pylist(), strict=True):
        np.testing.assert_array_equal(image, upright[row["top"] : row["bottom"], row["left"] : row["right"]])


def deep_tiff(path: Path, values: np.ndarray, orientation: int) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(values).save(path, tiffinfo={274: orientation})


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_parts_of_pages_are_those_of_the_upright_image(tmp_path, orientation, dtype):
    values = noise(24, 16, dtype=dtype)
    deep_tiff(tmp_path / "in" / "scan.tif", values, orientation)
    whole, parts = open_images(tmp_path / "in"), open_images(tmp_path / "in", tiles=8)
    for image, row in zip(parts.images, parts.table.to_pylist(), strict=True):
        want = whole.images[0, row["top"] : row["bottom"], row["left"] : row["right"]]
        np.testing.assert_array_equal(image, want)


def test_parts_of_deep_images_are_not_copied(tmp_path):
    deep_tiff(tmp_path / "in" / "scan.tif", noise(24, 16, dtype="uint16"), 6)
    with (tmp_path / "in" / "scan.tif").open("rb") as file, image_files.open_image_file(file) as container:
        picture = container.picture(None)
        part = picture.cropped(Box(0, 0, 8, 8))
    assert np.shares_memory(picture.high_bit_depth.values, part.high_bit_depth.values)


def test_pages_archives_and_tables_with_images_are_cut(tmp_path):
    pages = [Image.fromarray(noise(8, 16, seed=seed)) for seed in range(2)]
    (tmp_path / "in").mkdir()
    pages[0].save(tmp_path / "in" / "pages.tif", save_all=True, append_images=pages[1:])
    save(tmp_path / "in" / "b.png", noise(8, 16, seed=2))
    want = ["b.png#xywh=0,0,8,8", "b.png#xywh=8,0,8,8"]
    want += [f"pages.tif[{page}]#xywh={x},0,8,8" for page in (0, 1) for x in (0, 8)]
    folder = open_images(tmp_path / "in", tiles=8)
    assert folder.paths == want
    assert folder.table["frame"].to_pylist() == [None, None, 0, 0, 1, 1]
    shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "in")
    packed = open_images(tmp_path / "packed.zip", tiles=8)
    np.testing.assert_array_equal(packed.images, folder.images)
    assert packed.table["whole_sha256"] == folder.table["whole_sha256"]
    file = io.BytesIO()
    pages[0].save(file, "PNG")
    pq.write_table(pa.table({"image": [{"bytes": file.getvalue(), "path": "0.png"}]}), tmp_path / "in.parquet")
    np.testing.assert_array_equal(open_images(tmp_path / "in.parquet", tiles=8).images, folder.images[2:4])


def test_pages_of_files_with_another_suffix_are_cut(tmp_path):
    pages = [Image.fromarray(noise(8, 16, seed=seed)) for seed in range(2)]
    (tmp_path / "in").mkdir()
    pages[0].save(tmp_path / "in" / "pages.png", "TIFF", save_all=True, append_images=pages[1:])
    assert open_images(tmp_path / "in", tiles=8).paths[2] == "pages.png[1]#xywh=0,0,8,8"


def test_labels_are_those_of_the_whole_image(tmp_path):
    for label, seed in (("a", 0), ("b", 1)):
        save(tmp_path / "in" / label / "x.png", noise(8, 16, seed=seed))
    assert open_images(tmp_path / "in", tiles=8).labels.tolist() == ["a", "a", "b", "b"]
    (tmp_path / "labels.csv").write_text("path,label\na/x.png,one\nb/x.png,two\n")
    named = open_images(tmp_path / "in", tiles=8, labels=tmp_path / "labels.csv")
    assert named.labels.tolist() == ["one", "one", "two", "two"]
    assert open_images(tmp_path / "in", tiles=8, labels=["u", "v"]).labels.tolist() == ["u", "u", "v", "v"]
    with pytest.raises(SourceError, match="3 labels for 4 images"):
        open_images(tmp_path / "in", tiles=8, labels=["u", "v", "w"])


def test_columns_of_the_source_that_are_called_like_those_of_boxes_are_kept_under_another_name(tmp_path):
    save(tmp_path / "x.png", noise(8, 16))
    (tmp_path / "table.csv").write_text("path,left,stain\nx.png,yes,HE\n")
    found = open_images(tmp_path / "table.csv", tiles=8).table
    assert found["left"].to_pylist() == [0, 8]
    assert found["left_2"].to_pylist() == ["yes", "yes"]
    assert found["stain"].to_pylist() == ["HE", "HE"]


def test_empty_tiles_are_left_out_and_counted(tmp_path):
    page = np.full((32, 32), 250, np.uint8) - noise(32, 32) % 5
    page[2:6, 2:6] = 0
    page[20, 20] = 0
    save(tmp_path / "in" / "page.png", page)
    found = open_images(tmp_path / "in", tiles=16)
    assert found.paths == ["page.png#xywh=0,0,16,16"]
    assert found.n_empty == 3
    assert not found.skipped
    assert len(open_images(tmp_path / "in", tiles=16, max_empty=255 / 256 - 1e-6)) == 1
    assert len(open_images(tmp_path / "in", tiles=16, max_empty=0.998)) == 2
    assert open_images(tmp_path / "in", tiles=16, max_empty=1).n_empty == 0
    with pytest.raises(SourceError, match="all 4 tiles are empty, since more than 0.5 .*raise --max-empty"):
        open_images(tmp_path / "in", tiles=16, max_empty=0.5)


def test_the_canvas_around_a_narrow_part_is_not_its_background():
    shape = Shape(16, 16, 1)
    narrow = noise(4, 16)
    assert shape.without_canvas(shape.apply(Image.fromarray(narrow)), (16, 4)).shape == (4, 16)
    assert background_fraction(np.full((3, 3, 3), 7, np.uint8)) == 1
    assert background_fraction(narrow) < 0.5


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"tiles": 7}, "tiles=7: pass a side of 8 to 32,768 pixels"),
        ({"tiles": 16, "overlap": 9}, "overlap=9: pass 0 to 8 pixels"),
        ({"tiles": 16, "overlap": -1}, "overlap=-1"),
        ({"overlap": 3}, "overlap=3: tiles overlap, so pass tiles as well"),
        ({"tiles": 16, "max_empty": 1.5}, "max_empty=1.5: pass a fraction from 0 to 1"),
        ({"tiles": 16, "max_empty": float("nan")}, "max_empty=nan"),
        ({"tiles": 16, "crops": "boxes.csv"}, "tiles and crops: choose one"),
    ],
)
def test_wrong_options_are_sentences(tmp_path, options, sentence):
    save(tmp_path / "x.png", noise(16, 16))
    with pytest.raises(InputError, match=sentence):
        open_images(tmp_path, **options)


@pytest.mark.parametrize("channels", [(), (3,), (5,)])
def test_arrays_are_cut(tmp_path, channels):
    values = noise(3 * 24, 16, *channels, dtype="uint16").reshape(3, 24, 16, *channels)
    found = open_images(values, tiles=8, range=(0, 65535))
    assert found.paths[:2] == ["array[0]#xywh=0,0,8,8", "array[0]#xywh=8,0,8,8"]
    assert len(found) == 18
    np.testing.assert_array_equal(found.images[7], values[1, :8, 8:])
    np.save(tmp_path / "stack.npy", values)
    saved = open_images(tmp_path / "stack.npy", tiles=8, range=(0, 65535))
    np.testing.assert_array_equal(saved.images, found.images)
    assert saved.paths[0] == "stack[0]#xywh=0,0,8,8"


def test_one_large_array_is_cut():
    grey, colors = noise(24, 32), noise(24, 32, 3)
    np.testing.assert_array_equal(open_images(grey, tiles=8).images[5], grey[8:16, 8:16])
    np.testing.assert_array_equal(open_images(colors, tiles=8).images[5], colors[8:16, 8:16])
    tensor = torch.from_numpy(colors).permute(2, 0, 1)[None]
    np.testing.assert_array_equal(open_images(tensor, tiles=8).images[5], colors[8:16, 8:16])
    with pytest.raises(SourceError, match=r"array: an array of shape \(24,\)"):
        open_images(grey[:, 0], tiles=8)


def test_arrays_with_names_are_not_cut(tmp_path):
    np.savez(tmp_path / "a.npz", images=noise(3, 16, 16))
    with pytest.raises(SourceError, match="a: arrays of this kind are not cut: pass the images as a NumPy array"):
        open_images(tmp_path / "a.npz", tiles=8)


@pytest.mark.parametrize("kind", ["dict", "arrays", "pandas", "polars"])
def test_boxes_in_memory(tmp_path, kind):
    pages = [noise(20, 30, seed=i) for i in range(3)]
    for i, page in enumerate(pages):
        save(tmp_path / "scans" / f"{i}.png", page)
    columns = {
        "path": [tmp_path / "scans" / "0.png", "1.png", None],
        "left": [0, 5.0, 1],
        "top": [1, 2, 3],
        "right": [8, 15, 9],
        "bottom": [9, None, 9],
        "label": ["a", "b", "c"],
        "score": [0.5, 0.25, None],
    }
    if kind == "polars":
        columns["path"][0] = str(columns["path"][0])
    if kind == "arrays":
        columns["top"] = np.array(columns["top"])
    boxes = {"pandas": pd.DataFrame, "polars": lambda x: pl.DataFrame(x, strict=False)}.get(kind, dict)(columns)
    found = open_images(tmp_path / "scans", crops=boxes, size=8)
    assert found.paths == ["0.png#xywh=0,1,8,8"]
    np.testing.assert_array_equal(found.images[0], pages[0][1:9, :8])
    assert (found.labels.tolist(), found.table["score"].to_pylist()) == (["a"], [0.5])
    assert found.skipped[0].path == "1.png (row 2 of crops)"


def test_boxes_of_arrays():
    values = noise(40, 16).reshape(2, 20, 16)
    found = open_images(
        values, crops={"path": ["array[1]"] * 2, "x": [0, 4], "y": [2, 3], "width": [8, 8], "height": [8, 8]}
    )
    np.testing.assert_array_equal(found.images, [values[1, 2:10, :8], values[1, 3:11, 4:12]])


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ({"path": ["a"], "left": [1, 2]}, "crops: columns of different lengths: path 1, left 2"),
        ({"path": ["a"], "left": [1]}, "crops: columns path, left: name those of the boxes"),
        ([1, 2], "crops of type list: pass a path, a DataFrame of pandas or Polars, or a dict of columns"),
    ],
)
def test_boxes_in_memory_that_are_none(boxes, message):
    with pytest.raises(LatentmapError, match=message):
        open_images([noise(16, 16)], crops=boxes)


def test_too_many_tiles_are_refused_before_any_is_listed(tmp_path, monkeypatch):
    monkeypatch.setattr("latentmap.images.cutting.MAX_PARTS", 3)
    save(tmp_path / "x.png", noise(16, 16))
    with pytest.raises(SourceError, match=r"8: 4 tiles, the limit is 3: .*the largest is 'x.png' with 4 tiles"):
        open_images(tmp_path, tiles=8)


def test_a_damaged_file_is_listed_once_and_the_others_are_cut(tmp_path):
    for seed in range(3):
        save(tmp_path / "in" / f"{seed}.png", noise(32, 32, seed=seed))
    data = (tmp_path / "in" / "1.png").read_bytes()
    (tmp_path / "in" / "1.png").write_bytes(data[: len(data) // 2])  # with a whole header
    (tmp_path / "in" / "3.png").write_bytes(b"no image")
    found = open_images(tmp_path / "in", tiles=8)
    assert len(found) == 32
    assert [one.path for one in found.skipped] == ["1.png", "3.png"]
    assert "truncated" in found.skipped[0].reason
    assert "not an image" in found.skipped[1].reason
    with pytest.raises(SourceError, match="2 files cannot be decoded, the first is '1.png'"):
        open_images(tmp_path / "in", tiles=8, strict=True)


def test_a_header_that_states_too_many_pixels_is_skipped(tmp_path):
    save(tmp_path / "in" / "good.png", noise(16, 16))
    data = bytearray(save(tmp_path / "bomb.bmp", noise(8, 8)).read_bytes())
    for name, side in (("bomb.bmp", 2**30), ("more.bmp", 2**13)):  # the second one is no bomb
        data[18:26] = side.to_bytes(4, "little") * 2
        (tmp_path / "in" / name).write_bytes(data)
    found = open_images(tmp_path / "in", tiles=8, cache_limit=1e-5)
    assert len(found) == 4
    assert [one.path for one in found.skipped] == ["bomb.bmp", "more.bmp"]


def test_parts_of_larger_images_are_decoded_than_whole_images(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200)
    paths = [str(save(tmp_path / f"{kind}", noise(16, 16))) for kind in ("x.png", "x.tif")]
    for path in paths:
        part, whole = decode_images([EncodedImage(path, None, Box(8, 0, 16, 8)), EncodedImage(path)], Shape(8, 8, 1))
        np.testing.assert_array_equal(part.pixels, noise(16, 16)[:8, 8:])
        assert "more than 200 pixels" in whole.reason
    monkeypatch.setattr(decoding, "MAX_CUT_PIXELS", 250)
    (part,) = decode_images([EncodedImage(paths[0], None, Box(8, 0, 16, 8))], Shape(8, 8, 1))
    assert "more than 250 pixels" in part.reason
    assert Image.MAX_IMAGE_PIXELS == 200


def test_each_image_is_decoded_once_for_all_of_its_parts(tmp_path, monkeypatch):
    paths = [str(save(tmp_path / f"{seed}.png", noise(32, 32, seed=seed))) for seed in range(3)]
    boxes = [Box(*one) for one in Tiles(8).grid(32, 32).tolist()]
    items = [EncodedImage(path, None, box) for path in paths for box in boxes]
    calls = []
    real = image_files.PillowFrames.picture
    monkeypatch.setattr(image_files.PillowFrames, "picture", lambda *a: calls.append(1) or real(*a))
    assert len(decode_images(items, Shape(8, 8, 1))) == 48
    assert len(calls) == 3


def test_parts_of_an_image_are_in_one_job_as_far_as_their_results_have_room():
    def jobs(items, most=1000):
        return [[(one.source, one.box) for one in job] for job in _split_into_jobs(iter(items), most)]

    boxes = [Box(i, 0, i + 1, 1) for i in range(3 * MAX_JOB_IMAGES)]
    items = [EncodedImage(name, None, box) for name in ("a", "b") for box in boxes]
    assert [len(job) for job in jobs(items)] == [96, 96]
    assert [len(job) for job in jobs(items, 40)] == [40, 40, 16, 40, 40, 16]
    assert list(chain(*jobs(items, 40))) == [(one.source, one.box) for one in items]
    few = [EncodedImage(str(i), None, box) for i in range(20) for box in boxes[:5]]
    assert [len(job) for job in jobs(few)] == [30, 30, 30, 10]
    assert [len(job) for job in jobs([EncodedImage("a")] * 70)] == [32, 32, 6]
    large = [EncodedImage(bytes([i]) * 2**22, None, box) for i in range(3) for box in boxes[:2]]
    assert [len(job) for job in jobs(large)] == [4, 2]


def test_a_box_outside_of_an_image_is_a_reason(tmp_path):
    path = str(save(tmp_path / "x.png", noise(8, 8)))
    results = decode_images(
        [EncodedImage(path, None, box) for box in (Box(0, 0, 9, 8), Box(0, 0, 8, 8))], Shape(8, 8, 1)
    )
    assert isinstance(results[0], Failure)
    assert "8 × 8 pixels, in which the part #xywh=0,0,9,8 does not lie" in results[0].reason
    assert not isinstance(results[1], Failure)
    with Image.open(path) as image, pytest.raises(DecodingError):
        image_files.Picture(image, 1).cropped(Box(-1, 0, 2, 2))


def test_decoding_that_stops_in_the_middle_resumes_there(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "SECONDS_BETWEEN_SAVES", 0.0)
    for seed in range(6):
        pixels = noise(64, 64, seed=seed)
        pixels[:8, :32] = 9
        save(tmp_path / "in" / f"{seed}.png", pixels)
    options = DecodeOptions(cut=Tiles(8))

    def stop(progress):
        if progress.done > 200:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decode_listing(find_source(tmp_path / "in"), options, cache=tmp_path / "cache", callback=stop)
    seen = []
    resumed = decode_listing(
        find_source(tmp_path / "in"), options, cache=tmp_path / "cache", callback=lambda one: seen.append(one.done)
    )
    assert seen[0] > 200
    whole = open_images(tmp_path / "in", tiles=8)
    np.testing.assert_array_equal(resumed.images, whole.images)
    assert resumed.table == whole.table
    assert resumed.n_empty == whole.n_empty == 6 * 4
    other = decode_listing(find_source(tmp_path / "in"), DecodeOptions(cut=Tiles(16)), cache=tmp_path / "cache")
    assert len(other) == 6 * 16


# ---------------------------------------------------------------- crops


@pytest.fixture
def pages(tmp_path) -> Path:
    for seed in range(2):
        save(tmp_path / "pages" / f"{seed}.png", noise(20, 30, seed=seed))
    return tmp_path / "pages"


@pytest.mark.parametrize("names", [names for names, _ in SPELLINGS], ids="-".join)
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_boxes_of_a_table_are_the_images(pages, tmp_path, names, suffix):
    sizes = dict(SPELLINGS)[names]
    rows = [("1.png", 4, 5, *((9, 7) if sizes else (13, 12)), "k"), ("0.png", 0, 0, 8, 8, "a")]
    table = pa.table(dict(zip(["Path", *names, "class"], map(list, zip(*rows, strict=True)), strict=True)))
    if suffix == ".parquet":
        pq.write_table(table, tmp_path / "boxes.parquet")
    else:
        delimiter = "," if suffix == ".csv" else "\t"
        lines = [table.column_names, *rows]
        (tmp_path / f"boxes{suffix}").write_text("\n".join(delimiter.join(map(str, line)) for line in lines))
    found = open_images(pages, crops=tmp_path / f"boxes{suffix}", size=8)
    assert found.paths == ["0.png#xywh=0,0,8,8", "1.png#xywh=4,5,9,7"]
    assert found.labels.tolist() == ["a", "k"]
    np.testing.assert_array_equal(found.images[0], np.asarray(Image.open(pages / "0.png"))[:8, :8])
    assert found.table["bottom"].to_pylist() == [8, 12]


def crops_of(tmp_path: Path, text: str) -> Path:
    (tmp_path / "boxes.csv").write_text(text)
    return tmp_path / "boxes.csv"


def test_boxes_are_clipped_and_those_that_are_none_are_listed_with_the_reason(pages, tmp_path):
    table = crops_of(
        tmp_path,
        "path,left,top,right,bottom,score,page\n"
        "0.png,-5,-5,8,8,0.5,x\n"
        "0.png,25.2,10.0001,99,14.9,0.25,x\n"
        "0.png,4,4,4,9,0.5,x\n"
        "0.png,40,4,50,9,0.5,x\n"
        "0.png,4,,9,9,0.5,x\n"
        ",4,4,9,9,0.5,x\n"
        "0.png,0,0,8,8,0.5,y\n"
        "1.png,1,nan,9,9,0.5,x\n",
    )
    found = open_images(pages, crops=table)
    assert found.paths == ["0.png#xywh=0,0,8,8", "0.png#xywh=25,10,5,5"]
    assert found.table["score"].to_pylist() == [0.5, 0.25]
    assert found.table["page"].to_pylist() == ["x", "x"]
    assert [tuple(one) for one in found.skipped] == [
        ("0.png (row 3 of boxes.csv)", "a box without area"),
        ("0.png (row 4 of boxes.csv)", "a box outside of the image, which has 30 × 20 pixels"),
        ("0.png (row 5 of boxes.csv)", "no box in this row"),
        ("0.png (row 7 of boxes.csv)", "row 1 of boxes.csv has the same box"),
        ("1.png (row 8 of boxes.csv)", "no box in this row"),
        ("row 6 of boxes.csv", "no path in this row"),
    ]


def test_boxes_of_images_that_are_not_there_are_counted(pages, tmp_path):
    text = "path,x,y,width,height\n0.png,0,0,8,8\nother.png,0,0,8,8\nother.png,1,1,8,8\n"
    with pytest.warns(
        UserWarning, match=r"2 of its boxes are of 1 image that is not in the source, such as 'other.png'"
    ):
        assert len(open_images(pages, crops=crops_of(tmp_path, text))) == 1
    text = "path,x,y,width,height\nother.png,0,0,8,8\n"
    with pytest.raises(SourceError, match=r"none of the 1 image that it names .* 'other.png'; .* such as '0.png'"):
        open_images(pages, crops=crops_of(tmp_path, text))


def test_paths_of_boxes_may_have_other_folders_than_those_of_images(pages, tmp_path):
    text = f"path,x,y,width,height\n{pages}/0.png,0,0,8,8\n1.png,0,0,8,8\n.\\1.png,8,0,8,8\n"
    assert len(open_images(pages, crops=crops_of(tmp_path, text))) == 3
    save(tmp_path / "two" / "a" / "0.png", noise(8, 8))
    save(tmp_path / "two" / "b" / "0.png", noise(8, 8))
    text = "path,x,y,width,height\n0.png,0,0,8,8\n"
    with pytest.raises(SourceError, match=r"'0.png' matches 'a/0.png' or 'b/0.png': write the full path"):
        open_images(tmp_path / "two", crops=crops_of(tmp_path, text))


def test_boxes_name_pages_of_a_file(tmp_path):
    first, second = (Image.fromarray(noise(20, 20, seed=seed)) for seed in range(2))
    (tmp_path / "in").mkdir()
    first.save(tmp_path / "in" / "a.tif", save_all=True, append_images=[second])
    text = "path,x,y,width,height\na.tif[1],0,0,8,8\n"
    found = open_images(tmp_path / "in", crops=crops_of(tmp_path, text), size=8)
    assert found.paths == ["a.tif[1]#xywh=0,0,8,8"]
    np.testing.assert_array_equal(found.images[0], np.asarray(second)[:8, :8])
    text = "path,x,y,width,height\na.tif,0,0,8,8\n"
    with pytest.raises(SourceError, match=r"'a.tif' has several pages: write a.tif\[0\]"):
        open_images(tmp_path / "in", crops=crops_of(tmp_path, text))


def test_an_image_that_cannot_be_decoded_is_listed_once_for_all_of_its_boxes(pages, tmp_path):
    (pages / "2.png").write_bytes(b"no image")
    rows = "".join(f"{name}.png,{x},0,8,8\n" for name in (0, 2) for x in (0, 8))
    found = open_images(pages, crops=crops_of(tmp_path, f"path,x,y,width,height\n{rows}"))
    assert len(found) == 2
    assert [one.path for one in found.skipped] == ["2.png"]


def coco(**changes: object) -> dict:
    return {
        "images": [
            {"id": 7, "file_name": "0.png", "width": 30, "height": 20},
            {"id": 8, "file_name": "1.png", "width": 30, "height": 20},
        ],
        "annotations": [
            {"id": 1, "image_id": 8, "category_id": 3, "bbox": [4, 5, 9.5, 7], "area": 63, "iscrowd": 0}
            | {"segmentation": [[1, 2]], "score": 0.5},
            {"id": 2, "image_id": 7, "category_id": 4, "bbox": [0, 0, 8, 8], "area": 64.5, "iscrowd": 0},
            {"id": 3, "image_id": 7, "category_id": 4, "bbox": [0, 0, 8], "area": 64.5, "iscrowd": 0},
            {"id": 4, "image_id": 99, "category_id": 4, "bbox": [0, 0, 8, 8]},
        ],
        "categories": [{"id": 3, "name": "k"}, {"id": 4, "name": "a"}],
    } | changes


def test_a_coco_file_gives_boxes_labels_and_columns(pages, tmp_path):
    (tmp_path / "boxes.json").write_text(json.dumps(coco()))
    found = open_images(pages, crops=tmp_path / "boxes.json")
    assert found.paths == ["0.png#xywh=0,0,8,8", "1.png#xywh=4,5,10,7"]
    assert found.labels.tolist() == ["a", "k"]
    assert found.table["area"].to_pylist() == [64.5, 63]
    assert found.table["score"].to_pylist() == [None, 0.5]
    assert found.table["id_"].to_pylist() == [2, 1]
    assert "segmentation" not in found.table.column_names
    assert [tuple(one) for one in found.skipped] == [
        ("0.png (row 3 of boxes.json)", "no box in this row"),
        ("row 4 of boxes.json", "no path in this row"),
    ]


def test_images_of_another_size_than_the_coco_file_states_are_a_warning(pages, tmp_path):
    images = [{"id": 7, "file_name": "0.png", "width": 60, "height": 40}]
    (tmp_path / "boxes.json").write_text(json.dumps(coco(images=images)))
    sentence = r"1 image of another size than it states, such as '0.png' with 30 × 20 upright pixels instead of 60 × 40"
    with pytest.warns(UserWarning, match=sentence):
        open_images(pages, crops=tmp_path / "boxes.json")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("boxes.json", b"{", "damaged JSON"),
        ("boxes.json", b"[" * 100_000, "damaged JSON"),
        ("boxes.json", b"[]", "a list instead of an object: a COCO file has"),
        ("boxes.json", b"{}", "no list of objects called 'images'"),
        ("boxes.json", b'{"images": [], "annotations": [3]}', "no list of objects called 'annotations'"),
        ("boxes.json", b'{"images": [], "annotations": []}', "no boxes with the path of an image in it"),
        ("boxes.csv", b"name,x,y,width,height\n", "name the one with the paths of the images 'path'"),
        ("boxes.csv", b"path,x,y,width\n", "name those of the boxes by one of left, top, right, bottom;"),
        ("boxes.csv", b"path,x,y,width,height\n", "no boxes with the path of an image in it"),
        ("boxes.csv", b"path,x,y,width,height\na,1,2,3,4,5\n", "row 1: 6 cells in a row"),
        ("boxes.parquet", b"PAR1 broken", "the boxes cannot be read"),
        ("boxes.xlsx", b"PK\x03\x04", "an Excel workbook"),
        ("boxes.xml", b"<a/>", "boxes are in a .csv, .tsv, .txt or .parquet table, or in a .json file of COCO"),
    ],
)
def test_a_wrong_file_of_boxes_is_a_sentence(pages, tmp_path, name, content, sentence):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=sentence):
        open_images(pages, crops=tmp_path / name)


def test_a_file_of_boxes_that_is_not_there_is_a_sentence(pages, tmp_path):
    with pytest.raises(SourceError, match="no such file of boxes"):
        open_images(pages, crops=tmp_path / "boxes.csv")


def test_mutated_coco_files_end_as_a_sentence_or_as_images(pages, tmp_path):
    random = np.random.default_rng(0)
    odd = [None, True, -1, 1e308, 10**400, "x", [], {}, [1, 2, 3, 4], "\ud800"]
    n_images = 0
    for _ in range(25):
        content = coco()
        part = content[str(random.choice(list(content)))]
        entry = part[random.integers(len(part))]
        entry[str(random.choice(list(entry)))] = odd[random.integers(len(odd))]
        (tmp_path / "boxes.json").write_text(json.dumps(content))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                n_images += len(open_images(pages, crops=tmp_path / "boxes.json"))
            except SourceError:
                n_images += 1
    assert n_images >= 25


def test_a_changed_table_of_boxes_is_decoded_anew(pages, tmp_path):
    for width in (8, 9):
        table = crops_of(tmp_path, f"path,x,y,width,height\n0.png,0,0,{width},8\n")
        assert open_images(pages, crops=table, cache=tmp_path / "cache").table["right"].to_pylist() == [width]


@pytest.mark.parametrize(
    "name", ["L.png", "RGB.jpg", "grey.jpg", "RGBA.png", "LA.png", "P.gif", "deep.tif", "CMYK.tif"]
)
@pytest.mark.parametrize("side", [4, 40, 80])
def test_the_digest_of_a_whole_image_is_that_of_its_pixels_in_any_shape(tmp_path, name, side):
    grey, colors = Image.fromarray(noise(40, 40)), Image.fromarray(noise(40, 40, 3))
    images = {"L.png": grey, "RGB.jpg": colors, "grey.jpg": grey.convert("RGB"), "P.gif": colors.quantize(8)}
    images |= {"RGBA.png": Image.fromarray(noise(40, 40, 4)), "CMYK.tif": colors.convert("CMYK")}
    images |= {"LA.png": Image.fromarray(noise(40, 40, 2)), "deep.tif": Image.fromarray(noise(40, 40, dtype="uint16"))}
    images[name].save(tmp_path / name)
    items = [EncodedImage(str(tmp_path / name), None, box) for box in (Box(0, 0, 40, 40), Box(4, 4, 20, 9))]
    whole, part = decode_images(items, Shape(side, side, 3, color="rgb", fit="stretch", value_range=(0, 65535)))
    assert whole.content == whole.whole == part.whole != part.content
