"""Parts of large TIFF pages are cut from rows that are read one after the other, and are those of the whole page."""

import hashlib
import os
import signal
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import tifffile
from test_pixels import tiff

from latentmap.images import open_images, pool, tiff_pages, tiff_rows, tiff_segments, tiff_series_rows
from latentmap.images.boxes import Box
from latentmap.images.channels import Channel
from latentmap.images.decoding import Decoded, EncodedImage, Failure, decode_images, measure_images, probe_images
from latentmap.images.pool import DecodingPool
from latentmap.images.shape import Shape
from latentmap.images.tiles import Tiles

HEIGHT, WIDTH = 70, 50
RANDOM = np.random.default_rng(0)
LAYOUTS = {
    "strips": {"rowsperstrip": 8},
    "one strip": {"rowsperstrip": HEIGHT},
    "tiles": {"tile": (16, 32)},
    "one tile": {"tile": (80, 64)},
}
KINDS = {
    "channels": RANDOM.integers(0, 4096, (HEIGHT, WIDTH, 4)).astype(np.uint16),
    "bytes": RANDOM.integers(0, 256, (HEIGHT, WIDTH, 5)).astype(np.uint8),
    "grey": RANDOM.integers(0, 4096, (HEIGHT, WIDTH)).astype(np.uint16),
    "signed": RANDOM.integers(-9, 4096, (HEIGHT, WIDTH, 2)).astype(np.int32),
    "float": RANDOM.random((HEIGHT, WIDTH)).astype(np.float32),
}


def shape_of(values: np.ndarray, side: int = 8) -> Shape:
    n = values.shape[2] if values.ndim == 3 else 1
    if n == 1:
        return Shape(side, side, 1, color="grey", value_range=(0, 4095), float_range=(0.0, 1.0))
    channels = tuple(Channel(k, str(k), 0, 4095) for k in range(n))
    return Shape(side, side, n, channel_list=channels, file_channels=n, bits=16)


def parts(source: str | bytes, boxes: list[Box]) -> list[EncodedImage]:
    return [EncodedImage(source, None, box) for box in boxes]


def grid(side: int = 16, overlap: int = 4) -> list[Box]:
    return [Box(*one) for one in Tiles(side, overlap).grid(WIDTH, HEIGHT).tolist()]


@pytest.fixture
def read_whole(monkeypatch):
    """A function that makes the readers decode whole pages."""

    def change():
        monkeypatch.setattr(tiff_pages, "open_rows", lambda *_: None)
        monkeypatch.setattr(tiff_series_rows, "open_rows", lambda *_: None)

    return change


def compare(found: list, whole: list) -> None:
    for one, other in zip(found, whole, strict=True):
        assert isinstance(one, Decoded), one
        np.testing.assert_array_equal(one.pixels, other.pixels)
        assert one._replace(pixels=None) == other._replace(pixels=None)


