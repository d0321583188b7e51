"""FITS files: values as the header scales them, extensions, cubes and compressed images; the extra in the reason."""

import gzip
import io
import zipfile

import numpy as np
import pytest
from fuzzing import fuzz_files
from PIL import Image

from latentmap import open_images
from latentmap.core.errors import InputError
from latentmap.images import decompression, optional_formats
from latentmap.images.decoding import EncodedImage, Failure, decode_images, probe_images, read_contents
from latentmap.images.image_files import FileContents
from latentmap.images.page_options import PageOptions
from latentmap.images.shape import Shape

fits = pytest.importorskip("astropy.io.fits")
RANDOM = np.random.default_rng(0)
DEEP = RANDOM.integers(0, 65536, (20, 24)).astype(np.uint16)


def encoded(*hdus) -> bytes:
    """A file of some arrays or header and data units; arrays have their first row at the top."""
    made = [hdu if not isinstance(hdu, np.ndarray) else fits.ImageHDU(hdu[..., ::-1, :].copy()) for hdu in hdus]
    file = io.BytesIO()
    first = [] if isinstance(made[0], fits.PrimaryHDU) else [fits.PrimaryHDU()]
    fits.HDUList([*first, *made]).writeto(file)
    return file.getvalue()


def compressed(values: np.ndarray, **options) -> bytes:
    return encoded(fits.CompImageHDU(values[..., ::-1, :].copy(), **options))


def decoded(data: bytes, *, low: float, high: float, frame: int | None = None, **pages) -> np.ndarray:
    """The pixels of an image, by a range of values."""
    options = PageOptions(**pages)
    image = EncodedImage(data, frame)
    (probe,) = probe_images([image], options)
    assert not isinstance(probe, Failure), probe
    limits = (low, high)
    shape = Shape(probe.height, probe.width, 1 if probe.is_grey else 3, value_range=limits, float_range=limits, **pages)
    (found,) = decode_images([image], shape)
    assert not isinstance(found, Failure), found
    return found.pixels


