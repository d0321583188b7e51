"""Arrays of images in HDF5 and Zarr: which array, which values, and what hostile files end as."""

import io
import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr
from fuzzing import fuzz_files
from PIL import Image

from latentmap.core.errors import MissingPackageError, SourceError
from latentmap.images import open_images, optional_formats
from latentmap.images.decoding import EncodedImage, decode_images, read_contents
from latentmap.images.shape import Shape

GREY = np.random.default_rng(0).integers(0, 255, (20, 9, 11), dtype=np.uint8)
COLORS = np.random.default_rng(1).integers(0, 255, (7, 9, 11, 3), dtype=np.uint8)


def hdf5(path: Path, **arrays: object) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            chunks = (
                (min(4, len(values)), *values.shape[1:]) if isinstance(values, np.ndarray) and values.ndim > 2 else None
            )
            file.create_dataset(name.replace("__", "/"), data=values, chunks=chunks, compression=chunks and "gzip")
    return path


def zarr_folder(path: Path, form: int = 3, **arrays: np.ndarray) -> Path:
    group = zarr.open_group(path, mode="w", zarr_format=form)
    for name, values in arrays.items():
        group.create_array(name, data=values, chunks=(min(4, len(values)), *values.shape[1:]))
    return path


def test_the_only_array_of_images_and_its_labels(tmp_path):
    labels = np.array([f"kind {i % 2}" for i in range(20)], object)
    path = hdf5(tmp_path / "a.h5", group__pictures=GREY, labels=labels, weights=np.zeros((3, 4)))
    collection = open_images(path)
    np.testing.assert_array_equal(collection.images, GREY)
    assert collection.paths == [f"a.h5[{i}]" for i in range(20)]
    assert collection.labels.tolist() == labels.tolist()


@pytest.mark.parametrize("form", [2, 3])
def test_zarr_groups_and_arrays(tmp_path, form):
    path = zarr_folder(tmp_path / "a.zarr", form, images=COLORS, other=GREY, y=np.arange(7))
    collection = open_images(path)
    np.testing.assert_array_equal(collection.images, COLORS)
    assert collection.labels.tolist() == list(range(7))
    np.testing.assert_array_equal(open_images(path / "other").images, GREY)


def test_an_array_is_named_after_a_colon(tmp_path):
    hdf5(tmp_path / "a.h5", first=GREY, deep__second=COLORS)
    zarr_folder(tmp_path / "b.zarr", first=GREY, second=COLORS)
    for source, name in ((tmp_path / "a.h5", "deep/second"), (tmp_path / "b.zarr", "second")):
        collection = open_images(f"{source}:{name}")
        np.testing.assert_array_equal(collection.images, COLORS)
        assert collection.paths[6] == f"{source.name}:{name}[6]"
        np.testing.assert_array_equal(open_images(f"{source}:first").images, GREY)
        with pytest.raises(SourceError, match="several arrays of images: .*name one after a colon"):
            open_images(source)
        with pytest.raises(SourceError, match="no array 'third'; arrays: "):
            open_images(f"{source}:third")


@pytest.mark.parametrize("name", ["a.h5", "b.zarr"])
def test_the_images_of_a_named_array_are_cut(tmp_path, name):
    hdf5(tmp_path / "a.h5", first=GREY, second=COLORS)
    zarr_folder(tmp_path / "b.zarr", first=GREY, second=COLORS)
    collection = open_images(f"{tmp_path / name}:second", tiles=9, max_empty=1)
    assert collection.paths[:2] == [f"{name}:second[0]#xywh=0,0,9,9", f"{name}:second[0]#xywh=2,0,9,9"]
    np.testing.assert_array_equal(collection.images[0::2], COLORS[:, :, :9])
    np.testing.assert_array_equal(collection.images[1::2], COLORS[:, :, 2:])


def test_files_and_folders_with_arrays_lie_in_folders(tmp_path):
    hdf5(tmp_path / "a.h5", images=GREY[:2])
    zarr_folder(tmp_path / "sub.zarr", images=GREY[2:4])
    hdf5(tmp_path / "one.hdf5", images=GREY[4:5])
    Image.fromarray(GREY[5]).save(tmp_path / "z.png")
    collection = open_images(tmp_path)
    assert collection.paths == ["a.h5[0]", "a.h5[1]", "one.hdf5", "sub.zarr[0]", "sub.zarr[1]", "z.png"]
    np.testing.assert_array_equal(collection.images, GREY[[0, 1, 4, 2, 3, 5]])


