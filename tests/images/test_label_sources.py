"""Labels from arrays and files: missing ones are missing, and each is that of the image that it was given for."""

import datetime
import decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from latentmap.images import ImageCollection, SourceError, open_images
from latentmap.images.label_columns import to_label_column
from latentmap.images.label_files import read_labels

NAN = float("nan")
GREY = np.arange(4 * 6 * 5, dtype=np.uint8).reshape(4, 6, 5)


class NAType:
    """As pandas' NA, which answers no question."""

    def __eq__(self, _: object) -> "NAType":  # type: ignore[override]
        return self

    def __bool__(self) -> bool:
        raise TypeError

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["a", None, NAN, ""], ["a", "", "", ""]),
        (np.array(["a", None, NAN, b"b"], object), ["a", "", "", "b"]),
        (["a", NAType(), np.datetime64("NaT"), np.float32("nan")], ["a", "", "", ""]),
        ([0.0, 1.0, NAN, 10.0], ["0", "1", "", "10"]),
        (np.array([0.5, 1.0, NAN, 2.0], np.float32), ["0.5", "1", "", "2"]),
        (np.array([0.1, 0.1, 0.1, 1], np.float32), ["0.1", "0.1", "0.1", "1"]),
        (np.array([0.0, 1.0, 2.0, 3.0]), [0, 1, 2, 3]),
        ([1, 2, None, 3], ["1", "2", "", "3"]),
        ([1, 2, 3, 4], [1, 2, 3, 4]),
        (np.array([1, 2, 3, 4], ">u2"), [1, 2, 3, 4]),
        ([1, "a", 2.0, True], ["1", "a", "2", "True"]),
        ([True, False, True, True], [True, False, True, True]),
        (np.ma.array([1, 2, 3, 4], mask=[0, 1, 0, 0]), ["1", "", "3", "4"]),
        (np.ma.array(["a", "b", "c", "d"], mask=[0, 1, 0, 0]), ["a", "", "c", "d"]),
        (np.array([b"x", "é".encode(), b"", b"\xff"]), ["x", "é", "", "\\xff"]),
        (np.array(["2024-01-02", "NaT", "2024-01-03", "NaT"], "M8[D]"), ["2024-01-02", "", "2024-01-03", ""]),
        ([2**70, 1, None, 2], [str(2**70), "1", "", "2"]),
        ([decimal.Decimal("1.10"), datetime.date(2024, 1, 2), None, "x"], ["1.10", "2024-01-02", "", "x"]),
        (pa.array(["a", None, "", "b"]), ["a", "", "", "b"]),
        (["nan", "None", "NA", " a "], ["nan", "None", "NA", " a "]),
    ],
)
def test_missing_labels_are_missing_and_others_are_what_they_say(labels, expected):
    assert open_images(GREY, labels=labels).labels.tolist() == expected


def test_labels_of_a_wrong_shape_or_number_are_met_with_a_sentence(tmp_path):
    for labels, words in (
        (np.array("cat"), r"labels of shape \(\): pass a one-dimensional array"),
        ([["a"], ["b"], ["c"], ["d"]], r"labels of shape \(4, 1\)"),
        (["a"], "1 label for 4 images: pass one label for each image"),
    ):
        with pytest.raises(SourceError, match=words):
            open_images(GREY, labels=labels)
    np.save(tmp_path / "l.npy", np.array(["a", None], object), allow_pickle=True)
    with pytest.raises(SourceError, match="not a complete NumPy file"):
        open_images(GREY, labels=tmp_path / "l.npy")


def relabelled(collection: ImageCollection, labels: object) -> list[object]:
    return collection.with_labels(read_labels(labels)).labels.tolist()


def scans(folder: Path, n: int = 5) -> Path:
    folder.mkdir(parents=True)
    for i in range(n):
        Image.fromarray(np.full((6, 6), 40 * i, np.uint8)).save(folder / f"{i}.png")
    return folder


def test_labels_are_for_the_images_or_for_all_files_as_they_are_listed(tmp_path):
    folder = scans(tmp_path / "s")
    (folder / "1.png").write_bytes(b"broken")
    (folder / "3.png").rename(folder / "3.jxl")
    collection = open_images(folder)
    assert relabelled(collection, list("abcde")) == relabelled(collection, list("ace")) == ["a", "c", "e"]
    words = (
        "4 labels for 3 images: pass one label for each image: 3 images that were decoded or 5 images that are listed"
    )
    with pytest.raises(SourceError, match=words):
        relabelled(collection, list("abcd"))


