"""Exports for training: original files, classes and parts, and the tools that read them."""

import csv
import json
import re
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from quick_runs import images
from typer.testing import CliRunner

from latentmap.cli import app
from latentmap.images.coco import read_coco
from latentmap.run import EXPORTS, Run, RunError, RunOptions, add_images, export_run, make_run, tables
from latentmap.run.edits import Journal
from latentmap.run.splits import parse_splits, related_images, split_images

OPTIONS = RunOptions(epochs=1, latent_dim=3, n_clusters=3, features="latent")
N = 30
PICTURES = images(N, 0)


@pytest.fixture(scope="module")
def made(quick_module, tmp_path_factory) -> Path:
    """Files of several formats in folders by class, and a run of them in groups by id modulo 3."""
    folder = tmp_path_factory.mktemp("made")
    for i in range(N):
        name = folder / "source" / ("cat" if i < 20 else "dog")
        name.mkdir(parents=True, exist_ok=True)
        suffix = "gif" if i == 4 else "bmp" if i == 5 else "png"
        Image.fromarray(PICTURES[i]).save(name / f"{i:02d}.{suffix}")
    make_run(str(folder / "source"), folder / "run", OPTIONS)
    return folder


@pytest.fixture
def copied(made, tmp_path) -> Path:
    return Path(shutil.copytree(made / "run", tmp_path / "run"))


def exported(run: Path, kind: str, out: Path, **options: object) -> tuple[dict[int, Path], list[str]]:
    """The file of each image, and what was said."""
    said: list[str] = []
    export_run(run, kind, out, say=said.append, **options)
    files = [path for path in out.rglob("*") if path.is_file() and path.suffix not in (".csv", ".json")]
    found = {int(path.name.split("-")[0]): path for path in files}
    assert len(found) == len(files)
    return found, said


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("kind", ["imagefolder", "yolo", "coco"])
def test_originals_are_copied_to_the_last_byte_and_other_formats_are_png(made, tmp_path, kind):
    files, said = exported(made / "run", kind, tmp_path / "out")
    assert sorted(files) == list(range(N))
    assert said[:3] == [
        "29 copies of original files",
        "1 PNG file of the working size",
        "  1 file of formats that training tools do not read, such as cat/04.gif",
    ]
    paths = Run.open(made / "run").atlas()["path"].to_pylist()
    for number, path in files.items():
        assert not path.is_symlink()
        if number == 4:
            assert path.name == "0000004-04.png"
            np.testing.assert_array_equal(np.asarray(Image.open(path)), PICTURES[4])
        else:
            assert path.read_bytes() == (made / "source" / paths[number]).read_bytes()


def test_changed_and_missing_files_are_png_and_so_are_arrays(quick_module, made, tmp_path):
    shutil.copytree(made / "source", tmp_path / "source")
    make_run(str(tmp_path / "source"), tmp_path / "run", OPTIONS)
    Image.fromarray(PICTURES[9]).save(tmp_path / "source" / "cat" / "01.png")
    (tmp_path / "source" / "cat" / "02.png").unlink()
    (tmp_path / "source" / "cat" / "04.gif").unlink()
    files, said = exported(tmp_path / "run", "coco", tmp_path / "out")
    assert said[:2] == ["27 copies of original files", "3 PNG files of the working size"]
    assert any("no longer in" in line and "2 files" in line for line in said)
    for number in (1, 2, 4):
        np.testing.assert_array_equal(np.asarray(Image.open(files[number])), PICTURES[number])
    make_run(PICTURES, tmp_path / "array", OPTIONS)
    files, said = exported(tmp_path / "array", "imagefolder", tmp_path / "of-array")
    assert said[0] == "30 PNG files of the working size"
    assert "30 images with no original file" in said[1]
    np.testing.assert_array_equal(np.asarray(Image.open(files[7])), PICTURES[7])


def test_a_file_that_only_says_that_it_is_a_png_is_written_as_one(quick_module, tmp_path):
    (tmp_path / "source").mkdir()
    for i in range(6):
        Image.fromarray(PICTURES[i]).save(tmp_path / "source" / f"{i}.png", format="GIF" if i == 2 else "PNG")
    make_run(str(tmp_path / "source"), tmp_path / "run", OPTIONS)
    files, said = exported(tmp_path / "run", "coco", tmp_path / "out")
    assert said[:2] == ["5 copies of original files", "1 PNG file of the working size"]
    assert Image.open(files[2]).format == "PNG"