@pytest.mark.parametrize("kind", [np.uint16, np.int16, np.float32, np.float16, np.bool_])
def test_values_of_every_type(tmp_path, kind):
    values = (GREY.astype(np.float64) * (1 if kind is np.float16 else 100)).astype(kind)
    collection = open_images(hdf5(tmp_path / "a.h5", images=values))
    if kind is np.int16:
        assert values.min() >= 0
    ranges = {np.uint16: (0, 32767), np.int16: (0, 32767), np.bool_: (0, 1)}  # of all bits that are used
    low, high = ranges.get(kind, (float(values.min()), float(values.max())))
    wanted = np.rint((values.astype(np.float64) - low) / (high - low) * 255)
    np.testing.assert_allclose(collection.images, wanted, atol=1)


@pytest.mark.parametrize("n_channels", [2, 4, 7])
@pytest.mark.parametrize("is_first", [False, True])
@pytest.mark.parametrize("kind", ["hdf5", "zarr"])
def test_arrays_of_any_number_of_channels(tmp_path, n_channels, is_first, kind):
    values = np.random.default_rng(3).integers(0, 4096, (6, 18, 20, n_channels)).astype(np.uint16)
    stored = np.moveaxis(values, -1, 1) if is_first else values
    path = hdf5(tmp_path / "a.h5", images=stored) if kind == "hdf5" else zarr_folder(tmp_path / "a.zarr", images=stored)
    found = open_images(path, range=(0, 4095))
    assert not found.skipped
    np.testing.assert_array_equal(found.images, np.rint(values / 4095 * 255))
    np.save(tmp_path / "a.npy", values)
    np.testing.assert_array_equal(open_images(tmp_path / "a.npy", range=(0, 4095)).images, found.images)


def test_arrays_of_many_channels_count_only_if_there_is_no_other(tmp_path):
    features = np.zeros((7, 20, 20, 64), np.float32)
    np.testing.assert_array_equal(open_images(hdf5(tmp_path / "a.h5", pictures=COLORS, maps=features)).images, COLORS)
    assert open_images(hdf5(tmp_path / "b.h5", maps=features), range=(0, 1)).image_shape == (20, 20, 64)
    with pytest.raises(SourceError, match=r"images of more than 1,024 channels"):
        open_images(hdf5(tmp_path / "c.h5", maps=np.zeros((2, 3, 3, 1025), np.uint8)))


def test_channels_of_ome_zarr(tmp_path):
    stack = np.random.default_rng(2).integers(0, 4096, (3, 5, 9, 11)).astype(np.uint16)
    group = zarr.open_group(tmp_path / "a.ome.zarr", mode="w", zarr_format=2)
    group.create_array("0", data=stack, chunks=(1, 1, 9, 11))
    names = ["dapi", "gfp", "cy3", "cy5", "bf"]
    scales = [{"axes": [{"name": name} for name in "tcyx"], "datasets": [{"path": "0"}]}]
    group.attrs.update({"multiscales": scales, "omero": {"channels": [{"label": name} for name in names]}})
    found = open_images(tmp_path / "a.ome.zarr", range=(0, 4095))
    np.testing.assert_array_equal(found.images, np.rint(np.moveaxis(stack, 1, -1) / 4095 * 255))
    assert [one.name for one in found.channels] == names
    assert found.table["t"].to_pylist() == [0, 1, 2]
    planes = open_images(tmp_path / "a.ome.zarr", axes="images")
    assert (len(planes), planes.table["c"].to_pylist()[:6]) == (15, [0, 1, 2, 3, 4, 0])


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_planes_of_ome_zarr(tmp_path, version):
    stack = np.random.default_rng(2).integers(0, 255, (2, 3, 4, 9, 11), dtype=np.uint8)
    group = zarr.open_group(tmp_path / "a.ome.zarr", mode="w", zarr_format=2 if version == "0.4" else 3)
    group.create_array("0", data=stack, chunks=(1, 1, 1, 9, 11))
    group.create_array("1", data=stack[..., ::2, ::2], chunks=(1, 1, 1, 5, 6))
    scales = [{"axes": [{"name": name} for name in "tczyx"], "datasets": [{"path": "0"}, {"path": "1"}]}]
    group.attrs.update({"multiscales": scales} if version == "0.4" else {"ome": {"multiscales": scales}})
    collection = open_images(tmp_path / "a.ome.zarr")
    assert collection.images.shape == (8, 9, 11, 3), "three channels are colours"
    np.testing.assert_array_equal(collection.images[5], np.moveaxis(stack[1, :, 1], 0, -1))
    assert collection.table["t"].to_pylist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert collection.table["z"].to_pylist() == [0, 1, 2, 3, 0, 1, 2, 3]