def test_pages_have_the_label_of_their_file_and_what_could_be_either_is_refused(tmp_path):
    folder = scans(tmp_path / "s", 2)
    pages = [Image.fromarray(np.full((6, 6), 9 * i, np.uint8)) for i in range(3)]
    pages[0].save(folder / "0.tif", save_all=True, append_images=pages[1:])
    collection = open_images(folder)
    assert relabelled(collection, list("abc")) == ["a", "b", "b", "b", "c"]
    assert relabelled(collection, list("vwxyz")) == list("vwxyz")
    for name in ("8.png", "9.png"):
        (folder / name).write_bytes(b"broken")
    with pytest.raises(SourceError, match="5 labels could be those of the images that were decoded or of the files"):
        open_images(folder, labels=list("abcde"))


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("l.txt", "a\n\nb, or c\n1.10\n", ["a", "", "b, or c", "1.10"]),
        ("l.txt", "label\r\na\r\n\r\nb\r\n007", ["a", "", "b", "007"]),
        ("l.txt", "a\x0bb\n\u2028\nc\x85\nd\n", ["a\x0bb", "\u2028", "c\x85", "d"]),
        ("l.csv", "a\nb\n\nd\n", ["a", "b", "", "d"]),
        ("l.csv", 'label\n"a, b"\n""\n1\nNA\n', ["a, b", "", "1", "NA"]),
        ("l.csv", ",Label\n0,a\n1,b\n2,\n3,1\n", ["a", "b", "", "1"]),
        ("l.tsv", "number\tlabel\n0\ta\n1\tb\n2\t\n3\t1\n", ["a", "b", "", "1"]),
    ],
)
def test_files_of_labels(tmp_path, name, content, expected):
    (tmp_path / name).write_bytes(content.encode())
    assert [value or "" for value in read_labels(tmp_path / name).tolist()] == expected


def test_labels_with_paths_find_their_images(tmp_path):
    folder = scans(tmp_path / "s", 4)
    table = tmp_path / "l.csv"
    table.write_text("File Name;Label\n3.png;d\n.\\0.png;1\ns/2.png;c\n1.png;\n", encoding="utf-8")
    collection = open_images(folder, labels=table)
    assert collection.labels.tolist() == ["1", "", "c", "d"]
    pq.write_table(pa.table({"path": ["2.png", "9.png"], "label": [1, 2]}), tmp_path / "l.parquet")
    with pytest.warns(UserWarning, match="1 of its paths match no image, such as '9.png'"):
        assert relabelled(collection, tmp_path / "l.parquet") == ["", "", "1", ""]
    for content, words in (
        ("path,label\n0.png,a\n0.png,b\n", "'0.png' has the labels 'a' and 'b': keep one"),
        ("path,label\nx.png,a\n", r"none of its 1 paths matches an image, such as 'x.png'; .* such as '0.png'"),
        ("path,class\n0.png,a\n", "columns path, class: name the one with the labels 'label'"),
        ("path,label\n0.png,a,b\n", "row 1: 3 cells in a row, but 2 columns"),
    ):
        table.write_text(content, encoding="utf-8")
        with pytest.raises(SourceError, match=words):
            relabelled(collection, table)


def test_a_name_that_two_sources_have_is_refused_with_both(tmp_path):
    collection = open_images([scans(tmp_path / "p", 2), scans(tmp_path / "q", 2)])
    table = tmp_path / "l.csv"
    table.write_text("path,label\n1.png,a\n", encoding="utf-8")
    with pytest.raises(SourceError, match=r"'1.png' matches 'p/1.png' or 'q/1.png': write the full path"):
        relabelled(collection, table)
    table.write_text("path,label\nq/1.png,a\n", encoding="utf-8")
    assert relabelled(collection, table) == ["", "", "", "a"]


def test_labels_hold_no_reference_to_what_they_were_made_from():
    values = np.arange(4)
    labels = to_label_column(values)
    values[:] = 9
    assert labels.to_pylist() == [0, 1, 2, 3]