# ---------------------------------------------------------------- classes


def test_classes_are_labels_or_groups(copied, tmp_path):
    journal = Journal(copied)
    journal.add({"kind": "label", "ids": [0, 25], "label": "a/b"}, 0)
    journal.add({"kind": "name", "group": 1, "name": "boats"}, 1)
    group = Run.open(copied).groups().tolist()
    expected = {
        "given": lambda i: "a_b" if i in (0, 25) else f"group-{group[i]:02d}" + "-boats" * (group[i] == 1),
        "label": lambda i: "a_b" if i in (0, 25) else "cat" if i < 20 else "dog",
        "group": lambda i: f"group-{group[i]:02d}" + "-boats" * (group[i] == 1),
    }
    for kind, folder_of in expected.items():
        files, said = exported(copied, "imagefolder", tmp_path / kind, classes=kind)
        assert {i: path.parent.name for i, path in files.items()} == {i: folder_of(i) for i in range(N)}
        rows = rows_of(tmp_path / kind / "metadata.csv")
        assert [(tmp_path / kind / row["file_name"]) for row in rows] == [files[i] for i in range(N)]
        names = {int(row["id"]): row["class"] for row in rows}
        assert names[25] == ("a/b" if kind != "group" else names[1] if group[25] == group[1] else names[25])
        assert names[1] == ("cat" if kind == "label" else "boats" if group[1] == 1 else f"group-{group[1]:02d}")
        assert f"{len(set(names.values()))} classes" in said


def test_images_without_a_class_are_left_out(copied, tmp_path):
    path = copied / "atlas.parquet"
    table = pq.read_table(path)
    labels = pa.array([None if i < 10 else "x" for i in range(N)], pa.string())
    groups = pa.array([-1 if i < 4 else 0 for i in range(N)], pa.int32())
    for name, column in (("label", labels), ("group", groups)):
        table = table.set_column(table.column_names.index(name), name, column)
    tables.write_table(path, table)
    files, said = exported(copied, "coco", tmp_path / "label", classes="label")
    assert sorted(files) == list(range(10, N))
    assert said[-2:] == ["1 class", "10 images without a class left out"]
    assert sorted(exported(copied, "coco", tmp_path / "group", classes="group")[0]) == list(range(4, N))
    files, _ = exported(copied, "imagefolder", tmp_path / "given")
    assert Counter(path.parent.name for path in files.values()) == {"unsure": 4, "group-00": 26}
    with pytest.raises(RunError, match=r"none of 1 image has a class: choose other classes"):
        export_run(copied, "coco", tmp_path / "none", classes="label", only=[3])
    assert not (tmp_path / "none").exists()


def test_spread_labels_are_classes(copied, tmp_path):
    with pytest.raises(RunError, match=r"labels.parquet: not there: spread labels with `latentmap label`"):
        export_run(copied, "yolo", tmp_path / "x", classes="spread")
    columns = {"id": np.arange(N), "label": pa.array([None, *["a", "b"] * 14, "b"])}
    tables.write_table(copied / "labels.parquet", columns)
    Journal(copied).add({"kind": "label", "ids": [1], "label": "mine"}, 0)
    files, _ = exported(copied, "imagefolder", tmp_path / "out", classes="spread")
    assert 0 not in files
    assert [files[i].parent.name for i in (1, 2, 3)] == ["mine", "b", "a"]
    tables.write_table(copied / "labels.parquet", {"id": np.arange(5), "label": ["a"] * 5})
    with pytest.raises(RunError, match="has 5 images and the run 30: give `latentmap label` again"):
        export_run(copied, "yolo", tmp_path / "y", classes="spread")


def test_a_run_without_labels_says_so(quick_module, tmp_path):
    make_run(PICTURES, tmp_path / "run", OPTIONS)
    with pytest.raises(RunError, match="no image has a label: give labels in the explorer, or choose classes=group"):
        export_run(tmp_path / "run", "coco", tmp_path / "out", classes="label")


# ---------------------------------------------------------------- parts


