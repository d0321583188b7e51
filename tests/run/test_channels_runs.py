"""Runs of images of several channels, from the decoding to the atlas, additions, and a restored cache."""

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import latentmap as lm
from latentmap.core.errors import RunError, SourceError
from latentmap.images.decode_options import DecodeOptions
from latentmap.images.png import decode_png
from latentmap.run import RunOptions, SourceOptions, add_images, make_run
from latentmap.run.export import export_run
from latentmap.run.options import SOURCE_OPTIONS

OPTIONS = RunOptions(epochs=1, latent_dim=4, perplexity=5.0)
NAMES = ("dapi", "actin", "tubulin", "spots")


def cells(n: int, seed: int) -> np.ndarray:
    """16-bit images of four channels, one of which has a bright square."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 500, (n, 12, 10, 4)).astype(np.uint16)
    for image, channel in zip(images, random.integers(0, 4, n), strict=True):
        image[4:8, 3:7, channel] += 20000
    return images


def decoding(**options: object) -> DecodeOptions:
    return SourceOptions(**options).decoding()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = tmp_path_factory.mktemp("channels") / "run"
    make_run(cells(40, 0), path, OPTIONS, decoding=decoding(channel_names=",".join(NAMES)))
    return path


@pytest.fixture
def run(finished, tmp_path) -> lm.Run:
    return lm.Run.open(shutil.copytree(finished, tmp_path / "run"))


def test_channels_are_recorded_with_names_ranges_and_colours(run):
    assert tuple(one.name for one in run.channels) == NAMES
    assert all(one.low < 50 and 15000 < one.high < 21000 for one in run.channels)
    recorded = json.loads((run.path / "run.json").read_bytes())["source"]["channels"]
    assert len({one["color"] for one in recorded}) == 4
    assert run.images().channels == run.channels
    assert run.images().image_shape == (12, 10, 4)


def test_errors_are_known_for_each_channel(run):
    table = run.atlas()
    errors = np.column_stack([table[f"error_{name}"] for name in NAMES])
    np.testing.assert_allclose(errors.mean(axis=1), table["error"], rtol=1e-4)
    metrics = run.metrics()
    np.testing.assert_allclose(
        [metrics[f"reconstruction_error_{name}"] for name in NAMES], errors.mean(axis=0), rtol=1e-4
    )
    np.testing.assert_allclose(run.model().channel_errors(run.images().images), errors, rtol=1e-4)


def test_pictures_of_the_atlas_are_mixed_and_its_planes_are_the_channels(run):
    images = run.images().images
    row = run.atlas().slice(3, 1).to_pylist()[0]
    np.testing.assert_array_equal(decode_png(row["image"]["bytes"], (12, 10, 3)), run.picture(images[3]))
    planes = decode_png(row["planes"], (48, 10), 16).reshape(4, 12, 10)
    np.testing.assert_array_equal(planes.transpose(1, 2, 0), images[3])
    assert run.image(3).mode == "RGB"


def test_a_run_without_its_cache_is_read_from_the_atlas(run):
    before = np.array(run.images().images)
    shutil.rmtree(run.path / "cache")
    np.testing.assert_array_equal(lm.Run.open(run.path).images().images, before)


def test_images_that_are_added_are_scaled_as_those_of_the_run(run):
    more = cells(6, 1)
    more[0] = 65535
    done = add_images(run.path, more)
    assert done.n_added == 6
    again = lm.Run.open(run.path)
    (added,) = again.added_images()
    expected = [
        np.rint((more[1, ..., k] - one.low) / (one.high - one.low) * 65535) for k, one in enumerate(run.channels)
    ]
    np.testing.assert_allclose(added[1], np.stack(expected, axis=2).clip(0, 65535), atol=1)
    table = again.atlas()
    assert len(table) == 46
    assert not any(table[f"error_{name}"].null_count for name in NAMES)
    assert again.similar(added[2], 3)["id"][0].as_py() == 42


def test_images_of_other_channels_are_not_added(run):
    with pytest.raises(SourceError, match="images of 2 channels, and channel 3 is asked for"):
        add_images(run.path, cells(6, 1)[..., :2])


def test_images_of_channels_are_not_added_to_colours(tmp_path):
    colors = np.random.default_rng(0).integers(0, 255, (20, 12, 10, 3), dtype=np.uint8)
    make_run(colors, tmp_path / "run", OPTIONS)
    with pytest.raises(SourceError, match=r"images of shape \(12, 10, 2\), but the run has \(12, 10, 3\)"):
        add_images(tmp_path / "run", cells(6, 1)[..., :2])


def test_the_same_call_keeps_everything_and_other_names_keep_the_network(finished, tmp_path):
    path = shutil.copytree(finished, tmp_path / "run")
    said: list[str] = []
    make_run(cells(40, 0), path, OPTIONS, decoding=decoding(channel_names=",".join(NAMES)), say=said.append)
    assert all(line.endswith(": kept") for line in said)
    said.clear()
    run = make_run(cells(40, 0), path, OPTIONS, decoding=decoding(channel_names="a,b,c,d"), say=said.append)
    assert "train: kept" in said
    assert "error_a" in run.atlas().column_names


@pytest.mark.parametrize(
    "change",
    [
        {"color": "red"},
        {"brightness": -1},
        {"visible": 3},
        {"low": "0"},
        {"number": None},
    ],
)
def test_damaged_channels_end_as_a_sentence(run, change):
    state = json.loads((run.path / "run.json").read_bytes())
    state["source"]["channels"][1] |= change
    (run.path / "run.json").write_text(json.dumps(state))
    with pytest.raises(RunError, match="it is damaged, or latentmap did not write it"):
        lm.Run.open(run.path)


def test_fewer_channels_than_the_pixels_have_end_as_a_sentence(run):
    state = json.loads((run.path / "run.json").read_bytes())
    state["source"]["channels"].pop()
    (run.path / "run.json").write_text(json.dumps(state))
    with pytest.raises(RunError, match="source.image_shape"):
        lm.Run.open(run.path)


def test_exports_have_pictures_in_colour(run, tmp_path):
    export_run(run.path, "projector", tmp_path / "out")
    with Image.open(next((tmp_path / "out").glob("*.png"))) as sprite:
        assert np.asarray(sprite.convert("RGB")).std() > 5


def test_csv_has_neither_pictures_nor_planes(run, tmp_path):
    export_run(run.path, "csv", tmp_path / "out.csv")
    header = (tmp_path / "out.csv").read_text(encoding="utf-8").partition("\n")[0]
    assert "error_dapi" in header
    assert "planes" not in header


def test_a_folder_of_stacks_is_mapped_with_its_colours_in_the_report(tmp_path):
    for i, image in enumerate(cells(20, 2)):
        first, *others = [Image.fromarray(plane) for plane in image.transpose(2, 0, 1)]
        (tmp_path / "in").mkdir(exist_ok=True)
        first.save(tmp_path / "in" / f"{i:02d}.tif", save_all=True, append_images=others)
    run = lm.map_images(
        tmp_path / "in",
        tmp_path / "run",
        axes="channels",
        channels="3,0",
        epochs=1,
        latent_dim=4,
        perplexity=5,
        quiet=True,
    )
    assert [one.name for one in run.channels] == ["channel 3", "channel 0"]
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "channel 3" in page
    assert "--axes channels" in page
    assert "--channels 3,0" in page
    assert pq.read_table(tmp_path / "run" / "images.parquet").num_rows == 20


def test_options_at_their_defaults_change_no_key():
    assert list(SourceOptions().decoding().as_dict()) == ["size", "fit", "color", "background", "frames"]
    given = {"channels": "0,2", "channel_names": "a,b", "range": "0,5", "axes": "z", "project": "mean"}
    assert decoding(**given).as_dict().items() >= given.items()
    assert {one.name for one in SOURCE_OPTIONS} >= set(given)
