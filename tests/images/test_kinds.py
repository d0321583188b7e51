"""Every kind of source holds the same pictures, and they come out the same."""

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from latentmap.images import SourceError, open_images

PICTURES = np.random.default_rng(0).integers(0, 255, (6, 10, 8), dtype=np.uint8)
NAMES = [f"{'ab'[i % 2]}/{i}.png" for i in range(6)]


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def folder(tmp_path) -> Path:
    for name, picture in zip(NAMES, PICTURES, strict=True):
        path = tmp_path / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(picture))
    return tmp_path / "pictures"


def assert_holds(collection, names=NAMES) -> None:
    order = [NAMES.index(name) for name in names]
    np.testing.assert_array_equal(collection.images, PICTURES[order])
    assert collection.paths == names


def test_folder_pattern_and_lists(folder, tmp_path):
    assert_holds(open_images(folder), sorted(NAMES))
    assert open_images(folder).labels.tolist() == ["a"] * 3 + ["b"] * 3
    some = open_images(f"{folder}/**/[0-3].png")
    assert some.paths == ["a/0.png", "a/2.png", "b/1.png", "b/3.png"]
    both = open_images([folder / "a", folder / "b"])
    assert both.paths == ["a/0.png", "a/2.png", "a/4.png", "b/1.png", "b/3.png", "b/5.png"]
    np.testing.assert_array_equal(both.images, PICTURES[[0, 2, 4, 1, 3, 5]])
    assert both.name == "a + b"
    with pytest.raises(SourceError, match="no images in it"):
        open_images(f"{folder}/*.tiff")


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_tar(folder, tmp_path, mode):
    path = tmp_path / "pictures.tar.any"
    with tarfile.open(path, mode) as archive:
        archive.add(folder, ".")
        archive.addfile(tarfile.TarInfo("broken.png"))
    collection = open_images(path)
    assert sorted(collection.paths) == sorted(NAMES)
    np.testing.assert_array_equal(collection.images[collection.paths.index("b/3.png")], PICTURES[3])
    assert [name for name, _ in collection.skipped] == ["broken.png"]


def test_zip(folder, tmp_path):
    path = tmp_path / "pictures.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in NAMES:
            archive.write(folder / name, name)
        archive.writestr("__MACOSX/a/._0.png", "junk")
        archive.writestr("notes.txt", "notes")
        archive.writestr("text.png", "text")
    collection = open_images(path)
    assert_holds(collection, sorted(NAMES))
    assert collection.labels is None or len(collection.labels) == 6
    assert [name for name, _ in collection.skipped] == ["text.png"]
    assert collection.n_ignored == 1


