"""Collections as they are: broken files, odd names, links in circles, decoders that crash. Nothing ends a run."""

import os
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latentmap.images import SourceError, open_images, pool
from latentmap.images.decoding import EncodedImage, Failure
from latentmap.images.pool import DecodingPool
from latentmap.images.shape import Shape

GREY = np.random.default_rng(0).integers(0, 255, (9, 9), dtype=np.uint8)


def save(path: Path | bytes, pixels: np.ndarray = GREY) -> None:
    with open(path, "wb") as file:  # noqa: PTH123 - bytes are names too
        Image.fromarray(pixels).save(file, "PNG")


def test_wrong_endings_and_no_endings_are_looked_into(tmp_path):
    for name in ("a.jpg", "b", "c.data"):
        save(tmp_path / name)
    (tmp_path / "d.txt").write_text("notes")
    (tmp_path / "e.png").write_text("text")
    collection = open_images(tmp_path)
    assert collection.paths == ["a.jpg", "b", "c.data"]
    assert dict(collection.skipped) == {"e.png": "not an image of any format that Pillow reads"}
    assert collection.n_ignored == 1


def test_pictures_that_pillow_does_not_read_are_listed_and_runs_passed_over(tmp_path):
    save(tmp_path / "a.png")
    (tmp_path / "photo.JXL").write_bytes(b"\0\0\0\x0cJXL ")
    (tmp_path / "raw.nef").write_bytes(b"II*\0")
    (tmp_path / "run" / "figures").mkdir(parents=True)
    save(tmp_path / "run" / "figures" / "map.png")
    (tmp_path / "run" / "run.json").write_text("{}")
    (tmp_path / "run" / ".lock").touch()
    collection = open_images(tmp_path)
    assert collection.paths == ["a.png"]
    assert dict(collection.skipped) == dict.fromkeys(["photo.JXL", "raw.nef"], "a format that Pillow does not read")


def test_odd_names_are_read_and_written_as_text(tmp_path):
    names = [b"new\nline.png", b"\xff\xfe.png", "한글.png".encode(), b"a'b\"c;.png"]
    for name in names:
        save(os.fsencode(tmp_path) + b"/" + name)
    collection = open_images(tmp_path)
    assert len(collection) == 4
    assert not collection.skipped
    assert "\\xff\\xfe.png" in collection.paths
    assert "new\nline.png" in collection.paths


def test_links_are_followed_once(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    (inside / "deep").mkdir(parents=True)
    outside.mkdir()
    save(inside / "deep" / "a.png")
    save(outside / "b.png")
    (inside / "away").symlink_to(outside)
    (inside / "deep" / "circle").symlink_to(inside)
    (inside / "again").symlink_to(inside / "deep")
    (inside / "self.png").symlink_to(inside / "self.png")
    (inside / "dangling.png").symlink_to(inside / "nowhere.png")
    collection = open_images(inside)
    assert collection.paths == ["away/b.png", "deep/a.png"]
    reasons = dict(collection.skipped)
    assert reasons["deep/circle"] == reasons["again"] == "a link to a folder that is already read"
    assert "symbolic links" in reasons["self.png"]
    assert reasons["dangling.png"] == "No such file or directory"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders")
def test_pipes_and_folders_called_like_images_block_nothing(tmp_path):
    save(tmp_path / "good.png")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    collection = open_images(tmp_path)
    assert collection.paths == ["good.png"]
    assert dict(collection.skipped) == {"pipe.png": "not a regular file"}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_files_and_folders_that_may_not_be_read_are_listed(tmp_path):
    save(tmp_path / "good.png")
    save(tmp_path / "closed.png")
    (tmp_path / "closed.png").chmod(0)
    (tmp_path / "closed").mkdir(mode=0)
    collection = open_images(tmp_path)
    assert dict(collection.skipped) == {"closed.png": "Permission denied", "closed": "Permission denied"}


def test_very_long_pictures_are_read_and_bombs_are_not(tmp_path):
    save(tmp_path / "long.png", np.full((1, 100_000), 90, np.uint8))
    save(tmp_path / "high.png", np.full((100_000, 1), 90, np.uint8))
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    collection = open_images(tmp_path, size=16)
    assert collection.paths == ["high.png", "long.png"]
    assert "decompression bombs" in dict(collection.skipped)["bomb.png"]
    assert (collection.images == 90).all()


def test_files_that_vanish_or_change_are_listed(tmp_path, monkeypatch):
    for name in "abc":
        save(tmp_path / f"{name}.png")
    from latentmap.images import decoding

    def touched(file, *_):
        with (tmp_path / "b.png").open("ab") as other:
            other.write(b"more")
        return file.read()

    assert decoding._try_open(str(tmp_path / "b.png"), touched) == Failure("changed while it was read")
    (tmp_path / "c.png").unlink()
    found = decoding.decode_images([EncodedImage(str(tmp_path / "c.png"))], Shape(4, 4, 1))
    assert found == [Failure("No such file or directory")]


def test_strictness_makes_a_broken_file_an_error(tmp_path):
    save(tmp_path / "good.png")
    assert len(open_images(tmp_path, strict=True)) == 1
    (tmp_path / "broken.png").touch()
    with pytest.raises(SourceError, match=r"1 file cannot be decoded, the first is 'broken\.png' \(not an image"):
        open_images(tmp_path, strict=True)


def crash(pool_: DecodingPool) -> None:
    for worker in pool_._workers:
        if worker._process is not None:
            worker._process.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_decoder_that_is_killed_costs_nothing_that_can_be_decoded(tmp_path):
    for i in range(400):
        save(tmp_path / f"{i:03d}.png")
    items = [EncodedImage(str(tmp_path / f"{i:03d}.png")) for i in range(400)]
    with DecodingPool(2) as workers:
        results = workers.map("decode", iter(items), Shape(9, 9, 1))
        found = []
        for result in results:
            found.append(result)
            if len(found) in (50, 200, 300):
                crash(workers)
    assert len(found) == 400
    failed = [result for result in found if isinstance(result, Failure)]
    assert len(failed) <= 6, "only pictures that were in the making"


def test_a_decoder_that_hangs_is_given_up(tmp_path, monkeypatch):
    save(tmp_path / "good.png")
    items = [EncodedImage(str(tmp_path / "good.png"))]
    with DecodingPool(1) as workers:
        assert not isinstance(next(workers.map("decode", iter(items), Shape(9, 9, 1))), Failure)
        monkeypatch.setattr(pool, "TIMEOUT_SECONDS", 1.0)
        process = workers._workers[0]._process
        os.kill(process.pid, 19)  # stopped, not ended
        begun = time.monotonic()
        (again,) = workers.map("decode", iter(items), Shape(9, 9, 1))
        assert time.monotonic() - begun < 30
    assert again == Failure("took longer than 1 s")


def test_a_pool_that_is_left_early_ends_its_processes(tmp_path):
    for i in range(200):
        save(tmp_path / f"{i:03d}.png")
    items = [EncodedImage(str(tmp_path / f"{i:03d}.png")) for i in range(200)]
    with DecodingPool(2) as workers:
        next(workers.map("decode", iter(items), Shape(9, 9, 1)))
        processes = [worker._process for worker in workers._workers]
    assert all(process is None or process.poll() is not None for process in processes)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decoding")]