@pytest.mark.parametrize(
    "values",
    [
        DEEP,
        DEEP.astype(np.int16),
        (DEEP // 256).astype(np.uint8),
        (DEEP // 256).astype(np.uint8).view(np.int8),
        DEEP.astype(np.uint32) * 65537,
        DEEP.astype(np.int64) * -(2**40),
        DEEP.astype(np.uint64) * 2**48,
    ],
    ids=lambda values: values.dtype.name,
)
def test_integers_of_any_type_are_exact(values):
    low, high = int(values.min()), int(values.max())
    wanted = np.rint([[255 * (int(v) - low) / (high - low) for v in row] for row in values])
    if values.dtype == np.uint8:
        wanted = values
    np.testing.assert_array_equal(decoded(encoded(values), low=low, high=high), wanted)
    (probe,) = probe_images([EncodedImage(encoded(values))])
    if values.dtype != np.uint8:
        assert (probe.lowest, probe.highest, probe.is_float) == (low, high, False)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_floats_with_nan(kind):
    values = RANDOM.random((9, 11)).astype(kind)
    values[2, 3] = np.nan
    wanted = np.nan_to_num(np.rint(values.astype(np.float64) * 255))
    np.testing.assert_allclose(decoded(encoded(values), low=0, high=1), wanted, atol=1)
    assert decoded(encoded(values), low=-1, high=1)[2, 3] == 0


@pytest.mark.parametrize("blank", [0, 77, -32768])
def test_a_blank_value_is_black_and_integers_stay_integers(blank):
    stored = RANDOM.integers(100, 200, (6, 7)).astype(np.int16)
    stored[1, 2] = blank
    hdu = fits.PrimaryHDU(stored[::-1].copy())
    hdu.header["BLANK"] = blank
    pixels = decoded(encoded(hdu), low=-500, high=200)
    assert pixels[1, 2] == 0
    assert np.delete(pixels.ravel(), 9).min() > 200
    (probe,) = probe_images([EncodedImage(encoded(hdu))])
    assert (probe.is_float, probe.lowest >= 100) == (False, True)


def test_scaled_values():
    hdu = fits.PrimaryHDU(np.arange(12, dtype=np.int16).reshape(3, 4)[::-1].copy())
    hdu.header["BSCALE"], hdu.header["BZERO"] = 0.5, 10.0
    file = io.BytesIO(encoded(hdu))
    pixels = decoded(file.getvalue(), low=10, high=15.5)
    np.testing.assert_array_equal(pixels, np.rint(np.arange(12).reshape(3, 4) / 11 * 255))


@pytest.mark.parametrize("kind", ["RICE_1", "GZIP_1", "GZIP_2", "PLIO_1", "HCOMPRESS_1", "NOCOMPRESS"])
def test_compressed_images(kind):
    values = (DEEP % 250).astype(np.int16)
    data = compressed(values, compression_type=kind)
    np.testing.assert_array_equal(decoded(data, low=0, high=255), values)


def test_compressed_images_that_are_scaled_or_quantised():
    np.testing.assert_array_equal(
        decoded(compressed(DEEP, compression_type="RICE_1"), low=0, high=65535), np.rint(DEEP / 257)
    )
    values = RANDOM.random((40, 40)).astype(np.float32)
    found = decoded(compressed(values, compression_type="RICE_1", quantize_level=64), low=0, high=1)
    np.testing.assert_allclose(found, values * 255, atol=2)


def test_only_the_planes_that_are_needed_are_decompressed():
    cube = np.stack([np.full((8, 9), i, np.int16) for i in range(5)])
    data = bytearray(compressed(cube, compression_type="GZIP_1", tile_shape=(1, 8, 9)))
    at = data.rindex(b"\x1f\x8b")  # of the last plane
    data[at : at + 12] = bytes(12)
    assert decoded(bytes(data), frame=0, low=0, high=255).tolist() == np.zeros((8, 9)).tolist()
    (found,) = decode_images([EncodedImage(bytes(data), 4)], Shape(8, 9, 1, value_range=(0, 255)))
    assert isinstance(found, Failure)
    assert found.reason.startswith("a damaged FITS file")


def test_each_extension_is_an_image_with_its_name(tmp_path):
    table = fits.BinTableHDU.from_columns([fits.Column("a", "J", array=[1, 2])])
    second = fits.ImageHDU((DEEP // 2)[::-1].copy(), name="ERR")
    spectrum = fits.ImageHDU(np.arange(50, dtype=np.float32))
    for i in range(3):
        (tmp_path / f"{i}.fits").write_bytes(encoded(DEEP, table, spectrum, second))
    found = open_images(tmp_path)
    assert found.paths == [f"{i}.fits[{k}]" for i in range(3) for k in range(2)]
    assert found.table["extension"].to_pylist() == ["0", "ERR"] * 3
    np.testing.assert_array_equal(found.images[0], np.rint(DEEP / 257))
    np.testing.assert_array_equal(found.images[3], np.rint((DEEP // 2) / 257))


def test_planes_of_a_cube_are_images_channels_or_a_volume(tmp_path):
    cube = RANDOM.integers(0, 4096, (2, 5, 10, 12)).astype(np.int16)
    for i in range(4):
        (tmp_path / f"{i}.fits").write_bytes(encoded(cube + np.int16(i)))
    planes = cube.reshape(10, 10, 12)
    images = open_images(tmp_path, range="0,4098", axes="images")
    assert (len(images), len(open_images(tmp_path))) == (40, 40)
    np.testing.assert_array_equal(images.images[13].squeeze(), np.rint((planes[3] + 1) / 4098 * 65535))
    channels = open_images(tmp_path, axes="channels", range="0,4098")
    assert channels.image_shape == (10, 12, 10)
    np.testing.assert_array_equal(channels.images[0], np.rint(planes.transpose(1, 2, 0) / 4098 * 65535))
    volume = open_images(tmp_path, axes="z", range="0,4098")
    np.testing.assert_array_equal(volume.images[2].squeeze(), np.rint((planes.max(axis=0) + 2) / 4098 * 65535))
    mean = open_images(tmp_path, axes="z", project="mean", range="0,4098")
    np.testing.assert_array_equal(mean.images[0].squeeze(), np.rint(np.rint(planes.mean(axis=0)) / 4098 * 65535))


def test_three_planes_are_colours_and_extensions_of_bands_are_channels(tmp_path):
    colors = RANDOM.integers(0, 256, (3, 8, 9)).astype(np.uint8)
    pixels = decoded(encoded(colors), low=0, high=255)
    np.testing.assert_array_equal(pixels, colors.transpose(1, 2, 0))
    for i in range(3):
        (tmp_path / f"{i}.fits").write_bytes(encoded(*(DEEP // (k + 1) for k in range(4))))
    found = open_images(tmp_path, axes="channels", range="0,65535")
    assert found.image_shape == (20, 24, 4)
    np.testing.assert_array_equal(found.images[1, ..., 3], DEEP // 4)


def test_missing_values_of_one_plane_do_not_hide_the_others():
    cube = np.full((2, 3, 4), 50, np.int16)
    cube[0, 1, 1] = -1
    hdu = fits.PrimaryHDU(cube[:, ::-1].copy())
    hdu.header["BLANK"] = -1
    pixels = decoded(encoded(hdu), low=0, high=255, axes="z")
    assert pixels.tolist() == [[50] * 4] * 3


def test_a_suffix_is_not_needed(tmp_path):
    for i in range(3):
        (tmp_path / f"scan{i}").write_bytes(encoded(DEEP))
        (tmp_path / f"{i}.fits.fz").write_bytes(compressed(DEEP))
    found = open_images(tmp_path)
    assert (len(found), len(found.skipped)) == (6, 0)
    np.testing.assert_array_equal(found.images[0], found.images[5])


def test_without_the_package_the_reason_names_the_extra(tmp_path, monkeypatch):
    for i in range(2):
        (tmp_path / f"{i}.fits").write_bytes(encoded(DEEP))
    monkeypatch.setattr(optional_formats, "_is_installed", lambda package: package != "astropy")
    with pytest.raises(InputError, match=r"a FITS file, which is read by the package astropy: .*latentmap\[fits\]"):
        open_images(tmp_path)


def reason(data: bytes) -> str:
    found = read_contents(EncodedImage(data), False)
    if isinstance(found, FileContents):
        (found,) = decode_images([EncodedImage(data)], Shape(20, 24, 1, value_range=(0, 65535)))
    assert isinstance(found, Failure), found
    return found.reason


def test_reasons_of_files_that_cannot_be_read():
    data = encoded(fits.PrimaryHDU(DEEP))
    assert reason(data[:3200]) == "image file is truncated (3,200 bytes)"
    assert reason(data[:700]).startswith("a damaged FITS file")
    assert reason(encoded(fits.PrimaryHDU(), fits.ImageHDU(np.arange(9)))) == "no image in this FITS file"
    assert "decompression bomb" in reason(
        data.replace(b"NAXIS1  =                   24", b"NAXIS1  =             24000000")
    )
    deep = compressed(np.zeros((2, 4, 4), np.int16), tile_shape=(2, 4, 4), compression_type="GZIP_1")
    assert "states" in reason(deep.replace(b"ZNAXIS3 =                    2", b"ZNAXIS3 =            100000000"))


def test_files_of_too_many_planes_are_refused(monkeypatch):
    monkeypatch.setattr("latentmap.images.fits.MAX_PLANES", 4)
    data = encoded(np.zeros((5, 3, 4), np.uint8))
    assert reason(data) == "more than 4 planes: split the file"


def test_damaged_files(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    files = [
        ("fits", encoded(DEEP)),
        ("fits", encoded(DEEP.astype(np.float32), DEEP)),
        ("fits", encoded(fits.PrimaryHDU(RANDOM.random((3, 8, 8)).astype(np.float32)))),
        *(("fz", compressed((DEEP % 200).astype(np.int16), compression_type=k)) for k in ("RICE_1", "HCOMPRESS_1")),
        *(("fz", compressed((DEEP % 200).astype(np.int16), compression_type=k)) for k in ("GZIP_2", "PLIO_1")),
    ]
    n_decoded, n_skipped, memory = fuzz_files(folder, files, 150, seed=1)
    assert n_decoded > 5
    assert n_skipped > 5
    assert memory < 2**30


# ---------------------------------------------------------------- gzip


@pytest.mark.parametrize("suffix", [".fits.gz", ".FIT.gz", ".fts.gz"])
def test_files_inside_gzip_are_those_that_they_contain(tmp_path, suffix):
    data = encoded(np.stack([DEEP, DEEP + np.uint16(9)]))
    for folder, name, content in (("plain", "sky.fits", data), ("packed", f"sky{suffix}", gzip.compress(data))):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_bytes(content)
    plain, packed = open_images(tmp_path / "plain"), open_images(tmp_path / "packed")
    assert packed.paths == [f"sky{suffix}[0]", f"sky{suffix}[1]"]
    np.testing.assert_array_equal(packed.images, plain.images)
    assert packed.table["pixels_sha256"] == plain.table["pixels_sha256"]
    one = open_images(tmp_path / "packed" / f"sky{suffix}")
    np.testing.assert_array_equal(one.images, plain.images)
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr(f"sky{suffix}", gzip.compress(data))
    np.testing.assert_array_equal(open_images(tmp_path / "all.zip").images, plain.images)


def test_damaged_gzip_and_bombs_are_reasons(monkeypatch):
    data = gzip.compress(encoded(DEEP))
    shape = Shape(20, 24, 1, value_range=(0, 65535))
    broken = bytearray(data)
    broken[len(data) // 2] ^= 255
    for content, reason in (
        (data[: len(data) // 2], "truncated"),
        (bytes(broken), "damaged"),
        (gzip.compress(b"SIMPLE  = nothing"), "FITS"),
        (gzip.compress(b"x" * 99), "not an image of any format"),
    ):
        (found,) = decode_images([EncodedImage(content)], shape)
        assert reason in found.reason
    monkeypatch.setattr(decompression, "MIN_LIMIT_BYTES", 4000)
    bomb = gzip.compress(encoded(np.zeros((2000, 2000), np.uint8)))
    (found,) = decode_images([EncodedImage(bomb)], shape)
    assert "decompression bomb" in found.reason


def test_mutated_gzip_files_end_as_images_or_reasons():
    data = gzip.compress(encoded(DEEP))
    shape = Shape(20, 24, 1, value_range=(0, 65535))
    for _ in range(100):
        broken = bytearray(data)
        for at in RANDOM.integers(0, len(data), 3):
            broken[at] = RANDOM.integers(256)
        assert len(decode_images([EncodedImage(bytes(broken[: RANDOM.integers(1, len(data))]))], shape)) == 1


def test_without_the_extra_files_inside_gzip_name_it(tmp_path, monkeypatch):
    monkeypatch.setattr(optional_formats, "_is_installed", lambda package: package != "astropy")
    (tmp_path / "sky.fits.gz").write_bytes(gzip.compress(encoded(DEEP)))
    Image.fromarray(DEEP.astype(np.uint8)).save(tmp_path / "x.png")
    (skipped,) = open_images(tmp_path).skipped
    assert "latentmap[fits]" in skipped.reason
