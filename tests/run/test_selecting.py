"""Selection of images of a run: which can be selected, which count as selected, and what is refused."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import latentmap as lm
from latentmap.core.errors import InputError, RunError
from latentmap.run import Run, RunOptions, add_images, make_run
from latentmap.run.edits import Journal
from latentmap.run.labels import spread_labels
from latentmap.run.selecting import STRATEGIES, select_images, write_selection

N, COPIES = 48, {20: 2, 21: 2, 30: 3}  # image -> the one that it is a copy of
OPTIONS = RunOptions(n_clusters=3)
KINDS = ["cat", "dog", "a=b"]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """48 images in three groups of 16, four of them copies of others; the first six have a label."""
    folder = tmp_path_factory.mktemp("selecting")
    generator = np.random.default_rng(0)
    vectors = np.eye(3)[np.arange(N) % 3] * 20 + generator.normal(size=(N, 3))
    pixels = generator.integers(0, 255, (N, 8, 8), dtype=np.uint8)
    for copy, original in COPIES.items():
        pixels[copy], vectors[copy] = pixels[original], vectors[original]
    (folder / "images").mkdir()
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(folder / "images" / f"{number:02d}.png")
    table = {
        "path": [f"images/{number:02d}.png" for number in range(N)],
        "label": ["known"] * 6 + [""] * (N - 6),
        "kind": [KINDS[0]] * 30 + [KINDS[1]] * 12 + [KINDS[2]] * 4 + [""] * 2,
        "weight": [f"{number / 7:.3f}" for number in range(N)],
    }
    with (folder / "images.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(table)
        writer.writerows(zip(*table.values(), strict=True))
    np.save(folder / "vectors.npy", vectors.astype(np.float32))
    make_run(folder / "images.csv", folder / "run", OPTIONS, vectors=folder / "vectors.npy")
    assert len(np.unique(Run(folder / "run").groups())) == 3
    return folder / "run"


@pytest.fixture
def copy(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


def ids(run: Path | Run, n: int, **options) -> list[int]:
    return select_images(run, n, **options).table["id"].to_pylist()


def edit(run: Path, **fields) -> None:
    """Append an edit to the journal of a run, as the explorer does."""
    journal = Journal(run)
    journal.add(fields, journal.edited().revision)


# the images that are neither labelled nor copies: 6 to 47 without 20 and 21, copies of 2, and 30, a copy of 3
FREE = sorted(set(range(6, N)) - set(COPIES))


def test_the_table_says_what_was_selected(made):
    table = select_images(made, 9).table
    run = Run(made)
    assert table.column_names == [
        "rank", "id", "path", "group", "group_name", "reason", "gain", "confidence", "label"
    ]  # fmt: skip
    assert table["rank"].to_pylist() == list(range(1, 10))
    chosen = table["id"].to_numpy()
    assert table["path"].to_pylist() == [f"images/{number:02d}.png" for number in chosen]
    np.testing.assert_array_equal(table["group"].to_numpy(), run.groups()[chosen])
    np.testing.assert_allclose(table["confidence"].to_numpy(), run.confidence()[chosen], atol=1e-6)
    assert table["group_name"].null_count == table["label"].null_count == 9
    assert set(table["reason"].to_pylist()) == {"typical"}
    assert np.bincount(table["group"].to_numpy()).tolist() == [3, 3, 3]
    assert (table["gain"].to_numpy() > 0).all()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_image_that_can_be_is_selected_once(made, strategy):
    assert sorted(ids(made, len(FREE), strategy=strategy)) == FREE


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_same_seed_gives_the_same_images(made, strategy):
    assert ids(made, 7, strategy=strategy, seed=3) == ids(Run(made), 7, strategy=strategy, seed=3)


def test_reasons_are_those_of_the_strategies(made):
    reasons = {name: set(select_images(made, 30, strategy=name).table["reason"].to_pylist()) for name in STRATEGIES}
    assert reasons == {
        "mixed": {"typical", "doubt"},
        "typical": {"typical"},
        "coverage": {"coverage"},
        "doubt": {"doubt"},
    }


def test_doubtful_images_are_the_least_sure_of_each_group(made, monkeypatch):
    doubts = np.linspace(0, 1, N, dtype=np.float32)
    monkeypatch.setattr("latentmap.run.selecting.doubts_of", lambda _: doubts)
    table = select_images(made, 3, strategy="doubt").table
    groups = Run(made).groups()
    for row in table.to_pylist():
        own = [number for number in FREE if groups[number] == row["group"]]
        assert row["id"] in own[-4:]  # the four most doubtful ones of the group
        assert row["confidence"] == pytest.approx(1 - doubts[row["id"]])
    assert sorted(table["group"].to_pylist()) == [0, 1, 2]


# ---------------------------------------------------------------- labels, copies and marks


def test_labelled_images_count_as_selected(made):
    found = select_images(made, 1, strategy="coverage")
    assert found.candidates.chosen.tolist() == list(range(6))
    assert found.candidates.n_labelled == 6 + len(COPIES)  # copies of labelled images too
    run = Run(made)
    # two of each group have a label: the one image that helps most is none of the first choice without labels
    distances = np.linalg.norm(run.points()[:, None] - run.points(), axis=2)
    start = distances[:6].min(axis=0)[FREE]
    gains = np.maximum(start - distances[np.ix_(FREE, FREE)], 0).sum(axis=1)
    assert found.table["id"].to_pylist() == [FREE[gains.argmax()]]
    assert found.table["gain"][0].as_py() == pytest.approx(gains.max() / start.sum(), rel=1e-4)


def test_labels_of_the_explorer_count(copy):
    edit(copy, kind="label", ids=[10, 11], label="new")
    assert sorted(ids(copy, len(FREE) - 2)) == sorted(set(FREE) - {10, 11})
    edit(copy, kind="undo")
    assert sorted(ids(copy, len(FREE))) == FREE


def test_labels_of_a_table_count_and_those_that_were_spread_do_not(copy, tmp_path):
    (tmp_path / "labels.csv").write_text("id,label\n12,x\n13,y\n14,z\n")
    spread_labels(copy, tmp_path / "labels.csv")
    found = select_images(copy, len(FREE) - 3).table
    assert sorted(found["id"].to_pylist()) == sorted(set(FREE) - {12, 13, 14})
    spread = pq.read_table(copy / "labels.parquet")["confidence"].to_numpy()
    np.testing.assert_allclose(found["confidence"].to_numpy(), spread[found["id"].to_numpy()], atol=1e-6)


def test_labels_can_be_ignored(made):
    chosen = select_images(made, N - len(COPIES), ignore_labels=True)
    assert sorted(chosen.table["id"].to_pylist()) == sorted(set(range(N)) - set(COPIES))
    label_of = dict(zip(chosen.table["id"].to_pylist(), chosen.table["label"].to_pylist(), strict=True))
    assert [label_of[number] for number in (0, 5, 6, 47)] == ["known", "known", None, None]
    assert chosen.candidates.n_copies == len(COPIES)


def test_of_copies_one_is_selected_also_if_the_first_is_marked(copy):
    edit(copy, kind="mark", ids=[2], mark="hidden", on=True)
    chosen = ids(copy, N - len(COPIES), ignore_labels=True)
    assert 20 in chosen
    assert not {2, 21, 30} & set(chosen)


@pytest.mark.parametrize("mark", ["hidden", "duplicate", "outlier"])
def test_marked_images_are_not_selected(copy, mark):
    edit(copy, kind="mark", ids=[7, 8], mark=mark, on=True)
    found = select_images(copy, len(FREE) - 2)
    assert sorted(found.table["id"].to_pylist()) == sorted(set(FREE) - {7, 8})
    assert found.describe() == [
        f"{len(FREE) - 2} of {len(FREE) - 2} images that could be selected",
        "9 images labelled already, or copies of labelled ones",
        "2 images left out that are marked in the explorer",
    ]


def test_added_images_can_be_selected_and_known_ones_cannot(copy, tmp_path):
    vectors = np.load(made_vectors(copy))
    more = np.random.default_rng(5).integers(0, 255, (3, 8, 8), dtype=np.uint8)
    given = np.array([vectors[10], vectors[9] + 0.5, vectors[8] + 3], np.float32)
    add_images(copy, more, vectors=given)
    every = ids(copy, len(FREE) + 2)
    assert sorted(every) == [*FREE, N + 1, N + 2]  # the first lies where image 10 does: a copy
    assert not set(ids(copy, len(FREE) + 2, balance="added")) - set(every)


def made_vectors(copy: Path) -> Path:
    path = copy / "given.npy"
    np.save(path, Run(copy).latents())
    return path


# ---------------------------------------------------------------- parts


def test_within_a_group_by_its_number_and_its_name(copy):
    groups = Run(copy).groups()
    edit(copy, kind="name", group=1, name="the sea")
    expected = [number for number in FREE if groups[number] == 1]
    for within in (1, "1", "the sea", "group=1", "group=the sea", " 1 "):
        assert sorted(ids(copy, len(expected), within=within)) == expected, within
    assert select_images(copy, 1, within=1).table["group_name"].to_pylist() == ["the sea"]


def test_groups_are_those_after_the_edits(copy):
    edit(copy, kind="gather", ids=[40, 41, 43], name="three")
    assert sorted(ids(copy, 3, within="three")) == [40, 41, 43]
    with pytest.raises(InputError, match=r"n=4: 3 images can be selected: ask for at most 3$"):
        select_images(copy, 4, within="three")
    balanced = select_images(copy, 8, balance="group").table["group_name"].to_pylist()
    assert balanced.count("three") == 3  # two of each of the other groups have a label


def test_within_a_column(made):
    assert sorted(ids(made, 11, within="kind=dog")) == list(range(31, 42))
    assert sorted(ids(made, 4, within="kind=a=b")) == [42, 43, 44, 45]
    assert ids(made, 1, within="weight=1.000") == [7]


def test_one_image(made):
    for strategy in STRATEGIES:
        assert ids(made, 1, within="id=9", strategy=strategy) == [9]


def test_balance_over_a_column(made):
    table = select_images(made, 14, balance="kind").table
    kinds = Run(made).atlas()["kind"].to_pylist()
    found = [kinds[number] or "" for number in table["id"].to_pylist()]
    # six cats have a label: cats come last
    assert {kind: found.count(kind) for kind in (*KINDS, "")} == {"cat": 1, "dog": 7, "a=b": 4, "": 2}


def test_balance_over_groups_of_a_column(made):
    groups = Run(made).groups()
    table = select_images(made, 9, balance="group", strategy="coverage", ignore_labels=True).table
    assert np.bincount(groups[table["id"].to_numpy()]).tolist() == [3, 3, 3]
    assert len(set(table["group"].to_pylist()[:3])) == 3  # every beginning is balanced


# ---------------------------------------------------------------- other runs


@pytest.fixture(scope="module")
def points(tmp_path_factory) -> Path:
    """A run without pictures, in one group."""
    folder = tmp_path_factory.mktemp("points")
    vectors = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    pq.write_table(pa.table({"id": [f"p{i}" for i in range(30)], "emb": list(vectors)}), folder / "z.parquet")
    make_run(None, folder / "run", RunOptions(n_clusters=1), vectors=folder / "z.parquet")
    return folder / "run"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_run_without_pictures_in_one_group(points, strategy):
    assert sorted(ids(points, 30, strategy=strategy)) == list(range(30))
    assert len(set(ids(points, 6, strategy=strategy, balance="group"))) == 6


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_run_of_unsure_images(strategy, made, tmp_path):
    vectors = np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32)
    path = tmp_path / "run"
    make_run(None, path, RunOptions(n_clusters=2, min_confidence=1), vectors=vectors)
    assert (Run(path).groups() == -1).all()
    assert len(set(ids(path, 8, strategy=strategy))) == 8
    assert sorted(ids(path, 24, strategy=strategy, within=-1, balance="group")) == list(range(24))
    with pytest.raises(InputError, match=r"within='0': this group has no images|within='0': there is no such group"):
        select_images(path, 1, within=0)


def test_vectors_of_directions_only(tmp_path):
    vectors = np.random.default_rng(1).normal(size=(24, 3)).astype(np.float32)
    options = RunOptions(n_clusters=1, metric="cosine")
    make_run(None, tmp_path / "a", options, vectors=vectors)
    lengths = np.random.default_rng(0).uniform(0.1, 90, (24, 1)).astype(np.float32)
    make_run(None, tmp_path / "b", options, vectors=vectors * lengths)
    assert ids(tmp_path / "a", 4, strategy="coverage") == ids(tmp_path / "b", 4, strategy="coverage")


def test_groups_by_kmeans(tmp_path):
    vectors = np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32)
    make_run(None, tmp_path / "run", RunOptions(n_clusters=3, groups="kmeans"), vectors=vectors)
    assert len(set(ids(tmp_path / "run", 20))) == 20


# ---------------------------------------------------------------- files


def test_the_file_has_the_table(made, tmp_path):
    found = write_selection(made, 5, tmp_path / "picks.parquet").table
    assert pq.read_table(tmp_path / "picks.parquet").equals(found)
    write_selection(made, 5, tmp_path / "new" / "picks.CSV")
    with (tmp_path / "new" / "picks.CSV").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["id"]) for row in rows] == found["id"].to_pylist()
    assert {row["label"] for row in rows} == {""}


def test_the_file_is_a_table_of_labels_once_it_is_filled_in(copy, tmp_path):
    out = tmp_path / "picks.csv"
    chosen = write_selection(copy, 6, out).table["id"].to_pylist()
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows[:4]):
        row["label"] = f"kind {number % 2}"
    with out.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    spread_labels(copy, out)
    given = pq.read_table(copy / "labels.parquet")["given"].to_pylist()
    assert {number: label for number, label in enumerate(given) if label} == {
        image: f"kind {number % 2}" for number, image in enumerate(chosen[:4])
    }
    assert not set(chosen[:4]) & set(ids(copy, 6))


def test_a_path_that_a_spreadsheet_would_compute_is_found_again(tmp_path):
    (tmp_path / "images").mkdir()
    for number in range(20):
        pixels = np.random.default_rng(number).integers(0, 255, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"=cell{number}.png")
    run, out = tmp_path / "run", tmp_path / "picks.csv"
    vectors = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    make_run(tmp_path / "images", run, OPTIONS, vectors=vectors)
    (chosen,) = write_selection(run, 1, out).table["id"].to_pylist()
    text = out.read_text()
    assert "'=cell" in text
    out.write_text(text.removesuffix("\n").rstrip('"') + "new\n")
    spread_labels(run, out)
    assert pq.read_table(run / "labels.parquet")["given"][chosen].as_py() == "new"


def test_nothing_is_replaced_and_nothing_is_left(made, tmp_path):
    out = tmp_path / "picks.csv"
    out.write_text("mine")
    with pytest.raises(RunError, match="there already: name a new file"):
        write_selection(made, 3, out)
    assert out.read_text() == "mine"
    with pytest.raises(InputError, match="n=99"):
        write_selection(made, 99, tmp_path / "other.csv")
    with pytest.raises(RunError, match="inside the run"):
        write_selection(made, 3, made / "picks.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["picks.csv"]


def test_the_function_of_the_package(made, tmp_path):
    table = lm.select(made, 4, strategy="coverage", within="kind=cat", seed=2)
    assert table["id"].to_pylist() == ids(made, 4, strategy="coverage", within="kind=cat", seed=2)
    written = lm.select(Run(made), 4, balance="kind", out=tmp_path / "a.parquet")
    assert pq.read_table(tmp_path / "a.parquet").equals(written)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n": 0}, "n=0: ask for at least 1 image"),
        ({"n": -3}, "n=-3: ask for at least 1 image"),
        ({"n": 2.5}, "n=2.5: ask for at least 1 image"),
        ({"n": True}, "n=True: ask for at least 1 image"),
        ({"strategy": "best"}, "strategy='best': choose among mixed, typical, coverage, doubt"),
        ({"seed": -1}, "seed=-1: pass a whole number from 0 to 4294967295"),
        (
            {"n": 40},
            r"n=40: 39 images of 48 \(9 labelled already\) can be selected: ask for at most 39, or ignore the labels",
        ),
        ({"n": 46, "ignore_labels": True}, r"n=46: 45 images of 48 \(3 exact duplicates\) can be selected: ask for at"),
        ({"within": "id=0"}, r"n=1: 0 images of 1 \(1 labelled already\) can be selected: nothing is left to select"),
        ({"within": 7}, "within='7': there is no such group: groups are 0, 1, 2$"),
        ({"within": "sea"}, "within='sea': there is no such group: groups are 0, 1, 2; or pass column=value"),
        ({"within": "group=sea"}, "there is no such group: groups are 0, 1, 2"),
        ({"within": "colour=red"}, "'colour' is no column: choose among id, path, group, confidence"),
        ({"within": "kind=cow"}, "no image has this value: kind is 'cat', 'dog', 'a=b'$"),
        ({"within": "id=99"}, "id is '0', .* and 38 more"),
        ({"balance": "colour"}, "balance='colour': choose 'group' or a column: id, path, group, confidence"),
        ({"balance": "image"}, "balance='image': choose"),
    ],
)
def test_a_wrong_call_is_a_sentence(made, options, words):
    with pytest.raises(InputError, match=words):
        select_images(made, **{"n": 1} | options)


def test_too_many_parts_are_refused(made, monkeypatch):
    monkeypatch.setattr("latentmap.run.parts.MAX_PARTS", 10)
    with pytest.raises(InputError, match="balance='weight': this column has 48 different values: choose one with at"):
        select_images(made, 1, balance="weight")


def test_unfinished_older_and_damaged_runs_are_refused(copy, tmp_path):
    with pytest.raises(RunError, match="nothing"):
        select_images(tmp_path / "nothing", 1)
    (copy / "labels.parquet").write_bytes(b"no table")
    with pytest.raises(RunError, match=r"labels.parquet: damaged"):
        select_images(copy, 1)
    pq.write_table(pa.table({"given": ["a"], "confidence": [1.0]}), copy / "labels.parquet")
    with pytest.raises(RunError, match="labels.parquet: has 1 rows for 48 images: give `latentmap label` again"):
        select_images(copy, 1)
    (copy / "labels.parquet").unlink()
    state = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps(state | {"format_version": 0}))
    with pytest.raises(RunError, match="version"):
        select_images(copy, 1)
    (copy / "run.json").write_text(json.dumps(state))
    (copy / "atlas.parquet").unlink()
    for call in (lambda: select_images(copy, 1), lambda: write_selection(copy, 1, tmp_path / "picks.csv")):
        with pytest.raises(RunError, match="finish the run with the command that began it"):
            call()


@pytest.mark.parametrize("name", ["picks", "picks.txt", "picks.csv.gz"])
def test_the_suffix_says_what_is_written(made, tmp_path, name):
    with pytest.raises(InputError, match=r"name a \.csv or a \.parquet file"):
        write_selection(made, 1, tmp_path / name)