def test_archives_with_a_damaged_member_or_a_missing_end(folder, tmp_path):
    path = tmp_path / "pictures.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in NAMES:
            archive.write(folder / name, name)
    content = bytearray(path.read_bytes())
    at = content.find(b"IDAT") + 8
    content[at : at + 4] = b"\0\1\2\3"
    path.write_bytes(content)
    collection = open_images(path)
    assert len(collection) == 5
    assert "CRC" in collection.skipped[0].reason
    tar = tmp_path / "pictures.tar.gz"
    with tarfile.open(tar, "w:gz") as archive:
        for i in range(300):
            info = tarfile.TarInfo(f"{i:03d}.png")
            data = png(np.random.default_rng(i).integers(0, 255, (20, 20), dtype=np.uint8))
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    tar.write_bytes(tar.read_bytes()[: tar.stat().st_size * 2 // 3])
    with pytest.raises(SourceError, match="a damaged archive"):
        open_images(tar)


@pytest.mark.parametrize("kind", ["csv", "tsv", "txt", "parquet"])
def test_tables_of_paths(folder, tmp_path, kind):
    path = folder / f"table.{kind}"
    columns = {"label": [f"kind {i}" for i in range(6)], "file_name": NAMES, "weight": [i / 2 for i in range(6)]}
    columns |= {"group": list("uvwxyz")}
    if kind == "txt":
        path.write_text("\n".join(NAMES) + "\n", encoding="utf-8")
    elif kind == "parquet":
        pq.write_table(pa.table(columns), path)
    else:
        separator = "\t" if kind == "tsv" else ","
        rows = [list(columns), *zip(*columns.values(), strict=True)]
        path.write_text("\n".join(separator.join(map(str, row)) for row in rows) + "\n", encoding="utf-8")
    collection = open_images(path)
    assert_holds(collection)
    if kind != "txt":
        assert collection.labels.tolist() == columns["label"]
        assert collection.table["weight"].to_pylist() == columns["weight"]
        assert collection.table["group_"].to_pylist() == columns["group"]


def test_tables_name_what_is_not_there(folder, tmp_path):
    (folder / "table.csv").write_text(f"path,label\n{NAMES[0]},x\nmissing.png,y\n", encoding="utf-8")
    collection = open_images(folder / "table.csv")
    assert collection.labels.tolist() == ["x"]
    assert collection.skipped == [("missing.png", "No such file or directory")]
    (folder / "table.csv").write_text("name,label\n", encoding="utf-8")
    with pytest.raises(SourceError, match="columns name, label: name the one with the paths of the images 'path'"):
        open_images(folder / "table.csv")


@pytest.mark.parametrize("plain", [True, False])
def test_parquet_with_the_files_inside(tmp_path, plain):
    files = [png(picture) for picture in PICTURES]
    files[2] = b"damaged"
    images = pa.array(files) if plain else pa.array([{"bytes": file, "path": None} for file in files])
    table = pa.table({"image": images, "label": [0, 1, 0, 1, 0, 1], "score": range(6)})
    described = b'{"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}'
    pq.write_table(
        table.replace_schema_metadata({b"huggingface": described}), tmp_path / "part.parquet", row_group_size=2
    )
    collection = open_images(tmp_path / "part.parquet")
    np.testing.assert_array_equal(collection.images, PICTURES[[0, 1, 3, 4, 5]])
    assert collection.labels.tolist() == ["cat", "dog", "dog", "cat", "dog"]
    assert collection.table["score"].to_pylist() == [0, 1, 3, 4, 5]
    assert [name for name, _ in collection.skipped] == ["part[2]"]


def test_pages_and_frames(tmp_path):
    pages = [Image.fromarray(picture) for picture in PICTURES]
    pages[0].save(tmp_path / "stack.tif", save_all=True, append_images=pages[1:])
    stack = open_images(tmp_path / "stack.tif")
    np.testing.assert_array_equal(stack.images, PICTURES)
    assert stack.paths == [f"stack.tif[{i}]" for i in range(6)]
    assert len(set(stack.table["sha256"].to_pylist())) == 6
    colored = [Image.new("RGB", (8, 8), color) for color in ("red", "green", "blue")]
    colored[0].save(tmp_path / "film.gif", save_all=True, append_images=colored[1:])
    colored[0].save(tmp_path / "film.webp", save_all=True, append_images=colored[1:], lossless=True)
    (tmp_path / "stack.tif").unlink()
    assert open_images(tmp_path).paths == ["film.gif", "film.webp"]
    film = open_images(tmp_path, frames=True)
    assert film.paths == [f"film.{kind}[{i}]" for kind in ("gif", "webp") for i in range(3)]
    assert film.images[[1, 4], 0, 0].tolist() == [[0, 128, 0], [0, 128, 0]]


def test_depths_and_colour_models(tmp_path):
    ramp = np.arange(100, dtype=np.uint16).reshape(10, 10) * 40
    Image.fromarray(ramp).save(tmp_path / "twelve bits.png")
    twelve = open_images(tmp_path)
    assert twelve.shape.value_range == (0.0, 4095.0)
    np.testing.assert_allclose(twelve.images[0], ramp.astype(float) * 255 / 4095, atol=0.5)
    (tmp_path / "twelve bits.png").unlink()
    floats = np.linspace(-3, 5, 100, dtype=np.float32).reshape(10, 10)
    floats[0, 0] = np.nan
    Image.fromarray(floats).save(tmp_path / "floats.tif")
    Image.fromarray(floats * 2).save(tmp_path / "twice.tif")
    both = open_images(tmp_path)
    assert both.images.max() == 255
    assert 174 <= both.images[0].max() <= 176, "one range for the whole collection"
    for path in tmp_path.iterdir():
        path.unlink()
    red = Image.new("RGB", (10, 10), (200, 30, 30))
    red.convert("CMYK").save(tmp_path / "cmyk.tif")
    red.save(tmp_path / "rgb.png")
    Image.new("LA", (10, 10), (90, 255)).save(tmp_path / "la.png")
    Image.new("1", (10, 10), 1).save(tmp_path / "bits.png")
    Image.new("LAB", (10, 10), (136, 190, 175)).save(tmp_path / "lab.tif")
    models = dict(zip((found := open_images(tmp_path)).paths, found.images[:, 5, 5].tolist(), strict=True))
    assert models["rgb.png"] == [200, 30, 30]
    assert models["la.png"] == [90, 90, 90]
    assert models["bits.png"] == [255, 255, 255]
    np.testing.assert_allclose(models["cmyk.tif"], [200, 30, 30], atol=12)
    assert models["lab.tif"][0] > 150 > models["lab.tif"][2]


def test_transparency_lies_on_the_chosen_ground(tmp_path):
    Image.new("RGBA", (6, 6), (0, 0, 0, 0)).save(tmp_path / "nothing.png")
    assert (open_images(tmp_path).images == 255).all()
    assert open_images(tmp_path, background="#102030").images[0, 0, 0].tolist() == [16, 32, 48]
    with pytest.raises(ValueError, match="background='plaid': pass a colour such as white"):
        open_images(tmp_path, background="plaid")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(tmp_path, orientation):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(PICTURES[0]).save(tmp_path / "turned.png", exif=exif)
    with Image.open(tmp_path / "turned.png") as picture:
        upright = np.asarray(ImageOps.exif_transpose(picture))
    np.testing.assert_array_equal(open_images(tmp_path).images[0], upright)
