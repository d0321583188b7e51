"""Another run beside the one that is explored: what is sent of it, to whom, and when it is refused."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

import latentmap
from explorer.conftest import HOST, client_of, pictures
from latentmap.core.errors import RunError
from latentmap.explorer import Explorer
from latentmap.explorer.access import Access
from latentmap.explorer.app import make_app
from latentmap.explorer.compared_map import ComparedMap, _fitted
from latentmap.explorer.guard import TOKEN
from latentmap.explorer.server import Server
from latentmap.run import RunOptions, add_images, compare_runs, make_run, tables
from latentmap.run.edits import Journal

OPTIONS = {"epochs": 1, "latent_dim": 3, "features": "latent", "perplexity": 5.0}
PICTURES = pictures(60, 4)
FIRST, SECOND = slice(0, 50), slice(10, 60)  # the second run has them from the last to the first


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("both")
    make_run(PICTURES[FIRST], folder / "one", RunOptions(n_clusters=3, **OPTIONS))
    make_run(PICTURES[SECOND][::-1], folder / "two", RunOptions(n_clusters=4, seed=1, **OPTIONS))
    return folder / "one", folder / "two"


@pytest.fixture
def runs(both, tmp_path) -> tuple[Path, Path]:
    one, two = (Path(shutil.copytree(run, tmp_path / run.name)) for run in both)
    return one, two


@pytest.fixture
def server(runs) -> Iterator[Server]:
    made = Server(runs[0], compare=runs[1])
    yield made
    made.close()


@pytest.fixture
def client(server) -> TestClient:
    return client_of(server)


def facts_of(client: TestClient) -> dict:
    return client.get("/api/run").json()["compared"]


def arrays_of(client: TestClient) -> dict[str, np.ndarray]:
    """The arrays that are sent, in the order of the ids."""

    def read(path: str) -> pa.Table:
        return pa.ipc.open_stream(client.get(path).content).read_all()

    key = facts_of(client)["key"]  # asked first, as the page does: the run may have changed
    order = np.argsort(read("/api/points")["id"].to_numpy())
    found = read(f"/api/compared/{key}")
    return {name: found[name].to_numpy()[order] for name in found.column_names}


def files(folder: Path) -> dict[str, tuple[bytes, int]]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in found}


def group_as(folder: Path, groups: list[int]) -> None:
    """Put images of a finished run into other groups."""
    path = folder / "atlas.parquet"
    table = pq.read_table(path)
    at = table.column_names.index("group")
    tables.write_table(path, table.set_column(at, "group", pa.array(groups, pa.int32())))


# ---------------------------------------------------------------- what is sent


def test_places_and_groups_of_the_other_run_are_those_of_the_same_images(client, runs):
    found, wanted = arrays_of(client), compare_runs(*runs)
    ids_a, ids_b = wanted.common.ids_a, wanted.common.ids_b
    assert set(found) == {"x", "y", "group", "changed"}
    assert {name: values.dtype for name, values in found.items()} == {
        **{"x": np.float32, "y": np.float32, "group": np.int32, "changed": np.int8}
    }
    assert ids_a.tolist() == list(range(10, 50))
    for missing in (np.isnan(found["x"]), np.isnan(found["y"]), found["group"] == -1, found["changed"] == -1):
        assert missing.tolist() == [True] * 10 + [False] * 40
    assert found["changed"][ids_a].tolist() == wanted.is_changed.tolist()
    numbers = np.array([one["number"] for one in facts_of(client)["groups"]])
    np.testing.assert_array_equal(numbers[found["group"][ids_a]], wanted.b.group[ids_b])
    # the map is moved as a whole: all distances are those of the other run times the same factor
    moved = np.column_stack([found["x"], found["y"]])[ids_a].astype(float)
    ours, theirs = (np.linalg.norm(np.diff(xy, axis=0), axis=1) for xy in (moved, wanted.b.places[ids_b]))
    np.testing.assert_allclose(ours / theirs, ours[0] / theirs[0], rtol=1e-3)


def test_the_other_map_is_turned_to_the_own_one(runs, tmp_path):
    turned = Path(shutil.copytree(runs[0], tmp_path / "turned"))
    table = pq.read_table(turned / "atlas.parquet")
    for name, values in (("x", -3 * table["y"].to_numpy() + 7), ("y", -3 * table["x"].to_numpy())):
        at = table.column_names.index(name)
        table = table.set_column(at, name, pa.array(values.astype(np.float32)))
    tables.write_table(turned / "atlas.parquet", table)
    server = Server(runs[0], compare=turned)
    found = arrays_of(client_of(server))
    server.close()
    places = latentmap.Run.open(runs[0]).map()
    np.testing.assert_allclose(np.column_stack([found["x"], found["y"]]), places, atol=1e-3 * np.ptp(places))


def test_maps_of_any_shape_are_in_view():
    random = np.random.default_rng(0)
    for _ in range(50):
        xy = random.normal(size=(20, 2)) * random.uniform(0.01, 100, 2) + random.normal(size=2) * 50
        left, bottom, side = random.normal() * 20, random.normal() * 20, random.uniform(0.5, 50)
        found = _fitted(xy.astype(np.float32), (left, bottom, side))
        assert (found >= np.array([left, bottom]) - 1e-3).all()
        assert (found <= np.array([left, bottom]) + side + 1e-3).all()
    inside = random.uniform(size=(20, 2)).astype(np.float32)
    np.testing.assert_allclose(_fitted(inside, (-1.0, -1.0, 3.0)), inside, atol=1e-6)  # it fits as it is
    np.testing.assert_allclose(_fitted(np.full((3, 2), 9, np.float32), (0.0, 0.0, 1.0)), np.ones((3, 2)))


def test_the_facts_say_how_well_the_runs_agree_and_nothing_else_of_the_other_run(client, runs):
    Journal(runs[1]).add({"kind": "name", "group": 1, "name": "later"}, 0)
    found, wanted = facts_of(client), compare_runs(*runs)
    assert set(found) == {"key", "name", "matchedBy", "measures", "groups", "columns"}
    assert (found["name"], found["matchedBy"]) == ("two", "content")
    assert found["columns"] == {"changed": "changed group", "group": "group in two"}
    names = {"nCommon": "n_common", "nOnlyOther": "n_only_b", "nChanged": "n_changed", "ari": "ari", "nmi": "nmi"}
    names |= {"sharedNeighbors": "shared_neighbors", "sharedOnMap": "shared_on_map", "nAbsent": "n_only_a"}
    assert found["measures"] == pytest.approx({ours: wanted.measures[theirs] for ours, theirs in names.items()})
    partners = {theirs: ours for ours, theirs in wanted.groups.partners.items()}
    assert found["groups"] == [
        {"number": number, "name": "", "partner": partners.get(number)} for number in range(4)
    ]  # the name was given later
    assert str(runs[1].parent) not in client.get("/api/run").text


def test_names_of_groups_and_images_in_no_group_are_known(runs):
    group_as(runs[1], [0] * 20 + [-1] * 10 + [1] * 20)
    Journal(runs[1]).add({"kind": "name", "group": 1, "name": "<b>boats</b>"}, 0)
    server = Server(runs[0], compare=runs[1])
    client = client_of(server)
    groups = facts_of(client)["groups"]
    assert [(one["number"], one["name"]) for one in groups] == [(0, ""), (1, "<b>boats</b>"), (-1, "")]
    assert groups[2]["partner"] is None
    # the images 20 to 29 of the other run are 39 to 30 of this one
    assert np.flatnonzero(arrays_of(client)["group"] == 2).tolist() == list(range(30, 40))
    server.close()


def test_a_run_of_the_same_name_is_told_by_the_folder_around_it_and_taken_columns_are_left_alone(runs, tmp_path):
    twin = Path(shutil.copytree(runs[1], tmp_path / "elsewhere" / "one"))
    table = pq.read_table(runs[0] / "atlas.parquet")
    tables.write_table(runs[0] / "atlas.parquet", table.append_column("changed group", pa.array(["x", "y"] * 25)))
    server = Server(runs[0], compare=twin)
    found = facts_of(client_of(server))
    assert found["name"] == "elsewhere/one"
    assert found["columns"] == {"changed": "changed group_", "group": "group in elsewhere/one"}
    server.close()


def test_the_answer_may_be_kept_since_its_address_names_both_runs(client, server, runs):
    key, version = facts_of(client)["key"], server.data.version
    answer = client.get(f"/api/compared/{key}", params={"v": version})
    assert "immutable" in answer.headers["cache-control"]
    assert client.get(f"/api/compared/{key}", params={"v": "other"}).status_code == 409
    for wrong in ("x", "0" * 16, "%2e%2e%2frun.json"):
        answer = client.get(f"/api/compared/{wrong}")
        assert answer.status_code == 404
        assert b"format_version" not in answer.content
    Journal(runs[1]).add({"kind": "name", "group": 1, "name": "boats"}, 0)
    assert ComparedMap.of(server.data, runs[1]).key != key


def test_without_another_run_nothing_is_sent(runs):
    server = Server(runs[0])
    client = client_of(server)
    assert "compared" not in client.get("/api/run").json()
    assert client.get("/api/compared/x").status_code == 404
    server.close()


def test_a_saved_page_has_nothing_of_the_other_run(client):
    assert '"compared"' not in client.get("/page.html").text


# ---------------------------------------------------------------- who may read, and under which address


def test_readers_see_it_also_of_a_read_only_explorer_below_a_prefix(server):
    access = Access(server.token, "r" * 32, is_read_only=True)
    app = make_app(server, [HOST], access=access, base_path="/maps/one")
    for token, status in ((None, 401), ("wrong", 401), ("r" * 32, 200), (server.token, 200)):
        client = TestClient(app, base_url=f"http://{HOST}", headers={TOKEN: token} if token else {})
        path = f"/maps/one/api/compared/{server.compared.key}"
        assert client.get(path).status_code == status
        assert client.post(path).status_code in (401, 403, 405)


# ---------------------------------------------------------------- changes meanwhile


def test_nothing_is_written_into_the_other_run(server, client, runs):
    before = files(runs[1])
    edit = {"kind": "label", "ids": [10, 11], "label": "round"}
    assert client.post("/api/edits", json={"revision": 0, "edit": edit}).status_code == 200
    arrays_of(client)
    assert files(runs[1]) == before
    assert Journal(runs[0]).edited().labels == ["round"]


def test_edits_of_either_run_leave_the_comparison_as_it_was(client, runs):
    before, facts = arrays_of(client), facts_of(client)
    edit = {"kind": "gather", "ids": list(range(10, 30)), "name": "new"}
    assert client.post("/api/edits", json={"revision": 0, "edit": edit}).status_code == 200
    Journal(runs[1]).add({"kind": "gather", "ids": list(range(5)), "name": "new"}, 0)
    after = arrays_of(client)
    assert facts_of(client) == facts
    for name, values in before.items():
        np.testing.assert_array_equal(after[name], values)


def test_images_that_are_added_are_not_compared_and_all_others_stay(client, server, runs):
    before = arrays_of(client)
    add_images(runs[0], PICTURES[50:55])  # the other run has them
    after, facts = arrays_of(client), facts_of(client)
    assert server.data.n == 55
    assert (facts["measures"]["nAbsent"], facts["measures"]["nCommon"]) == (15, 40)
    assert np.isnan(after["x"][50:]).all()
    assert after["changed"][50:].tolist() == after["group"][50:].tolist() == [-1] * 5
    for name, values in before.items():
        np.testing.assert_array_equal(after[name][:50], values)


def test_a_run_that_was_made_again_from_other_images_is_no_longer_compared(client, server, runs):
    key = facts_of(client)["key"]
    shutil.rmtree(runs[0])
    make_run(pictures(50, 9), runs[0], RunOptions(n_clusters=3, **OPTIONS))
    assert "compared" not in client.get("/api/run").json()
    assert client.get(f"/api/compared/{key}").status_code == 404


def test_it_is_sent_also_after_the_other_run_is_gone(client, runs):
    before = arrays_of(client)
    shutil.rmtree(runs[1])
    np.testing.assert_array_equal(arrays_of(client)["x"], before["x"])


# ---------------------------------------------------------------- the command and Python


def test_the_command_refuses_what_cannot_be_compared_before_it_serves(runs):
    done = subprocess.run(
        [sys.executable, "-m", "latentmap", "explore", runs[0], "--compare", runs[0], "--no-browser", "--port", "0"],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "src")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"latentmap: {runs[0]}: both runs are this folder: pass two different runs\n"


def test_runs_that_cannot_be_compared_are_refused_with_a_sentence(runs, tmp_path):
    make_run(pictures(20, 8), tmp_path / "others", RunOptions(n_clusters=2, **OPTIONS))
    with pytest.raises(RunError, match=r"no image in common by the SHA-256 of files or pixels: .*one has 50 images"):
        Server(runs[0], compare=tmp_path / "others")
    with pytest.raises(RunError, match=r"nothing: no run\.json in it: pass a folder that `latentmap run` made"):
        Server(runs[0], compare=tmp_path / "nothing")
    table = pq.read_table(runs[1] / "atlas.parquet")
    broken = table.set_column(table.column_names.index("x"), "x", pa.array([np.nan] * 50, pa.float32()))
    tables.write_table(runs[1] / "atlas.parquet", broken)
    with pytest.raises(RunError, match=r"two.atlas\.parquet: damaged"):
        Server(runs[0], compare=runs[1])
    (runs[1] / "atlas.parquet").write_bytes(b"PAR1" * 100)
    with pytest.raises(RunError, match=r"atlas\.parquet"):
        Server(runs[0], compare=runs[1])
    (runs[1] / "atlas.parquet").unlink()
    with pytest.raises(RunError, match=r"no atlas\.parquet in it yet: finish the run"):
        Server(runs[0], compare=runs[1])


def test_python_takes_a_run_or_its_folder(runs, monkeypatch):
    monkeypatch.setattr("latentmap.explorer.can_show_widgets", lambda: False)
    for other in (runs[1], str(runs[1]), latentmap.Run.open(runs[1])):
        explorer = latentmap.explore(runs[0], compare=other)
        assert isinstance(explorer, Explorer)
        assert explorer._server.compared.name == "two"
        explorer.close()


def test_the_widget_knows_the_columns_and_shares_a_server_only_with_those_of_the_same_comparison(runs):
    pytest.importorskip("anywidget", reason="pip install 'latentmap[notebook]'")
    from latentmap.core.errors import InputError
    from latentmap.explorer.widget import ExplorerWidget

    made = [ExplorerWidget(runs[0], compare=other) for other in (runs[1], runs[1], None)]
    assert made[0]._server is made[1]._server is not made[2]._server
    made[0].color_by = "group in two"
    made[0].color_by = "changed group"
    with pytest.raises(InputError, match="there is no such column"):
        made[2].color_by = "changed group"
    for one in made:
        one.close()
