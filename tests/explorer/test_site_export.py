"""A folder of static files has each point, value and neighbour of the run, and nothing that is private."""

import gzip
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from latentmap.core.errors import RunError
from latentmap.explorer import export_site, site_facts, site_tables
from latentmap.explorer.atlas_view import AtlasView
from latentmap.explorer.columns import plain
from latentmap.explorer.one_file import N_NEIGHBORS, nearest_others
from latentmap.explorer.published_names import published
from latentmap.run.edits import Journal
from latentmap.run.lock import export_locked
from latentmap.run.resumed_folders import hidden_folder

ROWS, ROWS_OF_TEXT, ROWS_OF_NEIGHBORS = 64, 32, 50


@pytest.fixture(scope="module")
def site(finished, tmp_path_factory) -> Path:
    """The site of a run of 240 images with an edit, in files of few rows."""
    path = tmp_path_factory.mktemp("site")
    run = Path(shutil.copytree(finished, path / "bars"))
    Journal(run).add({"kind": "label", "ids": [3, 5], "label": "mine"}, 0)
    with pytest.MonkeyPatch.context() as patch:
        for module in (site_tables, site_facts):
            patch.setattr(module, "N_ROWS", ROWS)
            patch.setattr(module, "N_ROWS_OF_TEXT", ROWS_OF_TEXT)
            patch.setattr(module, "N_ROWS_OF_NEIGHBORS", ROWS_OF_NEIGHBORS)
        assert export_site(run, path / "out") == path / "out"
    return path / "out"


@pytest.fixture(scope="module")
def data(site) -> AtlasView:
    return AtlasView(site.parent / "bars")


@pytest.fixture(scope="module")
def facts(site) -> dict:
    return json.loads((site / "data" / "site.json").read_bytes())


def read(site: Path, folder: str) -> pa.Table:
    """All files of rows of a folder, in their order."""
    files = sorted((site / "data" / folder).glob("*.bin"))
    assert [file.name for file in files] == [f"{number:05d}.bin" for number in range(len(files))]
    return pa.concat_tables([pa.ipc.open_stream(gzip.decompress(file.read_bytes())).read_all() for file in files])


def test_each_point_is_in_one_file_at_its_place_with_its_edits(site, data, facts):
    points, edited = read(site, "points"), data.journal.edited()
    ids = points["id"].to_numpy()
    assert sorted(ids.tolist()) == list(range(240))
    np.testing.assert_array_equal(ids, data.order)
    np.testing.assert_array_equal(np.column_stack([points["x"], points["y"]]), data.xy)
    np.testing.assert_array_equal(points["group"], edited.group[ids])
    np.testing.assert_array_equal(points["label"], edited.label[ids])
    assert sorted(ids[points["label"].to_numpy() == 0].tolist()) == [3, 5]
    np.testing.assert_array_equal(read(site, "places")["place"].to_numpy()[ids], np.arange(240))
    assert facts["site"]["counts"]["given label"] == {"counts": [2], "missing": 238}
    groups = facts["site"]["counts"]["group"]
    assert sum(groups["counts"]) + groups["missing"] == 240


def test_the_box_of_a_file_holds_its_points(data, facts):
    boxes = np.array(facts["site"]["boxes"])
    assert len(boxes) == 4
    for number, box in enumerate(boxes):
        part = data.xy[ROWS * number : ROWS * (number + 1)]
        np.testing.assert_allclose(box, [*part.min(0), *part.max(0)], rtol=1e-4)


def test_columns_are_those_of_the_page(site, data, facts):
    assert [one["name"] for one in facts["columns"]] == list(data.columns)
    for number, (name, column) in enumerate(data.columns.items()):
        found = read(site, f"columns/{number}")["values"]
        if isinstance(column.values, pa.Array):
            assert found.to_pylist() == plain(column.values).take(pa.array(data.order)).to_pylist(), name
        else:
            np.testing.assert_array_equal(found.to_numpy(), column.values[data.order], err_msg=name)


def test_neighbours_are_those_that_the_server_finds(site, data, facts):
    table = read(site, "neighbors")
    assert facts["site"]["neighbors"] == N_NEIGHBORS
    places = table["places"].to_numpy().reshape(240, N_NEIGHBORS)
    distances = table["distances"].to_numpy().reshape(240, N_NEIGHBORS)
    for place in range(0, 240, 7):
        expected = data.neighbors(int(data.order[place]), N_NEIGHBORS)
        assert data.order[places[place]].tolist() == [one["id"] for one in expected]
        np.testing.assert_allclose(distances[place], [one["distance"] for one in expected], rtol=1e-3, atol=1e-4)


def test_neighbours_by_other_distances_are_not_taken_for_those_of_the_vectors(data, monkeypatch):
    graph = data.run.neighbors()
    wrong = graph.__class__(graph.indices, graph.distances * 0.5, graph.order)
    monkeypatch.setattr(type(data.run), "neighbors", lambda _: wrong)
    ids, distances = site_tables.nearest_images(data, 4)
    expected = nearest_others(data.vectors, 4)
    np.testing.assert_array_equal(ids, expected[0])
    np.testing.assert_allclose(distances, expected[1])


