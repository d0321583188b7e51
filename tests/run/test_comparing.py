"""Two runs side by side: which images are the same, which groups, and which neighbours."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from quick_runs import images

from latentmap.neighbors import nearest_neighbors
from latentmap.run import Run, RunError, RunOptions, add_images, compare_runs, make_run, tables
from latentmap.run.comparing import neighbor_overlap
from latentmap.run.comparing.common_images import CommonImages
from latentmap.run.comparing.group_partners import GroupPartners, group_agreement
from latentmap.run.edits import Journal

OPTIONS = {"epochs": 1, "latent_dim": 3, "features": "latent"}
PICTURES = images(12, 0)


def quick_run(folder, pixels, n_clusters=3):
    make_run(pixels, folder, RunOptions(n_clusters=n_clusters, **OPTIONS))
    return folder


@pytest.fixture
def two(quick, tmp_path):
    """A run of ten images in three groups by id modulo 3, and one of eight of them and two others, reversed."""
    a = quick_run(tmp_path / "a", PICTURES[:10])
    b = quick_run(tmp_path / "b", PICTURES[2:12][::-1])
    return a, b


def group_as(folder, groups):
    """Put images of a finished run into other groups."""
    path = folder / "atlas.parquet"
    table = pq.read_table(path)
    column = pa.array(groups, pa.int32())
    tables.write_table(path, table.set_column(table.column_names.index("group"), "group", column))


# ---------------------------------------------------------------- images


def test_images_are_matched_by_content_whatever_their_ids(two):
    found = compare_runs(*two)
    assert found.common.matched_by == "content"
    np.testing.assert_array_equal(found.common.ids_a, np.arange(2, 10))
    np.testing.assert_array_equal(found.common.ids_b, 11 - np.arange(2, 10))
    assert found.only_a.tolist() == [0, 1]
    assert found.only_b.tolist() == [0, 1]
    assert {name: found.measures[name] for name in ("n_a", "n_b", "n_common", "n_only_a", "n_only_b")} == {
        **{"n_a": 10, "n_b": 10, "n_common": 8, "n_only_a": 2, "n_only_b": 2}
    }


def test_the_table_has_a_row_for_each_image_of_either_run(two):
    group_as(two[1], [0, 0, 5, 5, 5, 7, 7, 7, 7, -1])
    found = compare_runs(*two)
    rows = found.table().to_pylist()
    assert [row["id_a"] for row in rows] == [*range(2, 10), 0, 1, None, None]
    assert [row["id_b"] for row in rows] == [*range(9, 1, -1), None, None, 0, 1]
    assert [row["group_a"] for row in rows] == [2, 0, 1, 2, 0, 1, 2, 0, 0, 1, None, None]
    assert [row["group_b"] for row in rows] == [-1, 7, 7, 7, 7, 5, 5, 5, None, None, 0, 0]
    # 0 stays with 7, and 1 with 5 or 2 with 5
    assert found.groups.partners[0] == 7
    assert [row["is_changed"] for row in rows[8:]] == [None] * 4
    assert [row["is_changed"] for row in rows[:8]] == found.is_changed.tolist()
    assert found.measures["n_changed"] == 5
    assert [row["path"] for row in rows[8:]] == ["array[0]", "array[1]"] * 2
    assert found.table().schema.types == [*[pa.int64()] * 2, pa.string(), *[pa.int32()] * 2, pa.bool_(), pa.float32()]


def test_copies_are_matched_one_to_one_and_by_their_paths_first(quick, tmp_path):
    for folder, names in (("x", "a b c"), ("y", "c d e f")):
        (tmp_path / folder).mkdir()
        for name in names.split():
            Image.fromarray(PICTURES[0]).save(tmp_path / folder / f"{name}.png")
        for i in (1, 2, 3):
            Image.fromarray(PICTURES[i]).save(tmp_path / folder / f"{folder}{i}.png")
        quick_run(tmp_path / f"run-{folder}", str(tmp_path / folder))
    found = compare_runs(tmp_path / "run-x", tmp_path / "run-y")
    pairs = [
        (found.a.paths[i].as_py(), found.b.paths[j].as_py())
        for i, j in zip(found.common.ids_a.tolist(), found.common.ids_b.tolist(), strict=True)
    ]
    assert pairs == [
        ("a.png", "d.png"),
        ("b.png", "e.png"),
        ("c.png", "c.png"),
        *[(f"x{i}.png", f"y{i}.png") for i in (1, 2, 3)],
    ]
    assert found.only_a.tolist() == []
    assert [found.b.paths[i].as_py() for i in found.only_b.tolist()] == ["f.png"]


def test_added_images_are_compared_and_have_no_neighbours_in_the_graph(quick, tmp_path):
    a, b = quick_run(tmp_path / "a", PICTURES[:10]), quick_run(tmp_path / "b", PICTURES[:8])
    add_images(b, PICTURES[8:12])
    found = compare_runs(a, b)
    assert found.common.ids_b.tolist() == list(range(10))
    assert found.only_b.tolist() == [10, 11]
    assert np.isnan(found.shared_neighbors).tolist() == [False] * 8 + [True] * 2
    assert found.measures["n_neighbors_known"] == 8


def test_groups_are_those_after_the_edits(two):
    journal = Journal(two[0])
    journal.add({"kind": "name", "group": 1, "name": "boats"}, 0)
    found = compare_runs(*two)
    assert found.a.names() == {1: "boats"}
    np.testing.assert_array_equal(found.a.group, Journal(two[0]).edited().group)


# ---------------------------------------------------------------- points without pictures


def points(folder, vectors):
    make_run(None, folder, RunOptions(n_clusters=2, groups="kmeans"), vectors=vectors)
    return folder


def write_vectors(file, vectors, **columns):
    pq.write_table(pa.table({**columns, "vector": tables.vectors(vectors.astype(np.float32))}), file)
    return file


@pytest.fixture(scope="module")
def clouds():
    random = np.random.default_rng(0)
    return random.normal(size=(40, 4)).astype(np.float32) + np.repeat([[0], [9]], 20, axis=0).astype(np.float32)


def test_points_are_matched_by_path_by_vector_or_by_id(tmp_path, clouds):
    names = [f"p{i}" for i in range(40)]
    a = points(tmp_path / "a", write_vectors(tmp_path / "one.parquet", clouds, path=names))
    b = points(tmp_path / "b", write_vectors(tmp_path / "two.parquet", clouds[::-1] + 1, path=names[::-1]))
    found = compare_runs(a, b)
    assert found.common.matched_by == "path"
    np.testing.assert_array_equal(found.common.ids_b, 39 - found.common.ids_a)
    assert found.measures["n_changed"] == 0  # the groups have other numbers at most
    c = points(tmp_path / "c", write_vectors(tmp_path / "three.parquet", clouds[::-1][:35]))
    found = compare_runs(a, c)
    assert found.common.matched_by == "vector"
    np.testing.assert_array_equal(found.common.ids_b, 39 - found.common.ids_a)
    d = points(tmp_path / "d", write_vectors(tmp_path / "four.parquet", 2 * clouds))
    found = compare_runs(a, d)
    assert found.common.matched_by == "id"
    np.testing.assert_array_equal(found.common.ids_a, found.common.ids_b)
    assert found.measures["shared_neighbors"] == 1.0  # twice as far, in the same order
    assert "by their ids, since neither" in found._repr_html_() or "40" in found._repr_html_()
    e = points(tmp_path / "e", write_vectors(tmp_path / "five.parquet", 3 * clouds[:30]))
    with pytest.raises(
        RunError,
        match=r"no point in common by path or vector, and not as many points: .*a has 40 points \(p0, p1, p2, …\),",
    ):
        compare_runs(a, e)


# ---------------------------------------------------------------- groups


def test_renumbered_groups_are_the_same_groups():
    a, b = np.array([0, 0, 1, 1, 2, 2, -1]), np.array([9, 9, 4, 4, 0, 0, -1])
    found = GroupPartners.of(a, b)
    assert found.partners == {0: 9, 1: 4, 2: 0}
    assert not found.is_changed(a, b).any()
    assert group_agreement(a, b) == {"ari": 1.0, "nmi": 1.0}


def test_a_group_that_is_split_keeps_its_larger_part():
    a, b = np.array([0] * 5 + [1] * 3), np.array([3, 3, 3, 8, 8, 1, 1, 1])
    found = GroupPartners.of(a, b)
    assert found.partners == {0: 3, 1: 1}
    assert found.is_changed(a, b).tolist() == [False] * 3 + [True] * 2 + [False] * 3
    assert found.counts.tolist() == [[0, 3, 2], [3, 0, 0]]
    assert found.numbers_b.tolist() == [1, 3, 8]


def test_the_matching_is_the_best_of_all_and_not_greedy():
    # 0 overlaps most with 0 (5), but 0-1 and 1-0 keep 8 images and 0-0 alone 5
    a = np.array([0] * 9 + [1] * 4)
    b = np.array([0] * 5 + [1] * 4 + [0] * 4)
    assert GroupPartners.of(a, b).partners == {0: 1, 1: 0}


def test_images_in_no_group_are_changed_if_they_are_in_one_in_the_other_run():
    a, b = np.array([-1, -1, 0, 0, 1]), np.array([-1, 0, 0, -1, -1])
    found = GroupPartners.of(a, b)
    assert found.partners == {0: 0}
    assert found.is_changed(a, b).tolist() == [False, True, False, True, True]
    assert group_agreement(np.array([-1, 0]), np.array([1, -1])) == {"ari": None, "nmi": None}


# ---------------------------------------------------------------- neighbours


def write_graph(folder, neighbors):
    near = np.array(neighbors, np.int32)
    columns = {"neighbors": tables.vectors(near), "distances": tables.vectors(np.ones(near.shape, np.float32))}
    tables.write_table(folder / "neighbors.parquet", {"id": np.arange(len(near)), **columns})


def test_shared_neighbours_are_counted_among_the_common_images_only(quick, tmp_path):
    a, b = quick_run(tmp_path / "a", PICTURES[:6]), quick_run(tmp_path / "b", PICTURES[1:7])
    # image 0 is only in A; the id of an image in B is one less than in A
    write_graph(a, [[1, 2], [0, 2], [3, 4], [4, 5], [0, 5], [1, 2]])
    write_graph(b, [[1, 2], [2, 4], [3, 4], [5, 0], [0, 3], [0, 1]])
    found = compare_runs(a, b)
    assert found.common.ids_a.tolist() == [1, 2, 3, 4, 5]
    # 1: A {2}, B {2 of 2, 3}; 2: A {3, 4}, B {3, 5}; 3: A {4, 5}, B {4, 5}; 4: A {5}, B {1}; 5: A {1, 2}, B {1, 4}
    np.testing.assert_allclose(found.shared_neighbors, [1.0, 0.5, 1.0, 0.0, 0.5])
    assert found.measures["shared_neighbors"] == pytest.approx(0.6)


def test_an_image_without_a_common_neighbour_has_no_fraction(quick, tmp_path):
    a, b = quick_run(tmp_path / "a", PICTURES[:6]), quick_run(tmp_path / "b", PICTURES[1:7])
    write_graph(a, [[1], [0], [3], [4], [5], [2]])
    write_graph(b, [[1], [2], [3], [4], [0], [5]])
    shared = compare_runs(a, b).shared_neighbors
    assert np.isnan(shared[0])
    np.testing.assert_allclose(shared[1:], [1, 1, 1, 0])
    table = compare_runs(a, b).table()
    assert table["shared_neighbors"].to_pylist()[0] is None


def test_without_a_graph_the_vectors_are_searched(two):
    found = compare_runs(*two)
    for ids, run in ((found.common.ids_a, two[0]), (found.common.ids_b, two[1])):
        points = Run.open(run).points()
        assert len(points) == 10
        assert not (run / "neighbors.parquet").exists()
        assert len(ids) == 8
    a, b = (set_of_neighbors(run, ids) for run, ids in ((two[0], found.common.ids_a), (two[1], found.common.ids_b)))
    # all 9 others are neighbours of each image, of which 7 are common
    np.testing.assert_allclose(found.shared_neighbors, [len(x & y) / 7 for x, y in zip(a, b, strict=True)])
    np.testing.assert_allclose(found.shared_neighbors, 1.0)


def set_of_neighbors(run, ids):
    near = nearest_neighbors(Run.open(run).points(), 9).indices[ids]
    row_of = {image: row for row, image in enumerate(ids.tolist())}
    return [{row_of[one] for one in row.tolist() if one in row_of} for row in near]


def test_large_runs_without_a_graph_are_searched_for_a_sample(two, monkeypatch):
    monkeypatch.setattr(neighbor_overlap, "MAX_SEARCHED", 5)
    monkeypatch.setattr(neighbor_overlap, "N_SAMPLED", 3)
    found = compare_runs(*two)
    assert found.measures["n_neighbors_known"] == 3
    np.testing.assert_array_equal(found.shared_neighbors, compare_runs(*two).shared_neighbors)
    assert any(line.endswith("(of 3 images)") for line in found.describe())
    for run in two:
        write_graph(run, [[(i + 1) % 10] for i in range(10)])
    assert compare_runs(*two).measures["n_neighbors_known"] == 6


def test_rows_at_once_change_nothing(two, monkeypatch):
    for run in two:
        write_graph(run, nearest_neighbors(Run.open(run).points(), 4).indices)
    common = compare_runs(*two).common
    whole = neighbor_overlap.shared_neighbors(*map(Run.open, two), common)
    monkeypatch.setattr(neighbor_overlap, "ROWS_AT_ONCE", 3)
    np.testing.assert_array_equal(neighbor_overlap.shared_neighbors(*map(Run.open, two), common), whole)
    assert isinstance(common, CommonImages)


def test_maps_that_are_turned_and_scaled_share_all_neighbours():
    places = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    assert neighbor_overlap.map_overlap(places, (3 * places[:, ::-1]).astype(np.float32)) == 1.0
    other = np.random.default_rng(1).normal(size=(60, 2)).astype(np.float32)
    assert neighbor_overlap.map_overlap(places, other) < 0.5
    assert neighbor_overlap.map_overlap(places[:2], places[:2]) is None


def test_what_changed_most_comes_first(two):
    group_as(two[1], [0, 1, 2, 0, 1, 2, 2, 1, 2, 2])
    found = compare_runs(*two)
    order = found.most_changed(100)
    assert sorted(order.tolist()) == list(range(8))
    changed = found.is_changed[order]
    assert changed.any()
    assert not changed.all()
    assert changed.tolist() == sorted(changed.tolist(), reverse=True)
    assert found.most_changed(2).tolist() == order[:2].tolist()


# ---------------------------------------------------------------- errors


def test_runs_that_cannot_be_compared(two, quick, tmp_path):
    a, b = two
    with pytest.raises(RunError, match="both runs are this folder: pass two different runs"):
        compare_runs(a, tmp_path / "b" / ".." / "a")
    with pytest.raises(RunError, match=r"nowhere: no run.json in it"):
        compare_runs(a, tmp_path / "nowhere")
    other = quick_run(tmp_path / "other", images(8, 5))
    with pytest.raises(
        RunError,
        match=r"no image in common by the SHA-256 of files or pixels: .*a has 10 images \(array\[0\], .*, …\), .*other "
        r"has 8 images .*: compare runs of the same images",
    ):
        compare_runs(a, other)
    (b / "atlas.parquet").unlink()
    with pytest.raises(RunError, match="b: no atlas.parquet in it yet: finish the run"):
        compare_runs(a, b)


def test_a_damaged_table_is_an_error_with_its_name(two):
    (two[1] / "images.parquet").write_bytes(b"PAR1 rubbish")
    with pytest.raises(RunError, match=r"images.parquet: damaged"):
        compare_runs(*two)
