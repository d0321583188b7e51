"""Every kind of source becomes uint8 images of one size; what cannot is named."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_idx import idx_bytes

from latentmap.images import IdxError, SourceError, open_images
from latentmap.images.collection import as_png

GREY = np.arange(2 * 6 * 5, dtype=np.uint8).reshape(2, 6, 5)


def save(path: Path, pixels: np.ndarray, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


def test_arrays_and_their_files_are_one_collection(tmp_path):
    np.save(tmp_path / "a.npy", GREY)
    np.savez(tmp_path / "b.npz", images=GREY, labels=np.array(["x", "y"]), other=np.zeros(3))
    (tmp_path / "c-images-idx3-ubyte").write_bytes(idx_bytes(GREY))
    (tmp_path / "c-labels-idx1-ubyte").write_bytes(idx_bytes(np.array([4, 7], np.uint8)))
    for source in (GREY, tmp_path / "a.npy", str(tmp_path / "b.npz"), tmp_path / "c-images-idx3-ubyte"):
        np.testing.assert_array_equal(open_images(source).images, GREY)
    assert open_images(tmp_path / "a.npy").paths == ["a[0]", "a[1]"]
    assert open_images(tmp_path / "b.npz").labels.tolist() == ["x", "y"]
    assert open_images(tmp_path / "c-images-idx3-ubyte").labels.tolist() == [4, 7]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[[0.0, 0.5, 1.0]]]), [0, 128, 255]),
        (np.array([[[False, True]]]), [0, 255]),
        (np.array([[[-1.0, 0.0, 3.0]]]), [0, 64, 255]),
        (np.array([[[100, 150, 200]]], np.uint16), [0, 128, 255]),
        (np.array([[[9.0, 9.0]]]), [0, 0]),
    ],
)
def test_values_become_uint8(values, expected):
    assert open_images(values).images[0, 0].tolist() == expected


def test_channels_are_one_or_three():
    rgba = np.zeros((1, 2, 2, 4), np.uint8)
    rgba[0, 0, 0] = 10, 20, 30, 255
    images = open_images(rgba).images
    assert images.shape == (1, 2, 2, 3)
    assert images[0, 0, 0].tolist() == [10, 20, 30]
    assert images[0, 1, 1].tolist() == [255, 255, 255]
    assert open_images(GREY[..., None]).image_shape == (6, 5)


def test_a_folder_of_equal_small_images_is_kept_to_the_pixel(tmp_path):
    for i, pixels in enumerate(GREY):
        save(tmp_path / f"{'ab'[i]}" / "deep" / "x.png", pixels)
    collection = open_images(tmp_path)
    np.testing.assert_array_equal(collection.images, GREY)
    assert collection.paths == ["a/deep/x.png", "b/deep/x.png"]
    assert collection.labels.tolist() == ["a/deep", "b/deep"]
    assert collection.name == tmp_path.name


def test_mixed_sizes_are_fitted_whole_on_their_border_colour(tmp_path):
    wide = np.full((20, 40), 200, np.uint8)
    wide[5:15, 10:30] = 0
    save(tmp_path / "wide.png", wide)
    save(tmp_path / "small.png", np.full((10, 10), 50, np.uint8))
    images = open_images(tmp_path, size=40).images
    assert images.shape == (2, 40, 40)
    assert (images[1, :10] == 200).all()
    assert images[1, 20, 20] == 0
    assert (images[0] == 50).all()
    assert open_images(tmp_path).image_shape == (15, 15)


def test_one_coloured_image_makes_the_collection_colour(tmp_path):
    save(tmp_path / "grey.png", GREY[0])
    assert open_images(tmp_path).image_shape == (6, 5)
    save(tmp_path / "red.png", np.full((6, 5, 3), (255, 0, 0), np.uint8))
    assert open_images(tmp_path).image_shape == (6, 5, 3)


def test_orientation_transparency_palette_and_depth_are_read(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    save(tmp_path / "turned.png", GREY[0], exif=exif)
    np.testing.assert_array_equal(open_images(tmp_path).images[0], np.rot90(GREY[0], -1))
    (tmp_path / "turned.png").unlink()
    transparent = np.zeros((4, 4, 4), np.uint8)
    save(tmp_path / "transparent.png", transparent)
    assert (open_images(tmp_path).images == 255).all()
    (tmp_path / "transparent.png").unlink()
    save(tmp_path / "deep.png", np.array([[0, 65535], [32896, 257]], np.uint16))
    assert open_images(tmp_path).images[0].tolist() == [[0, 255], [128, 1]]
    (tmp_path / "deep.png").unlink()
    Image.fromarray(GREY[0]).convert("P").save(tmp_path / "palette.gif")
    assert open_images(tmp_path).image_shape == (6, 5)


def test_files_that_cannot_be_decoded_are_listed_and_end_nothing(tmp_path):
    save(tmp_path / "good.png", GREY[0])
    whole = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 50), dtype=np.uint8)).save(whole, "PNG")
    (tmp_path / "truncated.png").write_bytes(whole.getvalue()[:300])
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.png").write_text("not an image")
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    (tmp_path / "dangling.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / ".hidden.png").write_text("left alone")
    (tmp_path / "notes.txt").write_text("left alone")
    collection = open_images(tmp_path)
    assert collection.paths == ["good.png"]
    assert {path for path, _ in collection.skipped} == {
        "truncated.png",
        "empty.jpg",
        "text.png",
        "bomb.png",
        "dangling.png",
        "loop",
    }
    reasons = dict(collection.skipped)
    assert reasons["text.png"] == "not an image of any format that Pillow reads"
    assert reasons["dangling.png"] == "No such file or directory"
    assert "truncated" in reasons["truncated.png"]
    assert "DecompressionBomb" in reasons["bomb.png"]


def test_labels_come_from_arrays_and_files(tmp_path):
    (tmp_path / "labels.txt").write_text("first\nsecond\n")
    np.save(tmp_path / "labels.npy", np.array([3, 1]))
    assert open_images(GREY, labels=["a", "b"]).labels.tolist() == ["a", "b"]
    assert open_images(GREY, labels=tmp_path / "labels.txt").labels.tolist() == ["first", "second"]
    assert open_images(GREY, labels=tmp_path / "labels.npy").labels.tolist() == [3, 1]
    with pytest.raises(SourceError, match="3 labels for 2 images"):
        open_images(GREY, labels=[1, 2, 3])


def _with_nan() -> np.ndarray:
    values = np.zeros((4, 3, 3))
    values[2, 1, 1] = np.nan
    return values


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("no/such/place", "no such file or folder: a source is 'mnist', a folder of images, a pattern"),
        (np.zeros((3, 4)), r"an array of shape \(3, 4\): images are"),
        (np.zeros((3, 4, 4, 2, 1)), r"images are \(n, height, width\) or"),
        (np.zeros((0, 4, 4)), "no images in an array of shape"),
        (np.zeros((2, 2, 2), complex), "pixels of type complex128"),
        (_with_nan(), "NaN or infinite pixels in 1 image, the first is number 2"),
    ],
)
def test_wrong_source_is_met_with_a_sentence(source, words):
    with pytest.raises(SourceError, match=words):
        open_images(source)


def test_wrong_files_are_met_with_a_sentence(tmp_path):
    with pytest.raises(SourceError, match="no images in it"):
        open_images(tmp_path)
    (tmp_path / "broken.png").touch()
    with pytest.raises(SourceError, match="no images in it: 1 file cannot be decoded"):
        open_images(tmp_path)
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(SourceError, match="not a complete NumPy file"):
        open_images(tmp_path / "a.npy")
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(SourceError, match="not a complete NumPy file of plain numbers"):
        open_images(tmp_path / "objects.npy")
    np.savez(tmp_path / "b.npz", p=GREY, q=GREY)
    with pytest.raises(SourceError, match="arrays p, q: name the one with the images 'images'"):
        open_images(tmp_path / "b.npz")
    (tmp_path / "c.bin").write_bytes(os.urandom(20))
    with pytest.raises(IdxError, match="this is not an IDX file; a source is"):
        open_images(tmp_path / "c.bin")


def test_fingerprints_change_with_what_they_stand_for():
    base, relabelled = open_images(GREY, labels=[0, 1]), open_images(GREY, labels=[0, 2])
    changed = GREY.copy()
    changed[1, 2, 3] += 1
    assert base.fingerprint == open_images(GREY.copy()).fingerprint == relabelled.fingerprint
    assert base.fingerprint != open_images(changed).fingerprint
    assert base.fingerprint != open_images(GREY.reshape(2, 5, 6)).fingerprint
    assert base.annotations_fingerprint == open_images(changed, labels=[0, 1]).annotations_fingerprint
    assert base.annotations_fingerprint != relabelled.annotations_fingerprint


@pytest.mark.parametrize("images", [GREY, np.random.default_rng(0).integers(0, 255, (2, 4, 5, 3), dtype=np.uint8)])
def test_png_is_without_loss(images):
    collection = open_images(images)
    for i in range(2):
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(as_png(collection.images[i])))), images[i])


def test_mnist_is_inside_with_its_labels():
    collection = open_images("mnist")
    assert len(collection) == 70_000
    assert collection.labels[:5].tolist() == [5, 0, 4, 1, 9]