def test_parts_are_divided_by_class_and_the_same_for_a_seed(made, tmp_path):
    splits = "train=0.6,val=0.2,test=0.2"
    files, said = exported(made / "run", "imagefolder", tmp_path / "out", classes="label", splits=splits)
    found = Counter((path.parent.parent.name, path.parent.name) for path in files.values())
    assert found == {
        **{("train", "cat"): 12, ("val", "cat"): 4, ("test", "cat"): 4},
        **{("train", "dog"): 6, ("val", "dog"): 2, ("test", "dog"): 2},
    }
    assert said[-3:] == ["train: 18 images", "val: 6 images", "test: 6 images"]
    ids = [
        int(row["id"]) for part in ("train", "val", "test") for row in rows_of(tmp_path / "out" / part / "metadata.csv")
    ]
    assert sorted(ids) == list(range(N))

    def parts(out, seed):
        options = {"classes": "label", "splits": {"train": 0.6, "val": 0.2, "test": 0.2}, "seed": seed}
        return {
            i: path.relative_to(out) for i, path in exported(made / "run", "imagefolder", out, **options)[0].items()
        }

    assert parts(tmp_path / "again", 0) == {i: path.relative_to(tmp_path / "out") for i, path in files.items()}
    assert parts(tmp_path / "other", 1) != parts(tmp_path / "third", 0)


def test_yolo_has_train_and_val_with_the_same_classes(made, tmp_path):
    files, said = exported(made / "run", "yolo", tmp_path / "out", classes="label", only=[*range(20), 29])
    assert Counter(path.parent.parent.name for path in files.values()) == {"train": 17, "val": 4}
    for part in ("train", "val"):
        assert sorted(path.name for path in (tmp_path / "out" / part).iterdir()) == ["cat", "dog"]
    assert list((tmp_path / "out" / "val" / "dog").iterdir()) == []
    assert said[-1] == "val: 4 images, none of 1 of the classes"
    rows = rows_of(tmp_path / "out" / "metadata.csv")
    assert [tmp_path / "out" / row["file_name"] for row in rows] == [files[int(row["id"])] for row in rows]
    assert Counter(row["split"] for row in rows) == {"train": 17, "val": 4}
    with pytest.raises(RunError, match="YOLO needs the parts train and val"):
        export_run(made / "run", "yolo", tmp_path / "x", splits="train=0.5,test=0.5")


def test_duplicates_are_never_in_two_parts(copied, tmp_path):
    # chains: 0-1-2 exact and near, 3 with 20 of another class, and an image that was added
    pairs = [(1, 0, True), (2, 1, False), (20, 3, False), (12, 11, True), (14, 13, True)]
    columns = {
        **{
            "id": [one[0] for one in pairs],
            "duplicate_of": [one[1] for one in pairs],
            "exact": [one[2] for one in pairs],
        },
        **{name: np.zeros(len(pairs), np.float32) for name in ("distance", "difference")},
    }
    tables.write_table(copied / "duplicates.parquet", columns)
    related = related_images(Run.open(copied))
    assert related[0] == related[1] == related[2]
    assert related[3] == related[20]
    assert len(set(related.tolist())) == N - 5
    for seed in range(8):
        out = tmp_path / str(seed)
        files, _ = exported(copied, "yolo", out, splits="train=0.5,val=0.5", seed=seed, classes="label")
        part = {i: path.parent.parent.name for i, path in files.items()}
        assert all(part[a] == part[b] for a, b, _ in pairs)
        assert abs(Counter(part.values())["train"] - 15) <= 1


def test_added_copies_stay_with_what_they_are_copies_of(quick_module, tmp_path):
    make_run(PICTURES[:20], tmp_path / "run", OPTIONS)
    add_images(tmp_path / "run", PICTURES[20:26])
    # the quick stages say that all added images are copies of image 0
    related = related_images(Run.open(tmp_path / "run"))
    assert (related[20:] == related[0]).all()
    files, _ = exported(tmp_path / "run", "yolo", tmp_path / "out")
    assert len({files[i].parent.parent for i in (0, *range(20, 26))}) == 1