def test_arrays_in_other_files_are_refused(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(range(256)) * 8)
    hdf5(tmp_path / "other.h5", images=GREY)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("images", (4, 8, 8), np.uint8, external=[(str(tmp_path / "secret"), 0, 256)])
    with pytest.raises(SourceError, match="lie in other files"):
        open_images(tmp_path / "a.h5")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["images"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "images")
    with pytest.raises(SourceError, match="no array"):
        open_images(tmp_path / "b.h5:images")
    with h5py.File(tmp_path / "c.h5", "w") as file:
        layout = h5py.VirtualLayout((20, 9, 11), np.uint8)
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "images", (20, 9, 11))
        file.create_virtual_dataset("images", layout)
    with pytest.raises(SourceError, match="lie in other files"):
        open_images(tmp_path / "c.h5")


def test_zarr_runs_no_code_of_its_data(tmp_path):
    path = zarr_folder(tmp_path / "a.zarr", 2, images=GREY[:4])
    described = json.loads((path / "images" / ".zarray").read_text())
    described |= {"filters": [{"id": "pickle"}], "compressor": None}
    (path / "images" / ".zarray").write_text(json.dumps(described))
    mark = tmp_path / "ran"
    code = f"cposix\nsystem\n(S'touch {mark}'\ntR.".encode()
    for chunk in (path / "images").glob("[0-9]*"):
        chunk.write_bytes(code)
    with pytest.raises(SourceError, match="damaged Zarr folder"):
        open_images(path)
    assert not mark.exists()


def test_arrays_that_state_more_than_there_is(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("images", (10**12, 8, 8), np.uint8, chunks=(1, 8, 8))
    with pytest.raises(SourceError, match="states 1,000,000,000,000 images"):
        open_images(tmp_path / "a.h5")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_dataset("images", (3, 10**5, 10**5), np.uint8, chunks=(1, 100, 100))
    with pytest.raises(SourceError, match="no pixels, or too many"):
        open_images(tmp_path / "b.h5")
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file.create_dataset("images", data=np.array([[["a"]]], "S1"))
    with pytest.raises(SourceError, match="images are numbers"):
        open_images(tmp_path / "c.h5")


def test_blocks_are_read_and_not_the_whole(tmp_path):
    path = hdf5(tmp_path / "a.h5", images=GREY)
    items = [EncodedImage(str(path), i) for i in (19, 3, 4, 0)]
    found = decode_images(items, Shape(9, 11, 1))
    np.testing.assert_array_equal([one.pixels for one in found], GREY[[19, 3, 4, 0]])
    assert read_contents(EncodedImage(path.read_bytes()), False).n == 20


def test_without_the_package_the_reason_names_the_extra(tmp_path, monkeypatch):
    hdf5(tmp_path / "a.h5", images=GREY)
    zarr_folder(tmp_path / "b.zarr", images=GREY)
    monkeypatch.setattr(optional_formats, "_is_installed", lambda _: False)
    for name, extra in (("a.h5", "hdf5"), ("b.zarr", "zarr"), ("a.h5:images", "hdf5")):
        with pytest.raises(MissingPackageError, match=rf"pip install 'latentmap\[{extra}\]'"):
            open_images(f"{tmp_path}/{name}")
    with pytest.raises(SourceError, match=r"latentmap\[hdf5\].*latentmap\[zarr\]"):
        open_images(tmp_path)


def originals() -> list[tuple[str, bytes]]:
    """HDF5 files: compressed, in one piece, with labels, of floats."""
    found = []
    for options in ({"chunks": (4, 9, 11), "compression": "gzip"}, {"chunks": (1, 9, 11), "shuffle": True}, {}):
        for values in (GREY, GREY.astype(np.float32)):
            file = io.BytesIO()
            with h5py.File(file, "w") as opened:
                opened.create_dataset("images", data=values, **options)
                opened.create_dataset("labels", data=np.arange(20))
            found.append(("h5", file.getvalue()))
    return found


def test_mutated_files_are_decoded_or_listed(tmp_path):
    (tmp_path / "files").mkdir()
    decoded, skipped, peak = fuzz_files(tmp_path / "files", originals(), 200, seed=1, n_kept=8)
    assert decoded > 20
    assert skipped > 20
    assert peak < 2**30


def test_mutated_folders_are_decoded_or_listed(tmp_path):
    random = np.random.default_rng(3)
    for i in range(60):
        path = zarr_folder(tmp_path / "files" / f"{i:03d}.zarr", 2 + i % 2, images=GREY[:8])
        chosen = random.choice(sorted(str(one) for one in path.rglob("*") if one.is_file()))
        data = bytearray(Path(chosen).read_bytes())
        at = int(random.integers(len(data)))
        data[at : at + int(random.integers(1, 9))] = random.bytes(int(random.integers(0, 9)))
        Path(chosen).write_bytes(data)
    Image.fromarray(GREY[0]).save(tmp_path / "files" / "good.png")
    collection = open_images(tmp_path / "files")
    seen = {path.partition("[")[0] for path in [*collection.paths, *(one.path for one in collection.skipped)]}
    listed = set(os.listdir(tmp_path / "files"))  # noqa: PTH208
    assert seen == listed
