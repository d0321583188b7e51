"""What is added to a run is counted once, keeps its labels, and is scaled and coloured as the run is."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from quick_runs import OPTIONS, images

from latentmap.images import SourceError
from latentmap.run import Run, add_images, make, make_run


@pytest.fixture
def run(quick, quick_base, tmp_path) -> Path:
    return Path(shutil.copytree(quick_base, tmp_path / "run"))


def write(folder: Path, pictures: np.ndarray, first: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures, first):
        Image.fromarray(picture).save(folder / f"{number:02d}.png")
    return folder


def test_images_that_the_source_of_the_run_holds_by_now_are_there_once(quick, tmp_path):
    folder = write(tmp_path / "scans", images(8, 0))
    make_run(folder, tmp_path / "run", OPTIONS)
    write(folder, images(3, 1), first=8)
    assert add_images(tmp_path / "run", folder).n_added == 3
    elsewhere = write(tmp_path / "other", images(4, 2))
    assert add_images(tmp_path / "run", elsewhere).n_added == 4
    write(folder, images(4, 2)[:1], first=11)
    make_run(folder, tmp_path / "run", OPTIONS)
    atlas = Run.open(tmp_path / "run").atlas()
    assert atlas.num_rows == 15
    assert len(set(atlas["path"].to_pylist())) == 15
    assert atlas["added"].to_pylist() == [0] * 12 + [1] * 3
    assert [len(one) for one in Run.open(tmp_path / "run").added_images()] == [3]
    np.testing.assert_array_equal(Run.open(tmp_path / "run").added_images()[0], images(4, 2)[1:])


def test_paths_stay_unique_when_the_source_of_the_run_gets_a_file_that_an_addition_has_too(quick, tmp_path):
    folder = write(tmp_path / "scans", images(8, 0))
    make_run(folder, tmp_path / "run", OPTIONS)
    add_images(tmp_path / "run", write(tmp_path / "other", images(2, 1), first=8))
    write(folder, images(1, 2), first=8)  # another picture of the same name
    make_run(folder, tmp_path / "run", OPTIONS)
    paths = Run.open(tmp_path / "run").atlas()["path"].to_pylist()
    assert paths[8:] == ["08.png", "other/08.png", "other/09.png"]


def test_an_interrupted_addition_that_is_repeated_says_what_it_finished(run, monkeypatch):
    def stop(_: Path) -> list[str]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setitem(make.FUNCTIONS, "report", stop)
        with pytest.raises(KeyboardInterrupt):
            add_images(run, np.concatenate([images(4, 2), images(8, 0)[:1]]))
    assert Run.open(run).atlas().num_rows == 10
    again = add_images(run, np.concatenate([images(4, 2), images(8, 0)[:1]]))
    assert (again.n_added, again.n_known) == (4, 1)
    assert Run.open(run).atlas().num_rows == 14
    third = add_images(run, images(4, 2))
    assert (third.n_added, third.n_known) == (0, 4)


@pytest.mark.parametrize("what", ["the run", "its figures", "an empty folder", "broken files"])
def test_sources_without_images_of_their_own_leave_the_run_as_it_is(what, run, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    if what == "broken files":
        (empty / "a.png").write_text("broken")
    source = {"the run": run, "its figures": run / "figures"}.get(what, empty)
    words = (
        "is the folder of the run or lies in it" if "empty" not in source.name else "no images in it|cannot be decoded"
    )
    with pytest.raises(SourceError, match=words):
        add_images(run, source)
    assert Run.open(run).atlas().num_rows == 10
    assert not (run / ".pending").exists()
    with pytest.raises(SourceError, match="is the folder of the run or lies in it"):
        make_run(run, run, OPTIONS)


def test_a_colour_picture_is_taken_as_grey_by_a_grey_run(quick, tmp_path):
    make_run(write(tmp_path / "old", images(8, 0)), tmp_path / "run", OPTIONS)
    new = write(tmp_path / "new", images(3, 2))
    tinted = np.stack([images(1, 3)[0], *[images(1, 4)[0]] * 2], axis=-1)
    Image.fromarray(tinted).save(new / "tinted.png")
    (new / "broken.png").write_text("broken")
    done = add_images(tmp_path / "run", new)
    assert (done.n_added, done.n_skipped) == (4, 1)
    grey = np.asarray(Image.fromarray(tinted).convert("L"))
    np.testing.assert_array_equal(Run.open(tmp_path / "run").added_images()[0][3], grey)
    np.testing.assert_array_equal(Run.open(tmp_path / "run").pixels(new / "tinted.png"), grey)
    arrays = np.repeat(images(2, 9)[..., None], 3, axis=-1)
    assert add_images(tmp_path / "run", arrays).n_added == 2
    np.testing.assert_array_equal(Run.open(tmp_path / "run").added_images()[1], images(2, 9))
    with pytest.raises(SourceError, match=r"images of shape \(5, 6\), but the run has \(6, 6\)"):
        add_images(tmp_path / "run", images(2, 3)[:, :5])


def test_a_grey_array_is_taken_by_a_run_in_colour(quick, tmp_path):
    colours = np.random.default_rng(0).integers(0, 255, (8, 6, 6, 3), dtype=np.uint8)
    make_run(colours, tmp_path / "run", OPTIONS)
    assert add_images(tmp_path / "run", images(2, 3)).n_added == 2
    np.testing.assert_array_equal(Run.open(tmp_path / "run").added_images()[0][..., 1], images(2, 3))


def test_arrays_are_scaled_as_those_of_the_run_and_known_by_what_was_given(quick, tmp_path):
    deep = np.random.default_rng(0).integers(0, 4096, (20, 6, 6), dtype=np.uint16)
    deep[0, 0, :2] = 0, 4095
    make_run(deep, tmp_path / "run", OPTIONS)
    same = add_images(tmp_path / "run", deep[5:15].copy())
    assert (same.n_added, same.n_known) == (0, 10)
    dark = add_images(tmp_path / "run", deep[5:15] // 4)
    assert (dark.n_added, dark.n_clipped) == (10, 0)
    assert Run.open(tmp_path / "run").added_images()[-1].max() == round(int(deep[5:15].max() // 4) * 255 / 4095)
    bright = deep[:3].copy()
    bright[1] += 1000
    done = add_images(tmp_path / "run", bright)
    assert (done.n_added, done.n_known, done.n_clipped) == (1, 2, 1)
    assert Run.open(tmp_path / "run").added_images()[-1].max() == 255


def test_labels_and_columns_of_added_images_are_kept(quick, tmp_path):
    labelled = tmp_path / "labelled"
    write(labelled / "cat", images(2, 5))
    write(labelled / "dog", images(2, 6))
    table = tmp_path / "more.csv"
    rows = "".join(f"labelled/cat/{n:02d}.png,7,left\n" for n in range(2))
    for name, labels in (("numbers", list(range(8))), ("none", None)):
        make_run(images(8, 0), tmp_path / name, OPTIONS, labels=labels)
        add_images(tmp_path / name, labelled)
        atlas = Run.open(tmp_path / name).atlas()
        first = [None] * 8 if labels is None else [str(label) for label in labels]
        assert atlas["label"].to_pylist() == [*first, "cat", "cat", "dog", "dog"]
        write(labelled / "cat", images(2, 7))
        table.write_text("path,weight,side\n" + rows)
        add_images(tmp_path / name, table)
        atlas = Run.open(tmp_path / name).atlas()
        assert atlas["side"].to_pylist() == [None] * 12 + ["left"] * 2
        assert [None if one is None else str(one) for one in atlas["weight"].to_pylist()] == [None] * 12 + ["7"] * 2
        write(labelled / "cat", images(2, 5))


def test_a_tilde_stands_for_the_home_folder(quick, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "home" / "scans", images(8, 0))
    make_run("~/scans", "~/run", OPTIONS)
    write(tmp_path / "home" / "more", images(2, 5))
    assert add_images("~/run", "~/more").n_added == 2
    assert Run.open("~/run").atlas().num_rows == 10
    assert Run.open("~/run").pixels("~/more/00.png").shape == (6, 6)
    assert not (tmp_path / "~").exists()