def test_a_part_without_an_image_is_an_error(copied, tmp_path):
    with pytest.raises(RunError, match="no image is left for val: of 4 images, duplicates and parts of one image stay"):
        export_run(
            copied, "coco", tmp_path / "out", only=range(4), splits="train=0.9,val=0.05,test=0.05", classes="label"
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("splits", "reason"),
    [
        ("train=0.8,val=0.1", "sum to 0.9, not 1: such as train=0.8,val=0.1,test=0.1"),
        ("train=80,val=20", "train=80: give each part a fraction"),
        ("train,val", "train=: give each part a fraction"),
        ("train=-1,val=2", "train=-1: give each part a fraction"),
        ("train=nan", "train=nan: give each part a fraction"),
        ("../x=0.5,val=0.5", "'../x' cannot be the name of a folder"),
        ("=1", "'' cannot be the name of a folder"),
        ("a=0.5,A=0.5", "'A' is there twice"),
        ("", "give each part a fraction"),
        ({"train": 0.5, "val": 0.6}, "sum to 1.1, not 1"),
    ],
)
def test_splits_that_cannot_be(splits, reason):
    with pytest.raises(RunError, match=re.escape(reason)):
        parse_splits(splits)


def test_fractions_may_be_rounded():
    assert parse_splits(" a=0.333333, b=0.333333 ,c=.333334") == {"a": 0.333333, "b": 0.333333, "c": 0.333334}
    assert parse_splits("all=1") == {"all": 1.0}


def test_large_divisions_keep_the_fractions_of_each_class():
    random = np.random.default_rng(0)
    classes = random.choice(20, 5000, p=np.arange(1, 21) / 210)
    related = np.where(random.random(5000) < 0.3, random.integers(0, 400, 5000), 400 + np.arange(5000))
    _, related = np.unique(related, return_inverse=True)
    fractions = np.array([0.7, 0.2, 0.1])
    part = split_images(classes, related, fractions, 0)
    assert part.min() == 0
    assert part.max() == 2
    for number in range(3):
        assert set(related[part == number]).isdisjoint(related[part != number])
    np.testing.assert_allclose(np.bincount(part) / 5000, fractions, atol=0.01)
    for name in range(20):
        inside = part[classes == name]
        np.testing.assert_allclose(np.bincount(inside, minlength=3), fractions * len(inside), atol=6)
    np.testing.assert_array_equal(split_images(classes, related, fractions, 0), part)


def test_small_classes_do_not_all_go_to_the_same_small_part():
    classes = np.repeat(np.arange(40), 5)
    part = split_images(classes, np.arange(200), np.array([0.8, 0.1, 0.1]), 0)
    assert np.bincount(part).tolist() == [160, 20, 20]


# ---------------------------------------------------------------- COCO


def test_coco_says_of_each_image_its_size_and_its_class(made, tmp_path):
    files, _ = exported(made / "run", "coco", tmp_path / "out", classes="label", splits="train=0.5,test=0.5")
    found = {part: json.loads((tmp_path / "out" / part / "labels.json").read_text()) for part in ("train", "test")}
    assert found["train"]["categories"] == found["test"]["categories"]
    names = {one["id"]: one["name"] for one in found["train"]["categories"]}
    assert names == {1: "cat", 2: "dog"}
    seen = []
    for part, content in found.items():
        assert len(content["images"]) == len(content["annotations"]) == 15
        for image, annotation in zip(content["images"], content["annotations"], strict=True):
            number = annotation["latentmap_id"]
            seen.append(number)
            assert tmp_path / "out" / part / "data" / image["file_name"] == files[number]
            assert (image["width"], image["height"]) == Image.open(files[number]).size
            assert annotation["image_id"] == image["id"] > 0
            assert annotation["bbox"] == [0, 0, 6, 6]
            assert annotation["area"] == 36
            assert names[annotation["category_id"]] == ("cat" if number < 20 else "dog")
            assert annotation["group"] == number % 3
    assert sorted(seen) == list(range(N))


def test_sizes_are_those_of_the_files_and_not_of_the_run(quick_module, tmp_path):
    (tmp_path / "source").mkdir()
    for i in range(6):
        Image.fromarray(np.kron(PICTURES[i], np.ones((1, i + 1), np.uint8))).save(tmp_path / "source" / f"{i}.png")
    make_run(str(tmp_path / "source"), tmp_path / "run", OPTIONS)
    exported(tmp_path / "run", "coco", tmp_path / "out")
    found = json.loads((tmp_path / "out" / "labels.json").read_text())
    assert [(one["width"], one["height"]) for one in found["images"]] == [(6 * (i + 1), 6) for i in range(6)]


