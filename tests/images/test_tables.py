"""Tables say what they said: text stays text, paths find their files, no column or row is lost in silence."""

import csv
import datetime
import decimal
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from latentmap.images import SourceError, open_images
from latentmap.images.column_types import unify_types
from latentmap.images.encodings import detect_encoding
from latentmap.images.sources import find_source
from latentmap.images.table import list_table


def png() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.arange(36, dtype=np.uint8).reshape(6, 6)).save(file, "PNG")
    return file.getvalue()


def write(path: Path, data: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def files(folder: Path, *names: str) -> None:
    for name in names:
        write(folder / name, b"never decoded here")


def outcome(listing) -> list[str]:
    """The end of the path that each row is read from, or the reason of the error."""
    rows = zip(listing.table["path"].to_pylist(), listing.read(np.arange(len(listing))), strict=True)
    return [path if isinstance(item.source, str) else f"{path}: {item.source.reason}" for path, item in rows]


def test_paths_and_labels_stay_the_text_that_they_are(tmp_path):
    names = ["007", "1.10", "1e5", "true", "NA", "2024-01-02", "+5", " 7", "0"]
    files(tmp_path, *names)
    rows = "".join(f"{name},{name},{name}\n" for name in names)
    table = find_source(write(tmp_path / "t.csv", f"path,label,code\n{rows}")).table
    assert table["path"].to_pylist() == names
    assert table["label"].to_pylist() == names
    assert table["code"].to_pylist() == names


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "-20", "0", ""], [1, -20, 0, None]),
        (["0.5", "1.0", "1e-05"], [0.5, 1.0, 1e-05]),
        (["0.5", "1", "2.25"], [0.5, 1.0, 2.25]),
        (["1", "007"], ["1", "007"]),
        (["1.1", "1.10"], ["1.1", "1.10"]),
        (["1", "1.0"], ["1", "1.0"]),
        (["nan", "1.5"], ["nan", "1.5"]),
        (["99999999999999999999"], ["99999999999999999999"]),
        (["0.1234567890123456789"], ["0.1234567890123456789"]),
        (["", ""], [None, None]),
    ],
)
def test_a_column_is_numbers_only_when_these_give_its_text_back(tmp_path, cells, expected):
    rows = "".join(f"{i}.png,{cell}\n" for i, cell in enumerate(cells))
    assert find_source(write(tmp_path / "t.csv", f"path,score\n{rows}")).table["score"].to_pylist() == expected


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(*[st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)] * 3),
        min_size=1,
        max_size=6,
    ),
    delimiter=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
)
def test_any_text_comes_back_from_a_table_as_it_was_written(rows, delimiter, encoding, tmp_path_factory):
    path = tmp_path_factory.mktemp("t") / "t.csv"
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL)
        writer.writerow(["path", "label", "text"])
        writer.writerows((f"x/{i}/{name}", label, text) for i, (name, label, text) in enumerate(rows))
    table = list_table(path).table  # before columns of numbers are told from others
    assert table["label"].to_pylist() == [label or None for _, label, _ in rows]
    assert table["text"].to_pylist() == [text or None for _, _, text in rows]
    again = find_source(path).table["text"].to_pylist()
    for (_, _, text), value in zip(rows, again, strict=True):
        assert value == (text or None) if isinstance(value, str | None) else float(text) == value


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8-sig", "고양이 é"),
        ("utf-16", "고양이 é"),
        ("utf-16-le", "cat"),
        ("cp949", "고양이와 강아지"),
        ("cp1252", "Größe, “naïve” café’s"),
        ("cp932", "ねこ と 犬"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*not UTF-8:UserWarning")
def test_encodings_are_told(tmp_path, encoding, text):
    listing = list_table(write(tmp_path / "t.csv", f'path,label\na.png,"{text}"\n'.encode(encoding)))
    assert listing.table["label"].to_pylist() == [text]


def test_an_encoding_that_is_only_likely_is_warned_about_and_one_that_cannot_be_told_is_refused(tmp_path):
    with pytest.warns(UserWarning, match="not UTF-8, read as cp949"):
        list_table(write(tmp_path / "t.csv", "path,label\na.png,고양이\n".encode("cp949")))
    for encoding, text in (("cp1251", "кошка"), ("gbk", "长颈鹿"), ("cp850", "Käse")):
        with pytest.raises(SourceError, match="neither UTF-8 nor text in an encoding that can be detected"):
            list_table(write(tmp_path / "t.csv", f"path,label\na.png,{text}\n".encode(encoding)))


def test_a_character_between_two_blocks_is_no_error():
    data = "é한".encode() * 3
    assert all(detect_encoding([data[:i], data[i:]]) == "utf-8" for i in range(len(data) + 1))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", "path;label\r\na.png;x,y\r\n\r\nb.png;z\r\n"),
        ("t.csv", "sep=;\r\npath;label\r\na.png;x,y\r\nb.png;z\r\n"),
        ("t.csv", "path\tlabel\na.png\tx,y\nb.png\tz\n"),
        ("t.tsv", 'File Name \t Label\n"a.png"\tx,y\nb.png\tz\n'),
        ("t.CSV", '"Path","label"\r"a.png","x,y"\r"b.png",z\r'),
        ("t.txt", "File-Name\tLABEL\na.png\tx,y\nb.png\tz\n"),
    ],
)
def test_delimiters_headers_and_ends_of_lines(tmp_path, name, content):
    files(tmp_path, "a.png", "b.png")
    listing = find_source(write(tmp_path / name, content))
    assert outcome(listing) == ["a.png", "b.png"]
    assert listing.table["label"].to_pylist() == ["x,y", "z"]


