"""Original files are shown only while they are what the run was made from."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latentmap.core.errors import NoOriginalError
from latentmap.explorer import full_size
from latentmap.explorer.atlas_view import AtlasView
from latentmap.explorer.full_size import FullSize
from latentmap.images import ShapeOptions
from latentmap.images.decode_options import DecodeOptions
from latentmap.images.pool import DecodingPool
from latentmap.images.tiles import Tiles
from latentmap.run import RunOptions, make_run


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """A run of pictures of 60 x 90 pixels in colour and of a TIFF of two pages, mapped at 16 pixels."""
    random = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("base")
    (folder / "scans").mkdir()
    for i in range(30):
        Image.fromarray(random.integers(0, 255, (60, 90, 3), dtype=np.uint8)).save(folder / "scans" / f"{i:02d}.png")
    pages = [Image.fromarray(random.integers(0, 255, (50, 70), dtype=np.uint8)) for _ in range(2)]
    pages[0].save(folder / "scans" / "pages.tif", save_all=True, append_images=pages[1:])
    options = RunOptions(epochs=1, latent_dim=4, n_clusters=2, perplexity=5.0)
    make_run(folder / "scans", folder / "run", options)
    return folder


@pytest.fixture
def place(base, tmp_path) -> Path:
    """The run, whose images are looked for in a copy of the folder."""
    shutil.copytree(base, tmp_path / "place")
    path = tmp_path / "place" / "run" / "run.json"
    state = json.loads(path.read_text(encoding="utf-8"))
    state["source"]["sources"][0]["root"] = str(tmp_path / "place" / "scans")
    path.write_text(json.dumps(state), encoding="utf-8")
    return tmp_path / "place"


@pytest.fixture(scope="module")
def pool():
    with DecodingPool(1) as pool:
        yield pool


def shown(place: Path, pool: DecodingPool, name: str) -> np.ndarray:
    data = AtlasView(place / "run")
    image = data.table["path"].to_pylist().index(name)
    return np.asarray(Image.open(io.BytesIO(FullSize(data, pool).png(image))))


def test_the_original_is_shown_pixel_by_pixel(place, pool):
    want = np.asarray(Image.open(place / "scans" / "07.png"))
    assert np.array_equal(shown(place, pool, "07.png"), want)


def test_pages_of_a_file_are_shown_each(place, pool):
    with Image.open(place / "scans" / "pages.tif") as file:
        file.seek(1)
        want = np.asarray(file)
    assert np.array_equal(shown(place, pool, "pages.tif[1]"), want)


def test_a_large_original_is_made_smaller_in_its_proportions(place, pool, monkeypatch):
    monkeypatch.setattr(full_size, "MAX_ORIGINAL_SIDE", 45)
    assert shown(place, pool, "07.png").shape == (30, 45, 3)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda file: file.unlink(), "not there any more"),
        (lambda file: Image.new("RGB", (90, 60)).save(file), "has changed since"),
        (lambda file: file.write_bytes(b"no picture"), "has changed since"),
        (lambda file: (file.unlink(), file.mkdir()), "cannot be read"),
    ],
)
def test_what_is_not_the_same_any_more_is_not_shown(place, pool, change, sentence):
    change(place / "scans" / "07.png")
    with pytest.raises(NoOriginalError, match=sentence):
        shown(place, pool, "07.png")


def test_a_run_cannot_name_files_of_its_reader(place, pool, tmp_path):
    """As one from a stranger, who knows where a picture lies and not what is in it."""
    Image.new("RGB", (90, 60), "red").save(tmp_path / "private.png")
    path = place / "run" / "run.json"
    state = json.loads(path.read_text(encoding="utf-8"))
    for root in (tmp_path, Path("/"), place / "scans" / ".."):
        state["source"]["sources"][0]["root"] = str(root)
        path.write_text(json.dumps(state), encoding="utf-8")
        with pytest.raises(NoOriginalError):
            shown(place, pool, "07.png")


def test_a_tile_is_shown_as_it_is_in_its_file(base, pool, tmp_path):
    options = RunOptions(epochs=1, latent_dim=4, n_clusters=2, perplexity=5.0)
    cut = DecodeOptions(ShapeOptions(size=8), cut=Tiles(30))
    make_run(base / "scans", tmp_path / "run", options, decoding=cut)
    want = np.asarray(Image.open(base / "scans" / "07.png"))[30:60, 60:90]
    assert np.array_equal(shown(tmp_path, pool, "07.png#xywh=60,30,30,30"), want)
    with Image.open(base / "scans" / "pages.tif") as file:
        file.seek(1)
        want = np.asarray(file)[20:50, 40:70]
    assert np.array_equal(shown(tmp_path, pool, "pages.tif[1]#xywh=40,20,30,30"), want)


def test_images_without_files_say_so(client):
    answer = client.get("/api/images/3/original")
    assert answer.status_code in (200, 404)
    if answer.status_code == 404:
        assert "file" in answer.json()["error"]
