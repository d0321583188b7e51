"""TIFFs that name their axes, and compressions that only tifffile reads; without it, the reason names the extra."""

import numpy as np
import pytest

from latentmap import open_images
from latentmap.images import tiff_series
from latentmap.images.decoding import EncodedImage, Failure, decode_images, probe_images, read_contents
from latentmap.images.image_files import FileContents
from latentmap.images.shape import Shape

tifffile = pytest.importorskip("tifffile")
pytest.importorskip("imagecodecs")
RANDOM = np.random.default_rng(0)
STACK = RANDOM.integers(0, 4000, (5, 12, 10)).astype(np.uint16)  # channels, rows, columns


def write_many(folder, values, n=6, **options):
    for i in range(n):
        tifffile.imwrite(folder / f"{i}.tif", values + np.asarray(i, values.dtype), **options)


def channels_of(data: bytes, n_channels: int) -> np.ndarray:
    """The values of the channels of a file, which are below 256."""
    from latentmap.images.channels import Channel

    channels = tuple(Channel(k, str(k), 0, 255) for k in range(n_channels))
    (probe,) = probe_images([EncodedImage(data)])
    (found,) = decode_images([EncodedImage(data)], Shape(probe.height, probe.width, n_channels, channel_list=channels))
    assert not isinstance(found, Failure), found
    return found.pixels


@pytest.mark.parametrize("kind", ["ome", "imagej", "shaped"])
def test_channels_that_a_file_names_belong_to_one_image(tmp_path, kind):
    metadata = {"axes": "CYX"}
    if kind == "ome":
        metadata["Channel"] = {"Name": ["dapi", "gfp", "cy3", "cy5", "bf"]}
    write_many(tmp_path, STACK, metadata=metadata, ome=kind == "ome", imagej=kind == "imagej")
    found = open_images(tmp_path, range="0,4095")
    assert len(found) == 6
    assert found.image_shape == (12, 10, 5)
    assert not found.skipped
    expected = np.rint(STACK.transpose(1, 2, 0) / 4095 * 65535)
    np.testing.assert_array_equal(found.images[0], expected)
    names = [one.name for one in found.channels]
    assert names == (metadata["Channel"]["Name"] if kind == "ome" else [f"channel {k}" for k in range(5)])


def test_pages_can_be_images_although_the_file_names_channels(tmp_path):
    write_many(tmp_path, STACK, metadata={"axes": "CYX"}, ome=True)
    assert len(open_images(tmp_path, axes="images")) == 30


def test_times_are_images_and_planes_are_projected(tmp_path):
    values = RANDOM.integers(0, 250, (3, 4, 2, 12, 10)).astype(np.uint8)
    write_many(tmp_path, values, n=2, metadata={"axes": "TZCYX"}, imagej=True)
    found = open_images(tmp_path, range="0,255")
    assert found.paths[:4] == ["0.tif[0]", "0.tif[1]", "0.tif[2]", "1.tif[0]"]
    np.testing.assert_array_equal(found.images[1], values[1].max(axis=0).transpose(1, 2, 0))
    mean = open_images(tmp_path, range="0,255", project="mean")
    np.testing.assert_array_equal(mean.images[2], np.rint(values[2].mean(axis=0)).transpose(1, 2, 0))


def test_a_file_without_channels_and_planes_is_read_as_before(tmp_path, monkeypatch):
    write_many(tmp_path, STACK, metadata={"axes": "TYX"}, ome=True)
    with_axes = open_images(tmp_path)
    monkeypatch.setattr(tiff_series, "has_tifffile", lambda: False)
    assert len(with_axes) == 30
    np.testing.assert_array_equal(with_axes.images, open_images(tmp_path).images)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"planarconfig": "separate"},
        {"tile": (16, 16)},
        {"compression": "zlib", "predictor": True},
        {"bigtiff": True, "byteorder": ">"},
        {"compression": "zstd"},
        {"compression": "lerc"},
        {"compression": "jpegxl"},
        {"compression": "png"},
    ],
    ids=lambda options: "-".join(map(str, options.values())) or "plain",
)
def test_samples_that_are_no_colours_are_channels_however_they_are_packed(options, tmp_path):
    n_channels = 2 if options.get("compression") == "png" else 6
    values = RANDOM.integers(0, 256, (21, 33, n_channels)).astype(np.uint8)
    stored = np.moveaxis(values, -1, 0) if options.get("planarconfig") == "separate" else values
    options = {"planarconfig": "contig"} | options
    if options.get("compression") == "png":
        options["extrasamples"] = ["unspecified"]
    path = tmp_path / "one.tif"
    tifffile.imwrite(path, stored, photometric="minisblack", metadata=None, **options)
    np.testing.assert_array_equal(channels_of(path.read_bytes(), n_channels), values)