def test_rows_that_do_not_fit_are_listed_and_short_ones_have_empty_cells(tmp_path):
    files(tmp_path, *"abcd")
    listing = find_source(write(tmp_path / "t.csv", 'path,label,note\na,x\nb,y,n,o\nc,z,"two\nlines",,\n,v,w\na,q,r\n'))
    assert outcome(listing) == [
        "a",
        "b: 4 cells in a row, but 3 columns in the header",
        "c",
        "t[3]: no path in this row",
        "a: row 1 of the table has the same file",
    ]
    assert listing.table["note"].to_pylist() == [None, "n", "two\nlines", "w", "r"]
    with pytest.raises(SourceError, match="line 3 is not a valid row"):
        list_table(write(tmp_path / "t.csv", 'path,label\na,"never closed\nb,y\n'))


def test_columns_of_any_name_are_kept_under_names_of_their_own(tmp_path):
    header = 'path,label,label,,"a[0]","cost $x$","two\nlines",group,group_,x,LABEL'
    listing = find_source(write(tmp_path / "t.csv", header + "\na.png," + ",".join(f"v{i}" for i in range(10)) + "\n"))
    row = listing.table.to_pylist()[0]
    expected = ["label", "label_2", "column_4", "a[0]", "cost $x$", "two\nlines", "group_", "group__2", "x_", "LABEL"]
    assert {name: row[name] for name in expected} == {name: f"v{i}" for i, name in enumerate(expected)}


def test_paths_of_windows_and_of_other_machines_are_found(tmp_path):
    files(tmp_path, "cats/1.png", "cats/2.png", "dogs/1.png", "back\\slash.png")
    cases = {
        "cats\\1.png": "cats/1.png",
        ".\\cats\\2.png": "cats/2.png",
        "./dogs//1.png": "dogs/1.png",
        "back\\slash.png": "back\\slash.png",
    }
    assert outcome(list_table(write(tmp_path / "t.txt", "\n".join(cases)))) == list(cases.values())
    for root in ("C:\\Users\\me\\data\\", "/home/me/", "\\\\server\\share\\"):
        text = "".join(f"{root}{name}\n" for name in ("cats\\1.png", "dogs\\1.png", "cats\\9.png")).replace(
            "\\", "\\" if "\\" in root else "/"
        )
        found = list_table(write(tmp_path / "t.txt", text)).table["path"].to_pylist()
        assert found[:2] == ["cats/1.png", "dogs/1.png"]
        assert found[2].endswith("9.png"), "which is nowhere, and stays as it was written"


