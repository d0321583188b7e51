"""Images that are Python objects: lists, tensors, datasets and data frames."""

import io

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from PIL import Image

from latentmap.core.errors import InputTypeError, SourceError
from latentmap.images import open_images
from latentmap.images.sources import find_source

RANDOM = np.random.default_rng(0)
PIXELS = [RANDOM.integers(0, 255, (8, 8, 3), dtype=np.uint8) for _ in range(4)]
PICTURES = [Image.fromarray(pixels) for pixels in PIXELS]


def as_file(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def test_pil_images_of_one_size_keep_their_pixels():
    found = open_images(PICTURES)
    np.testing.assert_array_equal(found.images, PIXELS)
    assert found.paths == ["image[0]", "image[1]", "image[2]", "image[3]"]


def test_images_of_several_sizes_are_brought_to_one():
    sizes = [(40, 60), (50, 75), (60, 90)]
    found = open_images([np.full((*size, 3), i, np.uint8) for i, size in enumerate(sizes)], size=16)
    assert found.image_shape == (16, 16)  # all are grey
    assert found.images[:, 8, 8].tolist() == [0, 1, 2]
    assert found.table["width"].to_pylist() == [60, 75, 90]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "HSV", "I;16", "I", "F"])
def test_every_mode_is_read(mode):
    picture = Image.new(mode, (9, 8))
    assert len(open_images([picture] * 2)) == 2


def test_transparent_pixels_take_the_background():
    clear = Image.new("RGBA", (8, 8), (200, 0, 0, 0))
    assert open_images([clear], background="#102030").images[0, 0, 0].tolist() == [0x10, 0x20, 0x30]
    palette = Image.new("P", (8, 8), 1)
    palette.info["transparency"] = 1
    assert open_images([palette]).images[0, 0, 0].tolist() == 255


def test_an_opened_image_is_upright_and_a_changed_one_as_it_is(tmp_path):
    wide = np.zeros((8, 16), np.uint8)
    wide[:, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be rotated clockwise
    Image.fromarray(wide).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as lazy, Image.open(tmp_path / "a.png") as loaded:
        loaded.load()
        np.testing.assert_array_equal(open_images([lazy, loaded]).images, [wide.T, wide.T])
        assert open_images([loaded.crop((0, 0, 16, 8))]).image_shape == (8, 16)


def test_an_image_that_is_not_loaded_is_read_from_its_file(tmp_path):
    PICTURES[0].save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as lazy:
        np.testing.assert_array_equal(open_images([lazy]).images[0], PIXELS[0])
        assert lazy.tile  # still not loaded


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.int32, np.float32, np.float64, np.float16])
def test_the_bit_depth_of_arrays_is_kept(dtype):
    values = np.linspace(0, 2000, 64).reshape(8, 8).astype(dtype)
    found = open_images([values, values[:, ::-1]])
    limits = found.shape.limits(np.dtype(dtype).kind == "f")
    assert limits == ((0, 2000) if np.dtype(dtype).kind == "f" else (0, 2047))
    scaled = np.rint(values.astype(np.float64) / limits[1] * 255)
    assert np.abs(found.images[0] - scaled).max() <= 1
    np.testing.assert_array_equal(found.images[1], found.images[0][:, ::-1])


def test_deep_colours_and_transparency_of_arrays():
    deep = RANDOM.integers(0, 2**16, (8, 9, 4), dtype=np.uint16)
    deep[..., 3] = 2**16 - 1
    found = open_images([deep, deep[:, ::-1].copy()])
    assert np.abs(found.images[0].astype(int) - np.rint(deep[..., :3] / 257)).max() <= 1


def test_tensors_have_their_channels_first():
    tensor = torch.from_numpy(RANDOM.random((5, 3, 8, 9), np.float32)).requires_grad_()
    found = open_images(tensor)
    unrounded = tensor.detach().permute(0, 2, 3, 1).numpy() * 255
    np.testing.assert_allclose(found.images, unrounded, rtol=0, atol=0.5001)
    assert found.paths[4] == "image[4]"
    assert open_images(torch.zeros(5, 8, 9, dtype=torch.bfloat16)).image_shape == (8, 9)
    bytes_of = (tensor.detach() * 255).to(torch.uint8)
    np.testing.assert_array_equal(open_images(list(bytes_of)).images, bytes_of.permute(0, 2, 3, 1).numpy())


def test_a_tensor_of_many_channels_is_a_collection_of_channels():
    tensor = torch.from_numpy(RANDOM.random((6, 5, 32, 40), np.float32))
    found = open_images(tensor, range=(0, 1))
    assert found.image_shape == (32, 40, 5)
    np.testing.assert_allclose(found.images, tensor.numpy().transpose(0, 2, 3, 1) * 65535.0, atol=0.51)