def test_bands_beyond_red_green_and_blue_are_channels(tmp_path):
    values = RANDOM.integers(0, 256, (20, 20, 7)).astype(np.uint8)
    path = tmp_path / "one.tif"
    tifffile.imwrite(path, values, photometric="rgb", extrasamples=["unspecified"] * 4, metadata=None)
    np.testing.assert_array_equal(channels_of(path.read_bytes(), 7), values)


def test_floats_and_values_that_mean_no_data(tmp_path):
    values = RANDOM.random((10, 10, 4)).astype(np.float32)
    values[0, 0] = -9999
    values[1, 1, 2] = np.nan
    for i in range(5):
        extra = [(42113, "s", 6, "-9999", True)]
        tifffile.imwrite(
            tmp_path / f"{i}.tif",
            values,
            photometric="minisblack",
            planarconfig="contig",
            metadata=None,
            extratags=extra,
        )
    found = open_images(tmp_path, range="0,1")
    assert found.images[0, 0, 0].tolist() == [0, 0, 0, 0]
    assert found.images[0, 1, 1, 2] == 0
    expected = np.rint(values[5].astype(np.float64) * 65535)
    np.testing.assert_array_equal(found.images[0, 5], expected)
    chosen = open_images(tmp_path)
    assert all(0 <= one.low < 0.1 and 0.9 < one.high <= 1 for one in chosen.channels)


@pytest.mark.parametrize("compression", ["lerc", "webp", "jpegxl", "jpeg2000"])
def test_colours_of_any_compression_are_those_of_the_writer(compression, tmp_path):
    values = RANDOM.integers(0, 256, (24, 24, 3)).astype(np.uint8)
    path = tmp_path / "one.tif"
    arguments = {"webp": {"lossless": True}, "jpegxl": {"lossless": True}}.get(compression)
    tifffile.imwrite(path, values, photometric="rgb", compression=compression, compressionargs=arguments)
    (found,) = decode_images([EncodedImage(path.read_bytes())], Shape(24, 24, 3, color="rgb"))
    assert not isinstance(found, Failure), found
    np.testing.assert_array_equal(found.pixels, values)


def test_without_the_extra_the_reason_names_it(tmp_path, monkeypatch):
    path = tmp_path / "one.tif"
    tifffile.imwrite(path, STACK[0], compression="lerc")
    monkeypatch.setattr(tiff_series, "has_tifffile", lambda: False)
    (found,) = decode_images([EncodedImage(path.read_bytes())], Shape(12, 10, 1))
    assert found == Failure(
        "a TIFF page of 16 bits, 1 channels (grey), compression LERC, which is not read; "
        "pip install 'latentmap[tiff]' reads more kinds of TIFF"
    )


def test_damaged_files_end_as_failures(tmp_path):
    path = tmp_path / "one.tif"
    tifffile.imwrite(path, STACK, metadata={"axes": "CYX"}, ome=True, compression="zlib")
    data = bytearray(path.read_bytes())
    random = np.random.default_rng(1)
    for _ in range(60):
        broken = bytearray(data)
        for at in random.integers(4, len(data), 12):
            broken[at] = random.integers(256)
        cut = bytes(broken[: random.integers(8, len(data))] if random.random() < 0.5 else broken)
        image = EncodedImage(cut)
        assert isinstance(read_contents(image, False), FileContents | Failure)
        for one in probe_images([image]):
            assert one is not None


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"compression": "lzw"}, {"bigtiff": True}])
@pytest.mark.parametrize("kind", ["ome", "shaped", "samples"])
def test_a_file_that_ends_too_early_has_no_black_parts(options, kind, tmp_path):
    from latentmap.images.channels import Channel

    values = 1 + RANDOM.integers(0, 250, (3, 16, 20)).astype(np.uint8)
    path = tmp_path / "one.tif"
    if kind == "samples":
        stored, options = np.moveaxis(values, 0, -1)[..., :2], options | {"planarconfig": "contig"}
        tifffile.imwrite(path, stored, photometric="minisblack", metadata=None, **options)
    else:
        tifffile.imwrite(path, values, metadata={"axes": "CYX"}, ome=kind == "ome", photometric="minisblack", **options)
    data, n_channels = path.read_bytes(), 2 if kind == "samples" else 3
    channels = tuple(Channel(k, str(k), 0, 255) for k in range(n_channels))
    shape = Shape(16, 20, n_channels, channel_list=channels, file_channels=n_channels)
    for length in range(len(data) // 3, len(data), max(1, len(data) // 40)):
        (found,) = decode_images([EncodedImage(data[:length])], shape)
        if not isinstance(found, Failure):
            np.testing.assert_array_equal(found.pixels, np.moveaxis(values, 0, -1)[..., :n_channels])