def test_names_of_one_and_of_two_characters_a_letter_are_the_same(tmp_path):
    import unicodedata

    files(tmp_path, unicodedata.normalize("NFD", "고양이.png"), unicodedata.normalize("NFC", "é.png"))
    text = unicodedata.normalize("NFC", "고양이.png") + "\n" + unicodedata.normalize("NFD", "é.png") + "\n"
    assert all(":" not in one for one in outcome(list_table(write(tmp_path / "t.txt", text))))


def test_workbooks_are_answered_with_how_to_save_them(tmp_path):
    for name, content in (("t.xlsx", b"PK\x03\x04"), ("t.csv", b"PK\x03\x04"), ("t.xls", b"\xd0\xcf\x11\xe0")):
        with pytest.raises(SourceError, match="an Excel workbook: open it, save the sheet as CSV"):
            open_images(write(tmp_path / name, content))


def test_tables_of_different_types_join_without_a_change(tmp_path):
    def table(name, header, *rows):
        return write(tmp_path / name / "t.csv", "\n".join([header, *rows]))

    one = table("p", "path,label,size,code", "a.png,1,1,007", "b.png,2,2.5,7")
    two = table("q", "path,label,size,code,extra", "a.png,cat,3.5,x,e", "b.png,,12,y,")
    joined = find_source([one, two]).table
    assert joined["label"].to_pylist() == ["1", "2", "cat", None]
    assert joined["size"].to_pylist() == [1.0, 2.5, 3.5, 12.0]
    assert joined["code"].to_pylist() == ["007", "7", "x", "y"]
    assert joined["extra"].to_pylist() == [None, None, "e", None]
    three = table("r", "path,size", "a.png,big")
    assert find_source([one, three]).table["size"].to_pylist() == ["1", "2.5", "big"]
    pq.write_table(pa.table({"path": ["a.png"], "label": [3], "size": [2**60], "code": [None]}), tmp_path / "t.parquet")
    mixed = find_source([one, tmp_path / "t.parquet"]).table
    assert mixed["label"].to_pylist() == ["1", "2", "3"]
    assert mixed["code"].to_pylist() == ["007", "7", None]
    assert mixed["size"].to_pylist()[2] in (2**60, str(2**60))