@pytest.mark.parametrize("limit", [2**25, 1500])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("packed", [None, "deflate", "lzw"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["channels", "signed"])
def test_tiles_are_those_of_the_whole_page(tmp_path, monkeypatch, read_whole, kind, layout, packed, planar, limit):
    values = KINDS[kind]
    monkeypatch.setattr(tiff_rows, "MAX_ROW_OF_SEGMENTS_BYTES", limit)
    monkeypatch.setattr(tiff_rows, "SHORT_STRIP_BYTES", limit)
    stored = np.moveaxis(values, -1, 0) if planar == "separate" else values
    options = {"predictor": True} if packed in ("deflate", "lzw") else {}
    planes = {} if values.ndim == 2 else {"planarconfig": planar}
    path = tmp_path / "one.tif"
    tifffile.imwrite(
        path,
        stored,
        photometric="minisblack",
        metadata=None,
        compression=packed,
        **options,
        **planes,
        **LAYOUTS[layout],
    )
    items, shape = parts(str(path), grid()), shape_of(values)
    found = decode_images(items, shape)
    probed = probe_images(items)
    read_whole()
    compare(found, decode_images(items, shape))
    assert probed == probe_images(items)


@pytest.mark.parametrize("kind", KINDS)
def test_digests_are_those_of_the_values(tmp_path, kind):
    values = KINDS[kind]
    path = tmp_path / "one.tif"
    planes = {} if values.ndim == 2 else {"planarconfig": "contig"}
    tifffile.imwrite(path, values, photometric="minisblack", metadata=None, **planes)
    found = decode_images(parts(str(path), grid()), shape_of(values))
    name = {"float": "<f8", "signed": "<i8"}.get(kind, "<u2")
    want = hashlib.sha256(f"{name} {values.shape} False".encode() + values.astype(name).tobytes()).digest()
    assert {one.whole for one in found} == {want}
    top = values[: found[0].height, : found[0].width]
    small = "<u2" if kind == "signed" and top.min() >= 0 else name
    assert (
        found[0].content == hashlib.sha256(f"{small} {top.shape} False".encode() + top.astype(small).tobytes()).digest()
    )


def test_wide_integers_have_the_digest_of_their_largest_value(tmp_path, read_whole):
    for largest in (9, 2**20, 2**63 + 5):
        values = np.zeros((HEIGHT, WIDTH), np.uint64)
        values[-1, -1] = largest
        (tmp_path / "one.tif").write_bytes(tiff(values))
        (found,) = decode_images(parts(str(tmp_path / "one.tif"), [Box(0, 0, 9, 9)]), shape_of(values))
        name = {9: "<u2", 2**20: "<i8"}.get(largest, "<u8")
        want = hashlib.sha256(f"{name} {values.shape} False".encode() + values.astype(name).tobytes()).digest()
        assert found.whole == want
    assert found.content == hashlib.sha256(b"<u2 (9, 9) False" + bytes(9 * 9 * 2)).digest()


def test_values_that_mean_no_data_and_transparency(tmp_path, read_whole):
    values = KINDS["grey"].copy()
    values[40, 30] = 5000
    path = tmp_path / "missing.tif"
    tifffile.imwrite(path, values, metadata=None, rowsperstrip=8, extratags=[(42113, 2, 5, "5000", True)])
    colors = RANDOM.integers(0, 2**16, (HEIGHT, WIDTH, 4)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "alpha.tif", colors, photometric="rgb", extrasamples=["unassalpha"], rowsperstrip=8)
    items = parts(str(path), grid())
    rgb = parts(str(tmp_path / "alpha.tif"), grid())
    in_colors = Shape(8, 8, 3, color="rgb", value_range=(0, 65535))
    found, transparent = decode_images(items, shape_of(values)), decode_images(rgb, in_colors)
    read_whole()
    compare(found, decode_images(items, shape_of(values)))
    compare(transparent, decode_images(rgb, in_colors))


@pytest.mark.parametrize("limit", [2**25, 1500])
def test_boxes_of_any_order_and_size(tmp_path, monkeypatch, read_whole, limit):
    monkeypatch.setattr(tiff_rows, "MAX_ROW_OF_SEGMENTS_BYTES", limit)
    monkeypatch.setattr(tiff_rows, "SHORT_STRIP_BYTES", limit)
    values = KINDS["channels"]
    path = tmp_path / "one.tif"
    tifffile.imwrite(
        path, values, photometric="minisblack", planarconfig="contig", metadata=None, compression="deflate"
    )
    boxes = []
    for _ in range(60):
        left, right = sorted(RANDOM.choice(WIDTH + 1, 2, replace=False).tolist())
        top, bottom = sorted(RANDOM.choice(HEIGHT + 1, 2, replace=False).tolist())
        boxes.append(Box(left, top, right, bottom))
    items = parts(str(path), [*boxes, Box(0, 0, WIDTH + 1, 3)])
    found = decode_images(items, shape_of(values))
    read_whole()
    whole = decode_images(items, shape_of(values))
    compare(found[:-1], whole[:-1])
    assert found[-1] == whole[-1]
    assert "does not lie" in found[-1].reason


@pytest.mark.parametrize("kind", ["ome", "imagej", "planes", "colors"])
@pytest.mark.parametrize("packed", [None, "deflate"])
def test_channels_and_planes_in_pages(tmp_path, read_whole, kind, packed):
    values = RANDOM.integers(0, 4096, (2, 3, HEIGHT, WIDTH)).astype(np.uint16)
    path = tmp_path / "one.tif"
    if kind == "imagej":
        tifffile.imwrite(path, values.swapaxes(0, 1), imagej=True, metadata={"axes": "ZCYX"}, compression=packed)
    elif kind == "colors":
        values = RANDOM.integers(0, 4096, (3, HEIGHT, WIDTH, 3)).astype(np.uint16)
        tifffile.imwrite(path, values, ome=True, metadata={"axes": "ZYXS"}, photometric="rgb", compression=packed)
    else:
        axes = {"ome": "CZYX", "planes": "ZCYX"}[kind]
        stored = values if kind == "ome" else values.swapaxes(0, 1)
        tifffile.imwrite(path, stored, ome=True, metadata={"axes": axes}, compression=packed, photometric="minisblack")
    items = parts(str(path), grid())
    shape = (
        Shape(8, 8, 3, color="rgb", value_range=(0, 4095))
        if kind == "colors"
        else shape_of(values[:, 0].transpose(1, 2, 0))
    )
    found, size = decode_images(items, shape), measure_images([EncodedImage(str(path))])
    want = values.max(axis=0) if kind == "colors" else values.max(axis=1).transpose(1, 2, 0)
    assert found[0].whole == hashlib.sha256(f"<u2 {want.shape} False".encode() + want.tobytes()).digest()
    assert size == [(WIDTH, HEIGHT, 1)]
    read_whole()
    compare(found, decode_images(items, shape))


def test_each_strip_is_read_once(tmp_path, monkeypatch):
    values = KINDS["channels"]
    path = tmp_path / "one.tif"
    tifffile.imwrite(path, values, photometric="minisblack", planarconfig="contig", metadata=None, rowsperstrip=6)
    read = []
    real = tiff_segments._read_segment
    monkeypatch.setattr(tiff_segments, "_read_segment", lambda *a: read.append(a[2]) or real(*a))
    decode_images(parts(str(path), grid()), shape_of(values))
    n_strips = -(-HEIGHT // 6)
    # the first one also tells the type of the values
    assert sorted(read)[-n_strips + 1 :] == list(range(1, n_strips))
    assert set(read) == set(range(n_strips))
    read.clear()
    probe_images(parts(str(path), [Box(0, 40, 9, 42)]))
    assert read == [6]


@pytest.mark.parametrize("packed", [None, "deflate"])
@pytest.mark.parametrize("layout", [{"rowsperstrip": 32}, {"rowsperstrip": 1200}, {"tile": (256, 256)}])
def test_memory_is_that_of_some_rows(tmp_path, monkeypatch, packed, layout):
    monkeypatch.setattr(tiff_rows, "MAX_ROW_OF_SEGMENTS_BYTES", 2**22)
    values = np.add.outer(np.arange(1200), np.arange(1200)).astype(np.uint16)[..., None] + np.arange(4, dtype=np.uint16)
    path = tmp_path / "one.tif"
    tifffile.imwrite(
        path, values, photometric="minisblack", planarconfig="contig", metadata=None, compression=packed, **layout
    )
    items = parts(str(path), [Box(*one) for one in Tiles(64).grid(1200, 1200).tolist()])
    decode_images(items[:1], shape_of(values))
    tracemalloc.start()
    found = decode_images(items, shape_of(values))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == 361
    assert peak < 9e6 < values.nbytes * 0.8


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("packed", [None, "deflate", "lzw"])
def test_a_damaged_page_is_a_reason_for_all_of_its_parts(tmp_path, monkeypatch, layout, packed):
    monkeypatch.setattr(tiff_rows, "MAX_ROW_OF_SEGMENTS_BYTES", 1500)
    path = tmp_path / "one.tif"
    values = KINDS["channels"]
    tifffile.imwrite(
        path,
        values,
        photometric="minisblack",
        metadata=None,
        compression=packed,
        planarconfig="contig",
        **LAYOUTS[layout],
    )
    data = path.read_bytes()
    found = decode_images(parts(data[: len(data) * 3 // 4], grid()), shape_of(values))
    assert {type(one) for one in found} == {Failure}
    assert len({one.reason for one in found}) == 1
    (tmp_path / "in").mkdir()
    for name, content in (("good.tif", data), ("short.tif", data[: len(data) * 3 // 4])):
        (tmp_path / "in" / name).write_bytes(content)
    images = open_images(tmp_path / "in", tiles=16)
    assert [one.path for one in images.skipped] == ["short.tif"]
    assert len(images) == Tiles(16).count(WIDTH, HEIGHT)


def test_mutated_pages_are_decoded_as_whole_ones_or_not_at_all(monkeypatch, tmp_path):
    values = KINDS["channels"]
    random = np.random.default_rng(1)
    for options in ({}, {"compression": "deflate"}, {"tile": (16, 16), "compression": "lzw"}, {"rowsperstrip": HEIGHT}):
        path = tmp_path / "one.tif"
        tifffile.imwrite(path, values, photometric="minisblack", planarconfig="contig", metadata=None, **options)
        data = path.read_bytes()
        for _ in range(60):
            broken = bytearray(data)
            for at in random.integers(0, min(len(data), 400), 3):
                broken[at] = random.integers(256)
            items = parts(bytes(broken), grid(32, 0))
            found = decode_images(items, shape_of(values))
            with monkeypatch.context() as changed:
                changed.setattr(tiff_pages, "open_rows", lambda *_: None)
                whole = decode_images(items, shape_of(values))
            assert [type(one) for one in found] == [type(one) for one in whole]
            if isinstance(found[0], Decoded):
                compare(
                    [one for one in found if isinstance(one, Decoded)],
                    [one for one in whole if isinstance(one, Decoded)],
                )


def test_a_strip_that_states_another_length(tmp_path):
    values = KINDS["grey"]
    path = tmp_path / "one.tif"
    tifffile.imwrite(path, values, metadata=None, rowsperstrip=8, compression="deflate")
    with tifffile.TiffFile(path) as opened:
        counts = opened.pages[0].tags["StripByteCounts"]
        where, lengths = counts.valueoffset, list(counts.value)
    data = bytearray(path.read_bytes())
    width = {3: 2, 4: 4}[counts.dtype]
    data[where + 3 * width : where + 4 * width] = (lengths[3] // 2).to_bytes(width, "little")
    found = decode_images(parts(bytes(data), grid()), shape_of(values))
    assert {type(one) for one in found} == {Failure}
    assert "truncated" in found[0].reason


# ---------------------------------------------------------------- memory of the pool


def test_results_that_wait_have_a_limit_in_bytes(tmp_path, monkeypatch):
    path = tmp_path / "one.tif"
    tifffile.imwrite(path, KINDS["grey"], metadata=None)
    shape = shape_of(KINDS["grey"], 64)
    monkeypatch.setattr(pool, "MAX_RESULT_BYTES", 4 * shape.image_bytes)
    drawn = []

    def items():
        for i, box in enumerate(grid(8, 0) * 4):
            drawn.append(i)
            yield EncodedImage(str(path), None, box)

    with DecodingPool(2) as workers:
        results = workers.map("decode", items(), shape)
        first = next(results)
        # four jobs of four images are under way, and one is ready
        assert len(drawn) <= 6 * 4
        assert len([first, *results]) == len(drawn) == 4 * Tiles(8).count(WIDTH, HEIGHT)


def test_files_in_archives_count_towards_the_limit(monkeypatch):
    monkeypatch.setattr(pool, "MAX_RESULT_BYTES", 10_000)
    job = [EncodedImage(b"x" * 500, None, Box(0, 0, 1, 1))] * 3 + [EncodedImage("path")]
    assert pool._source_bytes(job) == 500


KILLED = """
import sys
from latentmap.images import listing_decoder, open_images
from latentmap.images.store import DecodedStore
real, n = DecodedStore.add, []
def add(self, result):
    real(self, result)
    n.append(1)
    if len(n) == 30:
        self._save_progress()
        for file in self._files.values():
            file.flush()
        print("now", flush=True)
        sys.stdin.read()
DecodedStore.add = add
open_images(sys.argv[1], tiles=16, cache=sys.argv[2])
"""


def test_a_decoding_that_was_killed_resumes_in_the_middle_of_a_page(tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    for i in range(3):
        tifffile.imwrite(
            tmp_path / "in" / f"{i}.tif",
            KINDS["channels"] + np.uint16(i),
            photometric="minisblack",
            planarconfig="contig",
        )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    command = [sys.executable, "-c", KILLED, str(tmp_path / "in"), str(tmp_path / "cache")]
    process = subprocess.Popen(command, **pipes)
    assert process.stdout.readline() == b"now\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    added = []
    real = pool.DecodingPool.map
    monkeypatch.setattr(
        pool.DecodingPool, "map", lambda self, task, *a: (added.append(task) or one for one in real(self, task, *a))
    )
    resumed = open_images(tmp_path / "in", tiles=16, cache=tmp_path / "cache")
    assert added.count("decode") == len(resumed) - 30
    whole = open_images(tmp_path / "in", tiles=16)
    np.testing.assert_array_equal(resumed.images, whole.images)
    assert resumed.table == whole.table
