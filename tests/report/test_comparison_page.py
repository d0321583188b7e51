"""The page of a comparison: numbers of all images, points that can be decoded, and nothing from elsewhere."""

import base64
import csv
import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

import latentmap as lm
from latentmap.cli import app
from latentmap.report import comparison_drawing, write_comparison
from latentmap.report import comparison_page as page_module
from latentmap.report.comparison_drawing import MAX_PICTURES, MAX_POINTS, ComparisonDrawing
from latentmap.run import RunError, RunOptions, compare_runs, make_run
from latentmap.run.edits import Journal

OPTIONS = {"epochs": 1, "latent_dim": 3, "features": "latent"}
HOSTILE = "</script><b>$&amp;.png"
N = 40


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two runs of small colour pictures; one of them has one picture less and another one more."""
    folder = tmp_path_factory.mktemp("made")
    shades = np.random.default_rng(0).integers(0, 40, (N, 8, 8, 3), dtype=np.uint8)
    for name, left_out in (("a", 39), ("b", 0)):
        (folder / f"of-{name}").mkdir()
        for i in range(N):
            picture = shades[i].copy()
            picture[2 * (i % 4) : 2 * (i % 4) + 2, :, i % 3] += 200
            path = folder / f"of-{name}" / (f"{i:02d}.png" if i != 5 else HOSTILE.replace("/", "∕"))
            if i != left_out:
                Image.fromarray(picture).save(path)
        n_clusters = 3 if name == "a" else 4
        make_run(str(folder / f"of-{name}"), folder / name, RunOptions(n_clusters=n_clusters, **OPTIONS))
    Journal(folder / "a").add({"kind": "name", "group": 1, "name": "<i>Boats</i>"}, 0)
    return folder


@pytest.fixture(scope="module")
def found(made):
    return compare_runs(made / "a", made / "b")


@pytest.fixture(scope="module")
def page(found):
    return page_module.comparison_page(found)


def data_of(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


def decoded(text, dtype):
    return np.frombuffer(base64.b64decode(text), dtype)


def words(page):
    text = re.sub(r"<(style|script).*?</\1>|<title>.*?</title>", " ", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def test_the_page_says_the_numbers_of_all_images(found, page):
    said = words(page)
    n_changed = int(found.is_changed.sum())
    assert found.measures["n_common"] == 38
    assert f"{n_changed} of 38 images ({100 * n_changed / 38:.1f} %)" in said
    assert "Two maps of 38 images" in said
    assert "1 image of A is not in the other run: 00.png" in said
    assert "1 image of B is not in the other run: 39.png" in said
    assert f"{found.measures['ari']:.4f}" in said
    assert str(found.a.run.path) in said


def test_each_image_is_drawn_at_its_place_and_in_its_group_on_both_maps(found, page):
    data = data_of(page)
    assert data["n"] == 40
    ids = {name: decoded(data[name]["ids"], "<i4") for name in "ab"}
    assert sorted(ids["a"][ids["a"] >= 0].tolist()) == list(range(39))
    assert sorted(ids["b"][ids["b"] >= 0].tolist()) == list(range(39))
    for name, run in (("a", found.a), ("b", found.b)):
        x, y = (decoded(data[name][axis], "<u2").astype(float) for axis in "xy")
        here = ids[name] >= 0
        assert (x[~here] == data["nowhere"]).all()
        numbers = np.array([one["number"] for one in data["groups"][name]])
        group = numbers[decoded(data[name]["group"], "<u2")]
        np.testing.assert_array_equal(group[here], run.group[ids[name][here]])
        # distances are those of the map, up to its scale and the rounding to steps
        drawn, real = np.column_stack([x, y])[here], run.places[ids[name][here]].astype(float)
        distances = [np.linalg.norm(places[:, None] - places, axis=2) for places in (drawn, real)]
        scale = distances[0].max() / distances[1].max()
        np.testing.assert_allclose(distances[0], scale * distances[1], atol=3)
    both = (ids["a"] >= 0) & (ids["b"] >= 0)
    pairs = dict(zip(found.common.ids_a.tolist(), found.common.ids_b.tolist(), strict=True))
    assert [pairs[i] for i in ids["a"][both].tolist()] == ids["b"][both].tolist()
    changed = decoded(data["changed"], "u1")
    assert (changed == 1).sum() == found.is_changed.sum()
    assert (changed == 2).sum() == 2
    shared = decoded(data["shared"], "u1")[both]
    row_of = {image: row for row, image in enumerate(found.common.ids_a.tolist())}
    expected = [found.shared_neighbors[row_of[i]] for i in ids["a"][both].tolist()]
    np.testing.assert_array_equal(shared, np.rint(100 * np.array(expected)))


def test_the_second_map_lies_as_the_first_does(made, found):
    drawing = ComparisonDrawing(found)
    aligned = drawing._aligned_places()[found.common.ids_b]
    first = found.a.places[found.common.ids_a]

    def cross(second):
        return float(np.sum((second - second.mean(axis=0)) * (first - first.mean(axis=0))))

    angles = np.linspace(0, 2 * np.pi, 37)
    turned = [
        aligned @ np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]]) * [1, mirror]
        for t in angles
        for mirror in (1, -1)
    ]
    assert cross(aligned) >= max(map(cross, turned)) - 1e-3


def test_matched_groups_have_one_colour_and_all_others_have_their_own(found, page):
    groups = data_of(page)["groups"]
    color = {name: {one["number"]: one["color"] for one in groups[name]} for name in "ab"}
    for a, b in found.groups.partners.items():
        assert color["a"][a] == color["b"][b]
    alone = set(color["b"]) - set(found.groups.partners.values()) - {-1}
    assert len(alone) == 1
    assert not {color["b"][one] for one in alone} & set(color["a"].values())
    assert len(set(color["a"].values())) == 4  # three groups, and no group
    assert color["a"][-1] == color["b"][-1]


def test_the_table_of_groups_has_all_counts(found, page):
    table = re.search(r'<table class="groups">(.*?)</table>', page, re.DOTALL)[1]
    cells = re.findall(r'data-a="(\d+)" data-b="(\d+)" title="Select (\d+) images?">(\d+)<', table)
    assert sum(int(cell[3]) for cell in cells) == 38
    assert sorted(int(cell[3]) for cell in cells) == sorted(n for n in found.groups.counts.ravel().tolist() if n)
    data = data_of(page)
    for a, b, _, n in cells:
        i, j = (data["groups"][name][int(code)]["number"] for name, code in (("a", a), ("b", b)))
        counted = found.groups.counts[found.groups.numbers_a == i][0, found.groups.numbers_b == j][0]
        assert int(n) == counted
    assert table.count(' same"') == len(found.groups.partners)


def test_groups_beyond_the_shown_ones_are_one_row_and_column(found, monkeypatch):
    monkeypatch.setattr(page_module, "MAX_GROUPS_SHOWN", 2)
    table = page_module._group_table(found, ComparisonDrawing(found).groups())
    assert (table["n_more_a"], table["n_more_b"]) == (1, 2)
    inside = sum(cell["n"] for line in table["lines"] for cell in line["cells"])
    total = inside + sum(line["others"] for line in table["lines"]) + sum(table["below"]) + table["below_others"]
    assert total == 38


def test_names_of_images_and_groups_are_text(page):
    hostile = HOSTILE.replace("/", "∕")
    assert hostile in data_of(page)["names"]
    assert "<b>" not in page.replace("<b>Map", "")
    assert "<i>" not in page
    assert "&lt;i&gt;Boats" in page
    assert page.count("</script>") == 2


def test_the_page_loads_nothing(page):
    assert not re.search(r"https?://|//cdn|@import|src=\"(?!data:)|url\((?!data:)|fetch\(|XMLHttp|WebSocket", page)
    assert "default-src 'none'" in page


def test_pictures_are_those_of_the_images(found, page):
    data = data_of(page)
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(data["sheet"]["url"].partition(",")[2]))).convert("RGB"))
    ids, width, height = decoded(data["a"]["ids"], "<i4"), data["sheet"]["width"], data["sheet"]["height"]
    assert (width, height) == (8, 8)
    assert data["sheet"]["shown"] == (ids >= 0).tolist()
    for position, image in enumerate(ids.tolist()):
        if image < 0:
            continue
        row, column = divmod(position, data["sheet"]["columns"])
        tile = sheet[8 * row : 8 * row + 8, 8 * column : 8 * column + 8].astype(int)
        assert np.abs(tile - np.asarray(found.a.run.image(image)).astype(int)).mean() < 30
        # WebP halves the colours, and the bright bar is in its row
        assert (
            tile.sum(axis=(1, 2)).argmax() // 2 == np.asarray(found.a.run.image(image)).sum(axis=(1, 2)).argmax() // 2
        )


def test_of_many_images_those_that_changed_most_and_a_sample_are_drawn(found, monkeypatch):
    monkeypatch.setattr(comparison_drawing, "MAX_POINTS", 12)
    monkeypatch.setattr(comparison_drawing, "MAX_CHANGED", 3)
    monkeypatch.setattr(comparison_drawing, "MAX_PICTURES", 5)
    drawing = ComparisonDrawing(found)
    assert drawing.rows[:3].tolist() == found.most_changed(3).tolist()
    assert len(set(drawing.rows.tolist())) == len(drawing.rows) == 12
    assert len(drawing.sheet()["shown"]) == 5
    page = page_module.comparison_page(found)
    assert data_of(page)["n"] == 12
    said = words(page)
    assert "12 of 40 images are drawn" in said
    assert f"{int(found.is_changed.sum())} of 38 images (" in said


def test_the_page_of_as_many_images_as_there_can_be_stays_below_its_size(found):
    # noise, which compresses worst
    side = comparison_drawing.PICTURE_SIDE
    noise = np.random.default_rng(0).integers(0, 255, (20 * side, 20 * side, 3), dtype=np.uint8)
    of_pictures = len(comparison_drawing.as_url(Image.fromarray(noise))) / 400 * MAX_PICTURES
    large = comparison_drawing.CHANGED_SIDE
    noise = np.random.default_rng(0).integers(0, 255, (large, large, 3), dtype=np.uint8)
    of_changed = len(comparison_drawing.as_url(Image.fromarray(noise))) * comparison_drawing.MAX_CHANGED
    data = ComparisonDrawing(found).data()
    of_numbers = sum(len(data[name][key]) for name in "ab" for key in ("x", "y", "group", "ids"))
    of_points = (of_numbers + len(data["changed"]) + len(data["shared"])) / data["n"] * MAX_POINTS
    of_names = 3 * (comparison_drawing.MAX_NAME + 3) * MAX_POINTS  # up to three bytes a character
    assert of_pictures + of_changed + of_points + of_names < 10e6


def test_points_without_pictures_have_a_page_too(tmp_path):
    random = np.random.default_rng(0)
    vectors = (random.normal(size=(40, 3)) + np.repeat([[0], [9]], 20, axis=0)).astype(np.float32)
    for name, values in (("a", vectors), ("b", vectors * 2)):
        make_run(None, tmp_path / name, RunOptions(n_clusters=2), vectors=values)
    page = page_module.comparison_page(lm.compare(tmp_path / "a", tmp_path / "b", quiet=True))
    assert data_of(page)["sheet"] is None
    assert "Two maps of 40 points" in words(page)
    assert "0 of 40 points (0.0 %) are in another group" in words(page)
    assert 'id="changed"' not in page


# ---------------------------------------------------------------- files


def test_a_folder_has_the_page_the_table_and_the_measures(made, found, tmp_path, page):
    lm.compare(made / "a", made / "b", out=tmp_path / "out", quiet=True)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *("comparison.html", "comparison.json", "comparison.parquet")
    ]
    assert (tmp_path / "out" / "comparison.html").read_text(encoding="utf-8") == page
    assert pq.read_table(tmp_path / "out" / "comparison.parquet").equals(found.table())
    facts = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert facts["measures"] == found.measures
    assert facts["matched_by"] == "content"
    assert {one["a"]: one["b"] for one in facts["same_groups"]} == found.groups.partners


def test_one_file_is_written_by_its_ending(found, tmp_path):
    for name in ("x.html", "x.parquet", "x.csv", "x.json", "x.y"):
        write_comparison(found, tmp_path / name)
    assert (tmp_path / "x.y").is_dir()
    with (tmp_path / "x.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 40
    assert [row["id_b"] for row in rows][-2:] == ["", "37"]
    assert {row["is_changed"] for row in rows} == {"true", "false", ""}
    assert pq.read_table(tmp_path / "x.parquet").num_rows == 40


def test_nothing_is_replaced_and_nothing_is_written_into_a_run(made, found, tmp_path):
    (tmp_path / "x.html").write_text("mine")
    with pytest.raises(RunError, match=r"x.html: there already: name a new file"):
        write_comparison(found, tmp_path / "x.html")
    assert (tmp_path / "x.html").read_text() == "mine"
    for name in "ab":
        with pytest.raises(RunError, match="inside the run, where only the run's own files lie"):
            write_comparison(found, made / name / "out")
        assert not (made / name / "out").exists()
    write_comparison(found, made / "a" / "exports" / "with-b")
    shutil.rmtree(made / "a" / "exports")


def test_nothing_is_left_of_a_comparison_that_fails(found, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", fail)
    with pytest.raises(OSError, match="No space left"):
        write_comparison(found, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_the_command_prints_the_measures_and_the_files(made, found, tmp_path):
    done = CliRunner().invoke(app, ["compare", str(made / "a"), str(made / "b"), "-o", str(tmp_path / "out"), "-q"])
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines[: len(found.describe())] == found.describe()
    assert lines[0].split() == ["Images", "in", "both", "runs", "38"]
    assert lines[-3].split() == ["page", str(tmp_path / "out" / "comparison.html")]
    only_printed = CliRunner().invoke(app, ["compare", str(made / "a"), str(made / "b"), "-q"])
    assert only_printed.output.splitlines() == found.describe()


def test_the_command_says_why_two_runs_cannot_be_compared(made):
    done = CliRunner().invoke(app, ["compare", str(made / "a"), str(Path(made / "a"))])
    assert done.exit_code == 2
    assert (
        done.output.splitlines()[-1] == f"latentmap: {made / 'a'}: both runs are this folder: pass two different runs"
    )