def test_columns_of_any_type_of_parquet_come_out_as_what_they_say(tmp_path):
    day = datetime.datetime(2024, 1, 2, 3, 4, 5)
    columns = {
        "path": pa.array(["0001", "0002"]).dictionary_encode(),
        "label": pa.array([1.0, None]),
        "price": pa.array([decimal.Decimal("1.10"), None]),
        "long": pa.array([decimal.Decimal("12345678901234567890.10"), None]),
        "list": pa.array([[1, 2], None]),
        "struct": pa.array([{"a": "é", "b": b"\1"}, None]),
        "map": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
        "day": pa.array([day, None]),
        "span": pa.array([datetime.timedelta(1), None]),
        "large": pa.array(["text", None], pa.large_string()),
        "half": pa.array([np.float16(0.5), None], pa.float16()),
        "nothing": pa.nulls(2),
        "kind": pa.array(["x", None]).dictionary_encode(),
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    row, empty = find_source(tmp_path / "t.parquet").table.to_pylist()
    expected = {
        "path": "0001",
        "label": 1,
        "price": 1.1,
        "long": "12345678901234567890.10",
        "list": "[1, 2]",
        "struct": '{"a": "é", "b": "01"}',
        "map": '[["k", 1]]',
        "day": day,
        "span": "1 day, 0:00:00",
        "large": "text",
        "half": 0.5,
        "nothing": None,
        "kind": "x",
    }
    assert {name: row[name] for name in expected} == expected
    assert all(empty[name] is None for name in expected if name != "path")


@pytest.mark.parametrize(
    "described",
    [
        b'{"info": null}',
        b"[]",
        b'{"info": {"features": []}}',
        b'{"info": {"features": {"label": null}}}',
        b'{"info": {"features": {"label": {"names": {"a": 1}}}}}',
        b'{"info": {"features": {"label": {"names": [1, null]}}}}',
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_descriptions_of_hugging_face_that_are_none_are_ignored(tmp_path, described):
    table = pa.table({"image": [png(), png()], "label": [0, 1]}).replace_schema_metadata({b"huggingface": described})
    pq.write_table(table, tmp_path / "t.parquet")
    assert list_table(tmp_path / "t.parquet").table["label"].to_pylist() == [0, 1]


def test_parquet_with_files_keeps_its_other_columns_and_reads_files_that_it_only_names(tmp_path):
    write(tmp_path / "cats" / "1.png", png())
    images = pa.array(
        [{"bytes": png(), "path": None}, {"bytes": None, "path": "cats/1.png"}, {"bytes": None, "path": None}]
    )
    columns = {"image": images, "mask": pa.array([b"x" * 1000, b"ab", None]), "label": pa.array([0, 1, 9])}
    described = b'{"info": {"features": {"label": {"names": ["cat", "dog"]}}}}'
    pq.write_table(pa.table(columns).replace_schema_metadata({b"huggingface": described}), tmp_path / "t.parquet")
    collection = open_images(tmp_path / "t.parquet")
    assert collection.paths == ["t[0]", "t[1]"]
    assert collection.labels.tolist() == ["cat", "dog"]
    assert collection.table["mask"].to_pylist() == ["1,000 bytes", "6162"]
    assert collection.skipped == [("t[2]", "no bytes in this row")]
    twice = pa.table([images, pa.array(["a", "b", "c"]), pa.array(["d", "e", "f"])], names=["image", "label", "label"])
    pq.write_table(twice, tmp_path / "t.parquet")
    table = list_table(tmp_path / "t.parquet").table
    assert (table["label"].to_pylist(), table["label_2"].to_pylist()) == (["a", "b", "c"], ["d", "e", "f"])


def test_when_nothing_is_there_it_is_said_why_and_where_it_was_looked_for(tmp_path):
    rows = "".join(f"nowhere/{i}.png\n" for i in range(4))
    write(tmp_path / "broken.png", b"text")
    with pytest.raises(SourceError) as error:
        open_images(write(tmp_path / "t.csv", f"path\n{rows}broken.png\n"))
    said = str(error.value)
    assert "no images in it: 5 files cannot be decoded: No such file or directory (4, such as 'nowhere/0.png')" in said
    assert "not an image of any format that Pillow reads (1, such as 'broken.png')" in said
    assert f"searched {tmp_path}" in said


def test_parquet_with_nothing_but_files_has_a_row_a_file(tmp_path):
    pq.write_table(pa.table({"image": [png(), png()]}), tmp_path / "t.parquet")
    assert list_table(tmp_path / "t.parquet").table["path"].to_pylist() == ["t[0]", "t[1]"]


def test_types_of_joined_columns_hold_the_values_of_all():
    tables = [
        pa.table({"label": pa.array([1], pa.int64()), "n": pa.array([1], pa.int8()), "new": pa.nulls(1)}),
        pa.table({"label": ["cat"], "n": pa.array([1], pa.int32()), "x": pa.array([1.5], pa.float32())}),
    ]
    joined = pa.concat_tables(unify_types(tables), promote_options="default")
    assert {field.name: str(field.type) for field in joined.schema} == {
        **{"label": "string", "n": "int64", "new": "string", "x": "float"}
    }
    assert joined["label"].to_pylist() == ["1", "cat"]
