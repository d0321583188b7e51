"""Pixels are what the file says: depth, sign, white, orientation, range, pages, copies; and exact duplicates."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from latentmap.images import SourceError, open_images
from latentmap.images.decoding import Decoded, EncodedImage, Failure, decode_images, probe_images, read_contents
from latentmap.images.image_files import open_image_file
from latentmap.images.shape import Shape
from latentmap.run.finding import duplicates

RAMP = (np.arange(24 * 16, dtype=np.uint16) * 170).reshape(16, 24)


def tiff(values: np.ndarray, order: str = "<", **tags: object) -> bytes:
    """A TIFF without compression, with tags of any kind: (type, values)."""
    height, width, *samples = values.shape
    n = samples[0] if samples else 1
    kind = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    entries = {256: (4, [width]), 257: (4, [height]), 258: (3, [values.dtype.itemsize * 8] * n), 259: (3, [1])}
    entries |= {262: (3, [2 if n >= 3 else 1]), 273: (4, [8]), 277: (3, [n]), 278: (4, [height])}
    entries |= {279: (4, [values.nbytes]), 339: (3, [kind] * n)}
    entries |= {int(tag.removeprefix("t")): value for tag, value in tags.items()}
    data = values.astype(values.dtype.newbyteorder(order)).tobytes()
    data += bytes(len(data) % 2)
    begin = 8 + len(data)
    extra_at, extra, directory = begin + 2 + 12 * len(entries) + 4, b"", b""
    for tag, (form, numbers) in sorted(entries.items()):
        content = struct.pack(f"{order}{len(numbers)}{ {2: 'B', 3: 'H', 4: 'I'}[form] }", *numbers)
        directory += struct.pack(f"{order}HHI", tag, form, len(numbers))
        if len(content) > 4:
            directory += struct.pack(f"{order}I", extra_at + len(extra))
            extra += content
        else:
            directory += content.ljust(4, b"\0")
    head = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, begin)
    return head + data + struct.pack(f"{order}H", len(entries)) + directory + bytes(4) + extra


def png(values: np.ndarray, color: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of 16 bits."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, color, 0, 0, 0)), *chunks]
    parts += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )


def values_of(data: bytes) -> np.ndarray:
    with open_image_file(io.BytesIO(data)) as pictures:
        deep = pictures.picture(None).high_bit_depth
        assert deep is not None
        return deep.values


@pytest.mark.parametrize("dtype", ["i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_tiff_values_are_those_of_the_file(dtype, order):
    values = np.random.default_rng(0).integers(0, 256, (5, 7 * np.dtype(dtype).itemsize), dtype=np.uint8).view(dtype)
    np.testing.assert_array_equal(values_of(tiff(values, order)), values)
    colors = np.stack([values, values[::-1], values[:, ::-1]], axis=-1)
    np.testing.assert_array_equal(values_of(tiff(colors, order)), colors)


def test_white_is_zero_is_turned_round_at_any_depth():
    white = {"t262": (3, [0])}
    assert values_of(tiff(np.array([[0, 65535]], np.uint16), **white)).tolist() == [[65535, 0]]
    assert values_of(tiff(np.array([[0, 2**32 - 1]], np.uint32), **white)).tolist() == [[2**32 - 1, 0]]
    assert values_of(tiff(np.array([[0, 5]], np.int16), **white)).tolist() == [[-1, -6]]
    assert values_of(tiff(np.array([[0, 1]], np.float32), **white)).tolist() == [[1, 0]]


@pytest.mark.parametrize("color", [2, 4, 6])
def test_colours_and_transparency_of_16_bits_in_png_are_whole(color):
    n = {2: 3, 4: 2, 6: 4}[color]
    values = np.random.default_rng(1).integers(0, 2**16, (6, 9, n)).astype(np.uint16)
    np.testing.assert_array_equal(values_of(png(values, color)), values[..., 0] if n == 2 else values[..., :3])


def test_colours_of_twelve_bits_are_as_bright_as_grey_ones(tmp_path):
    ramp = np.minimum(RAMP, 4095)
    (tmp_path / "a.png").write_bytes(png(np.repeat(ramp[..., None], 3, axis=2), 2))
    Image.fromarray(ramp).save(tmp_path / "b.png")
    found = open_images(tmp_path, color="grey")
    assert found.shape.value_range == (0, 4095)
    np.testing.assert_array_equal(found.images[0], found.images[1])


def test_a_transparent_colour_of_16_bits_shows_the_ground(tmp_path):
    values = np.zeros((2, 2, 3), np.uint16)
    values[0, 0] = 1, 2, 3
    key = (b"tRNS", struct.pack(">3H", 1, 2, 3))
    (decoded,) = decode_images([EncodedImage(png(values, 2, key))], Shape(2, 2, 3, background="#ff0000"))
    assert isinstance(decoded, Decoded)
    assert decoded.pixels[0, 0].tolist() == [255, 0, 0]
    assert decoded.pixels[1, 1].tolist() == [0, 0, 0]


def fits(stored: np.ndarray, bits: int, *cards: str) -> bytes:
    height, width = stored.shape
    lines = [
        "SIMPLE  = T",
        f"BITPIX  = {bits}",
        "NAXIS   = 2",
        f"NAXIS1  = {width}",
        f"NAXIS2  = {height}",
        *cards,
        "END",
    ]
    head = "".join(f"{line:80}" for line in lines).encode()
    return head.ljust(-(-len(head) // 2880) * 2880) + stored[::-1].tobytes().ljust(2880, b"\0")


def test_fits_has_the_scale_and_zero_of_its_header():
    true = np.array([[0, 1, 65535], [300, 40000, 32768]])
    stored = (true - 32768).astype(">i2")
    assert values_of(fits(stored, 16, "BZERO   = 32768")).tolist() == true.tolist()
    scaled = values_of(fits(np.array([[2, 4]], ">i4"), 32, "BSCALE  = 0.5", "BZERO   = 1D1"))
    assert scaled.tolist() == [[11, 12]]
    (decoded,) = decode_images(
        [EncodedImage(fits(np.array([[7, -5]], ">i2"), 16, "BLANK   = 7"))], Shape(1, 2, 1, value_range=(-6, -4))
    )
    assert decoded.pixels.tolist() == [[0, 128]]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_orientation_turns_pixels_and_sizes(orientation, dtype):
    from PIL import ImageOps

    values = (RAMP % 251).astype(dtype)
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = Image.fromarray(values.astype(np.uint8))
    upright.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(upright))
    data = tiff(values, t274=(3, [orientation]))
    for item in (EncodedImage(data), EncodedImage(data, 0)):
        (decoded,) = decode_images([item], Shape(*expected.shape, 1, value_range=(0, 255)))
        assert (decoded.height, decoded.width) == expected.shape
        np.testing.assert_array_equal(decoded.pixels, expected)


def test_ranges_of_integers_and_floats_are_kept_apart(tmp_path):
    Image.fromarray(RAMP).save(tmp_path / "whole.png")
    (tmp_path / "floats.tif").write_bytes(tiff(np.linspace(0, 1, 16 * 24, dtype=np.float32).reshape(16, 24)))
    (tmp_path / "usual.png").write_bytes(b"")
    Image.fromarray((RAMP >> 8).astype(np.uint8)).save(tmp_path / "usual.png")
    found = open_images(tmp_path)
    assert found.shape.value_range == (0, 65535)
    assert found.shape.float_range == (0.0, 1.0)
    assert found.images.reshape(3, -1).max(axis=1).tolist() == [255, 254, 253]


def test_deep_pictures_that_no_look_found_have_their_range(tmp_path, monkeypatch):
    from latentmap.images import listing_decoder

    monkeypatch.setattr(listing_decoder, "N_PROBES", 2)
    for name in "adz":
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / f"{name}.png")
    for name, largest in (("b", 1.0), ("c", 3.0)):
        (tmp_path / f"{name}.tif").write_bytes(tiff(np.full((4, 4), largest, np.float32) * np.eye(4, dtype=np.float32)))
    found = open_images(tmp_path)
    assert found.shape.float_range == (0.0, 3.0)
    assert found.images[:, 0, 0].tolist() == [0, 85, 255, 0, 0]


def test_reduced_copies_and_masks_are_no_images_and_pages_are_found_by_content(tmp_path):
    pages = [Image.fromarray(np.full((8, 8), 50 * i, np.uint8)) for i in range(4)]
    stream = io.BytesIO()
    pages[0].save(stream, "TIFF", save_all=True, append_images=pages[1:])
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "scan").write_bytes(stream.getvalue())
    Image.fromarray(RAMP.astype(np.uint8)).save(tmp_path / "pages" / "a.png")
    assert open_images(tmp_path / "pages").paths == ["a.png", "scan[0]", "scan[1]", "scan[2]", "scan[3]"]
    assert read_contents(EncodedImage(tiff(RAMP, t254=(4, [1]))), False).n == 1, "nothing but a reduced copy"
    whole, copy = tiff(RAMP), tiff(RAMP[::2, ::2].copy(), t254=(4, [1]))
    begin = struct.unpack_from("<I", copy, 4)[0]
    shifted = bytearray(whole + copy)
    first = struct.unpack_from("<I", whole, 4)[0]
    n = struct.unpack_from("<H", whole, first)[0]
    struct.pack_into("<I", shifted, first + 2 + 12 * n, len(whole) + begin)
    assert read_contents(EncodedImage(bytes(shifted)), False).n == 1
    struct.pack_into("<I", shifted, first + 2 + 12 * n, 2**31)
    assert read_contents(EncodedImage(bytes(shifted)), False).n == 2, (
        "a page that is beyond the end is listed, not lost"
    )
    assert "damaged: a page at byte" in decode_images([EncodedImage(bytes(shifted), 1)], Shape(4, 4, 1))[0].reason


def test_frames_that_an_animation_claims_are_counted():
    stream = io.BytesIO()
    frames = [Image.new("L", (8, 8), 40 * i) for i in range(3)]
    frames[0].save(stream, "PNG", save_all=True, append_images=frames[1:])
    data = bytearray(stream.getvalue())
    at = data.find(b"acTL")
    struct.pack_into(">I", data, at + 4, 0x7FFFFFFF)
    struct.pack_into(">I", data, at + 12, zlib.crc32(data[at : at + 12]))
    assert read_contents(EncodedImage(bytes(data)), True).n == 3


def test_filled_long_pictures_keep_their_middle_to_the_pixel(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (64, 1024), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.testing.assert_array_equal(open_images(tmp_path, size=64, fit="fill").images[0], pixels[:, 480:544])
    found = open_images(tmp_path)
    assert found.image_shape == (32, 512)
    assert open_images(tmp_path, size=64, fit="stretch").image_shape == (64, 64)


def test_exact_means_that_all_pixels_are_equal(tmp_path):
    pixels = np.full((400, 400), 200, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "0.png")
    Image.fromarray(pixels).save(tmp_path / "1.bmp")
    pixels[200, 200] = 199
    Image.fromarray(pixels).save(tmp_path / "2.png")
    found = open_images(tmp_path, size=16)
    assert (found.images == 200).all()
    contents = found.table["pixels_sha256"].to_pylist()
    assert contents[0] == contents[1] != contents[2]
    indices = np.array([[1, 2], [0, 2], [0, 1]], np.int32)
    pairs = duplicates(found.images, indices, np.full((3, 2), 1e-3, np.float32), np.array(contents, "V32"))
    assert (pairs["id"][pairs["exact"]].tolist(), pairs["duplicate_of"][pairs["exact"]].tolist()) == ([1], [0])


def test_palettes_tell_frames_apart():
    one, other = (Image.new("P", (4, 4), 1) for _ in range(2))
    one.putpalette([0, 0, 0, 255, 0, 0])
    other.putpalette([0, 0, 0, 0, 0, 255])
    digests = []
    for image in (one, other):
        stream = io.BytesIO()
        image.save(stream, "TIFF")
        digests.append(decode_images([EncodedImage(stream.getvalue(), 0)], Shape(4, 4, 3))[0].sha256)
    assert digests[0] != digests[1]


def test_sparse_files_are_refused_before_they_are_hashed(tmp_path):
    Image.fromarray(RAMP.astype(np.uint8)).save(tmp_path / "huge.png")
    with (tmp_path / "huge.png").open("r+b") as file:
        file.truncate(2**40)
    assert decode_images([EncodedImage(str(tmp_path / "huge.png"))], Shape(4, 4, 1)) == [
        Failure("larger than 2 GiB, more than any single image needs")
    ]
    assert isinstance(probe_images([EncodedImage(str(tmp_path / "huge.png"))])[0], Failure)


def test_damaged_and_hostile_npz_files_are_named(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (50, 8, 8), dtype=np.uint8)
    path = tmp_path / "a.npz"
    np.savez_compressed(path, images=images)
    whole = path.read_bytes()
    np.testing.assert_array_equal(open_images(path).images, images)
    with pytest.raises(SourceError, match=r"take 0\.00 GB decoded, the limit is 1e-06 GB"):
        open_images(path, cache_limit=1e-6)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match="damaged"):
        open_images(path)
    np.savez(path, images=images)
    content = bytearray(path.read_bytes())
    content[1000] ^= 255
    path.write_bytes(content)
    with pytest.raises(SourceError, match="CRC"):
        open_images(path)
    np.savez(path, images=np.array([[[None]]], object))
    with pytest.raises(SourceError, match="Python objects"):
        open_images(path)