@pytest.mark.parametrize("n_channels", [2, 5, 40])
def test_arrays_and_tensors_of_any_number_of_channels(n_channels):
    sizes = [(50, 60), (64, 60), (70, 60)] * 2
    values = [RANDOM.integers(0, 4096, (*size, n_channels)).astype(np.uint16) for size in sizes]
    found = open_images(values, range=(0, 4095), size=32)
    assert (found.image_shape, found.skipped) == ((32, 32, n_channels), [])
    tensors = [torch.from_numpy(one.astype(np.int32)).permute(2, 0, 1) for one in values]
    np.testing.assert_array_equal(open_images(tensors, range=(0, 4095), size=32).images, found.images)
    same = [one[:50] for one in values]
    expected = np.rint(np.stack(same) / 4095 * 65535)
    np.testing.assert_array_equal(open_images(same, range=(0, 4095)).images, expected)
    frame = pd.DataFrame({"image": same, "kind": list("abcabc")})
    np.testing.assert_array_equal(open_images(frame, range=(0, 4095)).images, expected)


def test_a_fourth_channel_is_no_transparency_if_channels_are_asked_for():
    values = [RANDOM.integers(0, 256, (9, 10, 4)).astype(np.uint8) for _ in range(3)]
    found = open_images(values, channels=[0, 3], range=(0, 255))
    np.testing.assert_array_equal(found.images, np.stack(values)[..., [0, 3]])
    assert open_images(values).image_shape == (9, 10, 3)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((5, 64, 60)), r"image\[1\]: a NumPy array of shape \(5, 64, 60\): .*np.moveaxis\(image, 0, -1\)"),
        (np.zeros((4, 4, 1025)), r"\(height, width, channels\) with at most 1,024 channels$"),
        (np.zeros((2, 2, 2, 2)), r"of shape \(2, 2, 2, 2\): an image is \(height, width\)"),
        (torch.zeros(64, 60, 5), r"a torch tensor of shape \(64, 60, 5\): .*image.permute\(2, 0, 1\)"),
        (torch.zeros(8, 8, 3), r"image.permute\(2, 0, 1\)"),
        (torch.zeros(1025, 4, 40), "at most 1,024 channels$"),
    ],
)
def test_other_shapes_are_refused_with_what_to_do(image, message):
    kind = np.zeros if isinstance(image, np.ndarray) else torch.zeros
    with pytest.raises(SourceError, match=message):
        open_images([kind((8, 8)), image])


def test_bytes_are_files():
    found = open_images([as_file(PICTURES[0]), b"nothing", bytearray(as_file(PICTURES[1]))])
    np.testing.assert_array_equal(found.images, PIXELS[:2])
    assert found.skipped == [("image[1]", "not an image of any format that Pillow reads")]


def test_an_entry_that_is_none_is_skipped_and_labels_stay_in_place():
    found = open_images([PICTURES[0], None, PICTURES[1]], labels=["a", "b", "c"])
    assert found.labels.tolist() == ["a", "c"]
    assert found.skipped == [("image[1]", "no image in this entry")]