def test_sprite_sheets_hold_every_image(site, data, facts):
    sheets = facts["pages"]
    files = sorted((site / "data" / "sheets").glob("*.webp"))
    assert len(files) == sheets["n"]
    with Image.open(files[0]) as sheet:
        pixels = np.asarray(sheet.convert("RGB")).astype(int)
    for cell in (0, 57, 239):
        top, left = cell // sheets["columns"] * sheets["height"], cell % sheets["columns"] * sheets["width"]
        shown = pixels[top : top + sheets["height"], left : left + sheets["width"]]
        assert np.abs(shown - data.pixels(int(data.order[cell]))).mean() < 20


def test_nothing_private_is_in_the_files(site, finished, tmp_path_factory):
    private = [str(finished), str(tmp_path_factory.getbasetemp()), "127.0.0.1", "localhost", "token="]
    for file in [*site.rglob("*.json"), site / "index.html", *site.rglob("*.bin")]:
        content = file.read_bytes()
        text = (gzip.decompress(content) if file.suffix == ".bin" else content).decode("latin-1")
        assert [one for one in private if one in text] == [], file


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("scans/a.png", "scans/a.png"),
        ("/home/me/scans/a.png", "a.png"),
        ("C:\\Users\\me\\a.png", "a.png"),
        ("\\\\server\\files\\a.png", "a.png"),
        ("~/scans/", "scans"),
        ("s3://bucket/scans/a.png?key=secret", "a.png"),
        ("what? a name.png", "what? a name.png"),
        ("/", ""),
    ],
)
def test_a_name_is_published_without_what_is_above_it(name, expected):
    assert published(name) == expected


def test_the_page_names_its_data_and_allows_no_other_host(site):
    page = (site / "index.html").read_text(encoding="utf-8")
    assert '<meta name="latentmap-site" content="data">' in page
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
    assert "http" not in policy
    assert "unsafe" not in policy
    for name in re.findall(r'(?:href|src)="\./([^"]+)"', page):
        assert (site / name).is_file(), name


def test_a_folder_that_is_there_is_kept(copied, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(RunError, match="there already"):
        export_site(copied, out)
    assert (out / "thesis.txt").read_text(encoding="utf-8") == "mine"
    with pytest.raises(RunError, match="inside the run"):
        export_site(copied, copied / "site")


def test_a_finished_site_is_not_exported_again(copied, tmp_path):
    export_site(copied, tmp_path / "out")
    before = contents(tmp_path / "out")
    with pytest.raises(RunError, match="finished site already"):
        export_site(copied, tmp_path / "out")
    assert contents(tmp_path / "out") == before


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
def interrupted(copied, tmp_path) -> Path:
    """Where the site of a run would be whose export was interrupted before the pictures."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "www" / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site_tables, "as_webp", interrupt)
        with pytest.raises(KeyboardInterrupt):
            export_site(copied, out)
    assert not out.exists()
    return out


def test_an_interrupted_export_is_resumed(copied, interrupted, tmp_path):
    (kept,) = interrupted.parent.iterdir()
    files = sorted((kept / "data").rglob("*.bin"))
    assert len(files) > 10
    made = {file.relative_to(kept): file.stat().st_mtime_ns for file in files[1:]}
    files[0].unlink()
    (files[0].parent / ".latentmap-1-0123456789abcdef.tmp").write_bytes(b"half")  # of a process that was killed
    said: list[str] = []
    export_site(copied, interrupted, say=said.append)
    assert said[0] == f"resumed: {len(made)} files were there"
    assert {name: (interrupted / name).stat().st_mtime_ns for name in made} == made
    assert list(interrupted.parent.iterdir()) == [interrupted]
    export_site(copied, tmp_path / "straight")
    assert contents(interrupted) == contents(tmp_path / "straight")


def test_what_was_exported_before_a_change_of_the_run_is_not_taken(copied, interrupted, tmp_path):
    Journal(copied).add({"kind": "label", "ids": [3], "label": "later"}, 0)
    said: list[str] = []
    export_site(copied, interrupted, say=said.append)
    assert not [line for line in said if "resumed" in line]
    assert (read(interrupted, "points")["label"].to_numpy() == 0).sum() == 1


def test_one_process_at_a_time_exports_to_a_folder(copied, interrupted):
    (kept,) = interrupted.parent.iterdir()
    before = contents(kept)
    with (
        export_locked(kept, interrupted),
        pytest.raises(RunError, match="out: another latentmap is making it"),
    ):
        export_site(copied, interrupted)
    assert contents(kept) == before


def test_the_files_of_somebody_else_are_kept(copied, tmp_path):
    hidden = hidden_folder(tmp_path / "out")
    hidden.mkdir()
    (hidden / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(RunError, match="not made by latentmap"):
        export_site(copied, tmp_path / "out")
    assert (hidden / "thesis.txt").read_text(encoding="utf-8") == "mine"


def test_a_damaged_run_ends_as_a_sentence(copied, tmp_path):
    atlas = copied / "atlas.parquet"
    atlas.write_bytes(atlas.read_bytes()[:-50])
    (tmp_path / "www").mkdir()
    with pytest.raises(RunError, match="bars"):
        export_site(copied, tmp_path / "www" / "out")
    assert list((tmp_path / "www").iterdir()) == []
