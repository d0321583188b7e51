"""Labels from a table reach just the images that are meant, or none at all."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from latentmap.run import Run, RunError, RunOptions, add_images, make_run
from latentmap.run.executor import run_stage
from latentmap.run.label_table import read_label_table
from latentmap.run.labels import LABELS_FILE, STALE, spread_labels, spread_locked
from latentmap.run.lock import locked
from latentmap.run.make import FUNCTIONS, updating_run

PATHS = ["p/00.png", "p/01.png", "q/00.png", "q/02.png", "scan.tif[0]", "scan.tif[1]", "cafe\u0301.png", "a/b/0007"]


def labels_of(file: Path, text: str | bytes, paths: list[str] = PATHS) -> dict[int, str]:
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    given = read_label_table(file, paths)
    return {image: label for image, label in enumerate(given.tolist()) if label}


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "labels.csv"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("path,label\np/00.png,cat\nq/00.png,dog\n", {0: "cat", 2: "dog"}),
        ("id,label\n0,cat\n7,dog\n", {0: "cat", 7: "dog"}),
        ("label,path\ncat,01.png\n", {1: "cat"}),  # the end of one path only
        ("path,label\n/home/me/data/q/02.png,cat\n", {3: "cat"}),
        ("path,label\np\\00.png,cat\n", {0: "cat"}),
        ("path,label\n./p/00.png,cat\n", {0: "cat"}),
        ("path,label\nscan.tif,page\n", {4: "page", 5: "page"}),
        ("path,label\nscan.tif[1],page\n", {5: "page"}),
        ("path,label\ncaf\u00e9.png,cat\n", {6: "cat"}),
        ("path,label\n0007,007\n", {7: "007"}),
        ("Path;LABEL\np/00.png;cat\n", {0: "cat"}),
        ("path\tlabel\np/00.png\tcat\n", {0: "cat"}),
        ("\ufeffpath,label\r\np/00.png,cat\r\n", {0: "cat"}),
        ("path,label\np/00.png,\nq/00.png,dog\np/01.png,  \n", {2: "dog"}),
        ("path,label\np/00.png,cat\np/00.png,cat\n", {0: "cat"}),
        ("path,id,label\np/00.png,0,cat\n,1,dog\nq/00.png,,cow\n", {0: "cat", 1: "dog", 2: "cow"}),
        ('path,label\np/00.png,"one, two"\n', {0: "one, two"}),
        ("path,label,label\np/00.png,cat,cat\n", {0: "cat"}),
        ("path,label\np/00.png,None\np/01.png,nan\nq/00.png,-1\n", {0: "None", 1: "nan", 2: "-1"}),
        ("path,label\np/00.png,=1+1\n", {0: "=1+1"}),
    ],
)
def test_labels_find_their_images(file, text, found):
    assert labels_of(file, text) == found


def test_encodings_and_tables_of_parquet(file, tmp_path):
    assert labels_of(file, "path,label\np/00.png,가\n".encode("utf-16")) == {0: "가"}
    table = tmp_path / "labels.parquet"
    pq.write_table(pa.table({"id": [0, 3], "label": [7, None]}), table)
    assert read_label_table(table, PATHS).tolist() == ["7", *[""] * 7]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("path,label\n00.png,cat\n", "row 1: '00.png' could be 'p/00.png' or 'q/00.png': write the whole path"),
        ("path,label\np/00.png,cat\np/03.png,cat\n", "row 2: path 'p/03.png' is not in the run: the nearest are 'p/0"),
        ("path,label\np/02.png,cat\n", "the nearest are 'q/02.png'"),
        ("path,label\n~~~~,cat\n", "'~~~~' is not in the run: names are those in its atlas"),
        ("id,label\n8,cat\n", "row 1: id '8' is not in the run: ids are those in its atlas.parquet, from 0 to 7"),
        ("id,label\n-1,cat\n", "id '-1' is not in the run"),
        ("id,label\n1.0,cat\n", "id '1.0' is not in the run"),
        ("id,label\n" + "9" * 5000 + ",cat\n", "is not in the run"),
        ("path,id,label\np/00.png,2,cat\n", "row 1: 'p/00.png' is the image with the id 0, not 2: correct one"),
        ("path,label\np/00.png,cat\np/00.png,dog\n", "'p/00.png' has the label 'cat' in row 1 and 'dog' in row 2"),
        ("path,id,label\np/00.png,,cat\n,0,dog\n", "has the label 'cat' in row 1 and 'dog' in row 2"),
        ("path,label\n,cat\n", "row 1 names no image: give its path or its id"),
        ("path,label,label\np/00.png,cat,dog\n", "two columns are called label"),
        ("name,label\np/00.png,cat\n", "columns name, label: give `label`, and `path` or `id`"),
        ("", "columns none: give `label`"),
        ("path,label\np/00.png,one,two\n", "row 1: 3 cells in a row, but 2 columns"),
        ('path,label\np/00.png,"cat\n', "is not a valid row"),
    ],
)
def test_labels_of_unknown_or_ambiguous_images_are_refused(file, text, sentence):
    with pytest.raises(RunError) as caught:
        labels_of(file, text)
    assert sentence in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_path_that_a_run_has_twice_is_refused_with_the_ids(file):
    paths = ["00.png", "01.png", "00.png"]
    with pytest.raises(RunError, match="'00.png' could be the images 0, 2: give the id"):
        labels_of(file, "path,label\n00.png,cat\n", paths)
    assert labels_of(file, "id,label\n2,cat\n", paths) == {2: "cat"}


def test_no_file_and_files_that_are_no_table(tmp_path):
    with pytest.raises(RunError, match="there is no such file of labels"):
        read_label_table(tmp_path / "missing.csv", PATHS)
    for name, data in (("a.parquet", b"PAR1"), ("b.csv", b"PK\x03\x04" + b"\0" * 40), ("c.xlsx", b"x")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(RunError, match=name):
            read_label_table(tmp_path / name, PATHS)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A run of two folders with files of the same names."""
    folder = tmp_path_factory.mktemp("made")
    for name, first in (("p", 0), ("q", 8)):
        (folder / name).mkdir()
        for i in range(8):
            image = np.full((6, 6), 10, np.uint8)
            image[(first + i) % 6, first // 8 :] = 100 + first + i
            Image.fromarray(image).save(folder / name / f"{i:02d}.png")
    options = RunOptions(epochs=1, latent_dim=3, n_clusters=2)
    make_run([str(folder / "p"), str(folder / "q")], folder / "run", options)
    return folder


def test_of_two_sources_with_equal_names_only_the_image_that_is_meant_is_labelled(made, tmp_path, file):
    file.write_text("path,label\n03.png,cat\n05.png,dog\n")
    with pytest.raises(RunError, match="'03.png' could be 'p/03.png' or 'q/03.png'"):
        spread_labels(made / "run", file)
    file.write_text("path,label\np/03.png,cat\nq/05.png,dog\n")
    said = []
    table = pq.read_table(spread_labels(made / "run", file, say=said.append))
    assert {i: label for i, label in enumerate(table["given"].to_pylist()) if label} == {3: "cat", 13: "dog"}
    assert said == []
    file.write_text("path,label\np/03.png,cat\n")
    spread_labels(made / "run", file, say=said.append)
    assert said == ["there is only one label, 'cat': every image that it reaches gets it; label others differently"]


def test_an_image_that_no_label_reaches_has_none(made, monkeypatch):
    run = Run.open(made / "run")
    real = Run.spread_labels

    def partly(self, given):
        spread = real(self, given)
        spread.confidence_[5] = 0
        return spread

    monkeypatch.setattr(Run, "spread_labels", partly)
    table = pq.read_table(spread_locked(run, np.array(["a", "b", *[""] * 14], object)))
    assert table["label"].to_pylist()[5] is None
    assert table["label"].null_count == 1


def test_a_second_writer_is_refused(made, file):
    file.write_text("id,label\n0,cat\n")
    with (
        locked(made / "run"),
        pytest.raises(RunError, match="another latentmap is writing to this run"),
    ):
        spread_labels(made / "run", file)


def test_labels_of_a_run_that_was_redone_are_set_aside(made, file, tmp_path):
    file.write_text("id,label\n0,cat\n9,dog\n")
    path = spread_labels(made / "run", file)
    state = Run.open(made / "run").state
    said: list[str] = []
    with updating_run(made / "run", state, say=said.append) as work:
        run_stage(work, "report", FUNCTIONS["report"])
    assert path.exists()
    (tmp_path / "more").mkdir()
    for i in range(3):
        image = np.full((6, 6), 10, np.uint8)
        image[:, i] = 250 - i
        Image.fromarray(image).save(tmp_path / "more" / f"{i}.png")
    add_images(made / "run", [str(tmp_path / "more")], say=said.append)
    assert said[-1] == f"{LABELS_FILE}: of the run as it was before, now called {STALE}: give `latentmap label` again"
    assert not path.exists()
    assert pq.read_table(made / "run" / STALE)["given"].to_pylist()[9] == "dog"
    assert len(pq.read_table(spread_labels(made / "run", file))) == 19


def test_all_labels_have_the_same_weight_however_many_there_are(tmp_path):
    random = np.random.default_rng(0)
    vectors = np.concatenate([random.normal(0, 1, (60, 3)), random.normal(2, 1, (60, 3))]).astype(np.float32)
    make_run(None, tmp_path / "run", RunOptions(n_clusters=2), vectors=vectors)
    (tmp_path / "labels.csv").write_text("id,label\n0,rare\n" + "".join(f"{i},frequent\n" for i in range(60, 120, 2)))
    spread_labels(tmp_path / "run", tmp_path / "labels.csv")
    labels = pq.read_table(tmp_path / "run" / "labels.parquet")["label"].to_numpy()
    assert (labels[:60] == "rare").mean() > 0.8
    assert (labels[60:] == "frequent").mean() > 0.8