def test_a_damaged_image_is_skipped_with_the_reason(tmp_path):
    data = as_file(Image.fromarray(RANDOM.integers(0, 255, (64, 64, 3), dtype=np.uint8)))
    with Image.open(io.BytesIO(data[: len(data) // 2])) as torn:
        found = open_images([PICTURES[0], torn])
    assert len(found) == 1
    assert found.skipped[0].path == "image[1]" and "truncated" in found.skipped[0].reason


@pytest.mark.parametrize(
    ("source", "error", "said"),
    [
        ([], SourceError, "an empty list"),
        ([None, None], SourceError, "2 entries that are all None"),
        ([PICTURES[0], PIXELS[0]], SourceError, r"image\[0\] is a PIL image, image\[1\] is a NumPy array"),
        ([PICTURES[0], "a.png"], InputTypeError, r"image\[1\]: a path among images"),
        ([PICTURES[0], 3], InputTypeError, r"image\[1\]: an object of type int"),
        ([np.zeros((5, 8, 8))] * 2, SourceError, r"image\[0\]: a NumPy array of shape \(5, 8, 8\)"),
        ([np.zeros((8, 8), complex)], SourceError, "pixels of type complex128"),
        (torch.zeros(5, 8, 8, 3), SourceError, r"pass tensor.permute\(0, 3, 1, 2\)"),
        (torch.zeros(8, 8), SourceError, r"torch tensor of shape \(8, 8\)"),
        (3, InputTypeError, "a source of type int"),
        (iter(PICTURES), InputTypeError, "list_iterator: make a list of its images"),
        (pd.DataFrame({"a": [1]}), SourceError, "the columns a: name the one with the images"),
        (pd.DataFrame({"image": []}), SourceError, "without rows"),
        (pd.Series([], dtype=object), SourceError, "without values"),
        (pl.DataFrame({"a": [1]}).lazy(), InputTypeError, r"collect\(\)"),
    ],
)
def test_what_is_no_source_is_an_error(source, error, said):
    with pytest.raises(error, match=said):
        open_images(source)


def test_the_stamp_changes_with_the_content():
    def stamp(source):
        return find_source(source).stamp

    assert stamp(PICTURES) == stamp([picture.copy() for picture in PICTURES])
    assert len({stamp(PICTURES), stamp(PICTURES[::-1]), stamp(PICTURES[:3]), stamp([*PICTURES, None])}) == 4
    assert stamp(PIXELS) != stamp([PIXELS[0] + 1, *PIXELS[1:]])
    assert stamp([np.zeros((8, 8), np.uint8)]) != stamp([np.zeros((8, 8), np.uint16)])
    frame = pd.DataFrame({"image": PICTURES, "n": range(4)})
    assert stamp(frame) != stamp(frame.assign(n=5))


@pytest.fixture
def paths(tmp_path):
    for i, picture in enumerate(PICTURES):
        picture.save(tmp_path / f"{i}.png")
    return [str(tmp_path / f"{i}.png") for i in range(4)]


@pytest.mark.parametrize("library", [pd, pl])
def test_columns_of_paths(paths, library):
    frame = library.DataFrame({"Image Path": paths, "label": ["a", None, "b", "b"], "id": [4, 5, 6, 7]})
    found = open_images(frame)
    np.testing.assert_array_equal(found.images, PIXELS)
    assert found.paths == paths and found.labels.tolist() == ["a", "", "b", "b"]
    assert found.table["id_"].to_pylist() == [4, 5, 6, 7]
    series = library.Series([paths[0], None, paths[0], "/nowhere.png"])
    found = open_images(series)
    assert [one.reason for one in found.skipped] == [
        "no path in this row",
        "row 1 of the table has the same file",
        "No such file or directory",
    ]


@pytest.mark.parametrize("library", [pd, pl])
def test_columns_of_files_come_before_paths(paths, library):
    frame = library.DataFrame({"path": paths, "img": [as_file(picture) for picture in PICTURES[::-1]]})
    found = open_images(frame)
    np.testing.assert_array_equal(found.images, PIXELS[::-1])
    assert found.table["path_"].to_pylist() == paths
    np.testing.assert_array_equal(open_images(frame["img"]).images, PIXELS[::-1])


def test_columns_of_pil_images_and_other_objects():
    frame = pd.DataFrame({"x": PICTURES, "other": [{}, 1, None, "a"], "kind": pd.Categorical(list("abab"))})
    found = open_images(frame)
    np.testing.assert_array_equal(found.images, PIXELS)
    assert found.table["other"].to_pylist() == ["{}", "1", None, "a"]
    assert found.table["kind"].to_pylist() == list("abab")
    series = pl.Series("x", PICTURES, dtype=pl.Object)
    np.testing.assert_array_equal(open_images(series).images, PIXELS)
    np.testing.assert_array_equal(open_images(frame["x"].to_numpy()).images, PIXELS)


@pytest.fixture
def datasets(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return pytest.importorskip("datasets")


def test_a_dataset_of_hugging_face(datasets):
    features = datasets.Features(
        {
            "picture": datasets.Image(),
            "class": datasets.ClassLabel(names=["cat", "dog"]),
            "n": datasets.Value("int32"),
            "boxes": datasets.List(datasets.Value("float32")),
        }
    )
    columns = {"picture": [*PICTURES[:3], None], "class": [0, 1, -1, 0], "n": [4, 5, 6, 7], "boxes": [[1.0]] * 4}
    dataset = datasets.Dataset.from_dict(columns, features=features)
    found = open_images(dataset)
    np.testing.assert_array_equal(found.images, PIXELS[:3])
    assert found.labels.tolist() == ["cat", "dog", ""]
    assert found.table["n"].to_pylist() == [4, 5, 6] and "boxes" not in found.table.column_names
    assert found.skipped == [("image[3]", "no image in this entry")]
    np.testing.assert_array_equal(open_images(dataset.select([2, 0])).images, [PIXELS[2], PIXELS[0]])
    assert find_source(dataset).stamp != find_source(dataset.select([2, 0])).stamp
    with pytest.raises(InputTypeError, match="one of its splits 'train'"):
        open_images(datasets.DatasetDict({"train": dataset}))
    with pytest.raises(InputTypeError, match="a streamed IterableDataset"):
        open_images(dataset.to_iterable_dataset())
    with pytest.raises(SourceError, match=r"columns class, n, boxes: cast the one with the images to datasets.Image"):
        open_images(dataset.remove_columns("picture"))


def test_a_dataset_of_files_and_of_arrays(datasets, paths):
    dataset = datasets.Dataset.from_dict({"image": paths}).cast_column("image", datasets.Image())
    np.testing.assert_array_equal(open_images(dataset).images, PIXELS)
    kind = datasets.Features({"img": datasets.Array2D((8, 8), "uint16"), "label": datasets.Value("string")})
    deep = [np.full((8, 8), value, np.uint16) for value in (0, 65535)]
    dataset = datasets.Dataset.from_dict({"img": deep, "label": ["a", "b"]}, features=kind)
    found = open_images(dataset)
    assert found.images[:, 0, 0].tolist() == [0, 255] and found.labels.tolist() == ["a", "b"]