def test_what_coco_says_can_be_read_as_crops(made, tmp_path):
    exported(made / "run", "coco", tmp_path / "out", classes="label")
    paths, boxes, columns, sizes = read_coco(tmp_path / "out" / "labels.json")
    assert len(paths) == N
    assert boxes.tolist() == [[0, 0, 6, 6]] * N
    assert columns["label"].to_pylist() == ["cat"] * 20 + ["dog"] * 10
    assert sizes.tolist() == [[6, 6]] * N


# ---------------------------------------------------------------- the tools


def test_datasets_loads_an_imagefolder_as_it_is(made, tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    files, _ = exported(
        made / "run", "imagefolder", tmp_path / "out", classes="label", splits="train=0.6,val=0.2,test=0.2"
    )
    loaded = datasets.load_dataset("imagefolder", data_dir=str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert {name: len(part) for name, part in loaded.items()} == {"train": 18, "validation": 6, "test": 6}
    for name, folder in (("train", "train"), ("validation", "val"), ("test", "test")):
        for row in loaded[name]:
            assert files[row["id"]].parent.parent.name == folder
            assert row["class"] == ("cat" if row["id"] < 20 else "dog")
            assert row["group"] == row["id"] % 3
            np.testing.assert_array_equal(np.asarray(row["image"]), PICTURES[row["id"]])


def test_datasets_loads_yolo_folders_with_their_classes(made, tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    export_run(made / "run", "yolo", tmp_path / "out", classes="label")
    loaded = datasets.load_dataset("imagefolder", data_dir=str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert loaded["train"].features["label"].names == ["cat", "dog"]
    assert Counter(loaded["train"]["label"]) == {0: 16, 1: 8}
    assert Counter(loaded["validation"]["label"]) == {0: 4, 1: 2}


def test_pycocotools_loads_coco_as_it_is(made, tmp_path):
    pycocotools = pytest.importorskip("pycocotools.coco")
    export_run(made / "run", "coco", tmp_path / "out", classes="label")
    coco = pycocotools.COCO(str(tmp_path / "out" / "labels.json"))
    assert len(coco.getImgIds()) == len(coco.getAnnIds()) == N
    (dog,) = coco.getCatIds(catNms=["dog"])
    assert [one["id"] - 1 for one in coco.loadImgs(coco.getImgIds(catIds=[dog]))] == list(range(20, N))
    evaluated = pytest.importorskip("pycocotools.cocoeval").COCOeval(
        coco,
        coco.loadRes(
            [
                {"image_id": one["image_id"], "category_id": one["category_id"], "bbox": one["bbox"], "score": 1.0}
                for one in coco.loadAnns(coco.getAnnIds())
            ]
        ),
        "bbox",
    )
    evaluated.evaluate()
    evaluated.accumulate()
    evaluated.summarize()
    assert evaluated.stats[0] == 1.0  # all are found, also the first, whose id must not be 0


# ---------------------------------------------------------------- a choice of images


@pytest.mark.parametrize("kind", ["csv", "parquet", "folders", "imagefolder", "coco"])
def test_only_some_images_are_exported(made, tmp_path, kind):
    (tmp_path / "picks.csv").write_text("score,id\n0.5,21\n0.1,3\n0.5,21\n")
    (tmp_path / "paths.csv").write_text("path\ncat/03.png\n21.png\n")
    for only in ([21, 3], np.array([3, 21], np.uint8), tmp_path / "picks.csv", str(tmp_path / "paths.csv")):
        out = tmp_path / "out"
        export_run(made / "run", kind, out, only=only)
        if kind == "csv":
            assert [row["id"] for row in rows_of(out)] == ["3", "21"]
        elif kind == "parquet":
            assert pq.read_table(out)["id"].to_pylist() == [3, 21]
        else:
            pictures = list(out.rglob("*.png"))
            assert sorted(int(path.name.split("-")[0]) for path in pictures) == [3, 21]
        shutil.rmtree(out) if out.is_dir() else out.unlink()


def test_a_choice_that_cannot_be_is_a_sentence(made, tmp_path):
    def refuse(only, reason):
        with pytest.raises(RunError, match=reason):
            export_run(made / "run", "csv", tmp_path / "out.csv", only=only)
        assert not (tmp_path / "out.csv").exists()

    def table(text):
        (tmp_path / "t.csv").write_text(text)
        return tmp_path / "t.csv"

    refuse([30], "no image 30: ids are 0 to 29")
    refuse([-1], "no image -1: ids are 0 to 29")
    refuse([0.5], r"only: an array \(1,\) of float64: pass the ids")
    refuse([], "only: no image in it: choose at least one")
    refuse(tmp_path / "none.csv", "none.csv: there is no such file of images")
    refuse(table("name\nx\n"), "t.csv: columns name: give `id` or `path`")
    refuse(table("id\n30\n"), "row 1: id '30' is not in the run")
    refuse(table("path\ncat/77.png\n"), "row 1: path 'cat/77.png' is not in the run")
    refuse(table("id\n"), "no image in it|names no image|columns")


# ---------------------------------------------------------------- options


def test_options_of_other_kinds_are_refused(made, tmp_path):
    for kind, options, reason in (
        ("csv", {"splits": "a=1"}, "kind='csv': has no splits: leave it out, or choose among imagefolder, yolo, coco"),
        ("folders", {"classes": "label"}, "kind='folders': has no classes"),
        (
            "onnx",
            {"only": [1]},
            "kind='onnx': has no only: leave it out, or choose among csv, parquet, issues, folders, imagef",
        ),
        ("coco", {"classes": "x"}, "classes='x': choose among given, label, spread, group"),
        ("site", {}, "kind='site': call latentmap.explorer.export_site"),
        (
            "xml",
            {},
            "choose among csv, parquet, issues, folders, imagefolder, yolo, coco, projector, overviews, onnx and site",
        ),
    ):
        with pytest.raises(RunError, match=re.escape(reason)):
            export_run(made / "run", kind, tmp_path / "out", **options)
        assert not (tmp_path / "out").exists()


def test_the_command_has_all_kinds_and_options(made, tmp_path):
    run = str(made / "run")
    done = CliRunner().invoke(app, ["export", run, "docx", str(tmp_path / "x")])
    assert done.exit_code == 2
    assert all(kind in done.output for kind in (*EXPORTS, "site"))
    shown = CliRunner().invoke(app, ["export", "--help"], env={"COLUMNS": "400"}).output
    assert ", ".join(EXPORTS) + " or site" in shown
    out = str(tmp_path / "out")
    arguments = [
        "--classes",
        "label",
        "--splits",
        "train=0.5,val=0.5",
        "--seed",
        "3",
        "--only",
        str(tmp_path / "t.csv"),
    ]
    (tmp_path / "t.csv").write_text("id\n" + "".join(f"{i}\n" for i in range(10, 30)))
    done = CliRunner().invoke(app, ["export", run, "yolo", out, *arguments])
    assert done.exit_code == 0, done.output
    assert [line.strip() for line in done.output.splitlines() if "export:" not in line] == [
        f"yolo        {out}",
        *("20 copies of original files", "2 classes", "train: 10 images", "val: 10 images"),
    ]
    done = CliRunner().invoke(app, ["export", run, "site", str(tmp_path / "s"), "--splits", "a=1"])
    assert done.exit_code == 2
    assert "has no --only, --without, --verdict, --classes and --splits" in done.output
    done = CliRunner().invoke(app, ["export", run, "csv", str(tmp_path / "t.csv"), "--decoder"])
    assert done.exit_code == 2
    assert "kind='csv': has no --decoder: leave it out" in done.output


def test_nothing_is_left_of_an_export_that_is_interrupted(made, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("latentmap.run.dataset_export._write_coco", stop)
    with pytest.raises(KeyboardInterrupt):
        export_run(made / "run", "coco", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_points_without_pictures_have_none_of_these(tmp_path):
    vectors = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    make_run(None, tmp_path / "run", RunOptions(n_clusters=2), vectors=vectors)
    for kind in ("imagefolder", "yolo", "coco"):
        with pytest.raises(RunError, match="its points have no pictures: export csv or parquet"):
            export_run(tmp_path / "run", kind, tmp_path / "out")
