"""Decoding that is stopped goes on where it was; room is looked at before any of it is taken."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latentmap.core.mapped_arrays import is_mapped
from latentmap.images import ShapeOptions, SourceError, open_images
from latentmap.images.decode_options import DecodeOptions
from latentmap.images.listing_decoder import decode_listing
from latentmap.images.pool import DecodingPool
from latentmap.images.shape import FIT_MODES, Shape
from latentmap.images.shape_choice import choose_shape
from latentmap.images.sources import find_source
from latentmap.images.store import FAILURES_FILE, RECORDS_FILE, STATE_FILE

PIXELS_FILE = "pixels.u8"

N = 600


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Pictures, every seventh broken."""
    path = tmp_path_factory.mktemp("many")
    random = np.random.default_rng(0)
    for i in range(N):
        Image.fromarray(random.integers(0, 255, (20, 20), dtype=np.uint8)).save(path / f"{i:04d}.png")
        if i % 7 == 3:
            (path / f"{i:04d}.png").write_bytes(b"broken" * i)
    return path


def test_cached_images_are_mapped_and_equal_those_in_memory(folder, tmp_path):
    held, cached = open_images(folder), open_images(folder, cache=tmp_path)
    assert is_mapped(cached.images)
    assert not is_mapped(held.images)
    np.testing.assert_array_equal(held.images, cached.images)
    assert held.table == cached.table
    assert held.skipped == cached.skipped
    assert len(held) + len(held.skipped) == N
    assert held.fingerprint == cached.fingerprint
    assert (tmp_path / PIXELS_FILE).stat().st_size == cached.images.size


def test_decoding_that_fails_in_the_middle_goes_on_there(folder, tmp_path, monkeypatch):
    from latentmap.images import store

    monkeypatch.setattr(store, "SECONDS_BETWEEN_SAVES", 0.0)
    seen = []

    def stop(progress):
        seen.append(progress.done)
        if progress.done > 300:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decode_listing(find_source(folder), DecodeOptions(), cache=tmp_path, callback=stop)
    # bytes beyond the mark, as a kill may leave them
    for name in (PIXELS_FILE, RECORDS_FILE, FAILURES_FILE):
        with (tmp_path / name).open("ab") as file:
            file.write(b"half a picture" * 100_000)
    begun = []
    real = DecodingPool.map
    monkeypatch.setattr(
        DecodingPool,
        "map",
        lambda self, task, items, *rest, **named: real(self, task, _seen(items, begun), *rest, **named),
    )
    collection = decode_listing(find_source(folder), DecodeOptions(), cache=tmp_path)
    assert len(begun) <= N - 300
    whole = open_images(folder)
    np.testing.assert_array_equal(collection.images, whole.images)
    assert collection.table == whole.table
    assert collection.skipped == whole.skipped


def _seen(items, begun):
    for item in items:
        begun.append(item)
        yield item


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_decoding_that_is_killed_goes_on(folder, tmp_path):
    code = (
        "import sys, latentmap.images.store as store; store.SECONDS_BETWEEN_SAVES = 0.0\n"
        f"from latentmap.images import open_images; open_images({str(folder)!r}, cache={str(tmp_path)!r})"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment)
    deadline = time.monotonic() + 60
    while not (tmp_path / PIXELS_FILE).exists() or (tmp_path / PIXELS_FILE).stat().st_size < 20_000:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    whole, resumed = open_images(folder), open_images(folder, cache=tmp_path)
    np.testing.assert_array_equal(whole.images, resumed.images)
    assert whole.table == resumed.table


def test_changed_files_and_options_are_decoded_anew(folder, tmp_path):
    assert open_images(folder, cache=tmp_path).image_shape == (20, 20)
    assert open_images(folder, size=12, cache=tmp_path).image_shape == (12, 12)
    (tmp_path / STATE_FILE).write_text("{")
    assert open_images(folder, size=12, cache=tmp_path).image_shape == (12, 12)


def test_too_little_room_is_met_with_a_sentence(folder, tmp_path, monkeypatch):
    with pytest.raises(SourceError, match=r"600 images of 1000 × 1000 take 600 MB decoded, the limit is 0\.1 GB"):
        open_images(folder, size=1000, cache_limit=0.1)
    from latentmap.images import store

    free = store.shutil.disk_usage(tmp_path)._replace(free=2**28 + 1000)
    monkeypatch.setattr(store.shutil, "disk_usage", lambda _: free)
    with pytest.raises(
        SourceError, match=r"but .* has \d+ [MG]B free, of which 268 MB must remain free: free some space"
    ):
        open_images(folder, cache=tmp_path)


def test_a_picture_in_colour_that_no_look_found_makes_the_collection_colour(tmp_path, monkeypatch):
    from latentmap.images import listing_decoder

    monkeypatch.setattr(listing_decoder, "N_PROBES", 5)
    for i in range(100):
        Image.new("L", (9, 9), i).save(tmp_path / f"{i:03d}.png")
    Image.new("RGB", (9, 9), "red").save(tmp_path / "055.png")
    collection = open_images(tmp_path)
    assert collection.image_shape == (9, 9, 3)
    assert collection.images[55, 0, 0].tolist() == [255, 0, 0]
    assert open_images(tmp_path, color="grey").image_shape == (9, 9)


@pytest.mark.parametrize("fit", FIT_MODES)
def test_fits(fit):
    picture = np.full((20, 40, 3), 10, np.uint8)
    picture[:, :10], picture[:, 30:] = (250, 0, 0), (0, 0, 250)
    shaped = Shape(20, 20, 3, fit=fit).apply(Image.fromarray(picture))
    assert shaped.shape == (20, 20, 3)
    if fit == "fill":
        assert (shaped == 10).all()
    elif fit == "stretch":
        assert shaped[0, 0].tolist() == [250, 0, 0]
        assert shaped[19, 19].tolist() == [0, 0, 250]
    else:
        assert shaped[10, 0].tolist() == [250, 0, 0]
        assert len(np.unique(shaped[:4].reshape(-1, 3), axis=0)) == 1


def probes(*sizes, **more):
    from latentmap.images.probe import ImageProbe

    return [ImageProbe(width, height, more.get("is_grey", True)) for width, height in sizes]


@pytest.mark.parametrize(
    ("sizes", "shape", "keep_pixels"),
    [
        ([(28, 28)] * 9 + [(30, 28)], (28, 28), True),
        ([(16, 11), (20, 12), (14, 16)], (16, 20), True),
        ([(640, 480), (320, 240), (1280, 960)], (96, 128), False),
        ([(640, 480), (480, 640), (500, 500)], (128, 128), False),
        ([(3, 5), (4, 4)], (8, 8), True),
        ([(100_000, 1), (50, 50)], (25, 25), False),
    ],
)
def test_the_size_is_chosen_from_the_collection(sizes, shape, keep_pixels):
    chosen = choose_shape(probes(*sizes), ShapeOptions(), len(sizes))
    assert (chosen.height, chosen.width) == shape
    assert chosen.keep_pixels == keep_pixels
    assert chosen.why
    assert Shape.from_dict(chosen.as_dict()) == chosen


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": 0}, "size=0: pass a side of 1 to 1024 pixels"),
        ({"fit": "crop"}, "fit='crop': choose among fit, fill, stretch"),
        ({"color": "blue"}, "color='blue': choose among auto, grey, rgb"),
    ],
)
def test_wrong_options_are_met_with_a_sentence(options, words):
    with pytest.raises(ValueError, match=words):
        open_images("nowhere", **options)
