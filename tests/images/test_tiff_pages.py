"""Pages of a TIFF are read as they are meant, whatever they are packed in; what is not read says why."""

import io
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image
from test_pixels import tiff, values_of

from latentmap.images import tiff_series
from latentmap.images.decoding import Decoded, EncodedImage, Failure, decode_images, read_contents
from latentmap.images.shape import Shape

REVERSED = np.packbits(np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)[:, ::-1], axis=1)[:, 0]
BYTES = np.random.default_rng(0).integers(0, 256, (21, 36)).astype(np.uint8)
VALUES = np.random.default_rng(1).integers(0, 2**16, (21, 36)).astype(np.uint16)


def with_data(values: np.ndarray, data: bytes, **tags: object) -> bytes:
    """A TIFF of these values whose only strip holds other bytes, as compression makes them."""
    rows = np.frombuffer(data.ljust(-(-len(data) // 2) * 2, b"\0"), np.uint8)[None]
    n = values.shape[2] if values.ndim == 3 else 1
    bits = {"t258": (3, [values.dtype.itemsize * 8] * n)}
    size = {"t256": (4, [values.shape[1]]), "t257": (4, [values.shape[0]]), "t278": (4, [values.shape[0]])}
    return tiff(rows, **size | {"t279": (4, [len(data)]), "t277": (3, [n])} | bits | tags)


def decoded(data: bytes, height: int, width: int, channels: int = 1) -> np.ndarray:
    color = "grey" if channels == 1 else "rgb"
    shape = Shape(height, width, channels, color=color, value_range=(0, 65535), float_range=(0.0, 1.0))
    (found,) = decode_images([EncodedImage(data)], shape)
    assert isinstance(found, Decoded), found
    return found.pixels


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("premultiplied", [False, True])
def test_transparency_of_any_depth_shows_the_ground(dtype, premultiplied):
    full = 1 if dtype == np.float32 else np.iinfo(dtype).max
    values = np.zeros((1, 3, 4), dtype)
    values[0, 0] = full, 0, 0, full
    values[0, 2] = 0, full if not premultiplied else full // 5 if dtype != np.float32 else 0.2, 0, full * 0.2
    pixels = decoded(tiff(values, t338=(3, [1 if premultiplied else 2])), 1, 3, 3)
    assert pixels[0, :2].tolist() == [[255, 0, 0], [255, 255, 255]]
    np.testing.assert_allclose(pixels[0, 2], [204, 255, 204], atol=1)


def test_grey_with_premultiplied_transparency_is_read():
    values = np.array([[[255, 255], [0, 0], [51, 51]]], np.uint8)
    pixels = decoded(tiff(values, t338=(3, [1]), t262=(3, [1])), 1, 3)
    assert pixels.tolist() == [[255, 255, 255]]


@pytest.mark.parametrize("values", [BYTES, VALUES])
def test_bits_in_the_other_order_are_turned_before_anything_is_inflated(values):
    packed = zlib.compress(values.tobytes())
    data = REVERSED[np.frombuffer(packed, np.uint8)].tobytes()
    expected = np.rint(values / np.iinfo(values.dtype).max * 255)
    np.testing.assert_array_equal(decoded(with_data(values, data, t259=(3, [8]), t266=(3, [2])), 21, 36), expected)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate", "packbits", "tiff_adobe_deflate", None])
@pytest.mark.parametrize("values", [BYTES, VALUES, np.dstack([BYTES, BYTES[::-1], BYTES[:, ::-1]])])
def test_compressed_pages_are_those_of_the_writer(compression, values):
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "TIFF", compression=compression, tiffinfo={278: 5})
    expected = np.rint(values / np.iinfo(values.dtype).max * 255)
    found = decoded(stream.getvalue(), 21, 36, 3 if values.ndim == 3 else 1)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6, 7, 10, 12, 14])
@pytest.mark.parametrize("n", [1, 3])
def test_packed_values_of_any_number_of_bits(bits, n):
    values = np.random.default_rng(bits).integers(0, 2**bits, (3, 5, n))
    spread = (values.reshape(3, -1)[..., None] >> np.arange(bits)[::-1]) & 1
    data = np.packbits(spread.reshape(3, -1).astype(np.uint8), axis=1).tobytes()
    tags = {"t258": (3, [bits] * n), "t262": (3, [2 if n == 3 else 1])}
    packed = with_data(values.astype(np.uint8 if bits < 9 else np.uint16), data, **tags)
    if bits > 8:
        np.testing.assert_array_equal(values_of(packed), values if n == 3 else values[..., 0])
    else:
        expected = np.rint(values * (255 / (2**bits - 1)))
        np.testing.assert_array_equal(decoded(packed, 3, 5, n), expected if n == 3 else expected[..., 0])


