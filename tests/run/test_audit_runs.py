"""The audit of runs: what is found and written, again and again, and after a kill."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageFilter
from typer.testing import CliRunner

import latentmap as lm
from latentmap.cli import app
from latentmap.core.errors import OptionError, RunError
from latentmap.run import Run, audit_run, pending
from latentmap.run.edits import Journal

OPTIONS = {"epochs": 1, "latent_dim": 3, "quiet": True}
MEASURES = {"sharpness", "brightness", "shadows", "highlights", "contrast", "difference"}
COLUMNS = MEASURES | {"width", "height", "bytes", "format", "mode"}


def bars(kind: int, random: np.random.Generator) -> np.ndarray:
    image = random.integers(0, 40, (16, 16, 3))
    place = int(random.integers(2, 9))
    (image if kind else image.transpose(1, 0, 2))[place : place + 4] += 180
    return image.astype(np.uint8)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """Two kinds of pictures in two parts, with one of each issue, and labels of which two are wrong."""
    folder = tmp_path_factory.mktemp("audited")
    random = np.random.default_rng(0)
    for part in ("test", "train"):
        (folder / part).mkdir()
        for number in range(30):
            Image.fromarray(bars(number % 2, random)).save(folder / part / f"{number:02}.png")
    train = folder / "train"
    picture = Image.open(train / "08.png")
    picture.filter(ImageFilter.GaussianBlur(2)).save(train / "blurry.png")
    picture.point(lambda value: value // 12).save(train / "dark.png")
    picture.point(lambda value: 255 - value // 12).save(train / "bright.png")
    picture.convert("CMYK").save(train / "cmyk.tif")
    picture.resize((96, 96), Image.Resampling.NEAREST).save(train / "large.png")
    picture.resize((16, 40), Image.Resampling.NEAREST).save(train / "tall.png")
    shutil.copy(train / "05.png", folder / "test" / "leak.png")
    return folder


@pytest.fixture(scope="module")
def labels(source) -> Path:
    """Labels by the kind of picture, of which two are wrong and one is missing."""
    lines = ["path,label"]
    for part in ("test", "train"):
        kinds = ["rows" if number % 2 else "columns" for number in range(30)]
        if part == "train":
            kinds[4], kinds[7], kinds[9] = "rows", "columns", ""
        lines += [f"{part}/{number:02}.png,{kind}" for number, kind in enumerate(kinds)]
    file = source.parent / "kinds.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


@pytest.fixture(scope="module")
def made(source, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "run"
    lm.map_images(str(source), folder, **OPTIONS)
    return folder


@pytest.fixture
def run(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


def found_in(run: Run, table: pa.Table | None = None) -> dict[str, list[str]]:
    paths = run.paths()
    found: dict[str, list[str]] = {}
    for row in (run.issues() if table is None else table).to_pylist():
        found.setdefault(row["issue"], []).append(paths[row["id"]])
    return found


def test_every_run_is_audited(made):
    run = Run.open(made)
    found = found_in(run)
    assert found["blurry"] == ["train/blurry.png"]
    assert found["dark"] == ["train/dark.png"]
    assert found["bright"] == ["train/bright.png"]
    assert found["odd_size"] == ["train/large.png"]
    assert found["odd_aspect"] == ["train/tall.png"]
    assert "train/cmyk.tif" in found["odd_mode"]
    assert "train/05.png" in found["exact_duplicate"]
    assert "wrong_label" not in found  # the folders are labels that the pictures do not show
    assert "leak" not in found
    assert COLUMNS <= set(run.atlas().column_names)
    assert {"issues.parquet", "atlas.parquet"} <= set(run.stages["report"]["files"])
    assert "quality.parquet" in run.stages["find"]["files"]
    row = run.frame().set_index("path").loc["train/large.png"]
    assert row[["width", "height", "format", "mode"]].tolist() == [96, 96, "PNG", "RGB"]
    assert row["bytes"] == (Path(run.state["source"]["sources"][0]["root"]) / "train" / "large.png").stat().st_size
    assert run.frame().set_index("path").loc["train/cmyk.tif", "mode"] == "CMYK"


def test_labels_and_parts_are_audited_without_repeating_a_stage(run, labels, tmp_path):
    before = json.loads((run / "run.json").read_text())
    pictures = pq.read_table(run / "atlas.parquet", columns=["id", "image", "latent", "x"])
    table = lm.audit_images(run, labels=labels, split="folder", out=tmp_path / "issues.csv", quiet=True)
    found = found_in(Run.open(run), table)
    assert sorted(found["wrong_label"]) == ["train/04.png", "train/07.png"]
    assert "train/05.png" in found["leak"]
    assert Run.open(run).issues().equals(table)
    atlas = Run.open(run).atlas()
    wrong = atlas["wrong_label"].to_numpy(zero_copy_only=False)
    paths = Run.open(run).paths()
    assert np.isnan(wrong[paths.index("train/09.png")])
    assert wrong[paths.index("train/04.png")] > 0.5 > wrong[paths.index("test/04.png")]
    assert pq.read_table(run / "atlas.parquet", columns=["id", "image", "latent", "x"]).equals(pictures)
    text = (tmp_path / "issues.csv").read_text()
    assert text.startswith('"id","path","issue","score","threshold","related","note","related_path"')
    assert '"columns → rows"' in text or '"rows → columns"' in text
    after = json.loads((run / "run.json").read_text())
    assert {name: one["key"] for name, one in before["stages"].items()} == {
        name: one["key"] for name, one in after["stages"].items()
    }
    assert not (run / ".pending").exists()
    # given again without labels, their columns and issues go
    lm.audit_images(run, quiet=True)
    assert "wrong_label" not in Run.open(run).atlas().column_names
    assert Run.open(run).atlas().column_names.count("sharpness") == 1


def test_the_same_command_keeps_an_audited_run(run, source, labels):
    lm.audit_images(run, labels=labels, quiet=True)
    before = (run / "issues.parquet").read_bytes()
    atlas = (run / "atlas.parquet").stat().st_mtime_ns
    lm.map_images(str(source), run, **OPTIONS)
    assert (run / "issues.parquet").read_bytes() == before
    assert (run / "atlas.parquet").stat().st_mtime_ns == atlas


def test_labels_given_in_the_explorer_are_audited(run, labels):
    paths = Run.open(run).paths()
    Journal(run).add({"kind": "label", "ids": [paths.index("train/04.png")], "label": "columns"}, 0)
    edits = (run / "edits.jsonl").read_bytes()
    table = lm.audit_images(run, labels=labels, quiet=True)
    assert found_in(Run.open(run), table)["wrong_label"] == ["train/07.png"]
    assert (run / "edits.jsonl").read_bytes() == edits


def as_earlier(run: Path) -> None:
    """What a version without an audit would have written."""
    state = json.loads((run / "run.json").read_text())
    for stage, name in (("find", "quality.parquet"), ("report", "issues.parquet")):
        del state["stages"][stage]["files"][name]
        (run / name).unlink()
    for name, file in (("report", "atlas.parquet"), ("decode", "images.parquet")):
        table = pq.read_table(run / file)
        kept = [one for one in table.column_names if one not in COLUMNS - {"width", "height"} and "file_" not in one]
        pq.write_table(table.select(kept), run / file)
        state["stages"][name]["files"] |= audit_run.describe_files(run, [file])
    (run / "run.json").write_text(json.dumps(state))


def test_a_run_of_an_earlier_version_opens_and_is_audited(run, source):
    as_earlier(run)
    with pytest.raises(RunError, match="latentmap audit"):
        Run.open(run).issues()
    assert CliRunner().invoke(app, ["info", str(run)]).exit_code == 0
    table = lm.audit_images(run, quiet=True)
    assert found_in(Run.open(run), table)["dark"] == ["train/dark.png"]
    assert {"sharpness", "width"} <= set(Run.open(run).atlas().column_names)
    assert "mode" not in Run.open(run).atlas().column_names
    assert "quality.parquet" in Run.open(run).stages["find"]["files"]


def test_images_that_were_added_are_audited(run, source, tmp_path):
    more = tmp_path / "more"
    more.mkdir()
    shutil.copy(source / "train" / "03.png", more / "again.png")
    picture = Image.fromarray(bars(1, np.random.default_rng(9)))
    picture.save(more / "fresh.png")
    picture.point(lambda value: value // 12).save(more / "night.png")
    lm.add_images(run, str(more), quiet=True)
    opened = Run.open(run)
    assert sorted(found_in(opened)["dark"]) == ["night.png", "train/dark.png"]
    atlas = opened.frame().set_index("path")
    assert atlas.loc["night.png", "highlights" if "highlights" in atlas else "brightness"] < 0.1
    assert atlas.loc["fresh.png", "format"] == "PNG"
    assert lm.audit_images(run, quiet=True).equals(opened.issues())


def test_originals_and_cache_are_not_needed(source, labels, tmp_path):
    own = Path(shutil.copytree(source, tmp_path / "pictures"))
    run = lm.map_images(str(own), tmp_path / "run", **OPTIONS)
    before = run.issues()
    (own / "train" / "00.png").write_bytes(b"damaged")
    (own / "train" / "01.png").unlink()
    shutil.rmtree(run.path / "cache")
    assert lm.audit_images(run, quiet=True).equals(before)


def test_an_audit_that_is_killed_leaves_the_run_and_can_be_repeated(run, labels, monkeypatch):
    before = {name: (run / name).read_bytes() for name in ("atlas.parquet", "issues.parquet", "run.json")}

    def stop(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(audit_run, "commit", stop)
    with pytest.raises(KeyboardInterrupt):
        lm.audit_images(run, labels=labels, quiet=True)
    assert {name: (run / name).read_bytes() for name in before} == before
    monkeypatch.setattr(audit_run, "commit", pending.commit)
    table = lm.audit_images(run, labels=labels, quiet=True)
    assert Run.open(run).issues().equals(table)
    assert "wrong_label" in Run.open(run).atlas().column_names


def test_unfinished_runs_are_not_audited(run):
    state = json.loads((run / "run.json").read_text())
    state["stages"]["map"]["state"] = "running"
    (run / "run.json").write_text(json.dumps(state))
    with pytest.raises(RunError, match="not finished"):
        lm.audit_images(run, quiet=True)


def test_points_without_pictures_have_no_measures_of_pictures(tmp_path):
    random = np.random.default_rng(0)
    vectors = random.normal(0, 1, (40, 4)).astype(np.float32)
    vectors[20:, 0] += 20
    vectors[7] = vectors[3]
    run = lm.map_images(None, tmp_path / "run", vectors=vectors, quiet=True)
    assert set(found_in(run)) <= {"exact_duplicate", "outlier"}
    assert not COLUMNS & set(run.atlas().column_names)
    assert not (run.path / "quality.parquet").exists()
    assert lm.audit_images(run, quiet=True).equals(run.issues())


def test_the_difference_from_the_most_similar_duplicate_is_a_column(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (30, 8, 8), np.uint8)
    images[[4, 5]] = images[3] ^ 1, images[2]
    run = lm.map_images(images, tmp_path / "run", **OPTIONS)
    pairs = run.duplicates().to_pylist()
    assert [(one["id"], one["duplicate_of"], one["exact"]) for one in pairs] == [(5, 2, True), (4, 3, False)]
    found = run.atlas()["difference"].to_pylist()
    assert [found[one] for one in (2, 3, 4, 5)] == [0, pairs[1]["difference"], pairs[1]["difference"], 0]
    assert found.count(None) == 26


def test_five_channels_of_16_bits_and_equal_images(tmp_path):
    deep = np.random.default_rng(0).integers(0, 60000, (20, 8, 8, 5)).astype(np.uint16)
    run = lm.map_images(deep, tmp_path / "deep", **OPTIONS)
    assert run.atlas()["contrast"].null_count == 0
    assert run.atlas()["difference"].null_count == 20
    equal = lm.map_images(np.full((12, 8, 8), 7, np.uint8), tmp_path / "equal", **OPTIONS)
    assert set(found_in(equal)) == {"exact_duplicate"}
    assert len(equal.issues()) == 11
    assert equal.atlas()["sharpness"].null_count == 12
    assert equal.atlas()["difference"].to_pylist() == [0.0] * 12


def test_a_column_of_the_source_keeps_its_name(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    random = np.random.default_rng(0)
    lines = ["path,brightness,mode"]
    for number in range(12):
        Image.fromarray(bars(number % 2, random)).save(folder / f"{number}.png")
        lines.append(f"{number}.png,{number},night")
    (folder / "table.csv").write_text("\n".join(lines))
    run = lm.map_images(str(folder / "table.csv"), tmp_path / "run", **OPTIONS)
    for _ in range(2):
        atlas = Run.open(run.path).atlas()
        assert atlas["mode"].to_pylist() == ["night"] * 12
        assert atlas["mode_"].to_pylist() == ["RGB"] * 12
        assert [float(one) for one in atlas["brightness"].to_pylist()] == list(range(12))
        assert atlas["brightness_"].to_numpy().max() < 1
        lm.audit_images(run, quiet=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--split", "nope"], "no such column: choose among"),
        (["--split", "path"], "no such column: choose among"),
        (["--split", "frame"], "0 different values, not 2 to 100: choose among"),
        (["--labels", "none.csv"], "there is no such file of labels"),
        (["-o", "issues.xlsx"], "name a file that ends in .csv or .parquet"),
        (["-o", "no/such/folder.csv"], "no such folder"),
    ],
)
def test_values_that_do_not_fit_are_sentences(made, arguments, message, capsys):
    before = (made / "run.json").read_bytes()
    result = CliRunner().invoke(app, ["audit", str(made), *arguments])
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert (made / "run.json").read_bytes() == before
    assert not (made / ".pending").exists()


def test_the_command_prints_a_table_and_writes_files(run, labels, tmp_path):
    out = tmp_path / "issues.parquet"
    result = CliRunner().invoke(app, ["audit", str(run), "--labels", str(labels), "--split", "folder", "-o", str(out)])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["issue", "number", "worst"]
    assert "dark                    1  train/dark.png" in lines
    assert any(line.startswith("wrong_label             2  ") and "columns → rows" in line for line in lines)
    assert lines[-1] == f"issues  {out}"
    assert pq.read_table(out).column_names[:3] == ["id", "path", "issue"]


def test_a_damaged_table_of_issues_is_a_sentence(run):
    state = json.loads((run / "run.json").read_text())
    pq.write_table(pa.table({"id": [10**6]}), run / "issues.parquet")
    assert state
    with pytest.raises(RunError, match=r"issues\.parquet: damaged"):
        Run.open(run)
    with pytest.raises(OptionError):
        audit_run.audit_run(run, out="issues.txt")
    sys.stdout.flush()