def test_strips_without_their_lengths_and_strips_that_are_left_out():
    data = bytearray(tiff(VALUES, t279=(4, [0])))
    np.testing.assert_array_equal(values_of(bytes(data)), VALUES)
    at = data.find(struct.pack("<HHI", 279, 4, 1))
    data[at : at + 2] = struct.pack("<H", 280)  # another tag in its place
    np.testing.assert_array_equal(values_of(bytes(data)), VALUES)
    sparse = tiff(VALUES, t273=(4, [8, 0]), t278=(4, [11]), t279=(4, [VALUES[:11].nbytes, 0]))
    np.testing.assert_array_equal(values_of(sparse), np.where(np.arange(21)[:, None] < 11, VALUES, 0))


@pytest.mark.parametrize("text", [b"7\0", b"7.0\0", b"7e0\0"])
def test_no_data_of_gdal_is_black_in_colour_too(text):
    values = np.full((2, 2, 3), 200, np.uint8)
    values[0, 0], values[1, 1, 0] = 7, 7
    pixels = decoded(tiff(values, t42113=(2, list(text))), 2, 2, 3)
    assert pixels.tolist() == [[[0, 0, 0], [200] * 3], [[200] * 3, [7, 200, 200]]]


def test_predictors_mean_nothing_where_nothing_is_compressed_and_others_are_refused(monkeypatch):
    monkeypatch.setattr(tiff_series, "has_tifffile", lambda: False)
    np.testing.assert_array_equal(values_of(tiff(VALUES, t317=(3, [2]))), VALUES)
    packed = with_data(VALUES, zlib.compress(VALUES.tobytes()), t259=(3, [8]), t317=(3, [3]))
    assert decode_images([EncodedImage(packed)], Shape(21, 36, 1)) == [
        Failure(
            "values of 16 bits with TIFF predictor 3, which are not read; "
            "pip install 'latentmap[tiff]' reads more kinds of TIFF"
        )
    ]


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"t259": (3, [34887])}, "a TIFF page of 16 bits, 1 channels (grey), compression LERC, which is not read"),
        ({"t32997": (4, [6])}, "a volume of 6 planes in one TIFF page: save the planes as pages"),
        ({"t262": (3, [8])}, "a TIFF page of 16 bits, 1 channels (CIELab), which is not read"),
        ({"t262": (3, [3])}, "a TIFF page of 16 bits, 1 channels (palette), which is not read"),
    ],
)
def test_pages_that_are_not_read_say_what_they_are(tags, reason):
    assert decode_images([EncodedImage(tiff(VALUES, **tags))], Shape(21, 36, 1)) == [Failure(reason)]


def test_many_small_pages_take_no_time():
    pages = [Image.fromarray(np.full((8, 8), i % 256, np.uint8)) for i in range(200)]
    stream = io.BytesIO()
    pages[0].save(stream, "TIFF", save_all=True, append_images=pages[1:], compression="tiff_lzw")
    items = [EncodedImage(stream.getvalue(), i) for i in range(read_contents(EncodedImage(stream.getvalue()), False).n)]
    begin = time.process_time()
    found = decode_images(items, Shape(8, 8, 1))
    assert time.process_time() - begin < 2
    assert [int(one.pixels[0, 0]) for one in found] == [i % 256 for i in range(200)]


def sgi(values: np.ndarray, runs: bool) -> bytes:
    height, width, n = values.shape
    dtype = values.dtype.newbyteorder(">")
    planes = values.transpose(2, 0, 1)[:, ::-1].astype(dtype)
    dimensions = 2 if n == 1 else 3
    head = struct.pack(">HBBHHHH", 474, runs, dtype.itemsize, dimensions, width, height, n) + bytes(500)
    if not runs:
        return head + planes.tobytes()
    code, end = np.array([0x80 | width], dtype).tobytes(), np.array([0], dtype).tobytes()
    rows = [code + row.tobytes() + end for row in planes.reshape(-1, width)]
    offsets = 512 + 8 * len(rows) + np.cumsum([0, *map(len, rows[:-1])])
    return head + np.array([*offsets, *map(len, rows)], ">u4").tobytes() + b"".join(rows)


@pytest.mark.parametrize("runs", [False, True])
@pytest.mark.parametrize("n", [1, 3])
def test_sgi_of_sixteen_bits(runs, n):
    values = np.random.default_rng(n).integers(0, 2**16, (5, 9, n)).astype(np.uint16)
    np.testing.assert_array_equal(values_of(sgi(values, runs)), values[..., 0] if n == 1 else values)


@pytest.mark.parametrize("largest", [1000, 4095, 65535])
@pytest.mark.parametrize("n", [1, 3])
def test_netpbm_of_sixteen_bits_raw_and_plain(largest, n):
    values = np.random.default_rng(n).integers(0, largest + 1, (4, 6, n))
    expected = np.rint(values * (65535 / largest)).squeeze()
    head = f"{{}}\n# a comment\n6 4\n{largest}\n"
    raw = head.format("P5" if n == 1 else "P6").encode() + values.astype(">u2").tobytes()
    plain = head.format("P2" if n == 1 else "P3").encode() + " ".join(map(str, values.ravel())).encode()
    for data in (raw, plain):
        np.testing.assert_array_equal(values_of(data), expected)
